"""Prediction and evaluation, batch by batch: the methods `predict` and `evaluate` of models."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_count
from tinynet.core.apart import apart
from tinynet.core.engine import can_compile
from tinynet.errors import ShapeError
from tinynet.model import Model
from tinynet.nn.layer import nested
from tinynet.nn.network import Network
from tinynet.train.evaluating import measure, slices_of
from tinynet.train.kept import runner
from tinynet.train.loop import in_sessions
from tinynet.train.nests import leaves
from tinynet.train.samples import check_labelled, check_samples
from tinynet.train.task import find_task
from tinynet.train.weights import with_weights


def evaluate(
    model: Network,
    x: Any,
    y: Any,
    batch_size: int = 256,
    loss: Any = None,
    metrics: Any = None,
    compiled: bool = True,
    sample_weight: npt.ArrayLike | None = None,
    class_weight: Any = None,
) -> dict[str, float]:
    """Measure the loss and the metrics of the model on samples.

    Parameters
    ----------
    x, y : array_like
        Samples and labels, as in `fit`.
    batch_size : int
        Samples computed at a time; the result depends on it only by rounding.
    loss : str or callable, optional
        As in `fit`; by default that of the last `fit` of the model, or "cross_entropy" if there was none.
    metrics, compiled
        As in `fit`.
    sample_weight, class_weight
        As in `fit`; none by default, also if `fit` had weights. They apply to the loss, not to the metrics.

    Returns
    -------
    dict of str to float
        "loss" and "accuracy" (or the metrics passed).

    Raises
    ------
    ArgumentError, ShapeError, DTypeError, DataError, NotBuiltError
        As in `fit`.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.Sequential([tn.Input((3,)), tn.Dense(2, "softmax", kernel_init="zeros")])
    >>> model.evaluate(np.zeros((4, 3)), [0, 1, 0, 1])
    {'loss': 0.6931471824645996, 'accuracy': 0.5}
    """
    task = find_task(model.fitted_loss if loss is None else loss, metrics, model.build_model().made)
    batch_size = check_count("batch_size", batch_size)
    samples, labels = check_labelled(model, x, y, task)
    weighted, labelled = with_weights(task, labels, sample_weight, class_weight, model.dtype)
    return measure(model, weighted, samples, labelled, batch_size, compiled and can_compile())


def predict(model: Network, x: Any, batch_size: int = 256, compiled: bool = True, out: Any = None) -> Any:
    """Compute the outputs of the model.

    Parameters
    ----------
    x : array_like
        Samples, as in `fit`.
    batch_size : int
        Samples computed at a time.
    compiled : bool
        As in `fit`.

    out : ndarray, or tuple, list or dict of ndarray, optional
        Arrays to write the outputs into, such as an `np.memmap`, of their shapes and dtype.

    Returns
    -------
    ndarray
        (n, ...): a new array of the outputs, or ``out``. For several outputs, arrays nested as the model returns them.

    Raises
    ------
    ArgumentError, ShapeError, DTypeError, DataError, NotBuiltError
        As in `fit`.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.Sequential([tn.Input((3,)), tn.Dense(2, "softmax", kernel_init="zeros")]).predict(np.zeros((1, 3)))
    array([[0.5, 0.5]], dtype=float32)
    """
    batch_size = check_count("batch_size", batch_size)
    samples = check_samples(model, x)
    n = len(samples[0])
    result: Any = out
    if out is not None:
        _check_out(leaves(out), n, leaves(model.build_model().made))
    with apart():
        run = runner(model, None, compiled and can_compile())
        for part in in_sessions(slices_of(n, batch_size)):
            output = run(*[array[part] for array in samples])
            if out is None and n <= batch_size:
                result = nested(output, np.array)
                continue
            if result is None:
                result = nested(output, lambda made: np.empty((n, *made.shape[1:]), made.dtype))
            for whole, made in zip(leaves(result), leaves(output), strict=True):
                whole[part] = made
    return result


def _check_out(arrays: list[Any], n: int, made: list[Any]) -> None:
    """Check the arrays into which the outputs of n samples will be written."""
    if len(arrays) != len(made):
        raise ShapeError(f"out must have an array for each of {len(made)} outputs, but has {len(arrays)}")
    for out, output in zip(arrays, made, strict=True):
        shape = (n, *output.shape[1:])
        fits = isinstance(out, np.ndarray) and (out.shape, out.dtype) == (shape, output.dtype)
        if not fits or not out.flags.writeable:
            came = f"{out.dtype} of shape {out.shape}" if isinstance(out, np.ndarray) else f"a {type(out).__name__}"
            raise ShapeError(f"out must be a writable {output.dtype} array of shape {shape}, but got {came}")


Model.evaluate = evaluate
Model.predict = predict
