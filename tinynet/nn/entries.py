"""Models of several inputs: an `Input` for each argument of ``forward``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from tinynet.errors import ArgumentError, NotBuiltError
from tinynet.nn.input import Input
from tinynet.nn.network import Network

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@lru_cache(maxsize=256)
def _required(forward: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the arguments of a method that have no default, without self."""
    arguments = list(inspect.signature(forward).parameters.values())[1:]
    return tuple(a.name for a in arguments if a.kind in _POSITIONAL and a.default is inspect.Parameter.empty)


def entries(model: Network) -> dict[str, Input]:
    """Return the `Input` of each argument of ``forward``, by the name of the argument.

    They are the inputs of the model in the order in which they were assigned, one for each argument without a default.
    If there is only one, it takes all arguments.
    """
    names = _required(type(model).forward)
    if len(names) < 2:
        return dict.fromkeys(names or ["x"], model.input)
    if model._implied_input is not None:
        raise ArgumentError(
            f"model {model}: input_shape is that of one input, but forward takes {', '.join(names)}; leave it out, "
            "assign a tn.Input(shape) for each, in this order, and call these in forward"
        )
    found = list({id(layer): layer for _, layer in model.walk() if isinstance(layer, Input)}.values())
    if len(found) == 1:
        found *= len(names)
    if len(found) < len(names):
        raise NotBuiltError(
            f"model {model}: forward takes {', '.join(names)}, but there are {len(found)} inputs; assign a "
            "tn.Input(shape) for each, in this order, and call these in forward"
        )
    return dict(zip(names, found, strict=False))


Network.entries = entries  # type: ignore[assignment, method-assign]
