"""Products of matrices whose sums stay in registers.

The left side is read where it lies. In an image, each of its rows may begin anywhere; BLAS takes only matrices whose
values lie side by side. Nor does a product depend on what BLAS knows of the processor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from llvmlite import binding
from numba.core import cgutils

from tinynet.fast.kernels.vectors import WIDTH, Writer, int64, written_by

# Sums, values and factors must fit into the 32 or 16 registers of the processor, and places into 16 others.
_ROWS, _VECTORS, _COLUMNS = (8, 2, 8) if binding.get_host_cpu_features().get("avx512f") else (6, 1, 4)
_DEPTH = 256  # rows of a panel, which has as many columns as are computed at a time, that lie in the cache
_FAR = 512  # bytes between rows, from which on a panel is copied: they would lie in the same few lines of the cache


class _Product(NamedTuple):
    """A product of some columns of c by some rows of b, and what writes where its left side lies.

    ``left`` gets the number of a row of c; ``factors`` what it returned for some rows, and the number of a row of b.
    """

    c: Any
    column: Any  # the first
    columns: Any  # no more than a panel has
    left: Callable[[Any], Any]
    factors: Callable[[list[Any], Any], Iterable[Any]]
    b: Any  # where the rows begin
    apart: Any  # bytes from one to the next
    done: Any  # the number of the first
    depth: Any
    more: Any


def _write_blocks(writer: Writer, vectors: int, p: _Product) -> None:
    """Write the loop over as many rows at a time as there are registers, then half as many for what is left."""
    builder, half, rows = writer.builder, _ROWS // 2, writer.builder.extract_value(p.c.shape, 0)
    blocks = builder.sdiv(rows, int64(_ROWS))
    done = builder.mul(blocks, int64(_ROWS))
    for size, begin, count in (
        (_ROWS, int64(0), blocks),
        (half, done, writer.parts(builder.sub(rows, done), half)),
    ):
        with cgutils.for_range(builder, count, intp=int64) as block:
            _write_rows(writer, builder.add(begin, builder.mul(block.index, int64(size))), size, vectors, p)


def _write_rows(writer: Writer, first: Any, size: int, vectors: int, p: _Product) -> None:
    """Write the product for some rows; of half a block, the last one is repeated where they are fewer.

    All other rows are at equal steps, so that LLVM finds them in few registers.
    """
    builder = writer.builder
    masks = [writer.mask(builder.sub(p.columns, int64(v * writer.lanes))) for v in range(vectors)]
    last = builder.sub(builder.extract_value(p.c.shape, 0), int64(1))
    numbers = [builder.add(first, int64(i)) for i in range(size)]
    if size < _ROWS:
        numbers = [writer.least(i, last) for i in numbers]
    places = [writer.place(p.c, i, vector=int64(v), column=p.column) for i in numbers for v in range(vectors)]
    sums = writer.sums(len(places))
    with cgutils.if_likely(builder, p.more):
        for i, (place, total) in enumerate(zip(places, sums, strict=True)):
            builder.store(writer.load(place, masks[i % vectors]), total)
    lefts = [p.left(i) for i in numbers]
    with writer.loop(p.depth) as k:
        row = cgutils.pointer_add(builder, p.b, builder.mul(k, p.apart))
        values = [writer.load(builder.gep(row, [int64(v)]), mask) for v, mask in enumerate(masks)]
        for i, factor in enumerate(p.factors(lefts, builder.add(p.done, k))):
            for v, vector in enumerate(values):
                writer.add_product(sums[i * vectors + v], factor, vector)
    for i, (place, total) in enumerate(zip(places, sums, strict=True)):
        writer.store(builder.load(total), place, masks[i % vectors])


# --- panel by panel


def _write_panels(writer: Writer, c: Any, b: Any, depth: Any, left: Any, factors: Any, trans_b: Any, more: Any) -> None:
    """Write the loop over parts of the depth and over panels, which are copied where their rows lie far apart.

    Sums go on from one part to the next, so that no bit depends on the parts.
    """
    builder, lanes = writer.builder, _VECTORS * writer.lanes
    rows, columns = cgutils.unpack_tuple(builder, c.shape)
    apart = builder.extract_value(b.strides, 0)
    room = cgutils.alloca_once(builder, writer.vector, size=_DEPTH * _VECTORS)
    pays = builder.icmp_signed(">=", builder.mul(rows, apart), int64(64 * _FAR))  # rows that read it again
    copied = builder.or_(trans_b, builder.and_(pays, builder.icmp_signed(">=", apart, int64(_FAR))))
    none = builder.zext(builder.icmp_signed("==", depth, int64(0)), int64)  # is a part as well: c is 0
    with cgutils.for_range(builder, builder.add(writer.parts(depth, _DEPTH), none), intp=int64) as part:
        done = builder.mul(part.index, int64(_DEPTH))
        deep = writer.least(builder.sub(depth, done), int64(_DEPTH))
        again = builder.or_(more, builder.icmp_signed(">", part.index, int64(0)))
        with cgutils.for_range(builder, writer.parts(columns, lanes), intp=int64) as panel:
            column = builder.mul(panel.index, int64(lanes))
            some = writer.least(builder.sub(columns, column), int64(lanes))
            with builder.if_then(copied), builder.if_else(trans_b) as (turned, straight):
                with turned:
                    _write_turned(writer, room, b, column, done, some, deep)
                with straight:
                    _write_copied(writer, room, b, column, done, some, deep)
            first = builder.select(copied, room, writer.place(b, done, column=column))
            step = builder.select(copied, int64(WIDTH * _VECTORS), apart)
            p = _Product(c, column, some, left, factors, first, step, done, deep, again)
            for vectors in range(1, _VECTORS + 1):
                with builder.if_then(builder.icmp_signed("==", writer.parts(some, writer.lanes), int64(vectors))):
                    _write_blocks(writer, vectors, p)


def _write_copied(writer: Writer, room: Any, b: Any, column: Any, done: Any, some: Any, deep: Any) -> None:
    """Write the copy of some columns of some rows, side by side."""
    builder = writer.builder
    masks = [writer.mask(builder.sub(some, int64(v * writer.lanes))) for v in range(_VECTORS)]
    with cgutils.for_range(builder, deep, intp=int64) as loop:
        row = writer.place(b, builder.add(done, loop.index), column=column)
        to = builder.gep(room, [builder.mul(loop.index, int64(_VECTORS))])
        for v, mask in enumerate(masks):
            builder.store(writer.load(builder.gep(row, [int64(v)]), mask), builder.gep(to, [int64(v)]))


def _write_turned(writer: Writer, room: Any, b: Any, column: Any, done: Any, some: Any, deep: Any) -> None:
    """Write the copy of some columns of some rows of the transpose of b: a square of vectors at a time."""
    builder, lanes, last = writer.builder, writer.lanes, writer.builder.sub(some, int64(1))
    with cgutils.for_range(builder, writer.parts(deep, lanes), intp=int64) as block:
        first = builder.mul(block.index, int64(lanes))
        mask = writer.mask(builder.sub(deep, first))
        for v in range(_VECTORS):
            with builder.if_then(builder.icmp_signed("<", int64(v * lanes), some)):
                rows = [writer.least(int64(v * lanes + i), last) for i in range(lanes)]
                ahead = builder.add(done, first)
                places = [writer.place(b, builder.add(column, i), column=ahead) for i in rows]
                vectors = [writer.load(place, mask) for place in places]
                for i, vector in enumerate(writer.turned(vectors)):
                    to = builder.mul(builder.add(first, int64(i)), int64(_VECTORS))
                    builder.store(vector, builder.gep(room, [builder.add(to, int64(v))]))


# --- of windows


def _write_multiply(
    context: Any, builder: Any, kinds: Any, c: Any, a: Any, starts: Any, seen: Any, b: Any, more: Any
) -> None:
    def left(i: Any) -> Any:
        return builder.gep(a.data, [builder.load(builder.gep(starts.data, [i]))])

    def factors(lefts: list[Any], k: Any) -> Iterable[Any]:
        offset = builder.load(builder.gep(seen.data, [k]))
        return (builder.load(builder.gep(place, [offset])) for place in lefts)

    depth = builder.extract_value(b.shape, 0)
    _write_panels(Writer(context, builder, kinds[0].dtype), c, b, depth, left, factors, cgutils.false_bit, more)


@written_by(_write_multiply)
def multiply(c, a, starts, seen, b, more):
    """Write a product of matrices into c, or add it if ``more``; for use in kernels.

    Parameters
    ----------
    c : array
        (rows, columns). The values of a row lie side by side, in b too; rows may lie apart.
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


# --- of matrices


def _write_product(
    context: Any, builder: Any, kinds: Any, c: Any, a: Any, b: Any, trans_a: Any, trans_b: Any, more: Any
) -> None:
    writer = Writer(context, builder, kinds[0].dtype)
    depth = builder.select(trans_a, *cgutils.unpack_tuple(builder, a.shape))
    apart, beside = builder.extract_value(a.strides, 0), int64(writer.size)
    down, along = builder.select(trans_a, beside, apart), builder.select(trans_a, apart, beside)

    def left(i: Any) -> Any:
        return cgutils.pointer_add(builder, a.data, builder.mul(i, down))

    def factors(lefts: list[Any], k: Any) -> Iterable[Any]:
        offset = builder.mul(k, along)
        return (builder.load(cgutils.pointer_add(builder, place, offset)) for place in lefts)

    _write_panels(writer, c, b, depth, left, factors, trans_b, more)


@written_by(_write_product)
def product(c, a, b, trans_a, trans_b, more):
    """Write the product of a and b, each transposed where asked, into c, or add it if ``more``; for use in kernels.

    The values of a row lie side by side; rows may lie apart, as in a slice of columns. The terms of a sum are added in
    their order, whatever the number of rows and columns.
    """
    c[...] = (a.T if trans_a else a) @ (b.T if trans_b else b) + (c if more else 0)


# --- of neighbouring windows


def _write_beside(
    context: Any, builder: Any, kinds: Any, c: Any, to: Any, a: Any, seen: Any, b: Any, columns: Any
) -> None:
    """Write the loop over a vector of rows at a time, and over columns; some of the last rows are made twice."""
    writer, narrow = (Writer(context, builder, kinds[0].dtype, lanes) for lanes in (0, _COLUMNS))
    rows, lanes, most = builder.extract_value(to.shape, 0), int64(writer.lanes), int64(_COLUMNS)
    sides, last = builder.sdiv(builder.add(columns, int64(1)), most), builder.sub(rows, lanes)
    left = builder.sub(columns, builder.mul(sides, most))
    with cgutils.for_range(builder, writer.parts(rows, writer.lanes), intp=int64) as block:
        first = writer.least(builder.mul(block.index, lanes), last)
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


# --- what follows a product


def _write_bias(context: Any, builder: Any, kinds: Any, c: Any, bias: Any, rectified: Any) -> None:
    writer = Writer(context, builder, kinds[0].dtype)
    cut, rows, columns = writer.spread(rectified), *(builder.extract_value(a.shape, 0) for a in (c, bias))
    rows = builder.select(builder.icmp_signed(">", columns, int64(0)), rows, int64(0))
    parts, loop = writer.parts(columns, writer.lanes), partial(cgutils.for_range, builder, intp=int64)
    with loop(rows) as row, loop(parts) as part:
        column = builder.mul(part.index, int64(writer.lanes))
        mask, place = writer.mask(builder.sub(columns, column)), writer.place(c, row.index, column=column)
        value = builder.fadd(writer.load(place, mask), writer.load(writer.place(bias, column=column), mask))
        below = builder.and_(cut, builder.fcmp_ordered("<=", value, writer.zeros))
        writer.store(builder.select(below, writer.zeros, value), place, mask)


@written_by(_write_bias)
def add_bias(c, bias, rectified):
    """Add a bias to each row of c; if ``rectified``, what is then not above 0 (nor NaN) is 0; for use in kernels.

    The values of a row lie side by side; rows may lie apart. A bias of no values leaves c as it is.
    """
    if bias.size:
        c += bias
        c[(c <= 0) & rectified] = 0
