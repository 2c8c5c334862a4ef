"""Large arrays of a state, which become tensors of a file; the rest of the state is text."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.core.spec import Array
from tinynet.saving.form import conforms

_LEAST = 64  # values; an array of more is kept apart, and smaller ones are text
_MARK = "an array of the file"
_FORM = {_MARK: str, "shape": [int], "dtype": str}


def apart(state: Any, arrays: dict[str, Array]) -> Any:
    """Move the large arrays of a state to a dictionary; returns the state with descriptions in their place.

    Parameters
    ----------
    state : object
        Numbers, texts, arrays, lists and dictionaries.
    arrays : dict of str to ndarray
        The dictionary, in which their names are numbers.

    Returns
    -------
    object
        Of the same form.

    Examples
    --------
    >>> import numpy as np
    >>> arrays = {}
    >>> apart({"best": [np.zeros((8, 9))]}, arrays)
    {'best': [{'an array of the file': 'callbacks.0', 'shape': [8, 9], 'dtype': 'float64'}]}
    """
    if isinstance(state, dict):
        return {name: apart(value, arrays) for name, value in state.items()}
    if isinstance(state, list | tuple):
        return [apart(value, arrays) for value in state]
    if not isinstance(state, np.ndarray) or state.size < _LEAST or state.dtype.kind not in "fiub":
        return state
    name = f"callbacks.{len(arrays)}"
    arrays[name] = state
    return {_MARK: name, "shape": list(state.shape), "dtype": str(state.dtype)}


def examples(state: Any) -> dict[str, Array]:
    """Return examples of the arrays that a state describes; they take no memory, whatever shape it claims.

    Raises
    ------
    TypeError, ValueError
        If there is no such array.
    """
    if isinstance(state, dict) and _MARK in state:
        if not conforms(state, _FORM) or min(state["shape"], default=0) < 0 or math.prod(state["shape"]) > 2**40:
            raise ValueError(f"{state} is no array")
        return {state[_MARK]: np.broadcast_to(np.zeros((), np.dtype(state["dtype"])), state["shape"])}
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, list) else []
    return {name: array for part in parts for name, array in examples(part).items()}


def together(state: Any, arrays: dict[str, Array]) -> Any:
    """Put arrays back into the places from which `apart` took them."""
    if isinstance(state, dict):
        if _MARK in state:
            return arrays[state[_MARK]]
        return {name: together(value, arrays) for name, value in state.items()}
    return [together(value, arrays) for value in state] if isinstance(state, list) else state
