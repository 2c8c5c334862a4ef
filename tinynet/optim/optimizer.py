"""The base of all optimizers: an update written in ops, and vectors that are kept from step to step."""

from __future__ import annotations

import copy
import functools
import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from tinynet.checks import check_positive, defined_in
from tinynet.core.engine import Tensor, grad
from tinynet.core.mode import note_change
from tinynet.core.spec import Array
from tinynet.core.transaction import Transaction, train_transaction
from tinynet.errors import ArgumentError
from tinynet.nn.network import Network, Span
from tinynet.ops.join import flat
from tinynet.ops.reduce import all_finite

Slots = dict[str, Array]
Transform = Callable[[list[Tensor]], list[Tensor]]

_shared_transforms: list[Callable[[Any, list[Tensor]], list[Tensor]]] = []  # of all optimizers; clipping is one


def add_transform(transform: Callable[[Any, list[Tensor]], list[Tensor]]) -> None:
    """Apply a function of the optimizer and of its gradients, one for each span, to these before every update."""
    _shared_transforms.append(transform)


class Optimizer:
    """A rule that moves parameters against their gradient. A subclass names its ``slots`` and writes its ``update``.

    The gradient is clipped and goes through the `transforms`; then weight decay is added, and the update is made.

    Parameters
    ----------
    learning_rate : float
        The size of a step; may be changed between steps.
    weight_decay : float
        How strongly parameters are pulled towards 0, 0 or more; each optimizer says how.
    decay : {"all", "weights"}
        The parameters to which weight decay applies: all, or all but biases and the parameters of normalisations.
    clip_norm : float, optional
        The largest norm of the gradient of all trained parameters together, above 0, as in
        ``torch.nn.utils.clip_grad_norm_`` and the ``global_clipnorm`` of Keras. A longer gradient is scaled to it.
    clip_value : float, optional
        The largest absolute value of each number in the gradient, above 0. Only one of the two may be given.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.
    """

    slots: tuple[str, ...] = ()  # the names of the vectors that are kept from step to step; they start at zero
    live: tuple[str, ...] = ()  # the names of numbers that plans read anew at each step, as they do the rate
    transforms: tuple[Transform, ...] = ()  # functions of the gradients, applied after clipping and before the update
    step: ClassVar[Callable[[Optimizer, Network], None]] = defined_in("tinynet.optim.step")

    def __init__(
        self,
        learning_rate: float,
        weight_decay: float = 0.0,
        decay: str = "all",
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        name = type(self).__name__
        self.learning_rate = check_positive(name, "learning_rate", learning_rate)
        self.weight_decay = check_positive(name, "weight_decay", weight_decay, zero=True)
        if decay not in ("all", "weights"):
            raise ArgumentError(f'{name}: decay must be "all" or "weights", but got {decay!r}')
        if clip_norm is not None and clip_value is not None:
            raise ArgumentError(f"{name}: give clip_norm or clip_value, not both")
        self.decay = decay
        self.clip_norm = None if clip_norm is None else check_positive(name, "clip_norm", clip_norm)
        self.clip_value = None if clip_value is None else check_positive(name, "clip_value", clip_value)

    def __setattr__(self, name: str, value: Any) -> None:
        is_live = name == "learning_rate" or (name in self.live and value and getattr(self, name, 0))
        object.__setattr__(self, name, value)
        if not is_live:
            notice(self)

    def update(self, theta: Tensor, gradient: Tensor, learning_rate: Any, **state: Tensor) -> tuple[Tensor, ...]:
        """Return the new theta and the new slots, in order; made of ops on vectors of one length.

        ``state`` has the slots by name, and the ``live`` numbers that are not 0. An update may leave out the terms of a
        number that is 0: if a number becomes 0 or ceases to be, the step is traced again.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update; define it")

    def penalised(self, theta: Tensor, gradient: Tensor) -> Tensor:
        """Return the gradient of the loss with an L2 penalty, ``(weight_decay / 2) |theta|^2``."""
        return gradient + self.weight_decay * theta if self.weight_decay else gradient

    def initial_state(self, theta: Array) -> Slots:
        """Return the slots before the first step."""
        return {name: np.zeros_like(theta) for name in self.slots}

    def minimize(self, loss: Tensor, models: Network | Sequence[Network]) -> None:
        """Make an update that reduces a loss, within a step of training: see `tinynet.train_mode`.

        Parameters
        ----------
        loss : Tensor
            One number, computed from the present parameters of the models.
        models : Model or sequence of Model
            The models whose parameters move. Frozen parameters do not: they have no gradient, and no part in its norm.

        Raises
        ------
        ArgumentError
            Outside of a step of training, or if no parameter of the models is trainable.
        GradientError
            If the loss does not depend on a parameter, or was computed before an update of it in the same step.
        NonFiniteError
            If the loss or its gradient is not finite. The step then changes nothing. A compiled function raises it when
            the call ends.

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
        self.descend(loss, self.gradients(loss, models), models)

    def gradients(self, loss: Tensor, models: Network | Sequence[Network]) -> list[Tensor]:
        """Return the gradient of a loss, as one vector for each trained span of the models."""
        spans = self.spans_of(models)
        parameters = [p for _, span in spans for p in span.parameters]
        train_transaction("Optimizer.minimize").check_current(loss, parameters)
        found = iter(grad(loss, parameters))
        return [flat([next(found) for _ in span.parameters]) for _, span in spans]

    def descend(self, loss: Tensor, gradients: list[Tensor], models: Network | Sequence[Network]) -> None:
        """Make the update of `minimize` from gradients as `gradients` returns them."""
        transaction = train_transaction("Optimizer.minimize")
        transaction.check_finite(loss, are_finite(gradients))
        self.move(transaction, self.spans_of(models), gradients)

    def spans_of(self, models: Network | Sequence[Network]) -> list[tuple[Network, Span]]:
        """Return the spans of some models that this optimizer moves, each with its model."""
        given: list[Any] = list(models) if isinstance(models, list | tuple) else [models]
        several = [model for model in given if isinstance(model, Network)]
        if not several or len(several) < len(given):
            raise ArgumentError(f"an optimizer moves a model, or several in a list, but got {models!r}")
        spans = [(model, span) for model in several for span in model.spans(by_decay=self.decay == "weights")]
        if not spans:
            raise ArgumentError(f"{', '.join(map(str, several))}: nothing to train: no parameter is trainable")
        return spans

    def move(self, transaction: Transaction, spans: Sequence[tuple[Network, Span]], gradients: list[Tensor]) -> None:
        """Write the new parameters and slots of some spans, from their gradients."""
        transaction.captured[id(self)] = self
        for shared in _shared_transforms:
            gradients = shared(self, gradients)
        for transform in self.transforms:
            gradients = transform(gradients)
        rate = transaction.read(self._rate, (), gradients[0].dtype)
        numbers = [name for name in self.live if getattr(self, name)]
        live = {name: transaction.read(partial(getattr, self, name), (), rate.dtype) for name in numbers}
        updates = []
        for (model, span), gradient in zip(spans, gradients, strict=True):
            slots = self._kept(model).variables(span)
            rule = self if span.decays else self._undecayed()
            now = {name: transaction.current(slot) for name, slot in slots.items()}
            new = rule.update(transaction.current(span.theta), gradient, rate, **now, **live)
            updates.append((span, [span.theta, *slots.values()], new))
        for span, variables, new in updates:
            for variable, value in zip(variables, new, strict=True):
                transaction.write(variable, value, span.places if variable is span.theta else ())

    def _rate(self) -> float:
        return check_positive(type(self).__name__, "learning_rate", self.learning_rate, zero=True)  # a user may set it

    def _undecayed(self) -> Any:
        """Return a copy of this optimizer without weight decay."""
        other = copy.copy(self)
        vars(other)["weight_decay"] = 0.0
        return other

    def _kept(self, model: Network) -> _Kept:
        kept = _carried.setdefault(self, WeakKeyDictionary()).setdefault(model, _Kept({}, {}, {}))
        kept.vectors.clear()
        for name, vector in self.initial_state(model.theta).items():
            kept.vectors[name] = kept.memory.setdefault(name, vector)
        for name in kept.memory.keys() - kept.vectors.keys():
            kept.memory[name][...] = 0  # of a momentum that is now 0; in place, since plans may use the array
        return kept

    def state_of(self, model: Network) -> Slots:
        """Return the vectors that the optimizer keeps for a model, by name: the arrays themselves."""
        return self._kept(model).vectors

    def reset(self, model: Network) -> None:
        """Set the vectors that are kept for a model back to their state before the first step."""
        for name, vector in self.initial_state(model.theta).items():
            self.state_of(model)[name][...] = vector


def are_finite(vectors: Sequence[Tensor]) -> Tensor:
    """Return whether no value of some vectors is NaN or infinite."""
    finite: Tensor = functools.reduce(operator.and_, map(all_finite, vectors))
    return finite


class _Kept(NamedTuple):
    """The vectors that an optimizer keeps for a model."""

    vectors: Slots  # those in use now
    memory: Slots  # all that were ever in use
    leaves: dict[tuple[str, int, int], Tensor]  # leaves over spans of these vectors

    def variables(self, span: Span) -> dict[str, Tensor]:
        """Return a leaf for each vector, over the same range as a span of theta."""
        for name, vector in self.vectors.items():
            place = slice(span.start, span.stop) if vector.ndim else ...
            self.leaves.setdefault((name, span.start, span.stop), Tensor(vector[place]))
        return {name: self.leaves[name, span.start, span.stop] for name in self.vectors}


# Kept outside of the optimizers, so that copies and pickles of these do not contain the vectors.
_carried: WeakKeyDictionary[Optimizer, WeakKeyDictionary[Network, _Kept]] = WeakKeyDictionary()


def hyperparameters(optimizer: Any) -> dict[str, Any]:
    """Return the plain values of an optimizer, such as its learning rate, by name.

    Parameters
    ----------
    optimizer : object
        Any.

    Returns
    -------
    dict of str to float, int, bool, str or None
        Its public attributes of these types.

    Examples
    --------
    >>> import tinynet as tn
    >>> hyperparameters(tn.SGD(0.1))  # doctest: +NORMALIZE_WHITESPACE
    {'learning_rate': 0.1, 'weight_decay': 0.0, 'decay': 'all', 'clip_norm': None, 'clip_value': None, 'momentum': 0.0,
     'nesterov': False}
    """
    return {
        name: float(value) if isinstance(value, np.floating) else value
        for name, value in vars(optimizer).items()
        if not name.startswith("_") and isinstance(value, int | float | str | np.floating | None)
    }


def notice(optimizer: Any) -> None:
    """Note that an attribute was set: plans may depend on it, and other vectors may be needed."""
    note_change()
    for model in list(_carried.get(optimizer, ())):
        optimizer.state_of(model)


def set_hyperparameters(optimizer: Any, values: dict[str, Any]) -> None:
    """Set plain values of an optimizer, by name; plans that depend on them are traced again."""
    vars(optimizer).update(values)
    notice(optimizer)
