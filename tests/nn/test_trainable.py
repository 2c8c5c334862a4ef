"""Frozen layers keep every bit, whatever else happens; and weight decay that leaves out biases."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tests.steps import WAYS, as_run, batches
from tinynet.errors import ArgumentError, NonFiniteError


def network(seed=0, dtype="float32"):
    layers = [tn.Dense(4, "tanh"), tn.BatchNorm(), tn.Dense(3, "tanh"), tn.Dense(2)]
    return tn.Sequential([tn.Input((3,)), *layers], seed=seed, dtype=dtype)


def loss_of(model, x, y):
    return tn.ops.cross_entropy(tn.ops.softmax(model(x)), y)


OPTIMIZERS = {
    "decay": lambda: tn.SGD(0.1, weight_decay=0.1),
    "momentum": lambda: tn.SGD(0.1, momentum=0.9, weight_decay=0.1),
    "adam": lambda: tn.Adam(0.1),
}


def bits(model):
    return {name: leaf.data.tobytes() for name, leaf in model.leaves.items()}


@given(
    st.sets(st.integers(1, 4), min_size=1, max_size=3),
    st.sampled_from(sorted(OPTIMIZERS)),
    st.sampled_from(WAYS),
    st.sampled_from(["all", "weights"]),
)
def test_frozen_layers_keep_every_bit_and_the_others_move(frozen, name, way, decay):
    model, optimizer, mode = network(), OPTIMIZERS[name](), tn.train_mode(seed=0)
    optimizer.decay = decay

    def step(x, y):
        loss = loss_of(model, x, y)
        optimizer.minimize(loss, model)
        return loss

    run = as_run(step, way)
    data = batches(3)
    with mode:  # before anything is frozen, so that there is momentum
        run(*data[0])
    for i in frozen:
        model.layers[i].trainable = False
    before = bits(model)
    for batch in data:
        with mode:
            run(*batch)
    after = bits(model)
    frozen_names = {model.layers[i].name for i in frozen}
    for leaf, value in before.items():
        assert (after[leaf] == value) == (leaf.split(".")[0] in frozen_names), leaf


@pytest.mark.parametrize("way", WAYS)
def test_a_frozen_range_is_not_looked_at_by_checks_and_transforms(way):
    """Its gradient would be NaN, and nobody asks."""
    model, optimizer, mode = network(), tn.SGD(0.1), tn.train_mode(seed=0)
    model.layers[3].trainable = False
    sizes = []

    def note(gradients):
        sizes.append([g.size for g in gradients])
        return gradients

    optimizer.transforms = (note,)
    bad = model.parameters["dense_1.bias"]

    def step(x, y):
        loss = loss_of(model, x, y) + (bad * 0.0).sum() ** 0.5
        optimizer.minimize(loss, model)
        return loss

    run = as_run(step, way)
    before = bad.data.tobytes(), model.theta.copy()
    with mode:
        run(*batches(1)[0])
    assert bad.data.tobytes() == before[0]
    assert (model.theta != before[1]).any()
    assert sizes[0] == [12 + 4 + 4 + 4, 6 + 2]
    model.layers[3].trainable = True
    before = bits(model)
    run = as_run(step, way)
    with pytest.raises(NonFiniteError, match="gradient"), mode:
        run(*batches(1)[0])
    assert bits(model) == before


def test_nan_in_a_frozen_range_stays_and_hurts_nobody():
    class Apart(tn.Model):
        def __init__(self):
            super().__init__((3,), seed=0)
            self.used, self.unused = tn.Dense(2), tn.Dense(2)

        def forward(self, x):
            self.unused(x)
            return self.used(x)

    model = Apart()
    model.build_model()
    model.parameters["dense_1.weight"].data[...] = np.nan
    model.unused.trainable = False
    x, y = batches(1)[0]
    history = model.fit(x, y, epochs=2, optimizer=tn.Adam(0.1), seed=0, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert np.isnan(model.parameters["dense_1.weight"].data).all()


@pytest.mark.parametrize("compiled", [True, False])
def test_fit_keeps_frozen_layers_and_sees_that_they_thaw(compiled):
    model = network()
    x, y = batches(1, size=12)[0]
    model.layers[1].trainable = False
    before = bits(model)
    seen = []

    def thaw(run):
        seen.append(bits(model))
        model.layers[1].trainable = True

    model.fit(
        x, y, epochs=2, batch_size=4, optimizer=tn.Adam(0.1), seed=0, verbose=0, compiled=compiled, callbacks=[thaw]
    )
    assert seen[0]["dense.weight"] == before["dense.weight"]
    assert seen[0]["dense_2.weight"] != before["dense_2.weight"]
    assert seen[1]["dense.weight"] != before["dense.weight"]


def test_slots_of_a_frozen_range_stay_too():
    model, optimizer, mode = network(), tn.Adam(0.1), tn.train_mode(seed=0)
    x, y = batches(1)[0]
    with mode:
        optimizer.minimize(loss_of(model, x, y), model)
    model.layers[1].trainable = False
    before = {name: v.copy() for name, v in optimizer.state_of(model).items()}
    with mode:
        optimizer.minimize(loss_of(model, x, y), model)
    for name in optimizer.slots:
        np.testing.assert_array_equal(optimizer.state_of(model)[name][:16], before[name][:16])
        assert (optimizer.state_of(model)[name][16:] != before[name][16:]).any()


def test_step_by_the_gradients_added_up_leaves_frozen_layers():
    model, x, y = network(), *batches(1)[0]
    model.layers[1].trainable = False
    before = bits(model)
    loss_of(model, x, y).backward()
    tn.SGD(0.1, weight_decay=0.1).step(model)
    after = bits(model)
    assert after["dense.weight"] == before["dense.weight"]
    assert after["dense_1.weight"] != before["dense_1.weight"]


def test_a_model_that_is_frozen_as_a_whole_has_nothing_to_train():
    model = network()
    model.trainable = False
    assert not any(layer.trainable for layer in model.layers)
    before = bits(model)
    with pytest.raises(ArgumentError, match="nothing to train"):
        model.fit(*batches(1)[0], epochs=1, verbose=0)
    assert bits(model) == before


def test_layers_that_are_made_in_build_are_frozen_with_theirs():
    class Outer(tn.Layer):
        def build(self, input_shape, rng):
            self.inner = tn.Dense(2)

        def forward(self, x):
            return self.inner(x)

    outer = Outer()
    outer.trainable = False
    model = tn.Sequential([tn.Input((3,)), outer, tn.Dense(2)], seed=0)
    before = bits(model)
    model.fit(*batches(1)[0], epochs=1, optimizer=tn.SGD(0.1), seed=0, verbose=0)
    after = bits(model)
    assert [name for name in before if before[name] == after[name]] == ["outer.dense.weight", "outer.dense.bias"]


# --- what knows of it


def frozen_flags(model):
    return [layer.trainable for layer in model.layers]


def test_it_is_saved_loaded_and_copied(tmp_path):
    model = network()
    for i in (1, 2):
        model.layers[i].trainable = False
    unbuilt = copy.deepcopy(model)
    model.build_model()
    model.save(tmp_path / "model.safetensors")
    loaded = tn.load(tmp_path / "model.safetensors")
    for other in (loaded, unbuilt, copy.deepcopy(model), model.astype("float64")):
        assert frozen_flags(other) == [True, False, False, True, True]
        before = bits(other)
        other.fit(*batches(1)[0], epochs=1, optimizer=tn.SGD(0.1), seed=0, verbose=0)
        after = bits(other)
        assert {name.split(".")[0] for name in before if before[name] == after[name]} == {"dense", "batch_norm"}
    loaded.layers[1].trainable = True
    assert frozen_flags(model) == [True, False, False, True, True]


def test_the_summary_counts_it(capsys):
    model = network()
    model.layers[1].trainable = False
    model.summary()
    assert "Trainable: 31, not trainable: 24" in capsys.readouterr().out


def test_a_compiled_step_sees_that_a_layer_was_frozen_and_thawed():
    model, optimizer, mode = network(), tn.SGD(0.1), tn.train_mode(seed=0)

    @tn.compile
    def step(x, y):
        loss = loss_of(model, x, y)
        optimizer.minimize(loss, model)
        return loss

    batch, moved = batches(1)[0], []
    for trainable in (True, False, True):
        model.layers[1].trainable = trainable
        before = bits(model)["dense.weight"]
        with mode:
            step(*batch)
        moved.append(bits(model)["dense.weight"] != before)
    assert moved == [True, False, True]


# --- decay


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("decay", ["all", "weights"])
def test_decay_of_weights_leaves_out_biases_and_normalisation(decay, way):
    """A loss whose gradient is 0 leaves the decay alone."""
    layers = [tn.Conv2D(2, 2), tn.BatchNorm(), tn.Flatten(), tn.LayerNorm(), tn.Dense(2)]
    model = tn.Sequential([tn.Input((3, 3, 1)), *layers], seed=0, dtype="float64")
    model.build_model()
    model.theta[...] = 1.0
    optimizer, mode = tn.SGD(0.5, weight_decay=0.5), tn.train_mode(seed=0)
    optimizer.decay = decay

    def step(x):
        loss = (model(x) * 0.0).sum()
        optimizer.minimize(loss, model)
        return loss

    run = as_run(step, way)
    with mode:
        run(np.ones((2, 3, 3, 1)))
    decayed = {name for name, p in model.parameters.items() if (p.data == 0.75).all()}
    kept = {name for name, p in model.parameters.items() if (p.data == 1).all()}
    assert decayed | kept == set(model.parameters)
    if decay == "all":
        assert not kept
    else:
        assert decayed == {"conv2d.weight", "dense.weight"} or decayed == {"conv_2d.weight", "dense.weight"}


def test_a_layer_of_a_users_own_says_what_does_not_decay():
    class Own(tn.Layer):
        def build(self, input_shape, rng):
            self.scale = self.add_parameter("scale", (), lambda shape, rng: 1.0, decay=False)
            self.weight = self.add_parameter("weight", (), lambda shape, rng: 1.0)

        def forward(self, x):
            return x * self.scale * self.weight

    model, optimizer = tn.Sequential([tn.Input((1,)), Own()]), tn.SGD(0.5, weight_decay=0.5)
    optimizer.decay = "weights"
    with tn.train_mode(seed=0):
        optimizer.minimize((model([[1.0]]) * 0.0).sum(), model)
    assert model.theta.tolist() == [1, 0.75]
