"""Measure "is it a 5?", logistic regression by line search on all of MNIST, beside NumPy and JAX in float64.

Run ``python -m benchmarks.logistic DIRECTORY_OF_MNIST`` in the root of the repository. All contenders make the same
steps on the same data, in processes of their own, a block of steps at a time in alternation; their losses must agree.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contenders import environment
from benchmarks.worker import peak_memory

ALPHA, STEPS, BLOCK = 0.01, 200, 20
TITLES = {
    "tinynet": "tinynet, uint8",
    "numpy": "NumPy float64, X w at each trial",
    "numpy-along": "NumPy float64, X g once a step",
    "jax": "JAX float64, jitted, X w at each trial",
    "jax-along": "JAX float64, jitted, X g once a step",
}


def standardised(images: np.ndarray) -> np.ndarray:
    """Return the standardised matrix."""
    x = images.reshape(len(images), -1).astype(np.float64)
    deviation = x.std(axis=0)
    x -= x.mean(axis=0)
    x /= np.where(deviation < 1e-9, 1, deviation)
    return x


class TinyNet:
    """Steps of `tinynet.GradientDescent` on an `Objective`."""

    def __init__(self, name: str, images: np.ndarray, labels: np.ndarray) -> None:
        import tinynet as tn
        from tinynet.recipes import logistic_model, logistic_optimizer

        self.objective = tn.Objective(logistic_model(images), images, labels, "binary_cross_entropy")
        self.optimizer = logistic_optimizer()
        self.reset()

    def reset(self) -> None:
        """Go back to where all begin."""
        self.w = np.zeros(784)

    def step(self) -> float:
        """Make a step; returns the loss after it."""
        return self.optimizer.step(self.objective, self.w).loss


class NumPy:
    """The same in vectorised NumPy."""

    def __init__(self, name: str, images: np.ndarray, labels: np.ndarray) -> None:
        self.along = name.endswith("along")
        self.x, self.y, self.sign = standardised(images), labels.astype(np.float64), 1.0 - 2 * labels
        self.reset()

    def reset(self) -> None:
        """Go back to where all begin."""
        self.w = np.zeros(784)

    def loss(self, z: np.ndarray) -> float:
        """Return the mean loss of logits."""
        return float(np.logaddexp(0, self.sign * z).mean())

    def step(self) -> float:
        """Make a step; returns the loss after it."""
        z = self.x @ self.w
        before = self.loss(z)
        g = self.x.T @ (1 / (1 + np.exp(-z)) - self.y) / len(z)
        slope, squared, t = (self.x @ g if self.along else None), g @ g, 1.0
        while True:
            after = self.loss(self.x @ (self.w - t * g) if slope is None else z - t * slope)
            if before - after >= ALPHA * t * squared:
                self.w = self.w - t * g
                return after
            t /= 2


class JAX:
    """The same in JAX, jitted but for the loop over trials: inside of lax.while_loop, products are slower by far."""

    def __init__(self, name: str, images: np.ndarray, labels: np.ndarray) -> None:
        import jax

        jax.config.update("jax_enable_x64", True)
        from jax import numpy as jnp

        def mean_loss(z: Any, sign: Any) -> Any:
            return jnp.logaddexp(0, sign * z).mean()

        def loss(w: Any, x: Any, sign: Any) -> Any:
            return mean_loss(x @ w, sign)

        def begin(w: Any, x: Any, sign: Any) -> Any:
            z = x @ w
            before, pull = jax.value_and_grad(mean_loss)(z, sign)
            g = pull @ x
            return before, g, g @ g, z, x @ g if self.along else z

        self.along = name.endswith("along")
        self.x, self.sign = jnp.asarray(standardised(images)), jnp.asarray(1.0 - 2 * labels)
        self.begin, self.loss, self.mean_loss = jax.jit(begin), jax.jit(loss), jax.jit(mean_loss)
        self.move = jax.jit(lambda start, slope, t: start - t * slope)
        self.zeros = jnp.zeros(784)
        self.reset()

    def reset(self) -> None:
        """Go back to where all begin."""
        self.w = self.zeros

    def step(self) -> float:
        """Make a step; returns the loss after it."""
        before, g, squared, z, slope = self.begin(self.w, self.x, self.sign)
        before, squared, t = float(before), float(squared), 1.0
        while True:
            w = self.move(self.w, g, t)
            moved = self.mean_loss(self.move(z, slope, t), self.sign) if self.along else self.loss(w, self.x, self.sign)
            after = float(moved)
            if before - after >= ALPHA * t * squared:
                self.w = w
                return after
            t /= 2


def load(data: str) -> tuple[np.ndarray, np.ndarray]:
    """Read the training images and whether each is a 5."""
    import tinynet as tn

    (images, digits), _ = tn.datasets.mnist(data)
    return images, digits == 5


def serve(name: str, path: str, out: Any) -> None:
    """Answer each line on the standard input with the losses of as many steps, and their time."""
    if name == "tinynet":
        import tinynet  # noqa: F401 - so that it counts as imported
    imported = peak_memory()
    with np.load(path) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    contender = {"tinynet": TinyNet, "numpy": NumPy, "jax": JAX}[name.partition("-")[0]](name, images, labels)
    for line in sys.stdin:
        count = int(line)
        if not count:
            contender.reset()
        started = time.perf_counter()
        losses = [contender.step() for _ in range(count)]
        answer = {"losses": losses, "seconds": time.perf_counter() - started, "memory": peak_memory() - imported}
        print(json.dumps(answer), file=out, flush=True)


class Worker:
    """A contender in a process of its own."""

    def __init__(self, name: str, python: str, path: Path, threads: int) -> None:
        command = [python, "-m", "benchmarks.logistic", "--worker", name, str(path)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=environment(name.partition("-")[0] if "jax" in name else "tinynet", threads),
        )  # fmt: skip

    def ask(self, count: int) -> dict[str, Any]:
        """Make some steps; 0 to begin anew."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a contender died; run it with --worker to see why")
        return json.loads(line)

    def stop(self) -> None:
        """End the process."""
        self.process.communicate()


def measure(names: list[str], python: str, data: str, folder: Path, threads: int) -> dict[str, Any]:
    """Make all steps with all contenders, a block at a time in alternation."""
    images, labels = load(data)
    path = folder / "mnist.npz"
    np.savez(path, images=images, labels=labels)
    workers = {n: Worker(n, python if "jax" in n else sys.executable, path, threads) for n in names}
    for worker in workers.values():
        worker.ask(2)  # compiles
        worker.ask(0)
    found: dict[str, Any] = {name: {"seconds": [], "losses": [], "memory": 0} for name in names}
    for number in range(STEPS // BLOCK):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            time.sleep(0.1)  # threads of the one before go to sleep
            answer = workers[name].ask(BLOCK)
            found[name]["seconds"].append(answer["seconds"] / BLOCK)
            found[name]["losses"] += answer["losses"]
            found[name]["memory"] = answer["memory"]
        print(f"{(number + 1) * BLOCK} of {STEPS} steps", file=sys.stderr, flush=True)
    for worker in workers.values():
        worker.stop()
    return found


def report(found: dict[str, Any]) -> bool:
    """Print a table; returns whether all losses agree."""
    ours = found["tinynet"]
    agree = True
    print(f"{'':<40} ms/step, median (least)  times tinynet   MB above import   losses apart")
    for name, one in found.items():
        ratio = statistics.median(a / b for a, b in zip(one["seconds"], ours["seconds"], strict=True))
        apart = max(abs(a - b) for a, b in zip(one["losses"], ours["losses"], strict=True))
        agree &= apart < 1e-9
        print(
            f"{TITLES[name]:<40} {1e3 * statistics.median(one['seconds']):12.1f} ({1e3 * min(one['seconds']):.1f})"
            f"  {ratio:18.2f}  {one['memory'] / 1e6:15.0f}  {apart:14.1e}"
        )
    losses = ", ".join(f"{k}: {ours['losses'][k - 1]:.12f}" for k in (1, 10, 50, 100, 200))
    print(f"training loss after step {losses}")
    return agree


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.logistic", description=__doc__)
    parser.add_argument("data", nargs="?", default="full", help="as tinynet.datasets.mnist takes it")
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="the Python that has JAX")
    parser.add_argument("--threads", type=int, default=2, help="of each contender (default: %(default)s)")
    parser.add_argument("--without-jax", action="store_true", help="leave JAX out")
    parser.add_argument("--out", type=Path, help="where to keep what was measured, as JSON")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.worker:
        out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        serve(arguments.worker, arguments.data, out)
        return 0
    import tempfile

    names = [name for name in TITLES if not (arguments.without_jax and "jax" in name)]
    with tempfile.TemporaryDirectory() as folder:
        found = measure(names, arguments.python, arguments.data, Path(folder), arguments.threads)
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0 if report(found) else 1


if __name__ == "__main__":
    sys.exit(main())
