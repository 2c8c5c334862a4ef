"""What a plan depends on besides the parameters of a model: the attributes of its layers."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from itertools import chain
from types import SimpleNamespace
from typing import Any

from tinynet.core.mode import note_change
from tinynet.nn.layer import OWN, Layer
from tinynet.optim.optimizer import Optimizer

_OWN = {*OWN, "learning_rate"}  # the last of optimizers, which plans read anew each time


class _Identity:
    """An object by its identity, in a key; holding it keeps the identity from being given to another."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


class _Configuration:
    """The attributes of all layers, as part of a key; the hash is made once."""

    def __init__(self, values: tuple[Hashable, ...]) -> None:
        self.values, self.hash = values, hash(values)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, _Configuration) and self.values == other.values)

    def __hash__(self) -> int:
        return self.hash


class _Watched:
    """What the configuration of a model was made from, to tell quickly whether that is still so."""

    def __init__(self, thing: Layer | Optimizer) -> None:
        self.places: list[Iterable[Any]] = []  # attributes and the containers among them
        self.containers: list[Iterable[Any]] = []  # which may change without an attribute being set
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
        self.contents = [*map(id, chain.from_iterable(self.containers))]
        self.configuration = _Configuration(tuple(configuration))

    def _plain(self, value: Any) -> Hashable:
        """Return a value as part of a key: a container by what is in it, an object by its identity."""
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


def configuration(thing: Layer | Optimizer) -> Hashable:
    """Return the class and the attributes of every layer, or of an optimizer, as part of a key."""
    kept = vars(thing).setdefault("_watched", {})  # in a dict, so that to keep the last is not itself a change
    watched: _Watched | None = kept.get("last")
    if watched is None or not watched.unchanged():
        watched = kept["last"] = _Watched(thing)
    return watched.configuration


def changeable(things: Iterable[Layer | Optimizer]) -> list[Layer | Optimizer]:
    """Return those things that have a list, a dict or an object of settings among their attributes, as last seen."""
    return [thing for thing in things if vars(thing)["_watched"]["last"].containers]


def note_new_contents(things: Iterable[Layer | Optimizer]) -> None:
    """Note a change if a list, a dict or an object of settings of some things has other contents than last seen."""
    for thing in things:
        watched = vars(thing)["_watched"]["last"]
        if [*map(id, chain.from_iterable(watched.containers))] != watched.contents:
            note_change()
