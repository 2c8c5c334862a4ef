"""Optimizers and schedules step by step against what PyTorch 2.13 does in float64, as `freeze_torch` wrote it down."""

import json

import numpy as np
import pytest

import tinynet as tn
from tests.optim.freeze_torch import BATCHES, EPOCHS, OPTIMIZERS, PLACE, RATE, SCHEDULES, STEPS, THETA, X, Y

FROZEN = json.loads(PLACE.read_text())


def network():
    layers = [tn.Input((2,)), tn.Dense(2, "tanh"), tn.Dense(1, use_bias=False)]
    model = tn.Sequential(layers, seed=0, dtype="float64")
    model.build_model().theta[...] = THETA
    return model


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("case", OPTIMIZERS)
def test_each_step_is_that_of_torch(case, compiled):
    kind, options, *_ = OPTIMIZERS[case]
    model, seen = network(), []
    optimizer = getattr(tn, kind)(RATE, **options)
    model.fit(
        np.array(X), np.array(Y), epochs=STEPS, batch_size=None, optimizer=optimizer, loss="mse", shuffle=False,
        verbose=0, compiled=compiled, callbacks=[lambda run: seen.append(model.theta.copy())],
    )  # fmt: skip
    np.testing.assert_allclose(seen, FROZEN["optimizers"][case], rtol=1e-10)


@pytest.mark.parametrize("case", SCHEDULES)
def test_each_rate_is_that_of_torch(case):
    by_step, name, options, *_ = SCHEDULES[case]
    seen = []

    class Look:
        def on_batch_end(self, run):
            seen.append([run.optimizer.learning_rate, run.optimizer.momentum])

    schedule = getattr(tn.StepSchedule if by_step else tn.LearningRateSchedule, name)(**options)
    network().fit(
        np.array(X)[:BATCHES], np.array(Y)[:BATCHES], epochs=EPOCHS, batch_size=1, loss="mse", verbose=0,
        optimizer=tn.SGD(RATE, momentum=0.9), callbacks=[Look(), schedule],
    )  # fmt: skip
    np.testing.assert_allclose(seen, FROZEN["schedules"][case], rtol=1e-10, atol=1e-15)
