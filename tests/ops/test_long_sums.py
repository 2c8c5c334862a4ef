"""Sums of many numbers keep their digits, along whichever axes, and so do the gradients of biases."""

from contextlib import nullcontext

import numpy as np
import pytest

import tinynet as tn

TENTH = float(np.float32(0.1))


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((10**6, 1), 0),
        ((250_000, 4), 0),
        ((10**7, 1), 0),
        ((10, 10**5, 1), (0, 1)),
        ((1, 10**6, 1), 1),
        ((10**5, 5, 2), 0),
        ((10**6,), 0),
    ],
)
@pytest.mark.parametrize("mode", ["eager", "compiled", "reference", "columns"])
def test_a_sum_of_millions_of_float32_keeps_its_digits(shape, axis, mode):
    x = np.full(shape, 0.1, np.float32)
    if mode == "columns":
        x = np.asfortranarray(x)
    total = tn.compile(lambda x: tn.ops.sum(x, axis)) if mode == "compiled" else lambda x: tn.ops.sum(x, axis).data
    if mode == "reference":
        with tn.reference():
            found = total(tn.Tensor(x))
    else:
        found = total(x if mode == "compiled" else tn.Tensor(x))
    expected = np.full(found.shape, TENTH * x.size / max(1, found.size))
    by_numpy = mode == "columns" or axis == 1  # which rounds what it has after every 8,192 values
    np.testing.assert_allclose(found, expected, rtol=3e-6 if by_numpy else 3e-7)


@pytest.mark.parametrize("mode", ["eager", "compiled", "reference"])
@pytest.mark.parametrize("op", [lambda x: tn.ops.cumsum(x)[-1], lambda x: 10**6 * tn.ops.avg_pool(x, 1000)[0, 0, 0, 0]])
def test_running_sums_and_those_of_large_windows_keep_their_digits(op, mode):
    x = np.full((1, 1000, 1000, 1), 0.1, np.float32)
    if mode == "compiled":
        found = tn.compile(op)(x)
    else:
        with tn.reference() if mode == "reference" else nullcontext():
            found = op(tn.Tensor(x)).data
    np.testing.assert_allclose(found, TENTH * 10**6, rtol=3e-7)


def test_the_gradient_of_a_running_sum_keeps_its_digits():
    x = tn.Tensor(np.zeros(10**6, np.float32), requires_grad=True)
    (found,) = tn.grad(tn.ops.cumsum(x), [x], [tn.Tensor(np.full(10**6, 0.1, np.float32))])
    np.testing.assert_allclose(found.data[0], TENTH * 10**6, rtol=3e-7)


@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("compiled", [True, False])
def test_the_gradient_of_a_bias_over_a_long_batch_keeps_its_digits(compiled, activation):
    n = 300_000
    model = tn.Sequential([tn.Input((1,)), tn.Dense(2, activation)], seed=0)
    model.build_model()
    weight, bias = model.parameters.values()
    weight.memory[...] = 0
    bias.memory[...] = 1

    def gradient(x):
        return tn.grad((model(x) * np.float32(0.1)).sum(), [bias])[0]

    found = (tn.compile(gradient) if compiled else gradient)(np.ones((n, 1), np.float32))
    np.testing.assert_allclose(np.asarray(found), [n * TENTH] * 2, rtol=3e-7)
