"""What the layers of the shelf refuse, in which words; and where they have an edge."""

import time

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError, ShapeError

ARGUMENTS = {
    "Activation none": (lambda: tn.Activation(None), "Activation: activation must be a name"),
    "Activation unknown": (lambda: tn.Activation("relo"), 'Activation: activation must be None, "relu", .*"gelu"'),
    "AvgPool size": (lambda: tn.AvgPool(0), "AvgPool: pool_size must be 1 or more"),
    "AvgPool stride": (lambda: tn.AvgPool(2, 1.5), "AvgPool: stride must be an integer"),
    "AvgPool padding": (lambda: tn.AvgPool(2, padding="full"), 'AvgPool: padding must be "valid" or "same"'),
    "MaxPool padding": (lambda: tn.MaxPool(2, padding="full"), 'MaxPool: padding must be "valid" or "same"'),
    "Conv2D padding": (lambda: tn.Conv2D(2, 3, padding="full"), 'Conv2D: padding must be "valid" or "same"'),
    "UpSampling": (lambda: tn.UpSampling(0), "UpSampling: size must be 1 or more"),
    "Conv2DTranspose filters": (lambda: tn.Conv2DTranspose(0, 3), "Conv2DTranspose: filters must be an integer of 1"),
    "Conv2DTranspose padding": (lambda: tn.Conv2DTranspose(1, 3, padding="no"), 'Conv2DTranspose: padding must be "va'),
    "LayerNorm": (lambda: tn.LayerNorm(epsilon=0), "LayerNorm: epsilon must be a finite number above 0"),
    "Embedding n": (lambda: tn.Embedding(0, 3), "Embedding: n must be an integer of 1 or more"),
    "Embedding dim": (lambda: tn.Embedding(3, 2.5), "Embedding: dim must be an integer of 1 or more"),
    "Reshape": (lambda: tn.Reshape((-1, -1)), "Reshape: lengths must be 1 or more, with at most one -1"),
    "Reshape 0": (lambda: tn.Reshape((0, 3)), "Reshape: lengths must be 1 or more"),
    "Residual nothing": (lambda: tn.Residual([]), "Residual: layers must be a list of at least one layer"),
    "Residual a layer": (lambda: tn.Residual(tn.Dense(3)), "Residual: layers must be a list"),
    "Residual no layer": (lambda: tn.Residual([tn.ops.relu]), "Residual: layers and shortcut must be layers"),
    "Residual no shortcut": (lambda: tn.Residual([tn.Dense(3)], "x"), "Residual: layers and shortcut must be layers"),
    "MultiHeadAttention": (lambda: tn.MultiHeadAttention(0), "MultiHeadAttention: heads must be an integer of 1"),
    "LSTM": (lambda: tn.LSTM(0), "LSTM: units must be an integer of 1 or more"),
    "GRU": (lambda: tn.GRU(-1), "GRU: units must be an integer of 1 or more"),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_arguments_that_make_no_sense_are_refused_at_once(case):
    make, message = ARGUMENTS[case]
    with pytest.raises(ArgumentError, match=message):
        make()


SHAPES = {
    "AvgPool": (tn.AvgPool(), (3, 4), "AvgPool takes images"),
    "AvgPool too large": (tn.AvgPool(4), (3, 5, 1), r"avg_pool: the window \(4, 4\) is larger .* axis 1"),
    "GlobalAvgPool": (tn.GlobalAvgPool(), (3,), "GlobalAvgPool takes images"),
    "GlobalMaxPool": (tn.GlobalMaxPool(), (3,), "GlobalMaxPool takes images"),
    "UpSampling": (tn.UpSampling(), (3, 4), "UpSampling takes images"),
    "Conv2DTranspose": (tn.Conv2DTranspose(2, 3), (3, 4), "Conv2DTranspose takes images"),
    "Reshape": (tn.Reshape((4, -1)), (6,), "reshape: x has shape"),
    "Residual": (tn.Residual([tn.Dense(4)]), (3,), r"make samples of shape \(4,\), but input has \(3,\)"),
    "Residual's shortcut": (
        tn.Residual([tn.Dense(4)], shortcut=tn.Dense(5)), (3,), r"of shape \(4,\), but shortcut has \(5,\)"
    ),
    "Dense": (tn.Dense(2), (), r"Dense takes samples with at least one axis, \(n, features\)"),
    "MultiHeadAttention axes": (tn.MultiHeadAttention(2), (4,), r"takes sequences with the axes \(n, T, D\), not 2"),
    "MultiHeadAttention width": (tn.MultiHeadAttention(3), (5, 4), "D = 4 must be a multiple of the 3 heads"),
    "LSTM": (tn.LSTM(3), (4,), r"LSTM takes sequences with the axes \(n, T, D\), .* have \(4,\)"),
    "GRU": (tn.GRU(3), (4, 5, 6), r"GRU takes sequences .* have \(4, 5, 6\)"),
    "GRU of many steps": (tn.GRU(3), (20_001, 1), r"GRU lays out .* up to 20,000 steps, but samples have 20,001; cut"),
}  # fmt: skip


@pytest.mark.parametrize("case", SHAPES)
def test_samples_of_another_shape_are_refused_by_the_layer_with_its_name(case):
    layer, shape, message = SHAPES[case]
    with pytest.raises(ShapeError, match=rf"(?s)layer '.*' \({type(layer).__name__}\) cannot take .*{message}"):
        layer(np.ones((2, *shape)))


def test_a_recurrent_layer_refuses_sequences_without_steps():
    with pytest.raises(ShapeError, match="at least one step"):
        tn.LSTM(2)(np.ones((2, 0, 3)))


@pytest.mark.parametrize("compiled", [True, False])
def test_an_embedding_refuses_numbers_out_of_its_range(compiled):
    model = tn.Sequential([tn.Input((2,)), tn.Embedding(4, 3)], seed=0)
    assert model.predict([[0, 3]], compiled=compiled).shape == (1, 2, 3)
    for wrong in (4, -5):
        with pytest.raises(ArgumentError, match="has length 4"):
            model.predict([[0, wrong]], compiled=compiled)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.float32, bool])
def test_an_embedding_takes_whole_numbers_of_any_dtype(dtype):
    layer = tn.Embedding(3, 2)
    x = np.array([[0, 1], [1, 1]])
    np.testing.assert_array_equal(layer(x.astype(dtype)).data, layer.weight.data[x])


def test_an_embedding_adds_up_the_gradients_of_a_number_that_comes_twice():
    layer = tn.Embedding(3, 2)
    (g,) = tn.grad(layer(np.array([1, 1, 2])).sum(), [layer.weight])
    np.testing.assert_array_equal(g.data, [[0, 0], [2, 2], [1, 1]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layer_norm_of_equal_values_is_its_beta_and_has_a_finite_gradient(dtype):
    model = tn.Sequential([tn.Input((4,)), tn.LayerNorm()], seed=0, dtype=dtype)
    model.parameters["layer_norm.beta"].data[...] = [1, 2, 3, 4]
    x = tn.Tensor(np.full((2, 4), 7.0, dtype), requires_grad=True)
    y = model(x)
    np.testing.assert_array_equal(y.data, [[1, 2, 3, 4]] * 2)
    assert np.isfinite(tn.grad(y, [x], [tn.Tensor(np.ones((2, 4), dtype))])[0].data).all()


def test_layer_norm_of_one_value_is_its_beta():
    assert tn.LayerNorm()(np.array([[3.0]])).item() == 0


def test_a_causal_step_does_not_see_what_comes_later():
    layer, rng = tn.MultiHeadAttention(2, causal=True), np.random.default_rng(0)
    x = rng.normal(size=(1, 6, 4))
    before = layer(x).data.copy()
    x[0, 4:] = rng.normal(size=(2, 4))
    after = layer(x).data
    np.testing.assert_array_equal(after[0, :4], before[0, :4])
    assert (after[0, 4:] != before[0, 4:]).all()


def test_the_bias_of_the_gate_that_forgets_starts_at_one():
    layer = tn.LSTM(2)
    layer(np.ones((1, 1, 1)))
    np.testing.assert_array_equal(layer.bias.data, [0, 0, 1, 1, 0, 0, 0, 0])


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("stride", [1, 2, (2, 3), 4])
def test_a_transposed_convolution_is_the_adjoint_of_the_convolution(padding, stride):
    rng = np.random.default_rng(0)
    w, g = rng.normal(size=(3, 2, 4, 5)), rng.normal(size=(2, 3, 4, 5))
    back = tn.ops.conv2d_transpose(g, w, stride, padding).data
    x = rng.normal(size=back.shape)
    y = tn.ops.conv2d(x, w, stride, padding).data
    assert y.shape == g.shape
    assert (back * x).sum() == pytest.approx((g * y).sum(), rel=1e-12)


def cpu_seconds(function):
    function()
    best = np.inf
    for _ in range(3):
        start = time.process_time()
        function()
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.slow
@pytest.mark.parametrize("kind", [tn.LSTM, tn.GRU])
def test_the_cost_of_a_recurrent_layer_grows_with_the_length_alone(kind):
    """Eight times the steps take about eight times as long; a quadratic cost would take up to 64 times as long."""
    seconds = []
    for steps in (40, 320):
        model = tn.Sequential([tn.Input((steps, 8)), kind(16, return_sequences=True), kind(16)], seed=0)
        x, parameters = np.ones((32, steps, 8), np.float32), list(model.parameters.values())
        seconds.append(cpu_seconds(lambda model=model, x=x, p=parameters: tn.grad(model(x).sum(), p)))
    assert seconds[1] < 16 * seconds[0]
