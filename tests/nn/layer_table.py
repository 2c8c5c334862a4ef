"""The table of layers: for each, how to make it, samples it takes, and what it must compute from them, by plain loops.

A reference takes one sample and the parameters of the layer by name, in float64. It calls nothing of tinynet.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import tinynet as tn


@dataclass(frozen=True, repr=False)
class Row:
    """One layer with its arguments. ``smooth`` says whether it has second derivatives that are not 0."""

    name: str
    make: Callable[[], tn.Layer]
    shape: tuple[int, ...]
    reference: Callable[..., np.ndarray]
    smooth: bool = True
    draw: Callable[..., np.ndarray] = lambda rng, shape: rng.normal(size=shape)

    def __repr__(self):
        return f"<Row {self.name}>"

    def model(self, **options):
        """The layer alone in a model, with parameters that are none of the initial ones."""
        model = tn.Sequential([tn.Input(self.shape), self.make()], seed=0, **{"dtype": "float64", **options})
        theta = model.theta
        theta += np.random.default_rng(1).normal(size=theta.size).astype(theta.dtype) * 0.3
        return model

    def samples(self, n=3):
        return self.draw(np.random.default_rng(2), (n, *self.shape))


def parameters_of(model):
    """The parameters by name, without that of the layer."""
    return {name.partition(".")[2]: p.data.astype(np.float64) for name, p in model.parameters.items()}


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


ACTIVATIONS = {
    "relu": lambda x: max(x, 0.0),
    "leaky_relu": lambda x: x if x > 0 else 0.2 * x,
    "elu": lambda x: x if x > 0 else math.exp(x) - 1,
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "silu": lambda x: x * sigmoid(x),
    "softplus": lambda x: math.log(1 + math.exp(x)),
    "sigmoid": sigmoid,
    "tanh": math.tanh,
}


def each(function):
    return lambda x: np.array([function(v) for v in x.reshape(-1)]).reshape(x.shape)


def layer_norm(x, gamma, beta, epsilon=1e-5):
    y = np.zeros(x.shape)
    for i in np.ndindex(*x.shape[:-1]):
        row = [float(v) for v in x[i]]
        mean = math.fsum(row) / len(row)
        deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in row) / len(row) + epsilon)
        y[i] = [(v - mean) / deviation * w + b for v, w, b in zip(row, gamma, beta, strict=True)]
    return y


def seen_by(n, k, s, padding):
    """The pixels that each window sees along an axis."""
    if padding == "valid":
        return [range(i, i + k) for i in range(0, n - k + 1, s)]
    count = -(-n // s)
    before = max(0, (count - 1) * s + k - n) // 2
    return [[i for i in range(o * s - before, o * s - before + k) if 0 <= i < n] for o in range(count)]


def pool(reduce, size, stride, padding):
    def reference(x):
        rows, columns = (seen_by(x.shape[a], size[a], stride[a], padding) for a in (0, 1))
        y = np.zeros((len(rows), len(columns), x.shape[2]))
        for i, j, c in np.ndindex(*y.shape):
            y[i, j, c] = reduce([x[h, w, c] for h in rows[i] for w in columns[j]])
        return y

    return reference


def mean(values):
    return math.fsum(values) / len(values)


def over_image(reduce):
    return lambda x: np.array([reduce([v for row in x[:, :, c] for v in row]) for c in range(x.shape[2])])


def repeated(size):
    return lambda x: np.array([[x[i // size[0], j // size[1]] for j in range(x.shape[1] * size[1])]
                               for i in range(x.shape[0] * size[0])])  # fmt: skip


def spread(stride, padding):
    """Transposed convolution: each pixel is added to all that its window covers."""

    def reference(x, weight, bias):
        (h, w, _), (kh, kw, filters, _) = x.shape, weight.shape
        y = np.zeros(((h - 1) * stride + max(kh, stride), (w - 1) * stride + max(kw, stride), filters))
        for i, j, a, b in np.ndindex(h, w, kh, kw):
            for f in range(filters):
                y[i * stride + a, j * stride + b, f] += sum(x[i, j, c] * weight[a, b, f, c] for c in range(x.shape[2]))
        if padding == "same":
            top, left = max(0, kh - stride) // 2, max(0, kw - stride) // 2
            y = y[top : top + h * stride, left : left + w * stride]
        return y + bias

    return reference


def embedding(x, weight):
    return np.array([weight[int(i)] for i in x.reshape(-1)]).reshape(*x.shape, -1)


def product(row, matrix):
    return [math.fsum(v * matrix[k, j] for k, v in enumerate(row)) for j in range(matrix.shape[1])]


def dense(row, parameters, name):
    return [v + b for v, b in zip(product(row, parameters[f"{name}.weight"]), parameters[f"{name}.bias"], strict=True)]


def attention(heads, causal):
    def reference(x, **parameters):
        query, key, value = ([dense(row, parameters, name) for row in x] for name in ("query", "key", "value"))
        d = x.shape[1] // heads
        mixed = np.zeros(x.shape)
        for t in range(len(x)):
            for start in range(0, x.shape[1], d):
                seen = range(t + 1) if causal else range(len(x))
                part = range(start, start + d)
                scores = [sum(query[t][k] * key[s][k] for k in part) / math.sqrt(d) for s in seen]
                powers = [math.exp(v) for v in scores]
                for k in part:
                    mixed[t, k] = sum(p * value[s][k] for p, s in zip(powers, seen, strict=True)) / sum(powers)
        return np.array([dense(row, parameters, "output") for row in mixed])

    return reference


def lstm(sequences):
    def reference(x, weight, recurrent_weight, bias):
        units = len(bias) // 4
        h, c, made = [0.0] * units, [0.0] * units, []
        for row in x:
            a, b = product(row, weight), product(h, recurrent_weight)
            gates = [p + q + r for p, q, r in zip(a, b, bias, strict=True)]
            i, f, g, o = (gates[k * units : (k + 1) * units] for k in range(4))
            c = [sigmoid(f[k]) * c[k] + sigmoid(i[k]) * math.tanh(g[k]) for k in range(units)]
            h = [sigmoid(o[k]) * math.tanh(c[k]) for k in range(units)]
            made.append(h)
        return np.array(made if sequences else h)

    return reference


def gru(sequences):
    def reference(x, weight, recurrent_weight, bias, recurrent_bias):
        units = len(bias) // 3
        h, made = [0.0] * units, []
        for row in x:
            a = [p + q for p, q in zip(product(row, weight), bias, strict=True)]
            b = [p + q for p, q in zip(product(h, recurrent_weight), recurrent_bias, strict=True)]
            z = [sigmoid(a[k] + b[k]) for k in range(units)]
            r = [sigmoid(a[units + k] + b[units + k]) for k in range(units)]
            g = [math.tanh(a[2 * units + k] + r[k] * b[2 * units + k]) for k in range(units)]
            h = [z[k] * h[k] + (1 - z[k]) * g[k] for k in range(units)]
            made.append(h)
        return np.array(made if sequences else h)

    return reference


def residual(x, **p):
    inner = np.array([[math.tanh(v) for v in dense(row, p, "dense")] for row in x])
    return x + np.array([dense(row, p, "dense_1") for row in inner])


def with_shortcut(x, **p):
    return np.array([
        [math.tanh(a) + b for a, b in zip(dense(row, p, "dense"), dense(row, p, "way"), strict=True)] for row in x
    ])  # fmt: skip


def numbers(rng, shape):
    return rng.integers(0, 5, shape).astype(float)


ROWS: dict[str, Row] = {}


def add(name, *rest, **options):
    ROWS[name] = Row(name, *rest, **options)


def pooled(kind, reduce, size, stride, padding, **options):
    add(
        f"{kind.__name__} {size} {stride} {padding}",
        lambda: kind(size, stride, padding),
        (5, 6, 2),
        pool(reduce, size, stride or size, padding),
        smooth=False,
        **options,
    )


for name, function in ACTIVATIONS.items():
    add(f"Activation {name}", lambda name=name: tn.Activation(name), (2, 3), each(function),
        smooth=name not in ("relu", "leaky_relu"))  # fmt: skip
add("Activation of a function", lambda: tn.Activation(tn.ops.sin), (4,), each(math.sin))
add("LayerNorm", tn.LayerNorm, (4,), layer_norm)
add("LayerNorm of steps", lambda: tn.LayerNorm(epsilon=0.1), (2, 3), lambda x, **p: layer_norm(x, epsilon=0.1, **p))
for padding in ("valid", "same"):
    for size, stride in (((2, 2), None), ((3, 2), (1, 2)), ((1, 3), (2, 3))):
        pooled(tn.AvgPool, mean, size, stride, padding)
        pooled(tn.MaxPool, max, size, stride, padding)
    for stride in (1, 2, 3):
        add(
            f"Conv2DTranspose {stride} {padding}",
            lambda stride=stride, padding=padding: tn.Conv2DTranspose(2, (3, 2), stride, padding),
            (2, 3, 2),
            spread(stride, padding),
        )
add("GlobalAvgPool", tn.GlobalAvgPool, (3, 2, 2), over_image(mean), smooth=False)
add("GlobalMaxPool", tn.GlobalMaxPool, (3, 2, 2), over_image(max), smooth=False)
add("UpSampling", lambda: tn.UpSampling((2, 3)), (2, 3, 2), repeated((2, 3)), smooth=False)
add("Embedding", lambda: tn.Embedding(5, 3), (4,), embedding, smooth=False, draw=numbers)
add("Reshape", lambda: tn.Reshape((3, -1)), (2, 6), lambda x: np.array(list(x.reshape(-1))).reshape(3, 4), smooth=False)
add("Residual", lambda: tn.Residual([tn.Dense(4, "tanh"), tn.Dense(3)]), (2, 3), residual)
add(
    "Residual with a shortcut", lambda: tn.Residual([tn.Dense(4, "tanh")], shortcut=tn.Dense(4, name="way")), (2, 3),
    with_shortcut,
)  # fmt: skip
add("MultiHeadAttention", lambda: tn.MultiHeadAttention(2), (3, 4), attention(2, False))
add("MultiHeadAttention causal", lambda: tn.MultiHeadAttention(1, causal=True), (4, 2), attention(1, True))
add("LSTM", lambda: tn.LSTM(3), (4, 2), lstm(False))
add("LSTM sequences", lambda: tn.LSTM(2, return_sequences=True), (3, 2), lstm(True))
add("GRU", lambda: tn.GRU(3), (4, 2), gru(False))
add("GRU sequences", lambda: tn.GRU(2, return_sequences=True), (3, 2), gru(True))
