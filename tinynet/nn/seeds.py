"""Random generators, made from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.errors import ArgumentError


def generator(owner: str, seed: Any, stream: int) -> np.random.Generator:
    """Make a random generator from a seed, for one of the purposes that share it.

    Parameters
    ----------
    owner : str
        Who asks; for the error.
    seed : int or None
        The same integer makes the same numbers, None others each time.
    stream : int
        Which of the independent streams of the seed: 0 for initial parameters, 1 for the order of samples, 2 for
        what is drawn in the steps.

    Returns
    -------
    numpy.random.Generator
        New.

    Raises
    ------
    ArgumentError
        If the seed is neither.
    """
    try:
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))
    except (TypeError, ValueError):
        raise ArgumentError(f"{owner}: seed must be None or an integer of 0 or more, but got {seed!r}") from None
