"""Probabilities that went through ops that keep values, or keep them from 0 to 1, are not logits: losses say so."""

from __future__ import annotations

from tinynet.core.engine import Op, Tensor
from tinynet.errors import ArgumentError
from tinynet.ops.dtypes import _cast
from tinynet.ops.extremes import maximum, minimum
from tinynet.ops.intervals import interval
from tinynet.ops.join import _concatenate
from tinynet.ops.loss import checks_of_logits
from tinynet.ops.pointwise import divide, multiply
from tinynet.ops.shape import _index

_KEEP_VALUES = (_cast, _index, multiply, divide, maximum, minimum, _concatenate)  # and views
_SLACK = 1e-3  # such as the 1e-7 that is added so that a logarithm is finite


def refuse_probabilities(activation: Op, output: Tensor) -> None:
    """Raise an ArgumentError if an activation made an output, and ops that keep it from 0 to 1 come after it."""
    found = interval(output, activation)
    looks_alike = found is not None and found.activated and found.low >= -_SLACK and found.high <= 1 + _SLACK
    if looks_alike or _has_values_of(activation, output):
        raise ArgumentError(
            f"the output has the values of {activation.name}, but another op comes between it and the loss, which "
            f"would take them for logits; apply {activation.name} last, or leave it out"
        )


def _has_values_of(activation: Op, x: Tensor) -> bool:
    """Whether nothing but ops that keep values, and numbers that are given, lies between a tensor and an activation."""
    if x.node is None or x.node.op is activation:
        return x.node is not None
    made = [y for y in x.node.inputs if y.node is not None or y.requires_grad]
    keeps = bool(made) and (x.node.op.view or x.node.op in _KEEP_VALUES)
    return keeps and all(_has_values_of(activation, y) for y in made)


checks_of_logits.append(refuse_probabilities)
