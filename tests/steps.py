"""Steps of training made by hand: eager, compiled and fused, and all that they leave behind."""

import numpy as np

import tinynet as tn
from tinynet.core.engine import Tensor, current_backend
from tinynet.fast.compile import Compiled

WAYS = ("eager", "unfused", "fused")


def as_run(function, way="eager"):
    """The function on arrays, which returns new arrays."""
    if way == "eager":
        return lambda *args: [np.array(y.data) for y in _several(function(*map(Tensor, args)))]
    made = Compiled(function, "the step", fused=way == "fused")

    def run(*args):
        with current_backend().session():
            return [np.array(y) for y in _several(made.replay(*args))]

    return run


def _several(result):
    return result if isinstance(result, tuple) else (result,)


def everything(models, optimizers, mode):
    """The bytes of all that a step may change, by name."""
    found = {"steps": mode.steps}
    for i, model in enumerate(models):
        found[f"{i}: theta"] = model.theta.tobytes()
        found |= {f"{i}: {name}": leaf.memory.tobytes() for name, leaf in model.leaves.items()}
        for j, optimizer in enumerate(optimizers):
            found |= {f"{i}, {j}: {name}": v.tobytes() for name, v in optimizer.state_of(model).items()}
    return found


def restless_network(seed=0, dtype="float32"):
    """A network whose layers draw random numbers and keep running means."""
    layers = [tn.Dense(6, "tanh"), tn.BatchNorm(), tn.Dropout(0.5), tn.Dense(2)]
    return tn.Sequential([tn.Input((3,)), *layers], seed=seed, dtype=dtype)


def batches(n=4, size=5, dtype="float32"):
    rng = np.random.default_rng(0)
    return [(rng.normal(size=(size, 3)).astype(dtype), rng.integers(0, 2, size)) for _ in range(n)]
