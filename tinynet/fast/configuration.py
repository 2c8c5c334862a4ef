"""What a plan depends on besides the parameters of a model: the attributes of its layers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from types import SimpleNamespace
from typing import Any

from tinynet.nn.layer import OWN, Layer
from tinynet.optim.optimizer import Optimizer

_OWN = {*OWN, "learning_rate"}  # the last of optimizers, which plans read anew each time


class _Identity:
    """An object by its identity, to be compared; holding it keeps the identity from being given to another."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.value is other.value


class Watched:
    """The class and the attributes of every layer, or of an optimizer; and whether they are still so.

    Attributes
    ----------
    configuration : tuple
        All of it, to be compared.
    containers : list of iterable
        The lists, dicts and objects of settings among the attributes, which may change without one being set.
    """

    def __init__(self, thing: Layer | Optimizer) -> None:
        self.places: list[Iterable[Any]] = []  # attributes and the containers among them
        self.containers: list[Iterable[Any]] = []
        self.records: set[int] = set()  # the identities of objects of settings, which may hold each other
        configuration: list[Any] = []
        for part in [layer for _, layer in thing.walk()] if isinstance(thing, Layer) else [thing]:
            self.places.append(vars(part).values())
            configuration.append(type(part))
            live = part.live if isinstance(part, Optimizer) else ()  # of these, only whether they are 0
            kept = {name: value for name, value in vars(part).items() if name not in _OWN}
            configuration += [self._plain(bool(kept[name]) if name in live else kept[name]) for name in kept]
        self.held = [*chain.from_iterable(self.places)]  # so that no other object gets the identity of one of these
        self.identities = [*map(id, self.held)]
        self.configuration = tuple(configuration)

    def _plain(self, value: Any) -> Any:
        """Return a value as it is compared: a container by what is in it, an object by its identity."""
        if isinstance(value, dict):
            self.places += [value.keys(), value.values()]
            self.containers += [value.keys(), value.values()]
            return dict, *(self._plain(part) for item in value.items() for part in item)
        if isinstance(value, list | tuple):
            self.places.append(value)
            self.containers += [value] if isinstance(value, list) else []
            return type(value), *map(self._plain, value)
        if _is_record(value) and id(value) not in self.records:
            self.records.add(id(value))
            frozen = getattr(getattr(type(value), "__dataclass_params__", None), "frozen", False)
            return _Identity(value), self._plain(tuple(vars(value).items()) if frozen else vars(value))
        return (type(value), value) if isinstance(value, bool | int | float | str | None) else _Identity(value)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()  # a copy of the optimizer is looked at anew

    def unchanged(self) -> bool:
        """Whether every attribute of every layer, and every part of one, is the same object as then."""
        return [*map(id, chain.from_iterable(self.places))] == self.identities


def _is_record(value: Any) -> bool:
    """Return whether an object is one of settings: of a dataclass, or a namespace."""
    record = isinstance(value, SimpleNamespace) or hasattr(type(value), "__dataclass_fields__")
    return record and hasattr(value, "__dict__") and not isinstance(value, Layer | Optimizer)


def watch(thing: Layer | Optimizer) -> Watched:
    """Return the attributes of every layer, or of an optimizer, as they are now."""
    kept = vars(thing).setdefault("_watched", {})  # in a dict, so that to keep the last is not itself a change
    watched: Watched | None = kept.get("last")
    if watched is None or not watched.unchanged():
        watched = kept["last"] = Watched(thing)
    return watched


def contents_of(containers: Iterable[Iterable[Any]]) -> list[int]:
    """Return the identities of what is in some containers."""
    return [id(part) for container in containers for part in container]
