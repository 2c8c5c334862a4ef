"""A metric with its name, which is a mean over samples, or is computed once on a whole set."""

from __future__ import annotations

from functools import partial
from typing import Any

from tinynet.errors import ArgumentError
from tinynet.train.metrics.binary import binary_accuracy
from tinynet.train.metrics.classes import balanced_accuracy, f1, precision, recall
from tinynet.train.metrics.correct import accuracy
from tinynet.train.metrics.errors import mean_absolute_error, mean_squared_error, r2, root_mean_squared_error
from tinynet.train.metrics.ranking import average_precision, roc_auc
from tinynet.train.metrics.top_k import top_k_accuracy
from tinynet.train.task import MetricFunction

NAMED: dict[str, MetricFunction] = {  # any loss; a loss may have others, such as its accuracy
    "balanced_accuracy": balanced_accuracy,
    "precision": precision,
    "recall": recall,
    "f1": f1,
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "top_k_accuracy": top_k_accuracy,
    "mae": mean_absolute_error,
    "mse": mean_squared_error,
    "rmse": root_mean_squared_error,
    "r2": r2,
}
_MEANS = (accuracy, binary_accuracy, top_k_accuracy, mean_absolute_error, mean_squared_error)
_DECIDING = (balanced_accuracy, precision, recall, f1)
_OF_PROBABILITIES = (*_DECIDING, roc_auc, average_precision)
_TAKEN = ("loss", "epoch", "seconds", "learning_rate")  # names of other columns in histories and tables


class Metric:
    """A metric of `fit` and `evaluate`.

    Parameters
    ----------
    function : callable or str
        It takes the outputs and the labels, as read-only arrays, and returns one number. Or the name of a metric:
        "accuracy", if the loss has one, "balanced_accuracy", "precision", "recall", "f1", "roc_auc",
        "average_precision", "top_k_accuracy", "mae", "mse", "rmse", "r2".
    name : str, optional
        Its name in the history; by default that of the function.
    mean : bool, optional
        Whether it is a mean over samples. It is then computed for each batch, and the next batch overwrites the arrays
        that it gets. Otherwise it is computed once, on all outputs, which are kept until then. By default True only for
        tinynet's own functions that are means.
    training : bool
        Whether it is also computed on training batches, from their outputs before each update.
    probabilities : bool, optional
        Whether the logits of a model are turned into probabilities for it, if the loss contains a softmax or a sigmoid.
        By default only for tinynet's own functions that need them, such as `f1`.

    Raises
    ------
    ArgumentError
        If it is not a function, or has no name of its own.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> def spread(output, labels):
    ...     return output.max() - output.min()
    >>> x = np.linspace(-1, 1, 40)[:, None]
    >>> model = tn.Sequential([tn.Input((1,)), tn.Dense(1)], seed=0)
    >>> metrics = ["r2", spread, tn.metrics.Metric(tn.metrics.root_mean_squared_error, "root", training=False)]
    >>> history = model.fit(x, 2 * x, loss="mse", metrics=metrics, epochs=1, validation_data=(x, 2 * x), verbose=0)
    >>> list(history.history)
    ['loss', 'r2', 'spread', 'val_loss', 'val_r2', 'val_spread', 'val_root']
    """

    def __init__(
        self,
        function: MetricFunction | str,
        name: str | None = None,
        mean: bool | None = None,
        training: bool = True,
        probabilities: bool | None = None,
    ) -> None:
        known = NAMED.get(function) if isinstance(function, str) else function
        if not (isinstance(function, str) or callable(function)):
            raise ArgumentError(
                f"a metric must be a function of (output, labels) as arrays, or the name of one, but got {function!r}"
            )
        plain = known.func if isinstance(known, partial) else known
        self.function = known  # None for a metric of the loss, which is a mean
        self.given = function
        self.name = _name(function if isinstance(function, str) else plain) if name is None else name
        if not isinstance(self.name, str) or not self.name or self.name in _TAKEN or self.name.startswith("val_"):
            raise ArgumentError(
                f"a metric cannot be called {self.name!r}: a name is a text other than {', '.join(_TAKEN)} that does "
                "not begin with val_; choose one by tn.metrics.Metric(function, name=...)"
            )
        self.decides = plain in _DECIDING and "threshold" not in getattr(known, "keywords", {})
        self.mean = known is None or plain in _MEANS if mean is None else bool(mean)
        self.training = bool(training)
        self.probabilities = plain in _OF_PROBABILITIES if probabilities is None else bool(probabilities)

    def __call__(self, output: Any, labels: Any) -> Any:
        """Return the result of the function."""
        if self.function is None:
            raise ArgumentError(f"metric {self.name!r} is one of a loss; only fit and evaluate know it")
        return self.function(output, labels)

    def __repr__(self) -> str:
        how = "mean" if self.mean else "of a set"
        return f"<Metric {self.name}: {how}{'' if self.training else ', not in training'}>"

    @property
    def described(self) -> str:
        """Its description in a checkpoint."""
        how = "" if self.mean else " of a set"
        return f"{self.name}{how}{'' if self.training else ', not in training'}"


def _name(function: Any) -> str:
    return function if isinstance(function, str) else getattr(function, "__name__", type(function).__name__)
