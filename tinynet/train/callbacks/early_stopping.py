"""Stopping a run that no longer improves."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.spec import Array
from tinynet.errors import CheckpointError
from tinynet.saving.form import conforms
from tinynet.train.callbacks.watch import Watch
from tinynet.train.output import say
from tinynet.train.progress import counted
from tinynet.train.run import Run


class EarlyStopping(Watch):
    """Stops a run once a measure has not improved for some epochs.

    Parameters
    ----------
    monitor : str
        The measure.
    patience : int
        The number of epochs in a row without improvement after which the run stops, 1 or more.
    min_delta : float
        A value counts as an improvement only if it is better than the best so far by more than this.
    mode : {"min", "max"}, optional
        Whether less or more of the measure is better. The default is less for a loss, and more for an accuracy.
    restore_best : bool
        Restore the parameters and states of the best epoch when the run has ended, also if it was not stopped early.
        Otherwise the model keeps those of the last step. A `Checkpoint` is written before that, so that a resumed run
        continues from its last step.

    Raises
    ------
    ArgumentError
        If an argument is not one of the above; once a run begins, if there is no such measure.

    Examples
    --------
    >>> import tinynet as tn
    >>> (x, y), test = tn.datasets.mnist(source="sample")
    >>> model = tn.Sequential([tn.Input((28, 28), scale=1 / 255), tn.Flatten(), tn.Dense(10, "softmax")], seed=0)
    >>> stopping = tn.EarlyStopping("loss", patience=1, min_delta=10.0)
    >>> model.fit(x[:500], y[:500], epochs=9, callbacks=[stopping], verbose=0).epochs
    2
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = False,
    ) -> None:
        super().__init__(monitor, mode, min_delta, patience)
        self.restore_best = bool(restore_best)
        self.kept: dict[str, Array] = {}  # the parameters and states of the best epoch

    def on_train_begin(self, run: Run) -> None:
        """Forget the run before."""
        super().on_train_begin(run)
        self.kept = {}
        self.shapes = {name: leaf.shape for name, leaf in run.model.leaves.items()}

    def on_epoch_end(self, run: Run) -> None:
        """Keep the model if it is the best so far, and stop if it has not improved for ``patience`` epochs."""
        super().on_epoch_end(run)
        if self.restore_best and not self.waited:
            self.kept = {name: np.array(leaf.memory) for name, leaf in run.model.leaves.items()}
        if self.waited >= self.patience:
            best = run.epoch - self.waited
            left = f"that of epoch {best}, the best"
            if not self.restore_best:
                left = f"that of epoch {run.epoch}, the best was that of epoch {best} (see restore_best)"
            run.stop(f"{self.monitor} has not improved for {counted(self.waited, 'epoch')}; the model is {left}")

    def on_train_end(self, run: Run) -> None:
        """Restore the best epoch, after the run has been saved."""
        ended = run.history.stopped or run.epoch >= run.epochs
        if self.kept and ended and run.error is None:
            run.later[self] = lambda: run.later.update({self: lambda: self._restore(run)})

    def _restore(self, run: Run) -> None:
        for name, leaf in run.model.leaves.items():
            leaf.memory[...] = self.kept[name]
            leaf.version += 1
        if self.waited and run.arguments["verbose"]:
            say(f"The model is that of epoch {run.epoch - self.waited}, the best of {run.epoch} by {self.monitor}")

    def state(self) -> dict[str, Any]:
        """Return the best value so far, the epochs since then, and the best model if it may be restored."""
        return super().state() | ({"kept": self.kept} if self.restore_best else {})

    def restore(self, state: dict[str, Any]) -> None:
        """Restore these."""
        kept = state.get("kept", {}) if isinstance(state, dict) else None
        known = conforms(kept, {str: np.ndarray})
        if not known or (kept and {name: a.shape for name, a in kept.items()} != self.shapes):
            raise CheckpointError("the checkpoint is damaged: its best model is not one of this kind")
        if self.restore_best and not kept and state.get("best") is not None:
            raise CheckpointError("the run was started with restore_best=False, now True; resume it with the same")
        super().restore({name: value for name, value in state.items() if name != "kept"})
        self.kept = dict(kept)
