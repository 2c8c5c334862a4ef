"""What holds for every layer of the table: values, gradients, files, empty batches, bits of the compiled way."""

import copy
from typing import NamedTuple

import numpy as np
import pytest

import tinynet as tn
from tests.fast.networks import Problem, assert_same_bits, train
from tests.nn.layer_table import ROWS, Row, parameters_of
from tests.plans import inference_plan
from tinynet.core.spec import Spec
from tinynet.inspection.gradcheck import check_gradients

every_row = pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
# These have tests of their own, beside those of networks.
ELSEWHERE = {"BatchNorm", "Conv2D", "Dense", "Dropout", "Flatten", "Input", "Layer", "ReLU", "Sigmoid", "Softmax"}
ELSEWHERE |= {"GaussianNoise", "RandomFlip", "RandomRotation", "RandomShift"}


def squares(output, labels):
    return (output * output).mean()


def test_every_layer_has_a_row():
    there = {name.split()[0] for name in ROWS}
    layers = {name for name in tn.nn.__all__ if issubclass(getattr(tn.nn, name), tn.Layer)}
    assert layers - ELSEWHERE <= there


@every_row
def test_values_are_those_of_plain_loops(row):
    model, x = row.model(), row.samples()
    p = parameters_of(model)
    expected = np.array([row.reference(sample, **p) for sample in x])
    for found in (model(x).data, model.predict(x), tn.reference()(model)(x).data):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


@every_row
def test_float32_stays_float32(row):
    model, x = row.model(dtype="float32"), row.samples()
    p = parameters_of(model)
    found = model(x.astype(np.float32)).data
    assert found.dtype == np.float32
    expected = np.array([row.reference(sample.astype(np.float32).astype(float), **p) for sample in x])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@every_row
def test_gradients_are_right(row):
    model, x = row.model(), row.samples(2)
    order = 2 if row.smooth else 1
    if model.parameters:
        assert check_gradients(model, x, order=order).ok
    if not row.name.startswith("Embedding"):
        assert check_gradients(lambda x: model.layers[1](x), x, order=order).strict


@every_row
def test_weights_decay_and_biases_and_normalisations_do_not(row):
    model = row.model()
    decaying = {id(p) for span in model.spans(by_decay=True) if span.decays for p in span.parameters}
    for name, p in model.parameters.items():
        apart = name.endswith(("bias", "gamma", "beta"))
        assert (id(p) in decaying) != apart, name


@every_row
def test_a_model_file_gives_the_layer_back(row, tmp_path):
    model, x = row.model(), row.samples()
    model.save(tmp_path / "model")
    for same in (tn.load(tmp_path / "model"), copy.deepcopy(model)):
        assert list(same.parameters) == list(model.parameters)
        np.testing.assert_array_equal(same.predict(x), model.predict(x))


@every_row
def test_a_batch_of_one_and_a_batch_of_nothing(row):
    model, x = row.model(), row.samples()
    whole = model(x).data
    np.testing.assert_allclose(model(x[1:2]).data, whole[1:2], rtol=1e-12, atol=1e-13)
    empty = model(x[:0])
    assert empty.shape == (0, *whole.shape[1:])
    for g in tn.grad(empty.sum(), list(model.parameters.values())) if model.parameters else ():
        assert not g.data.any()


@every_row
def test_the_summary_says_the_shape(row, capsys):
    model = row.model()
    model.summary()
    shape = ", ".join(map(str, model.predict(row.samples(1)).shape[1:]))
    assert f"(None, {shape})" in capsys.readouterr().out


class Alone(NamedTuple):
    """A row as a network that `train` makes and trains."""

    row: Row

    def make(self):
        return self.row.model(dtype="float32")


@every_row
def test_unfused_replay_gives_the_bits_of_eager_execution(row):
    x = row.samples(5).astype(np.float32)
    model = row.model(dtype="float32")
    found = inference_plan(model, Spec(x.shape, x.dtype), fused=False).run(x=x)["output"]
    assert found.tobytes() == model(x).data.tobytes()
    if model.parameters:
        problem, batches = Problem(Alone(row), x, np.zeros(5), squares), [[2, 0, 3], [4, 1], [1, 2, 0]]
        eager, _ = train(problem, tn.SGD(0.1), batches, compiled=False)
        unfused, _ = train(problem, tn.SGD(0.1), batches, fused=False)
        assert_same_bits(unfused, eager)


@every_row
def test_fused_training_goes_the_way_of_eager_training(row):
    thetas = []
    for compiled in (True, False):
        model = row.model()
        if not model.parameters:
            return
        x = row.samples(7)
        options = {"epochs": 2, "batch_size": 3, "optimizer": tn.SGD(0.05), "seed": 0, "verbose": 0}
        model.fit(x, np.zeros(7), loss=squares, compiled=compiled, **options)
        thetas.append(model.theta.copy())
    np.testing.assert_allclose(thetas[0], thetas[1], rtol=1e-10, atol=1e-12)
