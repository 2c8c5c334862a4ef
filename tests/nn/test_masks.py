"""Masks of sequences: steps that do not count, in attention and recurrent layers; attention to another sequence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.errors import ShapeError

RNG = np.random.default_rng(0)
X, CONTEXT = RNG.normal(size=(3, 5, 4)), RNG.normal(size=(3, 6, 2))


def built(make, *inputs):
    """A layer in float64 with parameters that are none of the initial ones."""
    layer = make()
    layer(*inputs)
    for _, part in layer.walk():
        for p in part.own_parameters.values():
            p.data[...] = RNG.normal(size=p.shape)
    return layer


def attend(layer, x, context, seen, heads):
    """Attention by plain loops; ``seen(n, t, s)`` says what is seen."""

    def dense(name, rows):
        part = getattr(layer, name)
        return rows @ part.weight.data + part.bias.data

    q, k, v, d = dense("query", x), dense("key", context), dense("value", context), x.shape[2] // heads
    mixed = np.zeros(x.shape)
    for n, t, h in np.ndindex(len(x), x.shape[1], heads):
        part = slice(h * d, h * d + d)
        steps = [s for s in range(context.shape[1]) if seen(n, t, s)]
        powers = [np.exp(q[n, t, part] @ k[n, s, part] / np.sqrt(d)) for s in steps]
        for s, p in zip(steps, powers, strict=True):
            mixed[n, t, part] += p / sum(powers) * v[n, s, part]
    return dense("output", mixed)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", ["steps", "pairs"])
@pytest.mark.parametrize("context", [None, CONTEXT], ids=["self", "other"])
def test_attention_with_a_mask_is_that_of_plain_loops(causal, kind, context):
    given_to = (X,) if context is None else (X, context)
    other = X if context is None else context
    layer = built(lambda: tn.MultiHeadAttention(2, causal), *given_to)
    shape = (3, other.shape[1]) if kind == "steps" else (3, 5, other.shape[1])
    mask = RNG.integers(0, 2, shape)
    mask[0] = 0  # sees nothing
    pairs = np.broadcast_to(mask[:, None] if mask.ndim == 2 else mask, (3, 5, other.shape[1]))
    expected = attend(layer, X, other, lambda n, t, s: pairs[n, t, s] and (s <= t or not causal), 2)
    for given_mask in (mask, mask.astype(bool), mask.astype(np.float32), tn.Tensor(mask)):
        np.testing.assert_allclose(layer(*given_to, mask=given_mask).data, expected, rtol=1e-10, atol=1e-12)
    compiled = tn.compile(lambda *inputs: layer(*inputs[:-1], mask=inputs[-1]))
    np.testing.assert_allclose(compiled(*given_to, mask), expected, rtol=1e-10, atol=1e-12)


def test_without_a_mask_another_sequence_is_seen_as_a_whole():
    layer = built(lambda: tn.MultiHeadAttention(1), X, CONTEXT)
    assert layer.key.weight.shape == (2, 4)
    np.testing.assert_allclose(layer(X, CONTEXT).data, attend(layer, X, CONTEXT, lambda *_: True, 1), rtol=1e-10)


@pytest.mark.parametrize("kind", [tn.LSTM, tn.GRU])
@given(lengths=st.lists(st.integers(0, 5), min_size=3, max_size=3))
def test_a_recurrent_layer_ends_at_the_last_step_that_counts(kind, lengths):
    layer = built(lambda: kind(3), X)
    mask = np.arange(5) < np.array(lengths)[:, None]
    found = layer(X, mask=mask).data
    for n, length in enumerate(lengths):
        expected = layer(X[n : n + 1, :length]).data[0] if length else np.zeros(3)
        np.testing.assert_allclose(found[n], expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", [tn.LSTM, tn.GRU])
def test_steps_that_do_not_count_repeat_what_was_there_before(kind):
    layer = built(lambda: kind(2, return_sequences=True), X)
    mask = np.array([[1, 0, 1, 0, 0]] * 3)
    found = layer(X, mask=mask).data
    np.testing.assert_array_equal(found[:, [1, 3, 4]], found[:, [0, 2, 2]])
    np.testing.assert_allclose(found[:, [0, 2]], layer(X[:, [0, 2]]).data, rtol=1e-12)


LAYERS = {
    "attention": lambda: tn.MultiHeadAttention(2, causal=True),
    "lstm": lambda: tn.LSTM(2),
    "gru": lambda: tn.GRU(2, return_sequences=True),
}


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_right_and_none_flows_from_what_is_masked(name):
    layer, mask = built(LAYERS[name], X), np.array([[1, 1, 0, 1, 0], [0] * 5, [1] * 5])
    assert tn.check_gradients(lambda x: layer(x, mask=mask), X).strict
    x = tn.Tensor(X, requires_grad=True)
    seen = layer(x, mask=mask)
    weights = np.where(mask[:, :, None], 1.0, 0.0) if seen.ndim == 3 else 1.0
    (g,) = tn.grad((seen * weights).sum(), [x])
    assert np.isfinite(g.data).all()
    assert not g.data[mask == 0].any()


@pytest.mark.parametrize("name", LAYERS)
def test_a_mask_of_another_shape_is_refused(name):
    layer = built(LAYERS[name], X)
    with pytest.raises(ShapeError, match=r"mask .* has \(3, 4\)"):
        layer(X, mask=np.ones((3, 4)))


def test_a_batch_of_nothing_and_of_one():
    layer = built(LAYERS["attention"], X)
    assert layer(X[:0], mask=np.ones((0, 5))).shape == (0, 5, 4)
    mask = np.array([[1, 1, 0, 1, 1]] * 3)
    whole, one = layer(X, mask=mask).data, layer(X[1:2], mask=mask[1:2]).data
    np.testing.assert_allclose(one, whole[1:2], rtol=1e-12, atol=1e-14)


def test_a_model_makes_its_mask_of_its_input(tmp_path):
    class Reader(tn.Model):
        """Words by number; 0 is padding."""

        def __init__(self):
            super().__init__((6,), seed=0)
            self.embedding, self.attention, self.memory = tn.Embedding(9, 4), tn.MultiHeadAttention(2), tn.GRU(3)

        def forward(self, x):
            mask = tn.ops.not_equal(x, 0)
            return self.memory(self.attention(self.embedding(x), mask=mask), mask=mask)

    model, words = Reader(), RNG.integers(1, 9, (7, 6))
    words[:, 4:] = 0
    model.fit(words, RNG.normal(size=(7, 3)), loss="mse", epochs=2, batch_size=3, seed=0, verbose=0)
    model.save(tmp_path / "model")
    found = tn.load(tmp_path / "model", {"Reader": Reader}).predict(words)
    np.testing.assert_array_equal(found, model.predict(words))
    short = tn.compile(model.forward)(words[:, :4].astype(np.float32))
    np.testing.assert_allclose(short, found, rtol=1e-5, atol=1e-6)
