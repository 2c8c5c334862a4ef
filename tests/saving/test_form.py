"""The form of what is read: what fits, and what nearly does."""

import numpy as np
import pytest

from tinynet.saving.form import conforms, resembles

ARRAY = np.zeros((2, 3), np.float32)


@pytest.mark.parametrize(
    ("value", "form", "fits"),
    [
        (3, int, True), (True, int, False), (True, bool, True), (1, bool, False), (1.5, int, False),
        (1, (int, float), True), (1.5, (int, float), True), ("1", (int, float), False), (True, (int, float), False),
        ([1, 2], [int], True), ([1, 2.5], [int], False), ([], [int], True), ((1, 2), [int], False),
        ("ab", [str], False),
        ({"a": 1}, {"a": int}, True), ({"a": 1.5}, {"a": int}, False), ({"a": 1, "b": 2}, {"a": int}, False),
        ({}, {"a": int}, False), ([], {"a": int}, False), (None, {}, False),
        ({}, {str: int}, True), ({"x": 1, "y": 2}, {str: int}, True), ({"x": 1, "y": None}, {str: int}, False),
        ({"a": "", "x": 1}, {"a": str, str: int}, True), ({"a": 1, "x": 1}, {"a": str, str: int}, False),
        ({"a": "", "x": ""}, {"a": str, str: int}, False), ({"x": 1}, {"a": str, str: int}, False),
    ],
)  # fmt: skip
def test_a_value_has_a_form(value, form, fits):
    assert conforms(value, form) is fits


@pytest.mark.parametrize(
    ("value", "example", "alike"),
    [
        (1, 0, True), (1.0, 0, False), (True, 0, False), (1, True, False), (1, 0.5, True), (1.5, 0.5, True),
        (True, 0.5, False), ("1", 0.5, False), ("a", "", True), (None, None, True), (0, None, False),
        ([1], [], True), ((), [], False), ({}, {"a": 0}, False), ({"a": 1}, {"a": 0}, True), ([], {}, False),
        ({"a": 1, "b": 1}, {"a": 0}, False), ({"b": 1}, {}, True), ({"a": "x"}, {"a": 0}, False),
        (None, {"a": 0}, False),
        ({"a": {"b": 1.5}}, {"a": {"b": 0}}, False),
        (ARRAY + 1, ARRAY, True), (ARRAY.T, ARRAY, False), (ARRAY.astype(float), ARRAY, False),
        ([[0.0]], ARRAY, False),
    ],
)  # fmt: skip
def test_a_value_resembles_an_example(value, example, alike):
    assert resembles(value, example) is alike
