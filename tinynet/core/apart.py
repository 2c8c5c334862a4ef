"""Inference in the middle of a step of training."""

from __future__ import annotations

from contextlib import AbstractContextManager

from tinynet.core.mode import _transaction
from tinynet.core.transaction import Transaction, within


def apart() -> AbstractContextManager[Transaction | None]:
    """Return a block of inference; in the middle of a step, it uses the values that the step has written."""
    if (transaction := _transaction.get()) is not None:
        transaction.flush()
    return within(None)
