"""The helper that builds kernels: ``python -m tinynet.fast.kernels.builder``, started by `tinynet.fast.kernels.build`.

It reads what to build from standard input and writes a line of JSON for each kernel to standard output. It compiles
nothing itself: each kernel is compiled in a process of its own, so that its code depends on nothing that was compiled
before. Where the system can fork, that process is a fork, which has all modules at hand.
"""

from __future__ import annotations

import gc
import importlib
import itertools
import json
import multiprocessing
import os
import pickle
import select
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from numba.core.bytecode import FunctionIdentity
from numba.core.registry import cpu_target

from tinynet.fast.kernels import build
from tinynet.fast.kernels.store import Identity, surroundings, write

_IDLE_SECONDS = 30.0  # that a helper waits for another request


def compile_kernel(identity: Identity) -> bytes:
    """Compile a kernel in this process, as if it were the only one; gives the content of its file."""
    # Numba numbers the functions that it compiles, and symbols carry the numbers. Kernels of different files meet in
    # one process, where a symbol must not be taken for another's: so each kernel begins at a number of its own.
    FunctionIdentity._unique_ids = itertools.count(int(identity.digest[:15], 16))
    found = getattr(importlib.import_module(identity.module), identity.name)
    kernel = found if identity.constants is None else found(*identity.constants)
    form = kernel if identity.parallel else kernel.serial
    form.compile(identity.signature)
    return build.dump(form.overloads[identity.signature])


def _work(identity: Identity, directory: str, answer: Connection) -> None:
    """Build a kernel and send what came of it."""
    gc.disable()  # the process ends with the kernel, and a sixth of its time went into looking for garbage
    try:
        content = compile_kernel(identity)
    except Exception:
        answer.send({"error": f"kernel {identity.name} cannot be compiled:\n{traceback.format_exc()}"})
        return
    try:
        write(Path(directory) / identity.filename, content)
    except OSError as error:
        answer.send({"kernel": identity.name, "unwritten": str(error)})
        return
    answer.send({"kernel": identity.name})


def _build_all(request: build.Request, say: Callable[[dict[str, str]], None]) -> None:
    """Build kernels in their order, so many at a time, and say what became of each."""
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() and sys.platform == "linux" else "spawn"
    context: Any = multiprocessing.get_context(method)
    waiting = iter(request.identities)
    running: dict[Any, tuple[Identity, BaseProcess]] = {}  # by the end of a pipe, where it answers
    while True:
        for identity in itertools.islice(waiting, request.processes - len(running)):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(identity, request.directory, sender))
            process.start()
            sender.close()
            running[receiver] = identity, process
        if not running:
            return
        for answer in list[Any](wait(list(running))):
            identity, process = running.pop(answer)
            try:
                say(answer.recv())
                process.join()
            except EOFError:
                process.join()
                code = process.exitcode or 0
                ending = f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
                say({"error": f"the process that compiled kernel {identity.name} {ending}; is there enough memory?"})


def _serve(request: build.Request, say: Callable[[dict[str, str]], None]) -> None:
    """Build what one request asks for, or say why not."""
    expected, found = request.surroundings, surroundings()
    differing = [f"{name} is {found[name]}, not {expected[name]}" for name in found if found[name] != expected[name]]
    if differing:
        say(
            {
                "error": "kernels are built by another process, in which " + "; ".join(differing) + ". Set Numba's "
                "options in the environment before Python starts, not in the program, and do not change tinynet while "
                "it runs"
            }
        )
        return
    for identity in request.identities:  # what can be done before a fork without compiling anything
        importlib.import_module(identity.module)
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()
    _build_all(request, say)


def main() -> None:
    """Build what standard input asks for, until it is closed or nothing is asked for a while."""
    # What compilers print must not get between the lines of the answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    build.become_helper()
    while select.select([sys.stdin.buffer], [], [], _IDLE_SECONDS)[0]:
        try:
            request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        _serve(request, lambda message: print(json.dumps(message), file=answers, flush=True))


if __name__ == "__main__":
    main()
