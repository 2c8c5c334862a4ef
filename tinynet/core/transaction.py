"""A training step as a transaction: the rest of the step sees what it writes, and memory changes when it ends.

A step writes variables: the states of layers, parts of the vector of a model's parameters, the vectors of an optimizer.
Until the step ends, their new values are tensors, and later reads in the step return these. Then all of memory is
written at once. If an exception ends the step, or a value is not finite, all new values are dropped. In a traced step,
the new values are shapes; the plan that is made of it writes.
"""

from __future__ import annotations

import math
import operator
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.core.engine import Tensor, ancestors, current_backend
from tinynet.core.mode import Block, Ending, Setting, _tracing, _transaction, no_grad
from tinynet.core.spec import Array, Shape, Spec
from tinynet.errors import ArgumentError, DTypeError, GradientError, NonFiniteError, ShapeError, TraceError, user_line

Write = Callable[[], Any]


def _write(place: Array, value: Array) -> Write:
    return partial(operator.setitem, place, ..., value)  # in C; np.copyto begins in Python, where Ctrl-C could come


_leave = partial(_transaction.variable.set, Setting(None))  # ends the step; in C, too
_exhaust = deque[Any](maxlen=0).extend  # runs an iterator to its end, in C, and keeps nothing


def commit(writes: Iterable[Write]) -> None:
    """Write to memory. No Ctrl-C comes in between: Python looks for signals only between its own instructions."""
    _exhaust(map(operator.call, writes))


class Transaction:
    """What a step has written so far, and which layers are being computed.

    Attributes
    ----------
    mode : TrainMode or None
        The mode whose step it is; None if a function is traced that does not train.
    updates : list of (Tensor, Tensor)
        Variables and their new values.
    checks : list of Tensor
        While tracing: for each update the loss, and whether the gradient is finite.
    live : list of (Tensor, callable)
        While tracing: inputs of the plan that each replay reads anew, such as a learning rate, with what reads them.
    path : list of str
        The names of the layers whose forwards are under way.
    captured : dict of int to object
        The outermost layers that were called, and the optimizers, by identity.
    """

    def __init__(self, mode: TrainMode | None, session: AbstractContextManager[None] | None = None) -> None:
        self.mode = mode
        self.session = session or nullcontext()  # entered by the mode; `end` leaves it
        self.watched: Any = None  # from `Ending.watch`; kept until the step ends
        self.checks: list[Tensor] = []
        self.live: list[tuple[Tensor, Callable[[], Any]]] = []
        self.path: list[str] = []
        self.captured: dict[int, Any] = {}
        self.touched: list[Tensor] = []  # leaves whose memory is written
        self._variables: dict[int, Tensor] = {}
        self._new: dict[int, Tensor] = {}
        self._places: dict[int, tuple[Tensor, int]] = {}  # where a parameter lies in a new part of the vector
        self._replaced: dict[int, tuple[Tensor, Tensor]] = {}  # values that are old now, each with its parameter
        self._planned: list[Write] = []  # the writes of plans
        self._before: dict[int, tuple[Array, Array]] = {}  # memory that was written early, and what was there
        self.draws: dict[tuple[str, int], int] = {}  # how often a layer has drawn random numbers, by micro-batch

    def enter(self, layer: Any) -> None:
        """Note that the forward of a layer begins; the layer removes its name from the path at the end."""
        if not self.path:
            self.captured[id(layer)] = layer
        self.path.append(layer.name)

    # --- reading and writing

    @property
    def updates(self) -> list[tuple[Tensor, Tensor]]:
        """The variables and their new values."""
        return [(variable, self._new[key]) for key, variable in self._variables.items()]

    def current(self, x: Tensor) -> Tensor:
        """Return the newest value of a leaf: the leaf itself if the step has not written to it."""
        if self._planned:
            self.flush()
        if id(x) in self._new:
            return self._new[id(x)]
        if id(x) not in self._places:
            return x
        whole, start = self._places[id(x)]
        with no_grad():
            part = whole[start : start + x.size].reshape(x.shape)
        part = part if part.symbolic else Tensor(part.data)
        part.requires_grad = x.requires_grad
        part.grad = x.grad  # so that backward adds into the gradient of the parameter itself
        self._new[id(x)] = part
        return part

    def write(self, variable: Tensor, new: Tensor, parts: Sequence[tuple[Tensor, int]] = ()) -> None:
        """Assign a new value to a variable; ``parts`` are the parameters in it, each with its place there."""
        self._variables[id(variable)] = variable
        self._new[id(variable)] = new.detach() if new.requires_grad else new
        self.touched += [variable, *(part for part, _ in parts)]
        for part, start in parts:
            before = self._new.pop(id(part), part)
            self._replaced[id(before)] = before, part
            self._places[id(part)] = self._new[id(variable)], start

    def check_current(self, loss: Tensor, parameters: Iterable[Tensor]) -> None:
        """Check that a loss was not computed with values of these parameters that the step has replaced since."""
        if not isinstance(loss, Tensor):
            raise GradientError(
                f"minimize takes a Tensor that ops have made of the parameters, but got a {type(loss).__name__}"
            )
        wanted = {id(p) for p in parameters}
        used = {id(x) for node in ancestors([loss], recorded=True) for x in node.inputs}
        if any(id(old) in used and id(p) in wanted for old, p in self._replaced.values()):
            raise GradientError(
                "the loss was computed before an update of the same parameters in this step; compute it again after "
                "each update"
            )

    def check_finite(self, loss: Tensor, finite: Tensor) -> None:
        """Raise an error unless a loss is finite and ``finite``, which says the same of its gradient, is True."""
        if _tracing.get():
            self.checks += [loss, finite]
        else:
            raise_unless_finite(loss.item(), bool(finite))

    def defer(self, writes: Sequence[Write], touched: Sequence[Tensor]) -> None:
        """Keep the writes of a plan until the step ends, or until something in the step reads the new values."""
        self._planned += writes
        self.touched += touched

    def flush(self) -> None:
        """Write to memory now, since a plan reads there, and keep the old values for `drop`."""
        for x in self.touched:
            if id(x.memory) not in self._before:
                self._before[id(x.memory)] = x.memory, x.memory.copy()
        writes = self._writes()
        self._note_versions()
        self._replaced = {key: pair for key, pair in self._replaced.items() if pair[0] is not pair[1]}
        self._planned = []
        for table in (self._variables, self._new, self._places):
            table.clear()
        commit(writes)

    def _writes(self) -> list[Write]:
        if not self._variables:
            return self._planned
        places = [variable.memory for variable in self._variables.values()]
        values = [new.memory for _, new in self.updates]  # as they were when they were assigned
        old = [any(np.may_share_memory(value, place) for place in places) for value in values]
        values = [value.copy() if is_old else value for value, is_old in zip(values, old, strict=True)]
        return self._planned + [_write(place, value) for place, value in zip(places, values, strict=True)]

    def finish(self) -> None:
        """Write all new values to memory, and count the step."""
        assert self.mode is not None
        writes = self._writes()
        self._note_versions()
        count = partial(operator.setitem, self.mode.done, 0, self.mode.done[0] + 1)
        commit([*writes, count, self._before.clear, _leave])

    def drop(self) -> None:
        """Restore memory as it was before the step."""
        if self._before:
            self._note_versions()
        first_last = reversed(self._before.values())  # of arrays that overlap, the one kept first was not written yet
        commit([*(_write(array, before) for array, before in first_last), _leave])

    def end(self) -> None:
        """End the step, and drop what it wrote if it was not finished."""
        if _transaction.get() is self:
            self.drop()
        self.session.__exit__(None, None, None)
        self.watched = None

    def _note_versions(self) -> None:
        """Note that memory changes, so that no gradient is taken through old values."""
        for x in self.touched:
            x.version += 1

    # --- numbers that come from outside of the graph

    def read(self, source: Callable[[], Any], shape: Shape, dtype: npt.DTypeLike) -> Tensor:
        """Return the value of a function, as a Tensor; a plan calls the function again at each replay."""
        if not _tracing.get():
            return Tensor(np.asarray(source(), dtype))
        symbol = Tensor(Spec(shape, np.dtype(dtype)))
        self.live.append((symbol, source))
        return symbol


def raise_unless_finite(loss: float, finite: bool) -> None:
    """Raise a NonFiniteError if a loss is not finite, or its gradient is not."""
    if math.isfinite(loss) and finite:
        return
    what = f"the loss became {loss}"
    if math.isfinite(loss):
        what = f"the gradient has NaN or infinite values, at a loss of {loss:.6g},"
    raise NonFiniteError(f"{what.rstrip(',')}; nothing was changed by this step", what)


class TrainMode:
    """Training, step by step: each ``with mode:`` is one step; see `train_mode`.

    Attributes
    ----------
    seed : int
        The seed of all random numbers in the steps.
    steps : int
        How many steps are complete.
    micro_batch : int
        The number of the micro-batch that is being computed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.done = [0]  # how many steps are complete; in a list, so that `commit` can write it with the arrays
        self.micro_batch = 0

    @property
    def steps(self) -> int:
        """How many steps are complete."""
        return self.done[0]

    def __enter__(self) -> TrainMode:
        if _tracing.get():
            raise TraceError(
                f"{user_line()} begins a step of training while a function is traced; write `with mode:` around the "
                "call of the compiled function"
            )
        if _transaction.get() is not None:
            raise ArgumentError(
                "a step of training is under way already, and steps do not nest; end its `with mode:` first"
            )
        transaction = Transaction(self, current_backend().session())
        try:
            transaction.session.__enter__()
            _transaction.put(transaction)
            transaction.watched = Ending.watch(self, lambda gone: transaction.end())
        except BaseException:
            transaction.end()
            raise
        return self

    @Ending
    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        transaction = train_transaction("the end of a step")
        try:
            if kind is None:
                transaction.finish()
        finally:
            transaction.end()

    def state(self) -> dict[str, Any]:
        """Return the seed and the number of complete steps, for a checkpoint."""
        return {"seed": self.seed, "steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that `state` returned."""
        self.seed = state["seed"]
        self.done[0] = state["steps"]


def train_mode(seed: int | None = None) -> TrainMode:
    """Return the mode in which a model is trained by hand; each ``with mode:`` is one step.

    Within the step, layers such as `Dropout` and `BatchNorm` do what they do in training, `tinynet.random` draws
    numbers, and `Optimizer.minimize` and `State.assign` write. The rest of the step sees the new values at once; memory
    has them when the step ends. If an exception ends the step, or a loss or a gradient is not finite, nothing has
    changed. Outside of a mode, ``model(x)`` is inference.

    Parameters
    ----------
    seed : int, optional
        From 0 to 2^64 - 1. The same seed draws the same numbers, for any number of threads, compiled or not. Without
        a seed, each run draws others.

    Returns
    -------
    TrainMode
        A context manager; enter it once for each step.

    Raises
    ------
    ArgumentError
        If the seed is not such an integer; and within ``with``, if a step is under way already.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.Sequential([tn.Input((2,)), tn.Dense(1, kernel_init="zeros")])
    >>> optimizer, mode = tn.SGD(0.1), tn.train_mode(seed=0)
    >>> for _ in range(100):
    ...     with mode:
    ...         loss = ((model([[1.0, 2.0]]) - 1.0) ** 2).mean()
    ...         optimizer.minimize(loss, model)
    >>> np.round(model([[1.0, 2.0]]).data, 3)
    array([[1.]], dtype=float32)
    """
    if seed is None:
        seed = int(np.random.default_rng().integers(2**63))
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**64:
        raise ArgumentError(f"train_mode: seed must be None or an integer from 0 to 2^64 - 1, but got {seed!r}")
    return TrainMode(int(seed))


def training() -> bool:
    """Return whether a step of training is under way, in which layers may draw random numbers and assign states.

    Examples
    --------
    >>> import tinynet as tn
    >>> with tn.train_mode(seed=0):
    ...     tn.training()
    True
    >>> tn.training()
    False
    """
    transaction = _transaction.get()
    return transaction is not None and transaction.mode is not None


def train_transaction(what: str) -> Any:
    """Return the transaction of the training step under way; without one, the error says that ``what`` needs it."""
    transaction = _transaction.get()
    if transaction is None or transaction.mode is None:
        raise ArgumentError(
            f"{what} is part of a step of training, but none is under way; make mode = tn.train_mode(seed=0) once, and "
            "write `with mode:` around each step"
        )
    return transaction


def within(transaction: Transaction | None) -> Block:
    """Set the transaction under way, or None: for traces, and for inference in the middle of a step."""
    return Block((_transaction, transaction))


class State(Tensor):
    """Values that a layer keeps and nobody trains, such as running means; `Layer.add_state` creates them."""

    __slots__ = ()

    def assign(self, new: Any) -> None:
        """Assign a new value to the state, within a step of training.

        Parameters
        ----------
        new : Tensor or array_like
            Of the same shape and dtype. No gradient flows through it.

        Raises
        ------
        ArgumentError
            Outside of a step of training, or if the state is a constant.
        ShapeError, DTypeError
            If the new value has another shape or dtype.
        """
        transaction = train_transaction("State.assign")
        if not self.memory.flags.writeable:
            raise ArgumentError("assign: the state is a constant, as of a model that was compiled with freeze=True")
        # An array is copied: the caller may change it.
        new = transaction.current(new) if isinstance(new, Tensor) else Tensor(np.array(new))
        if new.shape != self.shape:
            raise ShapeError(f"assign: the state has shape {self.shape}, but the new value has shape {new.shape}")
        if new.dtype != self.dtype:
            raise DTypeError(
                f"assign: the state has dtype {self.dtype}, but the new value has {new.dtype}; convert it with "
                f"new.astype({str(self.dtype)!r})"
            )
        transaction.write(self, new)
