"""The facts that must be equal in all processes, so that they have the bits of one; compared before the first step."""

from __future__ import annotations

import json
import platform
from hashlib import sha256
from typing import Any, cast

import numpy as np

from tinynet.core.engine import can_compile
from tinynet.core.spec import Array
from tinynet.distributed.message import Facts, differences
from tinynet.distributed.processes import World
from tinynet.errors import ArgumentError
from tinynet.nn.layer import Layer
from tinynet.saving.description import describe
from tinynet.saving.run_state import state_of
from tinynet.saving.settings import brief_checksum, described
from tinynet.train.run import Run


def machine_facts() -> dict[str, Any]:
    """Return the facts about the machine on which bits depend: processor, BLAS, versions."""
    import scipy.linalg.cython_blas  # loads its BLAS, too, so that all processes list the same ones
    from threadpoolctl import threadpool_info

    from tinynet import __version__

    libraries = [info for info in threadpool_info() if info["user_api"] == "blas"]
    names = ("internal_api", "version", "architecture")
    facts = {
        "python": platform.python_version(),
        "tinynet": __version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "processor": platform.machine(),
        "BLAS": sorted({" ".join(str(info.get(name, "")) for name in names) for info in libraries}),
    }
    if can_compile():
        from tinynet.fast.kernels.store import surroundings

        facts |= surroundings()
    return facts


def digest_of(arrays: dict[str, Array]) -> str:
    """Return a digest of arrays: of their names, dtypes, shapes and values."""
    digest = sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def run_facts(run: Run) -> dict[str, Any]:
    """Return the facts about a run: data, arguments, model, optimizer and progress."""
    state = state_of(run)
    model = cast(Layer, run.model)
    try:
        layers = describe(model, run.model.parameters)
    except ArgumentError:  # the model cannot be put into a file; the digest has the names and shapes of its parameters
        layers = str(model)
    optimizer = state["optimizer"]
    return {
        "the model's layers": sha256(layers.encode()).hexdigest()[:16],
        "the model's values": digest_of(state["model"]["parameters"]),
        "the optimizer's values": digest_of(optimizer["vectors"]),
        "steps so far": optimizer["mode"]["steps"] if "mode" in optimizer else run.epoch,
        "epochs": [run.epoch, run.epochs],
        "place in the epoch": state["order"]["batch"],
        "order of the samples": sha256(repr(state["order"]["generator"]).encode()).hexdigest()[:16],
        **described(run, brief_checksum),  # each process reads only its own rows
    }


def compare(world: World, facts: dict[str, Any]) -> None:
    """Refuse processes that would not have the same bits.

    Parameters
    ----------
    world : World
        The processes.
    facts : dict
        The facts that must be equal in all, besides those about their machines.

    Raises
    ------
    WorldError
        In all processes, with the facts that differ, and both values.
    """

    def both(left: Facts, right: Facts) -> Facts:
        found = differences(left["facts"], right["facts"])
        if found:
            ranks = f"processes {left['rank']} and {right['rank']}"
            raise ArgumentError(
                f"{ranks} differ, so the result would not be that of one process: {'; '.join(found)}. All must have "
                "processors of one kind, the same versions, data, arguments and seeds, and models with the same values"
            )
        return left

    all_facts = json.loads(json.dumps(machine_facts() | facts))
    world.gather("beginning", {"facts": all_facts, "rank": world.rank}, both)
