"""A run of `fit`: where it stands, whom it tells, how it is saved and taken up again."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from tinynet.errors import ArgumentError
from tinynet.optim.optimizer import State
from tinynet.saving import checkpoint
from tinynet.saving.files import write_atomically
from tinynet.train.history import History, Means
from tinynet.train.interrupts import interruptible
from tinynet.train.task import Trainable

EVENTS = ("on_train_begin", "on_epoch_begin", "on_batch_end", "on_epoch_end", "on_train_end")


class Run:
    """A run of `fit`, as its callbacks see it.

    A callback is a function of the run, called after each epoch, or an object with one or more of these methods:

    - ``on_train_begin(run)``, before the first batch; a callback that is used again starts afresh here;
    - ``on_epoch_begin(run)``;
    - ``on_batch_end(run)``, after each batch; it must not wait for another thread that computes, see `kernel_gate`;
    - ``on_epoch_end(run)``, after each epoch, its validation included;
    - ``on_train_end(run)``, at the end, whatever ends the run.

    Callbacks are told in the order in which they were given, of the end of the run in the reverse order. An error that
    one of them raises ends the run and comes out of `fit` as it is: nobody else is told of that moment, nothing more is
    saved, and those that were told of the begin are told of the end.

    An object that has values of its own to keep has two more methods: ``state()`` gives a dictionary of numbers, texts,
    arrays and lists, and ``restore(state)`` takes it back in a run that is resumed, after ``on_train_begin``.

    Attributes
    ----------
    model, optimizer
        What is trained, and how; the optimizer's ``learning_rate`` may be changed at any time, and is put back at the
        end.
    epochs, batches : int
        How many epochs were asked for, and of how many batches each is.
    epoch, batch : int
        How many epochs are complete, and how many batches of the one that is under way.
    history : History
        The figures of the complete epochs.
    figures : dict of str to float
        After an epoch its figures, those of validation included; before, the means of the epoch so far.
    validates : bool
        Whether each epoch ends with a validation.
    error : BaseException or None
        In ``on_train_end``: what ended the run, if it was an error.

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

    def __init__(
        self,
        model: Trainable,
        optimizer: Any,
        state: State,
        rng: np.random.Generator,
        epochs: int,
        batches: int,
        callbacks: Sequence[Any],
        settings: dict[str, Any],
    ) -> None:
        self.model, self.optimizer, self.epochs, self.batches = model, optimizer, epochs, batches
        self.epoch, self.batch, self.stopping = 0, 0, ""  # why the epoch under way is the last, once that is known
        self.history, self.means, self._figures = History(), Means(), dict[str, float]()
        self.validates = bool(settings["validation_data"])
        self.error: BaseException | None = None
        self._interrupted = False
        self._callbacks = [_checked(callback) for callback in callbacks]
        self._requests: dict[Path, bool] = {}
        self._hooks = {name: [getattr(c, name) for c in self._callbacks if hasattr(c, name)] for name in EVENTS}
        self.attentive = bool(self._hooks["on_batch_end"])  # whether there is anything to do after a batch
        # What else a checkpoint holds.
        self.stateful = [callback for callback in self._callbacks if hasattr(callback, "state")]
        names = [type(callback).__name__ for callback in self.stateful]
        self.settings = settings | {"optimizer": checkpoint.plain(optimizer), "callbacks": names}
        self._given, self.arrays = checkpoint.numbers(optimizer), state
        self.rng, self.order = rng, rng.bit_generator.state
        self.started = time.perf_counter()
        self.restored: list[Any] | None = None

    # --- for callbacks

    @property
    def figures(self) -> dict[str, float]:
        """The figures of the epoch that has just ended, or the means of the one that is under way."""
        return self._figures or self.means()

    def stop(self, reason: str = "") -> None:
        """End the run after this batch or epoch; a checkpoint of it says so, and resuming it then trains no further.

        Without a reason, or with an empty one, it is said to be "stopped by a callback".
        """
        self.history.stopped, self.attentive = str(reason) or "stopped by a callback", True

    def save(self, path: str | os.PathLike[str], first: bool = False) -> None:
        """Save the run once all callbacks have been told of this moment, so that the file holds the state of each.

        Of several files, those that are to be ``first`` are written first.
        """
        self._requests[Path(path)] = first

    # --- for fit

    @property
    def goes_on(self) -> bool:
        """Whether there is more to do."""
        return not self._interrupted and not self.history.stopped and self.epoch < self.epochs

    @contextmanager
    def underway(self, talkative: bool) -> Iterator[None]:
        """Tell of the begin and of the end; let the first Ctrl-C end the run after the batch."""
        now = checkpoint.numbers(self.optimizer)
        with ExitStack() as ends:
            ends.callback(vars(self.optimizer).update, self._given)
            ends.callback(self._write)
            try:
                vars(self.optimizer).update(self._given)
                for callback in self._callbacks:
                    getattr(callback, "on_train_begin", _ignore)(self)
                    ends.callback(getattr(callback, "on_train_end", _ignore), self)
                for callback, state in zip(self.stateful, self.restored or (), strict=self.restored is not None):
                    callback.restore(state)
                vars(self.optimizer).update(now)
                with interruptible(self._interrupt, "stopping after this batch" if talkative else ""):
                    yield
            except BaseException as error:
                self.error = error
                self._requests.clear()
                raise
        if self._interrupted:
            raise KeyboardInterrupt

    def _interrupt(self) -> None:
        self._interrupted = self.attentive = True

    def begin_epoch(self) -> None:
        """Begin an epoch, or go on with one."""
        if not self.batch:
            self.started, self._figures = time.perf_counter(), {}
            self._tell("on_epoch_begin")

    def end_batch(self) -> bool:
        """Tell of the end of a batch, and give whether the run goes on."""
        self._tell("on_batch_end")
        return self.goes_on

    def end_epoch(self, figures: dict[str, float]) -> None:
        """Keep the figures of an epoch, and tell of its end."""
        rate = float(getattr(self.optimizer, "learning_rate", math.nan))
        self.history.append(figures, time.perf_counter() - self.started, rate)
        self._figures, self.means, self.order = figures, Means(), self.rng.bit_generator.state
        self.epoch, self.batch = self.epoch + 1, 0
        self._tell("on_epoch_end")

    def _tell(self, event: str) -> None:
        for hook in self._hooks[event]:
            hook(self)
        if self._requests:
            self._write()

    def _write(self) -> None:
        """Write the checkpoints that were asked for."""
        whole = checkpoint.content(self) if self._requests else b""
        for path in sorted(self._requests, key=lambda path: not self._requests[path]):
            write_atomically(path, whole)
        self._requests.clear()


def _ignore(run: Run) -> None:
    """Do nothing at an event that a callback has no method for."""


def _checked(callback: Any) -> Any:
    """Check that something is a callback, and make one of a function."""
    methods = {name for name in dir(callback) if name.startswith("on_") and callable(getattr(callback, name))}
    unknown = ", ".join(methods.difference(EVENTS))
    if unknown or isinstance(callback, type) or not (methods or callable(callback)):
        raise ArgumentError(
            f"a callback must be a function of the run, or an object with some of the methods {', '.join(EVENTS)}, but "
            f"got {callback!r}{' with ' if unknown else ''}{unknown}"
        )
    if hasattr(callback, "state") != hasattr(callback, "restore"):
        raise ArgumentError(f"a callback needs both state() and restore(state), or neither, but got {callback!r}")
    return callback if methods else SimpleNamespace(on_epoch_end=callback)
