"""Samples in another shape."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tinynet.checks import check_integers
from tinynet.core.engine import Tensor
from tinynet.errors import ArgumentError
from tinynet.nn.layer import Layer


class Reshape(Layer):
    """The values of each sample, in row order, in another shape.

    Parameters
    ----------
    shape : int or sequence of int
        The shape of a sample; one length may be -1, and is then computed.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If a length is not 1 or more, except for one -1.
    ShapeError
        If the number of values differs when the layer is used.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.Reshape((4, -1))(np.ones((2, 12))).shape
    (2, 4, 3)
    """

    kind = "reshape"

    def __init__(self, shape: int | Sequence[int], name: str | None = None) -> None:
        super().__init__(name)
        self.shape = check_integers("Reshape: shape", shape)
        if self.shape.count(-1) > 1 or any(n < 1 for n in self.shape if n != -1):
            raise ArgumentError(f"Reshape: lengths must be 1 or more, with at most one -1, but got shape {shape!r}")

    def forward(self, x: Tensor) -> Tensor:
        """Reshape each sample."""
        size, known = math.prod(x.shape[1:]), math.prod(n for n in self.shape if n != -1)
        return x.reshape(x.shape[0], *(size // known if n == -1 else n for n in self.shape))
