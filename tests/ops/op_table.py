"""The table of ops: for each, how to draw its arguments, what it must compute, and what it must refuse.

`ROWS` has a row for every public function of `tinynet.ops` and for every op in `OPS`; the tests in this directory go
through it. Drawn values keep away from kinks and ties, and from where a gradient would vanish: those have tests of
their own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

import tinynet as tn
from tests.ops import references as ref
from tinynet.errors import ArgumentError, DataError, DTypeError, ShapeError
from tinynet.fast import fusions
from tinynet.ops.conv import Geometry, geometry
from tinynet.optim.adam import adam
from tinynet.optim.clipping import sum_of_squares
from tinynet.optim.rmsprop import rmsprop, rmsprop_with_momentum
from tinynet.optim.sgd import momentum_step

# All ops that tinynet declares: those of its modules of ops, the fused ones, and those of optimizers.
OF_OPTIMIZERS = adam, momentum_step, rmsprop, rmsprop_with_momentum, sum_of_squares
OPS = {**tn.ops.declared(), **{op.name: op for op in fusions.STANDS_FOR}, **{op.name: op for op in OF_OPTIMIZERS}}

NONE: dict[str, Any] = {}


class Case(NamedTuple):
    """Arguments of an op: arrays, of which the floating ones are float64, and attributes."""

    inputs: tuple[np.ndarray, ...]
    attrs: dict[str, Any] = NONE


class Refused(NamedTuple):
    """Arguments that must raise an error, and what its message must say besides the name of the op."""

    error: type[Exception]
    says: tuple[str, ...]
    inputs: tuple[Any, ...]
    attrs: dict[str, Any] = NONE


@dataclass(frozen=True, repr=False)
class Row:
    """One op, or one public function made of ops.

    ``call`` applies it to arrays or tensors. ``dtype`` is what comes of a float dtype, where it is another one.
    ``differentiable`` says whether its result has a gradient, ``fused`` that it has no second derivative, ``nan``
    whether a NaN in its first input must show in the result. ``rtol`` is how closely its gradient can be measured.
    ``refused`` lists arguments that are not good.
    """

    name: str
    cases: st.SearchStrategy[Case]
    reference: Callable[..., np.ndarray]
    call: Callable[..., Any]
    dtype: Callable[[Case, np.dtype], np.dtype] = lambda case, given: given
    differentiable: bool = True
    fused: bool = False
    nan: bool = True
    rtol: float = 1e-4
    refused: tuple[Refused, ...] = ()

    def __repr__(self):
        return f"<Row {self.name}>"


ROWS: dict[str, Row] = {}

# For tests in which any few arguments will do.
few = settings(max_examples=max(1, settings().max_examples // 3))


def add(name, cases, reference, call=None, **rest):
    ROWS[name] = Row(name, cases, reference, call or getattr(tn.ops, name), **rest)


def shaped(*shape):
    return np.ones(shape)


def last_use(op, result):
    """Find a node of an op among those that made a tensor."""
    stack = [result.node]
    while stack:
        node = stack.pop()
        if node is not None and node.op is op:
            return node
        stack.extend(x.node for x in (node.inputs if node else ()))
    return None


# --- values

generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
lengths = st.integers(1, 4)


def spread(rng, shape, low=-2.0, high=2.0):
    """Distinct values, evenly spread but for a jitter, none near 0: clear winners, and signs beyond doubt."""
    n = int(np.prod(shape))
    grid = (np.arange(n) + 0.5 + rng.uniform(-0.2, 0.2, n)) / max(n, 1)
    values = low + (high - low) * grid
    values[np.abs(values) < 0.1 / max(n, 1)] += 0.3 / max(n, 1)
    return rng.permutation(values).reshape(shape)


def positive(rng, shape):
    return np.asarray(np.exp(spread(rng, shape, -1.5, 1.5)))


def nonzero(rng, shape):
    return np.asarray(positive(rng, shape) * rng.choice([-1.0, 1.0], shape))


@st.composite
def shapes(draw, least=0, most=3):
    return tuple(draw(st.lists(lengths, min_size=least, max_size=most)))


def unary(values=spread, **rest):
    return st.builds(lambda rng, shape: Case((values(rng, shape),)), generators, shapes(**rest))


@st.composite
def broadcast(draw, *values):
    """Operands of shapes that broadcast with each other, drawn from the given functions."""
    found = draw(mutually_broadcastable_shapes(num_shapes=len(values), max_dims=3, max_side=3)).input_shapes
    rng = draw(generators)
    return Case(tuple(value(rng, shape) for value, shape in zip(values, found, strict=True)))


# --- elementwise


def misfits(*arguments, fill=1.0):
    """Shapes that do not broadcast, in each place and axis."""
    a, b = (np.full(s, fill) for s in ((2, 3), (2, 4)))
    c = np.full((3, 3), fill)
    for i in range(1, len(arguments)):
        for other, axis in ((b, "axis -1"), (c, "axis -2")):
            inputs = [a] * len(arguments)
            inputs[i] = other
            yield Refused(ShapeError, ("(2, 3)", str(other.shape), axis, arguments[i]), tuple(inputs))


def whole(count):
    """Integers where floats are wanted."""
    return (Refused(DTypeError, ("int64", "astype"), (np.ones(2, int),) * count),)


def bools(count):
    """Bools where numbers are wanted."""
    return (Refused(DTypeError, ("bool", "astype"), (np.ones(2, bool),) * count),)


def binary(name, function, *values, **rest):
    more = rest.pop("refused", ())
    add(name, broadcast(*values), ref.elementwise(function), refused=(*misfits("x", "y"), *more), **rest)


def separated(rng, shape):
    """Values that differ from all others, in this operand and the next, by the jitter of a fine grid."""
    values = rng.permutation(np.arange(-1000, 1000))[: int(np.prod(shape))] / 400 + rng.uniform(0, 1e-3)
    return values.reshape(shape)


def sometimes_equal(rng, shape):
    return np.asarray(rng.integers(-1, 2, shape), float)


def boolean(case, given):
    return np.dtype(bool)


binary("add", lambda x, y: x + y, spread, spread)
binary("subtract", lambda x, y: x - y, spread, spread, refused=bools(2))
binary("multiply", lambda x, y: x * y, spread, spread)
binary("divide", lambda x, y: x / y, spread, nonzero)
binary("power", lambda x, y: x**y, positive, spread, refused=whole(2))
binary("maximum", max, separated, separated)
binary("minimum", min, separated, separated)
binary("logaddexp", ref.logaddexp, spread, spread, refused=whole(2))
for name, function in {
    "less": lambda x, y: x < y, "less_equal": lambda x, y: x <= y, "greater": lambda x, y: x > y,
    "greater_equal": lambda x, y: x >= y, "equal": lambda x, y: x == y, "not_equal": lambda x, y: x != y,
}.items():  # fmt: skip
    binary(name, function, sometimes_equal, sometimes_equal, dtype=boolean, differentiable=False, nan=False)


def truths(rng, shape):
    return np.asarray(rng.integers(0, 2, shape), bool)


def numbers(count):
    """Numbers where bools are wanted."""
    return (Refused(DTypeError, ("float64", "bool"), (np.ones(2),) * count),)


never = {"dtype": boolean, "differentiable": False, "nan": False}
for name, function in {"logical_and": lambda x, y: x and y, "logical_or": lambda x, y: x or y}.items():
    misfitting = tuple(misfits("x", "y", fill=True))
    add(name, broadcast(truths, truths), ref.elementwise(function), refused=(*misfitting, *numbers(2)), **never)
add("logical_not", unary(truths), ref.elementwise(lambda x: not x), refused=numbers(1), **never)

add("negative", unary(), ref.elementwise(lambda x: -x), refused=bools(1))
add("abs", unary(), ref.elementwise(lambda x: x if x > 0 else -x))
add("sign", unary(), ref.elementwise(ref.sign), refused=bools(1))
add("exp", unary(), ref.elementwise(ref.math.exp), refused=whole(1))
add("expm1", unary(), ref.elementwise(ref.math.expm1), refused=whole(1))
add("sqrt", unary(positive), ref.elementwise(ref.math.sqrt), refused=whole(1))
add("sin", unary(), ref.elementwise(ref.math.sin), refused=whole(1))
add("cos", unary(), ref.elementwise(ref.math.cos), refused=whole(1))
add("erf", unary(), ref.elementwise(ref.math.erf), refused=whole(1))
add("log", unary(positive), ref.elementwise(ref.math.log), refused=whole(1))
add("tanh", unary(), ref.elementwise(ref.math.tanh), refused=whole(1))
add("sigmoid", unary(), ref.elementwise(ref.sigmoid), refused=whole(1))
add("softplus", unary(), ref.elementwise(lambda x: ref.math.log1p(ref.math.exp(x))), refused=whole(1))
add("relu", unary(), ref.elementwise(lambda x: x if x > 0 else 0.0), refused=whole(1))


def with_settings(name, **choices):
    """Cases of one operand with an attribute, which is left out sometimes."""

    def case(rng, shape, value):
        return Case((spread(rng, shape),), {} if value is None else {name: value})

    return st.builds(case, generators, shapes(), st.sampled_from([None, *choices["of"]]))


def pointwise(function):
    """Apply a function of a number and attributes to each element."""
    return lambda x, **attrs: ref.elementwise(lambda v: function(v, **attrs))(x)


add(
    "leaky_relu", with_settings("negative_slope", of=(0.0, 0.3)),
    pointwise(lambda x, negative_slope=0.2: x if x > 0 else negative_slope * x), refused=whole(1),
)  # fmt: skip
add(
    "elu", with_settings("alpha", of=(0.5, 2.0)),
    pointwise(lambda x, alpha=1.0: x if x > 0 else alpha * (ref.math.exp(x) - 1)), refused=whole(1),
)  # fmt: skip
add("silu", unary(), ref.elementwise(lambda x: x * ref.sigmoid(x)), refused=(), rtol=1e-4)
add("gelu", with_settings("approximate", of=(True, False)), pointwise(ref.gelu))


@st.composite
def clips(draw):
    case = draw(broadcast(separated, separated, separated))
    x, low = case.inputs[:2]
    ends = draw(st.sampled_from(["both", "low", "high", "none"]))
    if ends == "both":
        return case
    if ends == "none":
        return Case((x,))
    return Case((x, low)) if ends == "low" else Case((x,), {"high": draw(st.sampled_from([-0.7503, 0.2507]))})


def naive_clip(x, low=None, high=None):
    def limited(x, *ends):
        return min(max(x, ends[0]), ends[1])

    ends = [np.array(v, float) for v in (-np.inf if low is None else low, np.inf if high is None else high)]
    return ref.elementwise(limited)(x, *ends)


add("clip", clips(), naive_clip)


@st.composite
def gradients_of_relu(draw):
    rng, shape = draw(generators), draw(shapes())
    return Case((spread(rng, shape), spread(rng, shape)))


add(
    "relu_gradient", gradients_of_relu(), ref.elementwise(lambda g, y: g if y > 0 else 0.0), OPS["relu_gradient"],
    nan=False, refused=(Refused(ShapeError, ("(2,)", "(3,)"), (shaped(2), shaped(3))),),
)  # fmt: skip


add(
    "gelu_gradient", broadcast(spread, spread), ref.elementwise(ref.gelu_gradient), OPS["gelu_gradient"],
    refused=(*misfits("g", "x"),),
)  # fmt: skip


def conditions(rng, shape):
    return np.asarray(rng.integers(0, 2, shape), bool)


add(
    "where",
    broadcast(conditions, spread, spread),
    ref.elementwise(lambda c, x, y: x if c else y),
    nan=False,
    refused=(
        *(r._replace(inputs=(r.inputs[0] > 0, *r.inputs[1:])) for r in misfits("condition", "x", "y")),
        Refused(DTypeError, ("float64", "bool"), (shaped(2), shaped(2), shaped(2))),
    ),
)


@st.composite
def casts(draw):
    dtype = draw(st.sampled_from(["float32", "float64"]))
    return Case((spread(draw(generators), draw(shapes())).astype(np.float32).astype(float),), {"dtype": dtype})


add(
    "cast", casts(), lambda x, dtype: x, rtol=1e-2, dtype=lambda case, given: np.dtype(case.attrs["dtype"]),
    refused=(Refused(DTypeError, ("complex128",), (shaped(2),), {"dtype": complex}),),
)  # fmt: skip


# --- products


@st.composite
def products(draw):
    rng, (m, k, n) = draw(generators), (draw(lengths) for _ in range(3))
    kind = draw(st.sampled_from(["matrices", "vectors", "stacks"]))
    if kind == "vectors":
        a = draw(st.sampled_from([(k,), (m, k)]))
        b = draw(st.sampled_from([(k,), (k, n)]))
        return Case((spread(rng, a), spread(rng, b)), {})
    trans_a, trans_b = draw(st.booleans()), draw(st.booleans())
    stacks = ((), ())
    if kind == "stacks":
        stacks = draw(mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=2)).input_shapes
    a = (*stacks[0], *((k, m) if trans_a else (m, k)))
    b = (*stacks[1], *((n, k) if trans_b else (k, n)))
    return Case((spread(rng, a), spread(rng, b)), {"trans_a": trans_a, "trans_b": trans_b})


add(
    "matmul",
    products(),
    ref.matmul,
    refused=(
        Refused(ShapeError, ("(2, 3)", "(4, 5)", "3 columns", "4 rows"), (shaped(2, 3), shaped(4, 5))),
        Refused(ShapeError, ("(3, 2) (transposed)", "(4, 5)"), (shaped(3, 2), shaped(4, 5)), {"trans_a": True}),
        Refused(ShapeError, ("(2, 3)", "(5, 4) (transposed)"), (shaped(2, 3), shaped(5, 4)), {"trans_b": True}),
        Refused(ShapeError, ("(2, 1, 3)", "(3, 3, 1)", "broadcast"), (shaped(2, 1, 3), shaped(3, 3, 1))),
        Refused(ShapeError, ("()", "(3, 1)"), (shaped(), shaped(3, 1))),
        Refused(ShapeError, ("(3, 1)", "()"), (shaped(3, 1), shaped())),
        Refused(DTypeError, ("int64", "astype"), (np.ones((2, 2), int), np.ones((2, 2), int))),
    ),
)


EINSUMS = {
    "ij,jk->ik": ("ab", "bc"), "bij,bjk->bik": ("dab", "dbc"), "ij->ji": ("ab",), "ij->i": ("ab",), "ij->": ("ab",),
    "ii->i": ("aa",), "ii->": ("aa",), "iji->j": ("aba",), "i,j->ij": ("a", "b"), "i,i->": ("a", "a"),
    "i,i->i": ("a", "a"), "ij,jk,kl->li": ("ab", "bc", "cd"), "ij,i,j->": ("ab", "a", "b"), "ik,jk->kij": ("ac", "bc"),
}  # fmt: skip


@st.composite
def contractions(draw):
    text, operands = draw(st.sampled_from(list(EINSUMS.items())))
    sizes, rng = {letter: draw(st.integers(1, 3)) for letter in "abcd"}, draw(generators)
    return Case(tuple(spread(rng, tuple(sizes[c] for c in term)) for term in operands), {"subscripts": text})


def contracting(error, says, subscripts, *operands):
    return Refused(error, says, operands, {"subscripts": subscripts})


add(
    "einsum",
    contractions(),
    ref.einsum,
    lambda *operands, subscripts: tn.ops.einsum(subscripts, *operands),
    nan=False,  # it may take the diagonal alone
    refused=(
        contracting(ArgumentError, ("'i;j'", "letters"), "i;j", shaped(2)),
        contracting(ArgumentError, ("None", "letters"), None, shaped(2)),
        contracting(ArgumentError, ("2 operands", "1 came"), "i,j", shaped(2)),
        contracting(ArgumentError, ("'i->j'",), "i->j", shaped(2)),
        contracting(ArgumentError, ("'ij->ii'", "once"), "ij->ii", shaped(2, 2)),
        contracting(ArgumentError, ("'...i->i'", "must have the axes"), "...i->i", shaped(2, 3)),
        contracting(ShapeError, ("'ij'", "2 letters", "(2,)"), "ij->i", shaped(2)),
        contracting(ShapeError, ("'i'", "1 letters", "(2, 3)"), "i->i", shaped(2, 3)),
        contracting(ShapeError, ("'j'", "3 and 4"), "ij,jk->ik", shaped(2, 3), shaped(4, 2)),
        contracting(ShapeError, ("'j'", "3 and 1"), "ij,jk->ik", shaped(2, 3), shaped(1, 2)),
        contracting(DTypeError, ("int64", "astype"), "i->", np.ones(2, int)),
    ),
)


@st.composite
def convolved(draw, padded=True):
    """How windows lie over images: their geometry, the padding, and N, H, W, C, F."""
    padding = draw(st.sampled_from(["valid", "same"] if padded else ["valid"]))
    kh, kw, sh, sw = (draw(st.integers(1, 3)) for _ in range(4))
    h, w = (draw(st.integers(k if padding == "valid" else 1, 5)) for k in (kh, kw))
    n, c, f = (draw(st.integers(1, 2)) for _ in range(3))
    return geometry("test", (n, h, w, c), (kh, kw), (sh, sw), padding), padding, (n, h, w, c, f)


def conv_inputs(rng, p, n, h, w, c, f):
    return spread(rng, (n, h, w, c)), spread(rng, (p.kh, p.kw, c, f)), spread(rng, (n, p.oh, p.ow, f))


@st.composite
def convolutions(draw):
    p, padding, sizes = draw(convolved())
    x, w, _ = conv_inputs(draw(generators), p, *sizes)
    return Case((x, w), {"stride": (p.sh, p.sw), "padding": padding})


@st.composite
def input_gradients(draw):
    p, _, sizes = draw(convolved())
    x, w, g = conv_inputs(draw(generators), p, *sizes)
    return Case((g, w), {"p": p, "size": x.shape[1:3]})


@st.composite
def weight_gradients(draw):
    p, _, sizes = draw(convolved())
    x, _, g = conv_inputs(draw(generators), p, *sizes)
    return Case((x, g), {"p": p})


def naive_conv2d(x, w, stride, padding):
    """Work out the geometry once more, from the definition of "valid" and of TensorFlow's "same"."""
    before, sizes = [], []
    for n, k, s in zip(x.shape[1:3], w.shape[:2], stride, strict=True):
        size = (n - k) // s + 1 if padding == "valid" else (n + s - 1) // s
        lacking = 0 if padding == "valid" else max(0, (size - 1) * s + k - n)
        before.append(lacking // 2)
        sizes.append(size)
    return ref.conv2d(x, w, Geometry(*w.shape[:2], *stride, *before, *sizes))


IMAGES, FILTERS = shaped(2, 5, 6, 3), shaped(3, 3, 3, 4)
add(
    "conv2d",
    convolutions(),
    naive_conv2d,
    nan=False,  # a stride may step over it
    refused=(
        Refused(ShapeError, ("(N, H, W, C)", "(5, 6, 3)"), (shaped(5, 6, 3), FILTERS)),
        Refused(ShapeError, ("(KH, KW, C, F)", "(3, 3, 3)"), (IMAGES, shaped(3, 3, 3))),
        Refused(ShapeError, ("3 channels", "takes 2", "(2, 5, 6, 3)", "(3, 3, 2, 4)"), (IMAGES, shaped(3, 3, 2, 4))),
        Refused(ShapeError, ("(6, 3)", "axis 1", "(2, 5, 6, 3)"), (IMAGES, shaped(6, 3, 3, 4))),
        Refused(ShapeError, ("(3, 7)", "axis 2", "(2, 5, 6, 3)"), (IMAGES, shaped(3, 7, 3, 4))),
        Refused(ArgumentError, ("stride", "0"), (IMAGES, FILTERS), {"stride": 0}),
        Refused(ArgumentError, ("stride", "(1, 2, 3)"), (IMAGES, FILTERS), {"stride": (1, 2, 3)}),
        Refused(ArgumentError, ("stride", "1.5"), (IMAGES, FILTERS), {"stride": 1.5}),
        Refused(ArgumentError, ("padding", "'full'"), (IMAGES, FILTERS), {"padding": "full"}),
        Refused(DTypeError, ("int64", "astype"), (IMAGES.astype(int), FILTERS.astype(int))),
    ),
)
add("conv2d_input_grad", input_gradients(), ref.conv2d_input_grad, OPS["conv2d_input_grad"])
add("conv2d_weight_grad", weight_gradients(), ref.conv2d_weight_grad, OPS["conv2d_weight_grad"], nan=False)


@st.composite
def transposed_convolutions(draw):
    kh, kw, sh, sw, h, w = (draw(st.integers(1, 3)) for _ in range(6))
    n, c, f = (draw(st.integers(1, 2)) for _ in range(3))
    rng, padding = draw(generators), draw(st.sampled_from(["valid", "same"]))
    return Case((spread(rng, (n, h, w, c)), spread(rng, (kh, kw, f, c))), {"stride": (sh, sw), "padding": padding})


add(
    "conv2d_transpose",
    transposed_convolutions(),
    ref.conv2d_transpose,
    refused=(
        Refused(ShapeError, ("(N, H, W, C)", "(5, 6, 3)"), (shaped(5, 6, 3), FILTERS)),
        Refused(ShapeError, ("(KH, KW, F, C)", "(3, 3, 3)"), (IMAGES, shaped(3, 3, 3))),
        Refused(ShapeError, ("3 channels", "takes 4", "(2, 5, 6, 3)", "(3, 3, 3, 4)"), (IMAGES, FILTERS)),
        Refused(ShapeError, ("(2, 0, 6, 4)",), (shaped(2, 0, 6, 4), FILTERS)),
        Refused(ArgumentError, ("stride", "0"), (shaped(2, 5, 6, 4), FILTERS), {"stride": 0}),
        Refused(ArgumentError, ("padding", "'full'"), (shaped(2, 5, 6, 4), FILTERS), {"padding": "full"}),
        Refused(DTypeError, ("int64", "astype"), (IMAGES.astype(int), FILTERS.astype(int))),
    ),
)


# --- pooling


@st.composite
def pooled(draw):
    p, _, (n, h, w, c, _) = draw(convolved(padded=False))
    return p, (n, h, w, c)


@st.composite
def pools(draw):
    p, padding, (n, h, w, c, _) = draw(convolved())
    stride = draw(st.sampled_from([None, (p.sh, p.sw)])) if padding == "valid" else (p.sh, p.sw)
    attrs = {"pool_size": (p.kh, p.kw), "stride": stride, "padding": padding}
    return Case((spread(draw(generators), (n, h, w, c)),), attrs)


@st.composite
def window_sums(draw, adjoint=False):
    p, _, (n, h, w, c, _) = draw(convolved())
    rng = draw(generators)
    if adjoint:
        return Case((spread(rng, (n, p.oh, p.ow, c)),), {"p": p, "size": (h, w)})
    return Case((spread(rng, (n, h, w, c)),), {"p": p})


@st.composite
def unpools(draw):
    p, (n, h, w, c) = draw(pooled())
    rng, shape = draw(generators), (n, p.oh, p.ow, c)
    index = rng.integers(0, p.kh * p.kw, shape).astype(np.uint8)
    return Case((spread(rng, shape), index), {"p": p, "size": (h, w)})


@st.composite
def pool_gathers(draw):
    p, shape = draw(pooled())
    rng = draw(generators)
    index = rng.integers(0, p.kh * p.kw, (shape[0], p.oh, p.ow, shape[3])).astype(np.uint8)
    return Case((spread(rng, shape), index), {"p": p})


NO_POOLS = (
    Refused(ShapeError, ("(N, H, W, C)", "(5, 6, 3)"), (shaped(5, 6, 3),), {"pool_size": 2}),
    Refused(ShapeError, ("(6, 2)", "axis 1", "(2, 5, 6, 3)"), (IMAGES,), {"pool_size": (6, 2)}),
    Refused(ShapeError, ("(2, 7)", "axis 2", "(2, 5, 6, 3)"), (IMAGES,), {"pool_size": (2, 7)}),
    Refused(ArgumentError, ("pool_size", "0"), (IMAGES,), {"pool_size": 0}),
    Refused(ArgumentError, ("pool_size", "'2'"), (IMAGES,), {"pool_size": "2"}),
    Refused(ArgumentError, ("stride", "(1, -1)"), (IMAGES,), {"pool_size": 2, "stride": (1, -1)}),
    Refused(ArgumentError, ("padding", "'full'"), (IMAGES,), {"pool_size": 2, "padding": "full"}),
    Refused(DTypeError, ("int64", "astype"), (IMAGES.astype(int),), {"pool_size": 2}),
)
add("max_pool", pools(), ref.max_pool, nan=False, refused=NO_POOLS)  # a stride may step over a NaN
add("avg_pool", pools(), ref.pooling(ref.mean), nan=False, refused=NO_POOLS)
add("sum_pool", window_sums(), ref.sum_pool, OPS["sum_pool"], nan=False)
add("sum_unpool", window_sums(adjoint=True), ref.sum_unpool, OPS["sum_unpool"])
add("max_unpool", unpools(), ref.max_unpool, OPS["max_unpool"])
add("pool_gather", pool_gathers(), ref.pool_gather, OPS["pool_gather"], nan=False)


@st.composite
def warps(draw):
    """Images, and maps that turn, stretch and move them by fourths, or leave places whole."""
    rng, n = draw(generators), draw(lengths)
    x = spread(rng, (n, draw(lengths), draw(lengths), draw(st.integers(1, 2))))
    return Case((x,), {"maps": rng.integers(-6, 7, (n, 2, 3)) / draw(st.sampled_from([1, 4]))})


NO_MAPS = (
    Refused(ShapeError, ("(1, 2, 3)", "(1, 2, 3)"), (shaped(1, 2, 3),), {"maps": shaped(1, 2, 3)}),
    Refused(ShapeError, ("(2, 3, 3, 1)", "(1, 2, 3)"), (shaped(2, 3, 3, 1),), {"maps": shaped(1, 2, 3)}),
    Refused(DTypeError, ("floating or uint8", "int64"), (np.ones((1, 2, 2, 1), np.int64),), {"maps": shaped(1, 2, 3)}),
)
for name in ("warp", "unwarp"):
    add(name, warps(), getattr(ref, name), lambda x, maps, op=OPS[name]: op(x, maps), nan=False, refused=NO_MAPS)


# --- reductions


@st.composite
def reductions(draw):
    shape = draw(shapes())
    axes = st.integers(-len(shape), len(shape) - 1) if shape else st.nothing()
    several = st.lists(axes, unique_by=lambda a: a % max(len(shape), 1)).map(tuple) if shape else st.just(())
    axis = draw(st.one_of(st.none(), axes, several))
    return Case((spread(draw(generators), shape),), {"axis": axis, "keepdims": draw(st.booleans())})


BAD_AXES = tuple(
    Refused(ShapeError, (f"axis {axis}", "(2, 3)"), (shaped(2, 3),), {"axis": axis})
    for axis in (2, -3, (0, 5), (1, 1), (0, -2))
)


def of_nothing(*axes):
    return tuple(Refused(ShapeError, ("(2, 0, 3)",), (shaped(2, 0, 3),), {"axis": axis}) for axis in axes)


add("sum", reductions(), ref.reduce(ref.math.fsum), refused=BAD_AXES)
add("mean", reductions(), ref.reduce(ref.mean), refused=(*BAD_AXES, *of_nothing(None, 1, (0, 1))))
add("max", reductions(), ref.reduce(max), refused=(*BAD_AXES, *of_nothing(None, 1, (0, 1))))
add("min", reductions(), ref.reduce(min), refused=(*BAD_AXES, *of_nothing(None, 1, (0, 1))))
add("prod", reductions(), ref.reduce(ref.math.prod), refused=BAD_AXES)
add("var", reductions(), ref.reduce(ref.var), refused=(*BAD_AXES, *of_nothing(None, 1, (0, 1))))


@st.composite
def spreads(draw):
    """Reductions of three values or more: the standard deviation of two has no second derivative."""
    shape = draw(st.tuples(st.integers(3, 4), lengths))
    axis = draw(st.sampled_from([None, 0, -2, (0, 1)]))
    return Case((spread(draw(generators), shape),), {"axis": axis, "keepdims": draw(st.booleans())})


def naive_std(x, axis, keepdims):
    return ref.reduce(lambda values: ref.math.sqrt(ref.var(values)))(x, axis, keepdims)


add("std", spreads(), naive_std, refused=(*BAD_AXES, *of_nothing(None, 1, (0, 1))))


@st.composite
def searches(draw):
    shape = draw(shapes())
    axis = draw(st.one_of(st.none(), st.integers(-len(shape), len(shape) - 1) if shape else st.nothing()))
    values = draw(st.sampled_from([spread, sometimes_equal]))(draw(generators), shape)
    return Case((values,), {"axis": axis, "keepdims": draw(st.booleans())})


def naive_place(best):
    return lambda x, **attrs: ref.reduce(ref.place_of(best))(x, **attrs).astype(np.intp)


places = {"dtype": lambda case, given: np.dtype(np.intp), "differentiable": False, "nan": False}
add("argmax", searches(), naive_place(max), refused=(*BAD_AXES, *of_nothing(None, 1)), **places)
add("argmin", searches(), naive_place(min), refused=(*BAD_AXES, *of_nothing(None, 1)), **places)


@st.composite
def one_axis(draw):
    shape = draw(shapes(least=1))
    return Case(
        (spread(draw(generators), shape),), {"axis": draw(st.sampled_from([None, *range(-len(shape), len(shape))]))}
    )


ONE_BAD_AXIS = tuple(Refused(ShapeError, (f"axis {a}", "(2, 3)"), (shaped(2, 3),), {"axis": a}) for a in (2, -3))
add("cumsum", one_axis(), ref.cumsum, refused=ONE_BAD_AXIS)


@st.composite
def repeats(draw, adjoint=False):
    target = draw(shapes())
    kept = target[draw(st.integers(0, len(target))) :]
    small = tuple(1 if draw(st.booleans()) else n for n in kept)
    given, wanted = (target, small) if adjoint else (small, target)
    return Case((spread(draw(generators), given),), {"shape": wanted})


add(
    "broadcast_to", repeats(), ref.broadcast_to,
    refused=tuple(Refused(ShapeError, ("(2, 3)", str(shape)), (shaped(2, 3),), {"shape": shape})
                  for shape in ((3, 3), (2, 2, 4), (3,), ())),
)  # fmt: skip
add(
    "sum_to", repeats(adjoint=True), ref.sum_to,
    refused=tuple(Refused(ShapeError, ("(2, 3)", str(shape)), (shaped(2, 3),), {"shape": shape})
                  for shape in ((2,), (3, 3), (1, 2, 3))),
)  # fmt: skip


# --- moving values


@st.composite
def reshapes(draw):
    a, b, c = (draw(lengths) for _ in range(3))
    shape = draw(st.sampled_from([(a, b, c), (a * b, c), (a, b * c), (a * b * c,)]))
    new = draw(st.sampled_from([(c, b, a), (b, -1), -1, (-1, a, 1), a * b * c, (a, b, c)]))
    return Case((spread(draw(generators), shape),), {"shape": new})


add(
    "reshape",
    reshapes(),
    ref.reshape,
    refused=(
        *(Refused(ShapeError, ("(2, 3)", str(new)), (shaped(2, 3),), {"shape": new}) for new in ((2, 4), (4, -1))),
        *(Refused(ShapeError, ("one -1", str(new)), (shaped(2, 3),), {"shape": new}) for new in ((-1, -1), (-2, -3))),
    ),
)


@st.composite
def transposes(draw):
    shape = draw(shapes())
    order = draw(st.permutations(range(len(shape))))
    order = [a - len(shape) if draw(st.booleans()) else a for a in order]
    return Case((spread(draw(generators), shape),), {"axes": draw(st.sampled_from([None, tuple(order)]))})


add(
    "transpose", transposes(), ref.transpose,
    refused=tuple(Refused(ShapeError, (str(axes), "(2, 3)"), (shaped(2, 3),), {"axes": axes})
                  for axes in ((0, 0), (0, 2), (0,), (0, 1, 2))),
)  # fmt: skip


@st.composite
def joins(draw):
    shape = draw(shapes(least=1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    rng, several = draw(generators), draw(st.lists(lengths, min_size=1, max_size=3))
    inputs = [spread(rng, tuple(n if a == axis % len(shape) else m for a, m in enumerate(shape))) for n in several]
    return Case(tuple(inputs), {"axis": axis})


add(
    "concatenate",
    joins(),
    ref.concatenate,
    lambda *xs, axis=0: tn.ops.concatenate(xs, axis),
    refused=(
        Refused(ArgumentError, ("empty",), ()),
        Refused(ShapeError, ("argument 1", "(2, 3)", "(3,)"), (shaped(2, 3), shaped(3))),
        Refused(ShapeError, ("argument 2", "(2, 4)", "axis 0"), (shaped(2, 3), shaped(1, 3), shaped(2, 4))),
        Refused(ShapeError, ("axis 2", "(2, 3)"), (shaped(2, 3), shaped(2, 3)), {"axis": 2}),
    ),
)


@st.composite
def stacks(draw):
    rng, shape = draw(generators), draw(shapes())
    count, axis = draw(st.integers(1, 3)), draw(st.integers(-len(shape) - 1, len(shape)))
    return Case(tuple(spread(rng, shape) for _ in range(count)), {"axis": axis})


def naive_stack(*xs, axis=0):
    shape = list(xs[0].shape)
    shape.insert(axis % (len(shape) + 1), 1)
    return ref.concatenate(*(x.reshape(shape) for x in xs), axis=axis % len(shape))


add(
    "stack",
    stacks(),
    naive_stack,
    lambda *xs, axis=0: tn.ops.stack(xs, axis),
    refused=(
        Refused(ArgumentError, ("empty",), ()),
        Refused(ShapeError, ("argument 1", "(2, 3)", "(3,)"), (shaped(2, 3), shaped(3))),
        Refused(ShapeError, ("axis 3", "(1, 2, 3)"), (shaped(2, 3), shaped(2, 3)), {"axis": 3}),
    ),
)


@st.composite
def cuts(draw):
    shape = draw(shapes(least=1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    n = shape[axis]
    divisors = [k for k in range(1, n + 1) if n % k == 0]
    at = st.lists(st.integers(0, n), max_size=3).map(sorted)
    parts = draw(st.one_of(st.sampled_from(divisors), at))
    return Case((spread(draw(generators), shape),), {"parts": parts, "axis": axis})


def cutting(error, says, parts, axis=0):
    return Refused(error, says, (shaped(2, 3),), {"parts": parts, "axis": axis})


add(
    "split",
    cuts(),
    ref.last_first,
    lambda x, parts, axis=0: tn.ops.concatenate(tn.ops.split(x, parts, axis)[::-1], axis),
    refused=(
        cutting(ShapeError, ("axis 1", "(2, 3)", "2 equal"), 2, 1),
        cutting(ShapeError, ("axis 0", "(2, 3)", "0 equal"), 0),
        cutting(ShapeError, ("(2, 1)", "ascending"), [2, 1], 1),
        cutting(ShapeError, ("(4,)", "0 to 3"), [4], 1),
        cutting(ShapeError, ("axis 2", "(2, 3)"), 1, 2),
        cutting(ArgumentError, ("parts", "1.5"), 1.5),
    ),
)


@st.composite
def unstacks(draw):
    shape = draw(shapes(least=1))
    return Case((spread(draw(generators), shape),), {"axis": draw(st.integers(-len(shape), len(shape) - 1))})


add(
    "unstack",
    unstacks(),
    lambda x, axis: np.moveaxis(ref.last_first(x, x.shape[axis], axis), axis, 0),
    lambda x, axis=0: tn.ops.stack(tn.ops.unstack(x, axis)[::-1]),
    refused=(Refused(ShapeError, ("axis 2", "(2, 3)"), (shaped(2, 3),), {"axis": 2}),),
)


@st.composite
def repetitions(draw):
    case = draw(one_axis())
    (x,), axis = case.inputs, case.attrs["axis"]
    n = x.size if axis is None else x.shape[axis]
    repeats = draw(st.one_of(st.integers(1, 3), st.lists(st.integers(1, 3), min_size=n, max_size=n)))
    return Case((x,), {"repeats": repeats if isinstance(repeats, int) or n > 1 else repeats[0], "axis": axis})


add(
    "repeat", repetitions(), ref.repeat,
    refused=(
        *(r._replace(attrs={"repeats": 2, **r.attrs}) for r in ONE_BAD_AXIS),
        Refused(ShapeError, ("2 repeats", "3 places", "axis 1"), (shaped(2, 3),), {"repeats": [1, 2], "axis": 1}),
        Refused(ArgumentError, ("-1",), (shaped(2, 3),), {"repeats": -1}),
        Refused(ArgumentError, ("repeats", "1.5"), (shaped(2, 3),), {"repeats": 1.5}),
    ),
)  # fmt: skip


@st.composite
def pads(draw):
    shape = draw(shapes())
    widths = [(draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in shape]
    value = draw(st.sampled_from([{}, {"value": 0.0}, {"value": 1.5}]))
    return Case((spread(draw(generators), shape),), {"widths": widths, **value})


add(
    "pad", pads(), ref.pad,
    refused=tuple(Refused(ShapeError, ("(2, 3)", str(widths)), (shaped(2, 3),), {"widths": widths})
                  for widths in ([(1, 1)], [(1, 1)] * 3, [(1, -1), (0, 0)])),
)  # fmt: skip


@st.composite
def keys(draw, shape):
    key = []
    for n in shape[: draw(st.integers(0, len(shape)))]:
        start = draw(st.integers(0, n - 1))
        parts = [slice(start, None), slice(start, None, 2), slice(None, start + 1), slice(start, None, -1), slice(None)]
        key.append(draw(st.sampled_from([start, start - n, *parts])))
    return tuple(key)


@st.composite
def slices(draw):
    shape = draw(shapes(least=1))
    return Case((spread(draw(generators), shape),), {"key": draw(keys(shape))})


@st.composite
def unslices(draw):
    shape = draw(shapes(least=1))
    key = draw(keys(shape))
    return Case((spread(draw(generators), ref.sliced(np.zeros(shape), key).shape),), {"key": key, "shape": shape})


@st.composite
def several_unslices(draw):
    shape, rng = draw(shapes(least=1)), draw(generators)
    found = tuple(draw(keys(shape)) for _ in range(draw(st.integers(1, 3))))
    parts = tuple(spread(rng, ref.sliced(np.zeros(shape), key).shape) for key in found)
    return Case(parts, {"keys": found, "shape": shape})


def indexing(error, says, key, *indices):
    return Refused(error, says, (shaped(2, 3), *indices), {"key": key})


add("slice", slices(), ref.sliced, tn.ops.getitem, nan=False)
add("unslice", unslices(), ref.unsliced, OPS["unslice"])
add("unslices", several_unslices(), ref.several_unsliced, OPS["unslices"])
add(
    "getitem",
    slices(),
    ref.sliced,
    nan=False,
    refused=(
        indexing(ShapeError, ("(2, 3)",), (0, 0, 0)),
        indexing(ShapeError, ("(2, 3)", "5"), 5),
        indexing(DTypeError, ("'a'",), "a"),
        indexing(DTypeError, ("1.5",), 1.5),
        indexing(DTypeError, ("True",), True),
        indexing(DTypeError, ("bool", "axis 0"), np.ones(2, bool)),
        indexing(DTypeError, ("float64", "axis 0"), [0.5]),
        indexing(ArgumentError, ("axis 1", "from 0 to 3", "length 3"), ([0, 1], [0, 3])),
        indexing(ArgumentError, ("axis 0", "from -3 to 1", "length 2"), [1, -3]),
        indexing(ArgumentError, ("slice", "mix"), ([0, 1], slice(None))),
        indexing(ShapeError, ("(2,)", "(3,)"), ([0, 1], [0, 1, 2])),
        indexing(ShapeError, ("3 indices", "(2, 3)"), ([0], [0], [0])),
    ),
)


@st.composite
def gathers(draw, adjoint=False):
    shape = draw(shapes(least=1))
    count = draw(st.integers(1, len(shape)))
    rng = draw(generators)
    dtype = draw(st.sampled_from([np.int64, np.int32, np.uint8]))
    found = draw(mutually_broadcastable_shapes(num_shapes=count, max_dims=2, max_side=3))
    low = [0 if dtype is np.uint8 else -n for n in shape[:count]]
    indices = [
        np.asarray(rng.integers(a, n, s), dtype) for a, n, s in zip(low, shape[:count], found.input_shapes, strict=True)
    ]
    if adjoint:
        g = spread(rng, (*found.result_shape, *shape[count:]))
        return Case((g, *indices), {"shape": shape})
    return Case((spread(rng, shape), *indices))


add("index", gathers(), ref.index, lambda x, *indices: tn.ops.getitem(x, indices), nan=False)
add("index_add", gathers(adjoint=True), ref.index_add, OPS["index_add"])


@st.composite
def vectors_of_indices(draw):
    length, count, rng = draw(st.integers(1, 7)), draw(st.integers(1, 6)), draw(generators)
    dtype = np.dtype(draw(st.sampled_from([np.int64, np.int32, np.int8, np.uint8, np.uint64])))
    indices = rng.integers(0 if dtype.kind == "u" else -length, length, count)
    return Case((indices.astype(dtype),), {"shape": (length, 2)})


add(
    "places",
    vectors_of_indices(),
    ref.places,
    OPS["places"],
    dtype=lambda case, given: np.dtype(np.intp),
    differentiable=False,
    nan=False,
)


# --- layer normalisation


@st.composite
def rows_to_normalise(draw):
    rng, shape = draw(generators), (*draw(shapes(most=2)), draw(st.integers(2, 5)))
    return Case((spread(rng, shape), spread(rng, shape[-1:]), spread(rng, shape[-1:])), {"epsilon": 1e-3})


@st.composite
def gradients_of_rows(draw):
    rng, shape = draw(generators), (*draw(shapes(most=2)), draw(st.integers(1, 5)))
    return Case((spread(rng, shape), spread(rng, shape[-1:]), spread(rng, shape), positive(rng, (*shape[:-1], 1))))


add(
    "layer_norm", rows_to_normalise(), ref.layer_norm, lambda *inputs, **attrs: OPS["layer_norm"](*inputs, **attrs)[0],
    refused=(
        Refused(ShapeError, ("(3, 2)", "(3,)"), (shaped(3, 2), shaped(3), shaped(3)), {"epsilon": 1e-5}),
        Refused(ShapeError, ("(3, 0)",), (shaped(3, 0), shaped(0), shaped(0)), {"epsilon": 1e-5}),
        Refused(DTypeError, ("int64", "astype"), (np.ones((3, 2), int), shaped(2), shaped(2)), {"epsilon": 1e-5}),
    ),
)  # fmt: skip
add(
    "layer_norm_gradient", gradients_of_rows(), ref.layer_norm_gradient, OPS["layer_norm_gradient"],
    refused=(Refused(ShapeError, ("(3, 2)", "(4,)"), (shaped(3, 2), shaped(4), shaped(3, 2), shaped(3, 1))),),
)  # fmt: skip


# --- softmax and losses


@st.composite
def classes(draw):
    shape = draw(shapes(least=1))
    return Case((spread(draw(generators), shape),), {"axis": draw(st.integers(-len(shape), len(shape) - 1))})


NO_CLASSES = (
    Refused(ShapeError, ("axis 2", "(2, 3)"), (shaped(2, 3),), {"axis": 2}),
    Refused(ShapeError, ("axis -1", "()"), (shaped(),)),
    Refused(ShapeError, ("(2, 0)",), (shaped(2, 0),)),
    Refused(DTypeError, ("int64", "astype"), (np.ones((2, 3), int),)),
)
add("softmax", classes(), ref.along_last(ref.softmax), refused=NO_CLASSES)
add("log_softmax", classes(), ref.along_last(ref.log_softmax), refused=NO_CLASSES)
add(
    "weigh",
    st.builds(lambda rng, shape: Case((positive(rng, shape), spread(rng, shape))), generators, shapes()),
    ref.elementwise(lambda weight, x: weight * x),
    OPS["weigh"],
)


@st.composite
def classified(draw):
    rng, n, k = draw(generators), draw(lengths), draw(st.integers(2, 4))
    kind = draw(st.sampled_from(["numbers", "bytes", "rows"]))
    labels = rng.integers(0, k, n).astype(np.uint8 if kind == "bytes" else np.int64)
    if kind == "rows":
        labels = positive(rng, (n, k))
        labels /= labels.sum(axis=1, keepdims=True)
    return Case((spread(rng, (n, k)),), {"labels": labels})


def no_labels(error, says, labels, output=shaped(2, 3)):  # noqa: B008 - never changed
    return Refused(error, says, (output,), {"labels": labels})


add(
    "cross_entropy",
    classified(),
    ref.cross_entropy,
    refused=(
        no_labels(ShapeError, ("(2, 3, 1)", "(2, 3)"), [0, 1], shaped(2, 3, 1)),
        no_labels(ShapeError, ("(3,)",), [0, 1, 2], shaped(3)),
        no_labels(ShapeError, ("no samples",), np.ones(0, int), shaped(0, 3)),
        no_labels(ShapeError, ("(2, 3)", "(3,)"), [0, 1, 2]),
        no_labels(ShapeError, ("(2, 3)", "(2, 2)"), np.ones((2, 2), int)),
        no_labels(ShapeError, ("(2, 3)", "(2, 1)"), np.ones((2, 1), int)),
        no_labels(ShapeError, ("(2, 3)", "()"), np.array(1)),
        no_labels(DataError, ("0 to 2", "-1"), [0, -1]),
        no_labels(DataError, ("0 to 2", "3"), [3, 0]),
        no_labels(DTypeError, ("float64", "integers", "(2,)"), [0.0, 1.0]),
        no_labels(DTypeError, ("bool", "integers", "(2,)"), [True, False]),
        no_labels(DataError, ("probabilities", "sum 1", "2"), [[1, 1, 0], [1, 0, 0]]),
        no_labels(DataError, ("probabilities", "-0.5"), [[1.5, -0.5, 0], [1, 0, 0]]),
        no_labels(DataError, ("probabilities", "nan"), [[np.nan, 0, 0], [1, 0, 0]]),
        no_labels(DTypeError, ("int64",), [0, 1], np.ones((2, 3), int)),
    ),
)


@st.composite
def measured(draw, **attrs):
    """Outputs and labels that are apart by less than half or more than 2, where no loss has a kink."""
    rng, shape = draw(generators), draw(shapes(least=1, most=2))
    apart = rng.choice([0.4, -0.3, 2.2, -3.0], shape) + rng.uniform(-0.1, 0.1, shape)
    output = spread(rng, shape)
    labels = output + apart
    if len(shape) == 1:
        forms = draw(st.sampled_from([((-1,), (-1, 1)), ((-1, 1), (-1,)), ((-1,), (-1,))]))
        output, labels = output.reshape(forms[0]), labels.reshape(forms[1])
    return Case((output, labels), {name: draw(st.sampled_from(choices)) for name, choices in attrs.items()})


NO_TARGETS = (
    Refused(ShapeError, ("(3, 1)", "(1, 3)", "one label"), (shaped(3, 1), shaped(1, 3))),
    Refused(ShapeError, ("(3, 1)", "(2,)"), (shaped(3, 1), shaped(2))),
    Refused(ShapeError, ("(3, 2)", "(3,)"), (shaped(3, 2), shaped(3))),
    Refused(ShapeError, ("(3, 2)", "(3, 1)"), (shaped(3, 2), shaped(3, 1))),
    Refused(ShapeError, ("(3,)", "()"), (shaped(3), shaped())),
    Refused(ShapeError, ("(0, 1)", "at least one"), (shaped(0, 1), shaped(0))),
    Refused(DTypeError, ("int64", "astype"), (np.ones(2, int), shaped(2))),
)
add("mean_squared_error", measured(), ref.errors(lambda e: e * e), refused=NO_TARGETS)
add("mean_absolute_error", measured(), ref.errors(abs), refused=NO_TARGETS)
NO_DELTA = tuple(
    Refused(ArgumentError, ("delta", str(d)), (shaped(2), shaped(2)), {"delta": d}) for d in (0, -1, np.inf, "a")
)
add("huber", measured(delta=[1.0, 0.7, 1.5]), ref.errors(ref.huber), refused=(*NO_TARGETS, *NO_DELTA))


@st.composite
def yes_or_no(draw):
    rng, n = draw(generators), draw(lengths)
    shape, other = (draw(st.sampled_from([(n,), (n, 1)])) for _ in range(2))
    dtype = draw(st.sampled_from([bool, np.uint8, np.int64, np.float32, np.float64]))
    return Case((spread(rng, shape),), {"labels": rng.integers(0, 2, other).astype(dtype)})


add(
    "binary_cross_entropy",
    yes_or_no(),
    ref.binary_cross_entropy,
    refused=(
        no_labels(ShapeError, ("(2, 3)",), [0, 1]),
        no_labels(ShapeError, ("()",), [0], shaped()),
        no_labels(ShapeError, ("(2, 1, 1)",), [0, 1], shaped(2, 1, 1)),
        no_labels(ShapeError, ("no samples",), np.ones(0, int), shaped(0)),
        no_labels(ShapeError, ("(2,)", "(3,)"), [0, 1, 1], shaped(2)),
        no_labels(ShapeError, ("(2, 1)", "(1, 2)"), [[0, 1]], shaped(2, 1)),
        no_labels(DataError, ("from 0 to 1", "2"), [0, 2], shaped(2)),
        no_labels(DataError, ("from 0 to 1", "-0.5"), [-0.5, 1], shaped(2)),
        no_labels(DataError, ("from 0 to 1", "nan"), [np.nan, 1], shaped(2)),
        no_labels(DTypeError, ("int64",), [0, 1], np.ones(2, int)),
    ),
)


# --- fused ops


# --- whether values are finite, and random numbers

add(
    "all_finite",
    unary(),
    lambda x: np.array(all(map(ref.math.isfinite, x.reshape(-1)))),
    OPS["all_finite"],
    dtype=lambda case, given: np.dtype(bool),
    differentiable=False,
    nan=False,
)


@st.composite
def draws(draw, *dtypes):
    """The key of a draw, and the shape and dtype of what is drawn."""
    bits = 64, 32, 16, 64, 16
    key = draw(st.tuples(*(st.integers(0, 2**n - 1) for n in bits)))
    return Case((np.array(key, np.uint64),), {"shape": draw(shapes()), "dtype": draw(st.sampled_from(dtypes))})


for _name, _dtypes in {"uniform": ("float32", "float64"), "normal": ("float64",)}.items():
    add(
        f"random_{_name}",
        draws(*_dtypes),
        getattr(ref, f"random_{_name}"),
        OPS[f"random_{_name}"],
        dtype=lambda case, given: np.dtype(case.attrs["dtype"]),
        differentiable=False,
        nan=False,
    )


def fused(name, cases, reference, output=None, **rest):
    """A fused op, or Adam; of several outputs, the one of that number, or all, one after the other."""

    def call(*inputs, **attrs):
        y = OPS[name](*inputs, **attrs)
        if not isinstance(y, tuple):
            return y
        return y[output] if output is not None else tn.ops.concatenate([part.reshape(-1) for part in y])

    add(name, cases, reference, call, fused=True, **rest)


def joined(*arrays):
    return np.concatenate([a.reshape(-1) for a in arrays])


@st.composite
def image_gathers(draw):
    rng, sample = draw(generators), draw(shapes(least=1, most=2))
    images = rng.integers(0, 256, (draw(lengths), *sample)).astype(np.uint8)
    indices = rng.integers(0, len(images), draw(lengths))
    few = () if draw(st.booleans()) else sample
    return Case((images, indices, spread(rng, few), positive(rng, few)), {"sample": sample})


def naive_gather(x, indices, shift, scale, sample):
    return np.array([(x[i].astype(float) - shift) * scale for i in indices]).reshape(len(indices), *sample)


@st.composite
def steps(draw):
    """Theta, and its gradient."""
    rng, n = draw(generators), draw(st.integers(1, 6))
    return Case((spread(rng, (n,)), spread(rng, (n,)), np.array(0.25)))


def naive_descend(theta, g, rate):
    return np.array([theta[k] - rate * value for k, value in enumerate(g)])


@st.composite
def adam_steps(draw):
    rng, n = draw(generators), draw(st.integers(1, 6))
    theta, first, gradient = (spread(rng, (n,)) for _ in range(3))
    inputs = theta, first, positive(rng, (n,)), np.array(draw(st.integers(1, 20))), gradient, np.array(0.25)
    return Case(inputs, {"beta1": 0.9, "beta2": 0.99, "epsilon": 1e-3, "decay": draw(st.sampled_from([0.0, 0.5]))})


@st.composite
def momentum_steps(draw):
    rng, n = draw(generators), draw(st.integers(1, 6))
    inputs = (*(spread(rng, (n,)) for _ in range(3)), np.array(0.25), np.array(0.75))
    return Case(inputs, {"nesterov": draw(st.booleans())})


def naive_momentum(theta, velocity, g, rate, momentum, nesterov):
    velocity = momentum * velocity + g
    return theta - rate * (g + momentum * velocity if nesterov else velocity)


@st.composite
def rmsprop_steps(draw, momentum):
    rng, n = draw(generators), draw(st.integers(1, 6))
    velocity, number = ((spread(rng, (n,)),), (np.array(0.75),)) if momentum else ((), ())
    inputs = spread(rng, (n,)), positive(rng, (n,)), *velocity, spread(rng, (n,)), np.array(0.25), *number
    return Case(inputs, {"rho": 0.9, "epsilon": 1e-3})


def naive_rmsprop(theta, square, *rest, rho, epsilon):
    velocity, g, rate, momentum = rest if len(rest) > 2 else (0.0, *rest, 0.0)
    square = rho * square + (1 - rho) * g**2
    return theta - rate * (momentum * velocity + g / (np.sqrt(square) + epsilon))


def naive_squares(x):
    return np.array(ref.math.fsum(v * v for v in x))


def naive_adam(theta, first, second, step, g, rate, beta1, beta2, epsilon, decay):
    theta = theta * (1 - rate * decay)
    first, second = beta1 * first + (1 - beta1) * g, beta2 * second + (1 - beta2) * g**2
    unbiased, size = first / (1 - beta1 ** float(step)), second / (1 - beta2 ** float(step))
    return theta - rate * unbiased / (np.sqrt(size) + epsilon)


@st.composite
def standardised(draw, transposed):
    """Bytes, and a vector of one length or the other; with features enough for vectorised loops."""
    rng, n, f = draw(generators), draw(lengths), draw(st.integers(1, 12))
    x = rng.integers(0, 256, (n, f)).astype(np.uint8)
    attrs = {"shift": rng.uniform(0, 255, f), "scale": rng.uniform(0.01, 1, f)}
    return Case((x, spread(rng, (n if transposed else f,))), attrs)


def naive_matvec(x, v, shift, scale):
    return ref.matmul((x.astype(float) - shift) * scale, v[:, None])[:, 0]


def naive_rmatvec(x, r, shift, scale):
    return ref.matmul(r[None, :], (x.astype(float) - shift) * scale)[0]


fused("standardised_matvec", standardised(transposed=False), naive_matvec, nan=False)
fused("standardised_rmatvec", standardised(transposed=True), naive_rmatvec, nan=False)
fused("adam", adam_steps(), naive_adam, output=0, differentiable=False)
fused("adam_in_place", adam_steps(), naive_adam, output=0, differentiable=False)
fused("momentum_step", momentum_steps(), naive_momentum, output=0, differentiable=False)
fused("momentum_step_in_place", momentum_steps(), naive_momentum, output=0, differentiable=False)
for ending in ("", "_in_place"):
    fused(f"rmsprop{ending}", rmsprop_steps(False), naive_rmsprop, output=0, differentiable=False)
    fused(f"rmsprop_with_momentum{ending}", rmsprop_steps(True), naive_rmsprop, output=0, differentiable=False)
fused(
    "sum_of_squares",
    st.builds(lambda rng, n: Case((spread(rng, (n,)),)), generators, lengths),
    naive_squares,
    dtype=lambda case, given: np.dtype(np.float64),
)


@st.composite
def with_bias(draw, cases):
    """The arguments of a product or a convolution, and a bias for each column."""
    (a, b), attrs = draw(cases)[:2]
    columns = b.shape[-2] if attrs.get("trans_b") else b.shape[-1]
    bias = spread(draw(generators), (columns,))
    return Case((a, b, bias), {**attrs, "rectified": draw(st.booleans())})


@st.composite
def images_and_filters(draw):
    p, _, sizes = draw(convolved())
    return Case(conv_inputs(draw(generators), p, *sizes)[:2], {"p": p})


def naive_with_bias(naive):
    def both(a, b, bias, rectified, **attrs):
        y = naive(a, b, **attrs) + bias
        return np.maximum(y, 0) if rectified else y

    return both


fused(
    "matmul_bias",
    with_bias(products().filter(lambda case: min(x.ndim for x in case.inputs) > 1 and case.attrs)),
    naive_with_bias(ref.matmul),
)
fused("conv2d_bias", with_bias(images_and_filters()), naive_with_bias(ref.conv2d), nan=False)
fused("gather", image_gathers(), naive_gather, differentiable=False, nan=False)
fused("descend", steps(), naive_descend, differentiable=False)
fused(
    "softmax_cross_entropy",
    st.builds(lambda rng, n, k: Case((spread(rng, (n, k)), rng.integers(0, k, n))), generators, lengths, lengths),
    ref.cross_entropy,
    output=0,
)

# The kernels of conv_pool are compiled for their shapes, so there is one set of shapes for all cases.
CONV, POOL = Geometry(2, 3, 1, 2, 0, 0, 5, 2), Geometry(2, 2, 2, 2, 0, 0, 2, 1)
PLACES = POOL.kh * POOL.kw


def conv_pool_arrays(rng):
    """Images, weights, bias, a cotangent, and winners, some of them cut (255)."""
    index = rng.integers(0, PLACES + 1, (2, POOL.oh, POOL.ow, 3)).astype(np.uint8)
    index[index == PLACES] = 255
    x, w = spread(rng, (2, 6, 5, 2)), spread(rng, (CONV.kh, CONV.kw, 2, 3))
    return x, w, spread(rng, (3,)), spread(rng, index.shape), index


def conv_pool_cases(*which, **attrs):
    def case(rng):
        arrays = conv_pool_arrays(rng)
        return Case(tuple(arrays[i] for i in which), {"p": CONV, "q": POOL, **attrs})

    return st.builds(case, generators)


def naive_conv_pool(x, w, bias, p, q):
    y = ref.conv2d(x, w, p) + bias
    return ref.max_pool(np.where(y > 0, y, 0.0), (q.kh, q.kw), (q.sh, q.sw))


def unpooled(g, index, p, q):
    """Bring a cotangent back to the outputs of the convolution."""
    return ref.max_unpool(np.where(index == 255, 0.0, g), np.where(index == 255, 0, index), q, (p.oh, p.ow))


def naive_conv_pool_weight_grad(x, g, index, p, q):
    inner = unpooled(g, index, p, q)
    return joined(ref.conv2d_weight_grad(x, inner, p), ref.reduce(ref.math.fsum)(inner, axis=(0, 1, 2)))


def naive_conv_pool_input_grad(g, w, index, p, q, shape):
    return ref.conv2d_input_grad(unpooled(g, index, p, q), w, p, shape[1:3])


fused("conv_pool", conv_pool_cases(0, 1, 2), naive_conv_pool, output=0, nan=False)
fused("conv_pool_weight_grad", conv_pool_cases(0, 3, 4), naive_conv_pool_weight_grad, differentiable=False, nan=False)
fused(
    "conv_pool_input_grad",
    conv_pool_cases(3, 1, 4, shape=(2, 6, 5, 2)),
    naive_conv_pool_input_grad,
    differentiable=False,
    nan=False,
)
