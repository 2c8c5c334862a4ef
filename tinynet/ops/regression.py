"""The losses of regression, which compare numbers."""

from __future__ import annotations

from typing import Any

from tinynet.checks import check_positive
from tinynet.core.engine import Tensor, as_tensor
from tinynet.core.spec import Shape
from tinynet.errors import ShapeError
from tinynet.ops.absolute import abs
from tinynet.ops.dtypes import cast, check_floating
from tinynet.ops.extremes import clip
from tinynet.ops.loss import reduced
from tinynet.ops.shape import reshape


def check_targets(name: str, labels: Shape, output: Shape, hint: str = "") -> None:
    """Check that there is one label for each output: the shapes are equal, except for a last axis of length 1.

    Parameters
    ----------
    name : str
        The name of the loss, for the error.
    labels, output : tuple of int
        The two shapes.
    hint : str
        The end of the error for labels of one axis, which may be meant for another loss.

    Raises
    ------
    ShapeError
        If the shapes differ otherwise.
    """
    if labels not in (output, (*output, 1)) and output != (*labels, 1):
        raise ShapeError(
            f"{name}: the output has shape {output} and the labels have {labels}; there must be one label for each "
            f"output, so give labels of the output's shape{hint if len(labels) == 1 else ''}"
        )


def _errors(name: str, output: Any, labels: Any) -> Tensor:
    """Subtract the labels from the output."""
    output, labels = as_tensor(output), as_tensor(labels)
    check_floating(name, output.dtype)
    check_targets(name, labels.shape, output.shape)
    if not output.size:
        raise ShapeError(f"{name}: the output has shape {output.shape}, so no values; a mean needs at least one")
    return output - reshape(cast(labels, output.dtype), output.shape)


def mean_squared_error(output: Any, labels: Any, reduction: str = "mean") -> Tensor:
    """Mean of the squares of output - label.

    Parameters
    ----------
    output : Tensor
        Floating, (N, ...).
    labels : Tensor or array
        Numbers of the same shape; (N,) fits (N, 1), and the reverse.
    reduction : {"mean", "none"}
        The mean, or the loss of each value.

    Returns
    -------
    Tensor
        Without axes: the mean over all values; or of the shape of the output, the loss of each.

    Raises
    ------
    ShapeError, DTypeError, ArgumentError
        If the labels do not fit the output, there are no samples, the output is not floating, or there is no such
        reduction.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.mean_squared_error(tn.Tensor([[1.0], [4.0]]), [1, 2])
    Tensor(2.)
    """
    errors = _errors("mean_squared_error", output, labels)
    return reduced(errors * errors, reduction)


def mean_absolute_error(output: Any, labels: Any, reduction: str = "mean") -> Tensor:
    """Mean of the distances |output - label|; the derivative of a distance of 0 is 0.

    Parameters
    ----------
    output : Tensor
        Floating, (N, ...).
    labels : Tensor or array
        Numbers of the same shape; (N,) fits (N, 1), and the reverse.
    reduction : {"mean", "none"}
        The mean, or the loss of each value.

    Returns
    -------
    Tensor
        Without axes: the mean over all values; or of the shape of the output, the loss of each.

    Raises
    ------
    ShapeError, DTypeError, ArgumentError
        If the labels do not fit the output, there are no samples, the output is not floating, or there is no such
        reduction.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.mean_absolute_error(tn.Tensor([[1.0], [4.0]]), [1, 2])
    Tensor(1.)
    """
    return reduced(abs(_errors("mean_absolute_error", output, labels)), reduction)


def huber(output: Any, labels: Any, delta: float = 1.0, reduction: str = "mean") -> Tensor:
    """Mean of a loss that is quadratic for small errors and linear for large ones, so that outliers count less.

    For an error e = output - label, it is e^2 / 2 if |e| <= delta, otherwise delta (|e| - delta / 2).

    Parameters
    ----------
    output : Tensor
        Floating, (N, ...).
    labels : Tensor or array
        Numbers of the same shape; (N,) fits (N, 1), and the reverse.
    delta : float
        The size of error at which the linear part begins, above 0.
    reduction : {"mean", "none"}
        The mean, or the loss of each value.

    Returns
    -------
    Tensor
        Without axes: the mean over all values; or of the shape of the output, the loss of each.

    Raises
    ------
    ShapeError, DTypeError, ArgumentError
        If the labels do not fit the output, there are no samples, the output is not floating, delta is not above 0, or
        there is no such reduction.

    References
    ----------
    Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35, 1964, section 1.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.huber(tn.Tensor([1.0, 4.0]), [0.5, 2.0])
    Tensor(0.8125)
    """
    delta = check_positive("huber", "delta", delta)
    errors = _errors("huber", output, labels)
    near = clip(errors, -delta, delta)
    return reduced(near * (errors - 0.5 * near), reduction)
