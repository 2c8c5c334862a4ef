"""Convolution as matrix products, some rows of output pixels at a time, so that what they read stays in the cache.

Axes: N images, H x W pixels, C channels, F filters, KH x KW taps. The batch is cut into chunks of images, whose number
depends on shapes alone; each has its own slot in every working array, and partial sums are added in the order of the
chunks.

im2col would copy each pixel KH times for the rows of taps alone. What windows see is laid out in one of two other ways:

- As *strips*. A strip is what a row of windows sees of one row of an image, (windows, KW C). Outputs are the sum of KH
  products, one for each row of taps, and a strip serves all of them. Strips are sorted by the remainder of their row by
  SH: those that the same row of taps sees are then side by side, and one matrix.
- Where KW C is small, as im2col transposed, (KH KW C, windows). It is copied in long runs from the *shifts* of an
  image: what each column of taps sees, channel by channel.
"""

from typing import NamedTuple

import numba
import numpy as np

from tinynet.fast.kernels.blas import gemm
from tinynet.fast.kernels.jit import kernel
from tinynet.fast.kernels.reduce import add_up

_LAID_BYTES = 1536 * 1024  # that are laid out at a time: about the L2 cache of a core
_SMALL_PRODUCT = 1_000_000  # multiplications: up to so many, OpenBLAS does not copy the matrices first (with AVX-512)
_LEAST_PIXELS = 12  # in a small product that pays
_FEW = 16  # values under a row of taps; with fewer, products of strips are too thin


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

    def few(self, channels: int) -> bool:
        """Return whether there are too few values under a row of taps for strips."""
        return self.kw * channels < _FEW

    def rows_at_a_time(self, channels: int, filters: int, itemsize: int) -> int:
        """Return how many rows are computed at a time."""
        row = self.groups * self.ow * self.kw * channels * (self.kh if self.few(channels) else 1)
        fitting = max(1, _LAID_BYTES // (row * itemsize))
        small = _SMALL_PRODUCT // (row * filters)
        most = min(fitting, small) if small * self.groups * self.ow >= _LEAST_PIXELS else fitting
        return -(-self.oh // max(1, -(-self.oh // most)))  # in pieces of nearly equal length


# Numba tests each signed index for being negative, as in Python, and the loop is not vectorised; hence uint64.
_u = np.uint64

# --- strips


@kernel()
def lay_strip(strip, x, image, h, p, left):
    """Lay out what a group of windows sees of row h of an image; zeros outside of it."""
    h_in, w_in, c_in = x.shape[1], x.shape[2], x.shape[3]
    run, values, place = p.kw * c_in, x.reshape(x.size), _u(0)
    for j in range(p.ow):
        w0 = j * p.sw - left
        lo, hi = max(0, -w0), min(p.kw, w_in - w0)
        if 0 <= h < h_in and lo == 0 and hi == p.kw:
            start = _u(((image * h_in + h) * w_in + w0) * c_in)
            for k in range(run):
                strip[place + _u(k)] = values[start + _u(k)]
        else:
            for k in range(run):
                strip[place + _u(k)] = 0
            if 0 <= h < h_in:
                for k in range(lo * c_in, hi * c_in):
                    strip[place + _u(k)] = values[_u(((image * h_in + h) * w_in + w0) * c_in + k)]
        place += _u(run)


@kernel()
def add_strip(row, strip, p, left):
    """Add what is laid out as by lay_strip back into a row of an image (W, C): its adjoint."""
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
def lay_strips(laid, x, image, first, count, p):
    """Lay out what ``count`` rows of windows see, from row ``first`` on."""
    size, slots = p.ow * p.kw * x.shape[3], count + (p.kh - 1) // p.sh
    for q in range((count - 1) * p.sh + p.kh):
        if q % p.sh < p.kh:
            place = (q % p.sh * slots + q // p.sh) * p.groups * size
            for b in range(p.groups):
                strip = laid[place + b * size : place + (b + 1) * size]
                lay_strip(strip, x, image, first * p.sh + q - p.top, p, p.left - b * p.apart)


# --- shifts


@kernel()
def lay_shifts(shifts, x, image, first, count, p):
    """Lay out what columns of taps see of an image from ``count`` rows of windows: shifts (columns C, ..., OW).

    Rows are sorted by remainder, (columns C, remainders, slots, OW), with zeros outside of the image.
    """
    height, width, channels = x.shape[1], x.shape[2], x.shape[3]
    for s in range(len(shifts)):
        c, w0, before = s % channels, s // channels - p.left, s - p.sw * channels
        start = 0 if before < 0 else p.ow - 1  # what the tap a stride before it sees was laid out, and lies one further
        lo, hi = max(start, -(w0 // p.sw)), min(p.ow, -((w0 - width) // p.sw))
        for q in range(shifts.shape[1] * (count + (p.kh - 1) // p.sh)):
            remainder, slot = q % shifts.shape[1], q // shifts.shape[1]
            row, h = shifts[s, remainder, slot], (first + slot) * p.sh + remainder - p.top
            if start > 0:
                known = shifts[before, remainder, slot, 1:]
                for j in range(start):
                    row[j] = known[j]
            for j in range(start, p.ow):
                row[_u(j)] = 0
            if 0 <= h < height:
                source = x[image, h].reshape(width * channels)
                for j in range(lo, hi):
                    row[_u(j)] = source[_u((w0 + j * p.sw) * channels + c)]


@kernel()
def lay_columns(laid, shifts, channels, count, p):
    """Lay out a row for each tap and channel, with what it sees from those rows of windows, group by group."""
    run, row = count * p.ow, p.kw * channels
    for k in range(p.kh * row):
        a = k // row
        for b in range(p.groups):
            source = shifts[k % row + b * p.apart * channels, a % p.sh, a // p.sh :].reshape(-1)
            to = laid[(k * p.groups + b) * run : (k * p.groups + b + 1) * run]
            for j in range(run):
                to[j] = source[j]


# --- rows of an image


@kernel()
def lay_out(laid, shifts, x, image, first, count, p):
    """Lay out what ``count`` rows of windows see, from row ``first`` on: from shifts, or as strips without any."""
    if shifts.size:
        lay_shifts(shifts, x, image, first, count, p)
        lay_columns(laid, shifts, x.shape[3], count, p)
    else:
        lay_strips(laid, x, image, first, count, p)


@kernel()
def matrix(laid, shifts, a, count, depth, p):
    """Return what row a of the taps sees as a matrix (windows, depth); from shifts, what all taps see, transposed."""
    windows = count * p.groups * p.ow
    if shifts.size:
        return laid[: depth * windows].reshape(depth, windows)
    place = (a % p.sh * (count + (p.kh - 1) // p.sh) + a // p.sh) * p.groups * p.ow * depth
    return laid[place : place + windows * depth].reshape(windows, depth)


@kernel()
def convolve_rows(y, laid, shifts, x, image, first, count, weights, p):
    """Convolve ``count`` rows of windows, from row ``first`` on: y (windows, F), weights (products, depth, F)."""
    lay_out(laid, shifts, x, image, first, count, p)
    for a in range(len(weights)):
        gemm(y, matrix(laid, shifts, a, count, weights.shape[1], p), weights[a], shifts.size > 0, False, a > 0)


@kernel()
def add_weight_grad(total, laid, shifts, x, image, first, count, g, p):
    """Add the weight gradient of ``count`` rows of windows: total (products, depth, F), g (windows, F)."""
    lay_out(laid, shifts, x, image, first, count, p)
    for a in range(len(total)):
        gemm(total[a], matrix(laid, shifts, a, count, total.shape[1], p), g, shifts.size == 0, False, True)


@kernel()
def add_input_grad(dx, strips, g, transposed, p):
    """Add what the cotangent g (windows, F) brings back to an image: dx (H, W, C), strips (rows, groups, OW KW C)."""
    rows, row = len(strips), p.groups * p.ow
    flat = strips.reshape(rows * row, -1)
    for remainder in range(min(p.sh, p.kh)):
        end = (len(dx) + p.top - remainder + p.sh - 1) // p.sh  # of the rows of the padded image with this remainder
        for z in range(0, end, rows):
            count = min(rows, end - z)
            flat[: count * row] = 0
            for a in range(remainder, p.kh, p.sh):
                up = a // p.sh
                lo, hi = max(z, up), min(z + count, p.oh + up)
                if hi > lo:
                    part, seen = flat[(lo - z) * row : (hi - z) * row], g[(lo - up) * row : (hi - up) * row]
                    gemm(part, seen, transposed[a], False, False, True)
            for i in range(max(z, -((remainder - p.top) // p.sh)), z + count):
                for b in range(p.groups):
                    add_strip(dx[i * p.sh + remainder - p.top], strips[i - z, b], p, p.left - b * p.apart)


@kernel()
def transpose(transposed, w):
    """Write the weights (KH, KW, C, F) as (KH, F, KW C)."""
    weights = w.reshape(len(w), -1, w.shape[3])
    for a in range(len(w)):
        for f in range(w.shape[3]):
            for k in range(weights.shape[1]):
                transposed[a, f, k] = weights[a, k, f]


# --- the ops


@kernel(parallel=True)
def conv2d(y, laid, shifts, x, weights, rows, p):
    """Compute y (N, OH, OW, F) from x (N, H, W, C) and weights (products, depth, F), some rows at a time."""
    n, chunks, filters = len(x), len(laid), weights.shape[2]
    for chunk in numba.prange(chunks):
        for image in range(chunk * n // chunks, (chunk + 1) * n // chunks):
            for first in range(0, p.oh, rows):
                count = min(rows, p.oh - first)
                out = y[image, first : first + count].reshape(-1, filters)
                convolve_rows(out, laid[chunk], shifts[chunk], x, image, first, count, weights, p)


@kernel(parallel=True)
def conv2d_input_grad(dx, strips, transposed, g, w, p):
    """Bring the cotangent g (N, OH, OW, F) back to the input: dx (N, H, W, C). ``transposed`` takes the weights."""
    n, chunks = len(g), len(strips)
    transpose(transposed, w)
    for chunk in numba.prange(chunks):
        for image in range(chunk * n // chunks, (chunk + 1) * n // chunks):
            dx[image] = 0
            add_input_grad(dx[image], strips[chunk], g[image].reshape(-1, g.shape[3]), transposed, p)


@kernel(parallel=True)
def conv2d_weight_grad(dw, laid, shifts, partial, x, g, rows, p):
    """Bring the cotangent g (N, OH, OW, F) back to the weights: dw flat, partial (chunks, products, depth, F)."""
    n, chunks = len(x), len(laid)
    for chunk in numba.prange(chunks):
        partial[chunk] = 0
        for image in range(chunk * n // chunks, (chunk + 1) * n // chunks):
            for first in range(0, p.oh, rows):
                count = min(rows, p.oh - first)
                cotangent = g[image, first : first + count].reshape(-1, g.shape[3])
                add_weight_grad(partial[chunk], laid[chunk], shifts[chunk], x, image, first, count, cotangent, p)
    for chunk in numba.prange(chunks):
        lo, hi = chunk * dw.size // chunks, (chunk + 1) * dw.size // chunks
        add_up(dw, partial.reshape(chunks, dw.size), lo, hi)
