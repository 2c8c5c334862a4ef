"""Whether probabilities can be trusted: of the answers with a probability of 90 %, 9 of 10 should be right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinynet.checks import check_count
from tinynet.core.spec import Array
from tinynet.errors import DataError
from tinynet.train.metrics.columns import answers
from tinynet.train.metrics.correct import check_outputs


@dataclass(frozen=True, eq=False)
class Calibration:
    """The share of right answers among those of about the same probability, as `calibration` returns it.

    Attributes
    ----------
    edges : ndarray
        (bins + 1,): the edges of the bins; each bin includes its upper edge, the first one both.
    probability, share : ndarray
        (bins,): the mean probability in each bin, and the share of its answers that were right; NaN in an empty one.
    count : ndarray of int
        (bins,): the number of answers in each bin.
    error : float
        The expected calibration error: the mean distance of the two over all answers.
    """

    edges: Array
    probability: Array
    share: Array
    count: Array
    error: float


def calibration(probability: Any, right: Any, bins: int = 10) -> Calibration:
    """Compare probabilities with how often they were right.

    Parameters
    ----------
    probability : array_like
        (n,): the probability of class 1, or of the predicted class.
    right : array_like
        (n,): 1 if the sample is of class 1, or the prediction was right; otherwise 0.
    bins : int
        The number of bins of equal width from 0 to 1.

    Returns
    -------
    Calibration
        The shares by bin.

    Raises
    ------
    ShapeError
        If the two do not have the same length.
    DataError
        If there are no samples, or a value is not from 0 to 1.
    ArgumentError
        If there is no bin.
    DTypeError
        If something is not an array of numbers.

    References
    ----------
    Guo et al., "On calibration of modern neural networks", ICML 2017, section 2.

    Examples
    --------
    >>> found = calibration([0.25, 0.75, 0.75, 0.75], [0, 1, 1, 0], bins=2)
    >>> found.probability, found.share.round(2), round(found.error, 3)
    (array([0.25, 0.75]), array([0.  , 0.67]), 0.125)
    """
    bins = check_count("calibration: bins", bins)
    given, labels = check_outputs("calibration", probability, right)
    yes = answers("calibration", labels.reshape(-1), (given.size,))
    values = given.reshape(-1).astype(np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise DataError("calibration: probabilities must be from 0 to 1; logits need a softmax or a sigmoid first")
    edges = np.linspace(0, 1, bins + 1)
    place = np.searchsorted(edges[1:-1], values)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):  # an empty bin has NaN
        mean = np.bincount(place, values, bins) / count
        share = np.bincount(place, yes, bins) / count
    error = float(np.nansum(np.abs(mean - share) * count) / count.sum())
    return Calibration(edges, mean, share, count, error)
