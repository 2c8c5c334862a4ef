"""Batches that are cut into micro-batches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tinynet.errors import ArgumentError, CheckpointError, NonFiniteError
from tinynet.train.block import cut
from tinynet.train.micro import MicroBatchStep
from tinynet.train.task import find_task
from tinynet.train.tree import TreeSum

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 5)).astype(np.float32)
Y = (X.sum(1) > 0).astype(int)


def network(chance=False):
    extra = [tn.BatchNorm(), tn.Dropout(0.3)] if chance else []
    layers = [tn.Input((5,)), tn.Dense(7, "relu"), *extra, tn.Dense(2)]
    return tn.Sequential(layers, seed=0)


def trained(micro_batches, chance=False, optimizer=None, **options):
    model = network(chance)
    optimizer = optimizer or tn.SGD(0.1, momentum=0.9)
    given_ = {"epochs": 2, "batch_size": 16, "seed": 3, "verbose": 0, "optimizer": optimizer} | options
    history = model.fit(X, Y, micro_batches=micro_batches, **given_)
    return model, history.history


# --- the cut, and the sum along a tree


@given(st.integers(1, 50), st.integers(1, 60))
def test_the_size_of_the_batch_alone_decides_the_cut(size, count):
    parts = list(cut(np.arange(size), count))
    assert len(parts) == count
    assert np.concatenate(parts).tolist() == list(range(size))
    lengths = [len(part) for part in parts]
    assert max(lengths) - min(lengths) <= 1
    assert lengths == sorted(lengths, reverse=True)


def tree(values):
    """The sum of numbers along a balanced binary tree, written recursively."""
    n = len(values)
    if n == 1:
        return values[0]
    half = 1 << (n - 1).bit_length() - 1
    return tree(values[:half]) + tree(values[half:])


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=33))
def test_the_sum_goes_along_a_balanced_tree(values):
    values = [np.float32(v) for v in values]
    total, most = TreeSum(), 0
    for value in values:
        total.add([np.array(value)])
        most = max(most, len(total.blocks))
    assert total.total()[0].tobytes() == tree(values).tobytes()
    assert most <= np.log2(len(values)) + 1


def test_an_empty_micro_batch_adds_nothing():
    total = TreeSum()
    for value in ([1.0], None, [2.0], None, None):
        total.add(None if value is None else [np.array(value)])
    assert total.total()[0].tolist() == [3.0]


# --- training


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("micro_batches", [2, 3, 4, 16, 20])
def test_the_result_is_that_of_whole_batches_but_for_rounding(micro_batches, compiled):
    whole, expected = trained(1, compiled=compiled)
    model, history = trained(micro_batches, compiled=compiled)
    np.testing.assert_allclose(model.theta, whole.theta, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)
    assert history["accuracy"] == expected["accuracy"]


def test_the_bits_do_not_depend_on_the_number_of_threads():
    before, thetas = tn.get_num_threads(), []
    try:
        for n in (1, before):
            tn.set_num_threads(n)
            thetas.append(trained(4, chance=True)[0].theta.tobytes())
    finally:
        tn.set_num_threads(before)
    assert len(set(thetas)) == 1


def test_a_compiled_step_without_fusion_has_the_bits_of_an_eager_one():
    thetas = []
    for compiled in (True, False):
        model = network(chance=True)
        task, mode = find_task("cross_entropy", None), tn.train_mode(seed=1)
        options = {"mode": mode, "compiled": compiled, "micro_batches": 4}
        step = MicroBatchStep(model, task, tn.Adam(0.01), X, Y, **options)
        if compiled:
            for plans in step.accumulation.plans:
                plans.fused = False
        for batch in (np.arange(16), np.arange(16, 32), np.arange(7)):
            step(batch)
        thetas.append(b"".join(leaf.memory.tobytes() for leaf in model.leaves.values()))
    assert thetas[0] == thetas[1]


def test_each_micro_batch_draws_numbers_of_its_own_and_normalises_by_itself():
    """Batch normalisation, as on ghost batches: two halves of equal samples are normalised as one of them."""
    whole, _ = trained(1, chance=True)
    model, _ = trained(4, chance=True)
    assert not np.allclose(model.theta, whole.theta)

    def seen(micro_batches):
        model = tn.Sequential([tn.Input((2,)), tn.BatchNorm(), tn.Dense(2)], seed=0)
        x = np.array([[0.0, 1.0], [2.0, 3.0], [100.0, 5.0], [104.0, 9.0]])
        model.fit(x, [0, 1, 0, 1], 1, 4, micro_batches=micro_batches, shuffle=False, verbose=0, seed=0)
        return model.states["batch_norm.mean"].data, model.states["batch_norm.variance"].data

    mean, variance = seen(2)
    np.testing.assert_allclose(mean, [0.1 * 51.5, 0.1 * 4.5], rtol=1e-6)
    np.testing.assert_allclose(variance, [0.9 + 0.1 * (1 + 4) / 2, 0.9 + 0.1 * (1 + 4) / 2], rtol=1e-6)
    assert seen(1)[1][0] > 100


def test_a_run_is_resumed_to_the_same_bits(tmp_path):
    path = tmp_path / "run.safetensors"
    whole, _ = trained(4, chance=True, epochs=3)

    def stop(run):
        if run.epoch == 1:
            run.stop()

    class Early:
        def on_batch_end(self, run):
            if run.epoch == 1 and run.batch == 2:
                run.save(path)
                run.ending = True

    trained(4, chance=True, epochs=3, callbacks=[Early()])
    model, _ = trained(4, chance=True, epochs=3, resume=path)
    assert model.theta.tobytes() == whole.theta.tobytes()
    with pytest.raises(CheckpointError, match="micro_batches 4, now 2"):
        trained(2, chance=True, epochs=3, resume=path)


def test_a_plan_takes_less_memory():
    model, task = network(), find_task("cross_entropy", None)
    x, y = np.zeros((512, 5), np.float32), np.zeros(512, int)
    sizes = []
    for count in (2, 8, 32):
        mode = tn.train_mode(seed=0)
        step = MicroBatchStep(model, task, tn.SGD(), x, y, mode=mode, compiled=True, micro_batches=count)
        step(np.arange(512))
        sizes.append(max(plan.bytes for plan in step.accumulation.plans[0].plans))
    assert sizes[0] > 3 * sizes[1] > 3 * sizes[2]


def test_frozen_layers_keep_every_bit():
    model = network()
    model.layers[1].trainable = False
    before = model.parameters["dense.weight"].data.tobytes()
    last = model.parameters["dense_1.weight"].data.copy()
    model.fit(X, Y, epochs=1, micro_batches=3, verbose=0, seed=0, optimizer=tn.SGD(0.1, 0.9, 0.1))
    assert model.parameters["dense.weight"].data.tobytes() == before
    assert not np.array_equal(model.parameters["dense_1.weight"].data, last)


# --- what is refused


class Counting(tn.Layer):
    """Keeps an integer that depends on the samples."""

    def build(self, input_shape, rng):
        self.count = self.add_state("count", (), dtype="int64")

    def forward(self, x):
        if tn.training():
            self.count.assign(tn.ops.cast((x > 0).sum(), "int64"))
        return x


@pytest.mark.parametrize("compiled", [True, False])
def test_an_integer_state_that_differs_between_micro_batches_is_refused(compiled):
    model = tn.Sequential([tn.Input((5,)), Counting(), tn.Dense(2)], seed=0)
    before = model.theta.copy()
    with pytest.raises(ArgumentError, match="not floating has different new values"):
        model.fit(X, Y, epochs=1, micro_batches=2, verbose=0, seed=0, compiled=compiled)
    np.testing.assert_array_equal(model.theta, before)
    assert model.states["counting.count"].item() == 0


def test_a_number_of_micro_batches_is_1_or_more():
    for bad in (0, -1, 1.5, True, "4"):
        with pytest.raises(ArgumentError, match="micro_batches must be an integer of 1 or more"):
            network().fit(X, Y, micro_batches=bad, verbose=0)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_loss_that_is_not_finite_in_one_micro_batch_changes_nothing(compiled):
    def loss(output, labels):
        return tn.ops.log((labels != 3).astype(output.dtype)).mean() + output.mean()

    model = network(chance=True)
    before = [leaf.memory.copy() for leaf in model.leaves.values()]
    labels = np.zeros(16, int)
    labels[13] = 3
    with pytest.raises(NonFiniteError, match="the loss became -inf in epoch 1, batch 1"):
        model.fit(X[:16], labels, 1, 16, micro_batches=4, loss=loss, verbose=0, seed=0, compiled=compiled)
    for leaf, values in zip(model.leaves.values(), before, strict=True):
        np.testing.assert_array_equal(leaf.memory, values)
