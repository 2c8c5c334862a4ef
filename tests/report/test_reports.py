"""Reports of any model: what each task shows, and that what cannot be written is refused first."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure

import tinynet as tn
from tinynet import report
from tinynet.errors import ArgumentError, DataError, ShapeError, WriteError
from tinynet.report import run
from tinynet.report.answers import answers_of
from tinynet.train import History

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype(np.float32)
HISTORY = History({"loss": [0.5, 0.4], "val_loss": [0.6, 0.3]}, [1.0, 1.0])


def network(units, activation=None):
    return tn.Sequential([tn.Input((3,)), tn.Dense(units, activation)], seed=0, name="small")


class Two(tn.Model):
    def __init__(self):
        super().__init__(input_shape=(3,), seed=0)
        self.a, self.b = tn.Dense(3), tn.Dense(1)

    def forward(self, x):
        return {"kind": self.a(x), "size": self.b(x)}


@pytest.fixture
def undrawn(monkeypatch):
    """Let figures be empty: what is on the page and which files there are does not depend on the pictures."""
    monkeypatch.setattr(run, "encode", lambda figure, name: name.encode())


def page(folder):
    return (folder / "report.html").read_text("utf-8")


# --- what each task shows


def test_classes_have_a_confusion_matrix_calibration_and_thresholds(undrawn, tmp_path):
    images = RNG.integers(0, 255, (60, 4, 4), dtype=np.uint8)
    model = tn.Sequential([tn.Input((4, 4)), tn.Flatten(), tn.Dense(3)], seed=0)
    names = report.write_model_report(tmp_path, model, images, RNG.integers(0, 3, 60), names=["cat", "a<b>", "dog"])
    assert {path.name for path in tmp_path.iterdir()} == set(names)
    assert set(names) == {
        "report.html", "model_diagram.png", "confusion.png", "predictions.png", "mislabelled.png", "worst_mistakes.png",
        "confused_pairs.png", "calibration.png", "thresholds.png", "filters.png",
    }  # fmt: skip
    text = page(tmp_path)
    assert "a&lt;b&gt;" in text
    assert "What is confused most" in text
    assert not re.search("digit|MNIST", text)


@pytest.mark.parametrize(("epochs", "drawn"), [(1, True), (4, True), (5, False)])
def test_of_few_epochs_the_loss_is_shown_by_step(epochs, drawn, undrawn, tmp_path):
    y, model = X.sum(axis=1), network(1)
    history = model.fit(X, y, epochs=epochs, loss="mse", callbacks=[tn.StepLosses(epochs=9)], seed=0, verbose=0)
    names = report.write_model_report(tmp_path, model, X, y, history=history)
    assert ("loss_by_step.png" in names) == drawn
    assert ("The training loss by step" in page(tmp_path)) == drawn


def test_values_have_residuals_and_those_farthest_off(undrawn, tmp_path):
    y = np.zeros((60, 2))
    y[7, 1] = 1000
    names = report.write_model_report(
        tmp_path, network(2), X, y, loss="mse", names=["price", "size"], history=HISTORY, formats=["svg"]
    )
    assert {"learning_curve.png", "learning_curve.svg", "regression_0.png", "regression_1.svg"} <= set(names)
    text = page(tmp_path)
    assert "Confusion" not in text
    assert re.search(r'The farthest off</h3>.*?<th scope="row">7, size</th><td>1000</td>', text)
    assert "Best epoch</dt><dd>2 of 2" in text


def test_labels_have_scores_of_their_own_and_no_confusion_matrix(undrawn, tmp_path):
    y = (X > 0).astype(int)
    names = report.write_model_report(
        tmp_path, network(3, "sigmoid"), X, y, loss="binary_cross_entropy", names=["red", "green", "blue"]
    )
    assert set(names) == {"report.html", "model_diagram.png", "calibration.png", "thresholds.png"}
    assert re.search('<th scope="row">green</th>', page(tmp_path))


def test_each_of_several_outputs_has_its_part(undrawn, tmp_path):
    y = {"kind": RNG.integers(0, 3, 60), "size": X[:, :1]}
    names = report.write_model_report(
        tmp_path, Two(), X, y, loss={"kind": "cross_entropy", "size": "mse"}, names={"kind": ["x", "y", "z"]}
    )
    assert {"kind_confusion.png", "size_regression.png"} <= set(names)
    assert page(tmp_path).index("Output kind") < page(tmp_path).index("Output size")


def test_answers_are_probabilities_whatever_the_network_ends_in():
    y = RNG.integers(0, 3, 60)
    for model in (network(3), network(3, "softmax")):
        (answers,) = answers_of(model, X, y)
        np.testing.assert_allclose(answers.given.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(answers.given, model.predict(X))
    (two,) = answers_of(network(1), X, y > 0, loss="binary_cross_entropy")
    assert (two.task, two.names, two.given.shape) == ("classes", ("0", "1"), (60, 2))
    np.testing.assert_array_equal(two.predicted, network(1).predict(X)[:, 0] > 0)


# --- figures


def test_curves_of_many_classes_name_those_that_are_worst():
    truth = np.eye(9)[np.arange(900) % 9]
    outputs = truth * np.linspace(0, 3, 9) + np.random.default_rng(0).normal(size=(900, 9))
    figure = report.threshold_figure(outputs, truth, [f"class $_{k}" for k in range(9)])
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(words) == 7
    assert words[0].startswith("class $_0, area 0.")
    assert words[-1] == "3 others, with larger areas"
    figure.draw_without_rendering()


def test_calibration_shows_the_share_that_was_right():
    figure = report.calibration_figure([0.15, 0.15, 0.95], [0, 1, 1])
    line = figure.axes[0].lines[1]
    np.testing.assert_allclose(line.get_xydata(), [[0.15, 0.5], [0.95, 1]])
    assert [bar.get_height() for bar in figure.axes[1].patches] == [0, 2, 0, 0, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("n", [1, 50, 3000])
def test_predicted_stands_against_true(n):
    true = np.arange(n, dtype=np.float64)
    figure = report.regression_figure(true + 1, true, "price ($)")
    assert isinstance(figure, Figure)
    assert figure.axes[0].get_xlabel() == r"True price (\$)"
    figure.draw_without_rendering()


# --- what is refused


def test_a_place_that_cannot_be_written_to_is_told_before_anything_is_computed(tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("it was computed first")

    monkeypatch.setattr(run, "answers_of", never)
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="there is no place for the report"):
        report.write_model_report(tmp_path / "file", network(2), X, X[:, :2], loss="mse")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda at: report.write_model_report(at, network(2), X, [0] * 60, names=["a"]), ArgumentError, "2 classes"),
        (lambda at: report.write_model_report(at, network(2), X, [0] * 5), ShapeError, "5 labels, but x has 60"),
        (lambda at: report.write_model_report(at, network(2), X, [0, 1] * 30, formats=["gif"]), ArgumentError, "svg"),
        (lambda _: report.regression_figure([1.0], [float("nan")]), DataError, "finite"),
        (lambda _: report.threshold_figure([0.5], [1]), ShapeError, r"\(n, K\)"),
        (
            lambda _: report.prediction_grid(np.zeros((1, 2, 2)), [0], [0], worst_first=True),
            ArgumentError,
            "confidence",
        ),
    ],
)
def test_what_cannot_be_shown_is_refused(call, error, message, tmp_path):
    with pytest.raises(error, match=message):
        call(tmp_path)
    assert not list(tmp_path.iterdir())
