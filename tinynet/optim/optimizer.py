"""What every optimizer shares: an update written in ops, and the state that it carries from step to step."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_positive
from tinynet.core.engine import Tensor
from tinynet.core.mode import no_grad
from tinynet.nn.network import Network, changed

Array = npt.NDArray[Any]
State = dict[str, Array]


class Optimizer:
    """A rule that moves parameters against their gradient. A subclass names its ``slots`` and writes its ``update``.

    Parameters
    ----------
    learning_rate : float
        The size of a step; may be changed between steps.

    Raises
    ------
    ArgumentError
        If it is not finite and above 0.
    """

    slots: tuple[str, ...] = ()  # the vectors, zero at first, that the update carries from step to step

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = check_positive(type(self).__name__, "learning_rate", learning_rate)
        self._states: WeakKeyDictionary[Any, State] = WeakKeyDictionary()

    def update(self, theta: Tensor, gradient: Tensor, learning_rate: Any, **state: Tensor) -> tuple[Tensor, ...]:
        """Return the new theta and the new slots, in order; made of ops on vectors of one length."""
        raise NotImplementedError(f"{type(self).__name__} has no update; define it")

    def initial_state(self, theta: Array) -> State:
        """Return the state before the first step."""
        return {name: np.zeros_like(theta) for name in self.slots}

    def apply(self, theta: Array, gradient: Array, state: State) -> None:
        """Make one step on arrays: theta and the state are changed in place."""
        with no_grad():
            before = {name: Tensor(value) for name, value in state.items()}
            rate = Tensor(np.asarray(self.learning_rate, theta.dtype))  # as a plan is given it
            new = self.update(Tensor(theta), Tensor(gradient), rate, **before)
        values = [tensor.data.copy() for tensor in new]  # one of them may be the old theta
        for array, value in zip((theta, *state.values()), values, strict=True):
            array[...] = value

    def step(self, model: Network) -> None:
        """Move a model's parameters once, by the gradients that ``backward`` has added up.

        Parameters
        ----------
        model : Model
            The optimizer keeps its state for as long as the model lives.
        """
        if model not in self._states:
            self._states[model] = self.initial_state(model.theta)
        self.apply(model.theta, model.gradient, self._states[model])
        changed(model.parameters.values())


def hyperparameters(optimizer: Any) -> dict[str, float]:
    """Return the numbers that an optimizer has, such as its learning rate, by name.

    Parameters
    ----------
    optimizer : object
        Any.

    Returns
    -------
    dict of str to float or int
        Its public attributes that are numbers.

    Examples
    --------
    >>> import tinynet as tn
    >>> hyperparameters(tn.SGD(0.1))
    {'learning_rate': 0.1, 'momentum': 0.0, 'weight_decay': 0.0}
    """
    found: dict[str, float] = {}
    for name, value in vars(optimizer).items():
        if name.startswith("_") or isinstance(value, bool):
            continue
        if isinstance(value, int):
            found[name] = value
        elif isinstance(value, float | np.floating):
            found[name] = float(value)
    return found
