"""Softmax and the losses. The losses work on logits, where they are stable at any size."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tinynet.checks import check_positive
from tinynet.core.engine import Op, Tensor, as_tensor, constant
from tinynet.core.spec import Array, Shape, Value
from tinynet.errors import ArgumentError, DataError, DTypeError, ShapeError
from tinynet.ops.dtypes import cast, check_floating
from tinynet.ops.pointwise import exp
from tinynet.ops.reduce import mean, sum
from tinynet.ops.shape import _index, normal_axis, reshape

Loss = Callable[[Tensor, Tensor], Tensor]


def check_logits(name: str, x: Value) -> Value:
    """Check that values are floating, and have an axis of classes; returns them."""
    check_floating(name, x.dtype)
    if not x.ndim or not x.shape[-1]:
        raise ShapeError(f"{name}: x must have an axis of at least one class, but has shape {x.shape}")
    return x


def _softmax_compute(x: Array) -> Array:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _log_softmax_compute(x: Array) -> Array:
    shifted = x - x.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


_softmax: Op = Op(
    "softmax",
    infer=partial(check_logits, "softmax"),
    compute=_softmax_compute,
    vjp=(lambda g, y, x: y * (g - sum(g * y, -1, keepdims=True)),),
    formula="y[k] = e^x[k] / sum_j e^x[j], over the last axis",
)

_log_softmax: Op = Op(
    "log_softmax",
    infer=partial(check_logits, "log_softmax"),
    compute=_log_softmax_compute,
    vjp=(lambda g, y, x: g - exp(y) * sum(g, -1, keepdims=True),),
    formula="y[k] = x[k] - log sum_j e^x[j], over the last axis",
)


# A label of weight 0 may have the logit -inf.
_weigh: Op = Op(
    "weigh",
    infer=lambda weights, x: x,
    compute=lambda weights, x: np.where(weights == 0, x.dtype.type(0), weights * x),
    vjp=(lambda g, y, weights, x: g * x, lambda g, y, weights, x: g * weights),
    formula="weights x, and 0 where a weight is 0, also if x is not finite",
)


def _over(op: Op, x: Tensor, axis: int) -> Tensor:
    """Apply an op of the last axis along another one."""
    place = normal_axis(op.name, axis, x)
    last = x.ndim - 1
    if place == last:
        return op(x)
    order = list(range(x.ndim))
    order[place], order[last] = last, place
    return op(x.transpose(order)).transpose(order)


def softmax(x: Any, axis: int = -1) -> Tensor:
    """Turn logits into probabilities.

    Parameters
    ----------
    x : Tensor
        Floating, any shape with at least one axis.
    axis : int
        The axis of the classes.

    Returns
    -------
    Tensor
        Of the shape of ``x``; positive numbers with the sum 1 along the axis.

    Raises
    ------
    ShapeError, DTypeError
        If there is no such axis, or ``x`` is not floating.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.softmax(tn.Tensor([0.0, 0.0]))
    Tensor([0.5, 0.5])
    """
    return _over(_softmax, as_tensor(x), axis)


def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """Turn logits into log-probabilities.

    Parameters
    ----------
    x : Tensor
        Floating, any shape with at least one axis.
    axis : int
        The axis of the classes.

    Returns
    -------
    Tensor
        Of the shape of ``x``; its exponential is the softmax.

    Raises
    ------
    ShapeError, DTypeError
        If there is no such axis, or ``x`` is not floating.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.log_softmax(tn.Tensor([0.0, 1e4]))
    Tensor([-10000.,      0.])
    """
    return _over(_log_softmax, as_tensor(x), axis)


checks_of_logits: list[Callable[[Op, Tensor], None]] = []  # raise if an output cannot be logits; see `ops.keeping`


def logits_of(output: Tensor, activation: Op) -> Tensor:
    """Return the input of the activation that made a tensor, or the tensor itself if another op made it.

    Raises
    ------
    ArgumentError
        If the activation made these values, but an op that keeps them comes after it: they would be taken for logits.
    """
    if output.node is not None and output.node.op is activation:
        return output.node.inputs[0]
    for check in checks_of_logits:
        check(activation, output)
    return output


def check_classes(labels: Value, shape: Shape) -> None:
    """Check class labels against an output of shape (n, ..., K).

    Parameters
    ----------
    labels : ndarray or Spec
        Integers (n, ...) from 0 to K - 1, or rows (n, ..., K) that are >= 0 and sum to 1. For a `Spec`, only the shape
        and the dtype are checked.
    shape : tuple of int
        The shape of the output.

    Raises
    ------
    DTypeError, ShapeError, DataError
        If the output or the labels are not of that form.
    """
    if len(shape) < 2:
        raise ShapeError(
            f"cross_entropy: the output must have shape (n, ..., classes), but has {shape}; is a Dense layer missing?"
        )
    classes = shape[-1]
    if labels.shape == shape and (classes > 1 or labels.dtype.kind == "f"):
        if isinstance(labels, np.ndarray):
            _check_rows(labels.reshape(-1, classes))
        return
    hint = '; for outputs of one column and labels from 0 to 1 use "binary_cross_entropy"' if classes == 1 else ""
    if labels.shape == shape[:-1] and labels.dtype.kind not in "iu":
        raise DTypeError(
            f"cross_entropy: labels are class numbers, so integers, but got dtype {labels.dtype} of shape "
            f"{labels.shape}; convert with labels.astype(int) if they are whole numbers{hint}"
        )
    if labels.shape != shape[:-1]:
        column = "; take the only column of the labels, y[..., 0]" if labels.shape == (*shape[:-1], 1) else ""
        missing = "; is a Flatten layer missing?" if len(shape) > 2 and len(labels.shape) == 1 else ""
        raise ShapeError(
            f"cross_entropy: the output has shape {shape}, so labels must have shape {shape[:-1]} (class numbers) or "
            f"{shape} (probabilities), but have {labels.shape}{hint or column or missing}"
        )
    if isinstance(labels, np.ndarray) and labels.size and not (labels.min() >= 0 and labels.max() < classes):
        raise DataError(
            f"cross_entropy: labels must be from 0 to {classes - 1} for {classes} classes, but run from "
            f"{labels.min()} to {labels.max()}{hint}"
        )


def _check_rows(rows: Array) -> None:
    sums = rows.sum(axis=1, dtype=np.float64)
    wrong = (rows < 0).any(axis=1) | ~(np.abs(sums - 1) <= 1e-4)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"cross_entropy: rows of labels must be probabilities, each >= 0 and with sum 1, but row {row} has the sum "
            f"{sums[row]:g} and values from {rows[row].min():g} to {rows[row].max():g}; for labels each from 0 to 1, "
            'whatever the others are, use "binary_cross_entropy"'
        )


def reduced(values: Tensor, reduction: str) -> Tensor:
    """Return the mean of some losses, or the losses themselves, by the argument ``reduction``."""
    if reduction not in ("mean", "none"):
        raise ArgumentError(f'reduction must be "mean" or "none", but got {reduction!r}')
    return mean(values) if reduction == "mean" else values


def cross_entropy(output: Any, labels: Any, label_smoothing: float = 0.0, reduction: str = "mean") -> Tensor:
    """Cross-entropy of class labels.

    Parameters
    ----------
    output : Tensor
        (N, ..., K), of K classes. If a softmax over the last axis made it, the loss is computed from the input of that
        softmax, which is exact at any size. Any other output counts as logits.
    labels : Tensor or array
        Integers (N, ...) from 0 to K - 1; or rows (N, ..., K) that are >= 0 and sum to 1, such as `one_hot` returns.
    label_smoothing : float
        From 0 to 1: the share a of each label that is spread evenly over all classes. A label y, written as a row,
        becomes (1 - a) y + a / K.
    reduction : {"mean", "none"}
        The mean, or the loss of each label.

    Returns
    -------
    Tensor
        -log(probability of the label): without axes, the mean over all labels; or (N, ...), the loss of each label.

    Raises
    ------
    ShapeError, DTypeError, DataError, ArgumentError
        If the output is not (N, ..., K), the labels do not fit it, or an argument is not one of the above.

    References
    ----------
    Label smoothing: Szegedy et al., "Rethinking the Inception architecture for computer vision", CVPR 2016, section 7.

    Examples
    --------
    >>> import tinynet as tn
    >>> round(tn.ops.cross_entropy(tn.Tensor([[0.0, 0.0]]), [1]).item(), 6)
    0.693147
    >>> tn.ops.cross_entropy(tn.Tensor([[2.0, 0.0], [0.0, 0.0]]), [1, 1], label_smoothing=0.5, reduction="none")
    Tensor([1.62692801, 0.69314718])
    """
    output, labels = as_tensor(output), as_tensor(labels)
    check_logits("cross_entropy", output.spec)
    check_classes(labels.data if labels.known else labels.spec, output.shape)
    if not output.size:
        raise ShapeError("cross_entropy: the output has no samples; a mean needs at least one")
    rows = reshape(logits_of(output, _softmax), (-1, output.shape[-1]))
    logs = log_softmax(rows)
    if labels.ndim == output.ndim:
        found = sum(_weigh(reshape(cast(labels, logs.dtype), rows.shape), logs), -1)
    else:
        found = _index(logs, constant(np.arange(rows.shape[0])), reshape(labels, rows.shape[:1]), checked=False)
    if share := check_positive("cross_entropy", "label_smoothing", label_smoothing, zero=True, most=1):
        found = (1 - share) * found + share * mean(logs, -1)
    return -reduced(reshape(found, output.shape[:-1]), reduction)


def scalar_loss(loss: Loss, output: Tensor, labels: Tensor) -> Tensor:
    """Apply a loss that returns one number, or numbers for each sample, and then take their mean."""
    value = loss(output, labels)
    if isinstance(value, Tensor) and value.size == 1:
        return value
    if not isinstance(value, Tensor) or value.shape[:1] != output.shape[:1]:
        came = f"shape {value.shape}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise ArgumentError(
            f"the loss must be a Tensor of one number, the mean over the batch, or of numbers for each sample, but is "
            f"{came}"
        )
    return mean(value)
