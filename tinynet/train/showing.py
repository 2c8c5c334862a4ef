"""The text that shows optimizers, runs and their histories."""

from __future__ import annotations

from tinynet.core.showing import shown_as_call
from tinynet.core.transaction import TrainMode
from tinynet.optim.optimizer import Optimizer
from tinynet.train.history import History
from tinynet.train.progress import counted, write_measures
from tinynet.train.run import Run


def show_history(history: History) -> str:
    """Write the number of epochs, and the measures of the last one."""
    if not history.epochs:
        return "<History: no epochs>"
    last = write_measures({name: values[-1] for name, values in history.history.items()})
    best = f"; the best is epoch {history.best_epoch}" if history.best_epoch else ""
    stopped = f"; stopped: {history.stopped}" if history.stopped else ""
    return f"<History: {counted(history.epochs, 'epoch')}, the last with {last}{best}{stopped}>"


def show_run(run: Run) -> str:
    """Write the progress of a run."""
    return (
        f"<Run of {run.model}: {run.epoch} of {counted(run.epochs, 'epoch')} done, "
        f"{run.batch} of {counted(run.batches, 'batch')} of the next>"
    )


def show_mode(mode: TrainMode) -> str:
    """Write the seed of a mode, and how many steps are done."""
    return f"<TrainMode: seed {mode.seed}, {counted(mode.steps, 'step')} done>"


History.__repr__ = show_history  # type: ignore[method-assign, assignment]
Run.__repr__ = show_run  # type: ignore[method-assign, assignment]
TrainMode.__repr__ = show_mode  # type: ignore[method-assign, assignment]
Optimizer.__repr__ = shown_as_call  # type: ignore[method-assign]
