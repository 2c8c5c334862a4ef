"""Eager ops on small arrays, where what counts is the way to the op: forward, and with the backward.

Run ``python -m benchmarks.eager``. It prints a table of microseconds, for tinynet beside NumPy and, where it is
installed, PyTorch: medians of rounds in which each is timed once, in time of the processor on one thread. The arrays
have 8 rows of 16 values of float32. "With backward" computes the gradients of all operands too.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

import tinynet as tn

ROWS, COLUMNS = 8, 16
_PRACTICE = 20  # calls before any is timed

Run = Callable[[], Any]


class Case(NamedTuple):
    """An op on one array or several, in each library."""

    shapes: tuple[tuple[int, ...], ...]
    tinynet: Callable[..., Any]
    numpy: Callable[..., Any]
    torch: Callable[..., Any]  # takes the module first


def _softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


_X, _W, _B = (ROWS, COLUMNS), (COLUMNS, COLUMNS), (COLUMNS,)

# What is the same in all libraries is written once.
CASES: dict[str, Case] = {
    "add": Case((_X, _X), lambda x, y: x + y, lambda x, y: x + y, lambda torch, x, y: x + y),
    "add, broadcast": Case((_X, _B), lambda x, y: x + y, lambda x, y: x + y, lambda torch, x, y: x + y),
    "multiply": Case((_X, _X), lambda x, y: x * y, lambda x, y: x * y, lambda torch, x, y: x * y),
    "multiply by 2": Case((_X,), lambda x: 2 * x, lambda x: 2 * x, lambda torch, x: 2 * x),
    "exp": Case((_X,), tn.ops.exp, np.exp, lambda torch, x: torch.exp(x)),
    "relu": Case((_X,), tn.ops.relu, lambda x: np.maximum(x, 0), lambda torch, x: torch.relu(x)),
    "matmul": Case((_X, _W), lambda x, w: x @ w, lambda x, w: x @ w, lambda torch, x, w: x @ w),
    "sum": Case((_X,), lambda x: x.sum(), lambda x: x.sum(), lambda torch, x: x.sum()),
    "sum of rows": Case((_X,), lambda x: x.sum(0), lambda x: x.sum(0), lambda torch, x: x.sum(0)),
    "mean": Case((_X,), lambda x: x.mean(), lambda x: x.mean(), lambda torch, x: x.mean()),
    "reshape": Case((_X,), *[lambda x: x.reshape(COLUMNS, ROWS)] * 2, lambda torch, x: x.reshape(COLUMNS, ROWS)),
    "slice": Case((_X,), lambda x: x[1:3], lambda x: x[1:3], lambda torch, x: x[1:3]),
    "softmax": Case((_X,), tn.ops.softmax, _softmax, lambda torch, x: torch.softmax(x, -1)),
    "dense": Case(
        (_X, _W, _B), lambda x, w, b: x @ w + b, lambda x, w, b: x @ w + b, lambda torch, x, w, b: torch.addmm(b, x, w)
    ),
}


def tinynet_runs(case: Case, arrays: Sequence[np.ndarray]) -> tuple[Run, Run]:
    """Return the op of tinynet alone, and with its backward."""
    constants = [tn.Tensor(a) for a in arrays]
    leaves = [tn.Tensor(a, requires_grad=True) for a in arrays]
    ones = tn.Tensor(np.ones(case.tinynet(*leaves).shape, np.float32))
    return lambda: case.tinynet(*constants), lambda: tn.grad(case.tinynet(*leaves), leaves, [ones])


def torch_runs(case: Case, arrays: Sequence[np.ndarray]) -> tuple[Run, Run]:
    """Return the op of PyTorch alone, and with its backward."""
    torch = import_module("torch")
    torch.set_num_threads(1)
    constants = [torch.from_numpy(a) for a in arrays]
    leaves = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    ones = torch.ones_like(case.torch(torch, *leaves).detach())
    return (
        lambda: case.torch(torch, *constants),
        lambda: torch.autograd.grad(case.torch(torch, *leaves), leaves, ones),
    )


def microseconds(run: Run, calls: int) -> float:
    """Time calls; returns the microseconds of one, in time of the processor."""
    started = time.process_time()
    for _ in range(calls):
        run()
    return (time.process_time() - started) / calls * 1e6


def measure(case: Case, rounds: int, calls: int) -> list[float]:
    """Return the medians of tinynet, tinynet with its backward, NumPy, and both of PyTorch if that is there."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in case.shapes]
    runs = [*tinynet_runs(case, arrays), lambda: case.numpy(*arrays)]
    np.testing.assert_allclose(runs[0]().data, runs[2](), rtol=1e-5, atol=1e-6)
    if find_spec("torch"):
        runs += torch_runs(case, arrays)
    for run in runs:
        microseconds(run, _PRACTICE)
    return [float(m) for m in np.median([[microseconds(run, calls) for run in runs] for _ in range(rounds)], axis=0)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eager", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="how often each is timed (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=300, help="calls that are timed together (default: %(default)s)")
    parser.add_argument("--only", nargs="*", default=[], choices=[*CASES], metavar="OP", help="some ops only")
    arguments = parser.parse_args()
    tn.set_num_threads(1)
    titles = ["op", "forward", "with backward", "NumPy"]
    titles += ["PyTorch", "PyTorch with backward"] if find_spec("torch") else []
    print(f"| {' | '.join(titles)} |")
    print(f"|---|{'---:|' * (len(titles) - 1)}")
    with threadpool_limits(1, user_api="blas"):
        for name in arguments.only or CASES:
            took = measure(CASES[name], arguments.rounds, arguments.calls)
            print(f"| {name} | {' | '.join(f'{t:.1f}' for t in took)} |", flush=True)


if __name__ == "__main__":
    main()
