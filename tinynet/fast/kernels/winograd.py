"""Convolution of 3x3 taps at stride 1, its gradients, and + bias + relu + max-pooling, by Winograd's algorithm.

A sum of 3 taps at M neighbouring places takes 3 M multiplications, but M + 2 between transformed taps and transformed
inputs (Winograd, "Arithmetic Complexity of Computations", 1980; for convolution layers Lavin and Gray,
arXiv:1509.09308). In two dimensions, a tile of 2x2 outputs takes 16 in place of 36 for each channel and filter, and one
of 3x3 takes 25 in place of 81. M is 2 for plain convolutions, and the side of a window where pooling follows.

Axes as in `conv`. An image has TH rows of TW tiles; row r is row r % TH of image r // TH. A tile reads S x S pixels,
S = M + 2. What its transform has at one of these places, in all tiles of a block, is a matrix (tiles, C). Blocks and
chunks follow from shapes alone. Each lane has working arrays of its own and takes some of the chunks. There are as many
lanes as there may be threads, so that the arrays stay in the cache; no bit depends on it.
"""

from typing import Any

import numba
import numpy as np

from tinynet.fast.kernels.jit import chunks_of, factory, kernel
from tinynet.fast.kernels.reduce import add_up
from tinynet.fast.kernels.registers import add_bias, product
from tinynet.fast.kernels.transforms import transform
from tinynet.fast.kernels.winners import find_winners

LEAST_CHANNELS = 16  # and filters: with fewer, the transforms take longer than the products that they save
_LEAST_TILES = 16  # that are worth a chunk
_TILES = 128  # whose transforms lie in the cache at a time


def cut(rows: int, tw: int) -> tuple[int, int]:
    """Return the number of chunks of some rows of tiles, and the number of rows in a block."""
    chunks = chunks_of(rows, rows * tw, _LEAST_TILES)
    block = max(1, _TILES // tw)
    return chunks, min(block, max(1, -(-rows // chunks)))


# --- what is not finite, and what is 0


@kernel()
def plain_sum(x, taps, h, w, f):
    """Sum the products under a filter whose corner lies at pixel (h, w), without transforms: taps (9, C, F)."""
    total = x.dtype.type(0)
    for tap in range(9):
        i, j = h + tap // 3, w + tap % 3
        if 0 <= i < x.shape[0] and 0 <= j < x.shape[1]:
            for k in range(x.shape[2]):
                total += x[i, j, k] * taps[tap, k, f]
    return total


@kernel()
def size_of(values):
    """Sum the sizes of values: 0 if all are 0, and no number or infinite if one is."""
    total = values.dtype.type(0)
    for k in range(values.size):
        total += abs(values[k])
    return total


@kernel()
def clear(y, sizes, x):
    """Write 0 where all that is under a filter is 0: y (M, columns, F). Of sums of others, nearly 0 would be left."""
    for h in range(len(x)):
        for w in range(x.shape[1]):
            sizes[h, w] = size_of(x[h, w])
    for h in range(y.shape[0]):
        for w in range(y.shape[1]):
            below = sizes[h, w] + sizes[h, w + 1] + sizes[h, w + 2] + sizes[h + 1, w] + sizes[h + 1, w + 1]
            if below + sizes[h + 1, w + 2] + sizes[h + 2, w] + sizes[h + 2, w + 1] + sizes[h + 2, w + 2] == 0:
                y[h, w] = 0


@kernel()
def mend(y, x, taps, top, left):
    """Compute anew, without transforms, what is NaN in rows of y: differences of infinities make more of them.

    The first filter has its corner at pixel (top, left).
    """
    f = y.shape[2]
    for h in range(y.shape[0]):
        row = y[h].reshape(-1)
        if not size_of(row) < np.inf:
            for k in range(row.size):
                if row[k] != row[k]:
                    row[k] = plain_sum(x, taps, top + h, left + k // f, k % f)


# --- convolution and its gradients


@factory
def convolution(m: int, pooled: bool) -> Any:
    """Make the kernel that computes y (N, OH, OW, F) from x (N, H, W, C) and w (3, 3, C, F) in tiles of M x M outputs.

    If ``adjoint``, it is the adjoint of the convolution with w (3, 3, F, C) instead. A bias of any values is added,
    and what is then below 0 is 0 if ``rectified``, or if ``pooled``: then y and index are the largest of each tile, and
    its place. Transformed filters that are ``constant`` are ``ready`` for the next call.
    """
    s, taps_of, inputs_of, outputs_of = m + 2, *(f"{what} of {m}x{m}" for what in ("taps", "inputs", "outputs"))

    @kernel(parallel=True)
    def conv_winograd(
        y,
        index,
        taps,
        filters,
        inputs,
        products,
        strips,
        sizes,
        x,
        w,
        bias,
        rectified,
        top,
        left,
        th,
        chunks,
        adjoint,
        ready,
        constant,
    ):
        n, c, f, lanes, tw = len(x), x.shape[3], taps.shape[2], len(inputs), strips.shape[2] // m
        block = inputs.shape[2] // (tw * c)
        if not ready[0]:
            for lane in numba.prange(lanes):
                for k in range(lane * c // lanes, (lane + 1) * c // lanes):
                    for t in range(9):
                        for j in range(f):
                            taps[t, k, j] = w[2 - t // 3, 2 - t % 3, j, k] if adjoint else w[t // 3, t % 3, k, j]
                first, end = lane * c // lanes * f, (lane + 1) * c // lanes * f
                planes, of_taps = filters.reshape(s, s, 1, c * f), taps.reshape(3, 3, c * f)
                transform(taps_of, planes[:, :, :, first:end], of_taps[:, :, first:end], 0, 0, 0)
            ready[0] = constant
        for lane in numba.prange(lanes):
            given, made, strip = inputs[lane], products[lane], strips[lane]
            windows = strip.reshape(m, tw, m, f)
            places, results = given.reshape(s, s, -1, c), made.reshape(s, s, -1, f)
            for chunk in range(lane * chunks // lanes, (lane + 1) * chunks // lanes):
                end = (chunk + 1) * n * th // chunks
                for first in range(chunk * n * th // chunks, end, block):
                    count = min(block, end - first)
                    for r in range(count):
                        image, i = (first + r) // th, (first + r) % th
                        transform(inputs_of, places[:, :, r * tw : (r + 1) * tw], x[image], m * i - top, -left, m)
                    for p in range(s * s):
                        product(
                            made[p].reshape(-1, f)[: count * tw],
                            given[p].reshape(-1, c)[: count * tw],
                            filters[p].reshape(c, f),
                            False,
                            False,
                            False,
                        )
                    for r in range(count):
                        image, i = (first + r) // th, (first + r) % th
                        tiles = results[:, :, r * tw : (r + 1) * tw]
                        if pooled:
                            transform(outputs_of, tiles, strip, 0, 0, m)
                            if m == 3:
                                clear(strip, sizes[lane], x[image, m * i : m * i + s])
                            mend(strip, x[image], taps, m * i, 0)
                            find_winners(y[image, i], index[image, i], windows, bias)
                        else:
                            transform(outputs_of, tiles, y[image], m * i, 0, m)
                            mend(y[image, m * i : m * i + m], x[image], taps, m * i - top, -left)
                            add_bias(y[image, m * i : m * i + m].reshape(-1, f), bias, rectified)

    return conv_winograd


@kernel(parallel=True)
def weight_grad(dw, partial, sums, inputs, spread, x, g, top, left):
    """Bring the cotangent g (N, OH, OW, F) back to weights in tiles of 2x2: dw (9, C F), partial (chunks, 9, C F)."""
    n, c, f, lanes, chunks = len(x), x.shape[3], g.shape[3], len(inputs), len(partial)
    th, tw = (g.shape[1] + 1) // 2, (g.shape[2] + 1) // 2
    block = inputs.shape[2] // (tw * c)
    for lane in numba.prange(lanes):
        places, cotangents = inputs[lane].reshape(4, 4, -1, c), spread[lane].reshape(4, 4, -1, f)
        for chunk in range(lane * chunks // lanes, (lane + 1) * chunks // lanes):
            sums[lane] = 0
            end = (chunk + 1) * n * th // chunks
            for first in range(chunk * n * th // chunks, end, block):
                count = min(block, end - first)
                for r in range(count):
                    image, h, lo, hi = (first + r) // th, (first + r) % th * 2, r * tw, (r + 1) * tw
                    transform("inputs of 2x2", places[:, :, lo:hi], x[image], h - top, -left, 2)
                    transform("cotangents of 2x2", cotangents[:, :, lo:hi], g[image], h, 0, 2)
                for p in range(16):
                    given = inputs[lane, p].reshape(-1, c)[: count * tw]
                    back = spread[lane, p].reshape(-1, f)[: count * tw]
                    product(sums[lane, p].reshape(c, f), given, back, True, False, True)
            transform("gradients of 2x2", sums[lane].reshape(4, 4, 1, -1), partial[chunk].reshape(3, 3, -1), 0, 0, 0)
    for lane in numba.prange(lanes):
        add_up(dw.reshape(-1), partial.reshape(chunks, -1), lane * 9 * c * f // lanes, (lane + 1) * 9 * c * f // lanes)
