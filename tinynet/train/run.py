"""A run of `fit`: its progress, and the callbacks that it notifies."""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

from tinynet.checks import defined_in
from tinynet.optim.optimizer import hyperparameters, set_hyperparameters
from tinynet.train.history import History, Means
from tinynet.train.order import Order
from tinynet.train.step import TrainingStep

EVENTS = ("on_train_begin", "on_epoch_begin", "on_batch_end", "on_epoch_end", "on_train_end")

_callback_makers: list[Callable[[dict[str, Any]], Iterable[Any]]] = []


def add_to_every_run(make: Callable[[dict[str, Any]], Iterable[Any]]) -> None:
    """Let every run have further callbacks, after those that were added before.

    Parameters
    ----------
    make : callable
        Takes the arguments of `fit` by name, checks those that concern it, and returns a list of callbacks. It may
        replace the task and the data among the arguments. A callback may have one method more than those of users,
        ``measures(run)``, which returns further measures at the end of an epoch, such as those of the validation.
    """
    _callback_makers.append(make)


def prepare_callbacks(arguments: dict[str, Any]) -> list[Any]:
    """Return the callbacks of a run, from the arguments of `fit` by name; some of these may be replaced."""
    return [callback for make in _callback_makers for callback in make(arguments)]


class Run:
    """A run of `fit`, as its callbacks see it.

    A callback is a function of the run, called after each epoch, or an object with one or more of these methods:

    - ``on_train_begin(run)``, before the first batch; a callback that is used again resets itself here;
    - ``on_epoch_begin(run)``;
    - ``on_batch_end(run)``, after each batch; it must not wait for another thread that computes, see `kernel_gate`;
    - ``on_epoch_end(run)``, after each epoch and its validation;
    - ``on_train_end(run)``, at the end, whatever ends the run.

    Callbacks are called in the order in which they were passed, and at the end of the run in the reverse order. An
    exception from a callback ends the run and propagates out of `fit`. The remaining callbacks are not called for this
    event, nothing more is saved, and ``on_train_end`` is called on every callback whose ``on_train_begin`` ran.

    A callback may add measures to those of each epoch: its method ``figures(run)``, called before ``on_epoch_end``,
    returns numbers by name, with the same names each time. They are shown and kept in the history like the metrics, and
    other callbacks, such as `EarlyStopping`, may watch them. At this call, ``run.figures`` has the other measures.

    A callback that has a state to keep in checkpoints has two more methods: ``state()`` returns a dictionary of
    numbers, texts, arrays and lists, and ``restore(state)`` restores it in a resumed run, after ``on_train_begin``.

    Attributes
    ----------
    model, optimizer
        The model and its optimizer. Numbers, texts and switches of the optimizer, such as the learning rate, may be
        changed at any time. Checkpoints keep them, and the run restores the first values at its end.
    epochs, batches : int
        The number of epochs that were asked for, and the number of batches in each.
    epoch, batch : int
        The number of complete epochs, and of complete batches in the epoch under way.
    history : History
        The measures of the complete epochs: the loss and the metrics.
    figures : dict of str to float
        After an epoch its measures, with those of the validation; within an epoch, the means so far.
    validates : bool
        Whether each epoch ends with a validation.
    error : BaseException or None
        In ``on_train_end``: the error that ended the run, if there was one.

    Examples
    --------
    >>> import tinynet as tn
    >>> (x, y), _ = tn.datasets.mnist(source="sample")
    >>> model = tn.Sequential([tn.Input((28, 28), scale=1 / 255), tn.Flatten(), tn.Dense(10, "softmax")], seed=0)
    >>> def enough(run):
    ...     print("epoch", run.epoch, "of at most", run.epochs)
    ...     if run.figures["loss"] < 10:
    ...         run.stop("good enough")
    >>> history = model.fit(x[:500], y[:500], epochs=5, callbacks=[enough], verbose=0)
    epoch 1 of at most 5
    """

    save: ClassVar[Callable[..., None]] = defined_in("tinynet.saving.checkpoint")
    resume: ClassVar[Callable[[Run, str | os.PathLike[str]], None]] = defined_in("tinynet.saving.checkpoint")

    def __init__(
        self, step: TrainingStep, order: Order, epochs: int, callbacks: list[Any], arguments: dict[str, Any]
    ) -> None:
        self.step = step
        self.order = order
        self.model = step.model
        self.optimizer = step.optimizer
        self.epochs = epochs
        self.validates = arguments["validation_data"] is not None
        self.history = History()
        self.means = Means()  # of the epoch under way
        self.started = time.perf_counter()
        self.trained = 0.0  # the seconds of the last epoch without its validation
        self.error: BaseException | None = None
        self.arguments = arguments | {"optimizer": copy.copy(step.optimizer)}  # of fit; the optimizer may change
        self.callbacks = callbacks
        self.ending = False  # whether the run ends after the batch under way
        self.held = ExitStack()  # resources of callbacks, such as the lock of a file, which are released after the run
        self.later: dict[Any, Callable[[], Any]] = {}  # done when all callbacks have been notified, such as saving
        self._hooks = {
            event: [getattr(callback, event) for callback in callbacks if hasattr(callback, event)]
            for event in (*EVENTS, "measures")
        }
        self._measures: dict[str, float] = {}

    @property
    def batches(self) -> int:
        """The number of batches in each epoch."""
        return self.order.batches

    @property
    def batch(self) -> int:
        """The number of complete batches in the epoch under way."""
        return self.order.batch

    @property
    def epoch(self) -> int:
        """The number of complete epochs."""
        return self.history.epochs

    @property
    def figures(self) -> dict[str, float]:
        """The measures of the epoch that has just ended, or the means of the one that is under way."""
        return self._measures or self.means()

    def stop(self, reason: str = "") -> None:
        """End the run after this batch or epoch. Its checkpoint records that, and a resumed run then trains no further.

        Without a reason, or with an empty one, the reason is "stopped by a callback".
        """
        self.history.stopped = str(reason) or "stopped by a callback"
        self.ending = True

    # --- used by fit

    @property
    def unfinished(self) -> bool:
        """Whether there is more to do."""
        return not (self.ending or self.history.stopped) and self.epoch < self.epochs

    @contextmanager
    def underway(self) -> Iterator[None]:
        """Notify of the beginning and the end, and restore the numbers of the optimizer."""
        given = hyperparameters(self.arguments["optimizer"])
        with self.held, ExitStack() as at_end:
            at_end.callback(set_hyperparameters, self.optimizer, given)
            at_end.callback(self._catch_up)
            try:
                set_hyperparameters(self.optimizer, given)
                for callback in self.callbacks:
                    getattr(callback, "on_train_begin", _ignore)(self)
                    at_end.callback(getattr(callback, "on_train_end", _ignore), self)
                self._catch_up()
                yield
            except BaseException as error:
                self.error = error
                self.later.clear()
                raise

    def begin_epoch(self) -> None:
        """Begin an epoch, or continue one."""
        if not self.batch:
            self.started = time.perf_counter()
            self._measures = {}
            self.notify("on_epoch_begin")

    def end_epoch(self) -> None:
        """Keep the measures of an epoch, and notify of its end."""
        self.trained = time.perf_counter() - self.started
        self._measures = measures = self.means()
        for measure in self._hooks["measures"]:
            measures |= measure(self)
        if self.step.stopped:
            self.stop(self.step.stopped)
        learning_rate = float(getattr(self.optimizer, "learning_rate", math.nan))
        self.history.append(measures, time.perf_counter() - self.started, learning_rate)
        self.means = Means()
        self.order.begin_epoch()
        self.notify("on_epoch_end")

    def notify(self, event: str) -> None:
        """Notify the callbacks of an event, and then do the work that they have put off."""
        for hook in self._hooks[event]:
            hook(self)
        if self.later:
            self._catch_up()

    def _catch_up(self) -> None:
        while self.later:  # a task may put off another until all of these are done
            self.later.pop(next(iter(self.later)))()


def _ignore(run: Run) -> None:
    """Do nothing at an event that a callback has no method for."""
