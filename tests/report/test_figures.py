"""The figures of a run: that they show what they are given, say what it is, and can be read."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex

import tinynet as tn
from tests.nn.layer_table import ROWS
from tinynet import report
from tinynet.errors import ArgumentError, ShapeError
from tinynet.nn.layer import batch_shape
from tinynet.report.confusion import ConfusedPair
from tinynet.report.style import BLUE, ORANGE, VERMILION, WIDTH
from tinynet.train import History
from tinynet.train.metrics import confusion_matrix

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 28, 28), dtype=np.uint8)
LABELS = RNG.integers(0, 10, 40).astype(np.uint8)
PREDICTED = np.where(RNG.random(40) < 0.5, LABELS, (LABELS + 1) % 10)
HISTORY = History(
    {
        "loss": [0.9, 0.5, 0.3],
        "accuracy": [0.6, 0.7, 0.8],
        "val_loss": [0.8, 0.4, 0.45],
        "val_accuracy": [0.5, 0.6, 0.7],
    },
    [1.0, 1.0, 1.0],
)

DIVERGED = History(
    {"loss": [2.0, 1.0, 1e6, 0.9], "val_loss": [1.0, 0.9, 1e5, 0.8], "f1[$a_b]": [0.1, 0.2, 0.3, 0.4]},
    [1.0] * 4,
    [0.1, 0.1, 0.05, 0.05],
)


def cnn():
    return tn.Sequential(
        [tn.Input((28, 28, 1)), tn.Conv2D(12, 5, activation="relu", name="First"), tn.MaxPool(2), tn.Flatten(),
         tn.Dense(10, "softmax")], seed=0, name="small",
    )  # fmt: skip


def vectors(layer):
    return tn.Sequential([tn.Input((5,)), layer])


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts if text.get_text()]


def shown(figure):
    return [image.get_array() for image in figure.axes[0].images]


def stepped(epochs, points, every=2):
    """A history with losses by step."""
    steps = every * np.arange(1, epochs * points + 1)
    by_step = {"epoch": steps / (every * points), "step": steps, "loss": 2.3 * np.exp(-steps / 20) + 0.02}
    history = {"loss": [0.3] * epochs, "val_loss": [0.4] * epochs}
    return History(history, [1.0] * epochs, by_step={name: values.tolist() for name, values in by_step.items()})


MANY = RNG.integers(0, 47, 500)
LONG = ["$a_class$ with a very long^name", "cat", "cat", "x", "T-shirt/top", "Ankle boot", "Pullover", "Bag", "y", "z"]
COLOURS = RNG.integers(0, 256, (40, 20, 30, 3), dtype=np.uint8)

EACH = {
    "grid in colour": lambda: report.data_grid(COLOURS, LABELS, LONG),
    "predictions in colour": lambda: report.prediction_grid(COLOURS / 255, LABELS, PREDICTED, names=LONG),
    "bars of long names": lambda: report.class_distribution(LABELS, LABELS[:10], LONG),
    "confusion of long names": lambda: report.confusion_heat_map(confusion_matrix(PREDICTED, LABELS, 10), LONG),
    "bars of 47 classes": lambda: report.class_distribution(MANY, MANY[:90], [f"class {i}" for i in range(47)]),
    "confusion of 47 classes": lambda: report.confusion_heat_map(confusion_matrix(MANY, MANY[::-1], 47)),
    "confusion of 12 classes": lambda: report.confusion_heat_map(np.full((12, 12), 999)),
    "confusion of 20 classes": lambda: report.confusion_heat_map(np.full((20, 20), 5), LONG * 2),
    "a diverged run": lambda: report.learning_curve(DIVERGED),
    "pairs of long names": lambda: report.confused_pairs_grid(IMAGES, LABELS, PREDICTED, np.full(40, 0.5), LONG),
    "confusion of 300 classes": lambda: report.confusion_heat_map(np.eye(300, dtype=int)),
    "data_grid": lambda: report.data_grid(IMAGES, LABELS),
    "class_distribution": lambda: report.class_distribution(LABELS, LABELS[:10]),
    "model_diagram": lambda: report.model_diagram(cnn()),
    "learning_curve": lambda: report.learning_curve(HISTORY),
    "loss_by_step": lambda: report.loss_by_step(stepped(3, 40)),
    "loss by step of ten epochs": lambda: report.loss_by_step(stepped(23, 4)),
    "prediction_grid": lambda: report.prediction_grid(IMAGES, LABELS, PREDICTED),
    "predictions of MNIST": lambda: report.prediction_grid(
        np.resize(IMAGES, (10_000, 28, 28)), np.ones(10_000, int), np.resize([1] * 13 + [0] * 12, 10_000)
    ),
    "mislabelled": lambda: report.prediction_grid(IMAGES, LABELS, PREDICTED, mislabelled=True),
    "confusion_heat_map": lambda: report.confusion_heat_map(confusion_matrix(PREDICTED, LABELS, 10)),
    "first_layer_filters": lambda: report.first_layer_filters(cnn()),
    "nothing_mislabelled": lambda: report.prediction_grid(IMAGES, LABELS, LABELS, mislabelled=True),
    "dense_filters": lambda: report.first_layer_filters(
        tn.Sequential([tn.Input((28, 28)), tn.Flatten(), tn.Dense(100)], seed=0)
    ),
}


@pytest.mark.parametrize("name", EACH)
def test_nothing_is_cut_off_or_overlaps_and_all_text_is_large_enough(name):
    figure = EACH[name]()
    figure.draw_without_rendering()
    width, height = figure.get_size_inches() * figure.dpi
    assert figure.get_figwidth() == WIDTH
    assert figure.get_suptitle()
    found = list(figure.texts)  # with the title
    for axes in figure.axes:
        found += [*axes.texts, axes.xaxis.label, axes.yaxis.label]
        for axis in (a for a in (axes.xaxis, axes.yaxis) if axes.axison and a.get_visible()):
            low, high = sorted(axis.get_view_interval())
            at = zip(axis.get_majorticklocs(), axis.get_major_ticks(), strict=False)
            found += [tick.label1 for place, tick in at if low <= place <= high and tick.label1.get_visible()]
    found = [text for text in found if text.get_text()]
    boxes = [text.get_window_extent() for text in found]
    for text, box in zip(found, boxes, strict=True):
        assert min(box.x0, box.y0) >= 0, text
        assert box.x1 <= width, text
        assert box.y1 <= height, text
        assert text.get_fontsize() >= 7
    for i, box in enumerate(boxes):
        overlapping = [found[j] for j in range(i + 1, len(boxes)) if box.count_overlaps([boxes[j]])]
        assert not overlapping, (found[i], overlapping)


# --- data


def test_the_grid_shows_the_first_25_images_with_their_labels():
    figure = report.data_grid(IMAGES, LABELS, names="abcdefghij")
    np.testing.assert_array_equal(shown(figure), IMAGES[:25])
    assert texts(figure) == ["abcdefghij"[label] for label in LABELS[:25]]
    assert len(shown(report.data_grid(IMAGES[:3, ..., None], LABELS[:3]))) == 3


def test_the_images_stand_in_rows_of_five_and_do_not_overlap():
    places = [image.get_extent() for image in report.data_grid(IMAGES, LABELS).axes[0].images]
    assert len({place[0] for place in places}) == len({place[3] for place in places}) == 5
    assert places[1][0] > places[0][1]  # the second begins where the first has ended
    assert places[5][3] > places[0][2]


def test_the_bars_are_the_numbers_of_samples_one_on_the_other():
    figure = report.class_distribution(np.array([0, 0, 2]), np.array([2, 2, 2, 1], np.uint8))
    train, test = figure.axes[0].containers
    assert [bar.get_height() for bar in train] == [2, 0, 1]
    assert [bar.get_height() for bar in test] == [0, 1, 3]
    assert [bar.get_y() for bar in test] == [2, 0, 1]
    assert [to_hex(part[0].get_facecolor()).upper() for part in (train, test)] == [BLUE, ORANGE]
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("Class", "Number of samples")


# --- predictions


def test_each_image_is_titled_actual_and_predicted_and_wrong_ones_are_coloured():
    figure = report.prediction_grid(IMAGES, LABELS, PREDICTED)
    assert texts(figure) == [f"{a} → {p}" for a, p in zip(LABELS[:25], PREDICTED[:25], strict=True)]
    colors = [text.get_color() for text in figure.axes[0].texts]
    assert colors == ["black" if right else VERMILION for right in (LABELS == PREDICTED)[:25]]
    wrong = (LABELS != PREDICTED)[:25].sum()
    assert figure.get_suptitle() == f"First 25 of 40 images, {wrong} wrong among these: actual → predicted"


def test_the_mislabelled_ones_are_the_first_that_are_wrong():
    figure = report.prediction_grid(IMAGES, LABELS, PREDICTED, mislabelled=True)
    wrong = np.flatnonzero(LABELS != PREDICTED)
    np.testing.assert_array_equal(shown(figure), IMAGES[wrong[:25]])
    assert f"of {len(wrong)} mislabelled" in figure.get_suptitle()


def test_where_nothing_is_mislabelled_the_figure_says_so():
    figure = report.prediction_grid(IMAGES, LABELS, LABELS, mislabelled=True)
    assert figure.axes == []
    assert [text.get_text() for text in figure.texts if text is not figure._suptitle] == [
        "Every image is labelled right."
    ]


@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
@settings(max_examples=5)
def test_the_heat_map_is_normalised_by_true_class(k, seed):
    matrix = np.random.default_rng(seed).integers(0, 4, (k, k)) * np.random.default_rng(seed + 1).integers(0, 2, (k, 1))
    figure = report.confusion_heat_map(matrix)
    shares = figure.axes[0].images[0].get_array().filled(np.nan)
    rows = matrix.sum(axis=1) > 0
    np.testing.assert_allclose(shares[rows].sum(axis=1), 100)
    np.testing.assert_allclose(shares[rows] / 100 * matrix[rows].sum(axis=1, keepdims=True), matrix[rows])
    written = np.array([text.get_text() for text in figure.axes[0].texts]).reshape(k, k)
    for i, j in np.ndindex(k, k):
        share = 100 * matrix[i, j] / max(matrix[i].sum(), 1)
        whole = matrix[i, j] in (0, matrix[i].sum())
        expected = "-" if not rows[i] else f"{share:.0f}" if whole else f"{share:.1f}"
        assert written[i, j] == (f"{expected}\n{matrix[i, j]}" if matrix[i, j] else expected)


def test_equal_names_are_two_bars_and_signs_of_mathematics_are_signs():
    figure = report.class_distribution(LABELS, LABELS, LONG)
    assert len(figure.axes[0].containers[0]) == 10
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels[1] == labels[2] == "cat"
    assert labels[0].startswith(r"\$a_class\$")
    assert not any(text.get_parse_math() for text in report.data_grid(IMAGES, LABELS, LONG).axes[0].texts)


def test_of_a_pair_of_long_names_both_are_seen():
    names = ["grace hopper", "the temple of heaven"]
    figure = report.prediction_grid(IMAGES[:1], np.array([0]), np.array([1]), names=names)
    (title,) = texts(figure)
    assert title == "grace hopper\n→ the t… heaven"


def test_the_confidence_is_in_the_titles_and_the_worst_mistake_comes_first():
    sure = np.linspace(0.3, 0.9, 40)
    figure = report.prediction_grid(IMAGES, LABELS, PREDICTED, mislabelled=True, confidence=sure, worst_first=True)
    wrong = np.flatnonzero(LABELS != PREDICTED)[::-1]
    assert texts(figure) == [f"{LABELS[i]} → {PREDICTED[i]}, {100 * sure[i]:.0f} %" for i in wrong[:25]]
    assert f"of {len(wrong)} mistakes" in figure.get_suptitle()


def test_the_pairs_that_are_confused_most_come_first_and_each_has_a_row():
    labels, predicted = np.array([0, 0, 0, 1, 2, 2]), np.array([1, 1, 1, 0, 0, 0])
    sure = np.array([0.6, 0.9, 0.7, 0.8, 0.5, 0.6])
    figure = report.confused_pairs_grid(IMAGES[:6], labels, predicted, sure)
    assert texts(figure) == ["0 → 1, 90 %", "0 → 1, 70 %", "0 → 1, 60 %", "2 → 0, 60 %", "2 → 0, 50 %", "1 → 0, 80 %"]
    assert len({image.get_extent()[3] for image in figure.axes[0].images}) == 3
    matrix = confusion_matrix(predicted, labels, 3)
    assert report.confused_pairs(matrix, most=2) == [ConfusedPair(0, 1, 3, 1.0), ConfusedPair(2, 0, 2, 1.0)]


def test_lists_are_taken_for_arrays():
    images = [[[0, 1], [1, 0]]] * 3
    assert texts(report.data_grid(images, [0, 1, 1])) == ["0", "1", "1"]
    assert texts(report.prediction_grid(images, [0, 1, 1], [0, 1, 0])) == ["0 → 0", "1 → 1", "1 → 0"]
    assert report.class_distribution([0, 1], [1]).axes[0].containers
    assert report.confusion_heat_map([[1, 2], [0, 3]]).axes[0].images


def test_of_a_set_that_is_sorted_by_class_images_throughout_are_shown():
    labels = np.repeat(np.arange(10), 100)
    images = np.arange(1000, dtype=np.float64)[:, None, None] + np.zeros((1, 4, 4))
    figure = report.data_grid(images, labels)
    assert figure.get_suptitle() == "25 throughout of 1,000 images"
    assert set(texts(figure)) == set("0123456789")
    figure = report.prediction_grid(images, labels, labels)
    assert figure.get_suptitle().startswith("25 throughout of 1,000 images, 0 wrong")
    assert set(texts(figure)) == {f"{i} → {i}" for i in range(10)}


@pytest.mark.parametrize(("ink", "colours"), [(True, "gray_r"), (False, "gray")])
def test_drawings_are_ink_on_paper_and_photographs_are_not(ink, colours):
    for figure in (report.data_grid(IMAGES, LABELS, ink=ink), report.prediction_grid(IMAGES, LABELS, LABELS, ink=ink)):
        assert {image.get_cmap().name for image in figure.axes[0].images} == {colours}


def test_a_heat_map_of_many_classes_has_colours_alone():
    assert not texts(report.confusion_heat_map(np.eye(21, dtype=int)))


# --- training


def test_each_measure_has_a_panel_with_training_validation_and_the_best_epoch():
    figure = report.learning_curve(HISTORY)
    assert [axes.get_ylabel() for axes in figure.axes] == ["Loss", "Accuracy"]
    for axes, measure in zip(figure.axes, ("loss", "accuracy"), strict=True):
        training, test, best = axes.lines
        assert training.get_xdata().tolist() == [1, 2, 3]
        assert training.get_ydata().tolist() == HISTORY.history[measure]
        assert test.get_ydata().tolist() == HISTORY.history[f"val_{measure}"]
        assert best.get_xdata() == [2, 2]
        assert len({line.get_linestyle() for line in axes.lines}) == 3  # not by colour alone
    assert figure.axes[-1].get_xlabel() == "Epoch"
    assert figure.get_suptitle() == "Best epoch: 2, by least test loss; test accuracy 0.6000"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["training", "test", "best epoch"]
    assert (
        report.learning_curve(HISTORY, validation="validation")
        .get_suptitle()
        .startswith("Best epoch: 2, by least validation loss; validation accuracy")
    )


def test_metrics_of_all_kinds_and_a_rate_that_changes_have_panels():
    figure = report.learning_curve(DIVERGED)
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["Loss", r"F1[\$a b]", "Learning rate"]
    assert figure.axes[2].lines[0].get_ydata().tolist() == DIVERGED.learning_rates
    many = History({f"metric {i}": [0.5] for i in range(12)}, [1.0], [0.1])
    figure = report.learning_curve(many)
    assert len(figure.axes) == 8
    assert figure.axes[-1].get_xlabel() == "Epoch (4 more measures are not drawn)"


def test_an_epoch_that_diverged_does_not_flatten_the_others():
    assert report.learning_curve(DIVERGED).axes[0].get_yscale() == "log"
    assert report.learning_curve(HISTORY).axes[0].get_yscale() == "linear"
    assert report.learning_curve(HISTORY, log=True).axes[0].get_yscale() == "log"
    assert report.learning_curve(DIVERGED, log=False).axes[0].get_yscale() == "linear"


def test_the_loss_by_step_has_the_ends_of_epochs_and_the_validations_there():
    history = stepped(2, 40)
    figure = report.loss_by_step(history, validation="validation")
    training, validated, *marks = figure.axes[0].lines
    assert training.get_xdata().tolist() == history.by_step["step"]
    assert training.get_ydata().tolist() == history.by_step["loss"]
    assert validated.get_xdata().tolist() == [80, 160]
    assert validated.get_ydata().tolist() == [0.4, 0.4]
    assert [mark.get_xdata() for mark in marks] == [[80, 80], [160, 160]]
    assert texts(figure) == ["epoch 1", "epoch 2"]
    assert figure.get_suptitle() == "Training loss, each value the mean of 2 steps"
    assert figure.axes[0].get_yscale() == "log"  # which the first losses would flatten
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["training", "validation"]


def test_the_loss_by_step_of_a_part_of_an_epoch_is_drawn_too():
    history = History({}, [], by_step={"epoch": [0.1, 0.2], "step": [1, 2], "loss": [2.0, 1.0]})
    figure = report.loss_by_step(history)
    assert not texts(figure)
    assert figure.get_suptitle() == "Training loss of each step"
    with pytest.raises(ArgumentError, match=r"pass tn.StepLosses\(\) to fit"):
        report.loss_by_step(HISTORY)


def test_of_one_epoch_each_point_is_seen():
    figure = report.learning_curve(History({"loss": [0.5], "val_loss": [0.4]}, [1.0]))
    for line in figure.axes[0].lines[:2]:
        assert line.get_marker() in "os"
        low, high = figure.axes[0].get_ylim()
        assert low < line.get_ydata()[0] < high


def ticks(axes):
    """The labels along the x axis that are seen."""
    axes.figure.draw_without_rendering()
    low, high = axes.get_xlim()
    return [label.get_text() for at, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
            if low <= at <= high]  # fmt: skip


@pytest.mark.parametrize(("epochs", "labels"), [(1, ["1"]), (2, ["1", "2"]), (3, ["1", "2", "3"])])
def test_epochs_and_steps_are_whole_numbers(epochs, labels):
    history = History({name: values[:epochs] for name, values in HISTORY.history.items()}, [1.0] * epochs)
    assert ticks(report.learning_curve(history).axes[-1]) == labels
    assert ticks(report.comparison_figure({"a": history, "b": history}).axes[1]) == labels
    curves = dict.fromkeys(("loss", "val_loss", "val_error", "step_size"), HISTORY.history["loss"][:epochs])
    for figure in report.step_curves(curves).values():
        assert ticks(figure.axes[0]) == labels


def test_what_is_but_one_point_has_a_marker():
    one = History({name: values[:1] for name, values in HISTORY.history.items()}, [1.0])
    for figure in (
        report.comparison_figure({"a": one, "b": HISTORY}),
        *report.step_curves({name: [0.5] for name in ("loss", "val_loss", "val_error", "step_size")}).values(),
    ):
        lines = [line for axes in figure.axes for line in axes.lines]
        assert {line.get_marker() for line in lines if len(line.get_xdata()) == 1}.isdisjoint({"None", None})
    training, test = report.comparison_figure({"a": one}).axes[0].lines
    assert training.get_markerfacecolor() != test.get_markerfacecolor()


def test_a_curve_without_validation_or_accuracy_is_drawn_all_the_same():
    figure = report.learning_curve(History({"loss": [0.5, float("nan")]}, [1.0, 1.0]))
    assert [axes.get_ylabel() for axes in figure.axes] == ["Loss"]
    assert figure.get_suptitle() == "Best epoch: 1, by least training loss"
    figure = report.learning_curve(History({"accuracy": [0.5]}, [1.0]))
    assert figure.get_suptitle() == "Learning curve"


def test_the_best_epoch_is_never_one_whose_loss_is_no_number():
    nan = float("nan")
    assert History({"val_loss": [nan, 0.5, 0.4, nan]}, [1.0] * 4).best_epoch == 3
    assert History({"val_loss": [nan, nan]}, [1.0] * 2).best_epoch == 1
    assert History().best_epoch == 0


# --- the model


def test_the_diagram_names_each_layer_its_parameters_and_its_shape():
    figure = report.model_diagram(cnn())
    found = texts(figure)
    assert {"First", "Conv2D, 12 filters of 5 x 5, relu", "312 parameters", "(None, 24, 24, 12)"} <= set(found)
    assert {"MaxPool, 2 x 2", "Dense, 10 units, softmax", "(None, 10)"} <= set(found)
    assert figure.get_suptitle() == "small: 17,602 parameters"
    arrows = [text for text in figure.axes[0].texts if not text.get_text()]
    assert len(arrows) == 5


def test_names_of_layers_are_written_as_they_are():
    model = tn.Sequential([tn.Input((2,)), tn.Dense(1, name="a$_$b")], seed=0, name="$x$")
    figure = report.model_diagram(model)
    assert not next(text for text in figure.axes[0].texts if text.get_text() == "a$_$b").get_parse_math()
    assert figure.get_suptitle() == "$x$: 3 parameters"
    assert not figure._suptitle.get_parse_math()


def test_the_diagram_says_what_each_kind_of_layer_does():
    block = tn.Residual([tn.Conv2D(2, 3, padding="same"), tn.BatchNorm(), tn.ReLU()], shortcut=tn.Conv2D(2, 1))
    dropouts = [tn.Dropout(0.25) for _ in range(3)]
    long = tn.Sequential([*dropouts, tn.LayerNorm(), tn.GaussianNoise(0.1), tn.Activation("gelu")])
    text = [tn.Embedding(1000, 4), tn.MultiHeadAttention(2, causal=True), tn.LSTM(3, return_sequences=True), tn.GRU(1)]
    images = [tn.Conv2DTranspose(2, 3, stride=2), block, tn.UpSampling((2, 3)), tn.AvgPool(3, 2, "same"), long]
    block.trainable = False
    found = [
        *texts(report.model_diagram(tn.Sequential([tn.Input((5,)), *text], seed=0))),
        *texts(report.model_diagram(tn.Sequential([tn.Input((5, 5, 1)), *images], seed=0))),
    ]
    assert {
        "Embedding, 1,000 vectors of 4",
        "MultiHeadAttention, 2 heads, causal",
        "LSTM, 3 units, sequences",
        "GRU, 1 unit",
        "Conv2DTranspose, 2 filters of 3 x 3, stride 2 x 2",
        "Residual: Conv2D, BatchNorm, ReLU, Conv2D",
        "48 parameters, frozen",
        "UpSampling, 2 x 3",
        "AvgPool, 3 x 3, stride 2 x 2, same",
        "Sequential: 6 layers",
    } <= set(found)


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_each_layer_has_a_diagram_with_its_shape(row):
    model = row.model()
    found = texts(report.model_diagram(model))
    assert batch_shape(model.output_shape) in found
    assert any(text.startswith(type(model.layers[1]).__name__) for text in found)


def test_a_diagram_of_a_model_that_is_no_chain_has_no_arrows():
    class Twice(tn.Model):
        def __init__(self):
            super().__init__(input_shape=(3,), seed=0)
            self.dense = tn.Dense(3)

        def forward(self, x):
            return self.dense(x) + self.dense(x)

    figure = report.model_diagram(Twice())
    assert all(text.get_text() for text in figure.axes[0].texts)


def test_filters_of_a_convolution_are_its_weights():
    model = cnn()
    weights = model.parameters["First.weight"].data
    np.testing.assert_array_equal(shown(report.first_layer_filters(model)), [weights[:, :, 0, i] for i in range(12)])


def test_filters_of_a_dense_layer_are_its_weights_by_pixel():
    model = tn.Sequential([tn.Input((28, 28, 1)), tn.Flatten(), tn.Dense(100)], seed=0)
    weights = model.parameters["dense.weight"].data
    figure = report.first_layer_filters(model)
    np.testing.assert_array_equal(shown(figure), weights.T[:64].reshape(64, 28, 28))
    assert figure.get_suptitle() == "Weights of dense: the first 64 of 100 filters of 28 x 28"
    low, high = figure.axes[0].images[0].get_clim()
    assert -low == high == np.abs(weights[:, :64]).max()


# --- what is refused


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: report.data_grid(IMAGES[0], LABELS), ShapeError, r"\(n, H, W, 3\), but got shape \(28, 28\)"),
        (lambda: report.data_grid(np.zeros((2, 8, 8, 2)), LABELS[:2]), ShapeError, r"\(2, 8, 8, 2\)"),
        (lambda: report.data_grid(IMAGES[:0], LABELS[:0]), ShapeError, r"\(0, 28, 28\)"),
        (lambda: report.data_grid(IMAGES, LABELS[:3]), ShapeError, "the labels must have shape"),
        (lambda: report.class_distribution(LABELS, LABELS[:0]), ArgumentError, "at least one training"),
        (lambda: report.class_distribution(np.array([-1]), LABELS), ArgumentError, "the training labels"),
        (lambda: report.prediction_grid(IMAGES, LABELS, PREDICTED[:5]), ShapeError, r"must have shape \(40,\)"),
        (lambda: report.confusion_heat_map(np.zeros((2, 3))), ArgumentError, r"\(2, 3\)"),
        (lambda: report.confusion_heat_map(np.eye(2), 2), ArgumentError, "names must be a sequence of texts"),
        (lambda: report.learning_curve(History()), ArgumentError, "no epochs"),
        (lambda: report.first_layer_filters(vectors(tn.Dense(2))), ArgumentError, "'dense.weight'"),
        (lambda: report.first_layer_filters(vectors(tn.ReLU())), ArgumentError, "first_layer_filters: the first"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(draw, error, message):
    with pytest.raises(error, match=message):
        draw()


def test_what_is_compared_comes_first_on_the_page_of_several_runs():
    run = {"parameters": {"count": 10, "dtype": "float32"}, "test": {"loss": 0.5, "accuracy": 0.8}, "best_epoch": 1,
           "history": {"loss": [0.4], "accuracy": [0.9]}, "data": {"sha256": "0"}, "hyper_parameters": {},
           "seconds": {"total": 1.0, "by_epoch": [1.0]}}  # fmt: skip
    page, _ = report.comparison_page({"a": run, "b": {**run, "test": {"loss": 0.6, "accuracy": 0.7}}}, "Two runs")
    rows = re.findall(r"<tr.*?</tr>", page.decode())
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows[:3]]
    assert cells[0][:4] == ["Run", "Test accuracy", "To the first", "Test loss"]
    assert cells[2] == ["b", "0.7000", "-0.1000", "0.6000", "10", "1", "0.4000", "0.9000", "1.0"]
    assert 'class="best"' in rows[1]
    assert "The settings are the same." in page.decode()
