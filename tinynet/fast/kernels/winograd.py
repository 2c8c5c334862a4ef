"""The forward kernel of convolution + bias + relu + max-pooling by Winograd's algorithm, one tile for each window.

A sum with R taps at M neighbouring places takes M R multiplications, but M + R - 1 between a transformed filter and
transformed inputs (Winograd, "Arithmetic Complexity of Computations", 1980; for convolution layers Lavin and Gray,
arXiv:1509.09308). In two dimensions 3x3 outputs under 3x3 taps take 25 in place of 81, for each channel and filter.

Axes as in `conv_pool`; a tile is TH x TW pixels: what one window of PH x PW outputs reads.
"""

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from tinynet.fast.kernels.conv_pool import DEAD, MOST_CHUNKS, WINOGRAD_POINTS, Dims
from tinynet.fast.kernels.jit import factory, kernel

_TILES = 48  # whose transforms lie in the cache at a time
_LEAST_TILES = 8  # that are worth a chunk

Matrix = npt.NDArray[np.float32]


def tiles(n: int, d: Dims) -> tuple[int, int]:
    """Give the number of chunks of a batch, and the number of tiles that one takes at a time."""
    count = n * d.oh * d.ow
    chunks = max(1, min(MOST_CHUNKS, count // _LEAST_TILES))
    return chunks, max(1, min(_TILES, -(-count // chunks)))


def transforms(m: int, r: int) -> tuple[Matrix, Matrix, Matrix, int]:
    """Give the matrices B, G, A and the divisor of m outputs under r taps: y = A ((G w) * (B x)) / divisor.

    They multiply polynomials by their values at a few points, one of them infinity (Toom and Cook), turned round. All
    are integers, exact in float32, so that sums that are equal as integers come out equal, and a tie is still a tie.
    """
    points = WINOGRAD_POINTS[: m + r - 2]
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
