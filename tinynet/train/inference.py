"""Prediction and evaluation, batch by batch. These functions are the methods `predict` and `evaluate` of a model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_count
from tinynet.core.engine import Tensor, can_compile, current_backend
from tinynet.core.mode import no_grad
from tinynet.core.spec import Array
from tinynet.nn.network import Network
from tinynet.ops.loss import Loss, scalar_loss
from tinynet.train.history import Means
from tinynet.train.samples import check_labelled, check_samples
from tinynet.train.step import engine_room
from tinynet.train.task import Measures, Metric, Task, find_task

_SESSION = 0.05  # seconds that training holds the kernels before other Python threads may have them

T = TypeVar("T")


def in_sessions(batches: Iterator[T]) -> Iterator[T]:
    """Pass batches on while holding the kernels, which other threads may have in between every so often."""
    for first in batches:
        with current_backend().session():
            until = time.perf_counter() + _SESSION
            yield first
            while time.perf_counter() < until and (batch := next(batches, None)) is not None:
                yield batch


def _parts(n: int, size: int) -> Iterator[slice]:
    """Cut n samples into batches; the last may be smaller."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _predict(model: Network, x: Array) -> Array:
    with no_grad():
        return model(Tensor(x)).data


def _evaluate(model: Network, loss: Loss, x: Array, y: Array) -> tuple[Tensor, float, Array]:
    with no_grad():
        output = model(Tensor(x))
        value = scalar_loss(loss, output, Tensor(y))
    return output, value.item(), output.data


def measure(model: Network, task: Task, x: Array, y: Array, batch_size: int, compiled: bool) -> Measures:
    """Return the loss and the metrics of a model on samples: their means over batches."""
    run: Callable[[Array, Array], tuple[Tensor, float, Array]] = partial(_evaluate, model, task.loss)
    if compiled:
        run = engine_room().evaluator(model, task.loss)
    means = Means()
    for part in in_sessions(_parts(len(x), batch_size)):
        labels = y[part]
        means.add(task.measure(*run(x[part], labels), labels), len(labels))
    return means()


def evaluate(
    model: Network,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    batch_size: int = 256,
    loss: str | Loss = "cross_entropy",
    metrics: Sequence[Metric] | None = None,
    compiled: bool = True,
) -> dict[str, float]:
    """Measure the loss and the metrics of the model on samples.

    Parameters
    ----------
    x, y : array_like
        Samples and labels, as in `fit`.
    batch_size : int
        Samples computed at a time; the result depends on it only by rounding.
    loss, metrics, compiled
        As in `fit`.

    Returns
    -------
    dict of str to float
        "loss" and "accuracy" (or the metrics passed): means over the samples.

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
    task = find_task(loss, metrics)
    batch_size = check_count("batch_size", batch_size)
    samples, labels = check_labelled(model, x, y, task)
    return measure(model, task, samples, labels, batch_size, compiled and can_compile())


def predict(model: Network, x: npt.ArrayLike, batch_size: int = 256, compiled: bool = True) -> Array:
    """Compute the outputs of the model.

    Parameters
    ----------
    x : array_like
        Samples, as in `fit`.
    batch_size : int
        Samples computed at a time.
    compiled : bool
        As in `fit`.

    Returns
    -------
    ndarray
        (n, ...): a new array of the outputs.

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
    run = partial(_predict, model)
    if compiled and can_compile():
        run = engine_room().predictor(model)
    result: Array | None = None
    for part in in_sessions(_parts(len(samples), batch_size)):
        output = run(samples[part])
        if result is None:
            result = np.empty((len(samples), *output.shape[1:]), model.dtype)
        result[part] = output
    assert result is not None
    return result
