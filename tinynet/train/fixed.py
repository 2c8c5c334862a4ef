"""Refuse callbacks that replace what a run trains: the step has been made for it, and would go on with the old one."""

from __future__ import annotations

from typing import Any

from tinynet.errors import ArgumentError
from tinynet.train.run import Run


def set_unless_fixed(run: Run, name: str, value: Any) -> None:
    """Set an attribute of a run; its model and its optimizer are set once."""
    if name in ("model", "optimizer") and vars(run).get(name, value) is not value:
        raise ArgumentError(
            f"run.{name} cannot be replaced while it is trained; change what it has, as in "
            f"{'run.optimizer.learning_rate = 0.01' if name == 'optimizer' else 'run.model.layers[1].rate = 0.5'}, or "
            "end the run by run.stop() and call fit again"
        )
    object.__setattr__(run, name, value)


Run.__setattr__ = set_unless_fixed  # type: ignore[assignment, method-assign]
