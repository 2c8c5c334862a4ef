"""How ops are made fast: implementations, registered beside the ops as a table of texts.

An implementation writes the outputs of an op into arrays that the caller owns. It is looked up at the op's first use,
so that importing tinynet imports no kernel. An op without one is computed by its meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import import_module
from itertools import starmap
from typing import Any

import numpy as np

from tinynet.core.engine import Op, meaning, specs_of
from tinynet.core.spec import Array, Spec, broadcast_shapes
from tinynet.fast.threads import kernel_gate, runnable, use_threads
from tinynet.ops.pointwise import Elementwise

Call = tuple[Callable[..., Any], tuple[Any, ...]]


@dataclass(frozen=True)
class Implementation:
    """How an op is computed on arrays that are there already.

    Parameters
    ----------
    bind : callable, optional
        ``bind(*outputs, *scratch, *inputs, **attrs)`` returns ``(function, *arguments)``: a call that can be made again
        and again and prepares nothing. Without one, the op is computed by its meaning.
    scratch : callable, optional
        ``scratch(*inputs, **attrs)`` returns the Specs of working arrays.
    inplace : int
        The first `inplace` outputs overwrite the inputs at the same positions. Only plans use such ops: only they know
        that nobody reads those inputs afterwards.
    contiguous : bool
        It takes C-contiguous inputs only; the caller copies where needed.
    threaded : bool
        True if what it binds is no kernel but calls one that runs threads: it then goes through the gate, as a kernel
        that runs threads does in any case.
    ufunc : numpy.ufunc, optional
        The function of NumPy that it is. Where the output may be a new array, it is called directly.
    """

    bind: Callable[..., tuple[Any, ...]] | None = None
    scratch: Callable[..., tuple[Spec, ...]] | None = None
    inplace: int = 0
    contiguous: bool = False
    threaded: bool = False
    ufunc: np.ufunc | None = None


_registered: dict[Op, str | Implementation] = {}
_found: dict[Op, Implementation] = {}


def implement(op: Op, where: str | Implementation) -> None:
    """Register the implementation of an op.

    Parameters
    ----------
    op : Op
        The op itself; another one of the same name is another op.
    where : str or Implementation
        A module and a name in it, "module:name", that holds the implementation; or the implementation itself.
    """
    _registered[op] = where
    _found.pop(op, None)


def implementation(op: Op) -> Implementation:
    """Return the implementation of an op; one that computes its meaning where none is registered."""
    found = _found.get(op)
    if found is None:
        found = _found[op] = _find(op)
    return found


def _find(op: Op) -> Implementation:
    where = _registered.get(op)
    if isinstance(where, Implementation):
        return where
    if where is not None:
        module, name = where.split(":")
        found: Implementation = getattr(import_module(module), name)
        return found
    if isinstance(op.compute, np.ufunc) and op.compute.nout == 1:
        return Implementation(partial(bind_ufunc, op), ufunc=op.compute)
    return Implementation()


def bind_ufunc(op: Op, out: Array, *inputs: Array, **attrs: Any) -> tuple[Any, ...]:
    """Bind a function of NumPy that computes an op to write into ``out``, if that is of the shape and dtype it makes.

    Otherwise NumPy would repeat or convert what it makes; the meaning of the op says what is wrong.
    """
    function: np.ufunc = op.compute  # type: ignore[assignment]
    if not attrs and len(inputs) == function.nin and broadcast_shapes(*[a.shape for a in inputs]) == out.shape:
        *_, dtype = function.resolve_dtypes((*[a.dtype for a in inputs], None))
        if dtype == out.dtype:
            return partial(function, out=out), *inputs
    return store_meaning, op, (out,), inputs, attrs


def bound_call(
    op: Op,
    outputs: tuple[Array, ...],
    scratch: tuple[Array, ...],
    inputs: tuple[Array, ...],
    attrs: dict[str, Any],
) -> Call:
    """Return the function and the arguments that compute an op on arrays. Outputs that are inputs are not given."""
    found = implementation(op)
    if found.bind is None:
        return store_meaning, (op, outputs, inputs, attrs)
    call = found.bind(*outputs, *scratch, *inputs, **attrs)
    return runnable(call[0]), call[1:]


def store_meaning(op: Op, outputs: tuple[Array, ...], inputs: tuple[Array, ...], attrs: dict[str, Any]) -> None:
    """Compute an op by its meaning, and copy what it makes into arrays that are there."""
    for out, made in zip(outputs, meaning(op, inputs, attrs), strict=True):
        out[...] = made


def evaluate(op: Op, arrays: tuple[Array, ...], attrs: dict[str, Any]) -> tuple[Array, ...]:
    """Compute an op on arrays, in new arrays: eager execution of one op."""
    found = implementation(op)
    if found.ufunc and isinstance(op, Elementwise) and _makes(op, *[a.dtype for a in arrays]):
        return (_elementwise(op, found.ufunc, arrays),)
    if found.contiguous:
        arrays = tuple([a if a.flags.c_contiguous else np.asarray(a, order="C") for a in arrays])
    if found.bind is None:
        return meaning(op, arrays, attrs)
    changed = found.inplace
    if changed:
        arrays = (*(a.copy() for a in arrays[:changed]), *arrays[changed:])
    outputs = [*starmap(np.empty, specs_of(op.infer(*arrays, **attrs))[changed:])]
    scratch = starmap(np.empty, found.scratch(*arrays, **attrs)) if found.scratch else ()
    function, *arguments = found.bind(*outputs, *scratch, *arrays, **attrs)
    function = runnable(function)
    serial = getattr(function, "serial", None)  # of a kernel, which warns of nothing
    if found.threaded or (serial and serial is not function):
        with kernel_gate():
            use_threads()
            _quietly(function, *arguments)
    elif serial:
        function(*arguments)
    else:
        _quietly(function, *arguments)
    return (*arrays[:changed], *outputs)


@lru_cache(maxsize=1024)
def _makes(op: Op, *dtypes: np.dtype[Any]) -> bool:
    """Return whether the function of NumPy that an op is makes the dtype that the op states."""
    (spec,) = specs_of(op.infer(*[Spec((), dtype) for dtype in dtypes]))
    *_, made = op.compute.resolve_dtypes((*dtypes, None))  # type: ignore[attr-defined]
    return bool(made == spec.dtype)


@np.errstate(all="ignore")
def _elementwise(op: Op, function: np.ufunc, arrays: tuple[Array, ...]) -> Array:
    """Let NumPy make the output of an elementwise op, of the shape that it knows."""
    try:
        return np.asarray(function(*arrays, order="C"))
    except ValueError:
        op.infer(*arrays)  # which says what does not broadcast
        raise


@np.errstate(all="ignore")
def _quietly(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function without NumPy's warnings of what is not finite."""
    return function(*arguments)
