"""Class numbers as rows with a 1 in the place of the class, and what is refused."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError, DataError, DTypeError


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_each_row_has_its_one_at_its_class(dtype):
    labels = np.array([2, 0, 1, 2], dtype)
    np.testing.assert_array_equal(tn.one_hot(labels, 3), np.eye(3, dtype=np.float32)[labels], strict=True)
    np.testing.assert_array_equal(tn.one_hot(labels.tolist(), np.int8(4)), np.eye(4)[labels])


@pytest.mark.parametrize(
    ("labels", "classes", "error", "message"),
    [
        ([0, 1], 0, ArgumentError, "classes must be an integer of 1 or more, but got 0"),
        ([0, 1], 2.0, ArgumentError, "classes must be an integer of 1 or more, but got 2.0"),
        ([0, 2], 2, DataError, "from 0 to 1 for 2 classes, but run from 0 to 2"),
        ([-1, 1], 2, DataError, "from 0 to 1 for 2 classes, but run from -1 to 1"),
        ([0.0, 1.0], 2, DataError, r"integers of shape \(n,\), but are float64 of shape \(2,\)"),
        ([[0], [1]], 2, DataError, r"integers of shape \(n,\), but are int64 of shape \(2, 1\)"),
        (["a", "b"], 2, DTypeError, "one_hot: labels must be an array of numbers, but has dtype <U1"),
        ([[1], [2, 3]], 2, DTypeError, "one_hot: labels must be an array of numbers, but cannot be made into an array"),
    ],
)
def test_what_is_no_class_is_refused(labels, classes, error, message):
    with pytest.raises(error, match=message):
        tn.one_hot(labels, classes)
