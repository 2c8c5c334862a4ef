// The network: its forward pass, its gradient with respect to the input, and what each of its values has seen.
// Samples have no batch axis. All arrays are flat, in row order; images are H W C, filters KH KW C F. Nothing here
// knows of the page.

const Network = (() => {
  const size = (shape) => shape.reduce((product, n) => product * n, 1);
  const last = (array) => array[array.length - 1];

  // Read base64 of little-endian numbers.
  function decode(text, Kind) {
    const letters = atob(text);
    const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
    if (Kind === Uint8Array) return bytes;
    const view = new DataView(bytes.buffer);
    return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  }

  // --- activations: the value, and the slope at x where the value is y

  // The complementary error function, within 1.2e-7 (Press et al., Numerical Recipes, section 6.2).
  function erfc(x) {
    const t = 1 / (1 + Math.abs(x) / 2);
    const factors = [0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196];
    const series = factors.reduce((sum, factor) => factor + t * sum, 0);
    const value = t * Math.exp(-x * x - 1.26551223 + t * (1.00002368 + t * series));
    return x >= 0 ? value : 2 - value;
  }
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  const normal = (x) => Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
  const ACTIVATIONS = {
    relu: [(x) => (x <= 0 ? 0 : x), (x) => (x > 0 ? 1 : 0)],
    leaky_relu: [(x) => (x > 0 ? x : 0.2 * x), (x) => (x > 0 ? 1 : 0.2)],
    elu: [(x) => (x > 0 ? x : Math.expm1(x)), (x) => (x > 0 ? 1 : Math.exp(x))],
    gelu: [(x) => x * (1 - erfc(x / Math.SQRT2) / 2), (x) => 1 - erfc(x / Math.SQRT2) / 2 + x * normal(x)],
    silu: [(x) => x * sigmoid(x), (x) => sigmoid(x) * (1 + x * (1 - sigmoid(x)))],
    softplus: [(x) => Math.log1p(Math.exp(-Math.abs(x))) + Math.max(x, 0), sigmoid],
    sigmoid: [sigmoid, (x, y) => y * (1 - y)],
    tanh: [Math.tanh, (x, y) => 1 - y * y],
  };

  function activate(name, x, n) {
    if (name !== "softmax") return x.map(ACTIVATIONS[name][0]);
    const y = new Float64Array(x.length);
    for (let start = 0; start < x.length; start += n) {
      let most = -Infinity;
      let sum = 0;
      for (let i = start; i < start + n; i++) most = Math.max(most, x[i]);
      for (let i = start; i < start + n; i++) sum += y[i] = Math.exp(x[i] - most);
      for (let i = start; i < start + n; i++) y[i] /= sum;
    }
    return y;
  }

  function activateBack(name, g, x, y, n) {
    if (name !== "softmax") return g.map((value, i) => value * ACTIVATIONS[name][1](x[i], y[i]));
    const back = new Float64Array(g.length);
    for (let start = 0; start < g.length; start += n) {
      let inner = 0;
      for (let i = start; i < start + n; i++) inner += g[i] * y[i];
      for (let i = start; i < start + n; i++) back[i] = y[i] * (g[i] - inner);
    }
    return back;
  }

  // --- windows that slide over an image

  // How many windows there are, down and across.
  const places = (layer) => (layer.output.length === 3 ? layer.output : [1, 1]);

  // Call visit(position in the input, position in the window, number of the window) for each pixel that a window sees.
  function slide(layer, visit) {
    const [h, w] = layer.input;
    const [oh, ow] = places(layer);
    const [kh, kw] = layer.window;
    for (let i = 0; i < oh; i++) {
      for (let j = 0; j < ow; j++) {
        for (let a = 0; a < kh; a++) {
          const row = i * layer.stride[0] - layer.before[0] + a;
          if (row < 0 || row >= h) continue;
          for (let b = 0; b < kw; b++) {
            const column = j * layer.stride[1] - layer.before[1] + b;
            if (column >= 0 && column < w) visit(row * w + column, a * kw + b, i * ow + j);
          }
        }
      }
    }
  }

  // The places in a row of a matrix whose values are not 0: behind a relu or a pooling few are.
  function occupied(g, start, n) {
    const found = [];
    for (let i = 0; i < n; i++) if (g[start + i] !== 0) found.push(i);
    return found;
  }

  // --- layers: forward(layer, x) and backward(layer, g, x, y), without their activation

  const LAYERS = {
    dense: {
      forward(layer, x) {
        const { units, weight, bias } = layer;
        const inputs = last(layer.input);
        const y = new Float64Array(size(layer.output));
        for (let row = 0; row * units < y.length; row++) {
          for (let u = 0; u < units; u++) y[row * units + u] = bias ? bias[u] : 0;
          for (let i = 0; i < inputs; i++) {
            const value = x[row * inputs + i];
            if (value === 0) continue; // all weights are finite
            for (let u = 0; u < units; u++) y[row * units + u] += value * weight[i * units + u];
          }
        }
        return y;
      },
      backward(layer, g) {
        const { units, weight } = layer;
        const inputs = last(layer.input);
        const back = new Float64Array(size(layer.input));
        for (let row = 0; row * inputs < back.length; row++) {
          const some = occupied(g, row * units, units);
          for (let i = 0; i < inputs; i++) {
            let sum = 0;
            for (const u of some) sum += g[row * units + u] * weight[i * units + u];
            back[row * inputs + i] = sum;
          }
        }
        return back;
      },
    },
    conv: {
      forward(layer, x) {
        const { units, weight, bias } = layer;
        const channels = layer.input[2];
        const y = new Float64Array(size(layer.output));
        if (bias) for (let i = 0; i < y.length; i++) y[i] = bias[i % units];
        slide(layer, (pixel, tap, window) => {
          for (let c = 0; c < channels; c++) {
            const value = x[pixel * channels + c];
            if (value === 0) continue; // all weights are finite
            const start = (tap * channels + c) * units;
            for (let f = 0; f < units; f++) y[window * units + f] += value * weight[start + f];
          }
        });
        return y;
      },
      backward(layer, g) {
        const { units, weight } = layer;
        const channels = layer.input[2];
        const back = new Float64Array(size(layer.input));
        const some = Array.from({ length: g.length / units }, (_, window) => occupied(g, window * units, units));
        slide(layer, (pixel, tap, window) => {
          if (some[window].length === 0) return;
          for (let c = 0; c < channels; c++) {
            const start = (tap * channels + c) * units;
            let sum = 0;
            for (const f of some[window]) sum += g[window * units + f] * weight[start + f];
            back[pixel * channels + c] += sum;
          }
        });
        return back;
      },
    },
    max_pool: {
      // The place in the input of the first maximum of each window.
      winners(layer, x) {
        const channels = layer.input[2];
        const places = new Int32Array(size(layer.output)).fill(-1);
        slide(layer, (pixel, tap, window) => {
          for (let c = 0; c < channels; c++) {
            const at = window * channels + c;
            const best = places[at];
            if (best < 0 || x[pixel * channels + c] > x[best]) places[at] = pixel * channels + c;
          }
        });
        return places;
      },
      forward: (layer, x) => Float64Array.from(LAYERS.max_pool.winners(layer, x), (place) => x[place]),
      backward(layer, g, x) {
        const back = new Float64Array(x.length);
        LAYERS.max_pool.winners(layer, x).forEach((place, i) => (back[place] += g[i]));
        return back;
      },
    },
    average_pool: {
      // How many pixels of the image each window sees.
      counts(layer) {
        const counts = new Float64Array(places(layer)[0] * places(layer)[1]);
        slide(layer, (pixel, tap, window) => counts[window]++);
        return counts;
      },
      forward(layer, x) {
        const channels = layer.input[2];
        const counts = LAYERS.average_pool.counts(layer);
        const y = new Float64Array(size(layer.output));
        slide(layer, (pixel, tap, window) => {
          for (let c = 0; c < channels; c++) y[window * channels + c] += x[pixel * channels + c];
        });
        return y.map((sum, i) => sum / counts[Math.floor(i / channels)]);
      },
      backward(layer, g) {
        const channels = layer.input[2];
        const counts = LAYERS.average_pool.counts(layer);
        const back = new Float64Array(size(layer.input));
        slide(layer, (pixel, tap, window) => {
          for (let c = 0; c < channels; c++) {
            back[pixel * channels + c] += g[window * channels + c] / counts[window];
          }
        });
        return back;
      },
    },
    layer_norm: {
      // Call visit(start of a row, its mean, 1 / its deviation).
      rows(layer, x, visit) {
        const n = last(layer.input);
        for (let start = 0; start < x.length; start += n) {
          let mean = 0;
          let variance = 0;
          for (let i = 0; i < n; i++) mean += x[start + i] / n;
          for (let i = 0; i < n; i++) variance += (x[start + i] - mean) ** 2 / n;
          visit(start, mean, 1 / Math.sqrt(variance + layer.epsilon), n);
        }
      },
      forward(layer, x) {
        const y = new Float64Array(x.length);
        LAYERS.layer_norm.rows(layer, x, (start, mean, factor, n) => {
          for (let i = 0; i < n; i++) y[start + i] = (x[start + i] - mean) * factor * layer.scale[i] + layer.shift[i];
        });
        return y;
      },
      backward(layer, g, x) {
        const back = new Float64Array(x.length);
        LAYERS.layer_norm.rows(layer, x, (start, mean, factor, n) => {
          let sum = 0;
          let inner = 0;
          for (let i = 0; i < n; i++) {
            const slope = g[start + i] * layer.scale[i];
            sum += slope / n;
            inner += (slope * (x[start + i] - mean) * factor) / n;
          }
          for (let i = 0; i < n; i++) {
            const slope = g[start + i] * layer.scale[i];
            back[start + i] = factor * (slope - sum - (x[start + i] - mean) * factor * inner);
          }
        });
        return back;
      },
    },
    affine: {
      forward: (layer, x) => {
        const n = layer.scale.length;
        return x.map((value, i) => value * layer.scale[i % n] + layer.shift[i % n]);
      },
      backward: (layer, g) => g.map((value, i) => value * layer.scale[i % layer.scale.length]),
    },
    upsample: {
      forward(layer, x) {
        const y = new Float64Array(size(layer.output));
        slide(layer.reversed, (pixel, tap, window) => {
          for (let c = 0; c < layer.input[2]; c++) y[pixel * layer.input[2] + c] = x[window * layer.input[2] + c];
        });
        return y;
      },
      backward(layer, g) {
        const back = new Float64Array(size(layer.input));
        slide(layer.reversed, (pixel, tap, window) => {
          for (let c = 0; c < layer.input[2]; c++) back[window * layer.input[2] + c] += g[pixel * layer.input[2] + c];
        });
        return back;
      },
    },
    same: { forward: (layer, x) => x, backward: (layer, g) => g },
  };

  // --- a stack of layers

  // What a layer was given (x), what it has before its activation (z), and what it returns (y); of a residual layer
  // also what happens within it.
  function step(layer, x) {
    const within = {};
    let z;
    if (layer.type === "residual") {
      within.inner = runAll(layer.layers, x);
      within.around = runAll(layer.shortcut, x);
      const around = layer.shortcut.length ? last(within.around).y : x;
      z = last(within.inner).y.map((value, i) => value + around[i]);
    } else {
      z = LAYERS[layer.type].forward(layer, x);
    }
    const y = layer.activation ? activate(layer.activation, z, last(layer.output)) : z;
    return { layer, x, z, y, ...within };
  }

  function runAll(layers, x) {
    const records = [];
    for (const layer of layers) {
      records.push(step(layer, x));
      x = last(records).y;
    }
    return records;
  }

  function back(record, g, whole = true) {
    const { layer, x, z, y } = record;
    if (layer.activation && whole) g = activateBack(layer.activation, g, z, y, last(layer.output));
    if (layer.type !== "residual") return LAYERS[layer.type].backward(layer, g, x, y);
    const through = record.inner.reduceRight((slope, part) => back(part, slope), g);
    const around = record.around.reduceRight((slope, part) => back(part, slope), g);
    return through.map((value, i) => value + around[i]);
  }

  // Turn what the page holds of a layer into arrays.
  function unpack(layer, weights) {
    const take = ([start, length]) => weights.subarray(start, start + length);
    for (const name of ["weight", "bias", "scale", "shift"]) if (layer[name]) layer[name] = take(layer[name]);
    if (layer.type === "upsample") layer.reversed = { ...layer, input: layer.output, output: layer.input };
    for (const part of [...(layer.layers ?? []), ...(layer.shortcut ?? [])]) unpack(part, weights);
  }

  class Model {
    constructor(network) {
      const weights = decode(network.weights, Float32Array);
      this.layers = network.layers;
      this.layers.forEach((layer) => unpack(layer, weights));
      this.shape = network.shape;
      const all = (numbers) => (numbers.length === 1 ? () => numbers[0] : (i) => numbers[i]);
      this.shift = all(network.shift);
      this.scale = all(network.scale);
    }

    // The records of all layers for a sample, given in the units of the training data.
    run(sample) {
      const x = Float64Array.from(sample, (value, i) => (value - this.shift(i)) * this.scale(i));
      return runAll(this.layers, x);
    }

    predict(sample) {
      return last(this.run(sample)).y;
    }

    // The gradient of one output with respect to the sample. Of probabilities it is that of the score, which softmax
    // or sigmoid makes a probability of: where the network is sure, the probability itself hardly moves.
    gradient(records, k) {
      let end = records.length - 1;
      while (end > 0 && records[end].layer.type === "same" && !records[end].layer.activation) end--;
      const score = ["softmax", "sigmoid"].includes(records[end].layer.activation);
      let g = new Float64Array(records[end].y.length);
      g[k] = 1;
      g = back(records[end], g, !score);
      for (let i = end - 1; i >= 0; i--) g = back(records[i], g);
      return g.map((value, i) => value * this.scale(i));
    }
  }

  // --- what a value has seen

  // The rows and columns of a layer's input, [top, left, bottom, right] with the last included, that these of its
  // output depend on.
  function seen(layer, area) {
    const whole = [0, 0, layer.input[0] - 1, (layer.input[1] ?? 1) - 1];
    if (layer.type === "residual") {
      const inner = [...layer.layers].reverse().reduce((box, part) => seen(part, box), area);
      const around = [...layer.shortcut].reverse().reduce((box, part) => seen(part, box), area);
      const order = [Math.min, Math.min, Math.max, Math.max];
      return inner.map((value, i) => order[i](value, around[i]));
    }
    if (layer.input.length !== 3 || layer.output.length !== 3 || layer.reshapes) return whole;
    if (layer.type === "upsample") {
      return area.map((value, i) => Math.floor(value / layer.window[i % 2]));
    }
    if (!layer.window) return area;
    const first = (i) => Math.max(0, area[i] * layer.stride[i] - layer.before[i]);
    const end = (i) => {
      const most = area[i + 2] * layer.stride[i] - layer.before[i] + layer.window[i] - 1;
      return Math.min(layer.input[i] - 1, most);
    };
    return [first(0), first(1), end(0), end(1)];
  }

  return { Model, decode, seen, size };
})();
