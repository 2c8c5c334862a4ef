"""The ops: every operation on tensors, declared once.

A declaration (`tinynet.Op`) gives the shapes, the computation and the gradient of an op. What is public here
is either an op itself or a function that brings its arguments into the form that the op takes.
"""

import sys
from types import ModuleType

from tinynet.core.engine import Op, Tensor
from tinynet.ops.cast import cast
from tinynet.ops.conv import conv2d
from tinynet.ops.linear import matmul
from tinynet.ops.loss import binary_cross_entropy, cross_entropy, log_softmax, softmax
from tinynet.ops.pointwise import (
    abs,
    add,
    divide,
    equal,
    exp,
    greater,
    greater_equal,
    less,
    less_equal,
    log,
    logaddexp,
    maximum,
    multiply,
    negative,
    not_equal,
    power,
    relu,
    sigmoid,
    sign,
    softplus,
    subtract,
    tanh,
    where,
)
from tinynet.ops.pool import max_pool
from tinynet.ops.reduce import broadcast_to, max, mean, sum, sum_to
from tinynet.ops.shape import concatenate, getitem, pad, reshape, transpose

# fmt: off
__all__ = [
    "abs", "add", "binary_cross_entropy", "broadcast_to", "cast", "concatenate", "conv2d", "cross_entropy",
    "declared", "divide", "equal", "exp", "getitem", "greater", "greater_equal", "less", "less_equal", "log",
    "log_softmax", "logaddexp", "matmul", "max", "max_pool", "maximum", "mean", "multiply", "negative", "not_equal",
    "pad", "power", "relu", "reshape", "sigmoid", "sign", "softmax", "softplus", "subtract", "sum", "sum_to",
    "tanh", "transpose", "where",
]
# fmt: on


def declared() -> dict[str, Op]:
    """Return every op that the modules of this package declare, by name.

    Ops that are declared elsewhere are not listed: the step of Adam in ``tinynet.optim``, and the fused ops, which
    ``tinynet.fast.fusions.declared`` lists.

    Returns
    -------
    dict of str to Op
        In the order of the names.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.ops.declared()["conv2d"]
    <Op conv2d>
    """
    families = [m for name, m in sys.modules.items() if isinstance(m, ModuleType) and name.startswith(f"{__name__}.")]
    found = {thing.name: thing for m in families for thing in vars(m).values() if isinstance(thing, Op)}
    return dict(sorted(found.items()))


Tensor._ops = sys.modules[__name__]  # the operators of tensors are these ops
