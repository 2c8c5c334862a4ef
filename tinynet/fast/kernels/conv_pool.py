"""Convolution + bias + relu + max-pooling in one pass, and its gradients, specialised to their shapes.

Forward, only the convolution outputs that a window reads are computed. Backward, only one place in each window has a
gradient, and none where relu cut it: the index of the winner (DEAD where cut) tells which, and one row of im2col times
a scalar is all that each adds. The shapes are numbers that the kernels close over, so that LLVM unrolls the loops over
taps and turns those over channels into vector code: about eight times as fast as the same loops with run-time bounds.

There are three forward kernels. With few taps, products are made in registers; else by a matrix product of im2col; or,
where it pays, by Winograd's algorithm with one tile for each window: a sum with R taps at M neighbouring places takes
M R multiplications, but M + R - 1 between a transformed filter and transformed inputs (Winograd, "Arithmetic Complexity
of Computations", 1980; for convolution layers Lavin and Gray, arXiv:1509.09308). In two dimensions 3x3 outputs under
3x3 taps take 25 in place of 81, for each channel and filter.

Axes: N images, each a row of H W C values; KH x KW taps, F filters; windows of PH x PW convolution outputs at strides
QH, QW, of which there are OH x OW. Weights are (KH KW C, F).
"""

import math
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from tinynet.fast.kernels.jit import factory, kernel

DEAD = 255  # in place of a winner, where relu cut it
_MOST_CHUNKS = 8
_COLUMN_BYTES = 512 * 1024
_MOST_IMAGES = 4
_IMAGES_A_PARTIAL = 4  # so that eight cores have a chunk each at the usual batch of 32
_DIRECT_TAPS = 32  # up to so many values under a filter, the products are made in registers
_POINTS = (0, 1, -1, 2)  # of Winograd's transforms; more of them cost more digits than they save time
_WINOGRAD_CHANNELS = 16  # and filters: with fewer, the transforms take longer than the products that they save
_TILES = 48  # whose transforms lie in the cache at a time
_LEAST_TILES = 8  # that are worth a chunk

Matrix = npt.NDArray[np.float32]


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
    def tile(self) -> tuple[int, int]:
        """The sides of what one window reads of the input, at stride 1."""
        return self.ph + self.kh - 1, self.pw + self.kw - 1

    @property
    def winograd(self) -> bool:
        """Whether Winograd's algorithm has transforms for these shapes, and saves a third of the products at least."""
        th, tw = self.tile
        return (
            (self.sh, self.sw) == (1, 1)
            and max(th, tw) <= len(_POINTS) + 1
            and min(self.c, self.f) >= _WINOGRAD_CHANNELS
            and 3 * th * tw <= 2 * self.ph * self.pw * self.kh * self.kw
        )


def chunks(n: int) -> int:
    """Give the number of chunks of a batch."""
    return max(1, min(_MOST_CHUNKS, n))


def partials(n: int) -> int:
    """Give the number of chunks of a gradient of weights, whose partial sums cost as much as a few images each."""
    return max(1, min(_MOST_CHUNKS, -(-n // _IMAGES_A_PARTIAL)))


def group(n: int, d: Dims, itemsize: int) -> int:
    """Give the number of images whose im2col is made at a time."""
    rows = d.oh * d.ow * d.ph * d.pw
    return max(1, min(_MOST_IMAGES, _COLUMN_BYTES // (rows * d.taps * itemsize), -(-n // chunks(n))))


@factory
def forward_direct(d: Dims) -> Any:
    """Make the forward kernel for few taps: each output is a sum in registers, vectorised over the filters."""
    _, w, c, filters, kh, kw, sh, sw, ph, pw, qh, qw, oh, ow = d
    run, row, places = kw * c, w * c, ph * pw

    @kernel(parallel=True, reorder=False)  # equal patches then give equal sums, of which the first wins
    def conv_pool_direct(y, index, x, weights, bias):
        n, zero = x.shape[0], x.dtype.type(0)
        chunks = max(1, min(_MOST_CHUNKS, n))
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


@factory
def forward_product(d: Dims) -> Any:
    """Make the forward kernel for many taps: im2col of the pooled outputs, window by window, and a matrix product."""
    _, w, c, filters, kh, kw, sh, sw, ph, pw, qh, qw, oh, ow = d
    run, row, places, windows = kw * c, w * c, ph * pw, oh * ow
    pixels = places * windows

    @kernel(parallel=True)
    def conv_pool_product(y, index, columns, products, x, weights, bias):
        n, chunks, zero = x.shape[0], columns.shape[0], x.dtype.type(0)
        group = columns.shape[1] // pixels
        for chunk in numba.prange(chunks):
            lo, hi = chunk * n // chunks, (chunk + 1) * n // chunks
            for first in range(lo, hi, group):
                count = min(group, hi - first)
                for m in range(count):
                    for i in range(oh):
                        for j in range(ow):
                            for t in range(places):
                                start = ((i * qh + t // pw) * sh * w + (j * qw + t % pw) * sw) * c
                                r = ((m * oh + i) * ow + j) * places + t
                                for u in range(kh):
                                    for k in range(run):
                                        columns[chunk, r, u * run + k] = x[first + m, start + u * row + k]
                np.dot(columns[chunk, : count * pixels], weights, products[chunk, : count * pixels])
                for m in range(count):
                    for i in range(oh):
                        for j in range(ow):
                            r = ((m * oh + i) * ow + j) * places
                            for f in range(filters):
                                best = products[chunk, r, f] + bias[f]
                                winner = 0
                                for t in range(1, places):
                                    v = products[chunk, r + t, f] + bias[f]
                                    wins = v > best or v != v
                                    best = v if wins else best
                                    winner = t if wins else winner
                                dead = best <= 0
                                y[first + m, i, j, f] = zero if dead else best
                                index[first + m, i, j, f] = DEAD if dead else winner

    return conv_pool_product


def tiles(n: int, d: Dims) -> tuple[int, int]:
    """Give the number of chunks of a batch, and the number of tiles that one takes at a time."""
    count = n * d.oh * d.ow
    chunks = max(1, min(_MOST_CHUNKS, count // _LEAST_TILES))
    return chunks, max(1, min(_TILES, -(-count // chunks)))


def transforms(m: int, r: int) -> tuple[Matrix, Matrix, Matrix, int]:
    """Give the matrices B, G, A and the divisor of m outputs under r taps: y = A ((G w) * (B x)) / divisor.

    They multiply polynomials by their values at a few points, one of them infinity (Toom and Cook), turned round. All
    are integers, exact in float32, so that sums that are equal as integers come out equal, and a tie is still a tie.
    """
    points = _POINTS[: m + r - 2]
    n = len(points) + 1
    factors = [math.prod(p - q for q in points if q != p) for p in points]
    divisor = math.lcm(*factors)
    b, g, a = (np.zeros(shape, np.float32) for shape in ((n, n), (n, r), (m, n)))
    for k, point in enumerate(points):
        b[k, :-1] = np.polynomial.polynomial.polyfromroots([q for q in points if q != point])
        g[k] = [point**j for j in range(r)]
        a[:, k] = [point**i * (divisor // factors[k]) for i in range(m)]
    b[-1] = np.polynomial.polynomial.polyfromroots(points)
    g[-1, -1], a[-1, -1] = 1, divisor
    return b, g, a, divisor


@kernel(reorder=False)
def transform_filters(turned, weights, high, wide, d):
    """Transform all filters to one place of a tile: turned (C, F); high (KH,) and wide (KW,) are rows of G."""
    _, _, c, filters, kh, kw, _, _, _, _, _, _, _, _ = d
    for k in range(c):
        for f in range(filters):
            v = weights.dtype.type(0)
            for p in range(kh):
                for q in range(kw):
                    v += high[p] * wide[q] * weights[(p * kw + q) * c + k, f]
            turned[k, f] = v


@kernel(reorder=False)
def transform_inputs(inputs, row, x, high, wide, first, count, d):
    """Transform what count tiles read, from the first one on: inputs (TH TW, tiles, C), row (TW C,), matrices B."""
    _, w, c, _, kh, kw, _, _, ph, pw, qh, qw, oh, ow = d
    th, tw, zero = ph + kh - 1, pw + kw - 1, x.dtype.type(0)
    for s in range(count):
        tile = first + s
        patch = x[tile // (oh * ow), (tile // ow % oh * qh * w + tile % ow * qw) * c :]
        for a in range(high.shape[0]):
            for k in range(tw * c):
                v = zero
                for p in range(th):
                    v += high[a, p] * patch[p * w * c + k]
                row[k] = v
            for b in range(wide.shape[0]):
                for k in range(c):
                    v = zero
                    for q in range(tw):
                        v += wide[b, q] * row[q * c + k]
                    inputs[a * tw + b, s, k] = v


@kernel()
def sum_under(under, x, first, d):
    """Sum the sizes of all inputs under a filter, at each place of the windows from the first one on."""
    _, w, c, _, kh, kw, _, _, _, pw, qh, qw, oh, ow = d
    for s in range(under.shape[0]):
        tile = first + s
        patch = x[tile // (oh * ow), (tile // ow % oh * qh * w + tile % ow * qw) * c :]
        for t in range(under.shape[1]):
            start = patch[(t // pw * w + t % pw) * c :]
            v = x.dtype.type(0)
            for k in range(kw * c):
                for u in range(kh):
                    v += abs(start[u * w * c + k])
            under[s, t] = v


@kernel(reorder=False)
def transform_back(y, index, sums, products, under, bias, high, wide, divisor, d):
    """Transform the products of tiles back by the matrices A, and find the largest of each window: y (tiles, F)."""
    _, _, _, filters, kh, kw, _, _, ph, pw, _, _, _, _ = d
    th, tw, zero = ph + kh - 1, pw + kw - 1, y.dtype.type(0)
    for s in range(y.shape[0]):
        for p in range(sums.shape[0]):
            for b in range(sums.shape[1]):
                for f in range(filters):
                    v = zero
                    for a in range(th):
                        v += high[p, a] * products[a * tw + b, s, f]
                    sums[p, b, f] = v
        for f in range(filters):
            best = zero
            winner = 0
            for t in range(ph * pw):
                v = zero
                for b in range(tw):
                    v += wide[t % pw, b] * sums[t // pw, b, f]
                v = (zero if under[s, t] == 0 else v / divisor) + bias[f]
                wins = t == 0 or v > best or v != v
                best = v if wins else best
                winner = t if wins else winner
            dead = best <= 0
            y[s, f] = zero if dead else best
            index[s, f] = DEAD if dead else winner


@kernel(reorder=False)
def mend_nan(y, index, x, weights, bias, first, places, d):
    """Compute anew, by plain sums of products, what is NaN in the windows from the first one on: y (tiles, F)."""
    _, w, c, _, _, kw, _, _, _, pw, qh, qw, oh, ow = d
    zero, run = y.dtype.type(0), kw * c
    for s in range(y.shape[0]):
        tile = first + s
        patch = x[tile // (oh * ow), (tile // ow % oh * qh * w + tile % ow * qw) * c :]
        for f in range(y.shape[1]):
            if y[s, f] != y[s, f]:
                best = zero
                winner = 0
                for t in range(places):
                    v = bias[f]
                    for k in range(weights.shape[0]):
                        v += patch[((k // run + t // pw) * w + t % pw) * c + k % run] * weights[k, f]
                    if t == 0 or v > best or v != v:
                        best = v
                        winner = t
                dead = best <= 0
                y[s, f] = zero if dead else best
                index[s, f] = DEAD if dead else winner


@factory
def forward_winograd(d: Dims) -> Any:
    """Make the forward kernel: transform, multiply matrices, one for each place in a tile, transform back and pool.

    Rounding is that of all inputs of a tile, which may not show where it would matter: where all that is under a
    filter is 0, as in the empty parts of an image, the sum is 0 and not nearly so; and what is NaN, as infinities in
    one place of a tile make of all others, is computed anew without transforms.
    """
    (_, tw), places, dims = d.tile, d.ph * d.pw, tuple(d)

    @kernel(parallel=True)
    def conv_pool_winograd(
        y, index, turned, inputs, products, row, sums, under, x, weights, bias, bh, gh, ah, bw, gw, aw, divisor
    ):
        tiles, chunks, block = y.shape[0], inputs.shape[0], inputs.shape[2]
        for place in numba.prange(turned.shape[0]):
            transform_filters(turned[place], weights, gh[place // tw], gw[place % tw], dims)
        for chunk in numba.prange(chunks):
            hi = (chunk + 1) * tiles // chunks
            for lo in range(chunk * tiles // chunks, hi, block):
                count = min(block, hi - lo)
                out, winners, sizes = y[lo : lo + count], index[lo : lo + count], under[chunk, :count]
                transform_inputs(inputs[chunk], row[chunk], x, bh, bw, lo, count, dims)
                for place in range(turned.shape[0]):
                    np.dot(inputs[chunk, place, :count], turned[place], products[chunk, place, :count])
                sum_under(sizes, x, lo, dims)
                transform_back(out, winners, sums[chunk], products[chunk], sizes, bias, ah, aw, divisor, dims)
                mend_nan(out, winners, x, weights, bias, lo, places, dims)

    return conv_pool_winograd


@kernel()
def add_up(total, partial):
    """Add up the partial sums of the chunks in their order: each loop adds to many values, and sums up none."""
    for k in range(total.size):
        total[k] = partial[0, k]
    for chunk in range(1, partial.shape[0]):
        for k in range(total.size):
            total[k] += partial[chunk, k]


@kernel()
def add_up_transposed(total, partial, lo, hi):
    """Do the same for rows lo to hi of total (K, F), from partial sums (chunks, F, K)."""
    for k in range(lo, hi):
        for f in range(total.shape[1]):
            total[k, f] = partial[0, f, k]
        for chunk in range(1, partial.shape[0]):
            for f in range(total.shape[1]):
                total[k, f] += partial[chunk, f, k]


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
        for chunk in numba.prange(chunks):
            add_up_transposed(dw, partial, chunk * taps // chunks, (chunk + 1) * taps // chunks)
        add_up(db, partial_bias)

    return conv_pool_weight_grad


@factory
def weight_grad_direct(d: Dims) -> Any:
    """Make the same kernel for few taps: all places of a window, with a factor of 0 but for the winner.

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
                    partial[chunk, k, f] = zero
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
                                    total = partial[chunk, u * run + k, f]
                                    for t in range(places):
                                        start = corner + ((t // pw) * sh * w + (t % pw) * sw) * c
                                        total += x[m, start + u * row + k] * (v if winner == t else zero)
                                    partial[chunk, u * run + k, f] = total
                            partial_bias[chunk, f] += zero if winner == DEAD else v
        add_up(dw.reshape(taps * filters), partial.reshape(chunks, taps * filters))
        add_up(db, partial_bias)

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
        chunks = max(1, min(_MOST_CHUNKS, n))
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
