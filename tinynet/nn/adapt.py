"""The shift and the scale of an `Input`, computed from data."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from tinynet.checks import check_integers, check_numbers
from tinynet.core.spec import Array, Shape
from tinynet.errors import ArgumentError, DataError
from tinynet.nn.input import Input

L = TypeVar("L", bound=Input)

_AT_A_TIME = 2**21  # values, 16 MB of them, so that a memory-mapped set is not copied as a whole


def adapt(layer: L, x: Any, axis: int | Sequence[int] | None = -1) -> L:
    """Set the shift and the scale so that some data get mean 0 and variance 1.

    Parameters
    ----------
    x : array_like
        Samples as the model takes them. Use only those of training, so that nothing is learned from others. Data on
        disk, such as a memory map, are read in parts.
    axis : int, sequence of int, or None
        The axes of ``x`` along which each place has its own mean and variance, as for ``Normalization`` of Keras:
        by default the last one, the features or channels; None for one mean and variance of all values.

    Returns
    -------
    Input
        The layer itself. It is saved, copied and converted with this shift and scale.

    Raises
    ------
    ArgumentError
        If there is no such axis, the axis is that of the samples, or the input keeps integers.
    ShapeError, DTypeError
        If ``x`` holds no samples of this input.
    DataError
        If there are no samples, or values that are not finite.

    Notes
    -----
    Means and biased variances are computed in float64. A constant feature gets the scale 1, and becomes 0.

    References
    ----------
    Chan, Golub and LeVeque, "Algorithms for computing the sample variance: analysis and recommendations", The American
    Statistician 37, 1983, eq. 2.1.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> layer = tn.Input((2,)).adapt([[1.0, 5.0], [3.0, 5.0]])
    >>> layer.shift, layer.scale
    (array([2., 5.]), array([1., 1.]))
    >>> layer(np.array([[1.0, 5.0]]))
    Tensor([[-1.,  0.]])
    """
    if layer.integers:
        raise ArgumentError(f"{layer} keeps integers as they are, so it has no shift and scale to adapt")
    samples = x if hasattr(x, "shape") else check_numbers("x", x)
    layer.check(tuple(samples.shape))
    if not len(samples):
        raise DataError(f"{layer}: x is empty: it has shape {tuple(samples.shape)}; give at least one sample")
    over = _axes_to_average(layer, axis)
    mean, variance = _moments(layer, samples, over)
    constant = variance == 0
    scale = np.where(constant, 1.0, 1 / np.sqrt(np.where(constant, 1.0, variance)))
    args, kwargs = layer.arguments
    given = inspect.signature(type(layer).__init__).bind(layer, *args, **kwargs).arguments
    del given["self"]
    layer.shift, layer.scale = layer._constant("shift", mean), layer._constant("scale", scale)
    layer.arguments = (), {**given, "shift": layer.shift, "scale": layer.scale}  # by which it is saved and copied
    return layer


def _axes_to_average(layer: Input, axis: int | Sequence[int] | None) -> tuple[int, ...]:
    """Return the axes of a batch over which means are taken."""
    axes = 1 + len(layer.shape)
    own = [] if axis is None else [i + axes if i < 0 else i for i in check_integers(f"{layer}: axis", axis)]
    if any(not 1 <= i < axes for i in own):
        raise ArgumentError(
            f"{layer}: axis must be None, or name axes of samples of shape {layer.shape}, 1 to {axes - 1} or -1 to "
            f"{1 - axes}, but got {axis!r}"
        )
    return tuple(i for i in range(axes) if i not in own)


@np.errstate(over="ignore", invalid="ignore")
def _moments(layer: Input, samples: Any, over: Shape) -> tuple[Array, Array]:
    """Return the means and the biased variances of samples over some axes, as parts of a sample."""
    origin = count = mean = squares = np.float64(0)  # of the differences to the first sample
    size = max(1, _AT_A_TIME // max(1, math.prod(layer.shape)))
    for start in range(0, len(samples), size):
        part = check_numbers("x", samples[start : start + size]).astype(np.float64)
        finite = np.isfinite(part).reshape(len(part), -1).all(axis=1)
        if not finite.all():
            first = start + int(np.argmin(finite))
            raise DataError(f"{layer}: x has NaN or infinite values, the first in sample {first}; clean the data first")
        part = part.reshape(len(part), *layer.shape)
        if start == 0:
            origin = part[:1].min(axis=over, keepdims=True)
        part -= origin
        new = part.mean(axis=over, keepdims=True)
        n = part.size / new.size
        apart = new - mean
        squares = squares + ((part - new) ** 2).sum(axis=over, keepdims=True) + apart**2 * count * n / (count + n)
        mean, count = mean + apart * n / (count + n), count + n
    if not np.isfinite(squares).all():
        raise DataError(f"{layer}: x has values so large that their squares overflow; scale them down first")
    shape = mean.shape[1:] if mean.size > 1 else ()
    return (origin + mean).reshape(shape), (squares / count).reshape(shape)


Input.adapt = adapt
