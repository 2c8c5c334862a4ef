"""Layers that are put into a built model in place of others are refused, and so is another theta."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError, GradientError

X, Y = np.eye(2), np.array([0, 1])


def stack():
    return tn.Sequential([tn.Input((2,)), tn.Dense(3), tn.Dense(2)], seed=0)


class Branch(tn.Model):
    def __init__(self):
        super().__init__(input_shape=(2,), seed=0)
        self.body, self.head = tn.Dense(3), tn.Dense(2)

    def forward(self, x):
        return self.head(self.body(x))


@pytest.mark.parametrize("use", ["fit", "predict", "evaluate", "save", "objective"])
@pytest.mark.parametrize("change", ["replace", "append", "remove"])
def test_a_list_of_layers_that_has_changed_since_the_model_was_built_is_refused(tmp_path, change, use):
    model = stack()
    model.predict(X)
    if change == "replace":
        model.layers[-1] = tn.Dense(2)
    elif change == "append":
        model.layers.append(tn.Dense(2))
    else:
        del model.layers[-1]
    uses = {
        "fit": lambda: model.fit(X, Y, verbose=0, compiled=False),
        "predict": lambda: model.predict(X),
        "evaluate": lambda: model.evaluate(X, Y),
        "save": lambda: model.save(tmp_path / "model"),
        "objective": lambda: tn.Objective(model, X, Y),
    }
    with pytest.raises(ArgumentError, match=r"layers have changed since it was built.*make a new model"):
        uses[use]()
    assert not list(tmp_path.iterdir())


def test_a_layer_that_would_take_the_place_of_another_one_is_refused_where_it_is_set():
    model = Branch()
    model.head = tn.Dense(4)  # it is not built yet
    assert model.predict(X).shape == (2, 4)
    for value in (tn.Dense(5), [tn.Dense(5)], {"a": [tn.Dense(5)]}):
        for name in ("head", "other"):
            with pytest.raises(ArgumentError, match=rf"is built, and {name} of layer .* neither trained nor saved"):
                setattr(model, name, value)
    model.head = model.head
    assert model.predict(X).shape == (2, 4)


def test_theta_may_be_written_into_by_every_sign():
    model = stack()
    before = model.theta.copy()
    model.theta -= 1
    model.theta *= 2
    np.testing.assert_array_equal(model.theta, (before - 1) * 2)
    with pytest.raises(ArgumentError, match=r"theta cannot be replaced; write into it"):
        model.theta = before
    np.testing.assert_array_equal(model.theta, (before - 1) * 2)


def test_who_freezes_a_parameter_as_in_pytorch_is_told_how_it_is_done_here():
    model = stack()
    model.build_model()
    for parameter in model.parameters.values():
        parameter.requires_grad = False
    with pytest.raises(GradientError, match=r"layer\.trainable = False"):
        model.fit(X, Y, verbose=0)
