"""Models and runs in files: written whole or not at all, checked when they are read, and nothing in them executed.

Importing this defines `Model.save`, `Run.save` and `Run.resume`, which `fit(resume=...)` uses.
"""

from tinynet.saving import checkpoint  # noqa: F401 - which adds to runs how they are saved
from tinynet.saving.model import load

__all__ = ["load"]
