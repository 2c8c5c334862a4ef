"""Random small networks, their data, losses and optimizers, and runs of them that can be compared bit for bit."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import tinynet as tn
from tinynet.core.transaction import train_mode
from tinynet.errors import NonFiniteError
from tinynet.fast.threads import kernel_gate
from tinynet.train.step import BatchStep
from tinynet.train.task import find_task

# --- layers as a user may write them


class Apply(tn.Layer):
    """A function of ops as a layer."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Stretch(tn.Layer):
    """A factor for each channel, put together of several parameters, one of them of no axes."""

    def build(self, input_shape, rng):
        channels = input_shape[-1]

        def init(shape, rng):
            return rng.uniform(0.5, 1.5, shape)

        self.first = self.add_parameter("first", (), init)
        self.middle = self.add_parameter("middle", (channels,), init)
        self.last = self.add_parameter("last", (1,), init)
        self.unused = self.add_parameter("unused", (2,), init)

    def forward(self, x):
        middle = tn.ops.concatenate([tn.ops.exp(self.middle), tn.ops.tanh(self.last)])
        factors = tn.ops.concatenate([self.first.reshape(1), middle])
        return x * factors[1:-1] + x * (self.first * self.last)


def diamond(x):
    """One value, used by three paths that meet again; two of them are the same."""
    return tn.ops.tanh(x) * x + tn.ops.tanh(x)


def halves(x):
    """Slices, put together in the other order, with one of them once more."""
    half = (x.shape[-1] + 1) // 2
    return tn.ops.concatenate([x[..., half:], x[..., :half], x[..., ::-1][..., :1]], axis=-1)


def choose(x):
    return tn.ops.where(x > 0.1, x, 0.25 * tn.ops.abs(x))


def below_peak(x):
    return x.max(-1, keepdims=True) - x


def centred(x):
    """Less a mean through which no gradient flows, and one through which it does."""
    with tn.no_grad():
        mean = x.mean(0)
    return 2 * x - mean - x.mean(0, keepdims=True) - x.max().detach()


def crossed(x):
    """Transposes, and products of matrices and of stacks of them."""
    if x.ndim == 2:
        return x * (x.T * x.T).sum(1)
    return tn.ops.matmul(x, x, trans_b=True) @ x * 0.1


def rows_reversed(x):
    return x[np.arange(x.shape[0])[::-1]] - x[0]


def standardised(x):
    return (x - x.mean(-1, keepdims=True)) / (x.var(-1, keepdims=True) + 0.1).sqrt()


def pieces(x):
    """Pieces of different lengths, one of which is not used, and running sums of the others."""
    first, _, last = x.repeat(2, -1).split([1, x.shape[-1]], -1)
    return x * first.prod(-1, keepdims=True) - last.cumsum(-1)[..., -1:] + x.min(-1, keepdims=True)


def contracted(x):
    return x + tn.ops.einsum("n...i,m...i->n...i", x, x.clip(-1, 1)) * 0.1


POINTWISE = {f.__name__: f for f in (diamond, halves, choose, below_peak, centred, crossed, rows_reversed)}
POINTWISE |= {f.__name__: f for f in (standardised, pieces, contracted)}
POINTWISE |= {f.__name__: f for f in (tn.ops.leaky_relu, tn.ops.elu, tn.ops.silu, tn.ops.gelu)}
POINTWISE |= {"sin": tn.ops.sin, "cos": tn.ops.cos, "square": lambda x: x**2}
POINTWISE |= {"sigmoid": tn.ops.sigmoid, "tanh": tn.ops.tanh, "abs": tn.ops.abs}


# --- losses and optimizers as a user may write them


def linear(output, labels):
    """Its gradient is a constant."""
    return output.mean()


def squares(output, labels):
    """A number that is not without axes."""
    return tn.ops.sum((output - 0.5) ** 2, keepdims=True)


def crossed_and_small(output, labels):
    return tn.ops.cross_entropy(output, labels) + 0.1 * (output * output).mean()


def worst(output, labels):
    errors = tn.ops.abs(output - tn.ops.cast(labels, output.dtype).reshape(-1, 1))
    return tn.ops.where(errors > 0.5, errors, errors * errors).max()


LOSSES = [
    "cross_entropy",
    "one_hot",
    "binary_cross_entropy",
    "mse",
    "mae",
    "huber",
    linear,
    squares,
    crossed_and_small,
    worst,
]


class Heavy(tn.Optimizer):
    """Keeps the old parameters."""

    slots = ("previous",)

    def update(self, theta, gradient, learning_rate, **state):
        return theta - learning_rate * gradient + 0.5 * (theta - state["previous"]), theta


class Following(tn.Optimizer):
    """Reads the old parameters and the new, keeps the last step, and lets two vectors change places."""

    slots = ("step", "one", "other")

    def update(self, theta, gradient, learning_rate, **state):
        new = theta - learning_rate * gradient
        return new, new - theta, state["other"] + 0.0 * gradient + 1.0, state["one"]


OPTIMIZERS = {
    "plain": partial(tn.SGD, 0.1),
    "momentum": partial(tn.SGD, 0.05, momentum=0.9),
    "decay": partial(tn.SGD, 0.1, weight_decay=0.01),
    "both": partial(tn.SGD, 0.05, momentum=0.5, weight_decay=0.1),
    "heavy": partial(Heavy, 0.05),
    "following": partial(Following, 0.1),
}


# --- networks and data


@dataclass(frozen=True)
class Network:
    """How to make a model, the same each time."""

    input: dict[str, Any]
    layers: tuple[Callable[[], tn.Layer], ...]
    dtype: str = "float32"
    seed: int = 0

    def make(self):
        return tn.Sequential(
            [tn.Input(**self.input), *(make() for make in self.layers)], seed=self.seed, dtype=self.dtype
        )

    def __repr__(self):
        parts = [f"{p.func.__name__}{p.args}{p.keywords or ''}" for p in self.layers]
        return f"<Network {self.dtype} Input({self.input}) {' '.join(parts)}>"


ACTIVATIONS = [None, "relu", "sigmoid", "tanh", "softmax", "gelu", "elu", diamond]


def windowed(n, k, s, padding):
    return -(-n // s) if padding == "same" else (n - k) // s + 1


@st.composite
def image_layers(draw, shape):
    """A layer that takes images of a shape, and what comes of it."""
    h, w, c = shape
    kind = draw(st.sampled_from(["conv", "conv", "pool", "pool", "pointwise"]))
    if kind == "pointwise":
        return draw(pointwise_layers(shape))
    k = draw(st.integers(1, min(h, 4))), draw(st.integers(1, min(w, 4)))
    s = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    if kind == "pool":
        stride = draw(st.sampled_from([None, s]))
        s = k if stride is None else s
        padding, which = draw(st.sampled_from(["valid", "same"])), draw(st.sampled_from([tn.MaxPool, tn.AvgPool]))
        size = windowed(h, k[0], s[0], padding), windowed(w, k[1], s[1], padding)
        return partial(which, k, stride=stride, padding=padding), (*size, c)
    padding, filters = draw(st.sampled_from(["valid", "same"])), draw(st.integers(1, 3))
    activation, use_bias = draw(st.sampled_from(ACTIVATIONS)), draw(st.booleans())
    layer = partial(tn.Conv2D, filters, k, stride=s, padding=padding, activation=activation, use_bias=use_bias)
    return layer, (windowed(h, k[0], s[0], padding), windowed(w, k[1], s[1], padding), filters)


@st.composite
def pointwise_layers(draw, shape):
    """A layer that takes anything."""
    kind = draw(st.sampled_from(["ReLU", "Sigmoid", "Softmax", "Stretch", "Dense", *POINTWISE]))
    if kind in POINTWISE:
        longer = kind == "halves"
        return partial(Apply, POINTWISE[kind]), (*shape[:-1], shape[-1] + longer)
    if kind == "Stretch":
        return partial(Stretch), shape
    if kind == "Dense":
        units, activation = draw(st.integers(1, 4)), draw(st.sampled_from(ACTIVATIONS))
        return partial(tn.Dense, units, activation=activation, use_bias=draw(st.booleans())), (*shape[:-1], units)
    return partial(getattr(tn, kind)), shape


@st.composite
def networks(draw, outputs, activations=(None,), dtypes=("float32", "float64")):
    """Any layers in any order that fits, then a dense one."""
    shape = draw(st.one_of(st.tuples(*(st.integers(1, n) for n in (7, 7, 3))), st.tuples(st.integers(1, 5))))
    given_shift, given_scale = (
        draw(st.sampled_from([(), shape[-1:], shape, (1,) * len(shape)])) for _ in range(2)
    )  # axes of shift and scale
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    shift, scale = rng.uniform(-1, 1, given_shift).round(2), rng.uniform(0.5, 2, given_scale).round(2)
    neutral = draw(st.sampled_from(["", "shift", "scale", "both"]))
    entry = {"shape": shape}
    entry |= {} if neutral in ("shift", "both") else {"shift": shift}
    entry |= {} if neutral in ("scale", "both") else {"scale": scale}
    layers = []
    for _ in range(draw(st.integers(0, 4))):
        layer, shape = draw(image_layers(shape) if len(shape) == 3 else pointwise_layers(shape))
        layers.append(layer)
    if len(shape) == 3:
        layers.append(partial(tn.Flatten))
    layers.append(partial(tn.Dense, outputs, activation=draw(st.sampled_from(activations))))
    return Network(entry, tuple(layers), draw(st.sampled_from(dtypes)), draw(st.integers(0, 9)))


class Problem(NamedTuple):
    """A network, and what it is to learn."""

    network: Network
    x: np.ndarray
    y: np.ndarray
    loss: Any


def samples(rng, shape, dtype):
    """Data of a dtype, of a size around 1; ties among the integers."""
    kind = np.dtype(dtype).kind
    if kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0 if kind == "u" else -3, 4, shape).astype(dtype)


DTYPES = ["uint8", "float32", "float64", "int16", "float16", ">f4", ">i2"]


@st.composite
def problems(draw, losses=tuple(LOSSES), dtypes=("float32", "float64"), n=8):
    loss = draw(st.sampled_from(losses))
    outputs = 1 if loss in ("binary_cross_entropy", "mse", "mae", "huber") else 3
    activations = {"cross_entropy": (None, "softmax"), "binary_cross_entropy": (None, "sigmoid")}.get(loss, (None,))
    network = draw(networks(outputs, activations, dtypes))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    x = samples(rng, (n, *network.input["shape"]), draw(st.sampled_from(DTYPES)))
    if network.input["shape"][-1] == 1 and len(network.input["shape"]) == 3 and draw(st.booleans()):
        x = x[..., 0]
    y = rng.integers(0, outputs, n).astype(draw(st.sampled_from(["int64", "uint8", ">i4"])))
    if loss == "binary_cross_entropy":
        y = rng.integers(0, 2, draw(st.sampled_from([(n,), (n, 1)]))).astype(draw(st.sampled_from([bool, "u1", "f4"])))
    elif loss in ("mse", "mae", "huber"):
        y = samples(rng, draw(st.sampled_from([(n,), (n, 1)])), draw(st.sampled_from(DTYPES)))
    elif loss == "one_hot":
        loss, y = "cross_entropy", tn.one_hot(y, outputs).astype(draw(st.sampled_from(["float32", "float64", "uint8"])))
    return Problem(network, x, y, loss)


# --- runs


class Moment(NamedTuple):
    """All that there is to compare after a step."""

    loss: float
    output: np.ndarray
    labels: np.ndarray
    theta: np.ndarray
    state: dict[str, np.ndarray]


def train(problem, optimizer, batches, compiled=True, fused=True):
    """Train on batches of indices; returns what there is after each, and the step."""
    seen = []

    def look(output, labels):
        seen.append((output.copy(), labels.copy()))
        return 0.0

    model = problem.network.make()
    task = find_task(problem.loss, [tn.metrics.Metric(look, mean=True)])
    step = BatchStep(model, task, optimizer, problem.x, problem.y, mode=train_mode(seed=0), compiled=compiled)
    if compiled:
        step.compiled.fused = fused
    state = optimizer.state_of(model)
    moments = []
    with kernel_gate():
        for indices in batches:
            try:
                loss = step(np.asarray(indices, np.intp))["loss"]
            except NonFiniteError:  # after which the next batch is trained on
                loss = np.nan
                seen.append((np.empty(0), np.empty(0)))
            copies = {name: vector.copy() for name, vector in state.items()}
            moments.append(Moment(loss, *seen.pop(), model.theta.copy(), copies))
    return moments, step


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def assert_same_bits(found, expected):
    """Compare two runs bit for bit, NaN included."""
    assert len(found) == len(expected)
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert np.float64(a.loss).tobytes() == np.float64(b.loss).tobytes(), (i, a.loss, b.loss)
        for name in ("output", "labels", "theta"):
            assert same_bits(getattr(a, name), getattr(b, name)), (i, name)
        assert a.state.keys() == b.state.keys()
        for name in a.state:
            assert same_bits(a.state[name], b.state[name]), (i, name)


def assert_close(found, expected, tolerance):
    """Compare two runs within rounding, in the scale of the largest value."""

    def close(a, b, what):
        scale = max(1.0, float(np.max(np.abs(b), initial=0)))
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale, err_msg=what)

    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        close(a.loss, b.loss, f"loss after step {i}")
        for name in ("output", "theta"):
            close(getattr(a, name), getattr(b, name), f"{name} after step {i}")
        np.testing.assert_array_equal(a.labels, b.labels)
        for name in a.state:
            close(a.state[name], b.state[name], f"{name} after step {i}")
