"""The profile of a training step."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from tinynet.core.spec import Array
from tinynet.errors import ArgumentError

if TYPE_CHECKING:
    from tinynet.datasets import Dataset
    from tinynet.fast.plan import Plan
    from tinynet.model import Model
    from tinynet.optim.optimizer import Optimizer
    from tinynet.recipes import Recipe

_WARM_UP = 100  # steps of training before the profile: the first are not like those that follow


class StepProfile(NamedTuple):
    """The profile of a training step.

    Attributes
    ----------
    plan : Plan
        Its ``table()`` and ``rows()`` have the times of its calls.
    batch_size, threads : int
        The number of images in a step, and of threads.
    seconds : list of float
        The times of steps that are replayed as a whole, as in training.
    """

    plan: Plan
    batch_size: int
    threads: int
    seconds: list[float]


def profile_step(
    recipe: Recipe, data: Dataset, batch_size: int | None = None, repeats: int = 200, seed: int = 0
) -> StepProfile:
    """Train a reference model for a hundred steps, then time the calls of one step.

    Parameters
    ----------
    recipe : Recipe
        The model and its loss.
    data : Dataset
        The images to train on.
    batch_size : int, optional
        The number of images in a step; by default as in the recipe, and never more than there are.
    repeats : int
        The number of replays of the step; the profile has the medians.
    seed : int
        The seed of the initial parameters and of the choice of images.

    Returns
    -------
    StepProfile
        The times, and the plan of the step.

    Raises
    ------
    ArgumentError
        If ``batch_size`` or ``repeats`` is below 1.

    Examples
    --------
    >>> from tinynet.datasets import load_mnist
    >>> from tinynet.recipes import RECIPES
    >>> found = profile_step(RECIPES["softmax"], load_mnist("sample"), repeats=5)
    >>> [row.name for row in found.plan.rows() if row.phase == "update"]
    ['descend']
    """
    from tinynet.recipes.training import make_optimizer

    size = min(recipe.batch_size if batch_size is None else batch_size, len(data.x_train))
    model, optimizer = recipe.for_data(data, seed), make_optimizer(recipe.settings(size))
    return profile_fit(
        model, data.x_train, data.y_train, size, optimizer=optimizer, loss=recipe.loss, repeats=repeats, seed=seed
    )


def profile_fit(
    model: Model,
    x: Any,
    y: Any,
    batch_size: int = 32,
    *,
    optimizer: Optimizer,
    loss: Any = "cross_entropy",
    repeats: int = 200,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> StepProfile:
    """Train any model for a hundred steps, as `fit` does, then time the calls of one step.

    Parameters
    ----------
    model : Model
        The model, which this trains further.
    x, y : array_like
        Samples and labels, as for `Model.fit`; one array of each.
    batch_size : int
        The number of samples in a step, at most as many as there are.
    optimizer : Optimizer
        As for `Model.fit`.
    loss : str or callable
        As for `Model.fit`.
    repeats : int
        The number of replays of the step; the profile has the medians.
    seed : int
        The seed of the choice of samples, and of the random numbers of layers.
    clock : callable
        Returns the time in seconds.

    Returns
    -------
    StepProfile
        The times, and the plan of the step.

    Raises
    ------
    ArgumentError
        If ``batch_size`` is below 1 or above the number of samples, or ``repeats`` is below 1.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.Sequential([tn.Input((20,)), tn.Dense(3, "softmax")], seed=0)
    >>> x, y = np.ones((64, 20), np.float32), np.arange(64) % 3
    >>> found = profile_fit(model, x, y, optimizer=tn.SGD(0.1), repeats=5)
    >>> found.batch_size, len(found.seconds)
    (32, 5)
    """
    import numpy as np

    from tinynet.core.transaction import train_mode
    from tinynet.fast.threads import get_num_threads, kernel_gate
    from tinynet.train.samples import check_labelled
    from tinynet.train.step import BatchStep
    from tinynet.train.task import find_task

    if not (1 <= batch_size <= len(x) and repeats >= 1):
        raise ArgumentError(
            f"batch_size must be from 1 to the number of samples, {len(x):,}, and repeats 1 or more, but got "
            f"{batch_size} and {repeats}"
        )
    rng, mode, task = np.random.default_rng(seed), train_mode(seed), find_task(loss, None, model.build_model().made)
    training = BatchStep(model, task, optimizer, *check_labelled(model, x, y, task), mode=mode, compiled=True)

    def batch() -> Array:
        return rng.choice(len(x), batch_size, replace=False)

    def step(indices: Array) -> float:
        started = clock()
        with mode:
            training.execute(indices)
        return clock() - started

    with kernel_gate():
        for _ in range(_WARM_UP):
            step(batch())
        last = batch()
        with mode:
            traced = training.compiled.find(last)
            traced.set_inputs([last])
            traced.plan.profile(repeats, clock)
        seconds = [step(last) for _ in range(repeats)]
        plan = traced.plan
    return StepProfile(plan, batch_size, get_num_threads(), seconds)
