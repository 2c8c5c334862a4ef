"""The samples of models of several inputs: a tuple in the order of the inputs, or a dict with their names."""

from __future__ import annotations

from typing import Any

from tinynet.checks import readers
from tinynet.errors import ArgumentError, ShapeError
from tinynet.nn.input import Input
from tinynet.nn.network import Network
from tinynet.nn.replaced import refuse_replaced
from tinynet.train.samples import split_samples


def in_order(what: str, given: Any, names: list[str]) -> list[Any]:
    """Return the values of a tuple, list or dict in the order of some names, one for each."""
    if isinstance(given, dict):
        if given.keys() != set(names):
            raise ArgumentError(
                f"{what} must have the names {', '.join(names)}, but has {', '.join(map(str, given)) or 'none'}"
            )
        return [given[name] for name in names]
    if not isinstance(given, tuple | list) or len(given) != len(names):
        came = f"{len(given)} of them" if isinstance(given, tuple | list) else f"a {type(given).__name__}"
        raise ArgumentError(
            f"{what} must be a tuple of {len(names)}, for {', '.join(names)} in this order, or a dict with these "
            f"names, but got {came}"
        )
    return list(given)


def split(model: Network, x: Any) -> list[tuple[str, Input, Any]]:
    """Return the name, the input and the data of each argument of a model's forward."""
    refuse_replaced(model)
    inputs = model.entries()
    if len(inputs) == 1:
        (entry,) = inputs.values()
        return [("x", entry, x)]
    given = zip(inputs, in_order("x", x, list(inputs)), strict=True)
    parts = {name: readers[-1](f"x[{name!r}]", part) for name, part in given}
    lengths = {name: len(part) if part.ndim else 0 for name, part in parts.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{n} for {name}" for name, n in lengths.items())
        raise ShapeError(f"x must have as many samples for each input, but has {counts}")
    return [(f"x[{name!r}]", entry, parts[name]) for name, entry in inputs.items()]


split_samples.append(split)
