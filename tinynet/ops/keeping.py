"""Probabilities that went through ops that keep values, or keep them from 0 to 1, are not logits: losses say so."""

from __future__ import annotations

from tinynet.core.engine import Op, Tensor
from tinynet.errors import ArgumentError
from tinynet.ops.intervals import interval
from tinynet.ops.loss import checks_of_logits

_SLACK = 1e-3  # such as the 1e-7 that is added so that a logarithm is finite


def refuse_probabilities(activation: Op, output: Tensor) -> None:
    """Raise an ArgumentError if an activation made an output, and ops that keep it from 0 to 1 come after it."""
    found = interval(output, activation)
    if found is not None and found.activated and found.low >= -_SLACK and found.high <= 1 + _SLACK:
        raise ArgumentError(
            f"the output has the values of {activation.name}, but another op comes between it and the loss, which "
            f"would take them for logits; apply {activation.name} last, or leave it out"
        )


checks_of_logits.append(refuse_probabilities)
