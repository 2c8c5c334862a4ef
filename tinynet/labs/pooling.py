"""Lab 4: backpropagation through max-pooling and average-pooling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from tinynet.core.spec import Array
from tinynet.labs.doctor import (
    Part,
    Suspect,
    as_array,
    call,
    check_gradient,
    compare,
    keeps_dtype,
    library_gradients,
    mistake,
)
from tinynet.labs.lab import Lab, Parts
from tinynet.ops.average import avg_pool
from tinynet.ops.pool import max_pool

Function = Callable[..., Any]
SIZE = 2


def _point() -> Array:
    """Return images whose last row and column no window reaches."""
    return np.random.default_rng(6).normal(size=(2, 5, 7, 3))


def _cotangent() -> Array:
    return np.random.default_rng(7).normal(size=(2, 2, 3, 3))


def _right(op: Callable[..., Any], x: Array) -> Array:
    return np.asarray(op(x, SIZE).data)


def _blocks(x: Array) -> Array:
    """Return the windows as (N, OH, OW, C, 4)."""
    n, h, w, c = x.shape
    whole = x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c)
    return whole.transpose(0, 1, 3, 5, 2, 4).reshape(n, h // 2, w // 2, c, 4)


def _spread(parts: Array, x: Array) -> Array:
    """Put windows (N, OH, OW, C, 4) back into images; the inverse of `_blocks`, with zeros where no window reaches."""
    n, oh, ow, c, _ = parts.shape
    dx = np.zeros_like(x)
    square = parts.reshape(n, oh, ow, c, 2, 2).transpose(0, 1, 4, 2, 5, 3)
    dx[:, : 2 * oh, : 2 * ow] = square.reshape(n, 2 * oh, 2 * ow, c)
    return dx


def _check_value(function: Function) -> None:
    x = _point()
    found = as_array(call(function, {"x": x, "size": SIZE}))
    blocks = _blocks(x)
    suspects = [
        Suspect("wrong summand", blocks.mean(-1), "it is the mean of each window; take the largest"),
        Suspect("wrong sign", blocks.min(-1), "it is the least of each window; take the largest"),
        Suspect(
            "wrong sign",
            np.maximum(blocks.max(-1), 0),
            "a window of negative values has a negative maximum: do not start at 0",
        ),
    ]
    compare(found, _right(max_pool, x), suspects)
    below = -1 - np.abs(x)
    if not np.allclose(as_array(call(function, {"x": below, "size": SIZE})), _right(max_pool, below)):
        mistake("wrong values", "it is wrong where all values are negative: do not start at 0, or pad with 0")
    keeps_dtype(function, {"x": x, "size": SIZE})


def _fixed(function: Function) -> Function:
    return lambda g, x: function(g, x, SIZE)


def _check_max_gradient(function: Function) -> None:
    x, g = _point(), _cotangent()
    blocks = _blocks(x)
    everywhere = _spread(np.repeat(g[..., None], 4, -1), x)
    right = library_gradients(lambda t: max_pool(t, SIZE), [x], g)[0]
    suspects = [
        Suspect(
            "missing mask",
            everywhere,
            "all values of a window get the gradient; only the largest decides, so only it does",
        ),
        Suspect(
            "missing mask",
            everywhere / 4,
            "that is average pooling; only the largest value gets the gradient, all of it",
        ),
        Suspect(
            "missing factor",
            right / 4,
            "the largest value gets all of the gradient: do not divide by the number of values",
        ),
        Suspect("wrong values", right * x, "it multiplies with x; the derivative of the maximum is 1"),
        Suspect(
            "wrong place",
            _spread(g[..., None] * (np.arange(4) == 0), x),
            "the gradient goes to the first place of each window; it must go to that of the largest value",
        ),
        Suspect(
            "wrong place",
            _spread(g[..., None] * (np.arange(4) == blocks.argmin(-1)[..., None]), x),
            "the gradient goes to the least value",
        ),
    ]
    _check_edge(call(_fixed(function), {"g": g, "x": x}), x)
    check_gradient(_fixed(function), lambda t: _right(max_pool, t), {"g": g, "x": x}, "x", right, suspects)


def _check_edge(result: Any, x: Array) -> None:
    """Look for the mistake of images that windows do not fill."""
    found = as_array(result)
    if found.shape == (2, 4, 6, 3):
        mistake(
            "wrong shape",
            f"it has shape {found.shape}, and x has {x.shape}: the last row and column, which no window "
            "reaches, get zeros",
        )


def _check_ties(function: Function) -> None:
    """Look at a kink, where quotients say nothing and the gradient is a convention: to the first place by rows."""
    x, g = np.zeros((1, 4, 4, 1)), np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 2, 2, 1)
    x[0, 2:, 2:, 0] = [[1, 5], [5, 2]]
    best = _blocks(x) == _blocks(x).max(-1, keepdims=True)
    last = 3 - np.argmax(best[..., ::-1], -1)
    by_columns = np.where(best[..., 2], 2, 1)
    right = library_gradients(lambda t: max_pool(t, SIZE), [x], g)[0]
    suspects = [
        Suspect(
            "ties",
            _spread(best * g[..., None], x),
            "where several values are the largest, each gets the whole gradient, so that there is more "
            "of it than came in. One gets it: the first, by rows",
        ),
        Suspect(
            "ties",
            _spread(best * g[..., None] / best.sum(-1, keepdims=True), x),
            "where several values are the largest, it divides the gradient among them. Here, as in most "
            "frameworks, the first by rows gets all",
        ),
        Suspect(
            "ties",
            _spread(g[..., None] * (np.arange(4) == last[..., None]), x),
            "where several values are the largest, the last gets the gradient; the first, by rows, must "
            "(did you compare with >= ?)",
        ),
        Suspect(
            "ties",
            _spread(g[..., None] * (np.arange(4) == np.where(best.all(-1), 0, by_columns)[..., None]), x),
            "where several values are the largest, the first by columns gets the gradient; take the first by rows",
        ),
    ]
    found = as_array(call(_fixed(function), {"g": g, "x": x}))
    compare(found, right, suspects)


def _check_average_gradient(function: Function) -> None:
    x, g = _point(), _cotangent()
    everywhere = _spread(np.repeat(g[..., None], 4, -1), x)
    right = library_gradients(lambda t: avg_pool(t, SIZE), [x], g)[0]
    suspects = [
        Suspect(
            "missing factor", everywhere, "each of the 4 values of a window counts a quarter: divide by size * size"
        ),
        Suspect("missing factor", everywhere / 2, "it divides by size; a window has size * size values"),
        Suspect(
            "missing sum",
            _spread(g[..., None] * (np.arange(4) == 0) / 4, x),
            "only the first value of each window gets a gradient; each gets its quarter",
        ),
    ]
    _check_edge(call(_fixed(function), {"g": g, "x": x}), x)
    check_gradient(_fixed(function), lambda t: _right(avg_pool, t), {"g": g, "x": x}, "x", right, suspects)


def _parts(given: Mapping[str, Any]) -> Parts:
    yield Part("the value of max_pool", partial(_check_value, given["max_pool"]))
    yield Part("the gradient of max_pool", partial(_check_max_gradient, given["max_pool_gradient"]))
    yield Part(
        "the gradient of max_pool where values are equal",
        partial(_check_ties, given["max_pool_gradient"]),
        "the gradient of max_pool",
    )
    yield Part("the gradient of avg_pool", partial(_check_average_gradient, given["avg_pool_gradient"]))


LAB = Lab(
    4,
    "backpropagation through pooling",
    ("max_pool", "max_pool_gradient", "avg_pool_gradient"),
    ("tinynet.ops.pool: _max_pool_compute, _max_unpool_compute", "tinynet.ops.average, for the mean"),
    _parts,
)
