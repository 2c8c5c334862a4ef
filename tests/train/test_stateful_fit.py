"""The laws of fit for a network whose layers draw random numbers and keep running means."""

import numpy as np
import pytest

import tinynet as tn
from tests.fast.networks import Apply
from tests.steps import batches, everything, restless_network
from tinynet.core.transaction import train_mode
from tinynet.errors import NonFiniteError
from tinynet.train.step import BatchStep
from tinynet.train.task import find_task

X, Y = batches(1, size=22)[0]


def images():
    layers = [tn.Conv2D(4, 3, padding="same"), tn.BatchNorm(), tn.ReLU(), tn.MaxPool(2), tn.Dropout(0.3), tn.Flatten()]
    return tn.Sequential([tn.Input((3,)), tn.Dense(36), tn.Reshape((6, 6, 1)), *layers, tn.Dense(2, "softmax")], seed=0)


OPTIMIZERS = [lambda: tn.SGD(0.1, momentum=0.9), lambda: tn.Adam(0.01)]


def trained(make=restless_network, optimizer=OPTIMIZERS[0], **options):
    """The bytes of what a run leaves, and its losses."""
    model, optimizer = make(), optimizer()
    defaults = {"epochs": 3, "batch_size": 5, "seed": 0, "verbose": 0}
    history = model.fit(X, Y, optimizer=optimizer, **defaults | options)
    return everything([model], [optimizer], tn.train_mode(seed=0)), history.history.get("loss")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("make", [restless_network, images])
@pytest.mark.parametrize("compiled", [True, False])
def test_the_same_seed_has_the_same_bits_for_any_number_of_threads(make, optimizer, compiled):
    before, found = tn.get_num_threads(), []
    try:
        for n in (1, 2):
            tn.set_num_threads(n, fixed=True)
            found.append(trained(make, optimizer, compiled=compiled))
    finally:
        tn.set_num_threads(before)
    assert found[0] == found[1]
    assert trained(make, optimizer, compiled=compiled, seed=1) != found[0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("make", [restless_network, images])
def test_eager_steps_have_the_bits_of_compiled_ones_that_are_not_fused(make, optimizer):
    left = []
    for compiled in (False, True):
        model, moves, mode = make(), optimizer(), train_mode(seed=3)
        model.build_model()
        step = BatchStep(model, find_task("cross_entropy", None), moves, X, Y, mode=mode, compiled=compiled)
        if compiled:
            step.compiled.fused = False
        losses = [step(np.arange(22)[i::4])["loss"] for _ in range(2) for i in range(4)]
        left.append((losses, everything([model], [moves], mode)))
    assert left[0] == left[1]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("stop", [1, 3, 6, 10])
def test_a_run_that_is_resumed_in_the_middle_of_an_epoch_has_the_bits_of_one_that_was_not(
    tmp_path, optimizer, compiled, stop
):
    class Stop:
        batches = 0

        def on_batch_end(self, run):
            self.batches += 1
            if self.batches == stop:
                run.save(tmp_path / "run")
                run.ending = True

    trained(optimizer=optimizer, compiled=compiled, callbacks=[Stop()])
    resumed = trained(optimizer=optimizer, compiled=compiled, resume=tmp_path / "run")
    assert resumed == trained(optimizer=optimizer, compiled=compiled)


def test_steps_of_a_run_draw_different_numbers():
    seen = []

    def note(x):
        if tn.training():
            seen.append((tn.random.uniform((4,), dtype=x.dtype) + x.sum() * 0).data.copy())
        return x

    model = tn.Sequential([tn.Input((3,)), Apply(note), tn.Dense(2)], seed=0)
    model.fit(X, Y, epochs=2, batch_size=5, seed=0, verbose=0, compiled=False)
    assert len(np.unique(np.array(seen), axis=0)) == len(seen) == 10


# --- a step that fails


class Rooted(tn.Layer):
    """Its value is 0 and its gradient NaN where the input is 0."""

    def forward(self, x):
        return tn.ops.where(x > 0, x**0.5, 0.0)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_gradient_that_is_not_finite_ends_the_run_before_anything_changed(compiled, optimizer):
    layers = [tn.Dense(3, kernel_init="zeros", name="zeros"), Rooted(name="root"), tn.BatchNorm(), tn.Dense(2)]
    model, optimizer = tn.Sequential([tn.Input((2,)), *layers], seed=0), optimizer()
    before = everything([model], [optimizer], tn.train_mode(seed=0))
    with pytest.raises(NonFiniteError) as error:
        model.fit(np.eye(2), [0, 1], epochs=3, optimizer=optimizer, seed=0, verbose=0, compiled=compiled)
    message = str(error.value)
    assert "the gradient has NaN or infinite values, at a loss of 0.69" in message
    assert "in epoch 1, batch 1." in message
    assert "The first value that is not finite comes from the gradient of op 'power' in layer 'root'." in message
    assert everything([model], [optimizer], tn.train_mode(seed=0)) == before


class Growth(tn.Layer):
    def forward(self, x):
        return tn.ops.exp(x)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("bad", [0, 7, 21])
def test_a_loss_that_is_not_finite_ends_the_run_as_it_was_before_that_batch(compiled, bad):
    x = X.copy()
    x[bad, 1] = 200
    layers = [Growth(name="growth"), tn.Dense(4), tn.BatchNorm(), tn.Dropout(0.5), tn.Dense(2)]
    model, optimizer = tn.Sequential([tn.Input((3,)), *layers], seed=0), tn.Adam(0.01)

    class Note:
        left = None

        def on_train_begin(self, run):
            self.on_batch_end(run)

        def on_batch_end(self, run):
            self.left = everything([model], [optimizer], tn.train_mode(seed=0))

    note = Note()
    with pytest.raises(NonFiniteError) as error:
        model.fit(
            x,
            Y,
            epochs=1,
            batch_size=5,
            optimizer=optimizer,
            shuffle=False,
            seed=0,
            verbose=0,
            compiled=compiled,
            callbacks=[note],
        )
    assert f"in epoch 1, batch {bad // 5 + 1}" in str(error.value)
    assert "The first value that is not finite comes from op 'exp' in layer 'growth'." in str(error.value)
    assert everything([model], [optimizer], tn.train_mode(seed=0)) == note.left


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_exception_in_a_metric_or_a_loss_leaves_the_step_out(compiled, error):
    model, optimizer, calls, left = restless_network(), tn.SGD(0.1, momentum=0.9), [0], []

    def metric(output, labels):
        calls[0] += 1
        if calls[0] == 3:
            raise error
        return 0.0

    def note(run):
        left.append(everything([model], [optimizer], tn.train_mode(seed=0)))

    class Note:
        def on_batch_end(self, run):
            note(run)

    with pytest.raises(error):
        model.fit(
            X,
            Y,
            epochs=1,
            batch_size=5,
            optimizer=optimizer,
            metrics=[tn.metrics.Metric(metric, mean=True)],
            seed=0,
            verbose=0,
            compiled=compiled,
            callbacks=[Note()],
        )
    assert len(left) == 2
    assert everything([model], [optimizer], tn.train_mode(seed=0)) == left[-1]
