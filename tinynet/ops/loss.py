"""Softmax and the losses. The losses work on logits, where they are stable at any size."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tinynet.core.engine import Node, Op, Tensor, as_tensor, constant, is_constant
from tinynet.core.spec import Array, Value
from tinynet.errors import ArgumentError, DataError, DTypeError, ShapeError
from tinynet.ops.dtypes import _cast, cast, check_floating
from tinynet.ops.pointwise import exp, multiply
from tinynet.ops.reduce import mean, sum
from tinynet.ops.shape import _index, normal_axis

Loss = Callable[[Tensor, Tensor], Tensor]


def check_logits(name: str, x: Value) -> Value:
    """Check that values are floating and have an axis of classes; returns them."""
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


# Where a label has no weight, its logit may be -inf.
_weigh: Op = Op(
    "weigh",
    infer=lambda weights, x: x,
    compute=lambda weights, x: np.where(weights == 0, x.dtype.type(0), weights * x),
    vjp=(lambda g, y, weights, x: g * x, lambda g, y, weights, x: g * weights),
    formula="weights x, and 0 where a weight is 0, whatever x is there",
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
        Of the shape of ``x``; positive, with sum 1 along the axis.

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


def logits_of(output: Tensor, activation: Op) -> Tensor:
    """Return the input of the activation that made a tensor, or the tensor itself if another op made it.

    Raises
    ------
    ArgumentError
        If the activation made the same values in another shape, order or dtype: they look like logits, and are none.
    """
    node = output.node
    while node is not None and _keeps_values(node):
        node = node.inputs[0].node
    if node is None or node.op is not activation:
        return output
    if node is not output.node:
        raise ArgumentError(
            f"the output has the values of {activation.name}, but another op comes between it and the loss, which "
            f"would take them for logits; apply {activation.name} last, or leave it out"
        )
    return node.inputs[0]


def _keeps_values(node: Node) -> bool:
    return node.op.view or node.op is _cast or (node.op is multiply and is_constant(node.inputs[1]))


def check_classes(labels: Array, n: int, classes: int) -> None:
    """Check class labels against an output of shape (n, classes).

    Parameters
    ----------
    labels : ndarray
        Integers (n,) from 0 to classes - 1, or rows (n, classes) that are >= 0 and sum to 1.
    n, classes : int
        The shape of the output.

    Raises
    ------
    DTypeError, ShapeError, DataError
        If the labels are not of that form.
    """
    if labels.ndim == 2 and labels.shape == (n, classes) and (classes > 1 or labels.dtype.kind == "f"):
        sums = labels.sum(axis=1, dtype=np.float64)
        if not (np.min(labels, initial=0) >= 0 and np.allclose(sums, 1, rtol=0, atol=1e-4)):
            raise DataError(
                f"cross_entropy: rows of labels must be probabilities, each >= 0 and with sum 1, but the values run "
                f"from {labels.min():g} to {labels.max():g} and the sums from {sums.min():g} to {sums.max():g}"
            )
        return
    if labels.ndim == 1 and labels.dtype.kind not in "iu":
        raise DTypeError(
            f"cross_entropy: labels are class numbers, so integers, but got dtype {labels.dtype} of shape "
            f"{labels.shape}; convert with labels.astype(int) if they are whole numbers"
        )
    if labels.shape != (n,):
        raise ShapeError(
            f"cross_entropy: the output has shape {(n, classes)}, so labels must have shape {(n,)} (class numbers) or "
            f"{(n, classes)} (probabilities), but have {labels.shape}"
        )
    if n and not (labels.min() >= 0 and labels.max() < classes):
        raise DataError(
            f"cross_entropy: labels must be from 0 to {classes - 1} for {classes} classes, but run from "
            f"{labels.min()} to {labels.max()}"
        )


def cross_entropy(output: Any, labels: Any) -> Tensor:
    """Mean cross-entropy of class labels.

    Parameters
    ----------
    output : Tensor
        (N, K). If a softmax over the last axis made it, the loss is computed from the input of that softmax, which is
        exact at any size; anything else is taken as logits.
    labels : Tensor or array
        Integers (N,) from 0 to K - 1; or rows (N, K) that are >= 0 and sum to 1, such as `one_hot` returns.

    Returns
    -------
    Tensor
        Of no axes: the mean over the samples of -log(probability of the label).

    Raises
    ------
    ShapeError, DTypeError, DataError
        If the output is no (N, K) or the labels do not fit it.

    Examples
    --------
    >>> import tinynet as tn
    >>> round(tn.ops.cross_entropy(tn.Tensor([[0.0, 0.0]]), [1]).item(), 6)
    0.693147
    """
    output, labels = as_tensor(output), as_tensor(labels)
    if output.ndim != 2:
        raise ShapeError(
            f"cross_entropy: the output must have shape (N, classes), but has {output.shape}; is a Flatten missing?"
        )
    n, classes = output.shape
    if not n:
        raise ShapeError("cross_entropy: the output has no samples; there is no mean of nothing")
    check_logits("cross_entropy", output.spec)
    if labels.known:
        check_classes(labels.data, n, classes)
    logs = log_softmax(logits_of(output, _softmax))
    if labels.ndim == 1:
        return -mean(_index(logs, constant(np.arange(n)), labels, checked=False))
    return -sum(_weigh(cast(labels, logs.dtype), logs)) / n


def scalar_loss(loss: Loss, output: Tensor, labels: Tensor) -> Tensor:
    """Apply a loss, and check that it returns one number."""
    value = loss(output, labels)
    if not isinstance(value, Tensor) or value.size != 1:
        came = f"shape {value.shape}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise ArgumentError(f"the loss must be a Tensor of one number, but is {came}; take its mean over the batch")
    return value
