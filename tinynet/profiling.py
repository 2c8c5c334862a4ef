"""Where the time of a training step goes: a table for the terminal, and a picture."""

from __future__ import annotations

import errno
import io
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tinynet.errors import ArgumentError, WriteError
from tinynet.files import write_atomically

if TYPE_CHECKING:  # what computes is imported only once it is needed, so that help comes at once
    import argparse

    from tinynet.compile import Plan
    from tinynet.data import MNIST
    from tinynet.recipes import Recipe

_WARM_UP = 100  # steps of training before the profile: the first are not like those that follow
_REPEATS = 200
_FORMATS = (".png", ".svg", ".pdf")


class StepProfile(NamedTuple):
    """What a profile of a training step found.

    Attributes
    ----------
    plan : Plan
        Its ``table()`` and ``rows()`` have the times of its calls.
    batch_size, threads : int
        With how many images a step, and on how many threads.
    seconds : list of float
        Of steps that are replayed as a whole, as in training.
    """

    plan: Plan
    batch_size: int
    threads: int
    seconds: list[float]


def profile_step(
    recipe: Recipe, data: MNIST, batch_size: int | None = None, repeats: int = _REPEATS, seed: int = 0
) -> StepProfile:
    """Train a reference model for a hundred steps, then time the calls of one step.

    Parameters
    ----------
    recipe : Recipe
        The model and its loss.
    data : MNIST
        What it trains on.
    batch_size : int, optional
        Images a step; as in the recipe by default, and never more than there are.
    repeats : int
        Replays of the step to take the median of.
    seed : int
        Of the initial parameters and of the choice of images.

    Returns
    -------
    StepProfile
        With the plan of the step.

    Raises
    ------
    ArgumentError
        If ``batch_size`` or ``repeats`` is below 1.

    Examples
    --------
    >>> from tinynet.data import load_mnist
    >>> from tinynet.recipes import RECIPES
    >>> found = profile_step(RECIPES["softmax"], load_mnist("sample"), repeats=5)
    >>> [row.name for row in found.plan.rows() if row.kind == "update"]
    ['descend']
    """
    import numpy as np

    from tinynet.compile import training_plan
    from tinynet.optim import SGD
    from tinynet.threads import get_num_threads, kernel_gate
    from tinynet.training.data import find_task

    size = min(recipe.batch_size if batch_size is None else batch_size, len(data.x_train))
    if size < 1 or repeats < 1:
        raise ArgumentError(f"batch_size and repeats must be 1 or more, but got {batch_size} and {repeats}")
    model, optimizer, rng = recipe.model(seed), SGD(recipe.learning_rate), np.random.default_rng(seed)
    task, state = find_task(recipe.loss, None), optimizer.initial_state(model.theta)
    plan, _ = training_plan(model, task.loss, optimizer, state, data.x_train, data.y_train, size)

    def batch() -> dict[str, Any]:
        return {
            "indices": rng.choice(len(data.x_train), size, replace=False),
            "learning_rate": optimizer.learning_rate,
        }

    def step(inputs: dict[str, Any]) -> float:
        started = time.perf_counter()
        plan.replay(**inputs)
        plan.commit()
        return time.perf_counter() - started

    with kernel_gate():
        for _ in range(_WARM_UP):
            step(batch())
        last = batch()
        plan.profile(repeats, **last)
        seconds = [step(last) for _ in range(repeats)]
    return StepProfile(plan, size, get_num_threads(), seconds)


# --- the command


def add_arguments(parser: argparse.ArgumentParser, models: Iterable[str], count: Callable[[str], int]) -> None:
    """Declare the arguments of ``tinynet profile``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Of this command.
    models : iterable of str
        The names of the reference models.
    count : callable
        Reads a whole number of 1 or more.
    """
    add = parser.add_argument
    add("model", choices=list(models), help=f"one of {', '.join(models)}")
    add("--data", default="auto", metavar="SOURCE", help="auto, full, sample, or the path of MNIST files "
        "(default: %(default)s)")  # fmt: skip
    add("--batch-size", type=count, metavar="N", help="images a step (default: 32)")
    add("--threads", type=count, metavar="N", help="threads of the kernels (default: all cores)")
    add("--repeats", type=count, default=_REPEATS, metavar="N", help="replays of the step to take the median of "
        "(default: %(default)s)")  # fmt: skip
    add("--out", type=Path, metavar="FILE", help=f"the picture, one of {', '.join(_FORMATS)} (default: "
        "profile-<model>.png)")  # fmt: skip
    add("--force", action="store_true", help="replace the picture if it is there already (default: refuse)")


def run(arguments: argparse.Namespace) -> None:
    """Run ``tinynet profile``: print the table, and write the picture.

    Parameters
    ----------
    arguments : argparse.Namespace
        As declared by `add_arguments`.

    Raises
    ------
    WriteError
        If the picture cannot be written, or is there already.
    ArgumentError
        If its name has no known ending, or the machine has fewer threads.
    """
    from tinynet.data import load_mnist
    from tinynet.kernels.jit import compilations
    from tinynet.recipes import RECIPES
    from tinynet.report import profile_figure
    from tinynet.threads import set_num_threads

    out = arguments.out or Path(f"profile-{arguments.model}.png")
    _check(out, arguments.force)
    if arguments.threads is not None:
        set_num_threads(arguments.threads)
    recipe = RECIPES[arguments.model]
    data = load_mnist(arguments.data)
    with compilations(_tell):
        found = profile_step(recipe, data, arguments.batch_size, arguments.repeats)
    rows = found.plan.rows()
    total = 1e3 * sum(row.seconds or 0 for row in rows)
    threads = f"{found.threads} thread{'s' if found.threads > 1 else ''}"
    print(f"A training step of the {recipe.title} ({recipe.name}): {found.batch_size} images, {threads}")
    print(f"Data: {data.source}\n")
    print(found.plan.table(shutil.get_terminal_size((0, 0)).columns or None))
    whole, least = 1e3 * statistics.median(found.seconds), 1e3 * min(found.seconds)
    print(f"times: medians of {arguments.repeats}; as a whole, a step takes {whole:.3g} ms, at least {least:.3g} ms")
    figure = profile_figure(
        rows, f"A training step of the {recipe.title}: {found.batch_size} images, {threads}, {total:.3g} ms"
    )
    picture = io.BytesIO()
    figure.savefig(picture, format=out.suffix[1:].lower(), dpi=200)
    _check(out, arguments.force)
    write_atomically(out, picture.getvalue())
    print(f"\nPicture: {out}")


def _tell(kernel: str, number: int) -> None:
    if number == 1:
        print("Compiling kernels for their first use; later runs find them on disk ...", flush=True)


def _check(out: Path, force: bool) -> None:
    """Refuse a picture that could not be written, before anything is computed."""
    if out.suffix.lower() not in _FORMATS:
        raise ArgumentError(f"--out must end in {', '.join(_FORMATS)}, but got {str(out)!r}")
    if out.exists() and not (force and out.is_file()):
        raise WriteError(
            errno.EEXIST, f"{out} is there already; choose another name with --out, or pass --force to replace it"
        )
    try:
        tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise WriteError(
            error.errno,
            f"{out} cannot be written ({error.strerror or error}); choose another place with --out",
        ) from error
