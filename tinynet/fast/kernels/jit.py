"""How every kernel is compiled: the one place where Numba's options stand."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numba

from tinynet.fast.kernels import build
from tinynet.fast.kernels.store import Identity

# Sums may be reordered and multiply-adds contracted, so that loops vectorise; nothing is assumed of NaN or infinity.
_FASTMATH = {"reassoc", "contract", "nsz"}


class _Loader:
    """In place of Numba's cache: it always has what is asked for, so that nothing is compiled where it is used."""

    cache_path = None

    def __init__(self, form: Any, identify: Callable[[tuple[Any, ...]], Identity]) -> None:
        self.form = form
        self.identify = identify

    def load_overload(self, signature: tuple[Any, ...], target: Any) -> Any:
        """Give the compiled kernel for the types of arguments, built where need be; None in a helper, to compile."""
        identity = self.identify(signature)
        if identity.signature == signature or build.in_helper():
            return build.load(identity, target)
        self.form.compile(identity.signature)
        found = self.form.overloads[identity.signature]
        return found._replace(signature=found.signature.replace(args=signature))

    def save_overload(self, signature: tuple[Any, ...], result: Any) -> None:
        """Nothing to do: a helper writes what it was asked for."""

    def flush(self) -> None:
        """Nothing to do."""


def kernel(parallel: bool = False, reorder: bool = True) -> Callable[[Callable[..., Any]], Any]:
    """Make a kernel: a function of arrays and numbers, built on its first call or before, and kept on disk.

    Kernels take C-contiguous arrays of one dtype, write into arrays that the caller owns, and neither check nor raise.
    A kernel calls only kernels of this package, and what is written as code (`written_by`); these are compiled into it.
    Do not sum and store in the same loop, unless a function such as exp keeps it from being vectorised: LLVM compiles
    two versions of such a loop, and picks one at run time by the distance of the arrays, so the bits would depend on
    addresses.

    Parameters
    ----------
    parallel : bool
        Run ``numba.prange`` loops on threads. Their iterations must not depend on each other. The same kernel without
        threads is the attribute ``serial``, which any other kernel is itself.
    reorder : bool
        Let sums be reordered. Not where the order of two subtractions is what keeps the result exact.

    Returns
    -------
    callable
        A decorator.
    """
    # With NUMBA_BOUNDSCHECK=1, loops run in order: Numba loses the errors of those that it runs on threads.
    threads = parallel and not numba.config.BOUNDSCHECK  # type: ignore[attr-defined]
    fastmath = _FASTMATH if reorder else _FASTMATH - {"reassoc"}

    def decorate(function: Any) -> Any:
        forms = {threads: _form(function, threads, fastmath)}
        made = forms[threads]
        made.serial = forms.get(False) or _form(function, False, fastmath)
        made.serial.serial = made.serial
        made.origin = made.serial.origin = function.__module__, function.__name__, None
        return made

    return decorate


def _form(function: Any, threads: bool, fastmath: set[str]) -> Any:
    """Compile a function with or without threads."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath, "parallel": threads}
    form: Any = numba.njit(**options)(function)
    if form is function:  # with NUMBA_DISABLE_JIT=1
        return form

    def identify(signature: tuple[Any, ...]) -> Identity:
        module, name, constants = form.origin
        return Identity(module, name, constants, threads, tuple(map(_writable, signature)))

    form._cache = _Loader(form, identify)
    form.identity_of = lambda arguments: identify(tuple(form.typeof_pyval(a) for a in arguments))
    form.weight = _weight(function) * (1 + threads)
    return form


def _writable(kind: Any) -> Any:
    """Return the type of an array that may be written to for one that may not: the same kernel serves both."""
    return kind.copy(readonly=False) if isinstance(kind, numba.types.Array) and not kind.mutable else kind


def _weight(function: Any) -> int:
    """Guess how long a kernel takes to compile: by the length of its code and of the kernels that it calls."""
    code = function.__code__
    called = [function.__globals__.get(name) for name in code.co_names]
    return len(code.co_code) + sum(_weight(k.py_func) for k in called if hasattr(k, "py_func"))


def factory(make: Callable[..., Any]) -> Callable[..., Any]:
    """Declare a function that makes kernels which close over its arguments: numbers, or named tuples of them.

    Parameters
    ----------
    make : callable
        Returns a kernel. Called once for each tuple of arguments.

    Returns
    -------
    callable
        The same, but it remembers each kernel that it made, and the kernel knows how it was made.
    """

    @functools.cache
    def made(*constants: Any) -> Any:
        result = make(*constants)
        result.origin = result.serial.origin = make.__module__, make.__name__, constants
        return result

    return functools.wraps(make)(made)


MOST_CHUNKS = 8


def chunks_of(parts: int, work: int = MOST_CHUNKS, worth: int = 1) -> int:
    """Return into how many chunks to cut work; it depends on shapes alone.

    Parameters
    ----------
    parts : int
        How many there are of what cannot be cut, such as rows or images.
    work, worth : int
        How much there is to do in all, and how much is worth a thread: values, or operations.

    Returns
    -------
    int
        A power of two, so that two threads, or four, have equally much to do, and the same part of the values from one
        kernel to the next.
    """
    return 1 << max(1, min(MOST_CHUNKS, parts, work // worth)).bit_length() - 1


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
