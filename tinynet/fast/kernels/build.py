"""Kernels are built by helpers, then loaded: a process that computes runs kept code alone.

The code that Numba runs in the process that compiles it is not the code that it keeps: the body of a parallel loop is
optimised once as a library of its own, and again as part of what is kept. On some processors the two round differently.
So nothing is compiled where it is used. A helper process (`tinynet.fast.kernels.builder`) compiles each missing kernel
in a process of its own and writes it to the `store`; this process only loads.
"""

from __future__ import annotations

import atexit
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from numba.core.compiler import CompileResult

from tinynet.errors import KernelBuildError
from tinynet.fast.cores import available_cores
from tinynet.fast.kernels.store import Identity, Store

_MPI = ("OMPI_", "PMI_", "PMIX_", "MPI_", "MPICH_", "HYDRA_", "I_MPI_")  # a helper is no rank
_NOT_FOR_HELPERS = ("PYTHONINSPECT", "PYTHONWARNINGS", "PYTHONSAFEPATH", "NUMBA_DISABLE_JIT")


class Progress(NamedTuple):
    """How far the building of some kernels is."""

    kernel: str  # the one that was built last, empty before the first
    done: int
    total: int
    processes: int  # that build at the same time


class Request(NamedTuple):
    """What a helper is asked for."""

    surroundings: dict[str, str]
    directory: str
    processes: int
    identities: list[Identity]


class _Builds:
    """What this process knows of kernels on disk, and who is told while some are built."""

    def __init__(self) -> None:
        self.store: Store | None = None
        self.listeners: list[Callable[[Progress], None]] = []
        self.lock = threading.RLock()  # of Python threads that build
        self.helper: _Helper | None = None
        self.in_helper = False  # where kernels are compiled, not loaded
        self.gathered: dict[Identity, Any] | None = None  # what `together` is to build


_builds = _Builds()


def _after_fork() -> None:
    _builds.lock = threading.RLock()  # another thread of the parent may have held it
    _builds.helper = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def store() -> Store:
    """Give the store of this process."""
    if _builds.store is None:
        _builds.store = Store()
    return _builds.store


def become_helper() -> None:
    """Compile kernels in this process from now on, in place of loading them."""
    _builds.in_helper = True


def in_helper() -> bool:
    """Whether this process compiles kernels, and loads none."""
    return _builds.in_helper


@contextmanager
def watch(tell: Callable[[Progress], None]) -> Iterator[None]:
    """Call ``tell`` with the `Progress` before the first and after each kernel that is built.

    Parameters
    ----------
    tell : callable
        Takes a `Progress`. Loading a kernel that is there already is not told.

    Yields
    ------
    None
        While the context lasts, ``tell`` is called.
    """
    _builds.listeners.append(tell)
    try:
        yield
    finally:
        _builds.listeners.remove(tell)


def load(identity: Identity, target: Any) -> Any:
    """Load a kernel for Numba's dispatcher, after building it where it is not there; None in a helper."""
    if _builds.in_helper:
        return None
    for _ in range(2):
        content = store().read(identity)
        if content is None:
            build([identity])
            content = store().read(identity)
        if content is not None:
            target.refresh()  # before the first kernel, this makes Numba ready to run any
            return CompileResult._rebuild(target, *pickle.loads(content))
    raise KernelBuildError(
        f"kernel {identity.name} was built, but cannot be read in {store().directory}; is the directory cleared by "
        "another program? Set NUMBA_CACHE_DIR to one that is not"
    )


def dump(result: Any) -> bytes:
    """Write a compiled kernel as bytes, which `load` takes."""
    from numba.core import serialize

    return bytes(serialize.dumps(result._reduce()))


def prepare(calls: Sequence[tuple[Any, tuple[Any, ...]]]) -> list[Callable[..., Any]]:
    """Build what is missing for some calls of kernels, all together, and load it.

    Parameters
    ----------
    calls : sequence of (callable, tuple)
        Functions and their arguments.

    Returns
    -------
    list of callable
        The functions; of each kernel the code for the types of its arguments, which then does not look at them again.
        Within `together` the kernels themselves.
    """
    found = [
        (function, function.identity_of(arguments) if hasattr(function, "identity_of") else None)
        for function, arguments in calls
    ]
    missing = {
        identity: function
        for function, identity in found
        if identity and identity.signature not in function.overloads and store().read(identity) is None
    }
    if _builds.gathered is not None:
        _builds.gathered |= missing
        return [function for function, _ in found]
    _build_slowest_first(missing)
    return [_code(function, identity.signature) if identity else function for function, identity in found]


def _code(function: Any, signature: tuple[Any, ...]) -> Any:
    """Return the code of a kernel for some types; Numba takes long to find that it has it already."""
    loaded = function.overloads.get(signature)
    return loaded.entry_point if loaded else function.compile(signature)


def _build_slowest_first(missing: dict[Identity, Any]) -> None:
    if missing:
        build(sorted(missing, key=lambda identity: -missing[identity].weight))


@contextmanager
def together() -> Iterator[None]:
    """Build what plans need that are made in this context at its end, all at once and the slowest first.

    Yields
    ------
    None
        Plans may be made, but not run.
    """
    _builds.gathered = {}
    try:
        yield
        missing = _builds.gathered
    finally:
        _builds.gathered = None
    _build_slowest_first(missing)


def build(identities: list[Identity]) -> None:
    """Build kernels in helper processes, as many at once as there are cores, in the order given.

    Parameters
    ----------
    identities : list of Identity
        The kernels; one that another process has built in the meantime is not built again.

    Raises
    ------
    KernelBuildError
        If a helper cannot be started, dies, or cannot compile a kernel.
    """
    place = store()
    with _builds.lock, place.locked(identities):
        missing = [identity for identity in identities if place.read(identity) is None]
        unwritten = _run_helper(missing) if missing else ""
    if unwritten and place.temporary is None:
        place.use_temporary(unwritten)
        build(identities)
    elif unwritten:
        raise KernelBuildError(
            f"kernels cannot be kept in {place.directory}: {unwritten}; make room, or set NUMBA_CACHE_DIR to another "
            "directory"
        )


def _run_helper(identities: list[Identity]) -> str:
    """Let a helper build kernels; gives why one could not be written, if so."""
    processes = max(1, min(available_cores(), len(identities)))
    _tell(Progress("", 0, len(identities), processes))
    request = Request(store().surroundings, str(store().directory), processes, identities)
    done, unwritten = 0, ""
    try:
        while done < len(identities):
            message = _helper().ask(request if not done else None)
            if message is None:  # it had ended, for nobody asked it for a while
                continue
            unwritten = unwritten or message.get("unwritten", "")
            done += 1
            _tell(Progress(message["kernel"], done, len(identities), processes))
    except BaseException:  # Ctrl-C too
        _end_helper()
        raise
    return unwritten


def _helper() -> _Helper:
    """Give the helper of this process, started where there is none."""
    if _builds.helper is None:
        _builds.helper = _Helper()
    return _builds.helper


def _end_helper() -> None:
    if _builds.helper is not None:
        _builds.helper.end()
    _builds.helper = None


atexit.register(_end_helper)


class _Helper:
    """A running helper, which ends by itself when it is asked for nothing for a while."""

    def __init__(self) -> None:
        if not sys.executable:
            raise KernelBuildError(
                "kernels are built by another Python process, but sys.executable, which names the program, is not set; "
                "set it to a Python that can import tinynet, or run `tinynet warm --all` with one beforehand"
            )
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(_MPI) and name not in _NOT_FOR_HELPERS
        }
        # The same modules as here, whatever the directory; and sets of names in the same order in each helper.
        path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)  # noqa: PTH100 - "" is the directory
        environment |= {"PYTHONPATH": path, "PYTHONHASHSEED": "0", "NUMBA_NUM_THREADS": "1"}
        self.errors = open(os.memfd_create("errors"), "w+b")  # noqa: PTH123, SIM115 - there may be no place for a file
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tinynet.fast.kernels.builder"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                env=environment,
                process_group=0,  # which Ctrl-C in the terminal does not reach
            )
        except OSError as error:
            self.errors.close()
            raise KernelBuildError(
                f"kernels are built by another Python process, but {sys.executable} cannot be started: {error}"
            ) from error

    def ask(self, request: Request | None) -> dict[str, str] | None:
        """Send a request, if there is one, and give the next answer; None if the helper had already ended in order."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if request is not None:
            with suppress(BrokenPipeError):  # if it has ended: what follows tells how
                pickle.dump(request, self.process.stdin)
                self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            self.errors.seek(0)
            said = self.errors.read().decode(errors="replace")[-2000:]
            _end_helper()
            if status == 0 and request is not None:
                return None
            ending = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
            raise KernelBuildError(
                f"the process that builds kernels ended ({ending}) before it was done; run `{sys.executable} -m "
                f"tinynet.fast.kernels.builder` to see whether it can start. It said:\n{said}"
            )
        message: dict[str, str] = json.loads(line)
        if "error" in message:
            raise KernelBuildError(message["error"])
        return message

    def end(self) -> None:
        """End the helper with all that it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.errors.close()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()


def _tell(progress: Progress) -> None:
    for listener in list(_builds.listeners):
        listener(progress)
