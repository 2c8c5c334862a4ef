"""Attention of the steps of a sequence to each other."""

from __future__ import annotations

import math

import numpy as np

from tinynet.checks import check_count
from tinynet.core.engine import Tensor, constant
from tinynet.core.spec import Shape
from tinynet.errors import ShapeError
from tinynet.nn.dense import Dense
from tinynet.nn.layer import Layer
from tinynet.ops.compare import where
from tinynet.ops.linear import matmul
from tinynet.ops.loss import softmax


class MultiHeadAttention(Layer):
    """Self-attention: each step of a sequence (n, T, D) becomes a mean of all steps, weighted by how they match.

    Each head takes softmax(Q K^T / sqrt(d)) V over its own d = D / heads columns of the queries Q, keys K and values V,
    three dense layers of the input. A fourth one puts the heads together.

    Parameters
    ----------
    heads : int
        How many; a divisor of D.
    causal : bool
        Let no step see those after it.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If the number of heads is not 1 or more.
    ShapeError
        If samples have not the axes (T, D), or D is no multiple of the heads, when the layer is used.

    Notes
    -----
    Parameters are those of four layers `Dense`, "query", "key", "value" and "output": each has a "weight" (D, D) and a
    "bias" (D,).

    References
    ----------
    Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.2.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.MultiHeadAttention(2, causal=True)(np.ones((3, 5, 8))).shape
    (3, 5, 8)
    """

    kind = "multi_head_attention"

    def __init__(self, heads: int, causal: bool = False, name: str | None = None) -> None:
        super().__init__(name)
        self.heads = check_count("MultiHeadAttention: heads", heads)
        self.causal = bool(causal)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Create the four dense layers."""
        if len(input_shape) != 2:
            raise ShapeError(
                f"MultiHeadAttention takes sequences with the axes (n, T, D), not {len(input_shape) + 1} axes"
            )
        width = input_shape[1]
        if width % self.heads:
            raise ShapeError(f"MultiHeadAttention: D = {width} must be a multiple of the {self.heads} heads")
        self.query, self.key = Dense(width, name="query"), Dense(width, name="key")
        self.value, self.output = Dense(width, name="value"), Dense(width, name="output")

    def forward(self, x: Tensor) -> Tensor:
        """Weigh the values by how queries and keys match."""
        n, steps, width = x.shape
        query, key, value = (self._by_head(layer(x)) for layer in (self.query, self.key, self.value))
        scores = matmul(query / math.sqrt(width // self.heads), key, trans_b=True)
        if self.causal:
            scores = where(constant(np.tri(steps, dtype=bool)), scores, -np.inf)
        mixed = softmax(scores) @ value
        return self.output(mixed.transpose(0, 2, 1, 3).reshape(n, steps, width))

    def _by_head(self, x: Tensor) -> Tensor:
        n, steps, width = x.shape
        return x.reshape(n, steps, self.heads, width // self.heads).transpose(0, 2, 1, 3)
