"""Whether a sample is like those that a model was trained on: a few measures, and the range that each has there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.datasets.formats import Pixels
from tinynet.datasets.preparation import Preparation

Ranges = dict[str, list[float]]

_MOST_LOOKED_AT = 2000  # training samples
_SHARE = 0.005  # of the training samples that may lie beyond a range, on each side
_LIT = 64  # of 255: ink
_OWN_SHAPE = 0.12  # of the ink of a drawing, above which a connected part counts as a shape
_WORDS = {
    "ink": ("less ink", "more ink"),
    "shapes": ("fewer shapes", "more shapes"),
    "size": ("smaller", "larger"),
    "offset": ("nearer to the middle", "farther from the middle"),
    "brightness": ("darker", "brighter"),
    "contrast": ("with less contrast", "with more contrast"),
}
_ALIKE = {"offset": "low", "shapes": "low"}  # what no warning is for


def ranges(images: npt.NDArray[Any], preparation: Preparation) -> Ranges:
    """Return the range of each measure over training samples, but for the most extreme ones.

    Parameters
    ----------
    images : ndarray of uint8
        (n, H, W) or (n, H, W, 3): some of them are looked at.
    preparation : Preparation
        Says whether they are drawings.

    Returns
    -------
    dict of str to [float, float]
        By the name of the measure.
    """
    at = np.linspace(0, len(images) - 1, min(len(images), _MOST_LOOKED_AT)).astype(np.intp)
    found = [measures(images[i], preparation) for i in at]
    return {
        name: [float(q) for q in np.quantile([one[name] for one in found], [_SHARE, 1 - _SHARE])] for name in found[0]
    }


def measures(image: Pixels, preparation: Preparation) -> dict[str, float]:
    """Measure a sample: of a drawing its ink, shapes, size and place; of a photograph its brightness and contrast."""
    values = image.astype(np.float64)
    if not preparation.drawn:
        return {"brightness": values.mean() / 255, "contrast": values.std() / 255}
    from scipy import ndimage

    lit = image >= _LIT
    labels, count = ndimage.label(lit, np.ones((3, 3)))
    total = values[lit].sum()
    masses = ndimage.sum_labels(values, labels, range(1, count + 1)) if count else np.zeros(0)
    rows, columns = (np.flatnonzero(lit.any(axis=axis)) for axis in (1, 0))
    sides = [float(line[-1] - line[0] + 1) if len(line) else 0.0 for line in (rows, columns)]
    height, width = image.shape
    y, x = np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2
    mass = max(float(values.sum()), 1.0)
    offset = np.hypot(values.sum(axis=1) @ y / mass, values.sum(axis=0) @ x / mass)
    whole = count if total and (masses < 0.01 * total).sum() > 8 else int((masses >= _OWN_SHAPE * total).sum())
    return {"ink": mass / (255 * height * width), "shapes": float(whole), "size": max(sides), "offset": float(offset)}


def unlike(image: Pixels, preparation: Preparation, known: Mapping[str, Any]) -> list[str]:
    """Say in what a sample is unlike the training data.

    Parameters
    ----------
    image : ndarray of uint8
        As a model takes it.
    preparation : Preparation
        Of the model's data.
    known : mapping
        What `ranges` returned.

    Returns
    -------
    list of str
        Such as "more shapes (7) than the training data have (1 to 2)"; empty if it is alike.
    """
    told = []
    for name, value in measures(image, preparation).items():
        if name not in known:
            continue
        low, high = known[name]
        side = "low" if value < low else "high" if value > high else ""
        if side and _ALIKE.get(name) != side:
            words = _WORDS[name][side == "high"]
            told.append(f"{words} ({value:.3g}) than the training data ({low:.3g} to {high:.3g})")
    return told
