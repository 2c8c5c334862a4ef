"""Which arrays of a file are parameters, states and constants, and where each belongs in the model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import onnx

from tinynet.core.spec import Array

MOST_INLINE = 1024  # values of an array that is kept as text in a model file; a larger one is a state
_DEPTH = 16  # of parts within parts

Uses = Mapping[str, Sequence[tuple[onnx.NodeProto, int]]]  # of each array, the nodes and the numbers of their inputs

# Inputs of operators that are not parameters, though they are arrays of floats.
SETTINGS = {"Clip": (1, 2), "Pad": (2,), "Dropout": (1,), "Pow": (1,), "OneHot": (1, 2), "Range": (0, 1, 2)}
_RUNNING = {"BatchNormalization": (3, 4)}  # those that are states


def uses_of(nodes: Sequence[onnx.NodeProto]) -> dict[str, list[tuple[onnx.NodeProto, int]]]:
    """Return where each value is used."""
    found: dict[str, list[tuple[onnx.NodeProto, int]]] = {}
    for node in nodes:
        for i, name in enumerate(node.input):
            found.setdefault(name, []).append((node, i))
    return found


def sort_arrays(
    arrays: Mapping[str, Array], large: Mapping[str, Array], uses: Uses, dtype: str
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Sort arrays out: which are part of the model.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        The tensors of the file.
    large : mapping of str to ndarray
        Constants of nodes that are too large to be kept as text.
    uses : mapping
        See `uses_of`.
    dtype : str
        The floating dtype of the file.

    Returns
    -------
    dict
        By name, a description of each parameter and state; the others are constants.
    dict of str to ndarray
        Their values, by their names in the model.
    """
    leaves: dict[str, Any] = {}
    values: dict[str, Array] = {}
    taken: Counter[str] = Counter()
    for name, array in {**arrays, **large}.items():
        role = _role(name, array, uses, dtype, name in large)
        if role == "constant":
            continue
        order = _stored_order(uses.get(name, ()), array.ndim)
        path = _free_path(name, taken)
        values[".".join(path)] = array.transpose(order)
        leaves[name] = {
            "path": path,
            "shape": [array.shape[a] for a in order],
            "order": list(order),
            "state": role == "state",
            "dtype": None if str(array.dtype) == dtype else str(array.dtype),
        }
    return leaves, values


def _role(name: str, array: Array, uses: Uses, dtype: str, constant: bool) -> str:
    """Return what an array is: arrays of floats are parameters, unless an operator takes them otherwise."""
    places = [(i, node.op_type) for node, i in uses.get(name, ())]
    if array.size and array.ndim and str(array.dtype) == dtype and not constant:
        if all(i in _RUNNING.get(kind, ()) for i, kind in places):
            return "state"
        if not any(i in SETTINGS.get(kind, ()) for i, kind in places):
            return "parameter"
    return "state" if array.size > MOST_INLINE else "constant"


def _stored_order(uses: Sequence[tuple[onnx.NodeProto, int]], rank: int) -> tuple[int, ...]:
    """Return the order in which a parameter lies in the model: that in which its ops take it."""
    orders = {_taken_order(node, i, rank) for node, i in uses}
    return orders.pop() if len(orders) == 1 else tuple(range(rank))


def _taken_order(node: onnx.NodeProto, i: int, rank: int) -> tuple[int, ...]:
    if node.op_type in ("Conv", "ConvTranspose") and i == 1 and rank > 2:
        return (*range(2, rank), 1, 0)
    turned = any(one.name == "transB" and one.i for one in node.attribute)
    return (1, 0) if node.op_type == "Gemm" and i == 1 and rank == 2 and turned else tuple(range(rank))


def _free_path(name: str, taken: Counter[str]) -> list[str]:
    """Cut a name at its dots and slashes into the path of a parameter that is not there yet."""
    steps = [step for step in re.split(r"[./]", name) if step] or ["array"]
    path = [*steps[: _DEPTH - 1], "_".join(steps[_DEPTH - 1 :])] if len(steps) >= _DEPTH else steps
    last = path[-1]
    while taken[".".join(path)]:
        taken[".".join([*path[:-1], last])] += 1
        path[-1] = f"{last}_{taken['.'.join([*path[:-1], last])] - 1}"
    taken[".".join(path)] += 1
    return path
