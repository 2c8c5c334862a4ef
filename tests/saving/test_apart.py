"""Large arrays of a state are kept beside it, and come back to their places; what only claims to be one is refused."""

import json

import numpy as np
import pytest

from tinynet.saving.apart import apart, examples, together

LARGE = np.arange(600, dtype=np.float32).reshape(20, 30)
STATE = {"best": [LARGE, {"wait": 3}], "bits": np.ones(999, bool), "few": [1.5, None, "text"]}


def test_a_state_comes_back_from_its_text_and_its_arrays():
    arrays = {}
    text = json.dumps(apart(STATE, arrays))
    assert list(arrays) == ["callbacks.0", "callbacks.1"]
    found = together(json.loads(text), arrays)
    assert found["best"][0] is LARGE
    assert found["bits"] is STATE["bits"]
    assert (found["best"][1], found["few"]) == ({"wait": 3}, [1.5, None, "text"])


def test_small_arrays_and_those_of_other_kinds_stay_where_they_are():
    arrays = {}
    small, texts = np.arange(3.0), np.array(["a"] * 999)
    found = apart([small, texts], arrays)
    assert found[0] is small
    assert found[1] is texts
    assert arrays == {}


def test_what_the_arrays_are_like_is_known_without_them():
    found = examples(apart(STATE, {}))
    assert {name: (like.shape, like.dtype) for name, like in found.items()} == {
        "callbacks.0": ((20, 30), np.float32), "callbacks.1": ((999,), np.bool_),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "fits"), [([2, 0], True), ([2, -1], False), ([2**20, 2**20], True), ([2**41], False)]
)
def test_a_shape_that_no_array_has_is_refused(shape, fits):
    claim = apart(LARGE, {}) | {"shape": shape}
    if fits:
        assert examples([claim])["callbacks.0"].shape == tuple(shape)
    else:
        with pytest.raises(ValueError, match="is no array"):
            examples([claim])
