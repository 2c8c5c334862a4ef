"""The engine room: the same graphs at the speed of the machine. Importing it imports no kernel."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tinynet.core.engine import Backend, use_backend
from tinynet.fast import bindings  # noqa: F401 - registers the implementations of the ops
from tinynet.fast.implementation import evaluate
from tinynet.fast.threads import session


def _watch(tell: Callable[[Any], None]) -> AbstractContextManager[None]:
    from tinynet.fast.kernels import build

    return build.watch(tell)


use_backend(Backend(evaluate, session, _watch))
