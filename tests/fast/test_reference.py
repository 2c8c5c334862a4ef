"""The book runs without the engine room: each op by its meaning, in NumPy, to the same results within rounding."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinynet as tn
from tinynet.core.engine import can_compile
from tinynet.recipes import RECIPES

SCRIPT = Path(__file__).with_name("trained_losses.py")


def trained(*arguments, **environment):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], env=os.environ | environment, check=True, text=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def compiled():
    return trained()


def assert_same(found, expected):
    np.testing.assert_allclose(found["losses"], expected["losses"], rtol=1e-5)
    np.testing.assert_allclose(found["outputs"], expected["outputs"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["theta"], expected["theta"], rtol=1e-6)
    assert found["evaluated"].keys() == expected["evaluated"].keys()
    for name, value in expected["evaluated"].items():
        np.testing.assert_allclose(found["evaluated"][name], value, rtol=1e-4)


def test_the_reference_model_trains_without_the_engine_room_to_the_same_losses(compiled):
    found = trained("without", TINYNET_REFERENCE="1")
    assert found["engine room"] == []
    assert compiled["engine room"]
    assert_same(found, compiled)
    assert found["losses"][1] < found["losses"][0]


def test_without_the_engine_room_the_switch_must_be_set():
    """There is no silent fall back."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "without"], env=os.environ | {"TINYNET_REFERENCE": "0"}, check=False, text=True,
        capture_output=True,
    )  # fmt: skip
    assert done.returncode
    assert "is not to be imported here" in done.stderr


def test_within_reference_a_fit_trains_eagerly_by_meanings(compiled):
    (x, y), _ = tn.datasets.mnist(source="sample")
    model = RECIPES["cnn"].model(seed=0)
    assert can_compile()
    with tn.reference():
        assert not can_compile()
        history = model.fit(x[:64], y[:64], epochs=2, optimizer=tn.SGD(0.05), seed=0, verbose=0)
        outputs = model.predict(x[64:72])
        evaluated = model.evaluate(x[64:96], y[64:96])
    assert model.plans == {}
    found = {"losses": history.history["loss"], "outputs": outputs, "evaluated": evaluated}
    assert_same(found | {"theta": float(abs(model.theta).sum())}, compiled)
