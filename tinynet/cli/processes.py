"""Commands that several processes run together, as mpiexec starts them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tinynet.cli.arguments import count, rate
from tinynet.cli.run_directory import claimed

if TYPE_CHECKING:  # what computes is imported only once it is needed, so that help comes at once
    import argparse

    from tinynet.distributed import World

T = TypeVar("T")


def add_processes(parser: argparse.ArgumentParser) -> None:
    """Add how a step is divided, and how long processes wait for each other."""
    add = parser.add_argument
    add("--micro-batches", type=count, metavar="N", help="cut each batch into N parts, whose gradients are added: less "
        "memory, or started by mpiexec, each process computes its share (default: 1)")  # fmt: skip
    add("--timeout", type=rate, default=300.0, metavar="S", help="seconds that a process waits for another one, if "
        "mpiexec has started several (default: %(default)g)")  # fmt: skip


@contextlib.contextmanager
def claimed_by_one(world: World, out: Path | None, name: str, replace: bool, resume: bool) -> Iterator[Path]:
    """Let one process claim the directory of a run as `claimed` does, and print; the others stay until it has ended."""
    from tinynet.distributed.starting import silent

    if world.rank == 0:
        with claimed(out, name, replace, resume) as directory:
            world.share(str(directory))
            yield directory
    else:
        with silent():
            yield Path(world.share(None))
    world.share("done")


def one_first(world: World, act: Callable[[], T]) -> T:
    """Do something in one process first, such as downloading a file, and then in the others."""
    found = act() if world.rank == 0 else None
    world.share("done")
    return act() if found is None else found


def let_speak(error: BaseException) -> None:
    """Wait before an error is printed, since another process may print it, or its reason."""
    from tinynet.distributed.starting import known_world

    if (world := known_world()) is not None:
        world.let_speak(error)


def end_all(code: int) -> None:
    """End the other processes, too, where the command of this one has failed."""
    from tinynet.distributed.starting import known_world

    if code and (world := known_world()) is not None:
        world.end_all(code)


def options_of_fit(arguments: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what `Model.fit` needs to know of it."""
    return {"micro_batches": settings.get("micro_batches", 1), "world": getattr(arguments, "world", None)}
