"""Convolution + bias + relu + max-pooling in one pass, and its gradients, specialised to their shapes.

Forward, only the convolution outputs that a window reads are computed. Backward, only one place in each window has a
gradient, and none where relu cut it: the index of the winner (DEAD where cut) tells which, and one row of im2col times
a scalar is all that each adds. The shapes are numbers that the kernels close over, so that LLVM unrolls the loops over
taps and turns those over channels into vector code: about eight times as fast as the same loops with run-time bounds.

There are three forward kernels. With few taps, products are made in registers; otherwise by a matrix product of im2col;
or, where it pays, by Winograd's algorithm (`winograd`).

Axes: N images, each a row of H W C values; KH x KW taps, F filters; windows of PH x PW convolution outputs at strides
QH, QW, of which there are OH x OW. Weights are (KH KW C, F).
"""

from typing import Any, NamedTuple

import numba
import numpy as np

from tinynet.fast.kernels.conv import im2col
from tinynet.fast.kernels.jit import factory, kernel
from tinynet.fast.kernels.reduce import add_up
from tinynet.fast.kernels.winograd import DEAD, LEAST_CHANNELS, pool

MOST_CHUNKS = 8
IMAGES_A_PARTIAL = 4  # so that eight cores have a chunk each at the usual batch of 32
_DIRECT_TAPS = 32  # up to so many values under a filter, the products are made in registers


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
    def direct(self) -> bool:
        """Whether products are made in registers, without a matrix product."""
        return self.taps <= _DIRECT_TAPS

    @property
    def winograd(self) -> bool:
        """Whether Winograd's algorithm has tiles of this kind: 3x3 taps, windows of 2x2 or 3x3 without gaps."""
        windows = (self.ph, self.pw, self.qh, self.qw)
        plain = self[4:8] == (3, 3, 1, 1) and min(self.c, self.f) >= LEAST_CHANNELS
        return plain and windows in ((2,) * 4, (3,) * 4)


def chunks(n: int) -> int:
    """Give the number of chunks of a batch."""
    return max(1, min(MOST_CHUNKS, n))


@factory
def forward_direct(d: Dims) -> Any:
    """Make the forward kernel for few taps: each output is a sum in registers, vectorised over the filters."""
    _, w, c, filters, kh, kw, sh, sw, ph, pw, qh, qw, oh, ow = d
    run, row, places = kw * c, w * c, ph * pw

    @kernel(parallel=True, reorder=False)  # equal patches then give equal sums, of which the first wins
    def conv_pool_direct(y, index, x, weights, bias):
        n, zero = x.shape[0], x.dtype.type(0)
        chunks = max(1, min(MOST_CHUNKS, n))
        for chunk in numba.prange(chunks):
            for m in range(chunk * n // chunks, (chunk + 1) * n // chunks):
                for i in range(oh):
                    for j in range(ow):
                        corner = (i * qh * sh * w + j * qw * sw) * c
                        for f in range(filters):
                            best = bias[f]
                            winner = 0
                            for t in range(places):
                                start = corner + ((t // pw) * sh * w + (t % pw) * sw) * c
                                v = bias[f]
                                for u in range(kh):
                                    for k in range(run):
                                        v += x[m, start + u * row + k] * weights[u * run + k, f]
                                if t == 0:
                                    best = v
                                else:
                                    wins = v > best or v != v
                                    best = v if wins else best
                                    winner = t if wins else winner
                            dead = best <= 0
                            y[m, i, j, f] = zero if dead else best
                            index[m, i, j, f] = DEAD if dead else winner

    return conv_pool_direct


@kernel(parallel=True)
def forward_product(y, index, columns, products, x, weights, bias, p, q):
    """Compute the block for many taps: for each place in the windows im2col and a matrix product, then the pooling."""
    kh, kw, sh, sw = p[:4]
    ph, pw, qh, qw, _, _, oh, ow = q
    rows, chunks, block = len(x) * oh, len(products), columns.shape[1] // ow
    for chunk in numba.prange(chunks):
        end = (chunk + 1) * rows // chunks
        for first in range(chunk * rows // chunks, end, block):
            count = min(block, end - first)
            for t in range(ph * pw):
                place = kh, kw, sh * qh, sw * qw, -(t // pw) * sh, -(t % pw) * sw, oh, ow
                im2col(columns[chunk], x, first, count, place)
                np.dot(columns[chunk, : count * ow], weights, products[chunk, t, : count * ow])
            for r in range(count):
                made = products[chunk].reshape(ph * pw, -1)
                pool(
                    ph * pw,
                    y,
                    index,
                    made,
                    r * ow * bias.size,
                    bias,
                    (first + r) // oh,
                    (first + r) % oh,
                    y.dtype.type(1),
                )


@kernel()
def add_up_transposed(total, partial):
    """Add up partial sums (chunks, F, K), into the first of them, for total (K, F)."""
    for chunk in range(1, partial.shape[0]):
        for f in range(partial.shape[1]):
            for k in range(partial.shape[2]):
                partial[0, f, k] += partial[chunk, f, k]
    for k in range(total.shape[0]):
        for f in range(total.shape[1]):
            total[k, f] = partial[0, f, k]


@factory
def weight_grad(d: Dims) -> Any:
    """Make the kernel of the gradients of weights and bias: a row of im2col times a scalar for each winner."""
    _, w, c, filters, kh, kw, sh, sw, _, pw, qh, qw, oh, ow = d
    run, row, taps = kw * c, w * c, d.taps

    @kernel(parallel=True)
    def conv_pool_weight_grad(dw, db, partial, partial_bias, x, g, index):
        n, chunks = x.shape[0], partial.shape[0]
        for chunk in numba.prange(chunks):
            for f in range(filters):
                for k in range(taps):
                    partial[chunk, f, k] = 0
                partial_bias[chunk, f] = 0
            for m in range(chunk * n // chunks, (chunk + 1) * n // chunks):
                for f in range(filters):
                    total = partial_bias[chunk, f]
                    for i in range(oh):
                        for j in range(ow):
                            t = index[m, i, j, f]
                            if t != DEAD:
                                v = g[m, i, j, f]
                                total += v
                                start = ((i * qh + t // pw) * sh * w + (j * qw + t % pw) * sw) * c
                                for u in range(kh):
                                    for k in range(run):
                                        partial[chunk, f, u * run + k] += v * x[m, start + u * row + k]
                    partial_bias[chunk, f] = total
        add_up_transposed(dw, partial)
        add_up(db, partial_bias, 0, db.size)

    return conv_pool_weight_grad


@factory
def weight_grad_direct(d: Dims) -> Any:
    """Make the same kernel for few taps: all places of a window, with a factor of 0 but for the winner; dw is flat.

    This makes many products with 0, but no branch that cannot be predicted, and is vectorised over the filters.
    """
    _, w, c, filters, kh, kw, sh, sw, ph, pw, qh, qw, oh, ow = d
    run, row, taps, places = kw * c, w * c, d.taps, ph * pw

    @kernel(parallel=True)
    def conv_pool_weight_grad_direct(dw, db, partial, partial_bias, x, g, index):
        n, chunks, zero = x.shape[0], partial.shape[0], x.dtype.type(0)
        for chunk in numba.prange(chunks):
            for f in range(filters):
                for k in range(taps):
                    partial[chunk, k * filters + f] = zero
                partial_bias[chunk, f] = zero
            for m in range(chunk * n // chunks, (chunk + 1) * n // chunks):
                for i in range(oh):
                    for j in range(ow):
                        corner = (i * qh * sh * w + j * qw * sw) * c
                        for f in range(filters):
                            winner = index[m, i, j, f]
                            v = g[m, i, j, f]
                            for u in range(kh):
                                for k in range(run):
                                    total = partial[chunk, (u * run + k) * filters + f]
                                    for t in range(places):
                                        start = corner + ((t // pw) * sh * w + (t % pw) * sw) * c
                                        total += x[m, start + u * row + k] * (v if winner == t else zero)
                                    partial[chunk, (u * run + k) * filters + f] = total
                            partial_bias[chunk, f] += zero if winner == DEAD else v
        add_up(dw, partial, 0, dw.size)
        add_up(db, partial_bias, 0, db.size)

    return conv_pool_weight_grad_direct


@factory
def input_grad(d: Dims) -> Any:
    """Make the kernel of the gradient of the input: the filter times a scalar, added at the place of each winner."""
    h, w, c, filters, kh, kw, sh, sw, _, pw, qh, qw, oh, ow = d
    run, row, taps, size = kw * c, w * c, d.taps, h * w * c

    @kernel(parallel=True)
    def conv_pool_input_grad(dx, turned, g, weights, index):
        n = g.shape[0]
        for f in range(filters):
            for k in range(taps):
                turned[f, k] = weights[k, f]
        chunks = max(1, min(MOST_CHUNKS, n))
        for chunk in numba.prange(chunks):
            for m in range(chunk * n // chunks, (chunk + 1) * n // chunks):
                for k in range(size):
                    dx[m, k] = 0
                for f in range(filters):
                    for i in range(oh):
                        for j in range(ow):
                            t = index[m, i, j, f]
                            if t != DEAD:
                                v = g[m, i, j, f]
                                start = ((i * qh + t // pw) * sh * w + (j * qw + t % pw) * sw) * c
                                for u in range(kh):
                                    for k in range(run):
                                        dx[m, start + u * row + k] += v * turned[f, u * run + k]

    return conv_pool_input_grad
