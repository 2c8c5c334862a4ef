"""How models and runs are kept in files. Training only knows that it can be done; `tinynet.saving` does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tinynet.errors import ArgumentError


class Storage(NamedTuple):
    """What keeps models and runs in files."""

    save_model: Callable[[Any, Path], None]
    save_run: Callable[[Any, Sequence[Path]], None]
    resume_run: Callable[[Any, Path], None]


_chosen: list[Storage] = []


def use_storage(storage: Storage) -> None:
    """Keep models and runs in files by this storage from now on."""
    _chosen[:] = [storage]


def current_storage() -> Storage:
    """Return what keeps models and runs in files."""
    if not _chosen:
        raise ArgumentError("models and runs are saved and resumed by tinynet.saving, which is not there; import it")
    return _chosen[0]
