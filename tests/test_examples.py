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


def test_logistic_line_search_goes_down_and_newton_arrives(capsys, tmp_path):
    history, gradient_norm = load("logistic_line_search").main("sample", steps=20, folder=tmp_path)
    assert history["loss"][-1] < history["loss"][0] < 0.65
    assert gradient_norm < 1e-10
    assert {p.name for p in tmp_path.iterdir()} == {
        "training_loss.pdf", "test_loss.pdf", "test_error.pdf", "step_size.pdf",
    }  # fmt: skip
    out = capsys.readouterr().out
    assert "least Armijo margin: " in out
    assert "affine in the weights but for the loss: True" in out


def test_gradient_check_shows_every_verdict(capsys):
    verdicts = load("gradient_check").main()
    assert verdicts == [{"ok"}, {"wrong"}, {"ok", "wrong"}, {"kink"}, {"round-off"}]
    assert "order 2: " in capsys.readouterr().out


def test_convexity_and_rates_agree_with_theory(capsys, tmp_path):
    found = load("convexity_and_rates").main("sample", n=60, steps=100, folder=tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"gap.png", "spectrum.png", "linear_rate.png"}
    assert found["Hessian: largest difference to X^T D X / n"] < 1e-12
    assert -1e-12 <= found["Hessian: smallest eigenvalue"] < 1e-6 * found["Hessian: largest eigenvalue"]
    assert found["without L2: largest gap / bound"] <= 1
    assert found["without L2: smallest step / t_min"] >= 1
    assert found["smallest Armijo margin of both runs"] >= 0
    assert 0 < found["with L2: factor a step, fitted"] <= found["with L2: factor a step, promised"] < 1


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short_and_says_what_one_learns(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 70
    assert "\nYou learn " in text
    assert "def main(source=" in text
