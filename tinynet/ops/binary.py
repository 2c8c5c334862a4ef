"""The loss of two classes, and of several independent labels for each sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.checks import check_positive
from tinynet.core.engine import Tensor, as_tensor
from tinynet.core.spec import Shape, Value
from tinynet.errors import DataError, ShapeError
from tinynet.ops.dtypes import cast
from tinynet.ops.logistic import sigmoid, softplus
from tinynet.ops.loss import _weigh, check_logits, logits_of, reduced
from tinynet.ops.regression import check_targets
from tinynet.ops.shape import reshape


def check_binary(labels: Value, shape: Shape) -> None:
    """Check binary labels against an output of some shape.

    Parameters
    ----------
    labels : ndarray or Spec
        Numbers from 0 to 1 in any dtype, or bool, of the shape of the output; (n,) fits (n, 1), and the reverse. For a
        `Spec`, only the shape is checked.
    shape : tuple of int
        The shape of the output.

    Raises
    ------
    ShapeError, DataError
        If the labels are not of that form.
    """
    check_targets("binary_cross_entropy", labels.shape, shape, "; for class numbers use cross_entropy")
    if isinstance(labels, np.ndarray) and not ((labels >= 0) & (labels <= 1)).all():
        raise DataError(
            f"binary_cross_entropy: labels must be from 0 to 1, but run from {labels.min()} to {labels.max()}; for "
            "class numbers of more than two classes use cross_entropy"
        )


def binary_cross_entropy(output: Any, labels: Any, label_smoothing: float = 0.0, reduction: str = "mean") -> Tensor:
    """Cross-entropy of labels 0 and 1, or of probabilities between.

    Parameters
    ----------
    output : Tensor
        (N, ...). If a sigmoid made it, the loss is computed from the input of that sigmoid, which is exact at any
        size. Any other output counts as logits.
    labels : Tensor or array
        Numbers from 0 to 1, or bool, of the shape of the output; (N,) fits (N, 1), and the reverse.
    label_smoothing : float
        From 0 to 1: the share a by which labels are moved towards 1/2. A label y becomes (1 - a) y + a / 2.
    reduction : {"mean", "none"}
        The mean, or the loss of each output.

    Returns
    -------
    Tensor
        y log(1 + e^-z) + (1 - y) log(1 + e^z), with the logit z and the label y: without axes, the mean over all
        outputs; or of the shape of the output, the loss of each.

    Raises
    ------
    ShapeError, DTypeError, DataError, ArgumentError
        If the labels do not fit the output, there are no samples, the output is not floating, or an argument is none
        of the above.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.binary_cross_entropy(tn.Tensor([1e4, 1e4]), [1, 0]).item()
    5000.0
    >>> tn.ops.binary_cross_entropy(tn.Tensor([[2.0, -2.0]]), [[1.0, 0.5]], reduction="none")
    Tensor([[0.12692801, 1.12692801]])
    """
    output, labels = as_tensor(output), as_tensor(labels)
    if output.ndim and not output.size:
        raise ShapeError("binary_cross_entropy: the output has no samples; a mean needs at least one")
    check_logits("binary_cross_entropy", output.spec)
    check_binary(labels.data if labels.known else labels.spec, output.shape)
    share = check_positive("binary_cross_entropy", "label_smoothing", label_smoothing, zero=True, most=1)
    logits = logits_of(output, sigmoid)
    target = reshape(cast(labels, logits.dtype), output.shape)
    if share or labels.dtype.kind == "f":
        target = (1 - share) * target + share / 2 if share else target
        # If a label is 0 or 1, the logit may be infinite with the right sign.
        losses = _weigh(target, softplus(-logits)) + _weigh(1 - target, softplus(logits))
    else:
        losses = softplus((1 - 2 * target) * logits)
    return reduced(losses, reduction)
