"""What is not a function, a model, or a slice is an error of the package, and batches without samples are computed."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError, ShapeError


@pytest.mark.parametrize(
    "use",
    [
        lambda: tn.hessian(5, [1.0]),
        lambda: tn.hvp("f", [1.0], [1.0]),
        lambda: tn.jacobian(None, [1.0]),
        lambda: tn.check_gradients(5, [1.0]),
        lambda: tn.Objective(5, np.eye(2), [0, 1]),
    ],
)
def test_what_cannot_be_called_is_named(use):
    with pytest.raises(ArgumentError, match=r"takes a (function|model).*but got"):
        use()


def test_a_slice_with_a_step_of_zero_is_named():
    with pytest.raises(ShapeError, match="slice step cannot be zero"):
        tn.Tensor([1.0, 2.0])[::0]


@pytest.mark.parametrize("freeze", [False, True])
def test_a_compiled_network_takes_a_batch_without_samples(freeze):
    layers = [
        tn.Input((8, 8, 1)),
        tn.Conv2D(2, 3, activation="relu"),
        tn.MaxPool(2),
        tn.Flatten(),
        tn.Dense(2, "softmax"),
    ]
    model = tn.Sequential(layers, seed=0)
    assert tn.compile(model, freeze=freeze)(np.ones((0, 8, 8, 1), np.float32)).shape == (0, 2)
    gradients = tn.compile(lambda x: tn.grad(model(x).sum(), list(model.parameters.values())))
    assert not any(np.any(g) for g in gradients(np.ones((0, 8, 8, 1), np.float32)))
