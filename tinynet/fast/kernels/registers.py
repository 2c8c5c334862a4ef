"""A product of matrices whose sums stay in registers, and whose left side is read where it lies in an image.

BLAS takes matrices whose values lie side by side, so that what windows see of an image must be laid out first. Here
each row of the left side may begin anywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import binding
from numba.core import cgutils

from tinynet.fast.kernels.vectors import Writer, int64, written_by

# Sums, values and factors must fit into the 32 or 16 registers of the processor.
_ROWS, _COLUMNS = (8, 8) if binding.get_host_cpu_features().get("avx512f") else (6, 4)


def _write(context: Any, builder: Any, kinds: Any, c: Any, *others: Any) -> None:
    """Write the loop over as many rows at a time as there are registers, then half as many for what is left."""
    writer, half = Writer(context, builder, kinds[0].dtype), _ROWS // 2
    rows = builder.extract_value(c.shape, 0)
    blocks = builder.sdiv(builder.add(rows, int64(half - 1)), int64(_ROWS))
    done = builder.mul(blocks, int64(_ROWS))
    left = builder.zext(builder.icmp_signed("<", done, rows), int64)
    for size, begin, count in (_ROWS, int64(0), blocks), (half, done, left):
        with cgutils.for_range(builder, count, intp=int64) as block:
            first = builder.add(begin, builder.mul(block.index, int64(size)))
            _write_rows(writer, first, size, c, *others)


def _write_rows(
    writer: Writer, first: Any, size: int, c: Any, a: Any, starts: Any, seen: Any, b: Any, more: Any
) -> None:
    """Write the product for some rows; the last one is repeated where they are fewer."""
    builder, mask = writer.builder, writer.mask(writer.builder.extract_value(c.shape, 1))
    last = builder.sub(builder.extract_value(c.shape, 0), int64(1))
    numbers = [builder.add(first, int64(i)) for i in range(size)]
    numbers = [builder.select(builder.icmp_signed("<", i, last), i, last) for i in numbers]
    places, sums = [writer.place(c, i) for i in numbers], writer.sums(size)
    with cgutils.if_likely(builder, more):
        for place, total in zip(places, sums, strict=True):
            builder.store(writer.load(place, mask), total)
    lefts = [builder.gep(a.data, [builder.load(builder.gep(starts.data, [i]))]) for i in numbers]
    with cgutils.for_range(builder, builder.extract_value(b.shape, 0), intp=int64) as loop:
        values, offset = writer.load(writer.place(b, loop.index), mask), builder.gep(seen.data, [loop.index])
        offset = builder.load(offset)
        for left, total in zip(lefts, sums, strict=True):
            writer.add_product(total, builder.load(builder.gep(left, [offset])), values)
    for place, total in zip(places, sums, strict=True):
        writer.store(builder.load(total), place, mask)


@written_by(_write)
def multiply(c, a, starts, seen, b, more):
    """Write a product of matrices into c, or add it if ``more``; for use in kernels.

    Parameters
    ----------
    c : array
        (rows, columns), of as many columns as fit into a vector, or fewer.
    a : array
        Of one axis. Row i of the left side has the values that lie ``seen`` after value ``starts[i]``.
    starts, seen : array
        (rows,) and (depth,), or more; int64.
    b : array
        (depth, columns).
    more : bool
        Add to c.
    """
    c[...] = a[starts[: len(c), None] + seen[: len(b)]] @ b + (c if more else 0)


# --- of neighbouring windows


def _write_beside(
    context: Any, builder: Any, kinds: Any, c: Any, to: Any, a: Any, seen: Any, b: Any, columns: Any
) -> None:
    """Write the loop over a vector of rows at a time, and over columns; some of the last rows are made twice."""
    writer, narrow = (Writer(context, builder, kinds[0].dtype, lanes) for lanes in (0, _COLUMNS))
    rows, lanes, most = builder.extract_value(to.shape, 0), int64(writer.lanes), int64(_COLUMNS)
    sides, last = builder.sdiv(builder.add(columns, int64(1)), most), builder.sub(rows, lanes)
    left = builder.sub(columns, builder.mul(sides, most))
    with cgutils.for_range(builder, writer.vectors_of(rows), intp=int64) as block:
        first = builder.mul(block.index, lanes)
        first = builder.select(builder.icmp_signed("<", first, last), first, last)
        with cgutils.for_range(builder, sides, intp=int64) as side:
            column = builder.mul(side.index, most)
            _write_columns(writer, narrow, _COLUMNS, first, column, c, to, a, seen, b, columns)
        for size in range(2, _COLUMNS, 2):  # no more sums than there are columns, or one more
            some = builder.icmp_signed("==", builder.sdiv(builder.add(left, int64(1)), int64(2)), int64(size // 2))
            with builder.if_then(some):
                _write_columns(writer, narrow, size, first, builder.mul(sides, most), c, to, a, seen, b, columns)


def _write_columns(
    writer: Writer, narrow: Writer, size: int, first: Any, column: Any,
    c: Any, to: Any, a: Any, seen: Any, b: Any, columns: Any,
) -> None:  # fmt: skip
    """Write the product for a vector of rows and some columns, and its transposition."""
    builder, sums = writer.builder, writer.sums(size)
    with cgutils.for_range(builder, builder.extract_value(seen.shape, 0), intp=int64) as loop:
        place = builder.gep(a.data, [builder.add(first, builder.load(builder.gep(seen.data, [loop.index])))])
        values = writer.load(writer.vector_at(place), writer.mask(int64(writer.lanes)))
        factors = builder.bitcast(writer.place(b, loop.index), a.data.type)
        for i, total in enumerate(sums):
            factor = builder.load(builder.gep(factors, [builder.add(column, int64(i))]))
            writer.add_product(total, factor, values)
    made = [builder.load(total) for total in sums] + [writer.zeros] * (narrow.lanes - size)
    mask = narrow.mask(builder.sub(columns, column))
    for i, row in enumerate(writer.turned(made)):
        place = builder.load(builder.gep(to.data, [builder.add(first, int64(i))]))
        place = builder.gep(c.data, [builder.add(place, column)])
        narrow.store(row, narrow.vector_at(place), mask)


@written_by(_write_beside)
def multiply_beside(c, to, a, seen, b, columns):
    """Write a product of matrices whose left side has rows that begin one value apart; for use in kernels.

    The elements of a vector are rows, where in `multiply` they are columns: so it is made for few of these.

    Parameters
    ----------
    c : array
        Of one axis. Row i of the result begins at ``to[i]``.
    to : array
        (rows,), int64; not fewer than a vector has elements.
    a : array
        Of one axis. Row i of the left side has the values that lie ``seen`` after value i.
    seen : array
        (depth,), int64.
    b : array
        (depth, columns or more).
    columns : int
        How many there are.
    """
    c[to[:, None] + np.arange(columns)] = a[np.arange(len(to))[:, None] + seen] @ b[:, :columns]
