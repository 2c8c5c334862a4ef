"""Softmax and its logarithm on their kernels."""

from __future__ import annotations

from typing import Any

from tinynet.core.spec import Array
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import loss as kernels


def _rows(x: Array) -> Array:
    return x.reshape(-1, x.shape[-1])


def _softmax(y: Array, x: Array) -> tuple[Any, ...]:
    return kernels.softmax, _rows(y), _rows(x)


def _log_softmax(y: Array, x: Array) -> tuple[Any, ...]:
    return kernels.log_softmax, _rows(y), _rows(x)


softmax = Implementation(_softmax, contiguous=True)
log_softmax = Implementation(_log_softmax, contiguous=True)
