"""Blocks of code that set switches as decorators: ``@tn.no_grad()``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from tinynet.core.mode import Block
from tinynet.errors import ArgumentError


def _cover(block: Block, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs within the block.

    Raises
    ------
    ArgumentError
        If it is a generator or a coroutine, since its body runs after the call.
    """
    kinds = (inspect.isgeneratorfunction, inspect.isasyncgenfunction, inspect.iscoroutinefunction)
    if any(is_kind(function) for is_kind in kinds):
        raise ArgumentError(
            f"{function.__name__} is a generator or a coroutine, whose body runs after the call of it has ended; "
            "write a with statement inside of it, around what computes and not around a yield"
        )

    @functools.wraps(function)
    def covered(*args: Any, **kwargs: Any) -> Any:
        with Block(*block._switches):
            return function(*args, **kwargs)

    return covered


Block.__call__ = _cover
