"""Threads: how many the kernels use, and the one gate through which they are entered.

Some of Numba's threading layers must not be entered from two threads at once, so there is one lock. No kernel calls
BLAS: two thread pools on the same cores are a catastrophe (a step takes thirty times as long). For the same reason, the
kernels use only as many threads as other programs leave cores free.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from tinynet.core.managed import managed
from tinynet.errors import ArgumentError
from tinynet.fast.cores import FreeCores, available_cores, granted_cores
from tinynet.fast.trial import Trial

# How long GNU OpenMP's threads look out for work before they sleep: about 100 us. By default they hold a core for
# milliseconds, and where another program needs it, each small loop takes as long. OpenMP reads this when it is loaded.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")


def _most_threads() -> int:
    """Return the most threads that kernels can have: what Numba starts, which is not imported for that."""
    set_by_user = os.environ.get("NUMBA_NUM_THREADS", "")
    if set_by_user.isdecimal() and int(set_by_user) > 0:
        return int(set_by_user)
    return granted_cores()


_most = _most_threads()


class _Gate:
    """The state of the way into the kernels; see `kernel_gate`."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        # The most threads, and how many of them are left beside other programs.
        self.threads = self.free_threads = _most if "NUMBA_NUM_THREADS" in os.environ else available_cores()
        self.fixed = False  # whether that many are used in any case
        self.free = FreeCores()
        self.numba = threading.local()  # what Numba was told in a Python thread
        self.forked = False  # whether this process is the fork of one that had started Numba's threads

    def open(self) -> None:
        """Find how many threads there are for the kernels."""
        threads = self.threads
        if threads > 1 and not self.fixed and not self.forked:
            if time.perf_counter() >= self.free.next_look:
                self.free.look()
            threads = min(threads, self.free.count)
        self.free_threads = threads


_gate = _Gate()


def _after_fork() -> None:
    _gate.lock = threading.RLock()  # another thread of the parent may have held it
    _gate.numba = threading.local()
    _gate.free.restart()
    numba = sys.modules.get("numba")
    if numba is not None:
        _gate.forked = _numba_has_threads(numba)
        compiler = sys.modules["numba.core.compiler_lock"]
        compiler.global_compiler_lock._lock = threading.RLock()  # another thread may have held it, loading a kernel


def runnable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the form of a kernel that this process can run; what is not a kernel is given back as it is.

    A fork does not take Numba's threads along. In a child that was forked after they had started, each kernel runs in
    its serial form, which has the same bits.
    """
    return getattr(function, "serial", function) if _gate.forked else function


def forked() -> bool:
    """Whether this process lost Numba's threads by a fork, so that kernels run in their serial form."""
    return _gate.forked


def _numba_has_threads(numba: Any) -> bool:
    """Whether Numba has started its threads: in the gate, or for parallel code that is not tinynet's."""
    try:
        numba.threading_layer()
    except ValueError:
        return False
    return True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def set_num_threads(n: int, fixed: bool = False) -> None:
    """Set the largest number of threads that kernels use. Results do not depend on it, to the bit.

    While other programs need some of the cores (on Linux), kernels use fewer threads, so that none of them waits for a
    core: they would all wait for it. So they do where a step, a prediction or another compiled function takes no longer
    on fewer threads, which is tried from time to time.

    Parameters
    ----------
    n : int
        From 1 to the number that Numba started with: the cores, or NUMBA_NUM_THREADS.
    fixed : bool
        Use exactly this number, whatever other programs do: for measurements.

    Raises
    ------
    ArgumentError
        If ``n`` is not an integer in that range.

    Examples
    --------
    >>> import tinynet as tn
    >>> before = tn.get_num_threads()
    >>> tn.set_num_threads(1)
    >>> tn.get_num_threads()
    1
    >>> tn.set_num_threads(before)
    """
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= _most:
        raise ArgumentError(
            f"the number of threads must be an integer from 1 to {_most} here, but got {n!r}; to allow more, set the "
            "environment variable NUMBA_NUM_THREADS before Python starts"
        )
    _gate.threads, _gate.fixed = n, fixed


def get_num_threads() -> int:
    """Return the largest number of threads that kernels use.

    At the start this is NUMBA_NUM_THREADS, or the number of cores that the process may use by its CPU affinity and by
    the quotas of its container. It is not the smaller number that is used while other programs are busy.
    """
    return _gate.threads


@managed
def kernel_gate() -> Iterator[None]:
    """Enter the kernels: within ``with``, or as a decorator, one Python thread at a time.

    May be nested. Wherever Ctrl-C comes, the lock is released: at the latest when this generator is dropped.

    Yields
    ------
    None
        Kernels may run.

    """
    with _gate.lock:
        _gate.open()
        yield


def use_threads(trial: Trial | None = None) -> None:
    """Set the threads of the kernels that are called next: all that are free, or as many as pay by a trial."""
    threads = _gate.free_threads
    if trial is not None and not _gate.fixed:
        threads = trial.threads(threads)
    # Numba keeps the number for each Python thread, behind a lock.
    if not _gate.forked and getattr(_gate.numba, "threads", None) != threads:
        import numba

        numba.set_num_threads(threads)
        _gate.numba.threads = threads


def session() -> AbstractContextManager[None]:
    """Return the gate, to be entered; or an empty context where this thread is within it already."""
    return _INSIDE if _gate.lock._is_owned() else kernel_gate()  # type: ignore[attr-defined]  # conditions use it, too


_INSIDE: AbstractContextManager[None] = nullcontext()
