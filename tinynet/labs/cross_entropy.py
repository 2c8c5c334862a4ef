"""Lab 2: softmax cross-entropy that does not overflow, and its gradient."""

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
from tinynet.ops.loss import cross_entropy

Function = Callable[..., Any]


def _point() -> tuple[Array, Array]:
    return np.random.default_rng(3).normal(size=(4, 3)), np.array([2, 0, 1, 1])


def _library(logits: Array, labels: Array) -> Array:
    return np.asarray(cross_entropy(logits, labels).data)


def _softmax(x: Array, axis: int | None) -> Array:
    powers = np.exp(x)
    return np.asarray(powers / powers.sum(axis, keepdims=axis is not None))


def _loss_suspects(logits: Array, labels: Array) -> list[Suspect]:
    n, k = logits.shape
    rows = np.arange(n)
    right = _library(logits, labels)
    p = _softmax(logits, 1)
    crossed = _softmax(logits, 0)[rows, labels]
    return [
        Suspect(
            "missing factor", right * n, f"it is the sum over the {n} samples; the loss is their mean, so divide by N"
        ),
        Suspect("missing factor", right / k, f"it divides by the {k} classes, too: take the mean over the samples"),
        Suspect(
            "wrong shape", -np.log(p[rows, labels]), "it returns the loss of each sample; return their mean, one number"
        ),
        Suspect(
            "wrong axis",
            -np.log(crossed).mean(),
            "softmax sums over the samples (axis 0); sum over the classes, axis 1, with keepdims=True",
        ),
        Suspect(
            "wrong axis",
            -np.log(_softmax(logits, None)[rows, labels]).mean(),
            "softmax sums over all values; sum over the classes of each sample, axis 1, with keepdims=True",
        ),
        Suspect("missing logarithm", -p[rows, labels].mean(), "it is the mean probability: the logarithm is missing"),
        Suspect(
            "missing softmax",
            -logits[rows, labels].mean(),
            "it is minus the logit of the label: the logarithm of the sum of exponentials is missing",
        ),
        Suspect(
            "wrong summand", -np.log(p).mean(), "it is the mean over all classes: only the class of the label counts"
        ),
    ]


def _check_loss(function: Function) -> None:
    logits, labels = _point()
    found = as_array(call(function, {"logits": logits, "labels": labels}))
    if found.shape == (1,):
        mistake("wrong shape", "it returns an array of shape (1,); return one number")
    compare(found, _library(logits, labels), _loss_suspects(logits, labels))
    keeps_dtype(function, {"logits": logits, "labels": labels})


_FAR = (  # logits of one sample, its label, and what goes wrong there
    ([[1000.0, 0.0, 0.0]], [0], "the logits are large: e^1000 is infinity"),
    (
        [[0.0, 1000.0, 0.0]],
        [0],
        "the label is all but impossible: its probability rounds to 0, and log(0) is minus infinity",
    ),
    ([[-1000.0, -1001.0, -1002.0]], [1], "the logits are far below 0: every e^x rounds to 0"),
    (
        [[1000.0, 0.0, 0.0], [-1000.0, -1001.0, -1002.0]],
        [1, 2],
        "one sample has large logits, another small ones: subtract the largest of each row, not the largest of all",
    ),
)
_REMEDY = (
    "Subtract the largest logit of each row, and take the logarithm apart: log softmax(x) = x - max - "
    "log(sum(e^(x - max)))"
)


def _check_stable(function: Function) -> None:
    for rows, classes, why in _FAR:
        logits, labels = np.array(rows), np.array(classes)
        found = as_array(call(function, {"logits": logits, "labels": labels}))
        right = _library(logits, labels)
        place = f"for logits {' and '.join(str([int(v) for v in row]) for row in rows)}, labels {classes}"
        if not np.isfinite(found).all():
            mistake(
                "not stable",
                f"it returns {float(found.flat[0])} {place}, where the loss is {right:.6g}: {why}. {_REMEDY}",
            )
        if found.shape != right.shape or not np.isclose(found, right, rtol=1e-6):
            hint = "something is added or clipped within the logarithm, which hides the overflow and spoils the value"
            mistake(
                "not stable",
                f"it returns {float(found.flat[0]):.6g} {place}, where the loss is {right:.6g}: "
                f"{hint if np.isfinite(found).all() else why}. {_REMEDY}",
            )


def _cotangent(logits: Array, labels: Array) -> Array:
    return library_gradients(lambda x: cross_entropy(x, labels), [logits], np.array(1.0))[0]


def _check_gradient(function: Function) -> None:
    logits, labels = _point()
    n = len(labels)
    one_hot = np.eye(3)[labels]
    p = _softmax(logits, 1)
    suspects = [
        Suspect("missing factor", p - one_hot, "the loss is a mean over the samples: divide by N"),
        Suspect(
            "missing summand",
            p / n,
            "it is the gradient of the normalising sum alone: subtract 1 at the label of each sample",
        ),
        Suspect("missing summand", p, "subtract 1 at the label of each sample, and divide by N"),
        Suspect(
            "missing summand", -one_hot / n, "it is the gradient of the label's logit alone: add the probabilities"
        ),
        Suspect(
            "wrong axis",
            (_softmax(logits, 0) - one_hot) / n,
            "softmax sums over the samples (axis 0); sum over the classes, axis 1, with keepdims=True",
        ),
        Suspect(
            "wrong axis",
            (_softmax(logits, None) - one_hot) / n,
            "softmax sums over all values; sum over the classes, axis 1, with keepdims=True",
        ),
        Suspect(
            "wrong sign",
            (one_hot - p),
            "the sign is wrong, and the 1/N of the mean is missing: it is (softmax - one-hot) / N",
        ),
        Suspect(
            "wrong values",
            np.where(one_hot > 0, (p - one_hot) / n, 0),
            "only the label's logit gets a gradient; the others are in the normalising sum: theirs is "
            "their probability / N",
        ),
    ]

    def student(g: Array, logits: Array) -> Array:
        return np.asarray(as_array(function(logits, labels)) * np.asarray(g, logits.dtype))

    call(function, {"logits": logits, "labels": labels})  # does it raise, or change its arguments?
    right = _cotangent(logits, labels)
    arguments = {"g": np.array(0.7), "logits": logits}
    scaled = [s._replace(value=0.7 * s.value) for s in suspects]
    check_gradient(student, lambda x: _library(x, labels), arguments, "logits", 0.7 * right, scaled)


def _check_stable_gradient(function: Function) -> None:
    for rows, classes, why in _FAR:
        logits, labels = np.array(rows), np.array(classes)
        found = as_array(call(function, {"logits": logits, "labels": labels}))
        right = _cotangent(logits, labels)
        if not np.isfinite(found).all():
            mistake(
                "not stable",
                f"it holds NaN or infinity for logits {rows}: {why}. Subtract the largest logit of each row "
                "before the exponential",
            )
        compare(found, right)


def _parts(given: Mapping[str, Any]) -> Parts:
    loss, gradient = given["softmax_cross_entropy"], given["softmax_cross_entropy_gradient"]
    yield Part("the loss", partial(_check_loss, loss))
    yield Part("the loss for extreme logits", partial(_check_stable, loss), "the loss")
    yield Part("the gradient", partial(_check_gradient, gradient))
    yield Part("the gradient for extreme logits", partial(_check_stable_gradient, gradient), "the gradient")


LAB = Lab(
    2,
    "softmax cross-entropy that does not overflow",
    ("softmax_cross_entropy", "softmax_cross_entropy_gradient"),
    ("tinynet.ops.loss: _log_softmax_compute, cross_entropy", "tinynet.ops.loss: the vjp of _log_softmax"),
    _parts,
)
