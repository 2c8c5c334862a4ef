"""A share of the samples that is kept apart for validation."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.checks import check_numbers
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, ShapeError
from tinynet.nn.layer import nested
from tinynet.train.nests import leaves
from tinynet.train.stream import select
from tinynet.train.weights import is_by_output

_SEED = 0x5EED  # the same for all runs, so that a second fit, or one with another seed, validates on the same samples


def split_indices(n: int, share: float, shuffle: bool) -> tuple[Array | slice, Array | slice]:
    """Choose which of n samples are trained on, and which are validated on.

    Parameters
    ----------
    n : int
        How many samples there are.
    share : float
        The share to validate on, above 0 and below 1; at least one sample.
    shuffle : bool
        Whether these samples are drawn at random; the draw depends only on n. Otherwise they are the last ones.

    Returns
    -------
    ndarray or slice
        The samples to train on, in their order.
    ndarray or slice
        The samples to validate on.

    Raises
    ------
    ArgumentError
        If the share leaves nothing to train on.

    Examples
    --------
    >>> split_indices(10, 0.2, shuffle=False)
    (slice(None, 8, None), slice(8, None, None))
    """
    kept = max(1, round(n * share))
    if kept >= n:
        raise ArgumentError(
            f"validation_split={share:g} of {n} samples leaves nothing to train on; give a smaller share"
        )
    if not shuffle:
        return slice(None, n - kept), slice(n - kept, None)
    drawn = np.random.default_rng((_SEED, n)).permutation(n)
    return np.sort(drawn[kept:]), np.sort(drawn[:kept])


def _numbers(weights: Any) -> Array | None:
    return None if weights is None else check_numbers("sample_weight", weights)


def split_off(arguments: dict[str, Any]) -> list[Any]:
    """Split the samples of a run for validation by the argument ``validation_split`` of `fit`."""
    share, samples = arguments["validation_split"], arguments["x"]
    if isinstance(share, bool) or not isinstance(share, int | float | np.floating) or not 0 <= share < 1:
        raise ArgumentError(f"validation_split must be a share of the samples, from 0 to below 1, but got {share!r}")
    if not share:
        return []
    if arguments["validation_data"] is not None:
        raise ArgumentError("give validation_data or validation_split, not both")
    n = len(samples[0])
    trained, kept = split_indices(n, float(share), arguments["shuffle"])
    given: list[Any] = [samples, arguments["y"]]
    if arguments["sample_weight"] is not None:
        weights, by_output = arguments["sample_weight"], is_by_output(arguments["sample_weight"])
        given.append(nested(weights, _numbers) if by_output else _numbers(weights))
        for one in leaves(given[-1]):
            if one is not None and one.shape[:1] != (n,):
                raise ShapeError(
                    f"sample_weight must have one number for each of {n} samples, but has shape {one.shape}"
                )
    validated, *others = (nested(data, lambda a: a if a is None else select(a, kept)) for data in given)
    arguments["validation_data"] = (validated if len(samples) > 1 else validated[0], *others)
    of_training = [nested(data, lambda a: a if a is None else select(a, trained)) for data in given]
    arguments.update(zip(("x", "y", "sample_weight"), of_training, strict=False))
    return []
