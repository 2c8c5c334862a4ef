"""The examples run on the embedded sample, learn, and stay short."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_softmax_regression_learns_and_says_what_it_confuses(capsys):
    assert load("softmax_regression").main("sample", epochs=2) > 0.72
    out = capsys.readouterr().out
    assert "Total parameters: 7,850" in out
    assert "digit 5:" in out
    assert "most often wrongly taken for a" in out


def test_dense_network_compares_two_stacks(capsys):
    assert load("dense_network").main("sample", epochs=3) > 0.8
    out = capsys.readouterr().out
    assert "Total parameters: 109,386" in out
    assert len([line for line in out.splitlines() if line.startswith("    ") and line.count("0.") == 4]) == 3


def test_cnn_learns_and_its_file_gives_the_same_bits(capsys, tmp_path):
    assert load("cnn").main("sample", epochs=4, folder=tmp_path) > 0.8
    assert (tmp_path / "cnn.safetensors").stat().st_size > 93_962 * 4
    out = capsys.readouterr().out
    assert "the loaded model gives the same bits: True" in out
    assert out.count(", read as ") == 5


def test_custom_layer_has_the_right_gradient_and_learns(capsys):
    right, accuracy = load("custom_layer").main("sample", epochs=1)
    assert right
    assert accuracy > 0.82
    out = capsys.readouterr().out
    assert "layer_norm (LayerNorm)" in out
    assert "gain" in out


def test_autograd_tour_differentiates_and_learns(capsys):
    right, accuracy = load("autograd_tour").main("sample", epochs=2)
    assert right
    assert accuracy > 0.78
    out = capsys.readouterr().out
    assert "dy/dx = 3 x^2 = [ 3. 12. 27.]" in out
    assert "epoch 2/2: mean loss" in out


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short_and_says_what_one_learns(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 70
    assert "\nYou learn " in text
    assert "def main(source=" in text
