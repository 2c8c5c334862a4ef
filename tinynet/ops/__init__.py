"""The ops: every operation on tensors, declared once.

A declaration (`tinynet.Op`) states the shapes, the computation and the gradient of an op. A public name is either an op
itself, or a function that checks and converts arguments for an op.

A network with convolution, pooling and dense layers, and its gradients, need few of the files. Read these first, in the
order in which they import each other: dtypes, shape (reshape, and indexing by integers), reduce (sums and
broadcasting), pointwise (arithmetic and relu), linear, conv, pool, loss, join. The other files have one further idea
each, such as comparisons or powers. They may import the first ones, which never import them. This package imports all
of them, and sets itself as the source of the operators and methods of `Tensor`, such as ``t ** 2`` and ``t.max()``.
"""

import sys
from types import ModuleType

from tinynet.core.engine import Op, Tensor
from tinynet.core.methods import Methods
from tinynet.ops import keeping as _keeping  # noqa: F401 - which adds a check of logits to the losses
from tinynet.ops.absolute import abs, sign
from tinynet.ops.arrange import concatenate, pad, stack, transpose
from tinynet.ops.average import avg_pool
from tinynet.ops.binary import binary_cross_entropy
from tinynet.ops.compare import (
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    not_equal,
    where,
)
from tinynet.ops.conv import conv2d
from tinynet.ops.conv_transposed import conv2d_transpose
from tinynet.ops.dtypes import cast
from tinynet.ops.einstein import einsum
from tinynet.ops.extremes import argmax, argmin, clip, max, maximum, min, minimum
from tinynet.ops.gaussian import erf, gelu
from tinynet.ops.linear import matmul
from tinynet.ops.logistic import logaddexp, sigmoid, silu, softplus, tanh
from tinynet.ops.loss import cross_entropy, log_softmax, softmax
from tinynet.ops.moments import std, var
from tinynet.ops.pieces import split, unstack
from tinynet.ops.pointwise import add, divide, exp, multiply, negative, relu, subtract
from tinynet.ops.pool import max_pool
from tinynet.ops.powers import expm1, log, power, sqrt
from tinynet.ops.products import prod
from tinynet.ops.rectifiers import elu, leaky_relu
from tinynet.ops.reduce import broadcast_to, mean, sum, sum_to
from tinynet.ops.regression import huber, mean_absolute_error, mean_squared_error
from tinynet.ops.repetition import repeat
from tinynet.ops.running import cumsum
from tinynet.ops.shape import reshape
from tinynet.ops.slices import getitem
from tinynet.ops.trigonometry import cos, sin

# fmt: off
__all__ = [
    "abs", "add", "argmax", "argmin", "avg_pool", "binary_cross_entropy", "broadcast_to", "cast", "clip",
    "concatenate", "conv2d", "conv2d_transpose", "cos", "cross_entropy", "cumsum", "declared", "divide", "einsum",
    "elu", "equal", "erf", "exp", "expm1", "gelu", "getitem", "greater", "greater_equal", "huber", "leaky_relu",
    "less", "less_equal", "log", "log_softmax", "logaddexp", "logical_and", "logical_not", "logical_or", "matmul",
    "max", "max_pool", "maximum", "mean", "mean_absolute_error", "mean_squared_error", "min", "minimum", "multiply",
    "negative", "not_equal", "pad", "power", "prod", "relu", "repeat", "reshape", "sigmoid", "sign", "silu", "sin",
    "softmax", "softplus", "split", "sqrt", "stack", "std", "subtract", "sum", "sum_to", "tanh", "transpose",
    "unstack", "var", "where",
]
# fmt: on


def declared() -> dict[str, Op]:
    """Return every op that the modules of this package declare, by name.

    Ops that are declared elsewhere are not among them: the steps of optimizers in ``tinynet.optim``, and the fused ops,
    which ``tinynet.fast.fusions.STANDS_FOR`` lists.

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
for _part in Methods.__mro__[:-1]:  # but for object
    for _name, _method in vars(_part).items():
        if callable(_method) or isinstance(_method, property):
            setattr(Tensor, _name, _method)
