"""Refuse a loss of `fit` that depends on tensors that require gradients but are not trained."""

from __future__ import annotations

from tinynet.core.engine import Tensor, ancestors
from tinynet.errors import ArgumentError
from tinynet.train.step import BatchStep


def refuse_strays(step: BatchStep, loss: Tensor) -> None:
    """Check, while tracing, that all leaves of a loss that require gradients are parameters of the model."""
    if not loss.symbolic:  # an eager forward may make such leaves itself, to take gradients with respect to them
        return
    own = {id(p) for p in step.model.parameters.values()}
    leaves = [x for node in ancestors([loss]) for x in node.inputs if x.node is None and x.requires_grad]
    if strays := [x.shape for x in leaves if id(x) not in own]:
        raise ArgumentError(
            "the loss depends on tensors that require gradients but are not parameters of the model, of the shapes "
            f"{strays}; make them with Layer.add_parameter, in layers that are attributes of the model or in its "
            "lists, tuples and dicts, or with requires_grad=False"
        )


BatchStep.check_loss = refuse_strays  # type: ignore[assignment, method-assign]
