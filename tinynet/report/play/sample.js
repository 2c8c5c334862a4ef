// Drawings: strokes on a pad that is finer than a sample, and what becomes of them before the network gets them, as
// `tinynet predict` does it (tinynet/datasets/images.py). A pad has values from 0 (paper or darkness) to 1.

const Sample = (() => {
  // A pad of `fine` times as many pixels each way as a sample (H, W, C) has.
  class Pad {
    constructor([height, width, channels], fine, paper) {
      Object.assign(this, { height: height * fine, width: width * fine, channels, fine, paper });
      this.values = new Float32Array(this.height * this.width * channels);
      this.clear();
    }

    clear() {
      this.values.fill(this.paper);
      this.blank = true;
    }

    // Show a sample, whose values are from 0 to 1.
    load(sample) {
      const { height, width, channels, fine } = this;
      for (let i = 0; i < height; i++) {
        for (let j = 0; j < width; j++) {
          const from = (Math.floor(i / fine) * (width / fine) + Math.floor(j / fine)) * channels;
          for (let c = 0; c < channels; c++) this.values[(i * width + j) * channels + c] = sample[from + c];
        }
      }
      this.blank = false;
    }

    // Draw a line with a round pen of a radius in pixels of the pad; ink has a value for each channel.
    line([x0, y0], [x1, y1], radius, ink) {
      const { height, width, channels, values } = this;
      const [dx, dy] = [x1 - x0, y1 - y0];
      const length = dx * dx + dy * dy;
      const near = (a, b, most) => [
        Math.max(0, Math.floor(Math.min(a, b) - radius - 1)),
        Math.min(most - 1, Math.ceil(Math.max(a, b) + radius + 1)),
      ];
      const [left, right] = near(x0, x1, width);
      const [top, bottom] = near(y0, y1, height);
      for (let i = top; i <= bottom; i++) {
        for (let j = left; j <= right; j++) {
          const [x, y] = [j + 0.5 - x0, i + 0.5 - y0];
          const t = length ? Math.min(1, Math.max(0, (x * dx + y * dy) / length)) : 0;
          const cover = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(x - t * dx, y - t * dy)));
          for (let c = 0; c < channels; c++) {
            const at = (i * width + j) * channels + c;
            values[at] += cover * (ink[c] - values[at]);
          }
        }
      }
      this.blank = false;
    }

    // The mean of the pixels of the pad that make up each pixel of a sample.
    reduced() {
      const { height, width, channels, fine, values } = this;
      const small = new Float64Array((height / fine) * (width / fine) * channels);
      for (let i = 0; i < height; i++) {
        for (let j = 0; j < width; j++) {
          const to = (Math.floor(i / fine) * (width / fine) + Math.floor(j / fine)) * channels;
          for (let c = 0; c < channels; c++) small[to + c] += values[(i * width + j) * channels + c];
        }
      }
      return small.map((sum) => sum / (fine * fine));
    }
  }

  // --- a drawing, light on dark, made like the training images

  // The rows and columns [top, left, bottom, right], the last included, that have ink; null if there is none.
  function extent(values, height, width) {
    const box = [height, width, -1, -1];
    for (let i = 0; i < height; i++) {
      for (let j = 0; j < width; j++) {
        if (values[i * width + j] <= 0.2) continue;
        box[0] = Math.min(box[0], i);
        box[1] = Math.min(box[1], j);
        box[2] = Math.max(box[2], i);
        box[3] = Math.max(box[3], j);
      }
    }
    return box[2] < 0 ? null : box;
  }

  // How much of each of n old cells lies in each of m new ones, as Pillow's BOX filter weighs them where it shrinks, and
  // as its BILINEAR one where it enlarges: [[first old cell, weights], ...].
  function weights(n, m) {
    const scale = n / m;
    const shrinks = scale >= 1;
    const support = shrinks ? scale / 2 : 1;
    return Array.from({ length: m }, (_, i) => {
      const centre = (i + 0.5) * scale;
      const first = Math.max(0, Math.floor(centre - support + 0.5));
      const end = Math.min(n, Math.floor(centre + support + 0.5));
      const found = [];
      for (let k = first; k < end; k++) {
        const away = (k + 0.5 - centre) / (shrinks ? scale : 1);
        found.push(shrinks ? Number(away > -0.5 && away <= 0.5) : Math.max(0, 1 - Math.abs(away)));
      }
      const sum = found.reduce((a, b) => a + b, 0);
      return [first, found.map((weight) => weight / sum)];
    });
  }

  function resized(values, [height, width], [newHeight, newWidth]) {
    const [rows, columns] = [weights(height, newHeight), weights(width, newWidth)];
    const y = new Float64Array(newHeight * newWidth);
    rows.forEach(([top, down], i) => {
      columns.forEach(([left, across], j) => {
        let sum = 0;
        down.forEach((a, k) => across.forEach((b, l) => (sum += a * b * values[(top + k) * width + left + l])));
        y[i * newWidth + j] = sum;
      });
    });
    return y;
  }

  // Cut a drawing to its ink, fit it into the box, and put the centre of the ink, or that of its mass, into the middle.
  function prepared(pad, [height, width], { box, by_mass: byMass }) {
    const found = extent(pad.values, pad.height, pad.width);
    const y = new Float64Array(height * width);
    if (!found) return y;
    const [top, left, bottom, right] = found;
    const cut = [bottom - top + 1, right - left + 1];
    const ink = new Float64Array(cut[0] * cut[1]);
    for (let i = 0; i < cut[0]; i++) {
      for (let j = 0; j < cut[1]; j++) ink[i * cut[1] + j] = pad.values[(top + i) * pad.width + left + j];
    }
    const small = cut.map((length) => Math.max(1, Math.round((box * length) / Math.max(...cut))));
    const drawing = resized(ink, cut, small);
    const most = Math.max(...drawing);
    const sums = [0, 0, 0];
    drawing.forEach((value, i) => {
      sums[0] += value;
      sums[1] += value * Math.floor(i / small[1]);
      sums[2] += value * (i % small[1]);
    });
    const centre = byMass ? [sums[1] / sums[0], sums[2] / sums[0]] : [small[0] / 2, small[1] / 2];
    const put = (i, length) => Math.min(Math.max(0, Math.round(length / 2 - centre[i])), length - small[i]);
    const at = [put(0, height), put(1, width)];
    drawing.forEach((value, i) => {
      y[(at[0] + Math.floor(i / small[1])) * width + at[1] + (i % small[1])] = Math.min(1, Math.max(0, value / most));
    });
    return y;
  }

  return { Pad, prepared };
})();
