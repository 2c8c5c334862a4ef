"""The loss of two classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.engine import Tensor, as_tensor
from tinynet.core.spec import Array
from tinynet.errors import DataError, ShapeError
from tinynet.ops.dtypes import cast
from tinynet.ops.logistic import sigmoid, softplus
from tinynet.ops.loss import check_logits, logits_of
from tinynet.ops.reduce import mean
from tinynet.ops.shape import reshape


def check_binary(labels: Array, shape: tuple[int, ...]) -> None:
    """Check binary labels against an output of shape (n,) or (n, 1).

    Parameters
    ----------
    labels : ndarray
        0 and 1 in any dtype, or bool; (n,) or (n, 1).
    shape : tuple of int
        The shape of the output.

    Raises
    ------
    ShapeError, DataError
        If the labels are not of that form.
    """
    n = shape[0]
    if labels.shape not in ((n,), (n, 1)):
        raise ShapeError(
            f"binary_cross_entropy: the output has shape {shape}, so labels must have shape {(n,)} or {(n, 1)}, "
            f"but have {labels.shape}"
        )
    if not np.isin(labels, (0, 1)).all():
        raise DataError(
            f"binary_cross_entropy: labels must be 0 or 1, but run from {labels.min()} to {labels.max()}; for more "
            "than two classes use cross_entropy"
        )


def binary_cross_entropy(output: Any, labels: Any) -> Tensor:
    """Mean cross-entropy of labels 0 and 1.

    Parameters
    ----------
    output : Tensor
        (N,) or (N, 1). If a sigmoid made it, the loss is computed from the input of that sigmoid, which is exact at
        any size; anything else is taken as logits.
    labels : Tensor or array
        0 and 1, or bool; (N,) or (N, 1).

    Returns
    -------
    Tensor
        Of no axes: the mean over the samples of log(1 + e^-z) for label 1, log(1 + e^z) for label 0, z the logit.

    Raises
    ------
    ShapeError, DTypeError, DataError
        If the output is no (N,) or (N, 1), or the labels do not fit it.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.binary_cross_entropy(tn.Tensor([1e4, 1e4]), [1, 0]).item()
    5000.0
    """
    output, labels = as_tensor(output), as_tensor(labels)
    if output.ndim not in (1, 2) or output.shape[1:] not in ((), (1,)):
        raise ShapeError(f"binary_cross_entropy: the output must have shape (N,) or (N, 1), but has {output.shape}")
    if not output.shape[0]:
        raise ShapeError("binary_cross_entropy: the output has no samples; there is no mean of nothing")
    check_logits("binary_cross_entropy", output.spec)
    if labels.known:
        check_binary(labels.data, output.shape)
    logits = reshape(logits_of(output, sigmoid), (output.shape[0],))
    toward_one = 1 - 2 * reshape(cast(labels, logits.dtype), logits.shape)
    return mean(softplus(toward_one * logits))
