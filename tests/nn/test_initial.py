"""Initial values: their distribution, and the names by which layers find them."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError
from tinynet.nn.initial import initializer


def drawn(name, shape, seed=0):
    return np.asarray(initializer("test", name)(shape, np.random.default_rng(seed)))


# The variance that each is to have, of the fans of (300, 200), and the largest value there can be.
DISTRIBUTIONS = {
    "glorot_uniform": (2 / 500, np.sqrt(6 / 500)),
    "glorot_normal": (2 / 500, 2 * np.sqrt(2 / 500) / 0.87962566),
    "he_uniform": (2 / 300, np.sqrt(6 / 300)),
    "he_normal": (2 / 300, 2 * np.sqrt(2 / 300) / 0.87962566),
    "uniform": (0.1**2 / 12, 0.05),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_initial_values_have_the_variance_and_the_limit_that_they_are_to_have(name):
    variance, limit = DISTRIBUTIONS[name]
    values = drawn(name, (300, 200))
    assert abs(values.mean()) < 5 * np.sqrt(variance / values.size)
    assert values.var() == pytest.approx(variance, rel=0.02)
    assert 0.98 * limit < np.abs(values).max() <= limit


@pytest.mark.parametrize("name", ["glorot_normal", "he_normal"])
def test_the_taps_of_a_convolution_count_in_the_fans(name):
    values = drawn(name, (3, 3, 40, 50))
    fans = 9 * 40 if name == "he_normal" else 9 * (40 + 50)
    assert values.var() == pytest.approx(2 / fans, rel=0.05)


def test_the_constant_of_the_normal_distribution_without_tails():
    """The standard deviation of a standard normal variable between -2 and 2, by quadrature."""
    x = np.linspace(-2, 2, 400_001)
    density = np.exp(-x * x / 2)
    assert np.sqrt((x * x * density).sum() / density.sum()) == pytest.approx(0.87962566103423978, rel=1e-5)


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (2, 2, 3, 4), (4,), (1, 1)])
def test_orthogonal_values_make_a_matrix_with_orthogonal_rows_or_columns(shape):
    q = drawn("orthogonal", shape).reshape(-1, shape[-1])
    product = q.T @ q if len(q) >= q.shape[1] else q @ q.T
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-14)


def test_orthogonal_matrices_of_both_signs_are_drawn():
    assert {np.sign(drawn("orthogonal", (1, 1), seed).item()) for seed in range(20)} == {-1, 1}
    signs = [np.sign(np.diag(drawn("orthogonal", (2, 2), seed))) for seed in range(50)]
    assert len({tuple(s) for s in signs}) == 4


@pytest.mark.parametrize("name", [*DISTRIBUTIONS, "orthogonal", "zeros"])
def test_every_name_is_taken_by_a_layer_and_kept_in_its_file(name, tmp_path):
    model = tn.Sequential([tn.Input((4,)), tn.Dense(3, kernel_init=name)], seed=3)
    expected = drawn(name, (4, 3), 0).shape
    assert model.parameters["dense.weight"].shape == expected
    again = tn.Sequential([tn.Input((4,)), tn.Dense(3, kernel_init=name)], seed=3)
    np.testing.assert_array_equal(model.theta, again.theta)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(tn.load(tmp_path / "model").theta, model.theta)


def test_a_name_that_is_none_is_refused_with_those_there_are():
    with pytest.raises(ArgumentError, match=r'Dense: an initializer must be "glorot_uniform", .*"he_normal"'):
        tn.Dense(3, kernel_init="he")
