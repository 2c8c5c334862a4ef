"""The step of Adam on its kernel: into new vectors, or in place."""

from __future__ import annotations

from typing import Any

from tinynet.core.spec import Array
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import fused as kernels
from tinynet.fast.kernels.jit import for_chunks
from tinynet.fast.threads import runnable


def _in_place(*arrays: Array, beta1: float, beta2: float, epsilon: float) -> tuple[Any, ...]:
    *vectors, steps, gradient, rate = arrays
    chunks = kernels.chunks(gradient.size, gradient.size)
    scalars = steps.reshape(1), gradient, rate.reshape(1), beta1, beta2, epsilon, chunks
    return for_chunks(kernels.adam, chunks), *vectors, *scalars


def _copy_and_move(new: tuple[Array, ...], old: tuple[Array, ...], kernel: Any, arguments: tuple[Any, ...]) -> None:
    for to, value in zip(new, old, strict=True):
        to[...] = value
    runnable(kernel)(*arguments)  # here and now: a plan may be older than a fork


def _into_new(*arrays: Array, **betas: float) -> tuple[Any, ...]:
    new, old, rest = arrays[:3], arrays[3:6], arrays[6:]
    kernel, *arguments = _in_place(*new, *rest, **betas)
    return _copy_and_move, new, old, kernel, tuple(arguments)


adam = Implementation(_into_new, contiguous=True, threaded=True)
adam_in_place = Implementation(_in_place, inplace=3, contiguous=True, threaded=True)
