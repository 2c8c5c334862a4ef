"""The loop: epochs and batches. `fit` is a method of models."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy.typing as npt

from tinynet.checks import check_count
from tinynet.core.engine import can_compile, current_backend
from tinynet.core.spec import Array
from tinynet.core.transaction import train_mode
from tinynet.errors import ArgumentError, NonFiniteError
from tinynet.nn.network import Network
from tinynet.nn.seeds import generator
from tinynet.optim.optimizer import Optimizer
from tinynet.optim.sgd import SGD
from tinynet.train.history import History
from tinynet.train.order import Order
from tinynet.train.run import Run, prepare_callbacks
from tinynet.train.samples import check_labelled
from tinynet.train.step import TrainingStep, is_optimizer, make_step
from tinynet.train.task import find_task

_SESSION = 0.05  # seconds that training holds the kernels before other Python threads may have them

T = TypeVar("T")


def fit(
    model: Network,
    x: Any,
    y: Any,
    epochs: int = 10,
    batch_size: int | None = 32,
    optimizer: Optimizer | Any | None = None,
    loss: Any = "cross_entropy",
    validation_data: Any = None,
    shuffle: bool = True,
    seed: int | None = None,
    verbose: int = 1,
    metrics: Any = None,
    compiled: bool = True,
    callbacks: Sequence[Any] = (),
    resume: str | os.PathLike[str] | None = None,
    micro_batches: int = 1,
    sample_weight: npt.ArrayLike | None = None,
    class_weight: Any = None,
    label_smoothing: float = 0.0,
    loss_weights: Any = None,
    validation_split: float = 0.0,
    world: Any = None,
) -> History:
    """Train the model.

    The first Ctrl-C ends the run after the current batch, and then raises KeyboardInterrupt; the second one raises it
    at once. If there is a `Checkpoint` among the callbacks, it saves the run first.

    Parameters
    ----------
    x : array_like or Stream, or tuple or dict of these
        Samples (n, ...), of the shape of the model's input, in any real dtype. They are copied as a whole only if they
        are not in row order. Data that are not in memory are read batch by batch: an `np.memmap`, a dataset of h5py or
        zarr, or an object with a length that is indexed by arrays of integers; see `Stream`. For several inputs: in the
        order of the arguments of ``forward``, or by their names.
    y : array_like or Stream, or tuple or dict of these
        Labels, as the loss takes them. For several outputs: in their order, or by their names.
    epochs : int
        The number of passes over the samples.
    batch_size : int or None
        The number of samples in a step; the last batch of an epoch may be smaller. None takes all samples in each step.
    optimizer : Optimizer or LineSearchOptimizer, optional
        `SGD` with its defaults if none is given. An optimizer continues with its vectors, such as moments, from an
        earlier fit of this model; ``optimizer.reset(model)`` sets them back. `GradientDescent` and `Newton` always
        begin afresh. They search along a line on all samples, and take ``batch_size=None``. An epoch is then a step,
        and the run ends early if no further step improves the loss.
    loss : str or callable
        "cross_entropy", "binary_cross_entropy", "mse", "mae", "huber", or a function of (output, labels), made of ops.
        It returns one number, the mean over the batch, or numbers for each sample. For several outputs: one for all, or
        a tuple or dict of them; an output whose loss is None is not trained on.
    validation_data : (array_like, array_like) or (array_like, array_like, array_like), optional
        Samples and labels to evaluate on after each epoch, and optionally the weights of these samples.
    validation_split : float
        Instead of ``validation_data``: the share of the samples to keep apart for it, from 0 to below 1. They are drawn
        at random, the same ones for every seed, so that a second fit does not train on them; without ``shuffle``, they
        are the last ones.
    shuffle : bool
        Draw a new order of the samples for each epoch.
    seed : int, optional
        The seed of that order, and of the random numbers of layers. The same seed leads to the same bits for any number
        of threads.
    verbose : {0, 1, 2}
        Silent; progress by batch (a line every 20 seconds if the output is not a terminal); one line for each epoch.
    metrics : sequence of callable or str, optional
        Functions of (output, labels), as arrays, that return one number, computed once on the outputs of an epoch or of
        a validation; names such as "accuracy" and "f1"; or a `tinynet.metrics.Metric`, which has more options. By
        default the accuracy, for losses of classes. For several outputs: a tuple or dict of such lists.
    compiled : bool
        Trace the whole step once and replay it, as `tinynet.compile` does. Otherwise each op is computed when it is
        called, which is slower, and is needed for a model whose forward reads values.
    callbacks : sequence of callable or object
        Functions or objects that are notified of the progress of the run, and may stop or save it; see `Run`.
    resume : path-like, optional
        A checkpoint to continue from, with the same model, data and arguments as before. The run then ends in the same
        bits as one that was never stopped. Only ``epochs``, ``verbose`` and callbacks without a state may differ.
    micro_batches : int
        The number of parts into which each batch is cut. They are computed one after the other, and their gradients are
        summed before the update. So a batch takes less memory, and the result differs only by rounding. But layers that
        draw random numbers or, as `BatchNorm`, take means over a batch do so within each part. A line search sums over
        the parts in the same way.
    sample_weight : array_like, optional
        (n,), 0 or more: the weight of each sample. The loss of a batch is (sum of w l) / (sum of w), so a weight of k
        counts as k copies, and a weight of 0 as if the sample were left out. It may have further axes of the labels, to
        mask steps of sequences for example. Metrics and validation count all samples alike. For several outputs: one
        array for all, or one for each, in a dict by name or a tuple in order; the samples of an output that a dict
        leaves out count alike.
    class_weight : mapping, array_like or "balanced", optional
        The weight of the samples of each class, by class number or in order; with "balanced", all classes count alike.
        It is multiplied by ``sample_weight``. For several outputs: a dict of these by name, or a tuple in order.
    label_smoothing : float
        From 0 to 1, for the losses "cross_entropy" and "binary_cross_entropy": the share of each label that is spread
        evenly over all classes. It is part of the loss, also in validation and `evaluate`. For several outputs: a
        number for all, or a dict of numbers by name, or a tuple in order.
    loss_weights : tuple or dict of float, optional
        For several outputs: the factor of the loss of each, 0 or more, before they are added; 1 by default.
    world : World, optional
        The processes that compute the micro-batches of each step, each a block of them; see
        `tinynet.distributed.world`. The result has the bits of one process.

    Returns
    -------
    History
        Loss and metrics by epoch, with those from before the checkpoint. For an optimizer with a line search, the loss
        after each step instead of metrics on the training samples, and the numbers of its `StepRecord`.

    Raises
    ------
    ArgumentError, ShapeError, DTypeError, DataError
        If the arguments do not fit the model or each other. This is found before anything is computed.
    NotBuiltError
        If the model does not know the shape of its input.
    TraceError
        If the model's forward or the loss reads values of tensors; run it with ``compiled=False``.
    NonFiniteError
        If the loss or its gradient becomes NaN or infinite. Everything is then as it was before that batch.
    WorldError
        If another process has failed, hangs, or differs from this one.
    CheckpointError, FileNotFoundError
        If the checkpoint is damaged, foreign, of another run, or does not exist. Nothing is changed then.
    WriteError
        If a checkpoint cannot be written. The old file is then untouched.

    Examples
    --------
    >>> import tinynet as tn
    >>> (x, y), test = tn.datasets.mnist(source="sample")
    >>> model = tn.Sequential([tn.Input((28, 28), scale=1 / 255), tn.Flatten(), tn.Dense(10, "softmax")], seed=0)
    >>> history = model.fit(x, y, epochs=2, optimizer=tn.SGD(0.1), validation_data=test, seed=0, verbose=0)
    >>> history.history["val_accuracy"][-1] > 0.8
    True
    """
    task = find_task(loss, metrics, model.build_model().made)
    compiled = compiled and can_compile()
    epochs = check_count("epochs", epochs)
    if batch_size is not None:
        batch_size = check_count("batch_size", batch_size)
    optimizer = SGD() if optimizer is None else optimizer
    if not is_optimizer(optimizer):
        raise ArgumentError(f"optimizer must be an Optimizer, such as tn.SGD(0.01), but got {optimizer!r}")
    samples, labels = check_labelled(model, x, y, task)
    if not model.parameters:
        raise ArgumentError(f"model {model} has no parameters, so there is nothing to train")

    cut = check_count("micro_batches", micro_batches)
    arguments = {
        "model": model,
        "task": task,
        "x": samples,
        "y": labels,
        "validation_data": validation_data,
        "validation_split": validation_split,
        "loss": loss,
        "metrics": metrics,
        "shuffle": bool(shuffle),
        "batch_size": batch_size,
        "seed": seed,
        "compiled": bool(compiled),
        "micro_batches": cut,
        "sample_weight": sample_weight,
        "class_weight": class_weight,
        "label_smoothing": label_smoothing,
        "loss_weights": loss_weights,
        "verbose": verbose,
        "world": world,
        "callbacks": callbacks,
    }
    notified = prepare_callbacks(arguments)  # which may replace the task, the loss, x and y among the arguments
    rng = generator("fit", seed, stream=1)
    mode = train_mode(int(generator("fit", seed, stream=2).integers(2**63)))
    data = model, arguments["task"], arguments["x"], arguments["y"]
    step = make_step(optimizer, *data, mode=mode, compiled=compiled, micro_batches=cut)
    _check_batch_size(step, batch_size)
    order = Order(len(step.samples[0]), batch_size, rng, shuffle and not step.full_batch)
    run = Run(step, order, epochs, notified, arguments)
    if resume is not None:
        run.resume(resume)
    model.fitted_loss = arguments["loss"]
    with run.underway():
        while run.unfinished:
            run.begin_epoch()
            if not run.ending and _train_epoch(run):
                run.end_epoch()
    return run.history


def _check_batch_size(step: TrainingStep, batch_size: int | None) -> None:
    if step.full_batch and batch_size is not None:
        raise ArgumentError(
            f"{type(step.optimizer).__name__} takes all samples in each step, an epoch being a step; pass "
            f"batch_size=None instead of {batch_size!r}"
        )


def in_sessions(batches: Iterator[T]) -> Iterator[T]:
    """Yield the batches while this thread holds the kernels, and release them every so often for other threads."""
    for first in batches:
        with current_backend().session():
            until = time.perf_counter() + _SESSION
            yield first
            while time.perf_counter() < until and (batch := next(batches, None)) is not None:
                yield batch


def _train_epoch(run: Run) -> bool:
    """Train on the batches that are left of the epoch; returns False if a callback ends the run before the last one."""
    step = run.step
    order = run.order
    for indices in in_sessions(order.draw()):
        weights = step.task.weigh(step.labels, indices)
        try:
            measures = step(indices)
        except NonFiniteError as error:
            raise _explain[0](error, run, indices) from error
        run.means.add(measures, len(indices), weights)
        order.batch += 1
        run.notify("on_batch_end")
        if run.ending:
            return False
    return True


Explain = Callable[[NonFiniteError, Run, Array], NonFiniteError]
_explain: list[Explain] = [lambda error, run, indices: error]  # one function; `explain_by` replaces it


def explain_by(explain: Explain) -> None:
    """Set the function that returns the error to raise when a step of a run, on some samples, was not finite."""
    _explain[:] = [explain]
