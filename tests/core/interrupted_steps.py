"""Interrupt steps of training at moments of chance, and see that each left all or nothing; prints how often.

Run by test_transaction.py in a process of its own, since an interrupt may come anywhere.
"""

import itertools
import random
import signal
import sys
import time

import numpy as np

import tinynet as tn
from tests.steps import batches, everything, restless_network

X, _ = batches(1)[0]


def make(way):
    """A function that makes a step, and one that tells what there is."""
    model, optimizer, mode = restless_network().build_model(), tn.SGD(0.01, momentum=0.9), tn.train_mode(seed=0)

    def step(x):
        loss = (model(x) ** 2).mean()
        optimizer.minimize(loss, model)
        return loss

    compiled = tn.compile(step)
    calls = {
        "eager": [lambda: step(tn.Tensor(X))],
        "compiled": [lambda: compiled(X)],
        "twice": [lambda: compiled(X)] * 2,
    }

    def run():
        with mode:
            for call in calls[way]:
                call()

    return run, lambda: everything([model], [optimizer], mode), mode


def main(way, hits):
    tn.set_num_threads(1)
    run, found, mode = make(way)
    expected, took = {0: found()}, []

    def complete():
        while max(expected) < mode.steps:
            start = time.perf_counter()
            reference()
            took.append(time.perf_counter() - start)
            expected[reference_mode.steps] = reference_found()

    reference, reference_found, reference_mode = make(way)
    run()
    complete()
    chance = random.Random(0)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    for _ in range(hits):
        try:
            try:
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(20e-6, 3 * float(np.median(took))))
                for _ in itertools.repeat(None):
                    run()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            pass
        assert not tn.training()
        complete()
        assert found() == expected[mode.steps], mode.steps
    print(hits)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
