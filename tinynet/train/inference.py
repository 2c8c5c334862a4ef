"""Prediction and evaluation, batch by batch: the methods `predict` and `evaluate` of models."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_count
from tinynet.core.engine import Tensor, can_compile
from tinynet.core.mode import note_change
from tinynet.core.spec import Array
from tinynet.core.transaction import within
from tinynet.model import Model
from tinynet.nn.layer import nested
from tinynet.nn.network import Network
from tinynet.ops.loss import Loss, scalar_loss
from tinynet.train.compound import finish, for_evaluation
from tinynet.train.history import Means
from tinynet.train.loop import in_sessions
from tinynet.train.samples import check_labelled, check_samples
from tinynet.train.step import engine_room
from tinynet.train.task import Measures, MetricFunction, Task, find_task
from tinynet.train.weighted import identity, weight_of
from tinynet.train.weights import with_weights


def _parts(n: int, size: int) -> Iterator[slice]:
    """Cut n samples into batches; the last may be smaller."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


_MOST_KEPT = 8  # compiled functions that a model keeps, and plans of each


def _compute(model: Network, loss: Loss | None, x: Tensor, y: Any = None) -> tuple[Tensor, ...]:
    """Compute the outputs of a batch and, given the loss and labels, the loss before them."""
    output = model(x)
    return (output,) if loss is None or y is None else (scalar_loss(loss, output, y), output)


def compiled_inference(model: Network, loss: Loss | None) -> Any:
    """Return the compiled form of that, which the model keeps."""
    note_change()  # which no assignment may have told: in lists and other objects that layers hold
    key = identity(loss)  # the loss is kept beside its plans, so that no other function gets its identity
    kept = model.plans.pop(key, None)
    made = kept or (engine_room().Compiled(partial(_compute, model, loss), str(model), most=_MOST_KEPT), loss)
    model.plans[key] = made
    while len(model.plans) > _MOST_KEPT:
        model.plans.pop(next(iter(model.plans)), None)
    return made[0]


def _runner(model: Network, loss: Loss | None, compiled: bool) -> Callable[..., tuple[Array, ...]]:
    """Return a function of batches that computes the same in arrays, which its next call may overwrite."""
    if compiled:
        return cast(Callable[..., tuple[Array, ...]], compiled_inference(model, loss).replay)
    return lambda *data: tuple(t.data for t in _compute(model, loss, *nested(data, Tensor)))


def measure(model: Network, task: Task, x: Array, y: Any, batch_size: int, compiled: bool) -> Measures:
    """Return the loss and the metrics of a model on samples: means over batches, or computed on all of them."""
    task = for_evaluation(task)
    means = Means()
    with within(None):  # this is no training, if it comes in the middle of a step
        run = _runner(model, task.loss, compiled)
        for part in in_sessions(_parts(len(x), batch_size)):
            samples, labels = nested((x, y), operator.itemgetter(part))
            loss, output = run(samples, labels)
            measures = task.measure(model.made, loss.item(), output, labels)
            means.add(measures, len(samples), weight_of(task, labels, len(samples)))
    return means() | finish(task)


def evaluate(
    model: Network,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    batch_size: int = 256,
    loss: str | Loss | None = None,
    metrics: Sequence[MetricFunction | str] | None = None,
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
        As in `fit`; none by default, whatever weights `fit` was given. They concern the loss, and not the metrics.

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
    task = find_task(model.fitted_loss if loss is None else loss, metrics)
    batch_size = check_count("batch_size", batch_size)
    samples, labels = check_labelled(model, x, y, task)
    weighted, labelled = with_weights(task, labels, sample_weight, class_weight, model.dtype)
    return measure(model, weighted, samples, labelled, batch_size, compiled and can_compile())


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
    result: Array | None = None
    with within(None):
        run = _runner(model, None, compiled and can_compile())
        for part in in_sessions(_parts(len(samples), batch_size)):
            (output,) = run(samples[part])
            if result is None:
                result = np.empty((len(samples), *output.shape[1:]), output.dtype)
            result[part] = output
    assert result is not None
    return result


Model.evaluate = evaluate
Model.predict = predict
