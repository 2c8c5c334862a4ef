"""One use of an ONNX operator: what it is given, and how its attributes are read whatever the version of its opset."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.core.spec import Array, Shape
from tinynet.errors import ArgumentError, ShapeError
from tinynet.onnx.network.values import Operand, Value, value_of

MOST_VALUES = 2**28  # that a node may make of the two samples with which a model is built
MOST_KNOWN = 2**24  # that are worked out beforehand, in all


@dataclass(frozen=True)
class Call:
    """One use of an operator.

    Attributes
    ----------
    kind : str
        Of the operator, such as "Conv".
    inputs : sequence of Value, ndarray or None
        Arrays are known: they do not depend on the samples. None stands for an input that is left out.
    attributes : dict
        As in the file.
    opset : int
        The version of the operator set.
    outputs : int
        How many outputs are asked for.
    trainable : bool
        Whether a normalisation takes the moments of the batch in training.
    update : callable
        ``update(i, new)`` gives the state that is input i a new value.
    """

    kind: str
    inputs: Sequence[Operand | None]
    attributes: dict[str, Any]
    opset: int
    outputs: int = 1
    trainable: bool = True
    update: Callable[[int, Tensor], None] = lambda i, new: None

    def has(self, i: int) -> bool:
        """Whether an input is given."""
        return i < len(self.inputs) and self.inputs[i] is not None

    def operand(self, i: int) -> Operand:
        """Return an input, which must be given."""
        x = self.inputs[i] if self.has(i) else None
        if x is None:
            raise ArgumentError(f"input {i} is missing")
        return x

    def value(self, i: int) -> Value:
        """Return an input as a value."""
        return value_of(self.operand(i))

    def tensor(self, i: int) -> Tensor:
        """Return an input as a tensor whose axes lie as they are spoken of."""
        return self.value(i).plain()

    def known(self, i: int) -> Array:
        """Return an input that must not depend on the samples, such as the axes of a sum."""
        x = self.operand(i)
        if isinstance(x, Value):
            raise ArgumentError(
                f"input {i} must be a constant of the file, or be worked out from shapes, but is computed from samples"
            )
        return x

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute, or what the operator takes in its place."""
        return self.attributes.get(name, default)

    def integers(self, name: str, i: int, default: Any = None) -> list[int] | Any:
        """Return integers that are an input, or in older files an attribute."""
        if self.has(i):
            return [int(n) for n in self.known(i).reshape(-1)]
        given = self.attributes.get(name, default)
        return [given] if isinstance(given, int) else given

    def number(self, name: str, i: int, default: Any = None) -> Any:
        """Return a number that is an input, or in older files an attribute."""
        if self.has(i):
            return self.known(i).reshape(-1)[0].item()
        return self.attributes.get(name, default)


def axis_of(axis: int, rank: int) -> int:
    """Return an axis counted from the first."""
    if not -rank <= axis < rank:
        raise ShapeError(f"axis {axis} does not fit a value of {rank} axes")
    return axis % rank


def check_size(shape: Shape, most: int = MOST_VALUES) -> Shape:
    """Refuse shapes that no honest file has, before there is memory for them."""
    if any(n < 0 for n in shape):
        raise ShapeError(f"a shape has no lengths below 0, but {shape} came")
    if math.prod(shape) > most:
        raise ShapeError(f"shape {shape} has {math.prod(shape):,} values, more than {most:,}")
    return shape


Operator = Callable[[Call], Any]

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
