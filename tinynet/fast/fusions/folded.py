"""A batch normalisation after a convolution or a dense layer, all of constants, folded into weights and bias.

That is how a frozen predictor has them. With a scale s and a shift t, (x w + b - mean) s + t is x (w s) + ((b - mean) s
+ t). Where parameters are trained they are no constants, and nothing is folded.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.engine import Node, Op, constant, is_constant
from tinynet.fast.match import Fusion, Rewrite, Uses
from tinynet.ops.conv import _conv2d, _conv2d_input_grad
from tinynet.ops.linear import _matmul
from tinynet.ops.pointwise import add, multiply, subtract

_AXES_BEHIND: dict[Op, int] = {_matmul: 0, _conv2d: 0, _conv2d_input_grad: 1}  # the channels, in the weights


@np.errstate(all="ignore")
def _match(node: Node, uses: Uses) -> Rewrite | None:
    product = uses.sole_producer(node.inputs[0], multiply) if node.op is add else None
    away = uses.sole_producer(product.inputs[0], subtract) if product else None
    if product is None or away is None:
        return None
    y = away.inputs[0]
    total = uses.sole_producer(y, add)
    y = total.inputs[0] if total else y
    linear = uses.sole_producer(y, y.node.op) if y.node else None
    if linear is None or linear.op not in _AXES_BEHIND or linear.attrs.get("trans_b"):
        return None
    by = [step.inputs[1] for step in (node, product, away, *([total] if total else []))]
    if not all(is_constant(x) for x in (linear.inputs[1], *by)) or any(x.shape != y.shape[-1:] for x in by):
        return None
    shift, scale, mean, *bias = (x.memory.astype(np.float64) for x in by)
    w = linear.inputs[1].memory * scale.reshape(-1, *[1] * _AXES_BEHIND[linear.op])
    folded = [constant(a.astype(y.dtype)) for a in (w, (sum(bias) - mean) * scale + shift)]
    return Rewrite(lambda x: linear.op(x, folded[0], **linear.attrs) + folded[1], linear.inputs[:1])


FUSION = Fusion(_match, twice=True)
