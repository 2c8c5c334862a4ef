"""How every kernel is compiled: the one place where Numba's options stand."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache
from numba.core.event import Listener, register, unregister

# Sums may be reordered and multiply-adds contracted, so that loops vectorise; nothing is assumed of NaN or infinity.
_FASTMATH = {"reassoc", "contract", "nsz"}
_BLAS = zlib.crc32(Path(__file__).with_name("blas.py").read_bytes())


def kernel(parallel: bool = False, reorder: bool = True) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function of arrays and numbers on its first call, and keep the code on disk for later processes.

    Kernels take C-contiguous arrays of one dtype, write into arrays that the caller owns, and neither check nor raise.
    A kernel calls only kernels of its own file, and `gemm`: these files alone tell whether the kept code is stale. A
    loop that sums does not also write, unless a function such as exp keeps it from being vectorised: LLVM makes two
    versions of it, and takes the one with reordered sums where arrays lie far enough apart in memory.

    Parameters
    ----------
    parallel : bool
        Run ``numba.prange`` loops on threads. Their iterations must not depend on each other.
    reorder : bool
        Let sums be reordered. Not where the order of two subtractions is what keeps the result exact.

    Returns
    -------
    callable
        A decorator.
    """
    # With NUMBA_BOUNDSCHECK=1, loops run in order: Numba loses the errors of those that it runs on threads.
    checked = bool(numba.config.BOUNDSCHECK)  # type: ignore[attr-defined]
    fastmath = _FASTMATH if reorder else _FASTMATH - {"reassoc"}

    def compiled(function: Callable[..., Any]) -> Any:
        if function.__closure__:  # each specialisation has files of its own, since two processes may save at once
            numbers = repr([cell.cell_contents for cell in function.__closure__])
            function.__qualname__ += f"_{zlib.crc32(numbers.encode()):08x}"
        dispatcher = one(function, parallel and not checked)
        if parallel:
            dispatcher.serial = one(function, False)
        return dispatcher

    def one(function: Callable[..., Any], threads: bool) -> Any:
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath, "parallel": threads}
        dispatcher = numba.njit(**options)(function)
        if dispatcher is not function:  # as it is with NUMBA_DISABLE_JIT=1
            try:
                dispatcher._cache = _Cache(function)
                dispatcher._cache.compiled_with = (checked, threads, tuple(sorted(fastmath)), _BLAS)
            except RuntimeError as error:  # Numba found no directory that it may write to
                _warn(error)
        return dispatcher

    return compiled


def for_chunks(kernel: Any, chunks: int) -> Any:
    """Choose between a parallel kernel and the same on one thread, which does not wait for the others to start.

    Parameters
    ----------
    kernel : callable
        Made by ``kernel(parallel=True)``.
    chunks : int
        Into how many pieces the work is cut; by shapes alone, so that the choice is too.

    Returns
    -------
    callable
        The kernel to call.
    """
    return kernel if chunks > 1 else kernel.serial


class _Cache(FunctionCache):
    """Numba's cache on disk, but no failure of it matters, and code compiled with other options is not taken."""

    compiled_with: tuple[Any, ...]

    def _index_key(self, *args: Any) -> Any:
        return super()._index_key(*args), self.compiled_with

    def load_overload(self, sig: Any, context: Any) -> Any:
        try:
            found = super().load_overload(sig, context)
        except Exception as error:  # a damaged file fails in any way that it pleases
            _warn(error)
            return None
        # Two processes that save at once may give one file to two signatures.
        return found if found is None or found.signature.args == sig else None

    def save_overload(self, *args: Any) -> None:
        try:
            super().save_overload(*args)
        except Exception as error:  # a full disk, or a damaged index
            _warn(error)


def _warn(error: Exception) -> None:
    """Say once in a process that kernels cannot be kept."""
    if not _warned:
        _warned.append(True)
        warnings.warn(
            "compiled kernels cannot be kept on disk, or not read from there, and are compiled again in each process "
            f"({type(error).__name__}: {error}); set NUMBA_CACHE_DIR to a new, writable directory",
            RuntimeWarning,
            stacklevel=4,
        )


_warned: list[bool] = []


class _Listener(Listener):
    def __init__(self, tell: Callable[[str, int], None]) -> None:
        self.tell, self.count = tell, 0

    def on_start(self, event: Any) -> None:
        function = event.data["dispatcher"].py_func
        if function.__module__.startswith("tinynet."):
            self.count += 1
            self.tell(function.__name__, self.count)

    def on_end(self, event: Any) -> None:
        """Nothing to tell."""


@contextmanager
def compilations(tell: Callable[[str, int], None]) -> Iterator[None]:
    """Call ``tell(kernel, count)`` before each compilation of a kernel; loading one from the disk is none.

    Parameters
    ----------
    tell : callable
        Takes the name of the kernel and the number of compilations so far, this one included.

    Yields
    ------
    None
        While the context lasts, ``tell`` is called.
    """
    listener = _Listener(tell)
    register("numba:compile", listener)
    try:
        yield
    finally:
        unregister("numba:compile", listener)
