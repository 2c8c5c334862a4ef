// The page: draws, asks the network, and shows what happens in it. Texts of the user's, such as names of classes, are
// set as text and never as markup.

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const model = new Network.Model(data.network);
  const [height, width, channels] = model.shape;
  const [low, high] = data.levels;
  const images = decodeImages();
  const fine = Math.max(2, Math.round(256 / Math.max(height, width)));
  const pad = new Sample.Pad(model.shape, fine, data.paper);
  const binary = data.network.meaning === "one probability";
  const certain = data.network.meaning !== "scores";
  const MOST_BARS = 12;
  const ON_A_PAGE = 24;
  const SLOW = 120; // milliseconds

  const find = (id) => document.getElementById(id);
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const number = (value) => {
    if (!Number.isFinite(value) || Number.isInteger(value)) return String(value).replace("-", "\u2212");
    const size = Math.abs(value);
    if (size !== 0 && (size < 0.001 || size >= 1e5)) return value.toExponential(1).replace("-", "\u2212");
    return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3).replace("-", "\u2212");
  };
  const percent = (p) => `${(100 * p).toFixed(1)} %`;
  const shapeText = (shape) => shape.join(" \u00d7 ");

  let image = null; // the number of the test image that is on the pad, as long as nothing is drawn over it
  let asItIs = false; // what is on the pad began as a test image, which is taken as it is
  let sample = null;
  let records = [];
  let values = [];
  let waiting = false; // for an update
  let framed = false; // a frame is asked for
  let cost = 0; // of the last update, in milliseconds
  let pause = null; // a timer, while the pen is waited for
  let chosen = null; // the value that is looked at: {card, map, row, column}

  function decodeImages() {
    if (!data.images) return [];
    const all = Network.decode(data.images.pixels, data.images.bytes ? Uint8Array : Float32Array);
    const each = Network.size(model.shape);
    return Array.from({ length: data.images.count }, (_, i) => all.subarray(i * each, (i + 1) * each));
  }

  // --- colours

  const grey = (t) => {
    const shade = Math.round(255 * Math.min(1, Math.max(0, t)));
    return [shade, shade, shade];
  };
  const STOPS = [[33, 102, 172], [146, 197, 222], [247, 247, 247], [244, 165, 130], [178, 24, 43]];
  function signed(t) {
    const place = 2 * (Math.min(1, Math.max(-1, t)) + 1);
    const at = Math.min(3, Math.floor(place));
    return STOPS[at].map((from, i) => Math.round(from + (place - at) * (STOPS[at + 1][i] - from)));
  }

  // Draw into a canvas of a size what color(row, column) returns: [red, green, blue], or null for nothing.
  function paint(canvas, rows, columns, color) {
    if (canvas.width !== columns || canvas.height !== rows) Object.assign(canvas, { width: columns, height: rows });
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(columns, rows);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const found = color(i, j);
        if (found) pixels.data.set([...found, 255], 4 * (i * columns + j));
      }
    }
    context.putImageData(pixels, 0, 0);
  }

  // Draw values from 0 to 1 as an image.
  function paintImage(canvas, shown, rows, columns) {
    paint(canvas, rows, columns, (i, j) => {
      const at = (i * columns + j) * channels;
      return channels === 1 ? grey(shown[at]) : [0, 1, 2].map((c) => grey(shown[at + c])[0]);
    });
  }

  const toUnit = (value) => (value - low) / (high - low);

  // --- images side by side

  // How the values of a shape lie in a picture: images (H, W) in columns, each value a square of `zoom` pixels.
  function layout(shape, most = 480) {
    const [h, w, count] = shape.length === 3 ? shape : shape.length === 2 ? [...shape, 1] : [1, 1, shape[0]];
    const zoom = h * w === 1 ? 3 : 1;
    const wide = w * zoom + 1;
    const wanted = h * w === 1 ? Math.min(count, 32) : Math.ceil(Math.sqrt((2 * count * (h + 1)) / (w + 1)));
    const fitting = Math.max(1, Math.min(count, wanted, Math.max(8, Math.floor(most / wide))));
    const even = Array.from({ length: fitting }, (_, i) => fitting - i).find((n) => count % n === 0);
    const columns = even > fitting / 2 ? even : fitting;
    const rows = Math.ceil(count / columns);
    return { h, w, count, zoom, columns, wide, high: h * zoom + 1, width: columns * wide - 1, height: rows * (h * zoom + 1) - 1 };
  }

  function paintMosaic(canvas, all, place, color) {
    paint(canvas, place.height, place.width, (y, x) => {
      const map = Math.floor(y / place.high) * place.columns + Math.floor(x / place.wide);
      const [i, j] = [Math.floor((y % place.high) / place.zoom), Math.floor((x % place.wide) / place.zoom)];
      if (map >= place.count || i >= place.h || j >= place.w) return null;
      return color(all[(i * place.w + j) * place.count + map]);
    });
    canvas.parentElement.style.maxWidth = `${Math.max(place.width * 5, 60)}px`;
  }

  // How values are coloured, and that in words.
  function scaleOf(all, hasSigns = null) {
    let [least, most] = [Infinity, -Infinity];
    for (const value of all) [least, most] = [Math.min(least, value), Math.max(most, value)];
    if (hasSigns ?? least < 0) {
      const end = Math.max(Math.abs(least), Math.abs(most)) || 1;
      return [(value) => signed(value / end), `blue ${number(-end)}, white 0, red ${number(end)}`];
    }
    const end = most || 1;
    return [(value) => grey(value / end), `black 0, white ${number(most)}`];
  }

  // Put a frame around a part of a picture, in shares of its size.
  function frame(span, [top, left, bottom, right]) {
    Object.assign(span.style, {
      top: `${100 * top}%`, left: `${100 * left}%`, height: `${100 * (bottom - top)}%`, width: `${100 * (right - left)}%`,
    });
    span.hidden = false;
  }

  // --- the layers

  const cards = [];

  function addCards(layers, path, owner = "") {
    layers.forEach((layer, i) => {
      const steps = [...path, i];
      if (layer.type === "residual") {
        const within = `${owner}${layer.name} \u203a `;
        addCards(layer.layers, [...steps, "inner"], within);
        addCards(layer.shortcut, [...steps, "around"], within);
      }
      addCard(layer, owner + layer.name, steps, path);
    });
  }

  function addCard(layer, name, steps, path) {
    const told = [layer.kind, shapeText(layer.output)];
    if (layer.activation && layer.type !== "same") told.splice(1, 0, layer.activation);
    if (layer.parameters) told.push(`${layer.parameters.toLocaleString("en")} parameters`);
    if (path.includes("around")) told.push("on the way around");
    const head = make("div", { className: "layer-head" }, make("h3", { textContent: name }));
    head.append(make("p", { className: "soft", textContent: told.join(" \u00b7 ") }));
    const box = make("article", { className: path.length ? "card layer within" : "card layer" }, head);
    find("layers").append(box);
    if (layer.type === "same" && !layer.activation) {
      const what = layer.reshapes ? "The same values in another shape." : "Acts in training alone: passes its input on.";
      box.append(make("p", { className: "soft", textContent: what }));
      return;
    }
    const canvas = make("canvas", { tabIndex: 0 });
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-roledescription", "picture to explore");
    canvas.setAttribute("aria-label", `Values of ${name}, ${shapeText(layer.output)}`);
    const marks = ["map", ""].map((className) => make("span", { className, hidden: true }));
    const caption = make("p", { className: "soft" });
    const card = { layer, name, steps, canvas, marks, caption, place: layout(layer.output) };
    box.append(make("div", { className: "maps" }, canvas, ...marks), caption);
    const filters = filtersOf(layer);
    if (filters) addFilters(box, filters);
    listen(card);
    cards.push(card);
  }

  // The filters of a layer as images: of a convolution, the mean over its input channels; of a dense layer on an image,
  // its weights.
  function filtersOf(layer) {
    const { units, weight } = layer;
    if (layer.type === "conv") {
      const [h, w] = layer.window;
      const from = layer.input[2];
      const shown = new Float64Array(h * w * units);
      for (let i = 0; i < weight.length; i++) {
        shown[Math.floor(i / (from * units)) * units + (i % units)] += weight[i] / from;
      }
      const mean = from > 1 ? `, mean over ${from} channels` : "";
      return h * w > 1 ? { shape: [h, w, units], shown, text: `The ${units} filters of ${h} \u00d7 ${w}${mean}` } : null;
    }
    if (layer.type !== "dense" || layer.output.length !== 1 || units > 64) return null;
    const shape = imageBefore(layer);
    if (shape.length !== 3 || shape[2] > 3 || shape[0] < 4) return null;
    const shown = new Float64Array(shape[0] * shape[1] * units);
    weight.forEach((value, i) => {
      shown[Math.floor(i / (shape[2] * units)) * units + (i % units)] += value / shape[2];
    });
    return { shape: [shape[0], shape[1], units], shown, text: `The weights of its ${units} outputs` };
  }

  function addFilters(box, { shape, shown, text }) {
    const [color, words] = scaleOf(shown, true);
    const canvas = make("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${text}; ${words}`);
    const summary = make("summary", { textContent: text });
    const part = make("details", {}, summary, make("div", { className: "maps" }, canvas));
    part.append(make("p", { className: "soft", textContent: `${words}. In the order of the pictures above.` }));
    box.append(part);
    paintMosaic(canvas, shown, layout(shape), color);
  }

  // The shape of the values that a dense layer is given, before they were laid out in a row.
  function imageBefore(layer) {
    const all = model.layers;
    let at = all.indexOf(layer);
    while (at > 0 && all[at - 1].type === "same" && !all[at - 1].activation) at--;
    const shape = at > 0 ? all[at - 1].output : model.shape;
    const found = all.slice(at, all.indexOf(layer)).some((part) => part.reshapes) ? shape : layer.input;
    return Network.size(found) === Network.size(layer.input) ? found : layer.input;
  }

  function recordOf({ steps }) {
    return steps.reduce((found, step) => found[step], records);
  }

  function drawLayers() {
    for (const card of cards) {
      const { y } = recordOf(card);
      const [color, words] = scaleOf(y);
      paintMosaic(card.canvas, y, card.place, color);
      card.caption.textContent = `Values: ${words}.`;
    }
  }

  // --- one value, and where it comes from

  function listen(card) {
    const { canvas, place } = card;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      const x = Math.min(place.width - 1, Math.max(0, ((event.clientX - box.left) / box.width) * place.width));
      const y = Math.min(place.height - 1, Math.max(0, ((event.clientY - box.top) / box.height) * place.height));
      const map = Math.floor(y / place.high) * place.columns + Math.floor(x / place.wide);
      const row = Math.min(place.h - 1, Math.floor((y % place.high) / place.zoom));
      const column = Math.min(place.w - 1, Math.floor((x % place.wide) / place.zoom));
      if (map < place.count) look({ card, map, row, column });
    };
    canvas.addEventListener("pointermove", (event) => event.pointerType === "mouse" && at(event));
    canvas.addEventListener("click", at);
    canvas.addEventListener("focus", () => {
      if (canvas.matches(":focus-visible") && chosen?.card !== card) look({ card, map: 0, row: 0, column: 0 });
    });
    canvas.addEventListener("keydown", (event) => {
      const now = chosen?.card === card ? { ...chosen } : { card, map: 0, row: 0, column: 0 };
      const single = place.h * place.w === 1;
      const moves = {
        ArrowLeft: single ? ["map", -1] : ["column", -1], ArrowRight: single ? ["map", 1] : ["column", 1],
        ArrowUp: single ? ["map", -place.columns] : ["row", -1], ArrowDown: single ? ["map", place.columns] : ["row", 1],
        PageUp: ["map", -1], PageDown: ["map", 1],
      };
      if (!(event.key in moves)) return;
      event.preventDefault();
      const [what, by] = moves[event.key];
      const most = { map: place.count, row: place.h, column: place.w }[what];
      if (now[what] + by >= 0 && now[what] + by < most) now[what] += by;
      look(now);
    });
  }

  function look(what) {
    chosen = what;
    find("look").classList.add("open");
    for (const card of cards) for (const mark of card.marks) mark.hidden = card !== what.card;
    const { card, map, row, column } = what;
    const { place } = card;
    const top = Math.floor(map / place.columns) * place.high;
    const left = (map % place.columns) * place.wide;
    const share = ([a, b, c, d]) => [a / place.height, b / place.width, c / place.height, d / place.width];
    frame(card.marks[0], share([top, left, top + place.high - 1, left + place.wide - 1]));
    const [y, x] = [top + row * place.zoom, left + column * place.zoom];
    frame(card.marks[1], share([y, x, y + place.zoom, x + place.zoom]));
    drawLook();
    const value = recordOf(card).y[(row * place.w + column) * place.count + map];
    find("look-said").textContent = `${find("look-title").textContent}: ${number(value)}`;
  }

  function drawLook() {
    if (!chosen) return;
    const { card, map, row, column } = chosen;
    const { layer, place } = card;
    const record = recordOf(card);
    const at = (row * place.w + column) * place.count + map;
    const single = place.h * place.w === 1;
    const where = single ? `value ${map}` : `image ${map}, row ${row}, column ${column}`;
    find("look-title").textContent = `${card.name}, ${where}`;
    const body = find("look-body");
    body.replaceChildren();
    body.append(make("p", { className: "sum" }, "Its value is ", make("strong", { textContent: number(record.y[at]) })));
    showSeen(body, card, row, column);
    explain(body, record, { row, column, map, at });
  }

  function picture(body, title, all, shape, hasSigns = null) {
    const [color, words] = scaleOf(all, hasSigns);
    const canvas = make("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${title}; ${words}`);
    const part = make("div", {}, make("h4", { textContent: title }), make("div", { className: "maps" }, canvas));
    paintMosaic(canvas, all, layout(shape, 120), color);
    canvas.parentElement.style.maxWidth = "";
    part.append(make("p", { className: "soft", textContent: words }));
    body.append(part);
  }

  // Show what a value is computed from: the window under it, times the filter; or the values that are pooled.
  function explain(body, { layer, x, z, y }, { row, column, map, at }) {
    const activated = () => {
      if (!layer.activation) return "";
      return layer.activation === "softmax"
        ? `; softmax turns the scores ${number(z[at])} and those beside it into probabilities`
        : `; ${layer.activation} makes ${number(y[at])} of it`;
    };
    const say = (text) => body.append(make("p", { className: "soft sum", textContent: text }));
    const unit = layer.output.length === 2 ? column : map;
    if (layer.type === "conv" || layer.type === "dense") {
      const { seen, weights, shape } = (layer.type === "conv" ? windowOf : rowOf)(layer, x, row, column, unit);
      const products = seen.map((value, i) => value * weights[i]);
      const bias = layer.bias ? layer.bias[unit] : 0;
      const className = (shape[2] ?? 1) > 4 ? "stack" : "triple";
      const parts = body.appendChild(make("div", { className }));
      picture(parts, layer.type === "conv" ? "Window" : "Given", seen, shape);
      picture(parts, layer.type === "conv" ? "\u00d7 filter" : "\u00d7 weights", weights, shape, true);
      picture(parts, "= product", products, shape, true);
      const sum = products.reduce((a, b) => a + b, 0);
      say(`The products add up to ${number(sum)}; with the bias ${number(bias)} that is ${number(z[at])}${activated()}.`);
    } else if (layer.type === "max_pool" || layer.type === "average_pool") {
      const { seen } = windowOf(layer, x, row, column, null, map);
      picture(body.appendChild(make("div", { className: "triple" })), "Window", seen, [...layer.window, 1]);
      say(layer.type === "max_pool" ? "The largest value of the window." : "The mean of the values of the window.");
    } else if (layer.type === "affine") {
      say(`Its input was ${number(x[at])}: times ${number(layer.scale[unit])}, plus ${number(layer.shift[unit])}.`);
    } else if (layer.type === "layer_norm") {
      say(`Its input was ${number(x[at])}: brought to mean 0 and variance 1 with the values beside it.`);
    } else if (layer.type === "residual") {
      say("What the layers within make of the input, plus the input itself, or what is on the way around.");
    } else if (layer.activation) {
      say(`Its input was ${number(z[at])}${activated()}.`);
    }
  }

  // What a window sees, and the weights of one filter, or of pooling only one channel. Beyond the image are zeros.
  function windowOf(layer, x, row, column, filter, channel = null) {
    const [h, w, from] = layer.input;
    const [kh, kw] = layer.window;
    const listed = channel === null ? [...Array(from).keys()] : [channel];
    const [seen, weights] = [[], []];
    for (let a = 0; a < kh; a++) {
      for (let b = 0; b < kw; b++) {
        const i = row * layer.stride[0] - layer.before[0] + a;
        const j = column * layer.stride[1] - layer.before[1] + b;
        const inside = i >= 0 && j >= 0 && i < h && j < w;
        for (const c of listed) {
          seen.push(inside ? x[(i * w + j) * from + c] : 0);
          if (filter !== null) weights.push(layer.weight[((a * kw + b) * from + c) * layer.units + filter]);
        }
      }
    }
    return { seen, weights, shape: [kh, kw, listed.length] };
  }

  // What a dense layer is given for one output, and its weights.
  function rowOf(layer, x, row, column, unit) {
    const n = layer.input[layer.input.length - 1];
    const at = layer.output.length === 3 ? row * layer.output[1] + column : row;
    const start = (layer.output.length === 1 ? 0 : at) * n;
    const seen = Array.from(x.subarray(start, start + n));
    const weights = seen.map((_, i) => layer.weight[i * layer.units + unit]);
    return { seen, weights, shape: layer.input.length === 1 ? imageBefore(layer) : [n] };
  }

  // Show which pixels of the input a value depends on.
  function showSeen(body, { steps }, row, column) {
    const chain = chainOf(steps);
    const [top, left, bottom, right] = chain.reduceRight((area, layer) => Network.seen(layer, area), [row, column, row, column]);
    const all = top === 0 && left === 0 && bottom >= height - 1 && right >= width - 1;
    const canvas = make("canvas");
    canvas.setAttribute("role", "img");
    const text = all ? "all pixels of the image" : `rows ${top} to ${bottom}, columns ${left} to ${right} of the image`;
    canvas.setAttribute("aria-label", `It depends on ${text}`);
    const mark = make("span");
    body.append(make("h4", { textContent: "What it has seen of the image" }), make("div", { className: "maps seen" }, canvas, mark));
    paintImage(canvas, sample.map(toUnit), height, width);
    frame(mark, [top / height, left / width, Math.min(height, bottom + 1) / height, Math.min(width, right + 1) / width]);
    body.append(make("p", { className: "soft", textContent: `It depends on ${text}.` }));
  }

  // The layers between the input and a layer, this one included.
  function chainOf(steps) {
    const chain = [];
    let layers = model.layers;
    for (let i = 0; i < steps.length; i += 2) {
      chain.push(...layers.slice(0, steps[i]));
      const layer = layers[steps[i]];
      if (i === steps.length - 1) chain.push(layer);
      else layers = steps[i + 1] === "inner" ? layer.layers : layer.shortcut;
    }
    return chain;
  }

  // --- the answer

  const names = data.names;
  const options = names.map((name, i) => ({ name, i }));

  function probabilities() {
    const outputs = Array.from(records[records.length - 1].y);
    return binary ? [1 - outputs[0], outputs[0]] : outputs;
  }

  function best() {
    return values.reduce((top, value, i) => (value > values[top] ? i : top), 0);
  }

  function drawAnswer() {
    const top = best();
    const told = certain ? percent(values[top]) : `score ${number(values[top])}`;
    find("answer").replaceChildren(make("strong", { textContent: names[top] }), ` ${told}`);
    const order = options.length > MOST_BARS ? [...options].sort((a, b) => values[b.i] - values[a.i]).slice(0, 10) : options;
    const size = Math.max(1e-12, ...values.map(Math.abs));
    find("bars").replaceChildren(...order.map(({ name, i }) => bar(name, i, top, size)));
  }

  function bar(name, i, top, size) {
    const fill = make("span", { className: "fill" });
    fill.style.width = `${100 * (certain ? values[i] : Math.max(0, values[i]) / size)}%`;
    const parts = [
      make("span", { className: "name", textContent: name, title: name }), make("span", { className: "track" }, fill),
      make("span", { className: "value", textContent: certain ? percent(values[i]) : number(values[i]) }),
    ];
    return make("li", { className: i === top ? "top" : "" }, ...parts);
  }

  function drawGradient() {
    const asked = find("gradient-class").value;
    const k = asked === "" ? best() : Number(asked);
    const slopes = model.gradient(records, binary ? 0 : k).map((value) => (binary && k === 0 ? -value : value));
    const byPixel = Array.from({ length: height * width }, (_, i) => {
      let sum = 0;
      for (let c = 0; c < channels; c++) sum += slopes[i * channels + c];
      return sum;
    });
    const end = byPixel.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    paint(find("gradient"), height, width, (i, j) => signed(end ? byPixel[i * width + j] / end : 0));
    const unit = data.integers ? "a pixel that is lighter by 1" : `a pixel that is lighter by ${number((high - low) / 255)}`;
    const change = data.integers ? end : (end * (high - low)) / 255;
    const told = `Red: lighter there speaks for ${names[k]}; blue: against it. At most, ${unit} changes the score by ${number(change)}.`;
    find("gradient-caption").textContent = told;
    find("gradient").setAttribute("aria-label", `The gradient of the score of ${names[k]} by pixel`);
  }

  // --- from the pad to the network

  const prepares = () => data.preparation && find("prepare").checked && !asItIs;

  function takeSample() {
    if (image !== null) return Float64Array.from(images[image]);
    const unit = prepares() && !pad.blank ? Sample.prepared(pad, model.shape, data.preparation) : pad.reduced();
    return unit.map((t) => (data.integers ? Math.round(low + t * (high - low)) : low + t * (high - low)));
  }

  function update() {
    waiting = false;
    const begun = performance.now();
    sample = takeSample();
    records = model.run(sample);
    values = probabilities();
    paintImage(find("input"), sample.map(toUnit), height, width);
    drawAnswer();
    drawGradient();
    drawLayers();
    drawLook();
    tell();
    cost = performance.now() - begun;
  }

  const drawPad = () => paintImage(find("pad"), pad.values, pad.height, pad.width);

  // Show the pad, and compute anew, in the next frame; with a network that takes long, once the pen pauses.
  function changed() {
    waiting = true;
    clearTimeout(pause);
    if (cost > SLOW) pause = setTimeout(update, SLOW);
    if (framed) return;
    framed = true;
    requestAnimationFrame(() => {
      framed = false;
      drawPad();
      if (cost <= SLOW) update();
    });
  }

  function tell() {
    const state = find("pad-state");
    let text = "";
    if (image !== null) {
      const label = data.labels ? `, labelled ${names[data.labels[image]]}` : "";
      text = `Test image ${image + 1}${label}. It goes into the network as it is; you can draw over it.`;
    } else if (pad.blank) text = "An empty pad. A network answers all the same.";
    else if (asItIs) text = "A test image that you changed. It goes into the network as it is.";
    if (state.textContent !== text) state.textContent = text;
    find("prepare").disabled = asItIs;
  }

  // --- drawing

  let erasing = false;
  const pen = { x: width / 2, y: height / 2, down: false }; // of the keyboard, in pixels of a sample

  function inkNow() {
    if (erasing) return Array(channels).fill(data.paper);
    if (channels === 1) return [1 - data.paper];
    const text = find("ink").value;
    return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16) / 255);
  }

  function draw(from, to) {
    if (image !== null) asItIs = true;
    image = null;
    markImage();
    pad.line(from.map((v) => v * fine), to.map((v) => v * fine), (Number(find("width").value) * fine) / 2, inkNow());
    changed();
  }

  function clear() {
    pad.clear();
    [image, asItIs] = [null, false];
    markImage();
    changed();
  }

  function setEraser(on) {
    erasing = on;
    find("pen").setAttribute("aria-pressed", String(!on));
    find("eraser").setAttribute("aria-pressed", String(on));
  }

  function listenToPad() {
    const canvas = find("pad");
    let last = null;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || last) return;
      canvas.setPointerCapture(event.pointerId);
      last = at(event);
      draw(last, last);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!last || !canvas.hasPointerCapture(event.pointerId)) return;
      const all = event.getCoalescedEvents?.() ?? [];
      for (const one of all.length ? all : [event]) {
        const to = at(one);
        draw(last, to);
        last = to;
      }
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) canvas.addEventListener(end, () => (last = null));
    canvas.addEventListener("keydown", padKey);
    canvas.addEventListener("focus", () => showPen(canvas.matches(":focus-visible")));
    canvas.addEventListener("blur", () => {
      pen.down = false;
      showPen(false);
    });
  }

  function padKey(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves) {
      const [dx, dy] = moves[event.key];
      const before = [pen.x, pen.y];
      pen.x = Math.min(width - 0.5, Math.max(0.5, pen.x + dx));
      pen.y = Math.min(height - 0.5, Math.max(0.5, pen.y + dy));
      if (pen.down) draw(before, [pen.x, pen.y]);
    } else if (event.key === " " || event.key === "Enter") {
      pen.down = !pen.down;
      if (pen.down) draw([pen.x, pen.y], [pen.x, pen.y]);
    } else if (event.key === "Delete" || event.key === "Backspace") clear();
    else if (event.key === "e" || event.key === "E") setEraser(!erasing);
    else if (event.key === "Escape") pen.down = false;
    else return;
    event.preventDefault();
    showPen(true);
  }

  function showPen(on) {
    const cursor = find("pad-cursor");
    cursor.hidden = !on;
    cursor.classList.toggle("down", pen.down);
    const size = `${Math.max(4, (100 * Number(find("width").value)) / width)}%`;
    Object.assign(cursor.style, { left: `${(100 * pen.x) / width}%`, top: `${(100 * pen.y) / height}%`, width: size });
    cursor.style.aspectRatio = "1";
  }

  // --- test images

  let first = 0; // of those that are shown

  function fitting() {
    const asked = find("tests-class").value;
    const all = images.map((_, i) => i);
    if (asked === "") return all;
    if (asked === "wrong") return all.filter((i) => data.labels[i] !== data.predicted[i]);
    return all.filter((i) => data.labels[i] === Number(asked));
  }

  function describeImage(i) {
    if (!data.labels) return `Test image ${i + 1}`;
    const wrong = data.labels[i] !== data.predicted[i] ? `, taken for ${names[data.predicted[i]]}` : "";
    return `Test image ${i + 1}, ${names[data.labels[i]]}${wrong}`;
  }

  function drawTests() {
    const all = fitting();
    if (first >= all.length) first = 0;
    const shown = all.slice(first, first + ON_A_PAGE);
    find("tests-images").replaceChildren(...shown.map((i) => thumbnail(i)));
    const range = shown.length ? `${first + 1} to ${first + shown.length} of ${all.length}` : "None";
    const wrong = data.labels && shown.some((i) => data.labels[i] !== data.predicted[i]);
    find("tests-count").textContent = wrong ? `${range}; a dashed frame marks those that it mistakes` : range;
    find("tests-next").hidden = all.length <= ON_A_PAGE;
    markImage();
  }

  function thumbnail(i) {
    const canvas = make("canvas");
    paintImage(canvas, Array.from(images[i], toUnit), height, width);
    const title = describeImage(i);
    const wrong = data.labels && data.labels[i] !== data.predicted[i];
    const button = make("button", { type: "button", title, className: wrong ? "wrong" : "" }, canvas);
    button.setAttribute("aria-label", title);
    button.dataset.image = i;
    button.addEventListener("click", () => choose(i));
    return button;
  }

  function choose(i) {
    pad.load(Array.from(images[i], toUnit));
    [image, asItIs] = [i, true];
    markImage();
    changed();
  }

  function markImage() {
    const buttons = [...find("tests-images").children];
    buttons.forEach((button, at) => {
      const on = Number(button.dataset.image) === image;
      button.setAttribute("aria-pressed", String(on));
      button.tabIndex = on || (at === 0 && !buttons.some((b) => Number(b.dataset.image) === image)) ? 0 : -1;
    });
  }

  function listenToTests() {
    find("tests-class").append(make("option", { value: "", textContent: "all" }));
    if (data.labels) {
      find("tests-class").append(make("option", { value: "wrong", textContent: "those that it mistakes" }));
      const present = new Set(data.labels);
      for (const { name, i } of options) {
        if (present.has(i)) find("tests-class").append(make("option", { value: i, textContent: name }));
      }
    } else find("tests-class-label").hidden = true;
    find("tests-class").addEventListener("change", () => {
      first = 0;
      drawTests();
    });
    find("tests-next").addEventListener("click", () => {
      first += ON_A_PAGE;
      drawTests();
    });
    find("tests-images").addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
      const buttons = [...find("tests-images").children];
      const next = buttons[buttons.indexOf(document.activeElement) + by];
      if (!by || !next) return;
      event.preventDefault();
      next.focus();
      next.click();
    });
  }

  // --- all together

  function start() {
    const side = Math.max(height, width);
    Object.assign(find("width"), { min: 1, max: Math.max(2, side / 5), value: Math.max(1, 0.09 * side) });
    for (const id of ["pad", "input", "gradient"]) find(id).style.aspectRatio = `${width} / ${height}`;
    if (channels === 3) {
      find("ink-label").hidden = false;
      find("ink").value = data.paper ? "#000000" : "#ffffff";
    }
    find("prepare-label").hidden = !data.preparation;
    const ends = `${number(low)} (black) to ${number(high)} (white)`;
    const colours = channels === 3 ? ", of red, green and blue" : "";
    find("input-caption").textContent = `${height} \u00d7 ${width} values from ${ends}${colours}.`;
    find("input").setAttribute("aria-label", "The image as the network gets it");
    find("gradient-class").append(make("option", { value: "", textContent: "the first answer" }));
    for (const { name, i } of options) find("gradient-class").append(make("option", { value: i, textContent: name }));
    find("bars").classList.toggle("long", names.some((name) => name.length > 4));
    const more = options.length > MOST_BARS ? ` The first 10 of ${options.length} classes.` : "";
    find("answer-caption").textContent = data.answer + more;
    find("pen").addEventListener("click", () => setEraser(false));
    find("eraser").addEventListener("click", () => setEraser(true));
    find("clear").addEventListener("click", clear);
    find("prepare").addEventListener("change", changed);
    find("gradient-class").addEventListener("change", changed);
    find("look-close").addEventListener("click", () => {
      find("look").classList.remove("open");
      for (const card of cards) for (const mark of card.marks) mark.hidden = true;
      chosen = null;
    });
    addCards(model.layers, []);
    listenToPad();
    if (images.length) {
      find("tests").hidden = false;
      listenToTests();
      drawTests();
      choose(0);
    }
    drawPad();
    update();
  }

  // For the console, and for tests: the network, the sample that it has now, and what it answers.
  const gradient = (k) => model.gradient(records, k);
  window.playground = { model, images, pad, gradient, sample: () => sample, values: () => values, busy: () => waiting };
  start();
})();
