"""Tracing: a model run on shapes alone becomes a graph of ops, and the graph a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from tinynet import ops
from tinynet.core.engine import Tensor, ancestors, grad
from tinynet.core.mode import tracing
from tinynet.core.spec import Array, Spec
from tinynet.errors import ArgumentError, TraceError
from tinynet.fast.match import is_constant
from tinynet.fast.plan import Plan
from tinynet.nn.network import Network
from tinynet.ops.arrange import flat
from tinynet.ops.loss import Loss, scalar_loss
from tinynet.ops.shape import _index


class Updating(Protocol):
    """What tracing needs of an optimizer."""

    def update(self, theta: Tensor, gradient: Tensor, learning_rate: Any, **state: Tensor) -> tuple[Tensor, ...]:
        """Give the new theta and the new state, made of ops."""


def placeholder(shape: tuple[int, ...], dtype: Any) -> Tensor:
    """Return a Tensor without values, which stands for an input while tracing."""
    return Tensor(Spec(shape, np.dtype(dtype)))


def _fuse(outputs: list[Tensor]) -> list[Tensor]:
    from tinynet.fast.fuse import fuse  # and with it all kernels, when a graph is there to be fused

    return fuse(outputs)


def training_plan(
    model: Network,
    loss: Loss,
    optimizer: Updating,
    state: Mapping[str, Array],
    samples: Array,
    labels: Array,
    batch: int,
    fused: bool = True,
) -> tuple[Plan, Tensor]:
    """Plan a whole training step: gather, forward, backward, update.

    Parameters
    ----------
    model, loss, optimizer
        What is trained, what is minimised, and how.
    state : mapping of str to ndarray
        The optimizer's vectors, which the plan changes in place as it does the model's theta.
    samples, labels : ndarray
        The whole set; each step gathers its batch from it.
    batch : int
        The number of samples of a step.
    fused : bool
        Rewrite neighbours into fused ops. Without, a replay gives the bits of eager execution.

    Returns
    -------
    Plan
        Takes "indices" (batch,) and "learning_rate"; gives "loss", "output" and "labels" of the batch.
    Tensor
        The traced output, whose node tells what made it.
    """
    theta = model.theta
    with tracing():
        indices, rate = placeholder((batch,), np.intp), placeholder((), theta.dtype)
        x, y = (placeholder(a.shape, a.dtype) for a in (samples, labels))
        whole = placeholder(theta.shape, theta.dtype)
        slots = {name: placeholder(v.shape, v.dtype) for name, v in state.items()}
        picked = _index(y, indices, checked=True)
        output = model(ops.getitem(x, indices))
        value = scalar_loss(loss, output, picked)
        _check(model, value, scalar_loss(loss, model(ops.getitem(x, indices)), picked))
        if fused:
            value, output, picked = _fuse([value, output, picked])
        gradient = flat(grad(value, list(model.parameters.values())))
        new = list(optimizer.update(whole, gradient, rate, **slots))
        if fused:
            value, output, picked, *new = _fuse([value, output, picked, *new])
    plan = Plan(
        inputs={"indices": indices, "learning_rate": rate},
        outputs={"loss": value, "output": output, "labels": picked},
        bound=((x, samples), (y, labels), (whole, theta), *((slots[name], v) for name, v in state.items())),
        updates=tuple(zip((whole, *slots.values()), new, strict=True)),
    )
    return plan, output


def _check(model: Network, value: Tensor, again: Tensor) -> None:
    """Check that a second trace gives the numbers of the first, and that all that would be trained is the model's."""
    leaves = [[x for node in ancestors([y]) for x in node.inputs if x.node is None] for y in (value, again)]
    first, second = ([x.data.tobytes() for x in found if is_constant(x)] for found in leaves)
    if strays := [x.shape for x in leaves[0] if x.requires_grad and not any(x is p for p in model.parameters.values())]:
        raise ArgumentError(
            f"the loss depends on tensors that require gradients but are no parameters of the model, of the shapes "
            f"{strays}; make them with Layer.add_parameter, in layers that are attributes of the model or in a list or "
            "tuple of it, or with requires_grad=False"
        )
    if first != second:
        raise TraceError(
            "the model or its loss gives other numbers when it is called again, as with random ones, and a compiled "
            "step would repeat those of the first call; train with compiled=False"
        )


def inference_plan(model: Network, spec: Spec, fused: bool = True) -> Plan:
    """Plan a forward pass: takes "x" of that spec, gives "output"."""
    with tracing():
        x = Tensor(spec)
        output = model(x)
        (output,) = _fuse([output]) if fused else [output]
    return Plan({"x": x}, {"output": output})


def evaluation_plan(model: Network, loss: Loss, x_spec: Spec, y_spec: Spec, fused: bool = True) -> tuple[Plan, Tensor]:
    """Plan a forward pass with its loss: takes "x" and "y", gives "output" and "loss"; and the traced output."""
    with tracing():
        x, y = Tensor(x_spec), Tensor(y_spec)
        output = model(x)
        value = scalar_loss(loss, output, y)
        value, output = _fuse([value, output]) if fused else [value, output]
    return Plan({"x": x, "y": y}, {"output": output, "loss": value}), output
