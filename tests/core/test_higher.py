"""Jacobians, Hessians and products with them, against formulas, and against quotients of gradients."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.errors import ArgumentError, DTypeError, ShapeError

o = tn.ops
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def quadratic(a):
    return lambda x: (x @ a @ x) / 2


@given(generators, st.integers(1, 6))
def test_the_hessian_of_a_quadratic_is_its_symmetric_part(rng, n):
    a, x, v = rng.normal(size=(n, n)), rng.normal(size=n), rng.normal(size=n)
    symmetric = (a + a.T) / 2
    np.testing.assert_allclose(tn.hessian(quadratic(a), x).data, symmetric, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(tn.hvp(quadratic(a), x, v).data, symmetric @ v, rtol=1e-12, atol=1e-12)


@given(generators, st.integers(1, 4), st.integers(1, 3))
def test_the_jacobian_of_a_product_is_the_matrix(rng, m, n):
    a, x = rng.normal(size=(m, n)), rng.normal(size=n)
    np.testing.assert_array_equal(tn.jacobian(lambda x: o.matmul(a, x), x).data, a)


def test_shapes_are_those_of_the_value_then_the_input():
    x = np.arange(6.0).reshape(2, 3)
    assert tn.jacobian(lambda x: o.exp(x).sum(1), x).shape == (2, 2, 3)
    assert tn.jacobian(lambda x: x.sum(), x).shape == (2, 3)
    assert tn.hessian(lambda x: (x * x * x).sum(), x).shape == (2, 3, 2, 3)
    assert tn.hvp(lambda x: (x * x * x).sum(), x, x).shape == (2, 3)


@pytest.mark.parametrize("make", [float, np.float64, np.array, np.float32, tn.Tensor])
def test_a_point_may_be_a_single_number(make):
    x = make(2.0)
    cube, curve = lambda x: x**3, lambda x: x * np.array([1.0, 3.0])
    second, first, several = tn.hessian(cube, x), tn.jacobian(cube, x), tn.jacobian(curve, x)
    assert [t.shape for t in (second, first, several)] == [(), (), (2,)]
    assert (second.item(), first.item(), several.data.tolist()) == (12, 12, [1, 3])
    assert tn.hvp(cube, x, make(1.0)).item() == 12
    assert tn.hessian(lambda x: 2 * x, x).item() == tn.jacobian(lambda x: tn.Tensor(1.0), x).item() == 0


@pytest.mark.parametrize("f", [lambda x: x.sum(), lambda x: o.sum(np.ones(3)), lambda x: 2 * x[1]])
def test_what_is_linear_or_constant_has_a_hessian_of_zeros(f):
    x = np.ones(3)
    np.testing.assert_array_equal(tn.hessian(f, x).data, np.zeros((3, 3)))
    np.testing.assert_array_equal(tn.hvp(f, x, x).data, np.zeros(3))


def test_derivatives_are_recorded_whatever_surrounds_them():
    x = np.array([1.0, 2.0])
    with tn.no_grad():
        np.testing.assert_array_equal(tn.hvp(lambda x: (x * x * x).sum(), x, x).data, [6, 24])
        np.testing.assert_array_equal(tn.hessian(lambda x: (x * x * x).sum(), x).data, np.diag([6.0, 12.0]))
        np.testing.assert_array_equal(tn.jacobian(lambda x: x * x, x).data, np.diag([2.0, 4.0]))
        assert tn.check_gradients(o.tanh, x, order=2).strict
        assert not (2 * tn.Tensor(x, requires_grad=True)).requires_grad


def test_a_value_that_does_not_depend_on_x_has_a_jacobian_of_zeros():
    np.testing.assert_array_equal(tn.jacobian(lambda x: o.exp(np.ones(2)), np.ones(3)).data, np.zeros((2, 3)))


def test_the_dtype_is_kept_and_the_point_is_not_touched():
    x = tn.Tensor(np.ones(2, np.float32), requires_grad=True)
    assert tn.hessian(lambda x: o.exp(x).sum(), x).dtype == np.float32
    assert x.grad is None


def network(shapes, images, labels, blocks):
    """The loss of a network through convolution, relu, pooling, dense layers and cross-entropy, of one flat vector."""
    ends = np.cumsum([np.prod(s) for s in shapes])

    def loss(theta):
        parts = [theta[int(e - np.prod(s)) : int(e)].reshape(s) for s, e in zip(shapes, ends, strict=True)]
        w1, b1, w2, b2, w3, b3 = parts
        h = o.max_pool(blocks(o.conv2d(images, w1) + b1), 2)
        h = blocks(o.matmul(h.reshape(len(images), -1), w2) + b2)
        return o.cross_entropy(o.softmax(o.matmul(h, w3) + b3), labels)

    return loss, int(ends[-1])


@pytest.mark.parametrize("activation", [o.relu, o.tanh, o.sigmoid])
def test_products_with_the_hessian_of_a_network_agree_with_quotients_of_gradients(activation):
    """Richardson's extrapolation of central differences: independent of second derivatives, and good to 1e-10."""
    rng = np.random.default_rng(3)
    images, labels = rng.random((3, 8, 8, 2)), np.array([0, 2, 1])
    shapes = [(3, 3, 2, 4), (4,), (36, 5), (5,), (5, 3), (3,)]
    loss, size = network(shapes, images, labels, activation)
    theta, v = 0.5 * rng.normal(size=size), rng.normal(size=size)
    v /= np.linalg.norm(v)

    def gradient(at):
        t = tn.Tensor(at, requires_grad=True)
        return tn.grad(loss(t), [t])[0].data

    table = [(gradient(theta + h * v) - gradient(theta - h * v)) / (2 * h) for h in (2e-3, 1e-3, 5e-4)]
    for order in (4, 16):
        table = [(order * b - a) / (order - 1) for a, b in pairwise(table)]
    found = tn.hvp(loss, theta, v).data
    assert np.linalg.norm(found - table[0]) <= 1e-9 * np.linalg.norm(found)
    np.testing.assert_allclose(tn.hessian(loss, theta).data @ v, found, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: tn.hvp(o.exp, np.ones(2), np.ones(2)), ArgumentError, r"\(2,\)"),
        (lambda: tn.hvp(lambda x: x * 2, np.ones(2), np.ones(2)), ArgumentError, "^hvp: the function"),
        (lambda: tn.hessian(o.exp, np.ones(2)), ArgumentError, r"sum\(\)"),
        (lambda: tn.hvp(lambda x: x.sum(), np.ones(2), np.ones(3)), ShapeError, r"\(3,\)"),
        (lambda: tn.jacobian(lambda x: x > 0, np.ones(2)), ArgumentError, "bool"),
        (lambda: tn.jacobian(lambda x: 1.0, np.ones(2)), ArgumentError, "float"),
        (lambda: tn.hessian(lambda x: x.sum(), np.ones(2, int)), DTypeError, "int64"),
    ],
)
def test_what_cannot_be_differentiated_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()
