"""Convolution of 3x3 taps at stride 1, its gradients, and + bias + relu + max-pooling, by Winograd's algorithm.

A sum of 3 taps at M neighbouring places takes 3 M multiplications, but M + 2 between transformed taps and transformed
inputs (Winograd, "Arithmetic Complexity of Computations", 1980; for convolution layers Lavin and Gray,
arXiv:1509.09308). In two dimensions, a tile of 2x2 outputs takes 16 in place of 36 for each channel and filter, and one
of 3x3 takes 25 in place of 81. M is 2 for plain convolutions, and the side of a window where pooling follows.

Axes as in `conv`. An image has TH rows of TW tiles; row r is row r % TH of image r // TH. A tile reads S x S pixels,
S = M + 2. What is at one of these places in all tiles of a block is a matrix (tiles, C). The transforms are sums of
such matrices, loops over long runs of memory whatever the shapes. For that, columns of pixels are sorted by their
remainder by M. Blocks and chunks follow from shapes alone. Each lane has working arrays of its own and takes some of
the chunks. There are as many lanes as there may be threads, so that the arrays stay in the cache; no bit depends on it.
"""

from typing import Any

import numba
import numpy as np

from tinynet.fast.kernels.jit import chunks_of, factory, kernel
from tinynet.fast.kernels.reduce import add_up

DEAD = 255  # in place of a winner, where relu cut it
LEAST_CHANNELS = 16  # and filters: with fewer, the transforms take longer than the products that they save
_LEAST_TILES = 16  # that are worth a chunk
_TILES = 128  # whose transforms lie in the cache at a time
_SMALL_PRODUCT = 1_000_000  # multiplications: up to so many, OpenBLAS does not copy the matrices first


def cut(rows: int, tw: int, channels: int, filters: int) -> tuple[int, int]:
    """Return the number of chunks of some rows of tiles, and the number of rows in a block."""
    chunks = chunks_of(rows, rows * tw, _LEAST_TILES)
    block = max(1, min(_TILES, _SMALL_PRODUCT // (channels * filters)) // tw)
    return chunks, min(block, max(1, -(-rows // chunks)))


# --- transforms along one axis
# They multiply polynomials by their values at 0, 1, -1, for M = 3 also 2, and infinity (Toom and Cook), turned round.
# For M = 2 an output is made of nothing but what its filter sees: there, zeros stay zeros and NaN where it is.


@kernel(reorder=False)
def inputs_of(m, out, to, lo, hi, a, b, c, d, e):
    """Transform the S inputs of tiles, to as many rows of ``out``, values lo to hi."""
    u, v, w, z = out[to, lo:hi], out[to + 1, lo:hi], out[to + 2, lo:hi], out[to + 3, lo:hi]
    if m == 2:
        for k in range(u.size):
            u[k] = a[k] - c[k]
            v[k] = b[k] + c[k]
        for k in range(u.size):
            w[k] = c[k] - b[k]
            z[k] = d[k] - b[k]
    else:
        last, two = out[to + 4, lo:hi], out.dtype.type(2)
        for k in range(u.size):
            u[k] = two * (a[k] - c[k]) + (d[k] - b[k])
        for k in range(u.size):
            v[k] = d[k] - c[k] - two * b[k]
            w[k] = d[k] - c[k] + two * (b[k] - c[k])
        for k in range(u.size):
            z[k] = d[k] - b[k]
        for k in range(u.size):
            last[k] = two * (b[k] - d[k]) + (e[k] - c[k])


@kernel(reorder=False)
def taps_of(m, out, to, step, lo, hi, a, b, c):
    """Transform the 3 taps of filters, to S rows of ``out`` that are ``step`` apart, values lo to hi."""
    u, v, w, z = out[to, lo:hi], out[to + step, lo:hi], out[to + 2 * step, lo:hi], out[to + (m + 1) * step, lo:hi]
    for k in range(u.size):
        u[k] = a[k]
        z[k] = c[k]
    for k in range(u.size):
        v[k] = a[k] + b[k] + c[k]
        w[k] = a[k] - b[k] + c[k]
    if m == 3:
        at_two, two = out[to + 3 * step, lo:hi], out.dtype.type(2)
        for k in range(u.size):
            at_two[k] = a[k] + two * (b[k] + two * c[k])


@kernel(reorder=False)
def outputs_of(m, out, to, step, a, b, c, d, e):
    """Transform the S products of tiles back to M outputs; for M = 3 to 6 times these, in whole numbers."""
    u, v, half = out[to], out[to + step], out.dtype.type(0.5)
    if m == 2:
        for k in range(u.size):
            u[k] = a[k] + half * (b[k] + c[k])
        for k in range(u.size):
            v[k] = half * (b[k] - c[k]) + d[k]
    else:
        w, two, three = out[to + 2 * step], out.dtype.type(2), out.dtype.type(3)
        for k in range(u.size):
            u[k] = three * (a[k] - b[k]) + (d[k] - c[k])
        for k in range(u.size):
            v[k] = c[k] - three * b[k] + two * d[k]
        for k in range(u.size):
            w[k] = two * (two * d[k] + three * e[k]) - three * b[k] - c[k]


@kernel(reorder=False)
def cotangents_of(out, to, lo, hi, a, b):
    """Do the adjoint of `outputs_of` for M = 2, to rows of ``out``, values lo to hi."""
    u, v, w, z = out[to, lo:hi], out[to + 1, lo:hi], out[to + 2, lo:hi], out[to + 3, lo:hi]
    half = out.dtype.type(0.5)
    for k in range(u.size):
        u[k] = a[k]
        z[k] = b[k]
    for k in range(u.size):
        v[k] = half * (a[k] + b[k])
        w[k] = half * (a[k] - b[k])


@kernel(reorder=False)
def gradients_of(out, to, step, a, b, c, d):
    """Do the adjoint of `taps_of` for M = 2."""
    u, v, w = out[to], out[to + step], out[to + 2 * step]
    for k in range(u.size):
        u[k] = a[k] + (b[k] + c[k])
        v[k] = b[k] - c[k]
    for k in range(u.size):
        w[k] = (b[k] + c[k]) + d[k]


# --- transforms of rows of tiles


@kernel()
def load_row(row, x, image, h, left):
    """Load a row of pixels, its columns sorted: row (M, slots, C); zeros outside of the image."""
    for q in range(row.shape[0] * row.shape[1]):
        pixel = row[q % row.shape[0], q // row.shape[0]]
        if 0 <= h < x.shape[1] and 0 <= q - left < x.shape[2]:
            source = x[image, h, q - left]
            for k in range(pixel.size):
                pixel[k] = source[k]
        else:
            for k in range(pixel.size):
                pixel[k] = 0


@kernel()
def transform_inputs(m, to, rows, strip, x, r, lo, hi, th, top, left):
    """Transform what row r of tiles reads, to values lo to hi: to (S S, tiles C), rows (S, M, slots, C)."""
    image, z, s, c = r // th, r % th * m, m + 2, x.shape[3]
    flat, slot = rows.reshape(strip.shape), strip.shape[1] // m
    for p in range(2 if lo and z else 0, s):  # the first two are the last two of the tiles above
        load_row(rows[(z + p) % s], x, image, z + p - top, left)
    inputs_of(
        m, strip, 0, 0, strip.shape[1],
        flat[z % s], flat[(z + 1) % s], flat[(z + 2) % s], flat[(z + 3) % s], flat[(z + 4) % s],
    )  # fmt: skip
    for p in range(s):
        row = strip[p]
        inputs_of(
            m, to, s * p, lo, hi,
            row, row[slot:], row[2 % m * slot + 2 // m * c :], row[3 % m * slot + c :],
            row[4 % m * slot + 4 // m * c :],
        )  # fmt: skip


@kernel()
def transform_cotangents(to, pair, strip, g, r, lo, hi, th):
    """Transform the cotangents of row r of tiles of 2x2, to values lo to hi: to (16, tiles F), pair (2, 2, TW, F)."""
    flat = pair.reshape(2, strip.shape[1])
    for p in range(2):
        load_row(pair[p], g, r // th, r % th * 2 + p, 0)
    cotangents_of(strip, 0, 0, strip.shape[1], flat[0], flat[1])
    for p in range(4):
        cotangents_of(to, 4 * p, lo, hi, strip[p], strip[p, hi - lo :])


@kernel()
def transform_taps(m, to, half, taps, lo, hi):
    """Transform values lo to hi of each of the 9 taps (9, C F): to (S S, C F), half (S 3, C F)."""
    for q in range(3):
        taps_of(m, half, q, 3, lo, hi, taps[q, lo:hi], taps[3 + q, lo:hi], taps[6 + q, lo:hi])
    for p in range(m + 2):
        row = half[3 * p : 3 * p + 3]
        taps_of(m, to, (m + 2) * p, 1, lo, hi, row[0, lo:hi], row[1, lo:hi], row[2, lo:hi])


@kernel()
def transform_products(m, across, down, products, lo, hi):
    """Transform the products of a row of tiles, values lo to hi, to outputs: across (M M, TW F), down (M S, TW F)."""
    s = m + 2
    for q in range(s):
        outputs_of(
            m, down, q, s, products[q, lo:hi], products[s + q, lo:hi], products[2 * s + q, lo:hi],
            products[3 * s + q, lo:hi], products[(m + 1) * s + q, lo:hi],
        )  # fmt: skip
    for p in range(0, m * s, s):
        outputs_of(m, across, p // s * m, 1, down[p], down[p + 1], down[p + 2], down[p + 3], down[p + m + 1])


# --- what is not finite, and what is 0


@kernel()
def plain_sum(x, taps, image, h, w, f):
    """Sum the products under a filter whose corner lies at pixel (h, w), without transforms: taps (9, C, F)."""
    total = x.dtype.type(0)
    for tap in range(9):
        i, j = h + tap // 3, w + tap % 3
        if 0 <= i < x.shape[1] and 0 <= j < x.shape[2]:
            for k in range(x.shape[3]):
                total += x[image, i, j, k] * taps[tap, k, f]
    return total


@kernel()
def size_of(values):
    """Sum the sizes of values: 0 if all are 0, and no number or infinite if one is."""
    total = values.dtype.type(0)
    for k in range(values.size):
        total += abs(values[k])
    return total


@kernel()
def clear(m, across, sizes, x, image, i, f):
    """Write 0 where all that is under a filter is 0, in row i of tiles: of sums of others, nearly 0 would be left."""
    for p in range(m + 2):
        for w in range(sizes.shape[1]):
            sizes[p, w] = size_of(x[image, m * i + p, w])
    for t in range(m * m):
        for j in range(across.shape[1] // f):
            h, w = t // m, m * j + t % m
            below = sizes[h, w] + sizes[h, w + 1] + sizes[h, w + 2] + sizes[h + 1, w] + sizes[h + 1, w + 1]
            if below + sizes[h + 1, w + 2] + sizes[h + 2, w] + sizes[h + 2, w + 1] + sizes[h + 2, w + 2] == 0:
                across[t, j * f : (j + 1) * f] = 0


@kernel()
def mend(m, across, x, taps, image, i, scale, top, left):
    """Compute anew, without transforms, what is NaN in row i of tiles: differences of infinities make more of them."""
    f, run = taps.shape[2], across.shape[1]
    for t in range(m * m):
        if not size_of(across[t]) < np.inf:
            for k in range(run):
                if across[t, k] != across[t, k]:
                    h, w = m * i + t // m - top, m * (k // f) + t % m - left
                    across[t, k] = plain_sum(x, taps, image, h, w, k % f) * scale


# --- what becomes of the outputs of a row of tiles


@kernel()
def store(m, y, across, image, i):
    """Write the outputs: y (N, OH, OW, F)."""
    f = y.shape[3]
    for h in range(m * i, min(m * i + m, y.shape[1])):
        for w in range(y.shape[2]):
            pixel, source = y[image, h, w], across[h % m * m + w % m, w // m * f :]
            for k in range(f):
                pixel[k] = source[k]


@kernel(reorder=False)
def pool(y, index, outputs, first, down, across, ph, pw, bias, image, i, scale):
    """Write the largest output of each window, with the bias and cut at 0, and its place: y, index (N, TH, TW, F).

    A row of ``outputs`` (rows, TW F) has those of row i of the windows at one place: row ``first`` at the first place,
    the row ``down`` rows later at the next below, the one ``across`` rows later at the next beside it. The bias is that
    of one window or of several.
    """
    zero, ys, places = y.dtype.type(0), y[image, i].reshape(-1), index[image, i].reshape(-1)
    for j in range(0, ys.size, bias.size):
        best, winner = ys[j : j + bias.size], places[j : j + bias.size]
        for a in range(ph):
            for b in range(pw):
                source, t = outputs[first + a * down + b * across, j:], a * pw + b
                for k in range(bias.size):
                    v = source[k] / scale + bias[k]
                    wins = t == 0 or v > best[k] or v != v
                    best[k] = v if wins else best[k]
                    winner[k] = t if wins else winner[k]
        for k in range(bias.size):
            dead = best[k] <= 0
            best[k] = zero if dead else best[k]
            winner[k] = DEAD if dead else winner[k]


# --- convolution and its gradients


@factory
def convolution(m: int, pooled: bool) -> Any:
    """Make the kernel that computes y (N, OH, OW, F) from x (N, H, W, C) and w (3, 3, C, F) in tiles of M x M outputs.

    If ``adjoint``, it is the adjoint of the convolution with w (3, 3, F, C) instead. If ``pooled``, a bias is added,
    and y and index are the largest of each tile, cut at 0, and its place. Transformed filters that are ``constant`` are
    ``ready`` for the next call.
    """
    s = m + 2

    @kernel(parallel=True)
    def conv_winograd(
        y,
        index,
        taps,
        half,
        filters,
        inputs,
        products,
        rows,
        strip,
        down,
        across,
        sizes,
        x,
        w,
        bias,
        top,
        left,
        th,
        chunks,
        adjoint,
        ready,
        constant,
    ):
        n, c, f, lanes = len(x), x.shape[3], taps.shape[2], len(inputs)
        tw, scale = across.shape[2] // f, x.dtype.type(36 if m == 3 else 1)
        block = inputs.shape[2] // (tw * c)
        if not ready[0]:
            for lane in numba.prange(lanes):
                for k in range(lane * c // lanes, (lane + 1) * c // lanes):
                    for t in range(9):
                        for j in range(f):
                            taps[t, k, j] = w[2 - t // 3, 2 - t % 3, j, k] if adjoint else w[t // 3, t % 3, k, j]
                first, end = lane * c // lanes * f, (lane + 1) * c // lanes * f
                transform_taps(m, filters, half, taps.reshape(9, c * f), first, end)
            ready[0] = constant
        for lane in numba.prange(lanes):
            given, made, outputs = inputs[lane], products[lane], across[lane]
            for chunk in range(lane * chunks // lanes, (lane + 1) * chunks // lanes):
                end = (chunk + 1) * n * th // chunks
                for first in range(chunk * n * th // chunks, end, block):
                    count = min(block, end - first)
                    for r in range(count):
                        lo, hi = r * tw * c, (r + 1) * tw * c
                        transform_inputs(m, given, rows[lane], strip[lane], x, first + r, lo, hi, th, top, left)
                    for p in range(s * s):
                        out = made[p].reshape(-1, f)[: count * tw]
                        np.dot(given[p].reshape(-1, c)[: count * tw], filters[p].reshape(c, f), out)
                    for r in range(count):
                        image, i = (first + r) // th, (first + r) % th
                        transform_products(m, outputs, down[lane], made, r * tw * f, (r + 1) * tw * f)
                        if m == 3:
                            clear(m, outputs, sizes[lane], x, image, i, f)
                        mend(m, outputs, x, taps, image, i, scale, top, left)
                        if pooled:
                            pool(y, index, outputs, 0, m, 1, m, m, bias, image, i, scale)
                        else:
                            store(m, y, outputs, image, i)

    return conv_winograd


@kernel()
def add_products(sums, product, inputs, spread, tiles):
    """Add the products of some tiles, summed over these, place by place: sums (16, C F), product (C, F)."""
    c, f = product.shape
    for p in range(16):
        np.dot(inputs[p].reshape(-1, c)[:tiles].T, spread[p].reshape(-1, f)[:tiles], product)
        total, more = sums[p], product.reshape(c * f)
        for k in range(total.size):
            total[k] += more[k]


@kernel()
def transform_sums(to, half, sums):
    """Transform sums of products (16, C F) to the gradients of the 9 taps: to (9, C F), half (12, C F)."""
    for q in range(4):
        gradients_of(half, q, 4, sums[q], sums[4 + q], sums[8 + q], sums[12 + q])
    for p in range(3):
        gradients_of(to, 3 * p, 1, half[4 * p], half[4 * p + 1], half[4 * p + 2], half[4 * p + 3])


@kernel(parallel=True)
def weight_grad(dw, partial, half, sums, product, inputs, spread, rows, pairs, strip, strap, x, g, top, left):
    """Bring the cotangent g (N, OH, OW, F) back to weights in tiles of 2x2: dw (9, C F), partial (chunks, 9, C F)."""
    n, c, f, lanes, chunks = len(x), x.shape[3], g.shape[3], len(inputs), len(partial)
    th, tw = (g.shape[1] + 1) // 2, (g.shape[2] + 1) // 2
    block = inputs.shape[2] // (tw * c)
    for lane in numba.prange(lanes):
        for chunk in range(lane * chunks // lanes, (lane + 1) * chunks // lanes):
            sums[lane] = 0
            end = (chunk + 1) * n * th // chunks
            for first in range(chunk * n * th // chunks, end, block):
                count = min(block, end - first)
                for r in range(count):
                    lo, hi = r * tw, (r + 1) * tw
                    transform_inputs(
                        2, inputs[lane], rows[lane], strip[lane], x, first + r, lo * c, hi * c, th, top, left
                    )
                    transform_cotangents(spread[lane], pairs[lane], strap[lane], g, first + r, lo * f, hi * f, th)
                add_products(sums[lane], product[lane], inputs[lane], spread[lane], count * tw)
            transform_sums(partial[chunk], half[lane], sums[lane])
    for lane in numba.prange(lanes):
        add_up(dw.reshape(-1), partial.reshape(chunks, -1), lane * 9 * c * f // lanes, (lane + 1) * 9 * c * f // lanes)
