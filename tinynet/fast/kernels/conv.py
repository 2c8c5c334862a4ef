"""Convolution as matrix products over im2col, a few rows of output pixels at a time, so that they stay in the cache.

Axes: N images, H x W pixels, C channels, F filters, KH x KW taps. P = (KH, KW, SH, SW, TOP, LEFT, OH, OW) are the
geometry: taps, strides, padding before, output size. The batch is cut into chunks whose number depends on shapes alone;
each has its own slot in every working array, and partial sums are added in the order of the chunks. The rows of output
pixels are counted through all images: row r is row r % OH of image r // OH.
"""

import numba
import numpy as np

from tinynet.fast.kernels.jit import kernel
from tinynet.fast.kernels.reduce import add_up

_MOST_CHUNKS = 8
_COLUMN_BYTES = 1536 * 1024  # of im2col at a time: about the L2 cache of a core
_SMALL_PRODUCT = 1_000_000  # multiplications: up to so many, OpenBLAS does not copy the matrices first (with AVX-512)
_LEAST_PIXELS = 12  # in a small product that pays


def chunks(n: int, height: int, width: int, taps: int, filters: int, itemsize: int) -> tuple[int, int]:
    """Give the number of chunks of a batch, and of rows of output pixels whose im2col is made at a time."""
    chunks = max(1, min(_MOST_CHUNKS, n))
    row = max(1, width * taps)
    fitting = max(1, _COLUMN_BYTES // (row * itemsize))
    small = _SMALL_PRODUCT // max(1, row * filters)
    most = min(fitting, small) if small * width >= _LEAST_PIXELS else fitting
    rows = -(-n // chunks) * height
    return chunks, max(1, -(-rows // max(1, -(-rows // most))))  # in pieces of nearly equal length


# Numba tests each signed index for being negative, as in Python, and the loop is not vectorised; hence uint64.
_u = np.uint64


@kernel()
def im2col(cols, x, first, count, p):
    """Lay out, for each pixel of some rows, the KH KW C input values that it sees; zeros outside of the image."""
    h_in, w_in, c_in = x.shape[1], x.shape[2], x.shape[3]
    kh, kw, sh, sw, top, left, oh, ow = p
    run = kw * c_in
    values, out = x.reshape(x.size), cols.reshape(cols.size)
    place = _u(0)
    for r in range(first, first + count):
        n, i = r // oh, r % oh
        for j in range(ow):
            w0 = j * sw - left
            lo, hi = max(0, -w0), min(kw, w_in - w0)
            for a in range(kh):
                h = i * sh + a - top
                if 0 <= h < h_in and lo == 0 and hi == kw:
                    start = _u(((n * h_in + h) * w_in + w0) * c_in)
                    for k in range(run):
                        out[place + _u(k)] = values[start + _u(k)]
                else:
                    for k in range(run):
                        out[place + _u(k)] = 0
                    if 0 <= h < h_in:
                        for k in range(lo * c_in, hi * c_in):
                            out[place + _u(k)] = values[_u(((n * h_in + h) * w_in + w0) * c_in + k)]
                place += _u(run)


@kernel()
def col2im(x, cols, first, count, p):
    """Add what is laid out as by im2col back into the images: its adjoint. An image is cleared with its first row."""
    h_in, w_in, c_in = x.shape[1], x.shape[2], x.shape[3]
    kh, kw, sh, sw, top, left, oh, ow = p
    run = kw * c_in
    values, columns = x.reshape(x.size), cols.reshape(cols.size)
    place = _u(0)
    for r in range(first, first + count):
        n, i = r // oh, r % oh
        if i == 0:
            for k in range(h_in * w_in * c_in):
                values[_u(n * h_in * w_in * c_in) + _u(k)] = 0
        for j in range(ow):
            w0 = j * sw - left
            lo, hi = max(0, -w0), min(kw, w_in - w0)
            for a in range(kh):
                h = i * sh + a - top
                if 0 <= h < h_in and hi > lo:
                    start = _u(((n * h_in + h) * w_in + w0 + lo) * c_in)
                    skip = place + _u(lo * c_in)
                    for k in range((hi - lo) * c_in):
                        values[start + _u(k)] += columns[skip + _u(k)]
                place += _u(run)


@kernel()
def bounds(chunk, chunks, n, height):
    """Give the first and the last (exclusive) row of a chunk, of ``height`` for each image."""
    return chunk * n // chunks * height, (chunk + 1) * n // chunks * height


@kernel()
def forward_chunk(y, cols, x, weights, lo, hi, p):
    """Convolve to rows lo to hi: y (pixels, F), weights (KH KW C, F)."""
    width = p[7]
    rows = cols.shape[0] // width
    for first in range(lo, hi, rows):
        count = min(rows, hi - first)
        im2col(cols, x, first, count, p)
        np.dot(cols[: count * width], weights, y[first * width : (first + count) * width])


@kernel(parallel=True)
def conv2d(y, cols, x, w, p):
    """Compute y (N, OH, OW, F) from x (N, H, W, C) and w (KH, KW, C, F)."""
    n, chunks, filters = x.shape[0], cols.shape[0], w.shape[3]
    weights, flat = w.reshape(-1, filters), y.reshape(-1, filters)
    for chunk in numba.prange(chunks):
        lo, hi = bounds(chunk, chunks, n, p[6])
        forward_chunk(flat, cols[chunk], x, weights, lo, hi, p)


@kernel()
def input_grad_chunk(dx, cols, g, turned, lo, hi, p):
    """Bring the cotangent g (pixels, F) of rows lo to hi back to the input."""
    width = p[7]
    rows = cols.shape[0] // width
    for first in range(lo, hi, rows):
        count = min(rows, hi - first)
        np.dot(g[first * width : (first + count) * width], turned, cols[: count * width])
        col2im(dx, cols, first, count, p)


@kernel(parallel=True)
def conv2d_input_grad(dx, cols, turned, g, w, p):
    """Bring the cotangent g (N, OH, OW, F) back to the input: dx (N, H, W, C). ``turned`` (F, KH KW C) takes w."""
    n, chunks, filters = g.shape[0], cols.shape[0], w.shape[3]
    weights, flat = w.reshape(-1, filters), g.reshape(-1, filters)
    for f in range(filters):
        for k in range(turned.shape[1]):
            turned[f, k] = weights[k, f]
    for chunk in numba.prange(chunks):
        lo, hi = bounds(chunk, chunks, n, p[6])
        input_grad_chunk(dx, cols[chunk], flat, turned, lo, hi, p)


@kernel()
def weight_grad_chunk(partial, product, cols, x, g, lo, hi, p):
    """Sum up the weight gradient of rows lo to hi."""
    if lo == hi:
        partial[:] = 0
    width = p[7]
    rows = cols.shape[0] // width
    for first in range(lo, hi, rows):
        count = min(rows, hi - first)
        im2col(cols, x, first, count, p)
        np.dot(cols[: count * width].T, g[first * width : (first + count) * width], product)
        for k in range(partial.shape[0]):
            for f in range(partial.shape[1]):
                partial[k, f] = product[k, f] if first == lo else partial[k, f] + product[k, f]


@kernel(parallel=True)
def conv2d_weight_grad(dw, cols, partial, product, x, g, p):
    """Bring the cotangent g (N, OH, OW, F) back to the weights: dw (KH, KW, C, F)."""
    n, chunks, filters = x.shape[0], cols.shape[0], g.shape[3]
    flat = g.reshape(-1, filters)
    for chunk in numba.prange(chunks):
        lo, hi = bounds(chunk, chunks, n, p[6])
        weight_grad_chunk(partial[chunk], product[chunk], cols[chunk], x, flat, lo, hi, p)
    for chunk in numba.prange(chunks):
        add_up(dw.reshape(dw.size), partial.reshape(chunks, dw.size), *bounds(chunk, chunks, dw.size, 1))
