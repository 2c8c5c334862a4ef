"""The gradients that `Tensor.backward` adds up for a model, in one vector with the layout of theta."""

from __future__ import annotations

from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from tinynet.core.engine import Tensor, as_tensor
from tinynet.core.spec import Array
from tinynet.errors import ShapeError
from tinynet.nn.network import Network


class _Gradient(NamedTuple):
    vector: Array
    views: list[tuple[Tensor, Tensor]]  # each parameter with its slice of the vector


_kept: WeakKeyDictionary[Network, _Gradient] = WeakKeyDictionary()


def _lay_out(model: Network) -> None:
    """Make the vector, and set the ``grad`` of each parameter to a slice of it."""
    kept = _kept[model] = _Gradient(np.zeros_like(model.theta), [])
    start = 0
    for parameter in model.parameters.values():
        view = kept.vector[start : start + parameter.size].reshape(parameter.shape)
        parameter.grad = Tensor(view)
        kept.views.append((parameter, parameter.grad))
        start += parameter.size


def gradient(model: Network) -> Array:
    """Return the gradients that `Tensor.backward` has added up, in one vector.

    The ``grad`` of each parameter is a view into it. If a ``grad`` was replaced, it is copied in; None counts as zero.
    """
    model.build_model()
    kept = _kept[model]
    for parameter, own in kept.views:
        given = parameter.grad
        if given is not own:
            own.data[...] = 0 if given is None else _checked(model, as_tensor(given), own).data
            parameter.grad = own
    return kept.vector


def _checked(model: Network, given: Tensor, own: Tensor) -> Tensor:
    if given.shape != own.shape:
        raise ShapeError(f"{model}: the grad of a parameter of shape {own.shape} was set to one of {given.shape}")
    return given


def zero_grad(model: Network) -> None:
    """Set all gradients to zero."""
    gradient(model)[...] = 0


Network.when_laid_out.append(_lay_out)
Network.gradient = property(gradient)  # type: ignore[assignment]
Network.zero_grad = zero_grad
