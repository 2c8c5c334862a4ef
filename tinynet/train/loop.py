"""The loop: epochs, batches, validation. `fit` is a method of models."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_count
from tinynet.core.engine import can_compile
from tinynet.core.spec import Array
from tinynet.core.transaction import train_mode
from tinynet.errors import ArgumentError, NonFiniteError
from tinynet.nn.network import Network
from tinynet.nn.seeds import generator
from tinynet.ops.loss import Loss
from tinynet.optim.optimizer import Optimizer
from tinynet.optim.sgd import SGD
from tinynet.train.history import History
from tinynet.train.inference import in_sessions, measure
from tinynet.train.order import Order
from tinynet.train.progress import choose_display
from tinynet.train.run import Run
from tinynet.train.samples import check_labelled, check_validation
from tinynet.train.step import TrainingStep, is_optimizer, make_step
from tinynet.train.storage import current_storage
from tinynet.train.task import Measures, Metric, find_task


def fit(
    model: Network,
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
        `SGD` with its defaults if none is given. What it carries from step to step, such as moments, it carries on
        from an earlier fit of this model; ``optimizer.reset(model)`` lets it begin afresh. `GradientDescent` and
        `Newton` always do; they search along a line on all samples and take ``batch_size=None``; an epoch is then a
        step, and the run ends early where no step is left to make.
    loss : str or callable
        "cross_entropy", "binary_cross_entropy", or a function of (output, labels), made of ops, that returns one
        number.
    validation_data : (array_like, array_like), optional
        Samples and labels to evaluate on after each epoch.
    shuffle : bool
        Draw a new order of the samples for each epoch.
    seed : int, optional
        Of the generator of that order. The same seed gives the same bits, whatever the number of threads.
    verbose : {0, 1, 2}
        Silent; progress by batch (by epoch where the output is no terminal); one line an epoch.
    metrics : sequence of callable, optional
        Functions of (output, labels), as arrays, that return one number; accuracy by default for the losses with a
        name.
    compiled : bool
        Trace the whole step once and replay it; numbers and arrays that the forward or the loss uses are then constants
        of the run. Without, each op is computed as it is called: slower, and the way for a model whose forward reads
        values.
    callbacks : sequence of callable or object
        What is notified of the run as it goes, and may stop or save it; see `Run`.
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
    task = find_task(loss, metrics)
    compiled = compiled and can_compile()
    epochs = check_count("epochs", epochs)
    if batch_size is not None:
        batch_size = check_count("batch_size", batch_size)
    optimizer = SGD() if optimizer is None else optimizer
    _check_kinds(optimizer, callbacks)
    samples, labels = check_labelled(model, x, y, task)
    validation = None if validation_data is None else check_validation(model, validation_data, task)
    if not model.parameters:
        raise ArgumentError(f"model {model} has no parameters, so there is nothing to train")

    rng = generator("fit", seed, stream=1)
    mode = train_mode(int(generator("fit", seed, stream=2).integers(2**63)))
    step = make_step(model, task, optimizer, (samples, labels), mode, compiled)
    _check_batch_size(step, batch_size)
    order = Order(len(samples), min(batch_size or len(samples), len(samples)), rng, shuffle and not step.whole)
    arguments = {
        "x": samples,
        "y": labels,
        "validation_data": validation,
        "loss": loss,
        "metrics": metrics,
        "batch_size": order.batch_size,
        "shuffle": bool(shuffle),
        "seed": seed,
        "compiled": bool(compiled),
        "verbose": verbose,
    }
    run = Run(step, order, epochs, callbacks, arguments)
    run.display = choose_display(verbose, epochs, order.batches)
    if resume is not None:
        current_storage().resume_run(run, Path(resume))
    validate = None
    if validation is not None:
        validate = partial(measure, model, task, *validation, step.validation_size, compiled)
    with run.underway():
        while run.unfinished:
            run.begin_epoch()
            if _train_epoch(run):
                _end_epoch(run, validate)
    return run.history


def _check_kinds(optimizer: Any, callbacks: Any) -> None:
    if not is_optimizer(optimizer):
        raise ArgumentError(f"optimizer must be an Optimizer, such as tn.SGD(0.01), but got {optimizer!r}")
    if not isinstance(callbacks, list | tuple):
        raise ArgumentError(f"callbacks must be a list of them, but got {callbacks!r}")


def _check_batch_size(step: TrainingStep, batch_size: int | None) -> None:
    if step.whole and batch_size is not None:
        raise ArgumentError(
            f"{type(step.optimizer).__name__} takes all samples in each step, an epoch being a step; pass "
            f"batch_size=None instead of {batch_size!r}"
        )


def _train_epoch(run: Run) -> bool:
    """Train on the batches that are left of the epoch; returns whether all are done, or the run is to end before."""
    step = run.step
    order = run.order
    display = run.display
    for indices in in_sessions(order.draw()):
        try:
            measures = step(indices)
        except NonFiniteError as error:
            raise _non_finite(error, run, indices) from error
        run.means.add(measures, len(indices))
        order.batch += 1
        display.step(order.batch, run.means)
        if run.batches_are_heard:
            run.notify("on_batch_end")
        if run.ending:
            return False
    return True


def _end_epoch(run: Run, validate: Callable[[], Measures] | None) -> None:
    """Validate, show the epoch and keep it."""
    measures = run.means()
    training = time.perf_counter() - run.started
    if validate is not None:
        measures |= {f"val_{name}": value for name, value in validate().items()}
    run.display.end(measures, time.perf_counter() - run.started, training)
    if run.step.stopped:
        run.stop(run.step.stopped)
    run.end_epoch(measures)


def _non_finite(error: NonFiniteError, run: Run, indices: Array) -> NonFiniteError:
    """Say where in the run a loss or a gradient was not finite, and what made it so."""
    if run.step.whole:
        return error
    so_far = f"; the mean loss over the epoch so far was {run.means()['loss']:.4g}" if run.means.count else ""
    largest = float(np.abs(run.model.theta).max())
    origin = "".join(f" {explain(run.step, indices)}" for explain in _explanations)
    return NonFiniteError(
        f"{error.what} in epoch {run.epoch + 1}, batch {run.batch + 1}{so_far}.{origin} The largest parameter is "
        f"{largest:.3g} in size. Try a smaller learning rate (now {run.optimizer.learning_rate:g}), inputs of a size "
        "around 1 (tn.Input(shape, scale=1/255) for images), or a loss computed from logits",
        error.what,
    )


_explanations: list[Callable[[TrainingStep, Array], str]] = []


def explain_by(explain: Callable[[TrainingStep, Array], str]) -> None:
    """Let a function say what made a step not finite: of the step, and of the indices of its samples."""
    _explanations.append(explain)
