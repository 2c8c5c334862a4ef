"""Softmax and cross-entropy of class labels: -mean(log_softmax(logits)[arange(n), labels])."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.engine import Node, Tensor, constant, is_constant
from tinynet.core.spec import Array, Spec
from tinynet.errors import GradientError
from tinynet.fast.bindings.rows import sums_of_rows
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import fused as kernels
from tinynet.fast.match import Fusion, Rewrite, Uses, fits_kernels, fused_op
from tinynet.ops.compare import equal
from tinynet.ops.dtypes import cast
from tinynet.ops.loss import _log_softmax, log_softmax
from tinynet.ops.pointwise import divide, exp, negative
from tinynet.ops.reduce import _sum, mean
from tinynet.ops.shape import _index, _reshape, reshape
from tinynet.ops.slices import getitem


def softmax_cross_entropy_parts(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the loss and its slope by the ops that the fused op stands for."""
    n, classes = logits.shape
    logs = log_softmax(logits)
    hot = cast(equal(reshape(labels, (n, 1)), constant(np.arange(classes))), logits.dtype)
    return -mean(getitem(logs, (constant(np.arange(n)), labels))), (exp(logs) - hot) / n


def _vjp(g: tuple[Any, Any], out: tuple[Tensor, Tensor], logits: Tensor, labels: Tensor) -> Tensor:
    if g[1] is not None:
        raise GradientError("op 'softmax_cross_entropy' has first derivatives only: its slope has no derivative")
    return out[1] if g[0].known and g[0].item() == 1 else out[1] * g[0]


def _bind(loss: Array, *arrays: Array) -> tuple[Any, ...]:
    return kernels.cross_entropy, loss.reshape(1), *arrays


softmax_cross_entropy = fused_op(
    "softmax_cross_entropy",
    softmax_cross_entropy_parts,
    infer=lambda logits, labels: (Spec((), logits.dtype), Spec(logits.shape, logits.dtype)),
    implementation=Implementation(_bind, sums_of_rows, contiguous=True),
    vjp=(_vjp,),
    formula="the mean cross-entropy of logits (n, K) and class labels (n,), and its slope: (softmax - one-hot) / n",
)


def _match(node: Node, uses: Uses) -> Rewrite | None:
    quotient = uses.sole_producer(node.inputs[0], divide) if node.op is negative else None
    total = uses.sole_producer(quotient.inputs[0], _sum) if quotient else None
    flat = uses.sole_producer(total.inputs[0], _reshape) if total else None  # of labels in more than one axis
    picked = uses.sole_producer((flat or total).inputs[0], _index) if total else None
    logs = uses.sole_producer(picked.inputs[0], _log_softmax) if picked else None
    if quotient is None or picked is None or logs is None or len(picked.inputs) != 3 or logs.inputs[0].ndim != 2:
        return None
    _, rows, labels = picked.inputs
    count, n = quotient.inputs[1], logs.inputs[0].shape[0]
    all_rows = is_constant(rows) and np.array_equal(rows.data, np.arange(n)) and labels.shape == (n,)
    is_mean = is_constant(count) and count.size == 1 and count.item() == n
    if not all_rows or not is_mean or not fits_kernels(labels):
        return None
    return Rewrite(lambda logits, labels: softmax_cross_entropy(logits, labels)[0], (logs.inputs[0], labels))


FUSION = Fusion(_match, {softmax_cross_entropy: "log_softmax + index + sum + divide + negative"})
