"""Lab 3: a convolution by im2col, which is one product of matrices, and its gradients."""

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
from tinynet.ops.conv import _conv2d_compute, _input_grad_compute, conv2d, geometry, windows

Function = Callable[..., Any]


def _point() -> dict[str, Array]:
    rng = np.random.default_rng(4)
    return {"x": rng.normal(size=(2, 5, 6, 3)), "w": rng.normal(size=(2, 3, 3, 4))}


def _right(x: Array, w: Array) -> Array:
    return _conv2d_compute(x, w, geometry("conv2d", x.shape, (w.shape[0], w.shape[1]), (1, 1), "valid"))


def columns(x: Array, kh: int, kw: int, order: tuple[int, int, int] = (0, 1, 2)) -> Array:
    """Return the windows as rows of a matrix; ``order`` is that of the axes KH, KW, C within a row."""
    seen = windows(x, geometry("im2col", x.shape, (kh, kw), (1, 1), "valid"))  # N, OH, OW, C, KH, KW
    taps = [(4, 5, 3)[i] for i in order]
    return seen.transpose(0, 1, 2, *taps).reshape(seen.shape[0] * seen.shape[1] * seen.shape[2], -1)


def _check_im2col(function: Function) -> None:
    x = _point()["x"]
    found = as_array(call(function, {"x": x, "kh": 2, "kw": 3}))
    right = columns(x, 2, 3)
    n, oh, ow = 2, 4, 4
    by_place = right.reshape(n, oh, ow, -1)
    across = by_place.transpose(0, 2, 1, 3).reshape(right.shape)
    suspects = [
        Suspect(
            "wrong order",
            columns(x, 2, 3, (2, 0, 1)),
            "each row has the order C, KH, KW; w has the axes KH, KW, C, F, so a row must have KH, KW, C",
        ),
        Suspect(
            "wrong order",
            columns(x, 2, 3, (1, 0, 2)),
            "each row has the order KW, KH, C: rows of the window come before its columns",
        ),
        Suspect("wrong order", across, "the rows go down the image first; they must go as N, OH, OW, so across first"),
        Suspect(
            "wrong order",
            by_place.transpose(1, 2, 0, 3).reshape(right.shape),
            "the rows go through the images last; they must go as N, OH, OW",
        ),
        Suspect("transposed", right.T, "it has a column for each window; make a row for each window"),
        Suspect("wrong shape", by_place, "it still has the axes N, OH, OW: reshape it to (N OH OW, KH KW C)"),
    ]
    if found.shape[-1:] == right.shape[-1:] and 0 < found.size < right.size:
        mistake(
            "wrong shape",
            f"it has shape {found.shape}, but must have {right.shape}: the window fits H - KH + 1 times "
            "down and W - KW + 1 times across, for each image",
        )
    compare(found, right, suspects)
    keeps_dtype(function, {"x": x, "kh": 2, "kw": 3})


def _check_value(function: Function) -> None:
    inputs = _point()
    x, w = inputs["x"], inputs["w"]
    found = as_array(call(function, inputs))
    right = _right(x, w)
    other = (columns(x, 2, 3, (2, 0, 1)) @ w.reshape(-1, 4)).reshape(right.shape)
    suspects = [
        Suspect(
            "flipped", _right(x, w[::-1, ::-1]), "the filters are flipped, as in mathematics; in networks they are not"
        ),
        Suspect(
            "wrong order", other, "the columns have the order C, KH, KW and the filters KH, KW, C: they must agree"
        ),
        Suspect(
            "wrong shape", right.reshape(-1, 4), "it still has a row for each window: reshape it to (N, OH, OW, F)"
        ),
        Suspect(
            "transposed",
            right.reshape(-1, 4).T.reshape(2, 4, 4, 4),
            "the filters come first and are then reshaped to the end, which mixes pixels: transpose, do not reshape",
        ),
        Suspect(
            "wrong axis",
            (columns(x, 2, 3) @ w.transpose(3, 0, 1, 2).reshape(-1, 4)).reshape(right.shape),
            "the filters were transposed before they were reshaped: w.reshape(-1, F) is all that is needed",
        ),
    ]
    compare(found, right, suspects)
    keeps_dtype(function, inputs)


def _overwritten(g: Array, x: Array, w: Array) -> Array:
    """Return the gradient for images if windows that overlap overwrite each other."""
    dx = np.zeros_like(x)
    kh, kw = w.shape[:2]
    for i in range(g.shape[1]):
        for j in range(g.shape[2]):
            dx[:, i : i + kh, j : j + kw] = np.einsum("nf,abcf->nabc", g[:, i, j], w)
    return dx


def _overwritten_taps(g: Array, x: Array, w: Array) -> Array:
    """Return the same, if it is done tap by tap."""
    dx = np.zeros_like(x)
    for a in range(w.shape[0]):
        for b in range(w.shape[1]):
            dx[:, a : a + g.shape[1], b : b + g.shape[2]] = g @ w[a, b].T
    return dx


def _gradient_suspects(g: Array, x: Array, w: Array) -> tuple[list[Suspect], list[Suspect]]:
    p = geometry("conv2d", x.shape, (2, 3), (1, 1), "valid")
    right = library_gradients(conv2d, [x, w], g)[1]
    text = "windows overlap, and a pixel gets the sum of what all of them pass back: add (+=), do not assign (=)"
    for_x = [
        Suspect("overwrites", _overwritten(g, x, w), text),
        Suspect("overwrites", _overwritten_taps(g, x, w), text),
        Suspect(
            "flipped",
            _input_grad_compute(g, np.ascontiguousarray(w[::-1, ::-1]), p, (5, 6)),
            "each tap passes back to the pixel that it saw; here the filter is turned round",
        ),
    ]
    for_w = [
        Suspect(
            "transposed",
            right.reshape(-1, 4).T.reshape(right.shape),
            "it is g^T times the columns, reshaped: it must be the columns, transposed, times g",
        ),
        Suspect(
            "wrong order",
            (columns(x, 2, 3, (2, 0, 1)).T @ g.reshape(-1, 4)).reshape(right.shape),
            "the columns have the order C, KH, KW and dw KH, KW, C: they must agree",
        ),
        Suspect(
            "missing factor",
            right / 2,
            "it is the mean over the images: a loss that is a mean brings its 1/N in g, so sum",
        ),
        Suspect("missing factor", right / 32, "it is the mean over all windows: sum"),
        Suspect(
            "missing sum", library_gradients(conv2d, [x[:1], w], g[:1])[1], "only the first image counts: sum over all"
        ),
    ]
    return for_x, for_w


def _check_gradient(function: Function, wrt: str) -> None:
    inputs = _point()
    x, w = inputs["x"], inputs["w"]
    g = np.random.default_rng(5).normal(size=(2, 4, 4, 4))
    place = list(inputs).index(wrt)

    def student(g: Array, x: Array, w: Array) -> Array:
        pair = function(g, x, w)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            came = f"{len(pair)} values" if isinstance(pair, tuple | list) else f"a {type(pair).__name__}"
            mistake("no gradient", f"it must return two gradients, (dx, dw), but returns {came}")
        if pair[place] is None:
            mistake("no gradient", f"the gradient for {wrt} is None")
        return as_array(pair[place])

    right = library_gradients(conv2d, [x, w], g)
    suspects = _gradient_suspects(g, x, w)
    check_gradient(student, _right, {"g": g, **inputs}, wrt, right[place], suspects[place])


def _parts(given: Mapping[str, Any]) -> Parts:
    yield Part("im2col", partial(_check_im2col, given["im2col"]))
    yield Part("the value of conv2d", partial(_check_value, given["conv2d"]))
    yield Part("the gradient with respect to x", partial(_check_gradient, given["conv2d_gradients"], "x"))
    yield Part("the gradient with respect to w", partial(_check_gradient, given["conv2d_gradients"], "w"))


LAB = Lab(
    3,
    "a convolution by im2col",
    ("im2col", "conv2d", "conv2d_gradients"),
    (
        "tinynet.ops.conv: windows, _conv2d_compute",
        "tinynet.ops.conv: _input_grad_compute, _weight_grad_compute",
        "tinynet.fast.kernels.conv, which does it fast",
    ),
    _parts,
)
