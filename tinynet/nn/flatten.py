"""Layers that change the shape alone."""

from __future__ import annotations

import math

from tinynet.core.engine import Tensor
from tinynet.nn.layer import Layer


class Flatten(Layer):
    """All values of a sample in one row.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.Flatten()(np.ones((2, 3, 4))).shape
    (2, 12)
    """

    kind = "flatten"

    def forward(self, x: Tensor) -> Tensor:
        """Reshape to (n, values)."""
        return x.reshape(x.shape[0], math.prod(x.shape[1:]))
