"""``tinynet warm``: build kernels ahead, so that the first run on a machine does not wait for them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinynet.cli.arguments import MODELS, add_command, is_own
from tinynet.errors import ArgumentError
from tinynet.train.progress import counted

if TYPE_CHECKING:
    import argparse

    from tinynet.fast.kernels.build import Progress
    from tinynet.model import Model
    from tinynet.optim import Optimizer

EXAMPLES = """\
  tinynet warm cnn                                 build what training and using the CNN needs
  tinynet warm --all                               for all reference models, as when an image is made
  tinynet warm model.safetensors                   for a model of yours
"""
_NAMES = [*MODELS, "logistic"]
_BATCH = 32  # samples of a training step, by default; fewer come last in an epoch
_MNIST = 60_000  # images; what is left of them for the last batch
_SAMPLES = 256, 232, 32, 16, 1  # of a batch that is evaluated or predicted
_ROWS = 1024  # of the data that are made for a full-batch model


def declare(commands: Any) -> None:
    """Add the command to those of ``tinynet``."""
    parser = add_command(
        commands,
        "warm",
        "build kernels ahead",
        "Build the kernels of a model ahead, so that a first run does not wait for them: on each kind of processor "
        "once, into the cache of this user or the directory that NUMBA_CACHE_DIR names. Says where the cache lies and "
        "how large it is.",
        EXAMPLES,
        run,
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help=f"one of {', '.join(_NAMES)}, a file of a model, or "
        "a model of yours, such as model.py:make: the Python file is run")  # fmt: skip
    parser.add_argument("--all", action="store_true", help="all reference models")


def run(arguments: argparse.Namespace) -> None:
    """Run ``tinynet warm``: build what is missing, and say where it is."""
    from tinynet.fast.kernels import build

    if arguments.all == (arguments.model is not None):
        raise ArgumentError(f"name one of {', '.join(_NAMES)}, a file of a model, or --all")
    wanted = _NAMES if arguments.all else [arguments.model]
    unknown = [name for name in wanted if name not in _NAMES and not is_own(name) and not Path(name).exists()]
    if unknown:
        raise ArgumentError(f"{unknown[0]} is not one of {', '.join(_NAMES)}, and there is no such file")
    started = time.perf_counter()
    built: list[str] = []

    def tell(progress: Progress) -> None:
        if not progress.done:
            on = counted(progress.processes, "process")
            print(f"Building {counted(progress.total, 'kernel')} on {on} ...", flush=True)
        else:
            built.append(progress.kernel)
            print(f"  {progress.done:>{len(str(progress.total))}}/{progress.total}  {progress.kernel}", flush=True)

    with build.watch(tell):
        for name in wanted:
            _warm(name)
    seconds = time.perf_counter() - started
    made = f"{counted(len(built), 'kernel')} built in {seconds:.1f} s" if built else "All kernels were there"
    kept, own, others = build.store().usage()
    print(f"{made} for {', '.join(wanted)}")
    print(f"Cache: {build.store().directory}, {counted(kept, 'kernel')}, {own / 1e6:.1f} MB")
    if others:
        print(f"Beside it lie {others / 1e6:.1f} MB for other versions, settings or processors, which may be removed")


def _warm(name: str) -> None:
    """Build what one model needs."""
    import numpy as np

    from tinynet.cli.train import recipe_of
    from tinynet.optim import SGD, Adam
    from tinynet.recipes import logistic_model, logistic_optimizer
    from tinynet.recipes.training import make_optimizer
    from tinynet.saving import load

    if name == "logistic":
        images = np.random.default_rng(0).integers(0, 256, (_ROWS, 28, 28), np.uint8)
        labels = np.arange(_ROWS) % 2
        model = logistic_model(images)
        model.fit(
            images,
            labels,
            epochs=1,
            batch_size=None,
            loss="binary_cross_entropy",
            optimizer=logistic_optimizer(),
            validation_data=(images, labels),
            verbose=0,
        )
    elif name in MODELS or is_own(name):
        recipe = recipe_of(name)
        batch, optimizer = recipe.batch_size, make_optimizer(recipe.settings(0))
        others = [SGD(), SGD(momentum=0.9), Adam()] if recipe.optimizer == "SGD" and batch == _BATCH else []
        _build_plans(recipe.model(seed=0), ["uint8"], [optimizer, *others], (batch, _MNIST % batch or 1))
    else:
        loaded = load(name)
        _build_plans(loaded, sorted({"uint8", str(loaded.dtype)}), [SGD(), SGD(momentum=0.9), Adam()])


def _build_plans(
    model: Model, dtypes: list[str], optimizers: Sequence[Optimizer], batches: Sequence[int] = (_BATCH, 1)
) -> None:
    """Build what plans need that train the model, evaluate it and predict with it, on data of some dtypes."""
    import numpy as np

    from tinynet.core.transaction import train_mode
    from tinynet.fast.kernels import build
    from tinynet.train.kept import compiled_inference
    from tinynet.train.step import BatchStep
    from tinynet.train.task import find_task

    shape = getattr(model.build_model().made, "shape", (0, 0, 0))  # of the output, if there is one
    task = find_task("binary_cross_entropy" if shape[1:] in ((), (1,)) else "cross_entropy", None)
    labelled = len(shape) < 3
    with build.together():
        for dtype in dtypes:
            n = max(*batches, *_SAMPLES)
            x = [np.zeros((n, *e.shape), np.int64 if e.integers else dtype) for e in model.entries().values()]
            y = np.zeros(n, np.uint8)
            for optimizer in optimizers if labelled else ():
                mode = train_mode(seed=0)
                step = BatchStep(model, task, optimizer, tuple(x), y, mode=mode, compiled=True)
                with mode:
                    for batch in batches:
                        step.compiled.find(np.arange(batch))
            for samples in _SAMPLES:
                some = [a[:samples] for a in x]
                compiled_inference(model, None).find(*some)
                if labelled:
                    compiled_inference(model, task).find(y[:samples], *some)
