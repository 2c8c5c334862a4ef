import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fast.kernels.kernel_cases import DTYPES, dtypes, garbage, generators
from tinynet.fast.kernels import normalised

EPSILON = 1e-5


def forward(x, gamma, beta, chunks=1, kernel=normalised.layer_norm):
    y, normal, scale = garbage(x.shape, x.dtype), garbage(x.shape, x.dtype), garbage(len(x), x.dtype)
    kernel(y, normal, scale, x, gamma, beta, EPSILON, chunks)
    return y, normal, scale


def backward(g, gamma, normal, scale, chunks=1, kernel=normalised.layer_norm_gradient):
    dx = garbage(g.shape, g.dtype)
    kernel(dx, g, gamma, normal, scale, chunks)
    return dx


def drawn(rng, dtype, rows, width):
    """Rows of a common distance from 0, a gamma and a beta, and a cotangent."""
    x, g = rng.standard_normal((2, rows, width))
    gamma, beta = rng.standard_normal((2, width))
    return tuple(a.astype(dtype) for a in (x + 5, gamma, beta, g))


@given(generators, dtypes, st.integers(0, 9), st.integers(1, 70), st.integers(1, 5))
def test_rows_are_normalised_and_their_gradients_are_those_of_the_formula(rng, dtype, rows, width, chunks):
    x, gamma, beta, g = drawn(rng, dtype, rows, width)
    y, normal, scale = forward(x, gamma, beta, chunks)
    wide = x.astype(float)
    root = np.sqrt(wide.var(axis=1, keepdims=True) + EPSILON)
    expected = (wide - wide.mean(axis=1, keepdims=True)) / root
    bound = {"rtol": 0, "atol": 200 * np.finfo(dtype).eps * max(1, np.max(1 / root, initial=0))}
    np.testing.assert_allclose(normal, expected, **bound)
    np.testing.assert_allclose(y, expected * gamma + beta, **bound)
    np.testing.assert_allclose(scale, 1 / root[:, 0], rtol=100 * np.finfo(dtype).eps * np.max(1 / root, initial=1))
    h, n = (g * gamma).astype(float), normal.astype(float)
    dx = h - h.mean(axis=1, keepdims=True) - n * (h * n).mean(axis=1, keepdims=True)
    np.testing.assert_allclose(backward(g, gamma, normal, scale, chunks), dx * scale[:, None], **bound)


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_bit_depends_on_the_number_of_chunks_or_threads(dtype):
    x, gamma, beta, g = drawn(np.random.default_rng(0), dtype, 33, 47)
    ways = [(1, "serial"), (4, "serial"), (4, "parallel"), (33, "parallel")]
    made = set()
    for chunks, way in ways:
        kernels = normalised.layer_norm, normalised.layer_norm_gradient
        norm, gradient = (k.serial if way == "serial" else k for k in kernels)
        y, normal, scale = forward(x, gamma, beta, chunks, norm)
        dx = backward(g, gamma, normal, scale, chunks, gradient)
        made.add(b"".join(a.tobytes() for a in (y, normal, scale, dx)))
    assert len(made) == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_spoils_its_own_row_only_and_equal_values_become_0(dtype):
    x, gamma, beta, g = drawn(np.random.default_rng(1), dtype, 3, 5)
    x[0, 3], x[1] = np.nan, 2
    y, normal, scale = forward(x, gamma, beta)
    assert np.isnan(y[0]).all()
    np.testing.assert_array_equal(y[1], beta)
    assert np.isfinite(y[2]).all()
    dx = backward(g, gamma, normal, scale)
    assert np.isnan(dx[0]).all()
    assert np.isfinite(dx[1:]).all()
