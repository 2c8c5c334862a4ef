"""Stopping a run that no longer improves."""

from __future__ import annotations

from tinynet.train.callbacks.watch import Watch
from tinynet.train.run import Run


class EarlyStopping(Watch):
    """Stops a run once a measure has not improved for some epochs.

    Parameters
    ----------
    monitor : str
        The measure.
    patience : int
        For how many epochs in a row it may fail to improve, 1 or more.
    min_delta : float
        It improves only if it is better than the best so far by more than this.
    mode : {"min", "max"}, optional
        Whether less or more of it is better. By default less of a loss, and more of an accuracy.

    Raises
    ------
    ArgumentError
        If an argument is none of the above; once a run begins, if there is no such measure.

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
        self, monitor: str = "val_loss", patience: int = 5, min_delta: float = 0.0, mode: str | None = None
    ) -> None:
        super().__init__(monitor, mode, min_delta, patience)

    def on_epoch_end(self, run: Run) -> None:
        """Stop, if it is time."""
        super().on_epoch_end(run)
        if self.waited >= self.patience:
            run.stop(f"{self.monitor} has not improved for {self.waited} epoch{'s' * (self.waited > 1)}")
