"""Matrix products, shared out to threads in fixed chunks."""

from functools import partial

import numba
import numpy as np

from tinynet.fast.kernels.jit import chunks_of, kernel
from tinynet.fast.kernels.reduce import add_up
from tinynet.fast.kernels.registers import add_bias, product

count_chunks = partial(chunks_of, worth=1_250_000)  # rows and flops
PANEL = 32  # columns that a product makes at a time, or a multiple of them


@kernel()
def times_vector(y, m, v, trans, first, lo, hi):
    """Write values of m v, or of m^T v, from the first on: sums over lo to hi. It waits for memory alone."""
    end, seen = first + y.size, v[lo:hi]
    if not trans:
        for i in range(y.size):
            row, total = m[first + i, lo:hi], y.dtype.type(0)
            for k in range(row.size):
                total += row[k] * seen[k]
            y[i] = total
        return
    y[:] = 0
    whole = seen.size - seen.size % 4
    for k in range(0, whole, 4):  # in fours, since each sum is read and written again
        rows = m[lo + k : lo + k + 4]
        a, b, c, d = rows[0, first:end], rows[1, first:end], rows[2, first:end], rows[3, first:end]
        p, q, r, s = seen[k], seen[k + 1], seen[k + 2], seen[k + 3]
        for j in range(y.size):
            y[j] += p * a[j] + q * b[j] + r * c[j] + s * d[j]
    for k in range(whole, seen.size):
        row = m[lo + k, first:end]
        for j in range(y.size):
            y[j] += seen[k] * row[j]


@kernel()
def part_product(sums, a, b, bias, rectified, trans_a, trans_b, chunk, chunks, axis):
    """Write the product of one chunk.

    There is one sum for each chunk where the inner axis is cut, and otherwise one for all: the product itself.
    """
    inner = a.shape[0] if trans_a else a.shape[1]
    top, bottom, left, right, lo, hi = 0, sums.shape[1], 0, sums.shape[2], 0, inner
    place = np.intp(0)
    if axis == 0:  # in eights, as many as a product makes at a time
        top = bottom // 8 * chunk // chunks * 8
        bottom = bottom // 8 * (chunk + 1) // chunks * 8 if chunk + 1 < chunks else bottom
    elif axis == 1:
        left, right = chunk * right // chunks, (chunk + 1) * right // chunks
    else:
        place, lo, hi = np.intp(chunk), chunk * inner // chunks, (chunk + 1) * inner // chunks
    made = sums[place, top:bottom, left:right]
    if sums.shape[2] == 1:
        times_vector(sums[place].reshape(-1)[top:bottom], a, b.reshape(-1), trans_a, top, lo, hi)
    elif sums.shape[1] == 1:
        times_vector(sums[place].reshape(-1)[left:right], b, a.reshape(-1), not trans_b, left, lo, hi)
    else:
        part_a = a[lo:hi, top:bottom] if trans_a else a[top:bottom, lo:hi]
        part_b = b[left:right, lo:hi] if trans_b else b[lo:hi, left:right]
        product(made, part_a, part_b, trans_a, trans_b, False)
    if axis < 2:
        add_bias(made, bias[left:right], rectified)


@kernel(parallel=True)
def matmul(c, sums, a, b, bias, rectified, trans_a, trans_b, chunks, axis):
    """Write the product of a and b, each transposed where asked; `sums` is c itself unless the inner axis is cut.

    A bias of any values is added to each row, and what is then below 0 is 0 if ``rectified``.
    """
    for chunk in numba.prange(chunks):
        part_product(sums, a, b, bias, rectified, trans_a, trans_b, chunk, chunks, axis)
    if axis == 2:
        for chunk in numba.prange(chunks):
            add_up(
                c.reshape(c.size),
                sums.reshape(chunks, c.size),
                chunk * c.size // chunks,
                (chunk + 1) * c.size // chunks,
            )
        add_bias(c, bias, rectified)


@kernel(parallel=True)
def matmul_stack(c, a, b, bias, rectified, numbers_a, numbers_b, trans_a, trans_b):
    """Write a stack of products: c (products, rows, columns), of the matrices of a and of b with these numbers."""
    for i in numba.prange(len(c)):
        part_product(c[i : i + 1], a[numbers_a[i]], b[numbers_b[i]], bias, rectified, trans_a, trans_b, 0, 1, 0)


@kernel(parallel=True)
def matmul_panels(c, a, b, panels, ready, bias, rectified, trans_a):
    """Write the product of a, transposed if asked, and b, by panels (panels, rows, PANEL) of its columns.

    The first call copies them, and sets ``ready`` for the next ones.
    """
    for i in numba.prange(len(panels)):
        columns = slice(i * PANEL, (i + 1) * PANEL)
        made = c[:, columns]
        panel = panels[i, :, : made.shape[1]]
        if not ready[0]:
            panel[:] = b[:, columns]
        product(made, a, panel, trans_a, False, False)
        add_bias(made, bias[columns], rectified)
    ready[0] = True
