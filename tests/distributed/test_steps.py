"""Steps of one's own that several processes compute: the bits of one, and what is refused."""

import json

import numpy as np
import pytest

import tinynet as tn
from tests.distributed.mpi import run
from tests.distributed.programs.by_hand import train
from tinynet.distributed.message import Message
from tinynet.errors import ArgumentError, NonFiniteError, ShapeError, TraceError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 5)).astype(np.float32)
Y = (X.sum(1) > 0).astype(int)


def network():
    layers = [tn.Input((5,)), tn.Dense(7, "relu"), tn.BatchNorm(), tn.Dropout(0.3), tn.Dense(2)]
    return tn.Sequential(layers, seed=0)


def values(model):
    return b"".join(leaf.memory.tobytes() for leaf in model.leaves.values())


@pytest.mark.parametrize("compiled", [True, False])
def test_a_step_by_hand_has_the_bits_of_that_of_fit(compiled):
    fitted, model, optimizer = network(), network(), tn.Adam(0.01)
    history = fitted.fit(
        X, Y, 1, 16, tn.Adam(0.01), shuffle=False, seed=0, micro_batches=4, verbose=0, compiled=compiled
    )
    step = tn.distributed.Step(
        lambda x, y: tn.ops.cross_entropy(model(x), y), model, optimizer, micro_batches=4, compiled=compiled
    )
    mode = tn.train_mode(int(tn.nn.seeds.generator("fit", 0, stream=2).integers(2**63)))  # as fit draws it
    losses = []
    for start in range(0, 40, 16):
        with mode:
            losses.append(step(X[start : start + 16], Y[start : start + 16]))
    assert values(model) == values(fitted)
    np.testing.assert_allclose(np.average(losses, weights=[16, 16, 8]), history.history["loss"][0], rtol=1e-6)
    assert losses[0].dtype == np.float32


def test_one_micro_batch_is_a_step_of_minimize_but_for_rounding():
    models = network(), network()
    step = tn.distributed.Step(lambda x, y: tn.ops.cross_entropy(models[0](x), y), models[0], tn.SGD(0.1))
    modes = tn.train_mode(seed=0), tn.train_mode(seed=0)
    optimizer = tn.SGD(0.1)
    for start in range(0, 40, 20):
        x, y = X[start : start + 20], Y[start : start + 20]
        with modes[0]:
            step(x, y)
        with modes[1]:
            optimizer.minimize(tn.ops.cross_entropy(models[1](x), y), models[1])
    np.testing.assert_allclose(models[0].theta, models[1].theta, rtol=1e-5, atol=1e-7)


def test_later_steps_see_what_earlier_ones_have_written_and_an_error_drops_all():
    model = tn.Sequential([tn.Input((1,)), tn.Dense(1, use_bias=False, kernel_init=lambda shape, rng: np.ones(shape))])
    step = tn.distributed.Step(lambda x: model(x).mean(), model, tn.SGD(0.25), micro_batches=2)
    mode, one = tn.train_mode(seed=0), np.ones((4, 1), np.float32)
    with mode:
        assert [float(step(one)), float(step(one))] == [1.0, 0.75]
    assert model.theta.tolist() == [0.5]
    with pytest.raises(ZeroDivisionError), mode:
        int(step(one)) // 0
    assert model.theta.tolist() == [0.5]
    bad = np.array([[1.0], [1.0], [1.0], [np.inf]], np.float32)
    with pytest.raises(NonFiniteError, match="the loss became inf; nothing was changed"), mode:
        step(bad)
    assert model.theta.tolist() == [0.5]
    assert mode.steps == 1


@pytest.mark.parametrize("compiled", [True, False])
def test_what_is_no_loss_is_refused_and_nothing_is_changed(compiled):
    model, other, mode = network(), network(), tn.train_mode(seed=0)
    optimizer, before = tn.SGD(0.1), values(model) + values(other)

    def minimizes(x):
        optimizer.minimize(model(x).mean(), model)
        return model(x).mean()

    losses = {
        "must return the mean loss.*shape \\(4, 2\\)": lambda x: model(x),
        "must return the mean loss.*3.0": lambda x: 3.0,
        "takes in others": lambda x: model(x).mean() + other(x).mean(),
        "takes in others=": minimizes,
    }
    for text, loss in losses.items():
        step = tn.distributed.Step(loss, model, optimizer, micro_batches=2, compiled=compiled)
        with pytest.raises(ArgumentError, match=text), mode:
            step(X[:8])
    assert values(model) + values(other) == before
    assert mode.micro_batch == 0


@pytest.mark.parametrize("compiled", [True, False])
def test_no_random_numbers_come_twice_within_a_step(compiled):
    model, x = tn.Sequential([tn.Input((1,)), tn.Dense(1)], seed=0), np.zeros((4, 1), np.float32)
    step = tn.distributed.Step(
        lambda x: (model(x) * 0 + tn.random.normal(x.shape)).mean(), model, tn.SGD(0.1), compiled=compiled
    )
    with tn.train_mode(seed=0):
        before = tn.random.normal((4, 1)).mean().item()
        within = float(step(x)), float(step(x))
        after = tn.random.normal((4, 1)).mean().item()
    assert len({before, *within, after}) == 4


class Rows:
    """Samples that are read, with a note of which."""

    ndim, shape, dtype = 2, X.shape, X.dtype

    def __init__(self):
        self.read = set()

    def __getitem__(self, rows):
        self.read |= set(range(40)[rows])
        return X[rows]


class Second(tn.distributed.World):
    """The second process of four, which the others leave to itself."""

    def __init__(self):
        super().__init__()
        self.rank, self.size = 1, 4

    def gather(self, kind, facts, both, sums=None, failed=None):
        return Message(facts, sums)


def test_a_process_reads_its_own_rows_and_those_at_the_ends():
    model, rows = network(), Rows()
    step = tn.distributed.Step(lambda x: model(x).mean(), model, tn.SGD(0.1), 8, Second())
    with tn.train_mode(seed=0):
        step(rows)
    assert sorted(rows.read) == [0, *range(10, 20), 39]


def test_batches_that_cannot_be_cut_are_refused():
    model, mode = network(), tn.train_mode(seed=0)
    step = tn.distributed.Step(lambda x, y: tn.ops.cross_entropy(model(x), y), model, tn.SGD(), 2)
    for batch in ((X[:4], Y[:3]), (X[:0], Y[:0]), (1.0, 2.0)):
        with pytest.raises(ShapeError, match="an entry for each sample"), mode:
            step(*batch)
    with pytest.raises(ArgumentError, match="a call of a Step is part of a step of training"):
        step(X, Y)
    with pytest.raises(TraceError, match="call it outside of"), mode:
        tn.compile(lambda x: step(x, Y))(X)


def test_what_a_step_cannot_be_made_of_is_refused():
    def loss(x):
        return model(x).mean()

    model = network()
    for text, arguments in {
        "a function that returns": (model, model, tn.SGD()),
        "moves a model": (loss, "model", tn.SGD()),
        "optimizer must be": (loss, model, tn.GradientDescent()),
        "micro_batches must be": (loss, model, tn.SGD(), 0),
        "world must be": (loss, model, tn.SGD(), 1, 4),
        "others must be": (loss, model, tn.SGD(), 1, None, model),
    }.items():
        with pytest.raises(ArgumentError, match=text):
            tn.distributed.Step(*arguments)
    world = tn.distributed.World()
    world.size = 4
    with pytest.raises(ArgumentError, match="micro_batches=2 cannot be divided among 4 processes"):
        tn.distributed.Step(loss, model, tn.SGD(), 2, world)


@pytest.mark.slow
def test_any_number_of_processes_has_the_bits_of_one(tmp_path):
    one = tn.distributed.world()
    expected = [train(one), train(one, compiled=False)]
    for workers in (2, 4, 8):
        ended = run(workers, "by_hand.py", tmp_path)
        assert ended.code == 0, ended.output
        for rank in range(workers):
            assert json.loads((tmp_path / f"{rank}.json").read_text()) == expected


FAILS = {  # what both processes raise, or else each
    "raises": ("WorldError: process 1 of 2 has ended: ValueError: my own error", "ValueError: my own error"),
    "is not finite": ("NonFiniteError: the loss became",),
    "has other values": (
        "WorldError: processes 0 and 1 differ, so the result would not be that of one process: the m",
    ),
    "has another rate": ("WorldError: processes 0 and 1 differ, so the result would not be that of one process: lea",),
    "has another seed": ("WorldError: processes 0 and 1 differ, so the result would not be that of one process: seed",),
    "has another batch": ("WorldError: processes 0 and 1 do not do the same: the batch: ",),
}


@pytest.mark.slow
def test_one_error_reaches_all_processes_and_nothing_is_changed(tmp_path):
    ended = run(2, "by_hand.py", tmp_path, *FAILS)
    assert ended.code == 0, ended.output
    for rank in (0, 1):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        for case, texts in FAILS.items():
            assert found[case][0].startswith(texts[rank % len(texts)]), (case, found[case])
            assert found[case][1], case
