"""The examples run as scripts, on the embedded sample, learn, and stay short; the gallery has a place for each."""

import ast
import runpy
from pathlib import Path

import matplotlib
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.fixture(autouse=True)
def _figures_are_drawn_and_not_shown(monkeypatch):
    import matplotlib.pyplot as plt

    before = matplotlib.get_backend()
    plt.switch_backend("agg")
    monkeypatch.setattr(plt, "show", lambda: [plt.figure(n).canvas.draw() for n in plt.get_fignums()])
    yield
    plt.close("all")
    plt.switch_backend(before)


def run(name):
    return runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")


def test_two_spirals_are_told_apart_and_drawn(capsys):
    found = run("spirals")
    assert found["scores"]["accuracy"] > 0.95
    assert found["graph"].axes[0].texts
    assert "of the test points are right" in capsys.readouterr().out


def test_softmax_regression_learns_and_says_what_it_confuses(capsys):
    assert run("softmax_regression")["scores"]["accuracy"] > 0.85
    out = capsys.readouterr().out
    assert "Total parameters: 7,850" in out
    assert "digit 5:" in out
    assert "most often wrongly taken for a" in out


def test_dense_network_is_better_with_something_between_its_layers(capsys):
    results = run("dense_network")["results"]
    assert results["relu"]["val_accuracy"][-1] > results[None]["val_accuracy"][-1] > 0.85
    assert "Total parameters: 109,386" in capsys.readouterr().out


def test_cnn_learns_and_its_file_gives_the_same_bits(capsys):
    found = run("cnn")
    assert found["accuracy"] > 0.93
    assert found["same"]
    assert "Total parameters: 93,962" in capsys.readouterr().out


@pytest.mark.slow
def test_a_residual_network_learns_from_images_that_are_moved(capsys):
    found = run("residual_network")
    assert found["history"].history["val_accuracy"][-1] > 0.975
    assert "Trainable: 63,322, not trainable: 384" in capsys.readouterr().out
    assert len(np.unique(found["moved"], axis=0)) > 4


def test_a_network_on_a_table_is_not_misled_by_wrong_numbers(capsys):
    scores = run("regression")["scores"]
    assert min(scores["right", loss] for loss in ("mse", "huber", "linear")) > 0.25
    assert scores["slipped", "huber"] > 0.25 > scores["slipped", "mse"] > scores["slipped", "linear"]
    assert "the model is that of epoch" in capsys.readouterr().out


@pytest.mark.slow
def test_frozen_layers_help_where_there_are_few_images(capsys):
    found = run("fine_tuning")
    frozen, scratch = (rows.mean(axis=1) for rows in found["accuracies"].values())
    assert (frozen[:3] > scratch[:3] + 0.02).all()
    assert frozen[-1] < scratch[-1] + 0.02
    assert "not trainable: 4,800" in capsys.readouterr().out


@pytest.mark.slow
def test_digits_lie_in_a_plane_by_what_they_are():
    found = run("variational_autoencoder")
    points, digits = found["points"], found["y_test"]
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert (digits[distances.argmin(axis=1)] == digits).mean() > 0.4  # of ten digits; by chance 0.1
    assert np.abs(points.std(axis=0) - 1.2).max() < 0.7
    assert np.abs(found["model"].predict(found["x_test"]) - found["x_test"]).mean() < 0.13


def test_images_and_numbers_are_matched():
    found = run("two_inputs")
    assert found["accuracy"] > 0.9
    assert found["probabilities"].shape == (1000, 10)


@pytest.mark.slow
def test_a_character_model_predicts_better_than_a_table_of_pairs(capsys):
    found = run("character_model")
    assert found["losses"].mean() < found["of_pairs"] - 0.6
    assert found["losses"][8:].mean() < found["losses"][0] - 0.6  # it uses what came before
    assert len(set("".join(found["alphabet"][found["line"][32:]]).split())) > 20


def test_a_network_solves_a_differential_equation():
    found = run("differential_equation")
    largest = [error.max() for error in found["errors"].values()]
    assert largest[0] > largest[1] > 0.1
    assert largest[2] < 2e-3
    assert found["step"].traces == 1


def test_gradients_are_those_of_the_powers():
    found = run("gradients")
    assert found["second"].data.tolist() == [6.0, 12.0, 18.0]


def test_custom_op_is_right_and_the_wrong_one_is_caught():
    found = run("custom_op")
    assert found["report"].ok
    assert not found["caught"].ok
    assert found["accuracy"] > 0.85


def test_custom_layer_has_the_right_gradient_and_learns(capsys):
    found = run("custom_layer")
    assert found["report"].ok
    assert found["accuracy"] > 0.85
    spread = {name: found[name].std(axis=1) for name in ("before", "after")}  # of the features of each image
    assert spread["after"].std() / spread["after"].mean() < 0.5 * spread["before"].std() / spread["before"].mean()
    assert "layer_norm (LayerNorm)" in capsys.readouterr().out


def test_a_state_is_the_mean_of_all_batches_and_comes_out_of_a_file():
    found = run("layer_with_state")
    assert list(found["pictures"]) == [1, 8, 375]
    mean = found["x_train"].mean(axis=0) / 255  # of three whole epochs
    np.testing.assert_allclose(found["pictures"][375], mean, atol=1e-5)
    assert np.abs(found["pictures"][1] - mean).max() > 0.05
    assert found["same"]
    assert found["accuracy"] > 0.8


def test_noise_in_training_helps_with_noisy_digits(capsys):
    curves = run("layer_with_randomness")["accuracies"]
    assert min(curve[0] for curve in curves.values()) > 0.9
    assert curves[0.5][-1] > curves[0.25][-1] + 0.03 > curves[0.0][-1] + 0.1
    drawn = capsys.readouterr().out.splitlines()
    assert drawn[:2] == drawn[2:4] != drawn[4:6]
    assert drawn[0].split(": ")[1] != drawn[1].split(": ")[1]


def test_two_networks_learn_from_each_other_in_one_compiled_step():
    found = run("own_step")
    assert found["step"].traces == 1
    radius = np.linalg.norm(found["pictures"][-1], axis=1)
    assert abs(np.median(radius) - 2) < 0.15
    assert np.median(np.linalg.norm(found["pictures"][0], axis=1)) < 1
    angles = np.arctan2(*found["pictures"][-1].T)
    assert np.histogram(angles, bins=8, range=(-np.pi, np.pi))[0].min() > 10  # all around the circle


@pytest.mark.slow
def test_the_rate_that_is_found_beats_others_and_one_cycle_beats_it():
    found = run("learning_rate")
    small, right, large, cycle = (values[-1] for values in found["losses"].values())
    assert 0.01 < found["rate"] < 0.3
    assert cycle < min(small, right, large)
    assert large > 1.5


def test_training_loop_learns_and_cuts_what_is_too_long():
    found = run("training_loop")
    assert found["accuracy"] > 0.88
    assert max(found["lengths"]) > 1
    assert found["losses"][-1] < found["losses"][0]


def test_line_search_goes_down_and_newton_arrives(capsys):
    found = run("logistic_line_search")
    assert (np.diff(found["history"]["loss"]) < 0).all()
    assert found["history"]["loss"][-1] < 0.52
    assert min(found["history"]["margin"]) >= 0
    assert found["gradient_norm"] < 1e-10


def test_checked_gradients_show_every_verdict():
    found = run("gradient_check")
    verdicts = [{row.verdict for row in found[name].rows} for name in ("right", "wrong", "cut", "kink", "hidden")]
    assert verdicts == [{"ok"}, {"wrong"}, {"ok", "wrong"}, {"kink"}, {"round-off"}]


@pytest.mark.slow
def test_convexity_and_rates_agree_with_theory():
    found = run("convexity_and_rates")
    assert found["difference"] < 1e-12
    assert -1e-12 <= found["eigenvalues"][0] < 1e-6 * found["eigenvalues"][-1]
    assert (found["gaps"] <= found["bounds"]).all()
    assert min(r.step_size for r in found["records"]) >= found["t_min"]
    assert min(r.margin for r in found["records"] + found["ridge_records"] if not r.stopped) >= 0
    assert 0 < found["fitted"] <= found["promised"] < 1
    assert (found["falls"][1:] <= found["promised"] * found["falls"][:-1] + 1e-12).all()


def test_a_run_that_was_stopped_is_resumed_to_the_same_bits():
    found = run("exact_resume")
    assert found["same"]
    assert found["history"].history == found["whole_history"].history


def test_a_plan_is_read_and_its_memory_drawn(capsys):
    found = run("reading_a_plan")
    assert len(found["plan"].calls) < len(found["unfused"].calls)
    assert "conv_pool_weight_grad" in capsys.readouterr().out
    assert len(found["lives"]) > len(found["places"])  # memory is used again


@pytest.mark.slow
def test_a_search_finds_the_network_that_is_better_than_a_linear_one():
    found = run("grid_search")
    assert found["scores"].shape == (2, 3)
    assert found["scores"].max() > found["scores"][:, 0].max() + 0.02  # the smallest rate is too small
    assert found["accuracy"] > found["of_linear"] > 0.93


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_short_page_that_says_what_one_learns(path):
    text = path.read_text("utf-8")
    title, rule, *rest = ast.get_docstring(ast.parse(text)).splitlines()
    assert len(title) == len(rule) == rule.count("=")
    assert "ou learn " in " ".join(rest)
    assert len(text.splitlines()) <= 110
    assert text.count("\n# %%\n") >= 2


def test_the_gallery_has_a_place_for_each_example_and_nothing_else():
    order = ast.literal_eval(
        next(
            node.value
            for node in ast.parse((ROOT / "docs" / "_ext" / "gallery.py").read_text("utf-8")).body
            if isinstance(node, ast.Assign) and node.targets[0].id == "ORDER"
        )
    )
    assert sorted(order) == [path.stem for path in EXAMPLES]
