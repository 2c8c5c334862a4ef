"""Whole networks against an independent implementation: forward and backward by hand in NumPy, window by window."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.core.engine import Tensor

o = tn.ops

# --- the other implementation: each layer gives its output and a function that brings a gradient back


def conv(x, w, stride, padding):
    (kh, kw), (sh, sw) = w.shape[:2], stride
    (top, bottom), (left, right) = (
        same(n, k, s) if padding == "same" else (0, 0) for n, k, s in zip(x.shape[1:3], (kh, kw), stride, strict=True)
    )
    inside = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    oh, ow = ((n - k) // s + 1 for n, k, s in zip(inside.shape[1:3], (kh, kw), stride, strict=True))
    windows = [(i, j, slice(i * sh, i * sh + kh), slice(j * sw, j * sw + kw)) for i in range(oh) for j in range(ow)]
    y = np.zeros((len(x), oh, ow, w.shape[3]))
    for i, j, rows, columns in windows:
        y[:, i, j] = np.einsum("nabc,abcf->nf", inside[:, rows, columns], w)

    def back(g):
        dx, dw = np.zeros(inside.shape), np.zeros(w.shape)
        for i, j, rows, columns in windows:
            dw += np.einsum("nabc,nf->abcf", inside[:, rows, columns], g[:, i, j])
            dx[:, rows, columns] += np.einsum("nf,abcf->nabc", g[:, i, j], w)
        return dx[:, top : dx.shape[1] - bottom, left : dx.shape[2] - right], [dw]

    return y, back


def same(n, k, s):
    """The padding before and after, such that there are ceil(n / s) windows; the odd zero goes after."""
    lacking = max(0, ((n + s - 1) // s - 1) * s + k - n)
    return lacking // 2, lacking - lacking // 2


def pool(x, size, stride):
    (kh, kw), (sh, sw) = size, stride
    oh, ow = ((n - k) // s + 1 for n, k, s in zip(x.shape[1:3], size, stride, strict=True))
    y, winners = np.zeros((len(x), oh, ow, x.shape[3])), {}
    for n, i, j, c in np.ndindex(*y.shape):
        window = x[n, i * sh : i * sh + kh, j * sw : j * sw + kw, c]
        a, b = np.unravel_index(np.argmax(window), window.shape)
        y[n, i, j, c], winners[n, i, j, c] = window[a, b], (n, i * sh + a, j * sw + b, c)

    def back(g):
        dx = np.zeros(x.shape)
        for place, winner in winners.items():
            dx[winner] += g[place]
        return dx, []

    return y, back


def dense(x, w):
    return np.einsum("nk,km->nm", x, w), lambda g: (np.einsum("nm,km->nk", g, w), [np.einsum("nk,nm->km", x, g)])


def bias(x, b):
    return x + b, lambda g: (g, [g.reshape(-1, g.shape[-1]).sum(0)])


def flatten(x):
    return x.reshape(len(x), -1), lambda g: (g.reshape(x.shape), [])


def activation(x, name):
    if name == "relu":
        return np.where(x > 0, x, 0), lambda g: (np.where(x > 0, g, 0), [])
    if name == "tanh":
        return np.tanh(x), lambda g: (g / np.cosh(x) ** 2, [])
    y = 1 / (1 + np.exp(-x))
    return y, lambda g: (g * np.exp(-x) * y**2, [])


def softmax_cross_entropy(x, labels):
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    rows = np.arange(len(x))
    hot = np.zeros(x.shape)
    hot[rows, labels] = 1
    return -np.mean(np.log(p[rows, labels])), lambda: (p - hot) / len(x)


BY_HAND = {"conv": conv, "pool": pool, "dense": dense, "bias": bias, "flatten": flatten, "activation": activation}

BY_OPS = {
    "conv": o.conv2d,
    "pool": o.max_pool,
    "dense": o.matmul,
    "bias": o.add,
    "flatten": lambda x: x.reshape(x.shape[0], -1),
    "activation": lambda x, name: getattr(o, name)(x),
}


# --- networks: a list of layers, each a name, its parameters and its settings


@st.composite
def networks(draw):
    """An image network of random depth and settings: conv, bias, activation and pooling; then dense layers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, h, w, c = draw(st.integers(1, 3)), draw(st.integers(3, 8)), draw(st.integers(3, 8)), draw(st.integers(1, 2))
    activations = st.sampled_from(["relu", "tanh", "sigmoid"])
    x, layers = rng.normal(size=(n, h, w, c)), []

    def glorot(*shape):
        return rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[:-1]))

    for _ in range(draw(st.integers(1, 2))):
        padding, f = draw(st.sampled_from(["valid", "same"])), draw(st.integers(1, 3))
        kernel = [draw(st.integers(1, min(3, m) if padding == "valid" else 3)) for m in (h, w)]
        stride = draw(st.integers(1, 2)), draw(st.integers(1, 2))
        layers.append(("conv", [glorot(*kernel, c, f)], {"stride": stride, "padding": padding}))
        if padding == "same":
            h, w = ((m + s - 1) // s for m, s in zip((h, w), stride, strict=True))
        else:
            h, w = ((m - k) // s + 1 for m, k, s in zip((h, w), kernel, stride, strict=True))
        after = [("bias", [rng.normal(size=f) / 2], {}), ("activation", [], {"name": draw(activations)})]
        if draw(st.booleans()):
            size = tuple(draw(st.integers(1, min(3, m))) for m in (h, w))
            stride = draw(st.integers(1, 3)), draw(st.integers(1, 3))
            after.insert(draw(st.integers(0, 2)), ("pool", [], {"size": size, "stride": stride}))
            h, w = ((m - k) // s + 1 for m, k, s in zip((h, w), size, stride, strict=True))
        layers += after
        c = f
    layers.append(("flatten", [], {}))
    width = h * w * c
    for _ in range(draw(st.integers(0, 2))):
        units = draw(st.integers(1, 5))
        layers += [
            ("dense", [glorot(width, units)], {}),
            ("bias", [rng.normal(size=units)], {}),
            ("activation", [], {"name": draw(activations)}),
        ]
        width = units
    classes = draw(st.integers(2, 4))
    layers.append(("dense", [glorot(width, classes)], {}))
    return x, layers, rng.integers(0, classes, n)


def by_hand(x, layers, labels):
    """The loss, and its gradients: of the input and of each parameter in turn."""
    backs = []
    for name, parameters, settings in layers:
        x, back = BY_HAND[name](x, *parameters, **settings)
        backs.append(back)
    loss, back = softmax_cross_entropy(x, labels)
    g, gradients = back(), []
    for step in reversed(backs):
        g, found = step(g)
        gradients = found + gradients
    return loss, [g, *gradients]


def by_ops(x, layers, labels):
    """The same with tinynet."""
    x = Tensor(x, requires_grad=True)
    leaves, y = [x], x
    for name, arrays, settings in layers:
        parameters = [Tensor(a, requires_grad=True) for a in arrays]
        y = BY_OPS[name](y, *parameters, **{"pool_size" if k == "size" else k: v for k, v in settings.items()})
        leaves += parameters
    loss = o.cross_entropy(o.softmax(y), labels)
    return loss.item(), [g.data for g in tn.grad(loss, leaves)]


@given(networks())
def test_losses_and_gradients_are_those_of_the_other_implementation(network):
    expected, found = by_hand(*network), by_ops(*network)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12, atol=1e-15)
    for a, b in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12 * max(1e-3, float(np.max(np.abs(b), initial=0))))


@given(networks())
def test_backward_puts_the_same_gradients_into_the_leaves(network):
    x, layers, labels = network
    leaves, y = [], Tensor(x)
    for name, arrays, settings in layers:
        parameters = [Tensor(a, requires_grad=True) for a in arrays]
        y = BY_OPS[name](y, *parameters, **{"pool_size" if k == "size" else k: v for k, v in settings.items()})
        leaves += parameters
    o.cross_entropy(o.softmax(y), labels).backward()
    for leaf, expected in zip(leaves, by_ops(*network)[1][1:], strict=True):
        np.testing.assert_array_equal(leaf.grad.data, expected)
