"""Vectors for numbered things, such as words."""

from __future__ import annotations

import numpy as np

from tinynet.checks import check_count
from tinynet.core.engine import Tensor
from tinynet.core.spec import Shape
from tinynet.nn.initial import Initializer, initializer
from tinynet.nn.layer import Layer
from tinynet.ops.dtypes import cast


class Embedding(Layer):
    """A vector for each whole number from 0 to n - 1: numbers (n, ...) become vectors (n, ..., dim).

    Parameters
    ----------
    n : int
        The number of things, such as the words of a vocabulary.
    dim : int
        The length of their vectors.
    embeddings_init : {"uniform", ...} or callable
        The initial vectors, by the name of an initializer or as a function of a shape and a generator.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If an argument is not one of the above, or a number is out of range when the layer is used.

    Notes
    -----
    The parameter is "weight" (n, dim). The numbers may be floats, as an `Input` makes them. A fraction is cut off, and
    float32 is exact up to 2^24.

    References
    ----------
    Bengio, Ducharme, Vincent and Jauvin, "A neural probabilistic language model", JMLR 3, 2003, section 2.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.Embedding(100, 8)(np.array([[3, 1, 4], [1, 5, 9]])).shape
    (2, 3, 8)
    """

    kind = "embedding"

    def __init__(
        self, n: int, dim: int, embeddings_init: str | Initializer = "uniform", name: str | None = None
    ) -> None:
        super().__init__(name)
        self.n = check_count("Embedding: n", n)
        self.dim = check_count("Embedding: dim", dim)
        self.embeddings_init = initializer("Embedding", embeddings_init)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Create the vectors."""
        self.weight = self.add_parameter("weight", (self.n, self.dim), self.embeddings_init)

    def forward(self, x: Tensor) -> Tensor:
        """Look the vectors up."""
        return self.weight[x if x.dtype.kind in "iu" else cast(x, np.int64)]
