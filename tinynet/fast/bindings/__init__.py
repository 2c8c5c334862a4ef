"""Which op runs on what: a table of texts, one line for each op that has an implementation of its own."""

from tinynet.core.engine import Op
from tinynet.fast.implementation import implement
from tinynet.ops import (
    compare,
    conv,
    extremes,
    gaussian,
    join,
    linear,
    logistic,
    loss,
    normalised,
    parts,
    pieces,
    pointwise,
    pool,
    reduce,
    shape,
    warp,
)
from tinynet.ops.dtypes import _cast
from tinynet.optim.adam import adam
from tinynet.optim.clipping import sum_of_squares
from tinynet.optim.rmsprop import rmsprop, rmsprop_with_momentum
from tinynet.optim.sgd import momentum_step

_TABLE: dict[Op, str] = {
    adam: "updates:adam",
    _cast: "arrays:cast",
    compare._where: "arrays:where",
    conv._conv2d: "conv:conv2d",
    conv._conv2d_input_grad: "conv:conv2d_input_grad",
    conv._conv2d_weight_grad: "conv:conv2d_weight_grad",
    extremes._max: "arrays:max",
    extremes._min: "arrays:min",
    gaussian._gelu: "pointwise:gelu",
    gaussian.gelu_gradient: "pointwise:gelu_gradient",
    reduce.all_finite: "reduce:all_finite",
    join._concatenate: "arrays:concatenate",
    momentum_step: "updates:momentum",
    linear._matmul: "linear:matmul",
    logistic.sigmoid: "arrays:sigmoid",
    logistic.softplus: "arrays:softplus",
    loss._log_softmax: "rows:log_softmax",
    loss._softmax: "rows:softmax",
    normalised.layer_norm: "rows:layer_norm",
    normalised.layer_norm_gradient: "rows:layer_norm_gradient",
    pieces._split: "arrays:split",
    pointwise.add: "pointwise:add",
    pointwise.relu: "pointwise:relu",
    pointwise.relu_gradient: "pointwise:relu_gradient",
    pool._max_pool: "pool:max_pool",
    pool._max_unpool: "pool:max_unpool",
    reduce._sum: "reduce:sum",
    rmsprop: "updates:rmsprop",
    rmsprop_with_momentum: "updates:rmsprop_with_momentum",
    sum_of_squares: "reduce:sum_of_squares",
    shape._index: "arrays:index",
    shape._index_add: "arrays:index_add",
    shape._reshape: "arrays:reshape",
    parts._unslice: "arrays:unslice",
    parts._unslices: "arrays:unslices",
    warp.warp: "warp:warp",
}

for _op, _where in _TABLE.items():
    implement(_op, f"{__name__}.{_where}")
