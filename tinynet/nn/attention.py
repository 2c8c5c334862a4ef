"""Attention: the steps of a sequence attend to each other, or to those of another sequence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.checks import check_count
from tinynet.core.engine import Tensor, as_tensor, constant
from tinynet.errors import ShapeError
from tinynet.nn.dense import Dense
from tinynet.nn.layer import Layer
from tinynet.ops.compare import not_equal, where
from tinynet.ops.linear import matmul
from tinynet.ops.loss import softmax


class MultiHeadAttention(Layer):
    """Attention: each step of a sequence (n, T, D) becomes a mean of all steps, weighted by how well they match.

    Each head computes softmax(Q K^T / sqrt(d)) V from its own d = D / heads columns of the queries Q, keys K and values
    V, which three dense layers make from the input. A fourth dense layer combines the heads. ``layer(x)`` attends to
    the steps of x itself. ``layer(x, context)`` attends to those of another sequence (n, S, E), from which keys and
    values are made.

    Parameters
    ----------
    heads : int
        The number of heads; a divisor of D.
    causal : bool
        Whether each step sees only itself and the steps before it.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If the number of heads is not 1 or more.
    ShapeError
        When the layer is used: if samples do not have the axes (T, D), D is not a multiple of the heads, or a mask has
        none of the shapes below.

    Notes
    -----
    Parameters are those of four layers `Dense`, "query", "key", "value" and "output": each has a "weight" (D, D), or
    (E, D), and a "bias" (D,).

    ``layer(x, mask=mask)`` takes a mask that is not 0 for visible steps: (n, S), for example 0 for padding, or (n, T,
    S) for the steps that each step sees. If a step sees nothing, its mean is 0.

    References
    ----------
    Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.2.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.MultiHeadAttention(2, causal=True)(np.ones((3, 5, 8))).shape
    (3, 5, 8)
    >>> tn.MultiHeadAttention(2)(np.ones((3, 5, 8)), np.ones((3, 7, 4)), mask=np.ones((3, 7))).shape
    (3, 5, 8)
    """

    kind = "multi_head_attention"

    def __init__(self, heads: int, causal: bool = False, name: str | None = None) -> None:
        super().__init__(name)
        self.heads = check_count("MultiHeadAttention: heads", heads)
        self.causal = bool(causal)

    def build(self, input_shape: Any, rng: np.random.Generator) -> None:
        """Create the four dense layers."""
        shapes = input_shape if input_shape and isinstance(input_shape[0], tuple) else (input_shape,)
        for shape in shapes:
            if len(shape) != 2:
                raise ShapeError(
                    f"MultiHeadAttention takes sequences with the axes (n, T, D), not {len(shape) + 1} axes"
                )
        width = shapes[0][1]
        self.query, self.key = Dense(width, name="query"), Dense(width, name="key")
        self.value, self.output = Dense(width, name="value"), Dense(width, name="output")

    def forward(self, x: Tensor, context: Tensor | None = None, mask: Any = None) -> Tensor:
        """Return the means of the values, weighted by how well queries and keys match."""
        n, steps, width = x.shape
        if width % self.heads:
            raise ShapeError(f"MultiHeadAttention: D = {width} must be a multiple of the {self.heads} heads")
        context = x if context is None else context
        query, key, value = (
            self._by_head(layer(given))
            for layer, given in ((self.query, x), (self.key, context), (self.value, context))
        )
        scores = matmul(query / math.sqrt(width // self.heads), key, trans_b=True)
        if self.causal:
            later = np.triu(np.full(scores.shape[2:], -np.inf, scores.dtype), 1)
            scores = scores + constant(later)  # a sum, whose gradient needs no mask
        mixed = (softmax(scores) if mask is None else self._masked(scores, as_tensor(mask))) @ value
        return self.output(mixed.transpose(0, 2, 1, 3).reshape(n, steps, width))

    def _masked(self, scores: Tensor, mask: Tensor) -> Tensor:
        """Return the weights of the values, which are 0 where a mask is 0."""
        n, _, steps, length = scores.shape
        if mask.shape not in ((n, length), (n, steps, length)):
            raise ShapeError(
                f"MultiHeadAttention: a mask has shape {(n, length)} or {(n, steps, length)} here, but has {mask.shape}"
            )
        seen = not_equal(mask, 0).reshape(n, 1, 1 if mask.ndim == 2 else steps, length)
        lowest = float(np.finfo(scores.dtype).min)  # finite, so that steps that see nothing get no NaN
        return where(seen, softmax(where(seen, scores, lowest)), 0)

    def _by_head(self, x: Tensor) -> Tensor:
        n, steps, width = x.shape
        return x.reshape(n, steps, self.heads, width // self.heads).transpose(0, 2, 1, 3)
