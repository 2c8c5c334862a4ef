"""Where the time of a training step goes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from tinynet.core.spec import Array
from tinynet.errors import ArgumentError

if TYPE_CHECKING:
    from tinynet.datasets import Dataset
    from tinynet.fast.plan import Plan
    from tinynet.recipes import Recipe

_WARM_UP = 100  # steps of training before the profile: the first are not like those that follow


class StepProfile(NamedTuple):
    """What a profile of a training step found.

    Attributes
    ----------
    plan : Plan
        Its ``table()`` and ``rows()`` have the times of its calls.
    batch_size, threads : int
        With how many images a step, and on how many threads.
    seconds : list of float
        Of steps that are replayed as a whole, as in training.
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
        What it trains on.
    batch_size : int, optional
        Images a step; as in the recipe by default, and never more than there are.
    repeats : int
        Replays of the step to take the median of.
    seed : int
        Of the initial parameters and of the choice of images.

    Returns
    -------
    StepProfile
        With the plan of the step.

    Raises
    ------
    ArgumentError
        If ``batch_size`` or ``repeats`` is below 1.

    Examples
    --------
    >>> from tinynet.datasets import load_mnist
    >>> from tinynet.recipes import RECIPES
    >>> found = profile_step(RECIPES["softmax"], load_mnist("sample"), repeats=5)
    >>> [row.name for row in found.plan.rows() if row.kind == "update"]
    ['descend']
    """
    import numpy as np

    from tinynet.core.transaction import train_mode
    from tinynet.fast.threads import get_num_threads, kernel_gate
    from tinynet.recipes.training import make_optimizer
    from tinynet.train.step import BatchStep
    from tinynet.train.task import find_task

    size = min(recipe.batch_size if batch_size is None else batch_size, len(data.x_train))
    if size < 1 or repeats < 1:
        raise ArgumentError(f"batch_size and repeats must be 1 or more, but got {batch_size} and {repeats}")
    rng, mode = np.random.default_rng(seed), train_mode(seed)
    parts = recipe.for_data(data, seed), find_task(recipe.loss, None), make_optimizer(recipe.settings(size))
    training = BatchStep(*parts, data.x_train, data.y_train, mode=mode, compiled=True)

    def batch() -> Array:
        return rng.choice(len(data.x_train), size, replace=False)

    def step(indices: Array) -> float:
        started = time.perf_counter()
        with mode:
            training.execute(indices)
        return time.perf_counter() - started

    with kernel_gate():
        for _ in range(_WARM_UP):
            step(batch())
        last = batch()
        with mode:
            traced = training.compiled.find(last)
            traced.put([last])
            traced.plan.profile(repeats)
        seconds = [step(last) for _ in range(repeats)]
        plan = traced.plan
    return StepProfile(plan, size, get_num_threads(), seconds)
