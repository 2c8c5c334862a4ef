"""How every kernel is compiled: the one place where Numba's options stand."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numba

# Sums may be reordered and multiply-adds contracted, so that loops vectorise; nothing is assumed of NaN or infinity.
_FASTMATH = {"reassoc", "contract", "nsz"}


def kernel(parallel: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function of arrays and numbers on its first call, and keep the code on disk for later processes.

    Kernels take C-contiguous arrays of one dtype, write into arrays that the caller owns, and neither check nor raise.
    A kernel calls only kernels of its own file: that file alone tells Numba whether the kept code is stale.

    Parameters
    ----------
    parallel : bool
        Run ``numba.prange`` loops on threads. Their iterations must not depend on each other.

    Returns
    -------
    callable
        A decorator.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": _FASTMATH, "parallel": parallel}

    def compiled(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError as error:  # Numba found no directory that it may write to
            if not _warned:
                _warned.append(True)
                warnings.warn(
                    f"compiled kernels cannot be kept on disk and will be compiled again in each process ({error}); "
                    "set NUMBA_CACHE_DIR to a writable directory",
                    RuntimeWarning,
                    stacklevel=2,
                )
            return numba.njit(**options)(function)

    return compiled


_warned: list[bool] = []


def compiled_count() -> int:
    """Count the kernel specialisations compiled, or loaded from the disk, in this process."""
    return sum(
        len(getattr(thing, "signatures", ()))
        for name, module in list(sys.modules.items())
        if name.startswith("tinynet.kernels.")
        for thing in vars(module).values()
    )
