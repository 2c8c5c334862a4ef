"""Random generators, made from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.errors import ArgumentError


def generator(owner: str, seed: Any, stream: int) -> np.random.Generator:
    """Make a random generator from a seed, for one of the uses that share the seed.

    Parameters
    ----------
    owner : str
        The caller, for the error.
    seed : int or None
        The same integer leads to the same numbers, None to others each time.
    stream : int
        One of the independent streams of the seed: 0 for initial parameters, 1 for the order of samples, 2 for random
        numbers in the steps.

    Returns
    -------
    numpy.random.Generator
        A new generator.

    Raises
    ------
    ArgumentError
        If the seed is neither.
    """
    try:
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))
    except (TypeError, ValueError):
        raise ArgumentError(f"{owner}: seed must be None or an integer of 0 or more, but got {seed!r}") from None
