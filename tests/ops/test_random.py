"""Random numbers of a step: those of Philox, of the right distributions, and others for each key."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import tinynet as tn
from tests.steps import WAYS, as_run
from tinynet.errors import ArgumentError, DTypeError
from tinynet.ops.philox import philox, words


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
    ids=["zeros", "ones", "pi"],
)
def test_the_published_vectors_of_philox(counter, key, expected):
    """Those of Random123, kat_vectors, philox4x32 with ten rounds."""
    counter, key, expected = (
        np.array([int(word, 16) for word in text.split()], np.uint32) for text in (counter, key, expected)
    )
    np.testing.assert_array_equal(philox(counter, key), expected)
    np.testing.assert_array_equal(philox(np.tile(counter, (3, 1)), key), np.tile(expected, (3, 1)))


def test_words_are_those_of_philox_by_seed_step_stream_and_micro_batch():
    seed, step, micro_batch, stream, draw = 0x0123456789ABCDEF, 7, 3, 0x1111000022223333, 5
    found = words(np.array([seed, step, micro_batch, stream, draw], np.uint64), 6)
    blocks = [
        philox(np.array([i, 7, 0x22223333, 0x00050003], np.uint32), np.array([0x89ABCDEF, 0x10324567], np.uint32))
        for i in range(2)
    ]
    np.testing.assert_array_equal(found, np.concatenate(blocks)[:6])


def draws(seed=0, steps=1, micro_batch=0):
    """The numbers of the last of some steps."""
    mode = tn.train_mode(seed)
    mode.micro_batch = micro_batch
    for _ in range(steps):
        with mode:
            drawn = tn.random.uniform((64,)).data
    return drawn


def assert_unrelated(arrays):
    """Check that no number of one is that of another at the same place, or elsewhere."""
    together = np.concatenate(arrays)
    assert len(set(together.tolist())) > 0.999 * len(together)


def test_seeds_steps_and_micro_batches_differ():
    seeds = [draws(seed) for seed in (0, 1, 2, 2**32, 2**32 + 1, 2**63, 2**64 - 1)]
    steps = [draws(steps=n) for n in (2, 3, 4)]
    assert_unrelated([*seeds, *steps, *(draws(micro_batch=m) for m in (1, 2, 255))])
    np.testing.assert_array_equal(draws(), draws())


@pytest.mark.parametrize("draw", [tn.random.uniform, tn.random.normal])
def test_samples_of_a_batch_differ(draw):
    with tn.train_mode(seed=0):
        rows = draw((50, 40)).data
    assert_unrelated(list(rows))


@pytest.mark.parametrize("way", WAYS)
def test_two_calls_in_a_step_differ_and_those_of_a_compiled_function_too(way):
    def twice(x):
        return tn.random.uniform((64,)) + x, tn.random.uniform((64,)) + x

    run, other, mode = as_run(twice, way), as_run(twice, way), tn.train_mode(seed=0)
    zero = np.zeros((), np.float32)
    with mode:
        found = [*run(zero), *run(zero), *other(zero), tn.random.uniform((64,)).data]
    assert_unrelated(found)
    with mode:
        later = run(zero)
    assert_unrelated([*found, *later])


def test_micro_batches_draw_the_same_whoever_computes_them_and_in_any_order():
    def twice(x):
        return tn.random.uniform((64,)) + x, tn.random.uniform((64,)) + x

    def drawn(numbers, way):
        run, mode, found = as_run(twice, way), tn.train_mode(seed=0), {}
        with mode:
            for mode.micro_batch in numbers:
                found[mode.micro_batch] = np.concatenate(run(np.zeros((), np.float32)))
        return found

    together = drawn([0, 1, 2], "fused")
    assert_unrelated(list(together.values()))
    for numbers, way in ([2], "fused"), ([1, 0], "unfused"), ([2, 0, 1], "eager"):
        for number, numbers_drawn in drawn(numbers, way).items():
            np.testing.assert_array_equal(numbers_drawn, together[number])


@pytest.mark.parametrize("ways", [("eager", "fused", "eager"), ("fused", "unfused", "fused")])
def test_the_draws_of_a_step_do_not_depend_on_what_of_it_is_compiled(ways):
    layer = Noise()

    def draw(x):
        return layer(x), tn.random.normal(x.shape)

    zeros = np.zeros((8, 4), np.float32)
    with tn.train_mode(seed=3):
        expected = [y for _ in ways for y in as_run(draw)(zeros)]
    with tn.train_mode(seed=3):
        found = [y for way in ways for y in as_run(draw, way)(zeros)]
    np.testing.assert_array_equal(found, expected)


class Noise(tn.Layer):
    def forward(self, x):
        return tn.random.uniform(x.shape, dtype=x.dtype) if tn.training() else x


class Compiled(tn.Layer):
    """A layer whose forward is a compiled function."""

    def __init__(self):
        self.inner = tn.compile(lambda x: tn.random.uniform(x.shape) + x)

    def forward(self, x):
        return tn.Tensor(self.inner(x.data))


def test_layers_of_one_shape_differ_also_those_whose_forward_is_compiled():
    x = np.zeros((4, 16), np.float32)
    layers = [Noise(name="a"), Noise(name="b"), Compiled(), Compiled()]
    layers[2].name, layers[3].name = "c", "d"
    with tn.train_mode(seed=0):
        assert_unrelated([layer(x).data.ravel() for layer in layers])


def test_a_layer_that_is_called_twice_in_a_step_draws_twice():
    layer, x = Noise(), np.zeros((4, 16), np.float32)
    with tn.train_mode(seed=0):
        assert_unrelated([layer(x).data.ravel() for _ in range(2)])


# --- distributions


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_numbers_are_uniform(dtype):
    n, bins = 200_000, 256
    with tn.train_mode(seed=0):
        x = tn.random.uniform((n,), dtype=dtype).data
    assert x.dtype == dtype
    assert x.min() >= 0
    assert x.max() < 1
    assert abs(x.mean(dtype=float) - 0.5) < 5 * np.sqrt(1 / 12 / n)
    assert abs(x.var(dtype=float) - 1 / 12) < 5 * np.sqrt(1 / 180 / n)
    counts = np.bincount((x * bins).astype(int), minlength=bins)
    assert 1e-4 < stats.chisquare(counts).pvalue < 1 - 1e-4
    pairs = np.bincount((x[::2] * 16).astype(int) * 16 + (x[1::2] * 16).astype(int), minlength=256)
    assert 1e-4 < stats.chisquare(pairs).pvalue < 1 - 1e-4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_numbers_are_normal(dtype):
    n = 200_000
    with tn.train_mode(seed=0):
        x = tn.random.normal((n,), dtype=dtype).data
    assert x.dtype == dtype
    assert np.isfinite(x).all()
    assert abs(x.mean(dtype=float)) < 5 / np.sqrt(n)
    assert abs(x.var(dtype=float) - 1) < 5 * np.sqrt(2 / n)
    edges = stats.norm.ppf(np.linspace(0, 1, 129))
    assert 1e-4 < stats.chisquare(np.histogram(x, edges)[0]).pvalue < 1 - 1e-4
    assert abs(np.corrcoef(x[: n // 2], x[n // 2 :])[0, 1]) < 5 / np.sqrt(n / 2)  # the two of one pair


def test_float64_has_its_own_digits():
    with tn.train_mode(seed=0):
        x = tn.random.uniform((1000,), dtype="float64").data
    assert (x != x.astype(np.float32)).mean() > 0.99
    assert (x * 2.0**53 == np.floor(x * 2.0**53)).all()
    assert len(np.unique((x * 2.0**53) % 256)) > 200


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 1.0])
def test_bernoulli_draws_true_with_its_probability(probability):
    n = 100_000
    with tn.train_mode(seed=0):
        x = tn.random.bernoulli(probability, (n,)).data
    assert x.dtype == np.bool_
    assert abs(x.mean() - probability) <= 5 * np.sqrt(probability * (1 - probability) / n)


def test_a_probability_may_be_a_tensor():
    with tn.train_mode(seed=0):
        x = tn.random.bernoulli(tn.Tensor([0.0, 0.3, 1.0]), (20_000, 3)).data
    np.testing.assert_allclose(x.mean(0), [0, 0.3, 1], atol=0.02)


def test_ranges_means_and_deviations():
    with tn.train_mode(seed=0):
        x, y = tn.random.uniform((50_000,), -3.0, 1.0).data, tn.random.normal((50_000,), 4.0, 0.5).data
    assert x.dtype == y.dtype == np.float32
    assert -3 <= x.min() < -2.99
    assert 0.99 < x.max() <= 1
    np.testing.assert_allclose([y.mean(), y.std()], [4, 0.5], atol=0.02)


@given(st.lists(st.integers(0, 5), max_size=3), st.sampled_from(["float32", "float64"]))
def test_shapes_of_none_of_one_and_of_more(shape, dtype):
    mode = tn.train_mode(seed=1)
    with mode:
        first = tn.random.uniform(shape, dtype=dtype).data
        second = tn.random.normal(shape, dtype=dtype).data
        third = tn.random.bernoulli(0.5, shape).data
    assert first.shape == second.shape == third.shape == tuple(shape)
    assert first.dtype == second.dtype == dtype
    assert np.isfinite(second).all()


def test_no_gradient_flows_into_random_numbers():
    t = tn.Tensor(2.0, requires_grad=True)
    with tn.train_mode(seed=0):
        x = tn.random.uniform((3,), dtype="float64")
        (gradient,) = tn.grad((t * x).sum(), [t])
    assert not x.requires_grad
    assert float(gradient.data) == x.data.sum()


# --- bits


def digests():
    mode = tn.train_mode(seed=0)
    with mode:
        made = [
            draw((300, 70), dtype=dtype).data
            for draw in (tn.random.uniform, tn.random.normal)
            for dtype in ("float32", "float64")
        ]
    return [hashlib.sha256(array).hexdigest() for array in made]


def test_the_bits_do_not_depend_on_threads():
    before, found = tn.get_num_threads(), []
    try:
        for n in (1, 2):
            tn.set_num_threads(n, fixed=True)
            found.append(digests())
    finally:
        tn.set_num_threads(before)
    assert found[0] == found[1]
    assert len(set(found[0])) == 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_eager_and_compiled_draw_the_same_bits(dtype):
    def draw(x):
        return (
            tn.random.uniform(x.shape, -1.0, 2.0, dtype) + x,
            tn.random.normal((3, 5), 1.0, 2.0, dtype),
            tn.ops.where(tn.random.bernoulli(0.3, x.shape), x, 1),
        )

    found = []
    for way in WAYS:
        mode, run = tn.train_mode(seed=2**64 - 1), as_run(draw, way)
        for _ in range(3):
            with mode:
                made = run(np.zeros((2, 3), dtype))
        found.append([y.tobytes() for y in made])
    assert found[0] == found[1] == found[2]


def test_nothing_touches_the_generator_of_numpy():
    before = repr(np.random.get_state())  # noqa: NPY002 - it is the one in question
    draws()
    assert repr(np.random.get_state()) == before  # noqa: NPY002


# --- what is refused


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("uniform", lambda: tn.random.uniform((3,))),
        ("normal", lambda: tn.random.normal((3,))),
        ("bernoulli", lambda: tn.random.bernoulli(0.5, (3,))),
    ],
)
def test_outside_of_a_step_nothing_is_drawn(name, draw):
    with pytest.raises(ArgumentError, match=rf"random\.{name} is part of a step of training.*train_mode.*with mode:"):
        draw()
    with pytest.raises(ArgumentError, match=rf"random\.{name} is part of a step"):
        tn.compile(lambda x: x + draw())(np.zeros(3))


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: tn.random.uniform((-1,)), ArgumentError, "no length below 0"),
        (lambda: tn.random.uniform((2**16, 2**16)), ArgumentError, r"fewer than 2\^32"),
        (lambda: tn.random.uniform(1.5), ArgumentError, "an integer or a sequence of integers"),
        (lambda: tn.random.uniform("ab"), ArgumentError, "an integer or a sequence of integers"),
        (lambda: tn.random.normal((3,), dtype="int32"), DTypeError, "float32 or float64"),
        (lambda: tn.random.normal((3,), dtype="float16"), DTypeError, "float32 or float64"),
        (lambda: tn.random.normal((3,), dtype="what"), DTypeError, "what"),
        (lambda: tn.random.bernoulli(1.5, (3,)), ArgumentError, "from 0 to 1"),
        (lambda: tn.random.bernoulli(float("nan"), (3,)), ArgumentError, "from 0 to 1"),
        (lambda: tn.random.bernoulli("half", (3,)), ArgumentError, "from 0 to 1"),
        (lambda: tn.random.uniform((3,), low="a"), ArgumentError, "low"),
        (lambda: tn.random.uniform((3,), 2.0, 1.0), ArgumentError, "low"),
        (lambda: tn.random.normal((3,), stddev=-1.0), ArgumentError, "stddev"),
        (lambda: tn.random.normal((3,), stddev=float("nan")), ArgumentError, "stddev"),
    ],
)
def test_bad_arguments_are_refused(draw, error, message):
    with tn.train_mode(seed=0), pytest.raises(error, match=message):
        draw()
