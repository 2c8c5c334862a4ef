"""A constant scale and shift of channels, folded into the constant weights of the layer before.

So a batch normalisation costs nothing in a frozen predictor: with a scale s and a shift t, (x w + b - mean) s + t is
x (w s) + ((b - mean) s + t).
"""

from __future__ import annotations

import numpy as np

from tinynet.core.engine import Op, Tensor, apply, constant, is_constant
from tinynet.core.spec import Array
from tinynet.ops.conv import _conv2d, _conv2d_input_grad
from tinynet.ops.linear import _matmul
from tinynet.ops.pointwise import add
from tinynet.ops.shape import _reshape

_AXES_BEHIND: dict[Op, int] = {_matmul: 0, _conv2d: 0, _conv2d_input_grad: 1}  # axes of weights after their channels


def folded(x: Tensor, mean: Array, scale: Array, shift: Array) -> Tensor | None:
    """Return (x - mean) scale + shift, computed by the op that made x, with other weights.

    Parameters
    ----------
    x : Tensor
        While tracing: the output of a convolution or a product, with or without a bias. A plan then leaves out the ops
        that made it, unless something else uses them.
    mean, scale, shift : ndarray
        One number for each channel, the last axis.

    Returns
    -------
    Tensor or None
        None if nothing can be folded: if weights may change, another op made x, or x requires a gradient.
    """
    if x.requires_grad or not x.symbolic:
        return None
    node = x.node
    if node and node.op is _reshape and node.inputs[0].shape[-1] == x.shape[-1]:  # by a dense layer over sequences
        node = node.inputs[0].node
    bias = node.inputs[1] if node and node.op is add else constant(np.zeros_like(mean))
    linear = node.inputs[0].node if node and node.op is add else node
    if linear is None or linear.op not in _AXES_BEHIND or linear.attrs.get("trans_b"):
        return None
    w = linear.inputs[1]
    if not (is_constant(w) and is_constant(bias) and bias.shape == mean.shape):
        return None
    wide = scale.astype(np.float64)
    weight = w.memory * wide.reshape(-1, *[1] * _AXES_BEHIND[linear.op])
    rest = (bias.memory - mean.astype(np.float64)) * wide + shift
    made = apply(linear.op, (linear.inputs[0], constant(weight.astype(x.dtype))), linear.attrs)
    y: Tensor = made + constant(rest.astype(x.dtype))
    return y.reshape(*x.shape)
