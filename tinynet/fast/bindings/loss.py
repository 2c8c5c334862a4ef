"""Softmax and its logarithm on their kernels."""

from __future__ import annotations

from functools import partial
from typing import Any

from tinynet.core.spec import Array
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import loss as kernels


def _over_rows(kernel: Any, y: Array, x: Array) -> tuple[Any, ...]:
    return kernel, *(a.reshape(-1, a.shape[-1]) for a in (y, x))


softmax = Implementation(partial(_over_rows, kernels.softmax), contiguous=True)
log_softmax = Implementation(partial(_over_rows, kernels.log_softmax), contiguous=True)
