"""Layers and values as text: what may be written comes back as it was, and what a damaged text claims is refused."""

import json

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError
from tinynet.saving.description import DescriptionError, decode, decode_model, describe, encode


class Kept(tn.Layer):
    """A layer that keeps anything."""

    def __init__(self, value, rng=None):
        self.value = value

    def forward(self, x):
        return x


def come_back(layer):
    model = tn.Sequential([tn.Input((2,)), layer])
    known = {"tinynet.Sequential": tn.Sequential, "tinynet.Input": tn.Input, "Kept": Kept}
    return decode_model(describe(model, {}), known)


@pytest.mark.parametrize("dtype", [np.float64, np.dtype(np.float64), np.dtype("int8"), np.uint8])
def test_dtypes_come_back_as_their_names(dtype):
    (model, *_) = come_back(Kept(dtype))
    assert model.layers[1].value == np.dtype(dtype).name


@pytest.mark.parametrize("kind", ["f4", "f8", "i2", "u1", "?"])
def test_arrays_and_their_scalars_come_back_with_their_dtype(kind):
    for value in (np.ones((2, 3), kind), np.ones((), kind)[()], np.ones((0, 2), kind)):
        found = np.asarray(decode(encode(value, "a test")))  # np.float64 is a float, which is text
        assert (found.shape, found.dtype) == (value.shape, value.dtype)
        np.testing.assert_array_equal(found, value)


def test_values_of_all_kinds_come_back():
    value = {"a": [1, 2.5, float("inf"), None, True, "text"], "nested": {"empty": {}, "list": []}}
    assert decode(encode(value, "a test")) == value
    assert decode(encode((1, (2,)), "a test")) == [1, [2]]


@pytest.mark.parametrize(
    "value", [np.array(["text"]), np.ones(1, complex), {1: 2}, lambda x: x, object(), {"a", "b"}, np.array([None])]
)
def test_what_no_file_holds_is_refused(value):
    with pytest.raises(ArgumentError, match=r"a test: a .* cannot be put into a model file"):
        encode(value, "a test")


@pytest.mark.parametrize("dtype", ["S3", "U9", "O", "complex64", "V8"])
def test_arrays_of_other_kinds_in_a_file_are_damage(dtype):
    with pytest.raises(DescriptionError, match=r"the file is damaged: it holds an array of dtype"):
        decode(f'{{"array": [], "dtype": "{dtype}"}}')


@pytest.mark.parametrize("shape", [[1], [2, 3], ["a"], 7, [-1, 5, -1]])
def test_an_empty_array_of_another_shape_is_no_array(shape):
    with pytest.raises((TypeError, ValueError)):
        decode(json.dumps({"array": [], "dtype": "float32", "shape": shape}))


def test_a_model_without_parameters_comes_back_in_its_dtype(tmp_path):
    for dtype in ("float32", "float64"):
        tn.Sequential([tn.Input((2,)), tn.ReLU()], dtype=dtype).save(tmp_path / "m")
        loaded = tn.load(tmp_path / "m")
        assert loaded.dtype == dtype
        np.testing.assert_array_equal(loaded.predict([[-1.0, 2.0]]), [[0, 2]])


def test_where_initial_values_came_from_is_not_kept():
    text = describe(tn.Sequential([tn.Input((2,)), Kept(1, rng=np.random.default_rng(3))]), {})
    assert '"arguments": {"value": 1}' in text
