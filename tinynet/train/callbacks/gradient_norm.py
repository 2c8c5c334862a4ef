"""The norm of the gradient of the loss, by epoch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor, grad
from tinynet.nn.layer import nested
from tinynet.train.run import Run
from tinynet.train.samples import check_labelled
from tinynet.train.task import find_task


class GradientNorm:
    """Adds the norm of the gradient of the loss to the measures of each epoch, by the name "gradient_norm".

    The loss is the mean over some samples at the end of the epoch, in inference: without dropout, and with the running
    means of batch normalisations. Weights and label smoothing are left out. The gradient is that with respect to the
    parameters that are trained. `tinynet.report.learning_curve` draws its norm.

    Parameters
    ----------
    x, y : array_like, or tuple or dict of these
        Samples and labels, as `fit` takes them. They are computed in one batch, so pass some hundreds.

    Raises
    ------
    ShapeError, DTypeError, DataError
        When the run begins, if they do not fit the model or the loss.

    Examples
    --------
    >>> import tinynet as tn
    >>> (x, y), _ = tn.datasets.spirals(400, noise=0.03)
    >>> model = tn.Sequential([tn.Input((2,)), tn.Dense(16, "tanh"), tn.Dense(2, "softmax")], seed=0)
    >>> callbacks = [tn.GradientNorm(x[:100], y[:100])]
    >>> history = model.fit(x, y, epochs=3, optimizer=tn.Adam(0.02), callbacks=callbacks, seed=0, verbose=0)
    >>> [round(norm, 2) for norm in history.history["gradient_norm"]]
    [0.14, 0.09, 0.06]
    """

    def __init__(self, x: Any, y: Any) -> None:
        self.x = x
        self.y = y

    def on_train_begin(self, run: Run) -> None:
        """Check the samples and labels against the model and the loss of the run."""
        self._task = find_task(run.arguments["loss"], None, run.model.made)
        self._samples, self._labels = check_labelled(run.model, self.x, self.y, self._task)

    def figures(self, run: Run) -> dict[str, float]:
        """Return the norm."""
        output = run.model(*self._samples)
        loss = self._task.losses(output, nested(self._labels, Tensor))[0]
        parameters = [p for span in run.model.spans() for p in span.parameters]
        gradients = grad(loss, parameters)
        return {"gradient_norm": math.sqrt(sum(float(np.square(g.data, dtype=np.float64).sum()) for g in gradients))}
