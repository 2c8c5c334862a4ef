"""What writes the code of vectors, for what LLVM does not make of loops.

A kernel's loop becomes vectors where LLVM sees that it may, and its sums then lie in memory. What is written here stays
in registers. Vectors have 64 bytes, whatever the processor: LLVM makes two of one where registers are narrower.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import lower_builtin, type_callable

WIDTH = 64  # bytes of a vector
int64, _int32 = ir.IntType(64), ir.IntType(32)


def written_by(write: Callable[..., None]) -> Callable[[Any], Any]:
    """Let kernels call a function as code that ``write`` writes. The body is what it means, for kernels run as Python.

    Parameters
    ----------
    write : callable
        Gets Numba's context, the builder of the code, the types of the arguments, and these: texts as they are.

    Returns
    -------
    callable
        A decorator.
    """

    def decorate(function: Any) -> Any:
        def typed(*kinds: Any) -> Any:  # Numba asks again with what is literal, such as a text
            return None if types.unicode_type in kinds else types.void(*kinds)

        def lower(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kinds = signature.args
            arguments = [_argument(context, builder, *given) for given in zip(kinds, values, strict=True)]
            write(context, builder, kinds, *arguments)
            return context.get_dummy_value()

        typed.pysig = inspect.signature(function)  # type: ignore[attr-defined]
        type_callable(function)(lambda context: typed)
        lower_builtin(function, types.VarArg(types.Any))(lower)
        return function

    return decorate


def _argument(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Return an argument as what writes code takes it."""
    if isinstance(kind, types.Array):
        return context.make_array(kind)(context, builder, value)
    return kind.literal_value if isinstance(kind, types.StringLiteral) else value


class Writer:
    """Writes vectors of numbers of one kind. A mask says which lanes are read and written."""

    def __init__(self, context: Any, builder: Any, kind: Any, lanes: int = 0) -> None:
        self.builder, self.size = builder, kind.bitwidth // 8
        self.lanes = lanes or WIDTH // self.size
        self.vector = ir.VectorType(context.get_data_type(kind), self.lanes)
        self.zeros, self.align = ir.Constant(self.vector, None), _int32(self.size)
        self.suffix = f"v{self.lanes}{'f' if isinstance(kind, types.Float) else 'i'}{kind.bitwidth}.p0"

    def parts(self, whole: Any, most: int) -> Any:
        """Return how many parts something has, of so many each at most."""
        return self.builder.sdiv(self.builder.add(whole, int64(most - 1)), int64(most))

    def least(self, a: Any, b: Any) -> Any:
        """Return the smaller one of two numbers."""
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)

    def spread(self, number: Any) -> Any:
        """Make a vector of one number."""
        empty = ir.Constant(ir.VectorType(number.type, self.lanes), ir.Undefined)
        first = self.builder.insert_element(empty, number, _int32(0))
        return self._shuffled(first, empty, [0] * self.lanes)

    def mask(self, count: Any) -> Any:
        """Make the mask of the first lanes, of the bits of a number: LLVM would compare vectors anew in each loop."""
        some = self.least(count, int64(self.lanes))
        some = self.builder.select(self.builder.icmp_signed("<", some, int64(0)), int64(0), some)
        bits = self.builder.sub(self.builder.shl(int64(1), some), int64(1))
        return self.builder.bitcast(
            self.builder.trunc(bits, ir.IntType(self.lanes)), ir.VectorType(ir.IntType(1), self.lanes)
        )

    def place(self, array: Any, *indices: Any, vector: Any = None, column: Any = None) -> Any:
        """Return where values of an array lie: at indices of its first axes, some vectors on, or some values."""
        place = array.data
        for axis, index in enumerate(indices):
            stride = self.builder.extract_value(array.strides, axis)
            place = cgutils.pointer_add(self.builder, place, self.builder.mul(index, stride))
        if column is not None:
            place = self.builder.gep(place, [column])
        return self.builder.gep(self.vector_at(place), [int64(0) if vector is None else vector])

    def vector_at(self, place: Any) -> Any:
        """Return the place of a number as that of a vector."""
        return self.builder.bitcast(place, self.vector.as_pointer())

    def load(self, place: Any, mask: Any) -> Any:
        """Read a vector; what the mask leaves out is 0."""
        return self._masked("load", self.vector, place, self.align, mask, self.zeros)

    def store(self, values: Any, place: Any, mask: Any) -> None:
        """Write a vector."""
        self._masked("store", ir.VoidType(), values, place, self.align, mask)

    def _masked(self, name: str, result: Any, *values: Any) -> Any:
        kind = ir.FunctionType(result, [v.type for v in values])
        module = self.builder.module
        function = cgutils.get_or_insert_function(module, kind, f"llvm.masked.{name}.{self.suffix}")
        return self.builder.call(function, values)

    @contextmanager
    def loop(self, count: Any) -> Iterator[Any]:
        """Write a loop over numbers from 0, which LLVM does not unroll: its sums take all registers that there are."""
        with cgutils.for_range(self.builder, count, intp=int64) as loop:
            yield loop.index
            last = self.builder.block
        not_unrolled = self.builder.module.add_metadata(["llvm.loop.unroll.disable"])
        name = self.builder.module.add_metadata([not_unrolled, not_unrolled])
        name.operands = name, not_unrolled  # that of a loop holds itself
        last.terminator.set_metadata("llvm.loop", name)

    def sums(self, count: int) -> list[Any]:
        """Make some sums, 0 at first."""
        return [cgutils.alloca_once_value(self.builder, self.zeros) for _ in range(count)]

    def add_product(self, total: Any, factor: Any, values: Any) -> None:
        """Add a number times a vector to a sum."""
        made = self.builder.fmul(self.spread(factor), values, flags=["contract"])
        self.builder.store(self.builder.fadd(self.builder.load(total), made, flags=["contract"]), total)

    def turned(self, vectors: list[Any]) -> list[Any]:
        """Turn vectors, as many as a power of two, into as many as they have lanes, with a lane of each."""
        count, lanes = len(vectors), self.lanes
        merged = [lane + other for lane in range(lanes) for other in (0, lanes)]
        for _ in range(count.bit_length() - 1):
            pairs = zip(vectors[: count // 2], vectors[count // 2 :], strict=True)
            vectors = [self._shuffled(*pair, part) for pair in pairs for part in (merged[:lanes], merged[lanes:])]
        rows = [list(range(lane, lane + count)) for lane in range(0, lanes, count)]
        return [self._shuffled(vector, vector, row) for vector in vectors for row in rows]

    def _shuffled(self, a: Any, b: Any, lanes: list[int]) -> Any:
        """Make a vector of some lanes of two."""
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_int32, len(lanes)), lanes))
