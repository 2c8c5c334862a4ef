"""The picture of a decision boundary: each place has the colour of its class, and what is no plane is refused."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

import tinynet as tn
from tinynet.errors import ArgumentError, DataError, ShapeError
from tinynet.report.boundary import decision_boundary
from tinynet.report.style import BLUE, ORANGE

X, Y = np.array([[-1.0, 0.0], [1.0, 0.5], [0.5, -1.0]]), np.array([0, 1, 1])


def model(units, activation=None, weights=None):
    made = tn.Sequential([tn.Input((2,)), tn.Dense(units, activation)], seed=0)
    made.build_model()
    if weights is not None:
        made.theta[:] = weights
    return made


@pytest.mark.parametrize(
    ("units", "activation", "weights"),
    [
        (2, "softmax", [-3, 3, 0, 0, 0, 0]),
        (2, None, [-3, 3, 0, 0, 0, 0]),
        (1, "sigmoid", [6, 0, 0]),
        (1, None, [60, 0, 0]),
    ],
)
def test_a_place_has_the_colour_of_its_class(units, activation, weights):
    with tn.reference():
        figure = decision_boundary(model(units, activation, weights), X, Y)
    image = np.asarray(figure.axes[0].images[0].get_array())
    distances = [np.abs(image[:, i] - to_rgb(c)).sum() for i in (2, -3) for c in (BLUE, ORANGE)]
    assert distances[0] < distances[1]  # the left is blue
    assert distances[3] < distances[2]  # the right is orange
    assert figure.get_suptitle() == "100.0% of 3 points right"
    assert [t.get_text().strip("\u200b") for t in figure.legends[0].get_texts()] == ["0", "1"]


def test_names_are_shown_as_they_are_and_axes_fit_one_point():
    with tn.reference():
        figure = decision_boundary(model(2), X[:1], Y[:1], class_names=["_a$b$", "c"], title="t")
    figure.canvas.draw()
    assert figure.legends[0].get_texts()[0].get_text() == "\u200b_a\\$b\\$"


@pytest.mark.parametrize(
    ("units", "x", "y", "names", "error", "text"),
    [
        (2, X[:, :1], Y, None, ShapeError, r"\(n, 2\), but has shape \(3, 1\)"),
        (2, X[:0], Y[:0], None, DataError, "at least one point"),
        (2, X, Y + 1, None, DataError, "from 0 to 1, but runs from 1 to 2"),
        (2, X, Y / 1, None, DataError, "integers, but got dtype float64"),
        (9, X, Y, None, ArgumentError, "8 classes apart at most"),
        (2, X, Y, ["a"], ArgumentError, "2 classes, but 1 class_names"),
    ],
)
def test_what_cannot_be_drawn_is_refused(units, x, y, names, error, text):
    with tn.reference(), pytest.raises(error, match=text):
        decision_boundary(model(units), x, y, class_names=names)
