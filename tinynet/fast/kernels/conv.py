"""Convolution, and its gradients, as products of matrices.

Axes: N images, H x W pixels, C channels, F filters, KH x KW taps. The batch is cut into chunks of images, whose number
depends on shapes alone; each has its own slot in every working array, and partial sums are added in the order of the
chunks.

im2col would copy each pixel KH KW times. Here what windows see is read where it lies (`registers`): a window begins
anywhere, and each row of taps sees a run of KW C values. In the gradient of the weights, a tap begins anywhere, and
sees what lies a stride apart. Images with padding are copied into larger ones, whose margins are zeros.

Where windows begin, and how far on a tap sees, follows from shapes: `starts` and `taps` are given.

The gradient of a row of an image is made as a *strip*, in which each window has KW C values of its own, and then added
up.
"""

from typing import NamedTuple

import numba
import numpy as np

from tinynet.fast.kernels.jit import kernel
from tinynet.fast.kernels.reduce import add_up
from tinynet.fast.kernels.registers import add_bias, multiply

_MOST_CHUNKS = 8


class Windows(NamedTuple):
    """How windows lie over images: taps, strides, padding before, rows, and columns in groups.

    A group has `ow` columns, `sw` apart; each group begins `apart` pixels after the one before. There is one group,
    unless a pooling follows: then the first columns of its windows are a group, the second ones another.
    """

    kh: int
    kw: int
    sh: int
    sw: int
    top: int
    left: int
    oh: int
    ow: int
    groups: int = 1
    apart: int = 0

    def seen(self) -> tuple[int, int]:
        """Return the rows and columns of an image, margins included, that windows see."""
        columns = (self.groups - 1) * self.apart + (self.ow - 1) * self.sw + self.kw
        return (self.oh - 1) * self.sh + self.kh, columns


# Numba tests each signed index for being negative, as in Python, and the loop is not vectorised; hence uint64.
_u = np.uint64

# --- what windows see, where it lies


@kernel()
def with_margins(padded, x, image, p):
    """Return an image as one row of values: itself, or copied into the zeros of ``padded`` (H, W, C) if it has any."""
    if not padded.size:
        return x[image].reshape(-1)
    for h in range(max(0, p.top), min(len(padded), p.top + x.shape[1])):
        source, to = x[image, h - p.top].reshape(-1), padded[h, p.left :].reshape(-1)
        for k in range(min(to.size, source.size)):
            to[k] = source[k]
    return padded.reshape(-1)


# --- strips


@kernel()
def add_strip(row, strip, p, left):
    """Add a strip (OW, KW C), what a row of windows sees of a row of an image, to that row (W, C)."""
    w_in, c_in = row.shape
    values = row.reshape(row.size)
    for j in range(p.ow):
        w0 = j * p.sw - left
        lo, hi = max(0, -w0), min(p.kw, w_in - w0)
        if hi > lo:
            start, skip = _u((w0 + lo) * c_in), _u((j * p.kw + lo) * c_in)
            for k in range((hi - lo) * c_in):
                values[start + _u(k)] += strip[skip + _u(k)]


@kernel()
def turn_weights(turned, w, sh):
    """Write weights (KH, KW, C, F) as turned (KH F, KW C).

    Taps are sorted by remainder by SH, the last of each first, since it sees the first row.
    """
    weights, row, filters = w.reshape(len(w), -1, w.shape[3]), 0, w.shape[3]
    for remainder in range(min(sh, len(w))):
        for a in range(remainder + (len(w) - 1 - remainder) // sh * sh, -1, -sh):
            for f in range(filters):
                for k in range(weights.shape[1]):
                    turned[row + f, k] = weights[a, k, f]
            row += filters


@kernel()
def add_input_grad(dx, strip, g, starts, taps, turned, p):
    """Add what the cotangent g (OH, windows F) brings back to an image: dx (H, W, C), strip (windows, KW C)."""
    filters, row = len(turned) // p.kh, g.shape[1]
    alone = p.kw == p.sw == p.groups == 1 and p.ow == dx.shape[1]  # each pixel of the row is seen by one window
    for h in range(len(dx)):
        remainder, i = (h + p.top) % p.sh, (h + p.top) // p.sh  # the row of windows that sees h by its first such tap
        count, before = (p.kh - remainder + p.sh - 1) // p.sh, remainder * (p.kh // p.sh) + min(remainder, p.kh % p.sh)
        first, end = max(0, i - p.oh + 1), min(count, i + 1)
        if end > first:
            seen = g.reshape(-1)[(i - end + 1) * row :]
            weights = turned[(before + count - end) * filters : (before + count - first) * filters]
            multiply(dx[h] if alone else strip, seen, starts, taps, weights, alone)
            for b in range(0 if alone else p.groups):
                add_strip(dx[h], strip[b * p.ow : (b + 1) * p.ow].reshape(-1), p, p.left - b * p.apart)


# --- the ops


@kernel(parallel=True)
def conv2d(y, padded, x, w, bias, rectified, starts, taps, p):
    """Compute y (N, OH, OW, F) from x (N, H, W, C) and w (KH, KW, C, F); with any bias and relu."""
    n, chunks = len(x), len(padded)
    for chunk in numba.prange(chunks):
        padded[chunk] = 0
        for image in range(chunk * n // chunks, (chunk + 1) * n // chunks):
            seen = with_margins(padded[chunk], x, image, p)
            made, weights = y[image].reshape(-1, y.shape[3]), w.reshape(-1, y.shape[3])
            multiply(made, seen, starts, taps, weights, False)
            add_bias(made, bias, rectified)


@kernel(parallel=True)
def conv2d_input_grad(dx, strips, turned, g, w, starts, taps, p):
    """Bring the cotangent g (N, OH, OW, F) back to the input: dx (N, H, W, C), strips (chunks, OW, KW C)."""
    n, chunks = len(g), len(strips)
    turn_weights(turned, w, p.sh)
    for chunk in numba.prange(chunks):
        for image in range(chunk * n // chunks, (chunk + 1) * n // chunks):
            dx[image] = 0
            add_input_grad(dx[image], strips[chunk], g[image].reshape(p.oh, -1), starts, taps, turned, p)


@kernel(parallel=True)
def conv2d_weight_grad(dw, padded, partial, x, g, starts, taps, p):
    """Bring the cotangent g (N, OH, OW, F) back to the weights: dw flat, partial (chunks, KH KW C, F)."""
    n, chunks = len(x), len(padded)
    for chunk in numba.prange(chunks):
        padded[chunk] = 0
        partial[chunk] = 0
        for image in range(chunk * n // chunks, (chunk + 1) * n // chunks):
            seen = with_margins(padded[chunk], x, image, p)
            multiply(partial[chunk], seen, taps, starts, g[image].reshape(-1, g.shape[3]), True)
    for chunk in numba.prange(chunks):
        lo, hi = chunk * dw.size // chunks, (chunk + 1) * dw.size // chunks
        add_up(dw, partial.reshape(chunks, dw.size), lo, hi)
