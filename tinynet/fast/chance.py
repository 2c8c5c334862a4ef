"""Whether a trace draws random numbers other than those of `tinynet.random`: a plan would repeat them for ever."""

from __future__ import annotations

import functools
import random
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar

import numpy as np

from tinynet.core.engine import Tensor, ancestors, is_constant
from tinynet.core.mode import tracing
from tinynet.errors import NotBuiltError, TraceError
from tinynet.nn.layer import OWN, Layer
from tinynet.nn.network import Network

T = TypeVar("T")

_ADVICE = (
    "which a compiled function would repeat for ever; draw them by tn.random within a step of training, pass them as "
    "arguments, or compute without compiling (compiled=False)"
)


def without_chance(name: str, function: Any, run: Callable[[], tuple[T, Sequence[Tensor]]]) -> T:
    """Trace something, and check that a trace of it is always the same.

    Parameters
    ----------
    name : str
        What it is; for the error.
    function : object
        A callable, or a list of them, through which all is reached that the trace depends on.
    run : callable
        Traces it; returns a result, and the tensors that were made. It is run again if the first one made arrays
        of its own: nobody else can change them, but they may be random. So may its numbers be, if it speaks of a
        module for random numbers; it is then run many times, since a mask of few bits is often the same twice.

    Returns
    -------
    object
        The result.

    Raises
    ------
    TraceError
        If random numbers are drawn.
    """
    chance = _Chance(function)
    with tracing():
        result, made = run()
        chance.check(name)
        fresh = _fresh_arrays(made, chance.suspected)
        # A single bit that is drawn anew is the same in all of 20 traces in one case of a million.
        if fresh and not all(
            _fresh_arrays(run()[1], chance.suspected) == fresh for _ in range(20 if chance.suspected else 1)
        ):
            raise TraceError(f"{name} makes other arrays when it is traced again, as of random numbers, {_ADVICE}")
    return result


class _Chance:
    """The random generators that a function can reach, as they are before it is traced.

    Models that it reaches are built now, which may draw.

    Attributes
    ----------
    suspected : bool
        Whether there are others, whose state cannot be read, or which the function may make.
    """

    def __init__(self, function: Any) -> None:
        found = list(_reachable(function))
        for model in found:
            if isinstance(model, Network) and model.building is None:
                try:
                    model.build_model()
                except NotBuiltError:  # it will be built by what it is given
                    continue
        self.generators = [thing for thing in found if isinstance(thing, _GENERATORS)]
        self.suspected = any(thing is _SUSPECT for thing in found)
        self.before = self._states()

    def _states(self) -> list[Any]:
        own = [repr(_state(generator)) for generator in self.generators]
        # NumPy's own generator, which is only read; its 624 numbers as bytes, since a text of them takes long.
        users = (part.tobytes() if isinstance(part, np.ndarray) else part for part in np.random.get_state())  # noqa: NPY002
        return [random.getstate(), *users, *own]

    def check(self, name: str) -> None:
        """Raise a TraceError if a generator has drawn since."""
        if self._states() != self.before:
            raise TraceError(f"{name} draws random numbers while it is traced, {_ADVICE}")


def _state(generator: Any) -> Any:
    generator = getattr(generator, "bit_generator", generator)  # of a np.random.Generator
    if isinstance(generator, np.random.BitGenerator):
        return generator.state
    return generator.get_state() if isinstance(generator, np.random.RandomState) else generator.getstate()


_GENERATORS = np.random.Generator, np.random.BitGenerator, np.random.RandomState, random.Random
_SUSPECT = object()
_PLAIN = int, float, str, bytes, type(None), np.ndarray, np.generic
_OTHERS = {"numpy", "numba", "llvmlite", "scipy", *sys.stdlib_module_names}  # where nothing of the user's is
_NOT_THE_USERS = {"tinynet", *_OTHERS}  # whose functions draw nothing by themselves


def _reachable(function: Any) -> Iterator[Any]:
    """Yield the generators and the networks that a function can reach, and what else makes random numbers."""
    seen: dict[int, Any] = {}
    stack = [function]
    while stack:
        thing = stack.pop()
        if id(thing) in seen or isinstance(thing, _PLAIN):
            continue
        seen[id(thing)] = thing  # so that no other gets its identity
        if isinstance(thing, random.SystemRandom) or _makes_chance(thing):
            yield _SUSPECT
        elif isinstance(thing, (*_GENERATORS, Network)):
            yield thing
        if not isinstance(thing, _GENERATORS):
            stack += _parts(thing)


def _parts(thing: Any) -> list[Any]:
    """Return what a thing can reach directly: by closure, globals, attributes, methods."""
    if isinstance(thing, types.FunctionType):
        return [] if _package(thing) in _NOT_THE_USERS else _parts_of_function(thing)
    if isinstance(thing, list | tuple | set | frozenset):
        return list(thing)
    if isinstance(thing, dict):
        return list(thing.values())
    if isinstance(thing, types.MethodType):
        return [thing.__self__, thing.__func__]
    if isinstance(thing, functools.partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    if isinstance(thing, property | staticmethod | classmethod):
        return [thing.fget if isinstance(thing, property) else thing.__func__]
    of_others = _package(type(thing)) in _OTHERS or type(thing).__module__.startswith("tinynet.fast")
    if of_others or isinstance(thing, types.ModuleType | type):
        return []
    classes = [cls for cls in type(thing).__mro__ if _package(cls) not in _NOT_THE_USERS]
    left_out = OWN if isinstance(thing, Layer) else ()
    attributes = [value for name, value in getattr(thing, "__dict__", {}).items() if name not in left_out]
    return [*attributes, *chain.from_iterable(vars(cls).values() for cls in classes)]


def _parts_of_function(function: types.FunctionType) -> list[Any]:
    names: set[str] = set()
    codes = [function.__code__]
    while codes:  # with those of functions and comprehensions within
        code = codes.pop()
        names.update(code.co_names)
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    found = [function.__globals__.get(name) for name in names]
    found += [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]
    modules = [vars(thing) for thing in found if isinstance(thing, types.ModuleType) and _package(thing) != "tinynet"]
    found += [module[name] for module in modules for name in names & module.keys()]
    return [*found, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]


def _package(thing: Any) -> str:
    name = thing.__name__ if isinstance(thing, types.ModuleType) else getattr(thing, "__module__", "")
    return str(name or "").split(".")[0]


def _makes_chance(thing: Any) -> bool:
    """Whether something is a module that makes random numbers, or a function or a class of one."""
    if isinstance(thing, types.ModuleType):
        return thing.__name__ in ("random", "secrets", "numpy.random")
    if not isinstance(thing, type | types.BuiltinFunctionType | types.FunctionType):
        return False
    return _package(thing) in ("random", "secrets") or str(thing.__module__).startswith("numpy.random")


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _fresh_arrays(outputs: Sequence[Tensor], constants: bool) -> list[bytes]:
    """Return the values of arrays that a trace itself made and nobody else holds, and those of constants if asked."""
    leaves = {id(x): x for node in ancestors(outputs) for x in node.inputs if x.node is None}
    made = [x for x in leaves.values() if type(x) is Tensor and not x.symbolic and not x.requires_grad]
    fresh = [x.memory for x in made if (constants if is_constant(x) else _holders(x.memory) <= _ONE)]
    return sorted(array.tobytes() for array in fresh)


def _holders(array: Any) -> int:
    """Count who holds an array, or the one that it is a view of, such as a model's theta; this function included."""
    holders = [sys.getrefcount(array)]
    while isinstance(array.base, np.ndarray):
        array = array.base
        holders.append(sys.getrefcount(array))
    return max(holders)


_single = Tensor(np.zeros(1))
_ONE = _holders(_single.memory)  # of an array that one tensor alone holds; versions of Python count differently
