"""Recurrent layers: a state that summarises the steps of a sequence so far is passed from step to step."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.checks import check_count
from tinynet.core.engine import Tensor
from tinynet.core.spec import Array, Shape
from tinynet.nn.layer import Layer
from tinynet.nn.sequences import check_sequences, projected, run_over
from tinynet.ops.logistic import sigmoid, tanh
from tinynet.ops.pieces import split


def _forgetful(shape: Shape, rng: np.random.Generator) -> Array:
    """Return a bias of 1 for the gate that forgets, and 0 for the others."""
    return np.repeat([0.0, 1.0, 0.0, 0.0], shape[0] // 4)


class LSTM(Layer):
    """Long short-term memory over sequences (n, T, D).

    With the gates i, f, o = sigmoid(x W + h U + b) and the candidate g = tanh(x W + h U + b), each with columns of its
    own: c = f c + i g, h = o tanh(c), from h = c = 0.

    Parameters
    ----------
    units : int
        The length of h.
    return_sequences : bool
        Whether to return h after each step, (n, T, units), instead of only after the last one, (n, units).
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If the number of units is not 1 or more.
    ShapeError
        When the layer is used, if samples do not have the axes (T, D), or a mask not (n, T).

    Notes
    -----
    Parameters are "weight" (D, 4 units), "recurrent_weight" (units, 4 units), which starts orthogonal, and "bias"
    (4 units,), which starts at 1 for f and at 0 otherwise; the columns are those of i, f, g and o, as in Keras.
    ``layer(x, mask=mask)`` takes a mask (n, T) of the steps that count: where it is 0, h and c do not change.

    References
    ----------
    Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9, 1997; f is from Gers, Schmidhuber and
    Cummins, "Learning to forget", Neural Computation 12, 2000, and its bias of 1 from Jozefowicz, Zaremba and
    Sutskever, "An empirical exploration of recurrent network architectures", ICML 2015.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.LSTM(4)(np.ones((2, 7, 3))).shape, tn.LSTM(4, return_sequences=True)(np.ones((2, 7, 3))).shape
    ((2, 4), (2, 7, 4))
    """

    kind = "lstm"

    def __init__(self, units: int, return_sequences: bool = False, name: str | None = None) -> None:
        super().__init__(name)
        self.units = check_count("LSTM: units", units)
        self.return_sequences = bool(return_sequences)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Create the weights and the bias."""
        check_sequences("LSTM", input_shape)
        self.weight = self.add_parameter("weight", (input_shape[1], 4 * self.units), "glorot_uniform")
        self.recurrent_weight = self.add_parameter("recurrent_weight", (self.units, 4 * self.units), "orthogonal")
        self.bias = self.add_parameter("bias", (4 * self.units,), _forgetful, decay=False)

    def forward(self, x: Tensor, mask: Any = None) -> Tensor:
        """Run over the steps."""
        return run_over(projected(x, self.weight, self.bias), 2, self.units, self._step, self.return_sequences, mask)

    def _step(self, x: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        h, c = states
        i, f, g, o = split(x + h @ self.recurrent_weight, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(c), c


class GRU(Layer):
    """Gated recurrent units over sequences (n, T, D).

    With the gates z, r = sigmoid(x W + b + h U + d) and the candidate g = tanh(x W + b + r (h U + d)), each with
    columns of its own: h = z h + (1 - z) g, from h = 0.

    Parameters
    ----------
    units : int
        The length of h.
    return_sequences : bool
        Whether to return h after each step, (n, T, units), instead of only after the last one, (n, units).
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If the number of units is not 1 or more.
    ShapeError
        When the layer is used, if samples do not have the axes (T, D), or a mask not (n, T).

    Notes
    -----
    Parameters are "weight" (D, 3 units), "recurrent_weight" (units, 3 units), which starts orthogonal, "bias" b and
    "recurrent_bias" d (3 units,); the columns are those of z, r and g. As in Keras (``reset_after=True``) and PyTorch,
    r is applied after the product with U. ``layer(x, mask=mask)`` takes a mask (n, T) of the steps that count: where it
    is 0, h does not change.

    References
    ----------
    Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine translation", EMNLP
    2014, section 2.3.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.GRU(4)(np.ones((2, 7, 3))).shape, tn.GRU(4, return_sequences=True)(np.ones((2, 7, 3))).shape
    ((2, 4), (2, 7, 4))
    """

    kind = "gru"

    def __init__(self, units: int, return_sequences: bool = False, name: str | None = None) -> None:
        super().__init__(name)
        self.units = check_count("GRU: units", units)
        self.return_sequences = bool(return_sequences)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Create the weights and the biases."""
        check_sequences("GRU", input_shape)
        self.weight = self.add_parameter("weight", (input_shape[1], 3 * self.units), "glorot_uniform")
        self.recurrent_weight = self.add_parameter("recurrent_weight", (self.units, 3 * self.units), "orthogonal")
        self.bias = self.add_parameter("bias", (3 * self.units,), decay=False)
        self.recurrent_bias = self.add_parameter("recurrent_bias", (3 * self.units,), decay=False)

    def forward(self, x: Tensor, mask: Any = None) -> Tensor:
        """Run over the steps."""
        return run_over(projected(x, self.weight, self.bias), 1, self.units, self._step, self.return_sequences, mask)

    def _step(self, x: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        (h,) = states
        x_gates, x_candidate = split(x, [2 * self.units], axis=1)
        h_gates, h_candidate = split(h @ self.recurrent_weight + self.recurrent_bias, [2 * self.units], axis=1)
        z, r = split(sigmoid(x_gates + h_gates), 2, axis=1)
        return (z * h + (1 - z) * tanh(x_candidate + r * h_candidate),)
