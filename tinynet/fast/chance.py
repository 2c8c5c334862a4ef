"""Whether a trace draws random numbers other than those of `tinynet.random`: a plan would repeat them for ever."""

from __future__ import annotations

import functools
import random
import sys
import types
from collections.abc import Callable, Iterator, Sequence
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
        Traces it; returns a result, and the tensors that were made. It is run a second time if the first one made
        arrays of its own: nobody else can change them, but they may be random.

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
        fresh = _fresh_arrays(made)
        if fresh and _fresh_arrays(run()[1]) != fresh:
            raise TraceError(f"{name} makes other arrays when it is traced again, as of random numbers, {_ADVICE}")
    return result


class _Chance:
    """The random generators that a function can reach, as they are before it is traced.

    Models that it reaches are built now, which may draw.
    """

    def __init__(self, function: Any) -> None:
        found = list(_reachable(function, set()))
        for model in found:
            if isinstance(model, Network) and model.building is None:
                try:
                    model.build_model()
                except NotBuiltError:  # it will be built by what it is given
                    continue
        self.generators = [thing for thing in found if not isinstance(thing, Network)]
        self.before = self._states()

    def _states(self) -> list[Any]:
        own = [repr(_state(generator)) for generator in self.generators]
        return [random.getstate(), repr(np.random.get_state()), *own]  # noqa: NPY002 - the user's, which is only read

    def check(self, name: str) -> None:
        """Raise a TraceError if a generator has drawn since."""
        if self._states() != self.before:
            raise TraceError(f"{name} draws random numbers while it is traced, {_ADVICE}")


def _state(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.get_state() if isinstance(generator, np.random.RandomState) else generator.getstate()


def _reachable(thing: Any, seen: set[int]) -> Iterator[Any]:
    """Yield the generators and the networks that a function can reach: by closure, globals, attributes of layers."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    parts: list[Any] = []
    if isinstance(thing, np.random.Generator | np.random.RandomState | random.Random):
        yield thing
    elif isinstance(thing, Layer):
        if isinstance(thing, Network):
            yield thing
        parts = [*(value for name, value in vars(thing).items() if name not in OWN), type(thing).forward]
    elif isinstance(thing, types.MethodType) and hasattr(thing.__self__, "__dict__"):
        parts = [thing.__self__, thing.__func__, *vars(thing.__self__).values()]
    elif isinstance(thing, functools.partial):
        parts = [thing.func, *thing.args, *thing.keywords.values()]
    elif isinstance(thing, types.FunctionType) and (thing.__module__ or "").split(".")[0] != "tinynet":
        parts = [thing.__globals__.get(name) for name in thing.__code__.co_names]
        parts += [cell.cell_contents for cell in thing.__closure__ or () if _filled(cell)]
    elif isinstance(thing, list | tuple | dict):
        parts = list(thing.values() if isinstance(thing, dict) else thing)
    for part in parts:
        yield from _reachable(part, seen)


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _fresh_arrays(outputs: Sequence[Tensor]) -> list[bytes]:
    """Return the values of arrays that the trace itself made, and that nobody else holds."""
    leaves = {id(x): x for node in ancestors(outputs) for x in node.inputs if x.node is None}
    made = [x for x in leaves.values() if type(x) is Tensor and not x.symbolic and not x.requires_grad]
    alone = [x.memory for x in made if not is_constant(x) and sys.getrefcount(x.memory) <= 2]
    return sorted(array.tobytes() for array in alone)
