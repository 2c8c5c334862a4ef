"""Convolution + bias + relu + max-pooling in one pass, and its gradients, specialised to their shapes.

Forward, only the convolution outputs that a window reads are computed. Backward, only one place in each window has a
gradient, and none where relu cut it: the index of the winner (DEAD where cut) tells which, and one row of im2col times
a scalar is all that each adds. The shapes are numbers that the kernels close over, so that LLVM unrolls the loops over
taps and turns those over channels into vector code: about eight times as fast as the same loops with run-time bounds.

There are two ways forward: products that keep their sums in registers (`conv`), and, where it pays, Winograd's
algorithm (`winograd`). Where the runs that a winner adds would be short, the gradients are products too: with many
zeros, but at full speed. With few taps, that of the weights takes all places of a window at once, and spreads nothing
out.

Axes: N images, each a row of H W C values; KH x KW taps, F filters; windows of PH x PW convolution outputs at strides
QH, QW, of which there are OH x OW. Weights are (KH KW C, F).
"""

from typing import Any, NamedTuple

import numba
import numpy as np

from tinynet.fast.kernels.conv import add_input_grad, turn_weights
from tinynet.fast.kernels.jit import MOST_CHUNKS, factory, kernel
from tinynet.fast.kernels.reduce import add_up
from tinynet.fast.kernels.registers import multiply, multiply_beside
from tinynet.fast.kernels.winners import DEAD, find_winners
from tinynet.fast.kernels.winograd import LEAST_CHANNELS

IMAGES_A_PARTIAL = 4  # so that eight cores have a chunk each at the usual batch of 32
_DIRECT_PRODUCTS = 36  # up to so many for a window and filter
_WIDEST = 16  # numbers in a vector
_DENSE = 160  # up to so many values under a row of taps, for all places of a window together


class Dims(NamedTuple):
    """The shapes that a kernel is specialised to."""

    h: int
    w: int
    c: int
    f: int
    kh: int
    kw: int
    sh: int
    sw: int
    ph: int
    pw: int
    qh: int
    qw: int
    oh: int
    ow: int

    @property
    def taps(self) -> int:
        """The number of input values under a filter."""
        return self.kh * self.kw * self.c

    @property
    def beside(self) -> bool:
        """Whether neighbouring windows fill vectors, and not filters, which would leave half of one empty."""
        columns = (self.ow - 1) * self.qw + self.pw
        return self.c * self.sh * self.sw == 1 and columns >= _WIDEST and -self.f % _WIDEST >= _WIDEST // 2

    @property
    def direct(self) -> bool:
        """Whether the gradient of the weights takes all places of a window at once: LLVM unrolls no more taps."""
        return self.taps * self.ph * self.pw <= _DIRECT_PRODUCTS and self.f >= _WIDEST

    @property
    def product(self) -> bool:
        """Whether gradients are products of matrices, and not made from winner to winner."""
        return self.ph * self.pw * self.kw * self.c <= _DENSE

    @property
    def winograd(self) -> bool:
        """Whether Winograd's algorithm has tiles of this kind: 3x3 taps, windows of 2x2 or 3x3 without gaps."""
        windows = (self.ph, self.pw, self.qh, self.qw)
        plain = self[4:8] == (3, 3, 1, 1) and min(self.c, self.f) >= LEAST_CHANNELS
        return plain and windows in ((2,) * 4, (3,) * 4)


@kernel(parallel=True)
def forward_product(y, index, padded, made, biases, x, w, bias, starts, taps, to, p, q):
    """Compute the block as products, some rows of pooling windows at a time: made (chunks, rows, OW F), then pooled.

    The columns of the convolution are in groups, one for each column of the windows of the pooling. With few filters,
    neighbouring windows are computed together, and ``to`` says where each goes.
    """
    n, chunks, filters, row = len(x), len(made), bias.size, x.shape[2] * x.shape[3]
    most = made.shape[1] // q.kw - 1
    weights = w.reshape(-1, filters)
    padded[:, :filters] = weights[: len(padded)]  # pairs of columns are read
    biases.reshape(p.ow, filters)[:] = bias
    for chunk in numba.prange(chunks):
        block = (most - q.kh) // q.sh + 1
        for image in range(chunk * n // chunks, (chunk + 1) * n // chunks):
            for first in range(0, q.oh, block):
                count = min(block, q.oh - first)
                rows = (count - 1) * q.sh + q.kh
                seen = x[image].reshape(-1)[first * q.sh * p.sh * row :]
                if to.size:
                    windows = (rows - 1) * row + (q.ow - 1) * q.sw + q.kw
                    multiply_beside(made[chunk].reshape(-1), to[:windows], seen, taps, padded, filters)
                else:
                    for b in range(q.kw):
                        part = made[chunk, b * (most + 1) :][:rows].reshape(-1, filters)
                        multiply(part, seen[b * p.apart * x.shape[3] :], starts, taps, weights, False)
                size, strides = bias.size * p.ow, made[chunk].strides
                places = np.lib.stride_tricks.as_strided(
                    made[chunk],
                    (q.kh, count, q.kw, size),
                    (strides[0], q.sh * strides[0], (most + 1) * strides[0], strides[1]),
                )
                best = y[image, first : first + count].reshape(-1, size)
                find_winners(best, index[image, first : first + count].reshape(-1, size), places, biases)


@kernel()
def add_up_transposed(total, partial, lo, hi):
    """Add up filters lo to hi of partial sums (chunks, F, K), into the first of them, for total (K, F)."""
    for f in range(lo, hi):
        for chunk in range(1, len(partial)):
            for k in range(len(total)):
                partial[0, f, k] += partial[chunk, f, k]
        for k in range(len(total)):
            total[k, f] = partial[0, f, k]


@factory
def weight_grad(d: Dims) -> Any:
    """Make the kernel of the gradients of weights and bias: a row of im2col times a scalar for each winner."""
    run, row, taps = d.kw * d.c, d.w * d.c, d.taps

    @kernel(parallel=True)
    def conv_pool_weight_grad(dw, db, partial, partial_bias, x, g, index):
        n, chunks = x.shape[0], partial.shape[0]
        for chunk in numba.prange(chunks):
            for f in range(d.f):
                for k in range(taps):
                    partial[chunk, f, k] = 0
                partial_bias[chunk, f] = 0
            for m in range(chunk * n // chunks, (chunk + 1) * n // chunks):
                for f in range(d.f):
                    total = partial_bias[chunk, f]
                    for i in range(d.oh):
                        for j in range(d.ow):
                            t = index[m, i, j, f]
                            if t != DEAD:
                                v = g[m, i, j, f]
                                total += v
                                start = ((i * d.qh + t // d.pw) * d.sh * d.w + (j * d.qw + t % d.pw) * d.sw) * d.c
                                for u in range(d.kh):
                                    for k in range(run):
                                        partial[chunk, f, u * run + k] += v * x[m, start + u * row + k]
                    partial_bias[chunk, f] = total
        for chunk in numba.prange(chunks):
            add_up_transposed(dw, partial, chunk * d.f // chunks, (chunk + 1) * d.f // chunks)
        add_up(db, partial_bias, 0, db.size)

    return conv_pool_weight_grad


@factory
def weight_grad_direct(d: Dims) -> Any:
    """Make the same kernel for few taps: all places of a window, with a factor of 0 but for the winner; dw is flat.

    This makes many products with 0, but no branch that cannot be predicted, and is vectorised over the filters.
    """
    run, row, taps = d.kw * d.c, d.w * d.c, d.taps

    @kernel(parallel=True)
    def conv_pool_weight_grad_direct(dw, db, partial, partial_bias, x, g, index):
        n, chunks, zero = x.shape[0], partial.shape[0], x.dtype.type(0)
        for chunk in numba.prange(chunks):
            for f in range(d.f):
                for k in range(taps):
                    partial[chunk, k * d.f + f] = zero
                partial_bias[chunk, f] = zero
            for m in range(chunk * n // chunks, (chunk + 1) * n // chunks):
                for i in range(d.oh):
                    for j in range(d.ow):
                        corner = (i * d.qh * d.sh * d.w + j * d.qw * d.sw) * d.c
                        for f in range(d.f):
                            winner = index[m, i, j, f]
                            v = g[m, i, j, f]
                            for u in range(d.kh):
                                for k in range(run):
                                    total = partial[chunk, (u * run + k) * d.f + f]
                                    for t in range(d.ph * d.pw):
                                        seen = corner + (t // d.pw * d.sh * d.w + t % d.pw * d.sw) * d.c + u * row + k
                                        total += x[m, seen] * (v if winner == t else zero)
                                    partial[chunk, (u * run + k) * d.f + f] = total
                            partial_bias[chunk, f] += zero if winner == DEAD else v
        add_up(dw, partial, 0, dw.size)
        add_up(db, partial_bias, 0, db.size)

    return conv_pool_weight_grad_direct


@factory
def input_grad(d: Dims) -> Any:
    """Make the kernel of the gradient of the input: the filter times a scalar, added at the place of each winner."""
    run, row, taps = d.kw * d.c, d.w * d.c, d.taps

    @kernel(parallel=True)
    def conv_pool_input_grad(dx, transposed, g, weights, index):
        n = g.shape[0]
        for f in range(d.f):
            for k in range(taps):
                transposed[f, k] = weights[k, f]
        chunks = max(1, min(MOST_CHUNKS, n))
        for chunk in numba.prange(chunks):
            for m in range(chunk * n // chunks, (chunk + 1) * n // chunks):
                for k in range(d.h * row):
                    dx[m, k] = 0
                for f in range(d.f):
                    for i in range(d.oh):
                        for j in range(d.ow):
                            t = index[m, i, j, f]
                            if t != DEAD:
                                v = g[m, i, j, f]
                                start = ((i * d.qh + t // d.pw) * d.sh * d.w + (j * d.qw + t % d.pw) * d.sw) * d.c
                                for u in range(d.kh):
                                    for k in range(run):
                                        dx[m, start + u * row + k] += v * transposed[f, u * run + k]

    return conv_pool_input_grad


# --- gradients as products


@kernel()
def spread_out(spread, g, index, q, down, across):
    """Make the gradient of the convolution from that of the winners of some rows of windows, g, index (rows, OW, F).

    Places lie as for `pool`: those of the next row ``down`` rows on, of the next column ``across``.
    """
    zero = g.dtype.type(0)
    for i in range(len(g)):
        given, winner = g[i].reshape(-1), index[i].reshape(-1)
        for t in range(q.kh * q.kw):
            place = np.uint8(t)
            row = spread[(i * q.sh + t // q.kw) * down + t % q.kw * across]
            for k in range(row.size):
                row[k] = given[k] if winner[k] == place else zero


@kernel()
def add_bias_grad(total, g, index):
    """Add the cotangents of the winners that relu did not cut: total (OW F,), g, index (OH, OW, F)."""
    zero = g.dtype.type(0)
    for i in range(len(g)):
        given, winner = g[i].reshape(-1), index[i].reshape(-1)
        for k in range(total.size):
            total[k] += zero if winner[k] == DEAD else given[k]


@kernel(parallel=True)
def weight_grad_product(dw, db, spread, partial, partial_bias, x, g, index, starts, taps, p, q):
    """Compute the gradients of weights and bias as products; those of the bias are summed as (chunks, OW F)."""
    n, chunks, filters, row = len(x), len(spread), db.size, x.shape[2] * x.shape[3]
    for chunk in numba.prange(chunks):
        partial[chunk] = 0
        partial_bias[chunk] = 0
        block = (spread.shape[1] // q.kw - q.kh) // q.sh + 1
        for image in range(chunk * n // chunks, (chunk + 1) * n // chunks):
            add_bias_grad(partial_bias[chunk], g[image], index[image])
            for first in range(0, q.oh, block):
                end = min(first + block, q.oh)
                rows = (end - first - 1) * q.sh + q.kh
                part = spread[chunk, : rows * q.kw]
                part[:] = 0  # where there are gaps between the windows
                spread_out(part, g[image, first:end], index[image, first:end], q, 1, rows)
                for b in range(q.kw):
                    given = part[b * rows : (b + 1) * rows].reshape(-1, filters)
                    seen = x[image].reshape(-1)[first * q.sh * p.sh * row + b * p.apart * x.shape[3] :]
                    multiply(partial[chunk], seen, taps, starts, given, True)
    add_up(dw, partial.reshape(chunks, -1), 0, dw.size)
    add_up(db, partial_bias.reshape(-1, filters), 0, filters)


@kernel(parallel=True)
def input_grad_product(dx, strips, turned, spread, g, w, index, starts, taps, p, q):
    """Compute the gradient of the input as products: spread (chunks, rows, OW F)."""
    n, chunks = len(g), len(strips)
    turn_weights(turned, w, p.sh)
    for chunk in numba.prange(chunks):
        spread[chunk] = 0
        for image in range(chunk * n // chunks, (chunk + 1) * n // chunks):
            spread_out(spread[chunk], g[image], index[image], q, q.kw, 1)
            dx[image] = 0
            add_input_grad(dx[image], strips[chunk], spread[chunk].reshape(p.oh, -1), starts, taps, turned, p)
