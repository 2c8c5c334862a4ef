"""The steps of optimizers on their kernels: into new vectors, or in place."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tinynet.core.spec import Array
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import fused as kernels
from tinynet.fast.kernels.jit import for_chunks
from tinynet.fast.threads import runnable


def _adam(*arrays: Array, beta1: float, beta2: float, epsilon: float, decay: float = 0.0) -> tuple[Any, ...]:
    *vectors, steps, gradient, rate = arrays
    chunks = kernels.count_chunks(gradient.size, gradient.size)
    scalars = steps.reshape(1), gradient, rate.reshape(1), beta1, beta2, epsilon, decay, chunks
    return for_chunks(kernels.adam, chunks), *vectors, *scalars


def bind_descent(
    theta: Array, velocity: Array | None, gradient: Array, rate: Array, momentum: Array, nesterov: bool
) -> tuple[Any, ...]:
    """Bind a step of gradient descent in place; without a velocity, the momentum does not matter."""
    chunks = kernels.count_chunks(gradient.size, gradient.size)
    scalars = rate.reshape(1), momentum.reshape(1), nesterov, chunks
    return for_chunks(kernels.descend, chunks), theta, velocity, gradient, *scalars


def _rmsprop(theta: Array, square: Array, gradient: Array, rate: Array, rho: float, epsilon: float) -> tuple[Any, ...]:
    return _rmsprop_with_momentum(theta, square, None, gradient, rate, rate, rho, epsilon)


def _rmsprop_with_momentum(
    theta: Array, square: Array, velocity: Array | None, gradient: Array, rate: Array, momentum: Array, rho: float,
    epsilon: float,
) -> tuple[Any, ...]:  # fmt: skip
    chunks = kernels.count_chunks(gradient.size, gradient.size)
    scalars = rate.reshape(1), momentum.reshape(1), rho, epsilon, chunks
    return for_chunks(kernels.rmsprop, chunks), theta, square, velocity, gradient, *scalars


def _copy_and_move(new: tuple[Array, ...], old: tuple[Array, ...], kernel: Any, arguments: tuple[Any, ...]) -> None:
    for to, value in zip(new, old, strict=True):
        to[...] = value
    runnable(kernel)(*arguments)  # here and now: a plan may be older than a fork


def _into_new(in_place: Callable[..., tuple[Any, ...]], vectors: int, *arrays: Array, **attrs: Any) -> tuple[Any, ...]:
    new, old, rest = arrays[:vectors], arrays[vectors : 2 * vectors], arrays[2 * vectors :]
    kernel, *arguments = in_place(*new, *rest, **attrs)
    return _copy_and_move, new, old, kernel, tuple(arguments)


def _both(in_place: Callable[..., tuple[Any, ...]], vectors: int) -> tuple[Implementation, Implementation]:
    """Return the implementations of a step into new vectors, and in place."""
    into_new = Implementation(partial(_into_new, in_place, vectors), contiguous=True, threaded=True)
    return into_new, Implementation(in_place, inplace=vectors, contiguous=True)


adam, adam_in_place = _both(_adam, 3)
momentum, momentum_in_place = _both(bind_descent, 2)
rmsprop, rmsprop_in_place = _both(_rmsprop, 2)
rmsprop_with_momentum, rmsprop_with_momentum_in_place = _both(_rmsprop_with_momentum, 3)
