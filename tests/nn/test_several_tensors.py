"""Layers that are called with several tensors, and with settings by name."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError, ShapeError

A, B = np.random.default_rng(0).normal(size=(4, 3)), np.random.default_rng(1).normal(size=(4, 2))


class Mix(tn.Layer):
    """a W + s (b V + c)."""

    def build(self, shapes, rng):
        (a,), (b,) = shapes
        self.weight = self.add_parameter("weight", (a, b))
        self.other = tn.Dense(b)

    def forward(self, a, b, scale=1.0):
        return a @ self.weight + scale * self.other(b)


class Network(tn.Model):
    def __init__(self, dtype="float64"):
        super().__init__((3,), seed=0, dtype=dtype)
        self.dense, self.mix = tn.Dense(2, "tanh"), Mix()

    def forward(self, x):
        return self.mix(x, self.dense(x), scale=0.5)


def test_build_gets_the_shapes_and_forward_the_tensors():
    layer = Mix()
    y = layer(A, B, scale=2.0)
    assert layer.weight.shape == (3, 2)
    expected = A @ layer.weight.data + 2 * (B @ layer.other.weight.data + layer.other.bias.data)
    np.testing.assert_allclose(y.data, expected, rtol=1e-14)
    np.testing.assert_array_equal(tn.compile(layer)(A, B, scale=2.0), y.data)


def test_a_network_with_such_a_layer_is_trained_checked_and_saved(tmp_path):
    model = Network()
    assert list(model.parameters) == [
        "dense.weight", "dense.bias", "mix.weight", "mix.dense.weight", "mix.dense.bias"
    ]  # fmt: skip
    assert tn.check_gradients(model, A, order=2).ok
    thetas = []
    for compiled in (True, False):
        model = Network()
        model.fit(A, B, loss="mse", epochs=2, optimizer=tn.SGD(0.1), seed=0, verbose=0, compiled=compiled)
        thetas.append(model.theta.copy())
    np.testing.assert_allclose(thetas[0], thetas[1], rtol=1e-12)
    model.save(tmp_path / "model")
    same = tn.load(tmp_path / "model", {"Network": Network, "Mix": Mix})
    np.testing.assert_array_equal(same.predict(A), model.predict(A))


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda layer: layer(A), r"got 1 tensor, but its forward takes \(a, b, scale=1.0\)"),
        (lambda layer: layer(A, B, A, A), r"got 4 tensors, but"),
        (lambda layer: layer(A, B, rate=2), r"got 2 tensors and rate=\.\.\., but"),
    ],
)
def test_another_number_of_tensors_is_refused(call, message, used):
    layer = Mix()
    if used:
        layer(A, B)
    with pytest.raises(ArgumentError, match=message):
        call(layer)


def test_an_error_of_the_forward_itself_is_not_taken_for_one_of_the_call():
    class Wrong(tn.Layer):
        def forward(self, x):
            return x + len(x, x)

    with pytest.raises(TypeError, match="takes exactly one argument"):
        Wrong()(A)


def test_a_shape_error_says_where_each_tensor_is_from():
    layer, dense = Mix(), tn.Dense(5)
    layer(A, B)
    with pytest.raises(ShapeError, match=r"layer 'mix' \(Mix\) cannot take the output of layer 'dense' \(Dense\), of "
                       r"shape \(None, 5\) and the output of the input, of shape \(None, 2\)"):  # fmt: skip
        layer(dense(A), B)
