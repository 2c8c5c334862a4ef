"""The parameters and states of a model as arrays by name: `Model.get_weights` and `Model.set_weights`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_numbers
from tinynet.core.engine import Tensor
from tinynet.core.spec import Array
from tinynet.core.transaction import training
from tinynet.errors import ArgumentError, DTypeError
from tinynet.nn.network import Network


class Unmatched(NamedTuple):
    """Names that `set_weights` left out: of the model, and of the mapping."""

    missing: list[str]
    unexpected: list[str]


def get_weights(model: Network) -> dict[str, Array]:
    """Return copies of all parameters and states, by name, such as "dense.weight" and "batch_norm.mean".

    Returns
    -------
    dict of str to ndarray
        New arrays, in the order of the layers.

    Examples
    --------
    >>> import tinynet as tn
    >>> model = tn.Sequential([tn.Input((2,)), tn.Dense(1, kernel_init="zeros")])
    >>> model.get_weights()
    {'dense.weight': array([[0.],
           [0.]], dtype=float32), 'dense.bias': array([0.], dtype=float32)}
    """
    return {name: leaf.data.copy() for name, leaf in model.leaves.items()}


def set_weights(model: Network, weights: Mapping[str, npt.ArrayLike], strict: bool = True) -> Unmatched:
    """Set parameters and states, all or none.

    Parameters
    ----------
    weights : mapping of str to array_like
        Values by the names of `get_weights`, of the same shapes; they are converted to the dtypes of the model.
    strict : bool
        Whether unknown and missing names are refused; otherwise both are left out.

    Returns
    -------
    Unmatched
        The names that were left out: ``missing`` and ``unexpected``. Both are empty if ``strict``.

    Raises
    ------
    ArgumentError
        If names are missing or unexpected, or shapes differ. The error lists all of them, and nothing was written. Also
        within a step of training.
    DTypeError
        If a value is not an array of numbers, or would be cut, such as fractions for a state of integers.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.Sequential([tn.Input((2,)), tn.Dense(1)], seed=0)
    >>> model.set_weights({"dense.bias": [0.5], "other.bias": [1.0]}, strict=False)
    Unmatched(missing=['dense.weight'], unexpected=['other.bias'])
    >>> model.parameters["dense.bias"].data
    array([0.5], dtype=float32)
    """
    if not isinstance(weights, Mapping):
        raise ArgumentError(
            f'{model}: weights must map names to arrays, such as {{"dense.bias": ...}}, but got a '
            f"{type(weights).__name__}"
        )
    if training():
        raise ArgumentError(f"{model}: set_weights writes at once, so call it before or after a step of training")
    leaves, given = model.leaves, {name: check_numbers(f"{model}: {name}", value) for name, value in weights.items()}
    unmatched = Unmatched([n for n in leaves if n not in given], [str(n) for n in given if n not in leaves])
    both = {name: (leaf, given[name]) for name, leaf in leaves.items() if name in given}
    faults = [
        f"{name} has shape {array.shape} instead of {leaf.shape}"
        for name, (leaf, array) in both.items()
        if leaf.shape != array.shape
    ]
    if strict and unmatched.missing:
        faults.append(f"missing: {', '.join(unmatched.missing)}")
    if strict and unmatched.unexpected:
        faults.append(f"unexpected: {', '.join(unmatched.unexpected)}")
    if faults:
        hint = "; with strict=False, names that do not match are left out" if strict and any(unmatched) else ""
        raise ArgumentError(f"{model}: the weights do not fit, and nothing was written: {'; '.join(faults)}{hint}")
    for name, (leaf, array) in both.items():
        _check_kind(f"{model}: {name}", leaf, array)
    for leaf, array in both.values():
        leaf.memory[...] = array
        leaf.version += 1
    return unmatched


def _check_kind(what: str, leaf: Tensor, array: Array) -> None:
    """Check that values can be converted without a loss: to floats, or to integers of the same kind."""
    if leaf.dtype.kind != "f" and not np.can_cast(array.dtype, leaf.dtype, "same_kind"):
        raise DTypeError(f"{what} holds {leaf.dtype}, but got {array.dtype}; convert the array first")


def _set_theta(model: Network, value: Any) -> None:
    """Allow ``model.theta -= step``, which has already written into the vector, and refuse another vector."""
    if value is not model.theta:
        raise ArgumentError(f"model {model}: theta cannot be replaced; write into it: model.theta[...] = values")


Network.theta = Network.theta.setter(_set_theta)  # type: ignore[method-assign, attr-defined]
Network.get_weights = get_weights
Network.set_weights = set_weights
