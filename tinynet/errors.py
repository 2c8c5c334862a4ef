"""The package's own errors.

Each message says what came, what was expected and what to do. Errors are raised before anything is computed or written.
Each class also is a subclass of the built-in exception that a Python user would expect, so that ``except ValueError``
works, too.
"""

import sys
from pathlib import Path


def user_line() -> str:
    """Return the place of the innermost line under way outside of tinynet, for errors that name it."""
    own, frame = Path(__file__).parent, sys._getframe(1)
    while frame.f_back is not None and own in Path(frame.f_code.co_filename).parents:
        frame = frame.f_back
    return f"line {frame.f_lineno} of {Path(frame.f_code.co_filename).name}"


class TinynetError(Exception):
    """Base class of every error that tinynet raises on purpose."""


class ArgumentError(TinynetError, ValueError):
    """An argument has a value that the function does not take."""


class ShapeError(TinynetError, ValueError):
    """The shapes of arrays, or of a layer and its input, do not fit together."""

    def __init__(self, message: str, located: bool = False) -> None:
        super().__init__(message)
        self.located = located  # whether the message already names the layer


class DTypeError(TinynetError, TypeError, ValueError):
    """An array has a dtype that the operation does not take."""


class DataError(TinynetError, ValueError):
    """The values of a dataset are not usable: labels out of range, NaN or infinity, an empty set."""


class GradientError(TinynetError, RuntimeError):
    """A gradient was requested that does not exist."""


class TraceError(TinynetError, RuntimeError):
    """A value was read while a model was being traced on shapes alone."""


class RetraceWarning(UserWarning):
    """A compiled function is traced again and again."""


class CopiedLayersWarning(UserWarning):
    """A model was made of layers of another model, and has copies of them."""


class NearMissWarning(UserWarning):
    """A new attribute was set whose name is nearly that of another one."""


class NotBuiltError(TinynetError, RuntimeError):
    """A layer or a model was used before it knew the shape of its input."""


class NonFiniteError(TinynetError, ArithmeticError, RuntimeError):
    """A loss or a gradient became NaN or infinite during training; the step changed nothing."""

    def __init__(self, message: str, what: str = "") -> None:
        super().__init__(message)
        self.what = what or message  # the beginning of the message, without the place and the cause


class ThreadingError(TinynetError, RuntimeError):
    """Kernels could not run in a forked process. No longer raised: they now run there, on one thread."""


class KernelBuildError(TinynetError, RuntimeError):
    """A kernel could not be built or kept: the helper process died, or could not start, or the disk is full."""


class DatasetError(TinynetError, OSError):
    """A dataset could not be found, downloaded or stored."""


class FileFormatError(TinynetError, ValueError):
    """A data file is damaged, or is not what its name says."""


class CheckpointError(TinynetError, ValueError):
    """A model file is damaged, is not tinynet's, or does not fit the model."""


class MissingFileError(TinynetError, FileNotFoundError):
    """A model file or a checkpoint does not exist, or is a directory."""


class WriteError(TinynetError, OSError):
    """A file could not be written: the disk is full, or the place is read-only or already taken."""


class MissingPackageError(TinynetError, ImportError):
    """A package that a part of tinynet needs is not installed; an extra brings it."""
