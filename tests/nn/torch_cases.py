"""What is compared with PyTorch step by step, and the side of tinynet in it.

Each case is a layer alone, or a small network, in float64, and makes two or more steps of training: forward, loss,
gradients, update. `benchmarks.torch_agreement` has the side of PyTorch, compares the two, and writes what PyTorch
computes to ``torch_samples.npz``, which the tests read.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

import tinynet as tn

o = tn.ops
Loss = Callable[[tn.Tensor, np.ndarray], Any]


def weighted_sum(output, weights):
    """A loss whose cotangent is any array."""
    return (output * weights).sum()


@dataclass(frozen=True, repr=False)
class Case:
    """A layer, how it is called, and how it is trained.

    ``labels`` draws what the loss takes besides the output, from a generator and the shape of the output.
    """

    layer: Callable[[], tn.Layer]
    shape: tuple[int, ...]
    call: Callable[[tn.Layer, tn.Tensor], tn.Tensor] = lambda layer, x: layer(x)
    draw: Callable[..., np.ndarray] = lambda rng, shape: rng.normal(size=shape)
    loss: Loss = weighted_sum
    labels: Callable[..., np.ndarray] = lambda rng, shape: rng.normal(size=shape)
    optimizer: Callable[[], tn.Optimizer] = lambda: tn.SGD(0.1)
    steps: int = 2
    batches: tuple[int, ...] = (3, 2)  # the sizes of the batches: the last one may be smaller
    options: dict[str, Any] = field(default_factory=dict)  # for the side of PyTorch


class Alone(tn.Model):
    """A layer alone in a model."""

    def __init__(self, case):
        super().__init__(case.shape, seed=0, dtype="float64")
        self.case, self.layer = case, case.layer()

    def forward(self, x):
        return self.case.call(self.layer, x)


def prepared(name):
    """The model of a case with its initial parameters, and its batches: samples, and what the loss takes."""
    case, rng = CASES[name], np.random.default_rng(zlib.crc32(name.encode()))
    model = Alone(case)
    for parameter in model.parameters.values():
        parameter.data[...] = rng.normal(size=parameter.shape) * 0.5
    batches = []
    for step in range(case.steps):
        x = case.draw(rng, (case.batches[step % len(case.batches)], *case.shape))
        batches.append((x, case.labels(rng, (len(x), *model.output_shape))))
    return model, batches


def parameters_of(model):
    """The parameters of a case by name, without that of the layer."""
    return {name.partition(".")[2]: p for name, p in model.parameters.items()}


def tinynet_side(name, compiled=False):
    """All that the steps of a case compute: outputs, losses, gradients, and the parameters and states in the end."""
    (model, batches), optimizer, found = prepared(name), CASES[name].optimizer(), {}
    names, mode = ["x", *parameters_of(model)], tn.train_mode(seed=0)

    def step(x, labels):
        x = tn.Tensor(x, requires_grad=True) if x.dtype.kind == "f" else x
        output = model(x)
        loss = CASES[name].loss(output, labels)
        wanted = [*([x] if x.dtype.kind == "f" else []), *model.parameters.values()]
        gradients = tn.grad(loss, wanted)
        if model.parameters:
            optimizer.minimize(loss, model)
        return [output, loss, *gradients]

    run = tn.compile(step) if compiled else lambda *arrays: [t.data.copy() for t in step(*arrays)]
    for number, (x, labels) in enumerate(batches):
        with mode:
            output, loss, *gradients = run(x, labels)
        found |= {f"{number} output": output, f"{number} loss": loss}
        own = names if x.dtype.kind == "f" else names[1:]
        found |= {f"{number} d {key}": g for key, g in zip(own, gradients, strict=True)}
    found |= {f"after {key}": p.data for key, p in parameters_of(model).items()}
    return found | {f"after {key.partition('.')[2]}": s.data for key, s in model.states.items()}


CASES: dict[str, Case] = {}


def add(name, layer, shape, **rest):
    CASES[name] = Case(layer, shape, **rest)


# --- layers

IMAGE = (5, 4, 2)
MASK = np.array([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]])  # steps that count come first, for packed sequences


def constant_channel(rng, shape):
    x = rng.normal(size=shape)
    x[..., 0] = 0.75
    return x


for kind in ("relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "sigmoid", "tanh", "softmax"):
    add(f"Activation {kind}", lambda kind=kind: tn.Activation(kind), (4,), draw=lambda rng, s: rng.normal(size=s) * 3)
add("Dense", lambda: tn.Dense(3), (4,))
add("Dense over sequences", lambda: tn.Dense(2, use_bias=False), (3, 4))
for padding in ("valid", "same"):
    for stride in (1, 2):
        options = {"stride": stride, "padding": padding, "window": (3, 2)}
        add(f"Conv2D {stride} {padding}", lambda o=options: tn.Conv2D(2, o["window"], o["stride"], o["padding"]), IMAGE,
            options=options)  # fmt: skip
        add(f"Conv2DTranspose {stride} {padding}",
            lambda o=options: tn.Conv2DTranspose(2, o["window"], o["stride"], o["padding"]), (3, 2, 2),
            options=options)  # fmt: skip
        for pool in (tn.MaxPool, tn.AvgPool):
            add(f"{pool.__name__} {stride} {padding}",
                lambda o=options, pool=pool: pool(o["window"], o["stride"], o["padding"]), IMAGE,
                options=options)  # fmt: skip
add("GlobalAvgPool", tn.GlobalAvgPool, (3, 2, 2))
add("GlobalMaxPool", tn.GlobalMaxPool, (3, 2, 2))
add("UpSampling", lambda: tn.UpSampling((2, 3)), (2, 2, 2))
add("Embedding", lambda: tn.Embedding(5, 3), (4,), draw=lambda rng, shape: rng.integers(0, 5, shape))
add("LayerNorm", tn.LayerNorm, (2, 4))
add("LayerNorm of constants", tn.LayerNorm, (3,), draw=lambda rng, shape: np.full(shape, 0.75))
add("BatchNorm", tn.BatchNorm, (3,), steps=3)
add("BatchNorm of images", tn.BatchNorm, (2, 3, 2))
add("BatchNorm of a constant channel", lambda: tn.BatchNorm(momentum=0.6, epsilon=1e-3), (2,), draw=constant_channel)
for kind in (tn.LSTM, tn.GRU):
    for sequences in (False, True):
        add(f"{kind.__name__}{' sequences' * sequences}", lambda kind=kind, s=sequences: kind(2, s), (4, 3))
    add(f"{kind.__name__} masked", lambda kind=kind: kind(2), (4, 3), batches=(3,),
        call=lambda layer, x: layer(x, mask=MASK[: x.shape[0]]))  # fmt: skip
CONTEXT = np.random.default_rng(0).normal(size=(3, 4, 3))
add("MultiHeadAttention", lambda: tn.MultiHeadAttention(2), (3, 4))
add("MultiHeadAttention causal", lambda: tn.MultiHeadAttention(1, causal=True), (3, 2))
add("MultiHeadAttention masked", lambda: tn.MultiHeadAttention(2), (4, 4), batches=(3,),
    call=lambda layer, x: layer(x, mask=MASK[: x.shape[0]]))  # fmt: skip
add("MultiHeadAttention to another", lambda: tn.MultiHeadAttention(2), (2, 4), batches=(3,),
    call=lambda layer, x: layer(x, CONTEXT[: x.shape[0]]))  # fmt: skip
# --- losses, of a dense layer


def by_loss(name, layer, loss, labels):
    add(f"loss {name}", layer, (3,), loss=loss, labels=labels)


def classes(rng, shape):
    return rng.integers(0, shape[1], shape[0])


def classes_of_steps(rng, shape):
    return rng.integers(0, shape[2], shape[:2])


def shares(rng, shape):
    return rng.dirichlet(np.ones(shape[1]), shape[0])


by_loss("cross_entropy", lambda: tn.Dense(4, "softmax"), o.cross_entropy, classes)
by_loss("cross_entropy of shares", lambda: tn.Dense(4, "softmax"), o.cross_entropy, shares)
by_loss("binary_cross_entropy", lambda: tn.Dense(1, "sigmoid"), o.binary_cross_entropy,
        lambda rng, shape: rng.integers(0, 2, shape[0]))  # fmt: skip
by_loss("cross_entropy smoothed", lambda: tn.Dense(4, "softmax"), partial(o.cross_entropy, label_smoothing=0.1),
        classes)  # fmt: skip
by_loss("binary_cross_entropy of shares", lambda: tn.Dense(3, "sigmoid"), o.binary_cross_entropy,
        lambda rng, shape: rng.random(shape))  # fmt: skip
by_loss("mse", lambda: tn.Dense(2), o.mean_squared_error, lambda rng, shape: rng.normal(size=shape))
by_loss("mae", lambda: tn.Dense(2), o.mean_absolute_error, lambda rng, shape: rng.normal(size=shape))
by_loss("huber", lambda: tn.Dense(2), o.huber, lambda rng, shape: rng.normal(size=shape) * 3)

add(
    "loss cross_entropy of steps", lambda: tn.Dense(4, "softmax"), (2, 3), loss=o.cross_entropy, labels=classes_of_steps
)

# --- optimizers, of a small network

OPTIMIZERS = {
    "SGD": lambda: tn.SGD(0.1, weight_decay=0.1),
    "SGD momentum": lambda: tn.SGD(0.1, momentum=0.9),
    "SGD Nesterov": lambda: tn.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "SGD clip_value": lambda: tn.SGD(0.1, clip_value=0.05),
    "SGD clip_norm": lambda: tn.SGD(0.1, momentum=0.5, clip_norm=0.1),
    "Adam": lambda: tn.Adam(0.1, weight_decay=0.1),
    "AdamW": lambda: tn.AdamW(0.1, weight_decay=0.1),
    "RMSprop": lambda: tn.RMSprop(0.1, rho=0.8, momentum=0.5),
}
for name, make in OPTIMIZERS.items():
    add(f"optimizer {name}", lambda: tn.Dense(2, "tanh"), (3,), optimizer=make, loss=o.mean_squared_error, steps=4)
