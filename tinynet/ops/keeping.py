"""A check of the losses: probabilities are not logits, also after ops that keep them between 0 and 1."""

from __future__ import annotations

from tinynet.core.engine import Op, Tensor
from tinynet.errors import ArgumentError
from tinynet.ops.intervals import interval
from tinynet.ops.logistic import sigmoid
from tinynet.ops.loss import _softmax, checks_of_logits

_SLACK = 1e-3  # such as the 1e-7 that is added so that a logarithm is finite
_LOSSES = {_softmax: "cross_entropy", sigmoid: "binary_cross_entropy"}  # by the activation before it


def refuse_probabilities(activation: Op, output: Tensor) -> None:
    """Raise an ArgumentError if softmax or sigmoid made an output, and later ops keep it between 0 and 1.

    Parameters
    ----------
    activation : Op
        The activation from whose input the loss is computed.
    output : Tensor
        An output whose last op is not this activation.
    """
    for made, loss in _LOSSES.items():
        found = interval(output, made)
        if found is None or not found.activated or found.low < -_SLACK or found.high > 1 + _SLACK:
            continue
        if made is activation:
            raise ArgumentError(
                f"the output has the values of {made.name}, but another op comes between it and the loss, which "
                f"would take them for logits; apply {made.name} last, or leave it out"
            )
        raise ArgumentError(
            f"the output has the values of {made.name}, which {_LOSSES[activation]} would take for logits; end the "
            f'model in {activation.name} or in no activation, or use the loss "{loss}"'
        )


checks_of_logits.append(refuse_probabilities)
