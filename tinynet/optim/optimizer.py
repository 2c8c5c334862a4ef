"""What every optimizer shares: an update written in ops, and the state that it carries from step to step."""

from __future__ import annotations

import copy
import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_positive
from tinynet.core.engine import Tensor, grad
from tinynet.core.mode import note_change
from tinynet.core.transaction import TrainMode, Transaction, train_transaction, training, within
from tinynet.errors import ArgumentError, NonFiniteError
from tinynet.nn.network import Network, Part
from tinynet.ops.finite import all_finite
from tinynet.ops.join import flat

Array = npt.NDArray[Any]
State = dict[str, Array]
Transform = Callable[[list[Tensor]], list[Tensor]]


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
    transforms: tuple[Transform, ...] = ()  # what is done to the gradient before the update, such as clipping
    decay = "all"  # which parameters weight decay concerns: "all", or "weights" but for biases and the like

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = check_positive(type(self).__name__, "learning_rate", learning_rate)
        self._states: WeakKeyDictionary[Network, _Kept] = WeakKeyDictionary()

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name != "learning_rate":  # which plans read at each step
            note_change()

    def update(self, theta: Tensor, gradient: Tensor, learning_rate: Any, **state: Tensor) -> tuple[Tensor, ...]:
        """Return the new theta and the new slots, in order; made of ops on vectors of one length."""
        raise NotImplementedError(f"{type(self).__name__} has no update; define it")

    def initial_state(self, theta: Array) -> State:
        """Return the state before the first step."""
        return {name: np.zeros_like(theta) for name in self.slots}

    def minimize(self, loss: Tensor, models: Network | Sequence[Network]) -> None:
        """Make a step down a loss, within a step of training: see `tinynet.train_mode`.

        Parameters
        ----------
        loss : Tensor
            Of one number, made of the parameters of the models as they are now.
        models : Model or sequence of Model
            Whose parameters move. Those that are frozen do not: they have no gradient, and no share in its norm.

        Raises
        ------
        ArgumentError
            Outside of a step of training, or if nothing of the models is trainable.
        GradientError
            If the loss does not depend on a parameter, or was computed before an update of it in the same step.
        NonFiniteError
            If the loss or its gradient is not finite; the step then changes nothing. Compiled, at the end of the call.

        Examples
        --------
        >>> import numpy as np, tinynet as tn
        >>> model = tn.Sequential([tn.Input((2,)), tn.Dense(1, kernel_init="zeros")])
        >>> mode, optimizer = tn.train_mode(seed=0), tn.SGD(0.1)
        >>> with mode:
        ...     optimizer.minimize((model([[1.0, 2.0]]) - 1.0).sum(), model)
        >>> model.theta
        array([-0.1, -0.2, -0.1], dtype=float32)
        """
        step = train_transaction("Optimizer.minimize")
        parts = self._parts_of(models)
        parameters = [p for _, part in parts for p in part.parameters]
        step.check_current(loss, parameters)
        gradients = iter(grad(loss, parameters))
        vectors = [flat([next(gradients) for _ in part.parameters]) for _, part in parts]
        step.check_finite(loss, _finite(vectors))
        self._move(step, parts, vectors)

    def step(self, model: Network) -> None:
        """Move a model's parameters once, by the gradients that ``backward`` has added up.

        Within a step of training, it is part of that step, as `minimize` is.

        Parameters
        ----------
        model : Model
            The optimizer keeps its state for as long as the model lives.

        Raises
        ------
        NonFiniteError
            If the gradient is not finite; nothing is changed then.
        """
        gradient = Tensor(model.gradient)
        parts = self._parts_of(model)
        vectors = [gradient[part.start : part.stop] for _, part in parts]
        if not _finite(vectors):
            raise NonFiniteError("the gradient has NaN or infinite values; nothing was changed by this step")
        if training():
            self._move(train_transaction("Optimizer.step"), parts, vectors)
            return
        transaction = Transaction(TrainMode(seed=0))
        with within(transaction):
            self._move(transaction, parts, vectors)
            transaction.finish()

    def _parts_of(self, models: Network | Sequence[Network]) -> list[tuple[Network, Part]]:
        given: list[Any] = list(models) if isinstance(models, list | tuple) else [models]
        several = [model for model in given if isinstance(model, Network)]
        if not several or len(several) < len(given):
            raise ArgumentError(f"an optimizer moves a model, or several in a list, but got {models!r}")
        parts = [(model, part) for model in several for part in model.parts(by_decay=self.decay == "weights")]
        if not parts:
            raise ArgumentError(f"{', '.join(map(str, several))}: nothing to train: no parameter is trainable")
        return parts

    def _move(self, step: Transaction, parts: Sequence[tuple[Network, Part]], gradients: list[Tensor]) -> None:
        """Write the new parameters and slots of some parts, from their gradients."""
        step.captured[id(self)] = self
        for transform in self.transforms:
            gradients = transform(gradients)
        rate = step.read(self._rate, (), gradients[0].dtype)
        updates = []
        for (model, part), gradient in zip(parts, gradients, strict=True):
            slots = self._kept(model).variables(part)
            rule = self if part.decays else self._undecayed()
            now = {name: step.current(slot) for name, slot in slots.items()}
            new = rule.update(step.current(part.theta), gradient, rate, **now)
            updates.append((part, [part.theta, *slots.values()], new))
        for part, variables, new in updates:
            for variable, value in zip(variables, new, strict=True):
                step.write(variable, value, part.places if variable is part.theta else ())

    def _rate(self) -> float:
        return check_positive(type(self).__name__, "learning_rate", self.learning_rate, zero=True)  # may have been set

    def _undecayed(self) -> Any:
        """Return this optimizer as it moves what does not decay."""
        other = copy.copy(self)
        vars(other)["weight_decay"] = 0.0
        return other

    def _kept(self, model: Network) -> _Kept:
        kept = self._states.setdefault(model, _Kept({}, {}))
        for name, vector in self.initial_state(model.theta).items():
            kept.vectors.setdefault(name, vector)
        return kept

    def state_of(self, model: Network) -> State:
        """Return what the optimizer carries from step to step for a model, by name: the arrays themselves."""
        return self._kept(model).vectors

    def reset(self, model: Network) -> None:
        """Begin afresh with a model."""
        for name, vector in self.initial_state(model.theta).items():
            self.state_of(model)[name][...] = vector


def _finite(vectors: list[Tensor]) -> Tensor:
    finite: Tensor = functools.reduce(operator.and_, map(all_finite, vectors))
    return finite


class _Kept(NamedTuple):
    """What an optimizer carries along for a model."""

    vectors: State
    leaves: dict[tuple[str, int, int], Tensor]  # over parts of them

    def variables(self, part: Part) -> dict[str, Tensor]:
        """Return leaves over the part of each vector that goes with a part of theta."""
        for name, vector in self.vectors.items():
            place = slice(part.start, part.stop) if vector.ndim else ...
            self.leaves.setdefault((name, part.start, part.stop), Tensor(vector[place]))
        return {name: self.leaves[name, part.start, part.stop] for name in self.vectors}


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


def set_hyperparameters(optimizer: Any, values: dict[str, float]) -> None:
    """Give an optimizer numbers that it had, by name; plans notice."""
    vars(optimizer).update(values)
    note_change()
