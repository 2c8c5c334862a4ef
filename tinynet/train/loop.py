"""The loop: epochs, batches, validation. These functions are the methods `fit`, `evaluate` and `predict` of a model."""

from __future__ import annotations

import math
import os
import time
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_count
from tinynet.core.engine import can_compile, current_backend
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, NonFiniteError
from tinynet.nn.seeds import generator
from tinynet.ops.loss import Loss
from tinynet.optim import SGD, Optimizer
from tinynet.saving import checkpoint
from tinynet.train.history import History, Means
from tinynet.train.progress import progress
from tinynet.train.run import Run
from tinynet.train.samples import check_labelled, check_samples, check_validation
from tinynet.train.steps import batches, figures, is_optimizer, make_step, outputs
from tinynet.train.task import Metric, Task, Trainable, find_task

_GATE_SECONDS = 0.05  # that training holds the kernels before other Python threads may have them


def fit(
    model: Trainable,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    epochs: int = 10,
    batch_size: int | None = 32,
    optimizer: Optimizer | Any | None = None,
    loss: str | Loss = "cross_entropy",
    validation_data: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    verbose: int = 1,
    metrics: Sequence[Metric] | None = None,
    compiled: bool = True,
    callbacks: Sequence[Any] = (),
    resume: str | os.PathLike[str] | None = None,
) -> History:
    """Train the model.

    The first Ctrl-C ends the run after the batch, with its checkpoint if there is a `Checkpoint` among the callbacks,
    and then raises KeyboardInterrupt; a second one raises it at once.

    Parameters
    ----------
    x : array_like
        Samples (n, ...), of the shape that the model's input takes; any real dtype. They are copied as a
        whole only where they are not in row order.
    y : array_like
        Labels, as the loss takes them.
    epochs : int
        How many times to go over the samples.
    batch_size : int or None
        Samples a step; the last batch of an epoch may be smaller. None takes all of them in each step.
    optimizer : Optimizer or LineSearchOptimizer, optional
        `SGD` with its defaults if none is given. Its state starts afresh, unless a run is resumed. `GradientDescent`
        and `Newton` search along a line on all samples and take ``batch_size=None``; an epoch is then a step, and the
        run ends early where no step is left to make.
    loss : str or callable
        "cross_entropy", "binary_cross_entropy", or a function of (output, labels), made of ops, that gives one number.
    validation_data : (array_like, array_like), optional
        Samples and labels to evaluate on after each epoch.
    shuffle : bool
        Draw a new order of the samples for each epoch.
    seed : int, optional
        Of the generator of that order. The same seed gives the same bits, whatever the number of threads.
    verbose : {0, 1, 2}
        Silent; progress by batch (by epoch where the output is no terminal); one line an epoch.
    metrics : sequence of callable, optional
        Functions of (output, labels), as arrays, that give one number; accuracy by default for the losses with a name.
    compiled : bool
        Trace the whole step once and replay it; numbers and arrays that the forward or the loss uses are then constants
        of the run. Without, each op is computed as it is called: slower, and the way for a model whose forward reads
        values.
    callbacks : sequence of callable or object
        What is told of the run as it goes, and may stop or save it; see `Run`.
    resume : path-like, optional
        A checkpoint to go on from, with the same model, data and arguments as before; the run then ends in the same
        bits as one that was never stopped. Only ``epochs``, ``verbose`` and callbacks without a state may differ.

    Returns
    -------
    History
        Loss and metrics by epoch, those before the checkpoint included. Of an optimizer with a line search, the loss
        after each step in place of metrics on the training samples, with what `StepRecord` has besides.

    Raises
    ------
    ArgumentError, ShapeError, DTypeError, DataError
        If the arguments do not fit the model or each other; before anything is computed.
    NotBuiltError
        If the model does not know the shape of its input.
    TraceError
        If the model's forward or the loss reads values of tensors; run it with ``compiled=False``.
    NonFiniteError
        If the loss becomes NaN or infinite; the parameters are then those before that batch.
    CheckpointError, FileNotFoundError
        If the checkpoint is damaged, foreign, of another run, or not there; nothing is changed then.
    WriteError
        If a checkpoint cannot be written; what was there before is then untouched.

    Examples
    --------
    >>> import tinynet as tn
    >>> (x, y), test = tn.datasets.mnist(source="sample")
    >>> model = tn.Sequential([tn.Input((28, 28), scale=1 / 255), tn.Flatten(), tn.Dense(10, "softmax")], seed=0)
    >>> history = model.fit(x, y, epochs=2, optimizer=tn.SGD(0.1), validation_data=test, seed=0, verbose=0)
    >>> history.history["val_accuracy"][-1] > 0.8
    True
    """
    task, compiled = find_task(loss, metrics), compiled and can_compile()
    epochs = check_count("epochs", epochs)
    size = None if batch_size is None else check_count("batch_size", batch_size)
    optimizer = SGD() if optimizer is None else optimizer
    if not is_optimizer(optimizer):
        raise ArgumentError(f"optimizer must be an Optimizer, such as tn.SGD(0.01), but got {optimizer!r}")
    if not isinstance(callbacks, list | tuple):
        raise ArgumentError(f"callbacks must be a list of them, but got {callbacks!r}")
    samples, labels = check_labelled(model, x, y, task)
    validation = None if validation_data is None else check_validation(model, validation_data, task)
    if not model.parameters:
        raise ArgumentError(f"model {model} has no parameters, so there is nothing to train")
    size = min(size or len(samples), len(samples))
    rng = generator("fit", seed, stream=1)

    train = make_step(optimizer, compiled, model, task, samples, labels)
    if train.whole and batch_size is not None:
        raise ArgumentError(
            f"{type(optimizer).__name__} takes all samples in each step, an epoch being a step; pass batch_size=None "
            f"instead of {batch_size!r}"
        )
    settings = {
        "x": [str(samples.dtype), *samples.shape],
        "validation_data": 0 if validation is None else len(validation[0]),
        "checksums of the data": _checksums(samples, labels, *(validation or ())) if callbacks or resume else None,
        "loss": loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__),
        "metrics": None if metrics is None else [getattr(m, "__name__", "metric") for m in metrics],
        "batch_size": size,
        "shuffle": bool(shuffle),
        "seed": str(seed),
        "compiled": bool(compiled),
    }
    shuffle = shuffle and not train.whole
    run = Run(model, optimizer, train.state, rng, epochs, -(-len(samples) // size), callbacks, settings)
    if resume is not None:
        checkpoint.resume(run, resume)
    with progress(verbose, epochs, run.batches) as shown, run.underway(talkative=bool(verbose)):
        while run.goes_on:
            run.begin_epoch()
            shown.begin(run.epoch, run.started)
            order = rng.permutation(len(samples)) if shuffle else np.arange(len(samples))
            for part in _in_gate(islice(batches(len(samples), size), run.batch, None)):
                now = train(order[part])
                if not math.isfinite(now["loss"]):
                    raise _non_finite(now["loss"], run)
                run.means.add(now, part.stop - part.start)
                run.batch, run.stopping = run.batch + 1, train.stopped
                shown.step(run.batch, run.means)
                if run.attentive and not run.end_batch():
                    break
            else:
                results, trained = run.means(), time.perf_counter()
                if validation is not None:
                    measured = _measure(model, task, *validation, train.measured, compiled)
                    results |= {f"val_{name}": value for name, value in measured.items()}
                shown.end(results, time.perf_counter() - run.started, trained - run.started)
                if run.stopping:
                    run.stop(run.stopping)
                run.end_epoch(results)
    return run.history


def _checksums(*arrays: Array) -> list[int]:
    return [zlib.crc32(np.ascontiguousarray(array).data) for array in arrays]


def _in_gate(parts: Iterator[slice]) -> Generator[slice, None, None]:
    """Pass batches through while holding the gate to the kernels, and let other threads in every so often."""
    for first in parts:
        with current_backend().session():
            until = time.perf_counter() + _GATE_SECONDS
            yield first
            while time.perf_counter() < until and (part := next(parts, None)) is not None:
                yield part


def _non_finite(value: float, run: Run) -> NonFiniteError:
    before = f"; its mean over the epoch so far was {run.means()['loss']:.4g}" if run.means.count else ""
    size = float(np.abs(run.model.theta).max()) if run.model.theta.size else 0.0
    return NonFiniteError(
        f"the loss became {value} in epoch {run.epoch + 1}, batch {run.batch + 1}{before}. The largest parameter is "
        f"{size:.3g} in size. Try a smaller learning rate (now {run.optimizer.learning_rate:g}), inputs of a size "
        "around 1 (tn.Input(shape, scale=1/255) for images), or a loss computed from logits"
    )


def _measure(model: Trainable, task: Task, x: Array, y: Array, batch_size: int, compiled: bool) -> dict[str, float]:
    means = Means()
    with closing(_in_gate(batches(len(x), batch_size))) as parts:
        for n, measured in figures(model, task, x, y, parts, compiled):
            means.add(measured, n)
    return means()


def evaluate(
    model: Trainable,
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
        Samples computed at a time; it does not matter to the result but for rounding.
    loss, metrics, compiled
        As in `fit`.

    Returns
    -------
    dict of str to float
        "loss" and "accuracy" (or the metrics given): means over the samples.

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
    task, compiled = find_task(loss, metrics), compiled and can_compile()
    batch_size = check_count("batch_size", batch_size)
    samples, labels = check_labelled(model, x, y, task)
    return _measure(model, task, samples, labels, batch_size, compiled)


def predict(model: Trainable, x: npt.ArrayLike, batch_size: int = 256, compiled: bool = True) -> Array:
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
    batch_size, compiled = check_count("batch_size", batch_size), compiled and can_compile()
    samples = check_samples(model, x)
    result = None
    with closing(_in_gate(batches(len(samples), batch_size))) as parts:
        for part, output in outputs(model, samples, parts, compiled):
            if result is None:
                result = np.empty((len(samples), *output.shape[1:]), model.dtype)
            result[part] = output
    assert result is not None
    return result
