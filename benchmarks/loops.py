"""Training loops written by hand: a compiled step, an eager one, and the same in PyTorch, beside `fit`.

    python -m benchmarks.loops [--rounds 7] [--only gan gru] [--contenders compiled torch] [--cpu]

Each contender runs in a process of its own, one after the other in each round. The table has the median over the rounds
of the milliseconds a step, and how many times as long as tinynet's compiled step that is. With ``--cpu`` these are of
processor time, which on one thread says what a quiet machine would take.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import networks

BATCH = 32
WARM_UP, SECONDS = 20, 1.0
WORKLOADS = "cnn", "dense", "gan", "ode", *networks.WORKLOADS
CONTENDERS = "fit", "compiled", "eager", "torch", "torch.compile"
Step = Callable[[], object]


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return random images and labels."""
    rng = np.random.default_rng(0)
    return rng.random((BATCH, 28, 28, 1), np.float32), rng.integers(0, 10, BATCH)


# --- tinynet


def tinynet_step(workload: str, contender: str) -> Step:
    """Return a step of tinynet's."""
    import tinynet as tn
    from tinynet.recipes import RECIPES

    mode, optimizer = tn.train_mode(seed=0), tn.SGD(0.01)
    if workload in networks.WORKLOADS:
        return looped(networks.tinynet_step(workload), mode, contender, *networks.data(workload))
    x, y = data()
    if workload in RECIPES:
        model = RECIPES[workload].model(seed=0)

        def step(x: tn.Tensor, y: tn.Tensor) -> tn.Tensor:
            loss = tn.ops.cross_entropy(model(x), y)
            optimizer.minimize(loss, model)
            return loss

        images = (255 * x).astype(np.uint8)
        return fitted(model, images, y) if contender == "fit" else looped(step, mode, contender, images, y)
    if workload == "gan":
        return looped(tinynet_gan(), mode, contender, x.reshape(BATCH, -1))
    return looped(tinynet_ode(), mode, contender, np.linspace(0, 1, BATCH, dtype=np.float32)[:, None])


def looped(step: Callable[..., object], mode: object, contender: str, *arrays: np.ndarray) -> Step:
    """Return one turn of a loop by hand, compiled or not."""
    import tinynet as tn

    function = tn.compile(step) if contender == "compiled" else step
    given = arrays if contender == "compiled" else tuple(map(tn.Tensor, arrays))

    def turn() -> None:
        with mode:  # type: ignore[attr-defined]
            function(*given)

    return turn


def fitted(model: object, x: np.ndarray, y: np.ndarray) -> Step:
    """Return the step that `fit` makes."""
    import tinynet as tn
    from tinynet.train.step import make_step
    from tinynet.train.task import find_task

    task = find_task("cross_entropy", None)
    step = make_step(tn.SGD(0.01), model, task, x, y, mode=tn.train_mode(seed=0), compiled=True)
    return lambda: step(np.arange(BATCH))


def tinynet_gan() -> Callable[..., object]:
    """Return the step of a dense GAN, with two optimizers."""
    import tinynet as tn

    generator = tn.Sequential([tn.Input((64,)), tn.Dense(256, "relu"), tn.Dense(784, "sigmoid")], seed=0)
    critic = tn.Sequential([tn.Input((784,)), tn.Dense(256, "relu"), tn.Dense(1)], seed=1)
    first, second = tn.Adam(2e-4), tn.Adam(2e-4)

    def step(x: tn.Tensor) -> tuple[tn.Tensor, tn.Tensor]:
        noise = tn.random.normal((BATCH, 64))
        fake = generator(noise)
        loss = (tn.ops.softplus(-critic(x)) + tn.ops.softplus(critic(fake.detach()))).mean()
        first.minimize(loss, critic)
        other = tn.ops.softplus(-critic(fake)).mean()
        second.minimize(other, generator)
        return loss, other

    return step


def tinynet_ode() -> Callable[..., object]:
    """Return the step of a network that solves u'' = -u, u(0) = 0, u'(0) = 1."""
    import tinynet as tn

    model, optimizer = tn.Sequential([tn.Input((1,)), tn.Dense(32, "tanh"), tn.Dense(1)], seed=0), tn.Adam(0.01)

    def step(t: tn.Tensor) -> tn.Tensor:
        t = tn.Tensor(t, requires_grad=True)
        u = model(t)
        (du,) = tn.grad(u.sum(), [t], create_graph=True)
        (ddu,) = tn.grad(du.sum(), [t], create_graph=True)
        loss = ((ddu + u) ** 2).mean() + (u[:1] ** 2).sum() + ((du[:1] - 1) ** 2).sum()
        optimizer.minimize(loss, model)
        return loss

    return step


# --- PyTorch


def torch_step(workload: str, contender: str) -> Step:
    """Return a step of PyTorch's."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    if workload in networks.WORKLOADS:
        return networks.torch_step(workload, contender == "torch.compile")
    x, y = data()
    if workload in ("cnn", "dense"):
        blocks = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(3)]
        head = [nn.Flatten(), nn.Linear(576, 128), nn.ReLU(), nn.Linear(128, 10)]
        dense = [nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)]
        layers = [*blocks, *head] if workload == "cnn" else dense
        model = nn.Sequential(*layers)
        images, labels = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()), torch.from_numpy(y)
        if workload == "cnn":
            model, images = model.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        forward = torch.compile(model) if contender == "torch.compile" else model

        def step() -> None:
            optimizer.zero_grad()
            nn.functional.cross_entropy(forward(images), labels).backward()
            optimizer.step()

        return step
    return torch_gan(x, contender) if workload == "gan" else torch_ode(contender)


def torch_gan(x: np.ndarray, contender: str) -> Step:
    """Return the step of the dense GAN."""
    import torch
    from torch import nn

    generator = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 784), nn.Sigmoid())
    critic = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 1))
    first, second = (torch.optim.Adam(net.parameters(), 2e-4) for net in (critic, generator))
    images = torch.from_numpy(x.reshape(BATCH, -1))
    g, d = (torch.compile(net) if contender == "torch.compile" else net for net in (generator, critic))
    softplus = nn.functional.softplus

    def step() -> None:
        fake = g(torch.randn(BATCH, 64))
        first.zero_grad()
        (softplus(-d(images)) + softplus(d(fake.detach()))).mean().backward()
        first.step()
        second.zero_grad()
        softplus(-d(fake)).mean().backward()
        second.step()

    return step


def torch_ode(contender: str) -> Step:
    """Return the step of the network that solves u'' = -u."""
    import torch
    from torch import nn

    if contender == "torch.compile":
        raise RuntimeError("torch.compile does not take gradients of gradients")
    model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    times = torch.linspace(0, 1, BATCH)[:, None]

    def step() -> None:
        t = times.clone().requires_grad_()
        u = model(t)
        (du,) = torch.autograd.grad(u.sum(), t, create_graph=True)
        (ddu,) = torch.autograd.grad(du.sum(), t, create_graph=True)
        optimizer.zero_grad()
        (((ddu + u) ** 2).mean() + (u[:1] ** 2).sum() + ((du[:1] - 1) ** 2).sum()).backward()
        optimizer.step()

    return step


# --- timing


def measure(workload: str, contender: str, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the milliseconds of a step: the median of runs of ten."""
    step = (torch_step if contender.startswith("torch") else tinynet_step)(workload, contender)
    for _ in range(WARM_UP):
        step()
    laps, until = [], time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        started = clock()
        for _ in range(10):
            step()
        laps.append((clock() - started) * 100)
    return statistics.median(laps)


def in_a_process(workload: str, contender: str, *options: str) -> float | None:
    """Measure in a new process; None where the contender cannot run."""
    command = [sys.executable, "-m", "benchmarks.loops", "--one", workload, contender, *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def main() -> None:
    """Measure all contenders in turns, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=WORKLOADS, choices=WORKLOADS, metavar="WORKLOAD")
    parser.add_argument("--contenders", nargs="*", default=CONTENDERS, choices=CONTENDERS, metavar="CONTENDER")
    parser.add_argument("--cpu", action="store_true", help="measure processor time")
    parser.add_argument("--one", nargs=2, metavar=("WORKLOAD", "CONTENDER"))
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(*options.one, time.process_time if options.cpu else time.perf_counter)))
        return
    if "compiled" not in options.contenders:
        parser.error("compiled must be among the contenders, since times are relative to it")
    print(f"{'ms a step':<10}" + "".join(f"{name:>22}" for name in options.contenders))
    for workload in options.only:
        found: dict[str, list[float]] = {name: [] for name in options.contenders}
        for _ in range(options.rounds):
            for name in options.contenders:
                if name != "fit" or workload in ("cnn", "dense"):
                    value = in_a_process(workload, name, *["--cpu"] * options.cpu)
                    found[name] += [] if value is None else [value]
        ratios = {
            name: statistics.median(a / b for a, b in zip(times, found["compiled"], strict=False))
            for name, times in found.items()
            if times
        }
        cells = [f"{statistics.median(ms):.3f} ({ratios[n]:.2f})" if ms else "-" for n, ms in found.items()]
        print(f"{workload:<10}" + "".join(f"{cell:>22}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
