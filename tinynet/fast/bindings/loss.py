"""Softmax and its logarithm on their kernels."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from tinynet.core.spec import Array, Spec, Value
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import loss as kernels


def sums_of_rows(x: Value, *others: Value) -> tuple[Spec, ...]:
    """Return the working array of a softmax: the maximum of each row, and the sum of its exponentials."""
    return (Spec((2, math.prod(x.shape[:-1])), x.dtype),)


def _over_rows(kernel: Any, y: Array, sums: Array, x: Array) -> tuple[Any, ...]:
    return kernel, y.reshape(-1, y.shape[-1]), sums, x.reshape(-1, x.shape[-1])


softmax = Implementation(partial(_over_rows, kernels.softmax), sums_of_rows, contiguous=True)
log_softmax = Implementation(partial(_over_rows, kernels.log_softmax), sums_of_rows, contiguous=True)
