"""The reference models: their layers, shapes and numbers of parameters are those of the documents."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet as tn
from tinynet.cli.arguments import MODELS
from tinynet.errors import ArgumentError
from tinynet.recipes import (
    DOCUMENTED,
    LOGISTIC_STEPS,
    RECIPES,
    dense_variant,
    logistic_model,
    logistic_optimizer,
    standardisation,
)

SHAPES = {
    "softmax": [("Input", (28, 28, 1)), ("Flatten", (784,)), ("Output", (10,))],
    "dense": [("Input", (28, 28, 1)), ("Flatten", (784,)), ("Dense1", (128,)), ("Dense2", (64,)), ("Output", (10,))],
    "cnn": [
        ("Input", (28, 28, 1)),
        ("Conv1", (26, 26, 32)),
        ("Pool1", (13, 13, 32)),
        ("Conv2", (11, 11, 64)),
        ("Pool2", (3, 3, 64)),
        ("Flatten", (576,)),
        ("Dense1", (128,)),
        ("Output", (10,)),
    ],
}
PARAMETERS = {
    "softmax": {"Output": 7_850},
    "dense": {"Dense1": 100_480, "Dense2": 8_256, "Output": 650},
    "cnn": {"Conv1": 320, "Conv2": 18_496, "Dense1": 73_856, "Output": 1_290},
}
TOTALS = {"softmax": 7_850, "dense": 109_386, "cnn": 93_962, "lenet": 61_706, "resnet": 63_322}

each_model = pytest.mark.parametrize("name", SHAPES)


@each_model
def test_layers_have_the_documented_shapes(name):
    model = RECIPES[name].model(seed=0).build_model()
    assert [(layer.name, layer.output_shape) for layer in model.layers] == SHAPES[name]


@each_model
def test_layers_have_the_documented_numbers_of_parameters(name):
    model = RECIPES[name].model(seed=0)
    counts = {}
    for parameter, tensor in model.parameters.items():
        layer = parameter.split(".")[0]
        counts[layer] = counts.get(layer, 0) + tensor.size
    assert counts == PARAMETERS[name]
    assert model.theta.size == TOTALS[name]
    assert model.dtype == np.float32


@each_model
def test_weights_start_glorot_uniform_and_biases_at_zero(name):
    for parameter, tensor in RECIPES[name].model(seed=0).parameters.items():
        if parameter.endswith(".bias"):
            assert not tensor.data.any()
        else:
            taps = np.prod(tensor.shape[:-2], dtype=int)
            limit = np.sqrt(6 / (taps * sum(tensor.shape[-2:])))
            assert 0.9 * limit < np.abs(tensor.data).max() <= limit


@each_model
def test_the_model_sees_pixels_from_0_to_1(name):
    entry = RECIPES[name].model().input
    assert (entry.shift, entry.scale) == (0, 1 / 255)


@each_model
def test_the_output_is_a_probability_for_each_digit(name):
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
    output = RECIPES[name].model(seed=0).predict(images)
    assert output.shape == (3, 10)
    assert output.min() >= 0
    np.testing.assert_allclose(output.sum(axis=1), 1, rtol=1e-6)


@each_model
def test_training_is_as_documented(name):
    recipe = RECIPES[name]
    assert (recipe.learning_rate, recipe.batch_size, recipe.epochs) == (0.01, 32, 10)
    assert recipe.loss == "cross_entropy"


@each_model
def test_each_model_is_new_and_its_seed_decides_its_parameters(name):
    recipe = RECIPES[name]
    a, b, other = recipe.model(1), recipe.model(1), recipe.model(2)
    np.testing.assert_array_equal(a.theta, b.theta)
    assert not np.shares_memory(a.theta, b.theta)
    assert (a.theta != other.theta).any()


@each_model
def test_a_small_set_takes_more_epochs(name):
    recipe = RECIPES[name]
    assert recipe.epochs_for(60_000) == 10
    assert recipe.epochs_for(4_000) == recipe.sample_epochs > 10


@pytest.mark.parametrize("name", RECIPES)
def test_the_command_line_knows_each_model_and_its_size(name):
    assert list(MODELS) == list(RECIPES)
    assert RECIPES[name].name == name
    assert MODELS[name] == f"{RECIPES[name].title}, {TOTALS[name]:,} parameters"


def test_the_documented_models_are_those_of_the_documents():
    assert list(SHAPES) == DOCUMENTED


def test_lenet_has_the_sizes_of_the_paper():
    model = RECIPES["lenet"].model(seed=0).build_model()
    shapes = [layer.output_shape for layer in model.layers]
    assert shapes[1:5] == [(28, 28, 6), (14, 14, 6), (10, 10, 16), (5, 5, 16)]
    assert shapes[5:] == [(400,), (120,), (84,), (10,)]
    assert model.theta.size == TOTALS["lenet"]


def test_the_residual_network_moves_images_normalises_and_drops_out():
    model = RECIPES["resnet"].model(seed=0).build_model()
    kinds = {type(layer) for _, layer in model.walk()}
    assert {tn.RandomShift, tn.BatchNorm, tn.Dropout, tn.Residual} <= kinds
    assert isinstance(model.layers[1], tn.RandomShift)
    assert model.theta.size == TOTALS["resnet"]


@pytest.mark.parametrize("name", RECIPES)
def test_every_model_takes_small_images_in_colour(name):
    model = RECIPES[name].model(seed=0, shape=(16, 20, 3), classes=4)
    assert model(np.zeros((2, 16, 20, 3), np.uint8)).shape == (2, 4)


@pytest.mark.parametrize("name", RECIPES)
def test_a_model_comes_back_from_its_file(name, tmp_path):
    model = RECIPES[name].model(seed=3)
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(tn.load(tmp_path / "model.safetensors").theta, model.theta)


def test_recipes_cannot_be_changed_by_accident():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RECIPES["cnn"].epochs = 1


# --- variants of the dense network


def test_a_variant_has_the_layers_that_it_names():
    model = dense_variant([512, 256], "linear").model(seed=0).build_model()
    assert [(layer.name, layer.output_shape) for layer in model.layers[2:]] == [
        ("Dense1", (512,)),
        ("Dense2", (256,)),
        ("Output", (10,)),
    ]
    assert [layer.activation for layer in model.layers[2:4]] == [None, None]


def test_the_variant_of_the_documents_is_the_dense_network():
    recipe = RECIPES["dense"]
    variant = dense_variant([128, 64], "relu")
    np.testing.assert_array_equal(variant.model(3).theta, recipe.model(3).theta)
    assert dataclasses.replace(variant, title=recipe.title, layers=recipe.layers) == recipe


# --- "is it a 5?"


@given(st.integers(0, 2**32 - 1).map(np.random.default_rng), st.integers(1, 3000))
@settings(max_examples=5)
def test_standardised_pixels_have_mean_0_and_deviation_1_or_0(rng, n):
    images = rng.integers(0, 256, (n, 2, 3), np.uint8)
    images[:, 0, 0] = 7
    shift, scale = standardisation(images)
    x = (images - shift) * scale
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-11)
    np.testing.assert_allclose(x.std(axis=0), np.where(images.std(axis=0) < 1e-9, 0, 1), atol=1e-9)
    assert scale[0, 0] == 1


def test_no_images_have_no_mean():
    with pytest.raises(ArgumentError, match="at least one"):
        standardisation(np.zeros((0, 2, 2), np.uint8))


def test_the_logistic_model_starts_at_zero_in_float64():
    model = logistic_model(np.ones((2, 28, 28), np.uint8))
    assert (model.theta.size, model.dtype) == (784, np.float64)
    assert not model.theta.any()
    assert list(logistic_model(np.ones((2, 28, 28), np.uint8), True).parameters) == ["Output.weight", "Output.bias"]


def test_the_line_search_is_the_documents():
    optimizer = logistic_optimizer()
    assert vars(optimizer.line_search) == {"alpha": 0.01, "beta": 0.5, "initial_step": 1.0}
    assert (optimizer.weight_decay, logistic_optimizer(0.5).weight_decay, LOGISTIC_STEPS) == (0, 0.5, 200)
