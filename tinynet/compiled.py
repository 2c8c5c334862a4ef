"""`tn.compile`: functions of ops, traced once and replayed at the speed of the machine."""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor, as_tensor, can_compile, current_backend
from tinynet.core.mode import _tracing, _transaction
from tinynet.core.transaction import within
from tinynet.errors import ArgumentError, RetraceWarning, TraceError
from tinynet.model import Model
from tinynet.nn.layer import nested
from tinynet.ops.dtypes import Number
from tinynet.train.step import engine_room

_MANY_TRACES = 8
_NO_SCOPE: AbstractContextManager[Any] = nullcontext()


class CompiledFunction:
    """What `compile` returns: the function, traced once for each kind of arguments and then replayed.

    Attributes
    ----------
    traces : int
        How often the function was traced so far.
    """

    def __init__(self, function: Callable[..., Any], frozen: bool = False) -> None:
        functools.update_wrapper(self, function, updated=())
        self.function = function
        self.name = str(function) if isinstance(function, Model) else getattr(function, "__name__", "the function")
        self._compiled: Any = None
        self._warned = False
        self._inlined = False  # while it is part of the trace of another
        self._frozen = frozen

    @property
    def traces(self) -> int:
        """How often the function was traced so far."""
        return self._compiled.traces if self._compiled else 0

    def __repr__(self) -> str:
        what = "frozen copy of model" if self._frozen else "model" if isinstance(self.function, Model) else "function"
        return f"<CompiledFunction: {what} {self.name}, traces {self.traces}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function; returns new arrays, nested as the function returns tensors."""
        if _tracing.get():  # as part of another compiled function
            return self._inline(*args, **kwargs)
        if self._frozen and _transaction.get() is not None:
            with within(None):
                results = self._results(args, kwargs)
        else:
            results = self._results(args, kwargs)
        if self.traces > _MANY_TRACES and not self._warned:
            self._warned = True
            warnings.warn(
                f"{self.name} was traced {self.traces} times: for arguments of so many shapes, dtypes or texts, or "
                "because attributes of its layers change. A trace takes long: pass arrays of few shapes",
                RetraceWarning,
                stacklevel=2,
            )
        return results

    def _results(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        backend = current_backend()
        with backend.session():
            if can_compile(backend):
                return nested(self._made().replay(*args, **kwargs), np.array)
            result = self.function(*nested(args, _argument), **nested(kwargs, _argument))
            return nested(result, lambda x: np.array(x.data))

    def _scope(self) -> AbstractContextManager[Any]:
        """Return the block to call the function in: what is frozen takes no part in a step of training."""
        return within(None) if self._frozen and _transaction.get() is not None else _NO_SCOPE

    def _inline(self, *args: Any, **kwargs: Any) -> Any:
        if self._inlined or (self._compiled is not None and self._compiled.under_trace):
            raise TraceError(f"{self.name} calls itself while it is traced; write a loop instead")
        self._inlined = True
        try:
            with self._scope():
                return self.function(*args, **kwargs)
        finally:
            self._inlined = False

    def plan(self, *args: Any, **kwargs: Any) -> Any:
        """Return the plan for such arguments, to be read: ``plan.table()``, ``plan.rows()``, ``print(plan)``."""
        with self._scope(), current_backend().session():
            return self._made().find(*args, **kwargs).plan

    def _made(self) -> Any:
        if self._compiled is None:
            self._compiled = engine_room().Compiled(self.function, self.name)
        return self._compiled


def compile(function: Callable[..., Any], freeze: bool = False) -> CompiledFunction:
    """Compile a function made of ops: it is traced once for each kind of arguments, planned, and then replayed.

    Parameters
    ----------
    function : callable or Model
        Takes arrays, tensors, numbers, texts, None, and lists, tuples and dicts of them; returns a Tensor, or several
        in lists, tuples and dicts. It may call `Optimizer.minimize`, `State.assign` and `tinynet.grad`. Called within
        a step of training (see `tinynet.train_mode`), it is part of that step. A model is compiled as a predictor.
    freeze : bool
        Of a model: copy its parameters and states as they are now; later training does not change the predictor, which
        is inference within a step of training, too. A `BatchNorm` after a convolution or a dense layer is folded into
        its weights.

    Returns
    -------
    callable
        Takes the arguments of the function, and returns new arrays in place of tensors. It is traced again for other
        shapes, dtypes, texts, bools and Nones, in or out of training, and when an attribute of a layer or an optimizer
        that it uses was set. ``traces`` counts how often; more than eight warn. ``plan(...)`` returns the plan for
        some arguments.

    Raises
    ------
    ArgumentError
        If ``function`` is not callable, or ``freeze`` is asked for what is not a model; at a call, if it is passed or
        returns anything other than the above.
    TraceError
        At a call, if the function reads values of tensors, calls itself, or uses a tensor from another trace.

    Notes
    -----
    Arrays that the function reaches from outside, by its closure or as attributes, are read where they are at each
    call, as are parameters and states. Attributes of layers are seen when they are set, also those of dataclasses and
    namespaces among them. Other numbers, texts and objects from outside are what they were at the trace.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.Sequential([tn.Input((2,)), tn.Dense(1, kernel_init="zeros")])
    >>> optimizer, mode = tn.SGD(0.1), tn.train_mode(seed=0)
    >>> @tn.compile
    ... def step(x, y):
    ...     loss = ((model(x) - y) ** 2).mean()
    ...     optimizer.minimize(loss, model)
    ...     return loss
    >>> for _ in range(100):
    ...     with mode:
    ...         loss = step(np.array([[1.0, 2.0]]), np.array([[1.0]]))
    >>> step.traces, float(loss) < 1e-6
    (1, True)
    """
    if not callable(function):
        raise ArgumentError(f"compile takes a function made of ops, or a model, but got {function!r}")
    if not freeze:
        return CompiledFunction(function)
    if not isinstance(function, Model):
        raise ArgumentError(f"compile: only a model can be frozen, but got {function!r}")
    frozen = copy.deepcopy(function)
    frozen.theta.flags.writeable = False
    for leaf in frozen.leaves.values():
        leaf.memory.flags.writeable = False
        leaf.requires_grad = False
    return CompiledFunction(frozen, frozen=True)


def _argument(given: Any) -> Any:
    """Bring an argument into the form that a trace has: arrays and numbers are tensors."""
    if isinstance(given, bool | str) or given is None:
        return given
    return as_tensor(given) if isinstance(given, np.ndarray | Tensor) else Number(given)
