"""The loss by step of the first epochs, in which a network learns most."""

from __future__ import annotations

from tinynet.checks import check_count
from tinynet.core.showing import shown_as_call
from tinynet.train.run import Run

FEW_EPOCHS = 4  # of a run of so many, the loss by step says more than that by epoch


class StepLosses:
    """Keeps the training loss by step in the history of a run, as `History.by_step`.

    The losses by epoch say little about a short run: a network learns most in the first epoch. A resumed run continues
    with the same values. `tinynet.report.loss_by_step` draws them.

    Parameters
    ----------
    epochs : int
        The number of epochs, from the first one on.
    points : int
        The largest number of values of an epoch. If it has more steps, each value is the mean over some steps in a row.

    Raises
    ------
    ArgumentError
        If an argument is below 1.

    Examples
    --------
    >>> import tinynet as tn
    >>> (x, y), _ = tn.datasets.spirals(400, noise=0.03)
    >>> model = tn.Sequential([tn.Input((2,)), tn.Dense(16, "tanh"), tn.Dense(2, "softmax")], seed=0)
    >>> options = {"optimizer": tn.Adam(0.02), "callbacks": [tn.StepLosses(points=3)], "seed": 0, "verbose": 0}
    >>> by_step = model.fit(x, y, epochs=1, **options).by_step
    >>> by_step["step"], [round(loss, 2) for loss in by_step["loss"]]
    ([5, 10, 13], [0.67, 0.62, 0.68])
    """

    def __init__(self, epochs: int = FEW_EPOCHS, points: int = 200) -> None:
        self.epochs = check_count("StepLosses: epochs", epochs)
        self.points = check_count("StepLosses: points", points)

    __repr__ = shown_as_call

    def on_train_begin(self, run: Run) -> None:
        """Read the sums of the epoch under way, since a resumed run has some."""
        self._total, self._weight = run.means.total.get("loss", 0.0), run.means.count.get("loss", 0.0)

    def on_epoch_begin(self, run: Run) -> None:
        """Set the sums to 0."""
        self._total = self._weight = 0.0

    def on_batch_end(self, run: Run) -> None:
        """Add the loss of the batch: the increase of the sums."""
        if run.epoch >= self.epochs:
            return
        total, weight = run.means.total["loss"], run.means.count["loss"]
        loss = (total - self._total) / (weight - self._weight)
        self._total, self._weight = total, weight
        every = -(-run.batches // self.points)
        self._add(run, loss, (run.batch - 1) % every + 1)

    def _add(self, run: Run, loss: float, nth: int) -> None:
        """Begin a new value with a loss, or include it in the last value as its nth step."""
        kept, step = run.history.by_step, run.epoch * run.batches + run.batch
        if nth > 1 and kept and kept["step"][-1] == step - 1:
            before = {name: values.pop() for name, values in kept.items()}["loss"]
            loss = before + (loss - before) / nth
        for name, value in {"epoch": step / run.batches, "step": step, "loss": loss}.items():
            kept.setdefault(name, []).append(value)
