"""A product of matrices whose sums stay in registers, and whose left side is read where it lies in an image.

BLAS takes matrices whose values lie side by side, so that what windows see of an image must be laid out first. Here
each row of the left side may begin anywhere. Loops in Python would not do: LLVM turns the inner one into vectors, and
then keeps its sums in memory. So the vectors are written out. They have 64 bytes, whatever the processor: LLVM makes
two of one where registers are narrower.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

WIDTH = 64  # bytes of a vector
# Sums, values and factors must fit into the 32 or 16 registers of the processor.
_ROWS = 8 if binding.get_host_cpu_features().get("avx512f") else 6
_int64, _int32 = ir.IntType(64), ir.IntType(32)


def multiply(c, a, starts, b, segments, gap, step, more):
    """Write a product of matrices into c, or add it if ``more``; for use in kernels.

    Parameters
    ----------
    c : array
        (rows, columns), of as many columns as fit into a vector, or fewer.
    a : array
        Of one axis. Row i of the left side begins at ``starts[i]``. It is in segments, each begins ``gap`` after the
        one before, and its values lie ``step`` apart.
    starts : array
        (rows,), int64.
    b : array
        (segments depth, columns).
    segments, gap, step : int
        How a is read.
    more : bool
        Add to c.
    """
    seen = np.arange(segments)[:, None] * gap + np.arange(len(b) // segments) * step
    c[...] = a[starts[:, None] + seen.reshape(-1)] @ b + (c if more else 0)


class _Writer:
    """What writes the code of vectors, of which those of a row have as many lanes as c has columns."""

    def __init__(self, context: Any, builder: Any, kind: Any, columns: Any) -> None:
        self.builder, self.lanes = builder, 8 * WIDTH // kind.bitwidth
        self.vector = ir.VectorType(context.get_data_type(kind), self.lanes)
        self.zeros, self.align = ir.Constant(self.vector, [0.0] * self.lanes), _int32(kind.bitwidth // 8)
        self.suffix = f"v{self.lanes}f{kind.bitwidth}.p0"
        numbers = ir.Constant(ir.VectorType(_int64, self.lanes), list(range(self.lanes)))
        self.mask = builder.icmp_signed("<", numbers, self.spread(columns))

    def spread(self, number: Any) -> Any:
        """Make a vector of one number."""
        empty = ir.Constant(ir.VectorType(number.type, self.lanes), ir.Undefined)
        first = self.builder.insert_element(empty, number, _int32(0))
        return self.builder.shuffle_vector(
            first, empty, ir.Constant(ir.VectorType(_int32, self.lanes), [0] * self.lanes)
        )

    def row(self, array: Any, number: Any) -> Any:
        """Return where a row of an array begins."""
        stride = self.builder.extract_value(array.strides, 0)
        place = cgutils.pointer_add(self.builder, array.data, self.builder.mul(number, stride))
        return self.builder.bitcast(place, self.vector.as_pointer())

    def load(self, place: Any) -> Any:
        """Read the columns of a row."""
        return self._masked("load", self.vector, place, self.align, self.mask, self.zeros)

    def store(self, values: Any, place: Any) -> None:
        """Write the columns of a row."""
        self._masked("store", ir.VoidType(), values, place, self.align, self.mask)

    def _masked(self, name: str, result: Any, *values: Any) -> Any:
        kind = ir.FunctionType(result, [v.type for v in values])
        module = self.builder.module
        function = cgutils.get_or_insert_function(module, kind, f"llvm.masked.{name}.{self.suffix}")
        return self.builder.call(function, values)

    def add_product(self, total: Any, factor: Any, values: Any) -> None:
        """Add a number times a vector to a sum."""
        made = self.builder.fmul(self.spread(factor), values, flags=["contract"])
        self.builder.store(self.builder.fadd(self.builder.load(total), made, flags=["contract"]), total)


def _write(writer: _Writer, c: Any, a: Any, starts: Any, b: Any, segments: Any, gap: Any, step: Any, more: Any) -> None:
    """Write the loop over some rows at a time; the last one is repeated where they are fewer."""
    builder = writer.builder
    rows, depth = (builder.extract_value(array.shape, 0) for array in (c, b))
    depth = builder.sdiv(depth, segments)
    sums = [cgutils.alloca_once(builder, writer.vector) for _ in range(_ROWS)]
    blocks = builder.sdiv(builder.add(rows, _int64(_ROWS - 1)), _int64(_ROWS))
    with cgutils.for_range(builder, blocks, intp=_int64) as block:
        first, last = builder.mul(block.index, _int64(_ROWS)), builder.sub(rows, _int64(1))
        numbers = [builder.add(first, _int64(i)) for i in range(_ROWS)]
        numbers = [builder.select(builder.icmp_signed("<", i, last), i, last) for i in numbers]
        places = [writer.row(c, i) for i in numbers]
        for total in sums:
            builder.store(writer.zeros, total)
        with cgutils.if_likely(builder, more):
            for place, total in zip(places, sums, strict=True):
                builder.store(writer.load(place), total)
        lefts = [builder.gep(a.data, [builder.load(builder.gep(starts.data, [i]))]) for i in numbers]
        with cgutils.for_range(builder, segments, intp=_int64) as segment:
            begin, before = builder.mul(segment.index, gap), builder.mul(segment.index, depth)
            with cgutils.for_range(builder, depth, intp=_int64) as loop:
                values = writer.load(writer.row(b, builder.add(before, loop.index)))
                offset = builder.add(begin, builder.mul(loop.index, step))
                for left, total in zip(lefts, sums, strict=True):
                    writer.add_product(total, builder.load(builder.gep(left, [offset])), values)
        for place, total in zip(places, sums, strict=True):
            writer.store(builder.load(total), place)


@intrinsic
def _vectors(context, c, a, starts, b, segments, gap, step, more):
    arrays = c, a, starts, b
    signature = types.void(*arrays, types.intp, types.intp, types.intp, types.boolean)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        made = [context.make_array(kind)(context, builder, v) for kind, v in zip(arrays, values, strict=False)]
        _write(_Writer(context, builder, c.dtype, builder.extract_value(made[0].shape, 1)), *made, *values[4:])
        return context.get_dummy_value()

    return signature, generate


@overload(multiply)
def _multiply(c, a, starts, b, segments, gap, step, more):
    vectors: Any = _vectors
    return lambda c, a, starts, b, segments, gap, step, more: vectors(c, a, starts, b, segments, gap, step, more)
