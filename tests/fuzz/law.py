"""What holds of every reader, whatever the bytes: it reads them, or raises an error of tinynet's, and does no more."""

import os
import sys
import time
import traceback
import warnings
from contextlib import contextmanager
from pathlib import Path

import tinynet as tn
from tinynet.errors import TinynetError

PACKAGE = Path(tn.__file__).parent
MOST_SECONDS = 10.0  # of processor time

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_ACTS = (
    "exec", "ctypes.dlopen", "marshal.loads", "pickle.find_class", "subprocess.Popen", "os.system", "os.exec",
    "os.posix_spawn", "os.fork", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink",
    "os.truncate", "os.chmod", "os.chown", "shutil.move", "shutil.rmtree", "socket.connect", "socket.bind",
)  # fmt: skip
_watch = {"installed": False, "may_write": None, "seen": None}


class BreachError(AssertionError):
    """A reader did what none may do. Its ``key`` is the same for the same fault."""

    def __init__(self, what, error=None):
        self.key = f"{what} in {_place(error)}"
        super().__init__(self.key)


def check(read, may_write=None):
    """Read, and check that the law holds; ``may_write`` is a directory in which files may be written.

    Returns whether it read well; a breach is a `BreachError`.
    """
    began = time.process_time()
    good, failure = True, None
    with warnings.catch_warnings(), _watched(may_write) as seen:
        warnings.simplefilter("error")
        try:
            read()
        except TinynetError as error:
            good, failure = False, error
        except Warning as warning:
            if not type(warning).__module__.startswith("tinynet"):
                raise BreachError(type(warning).__name__, warning) from warning
        except MemoryError as error:
            raise BreachError("MemoryError", error) from error
        except (Exception, SystemExit) as error:
            raise BreachError(type(error).__name__, error) from error
    if seen:
        raise BreachError(seen[0], failure) from failure
    if any(isinstance(cause, MemoryError) for cause in _causes(failure)):
        raise BreachError("MemoryError, as an error of ours", failure) from failure
    if time.process_time() - began > MOST_SECONDS:
        raise BreachError(f"more than {MOST_SECONDS:.0f} s", failure) from failure
    return good


def _causes(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _place(error):
    """Name the innermost line of tinynet from which an error came."""
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    own = [frame for frame in frames if PACKAGE in Path(frame.filename).parents]
    return f"{Path(own[-1].filename).relative_to(PACKAGE)}:{own[-1].name}" if own else "no line of tinynet"


@contextmanager
def _watched(may_write):
    """Note what is written or run in here that is no import; it is refused as well."""
    if not _watch["installed"]:
        sys.addaudithook(_notice)  # which cannot be taken away again
        _watch["installed"] = True
    seen = []
    _watch.update(may_write=may_write, seen=seen)
    try:
        yield seen
    finally:
        _watch["seen"] = None


def _notice(event, arguments):
    seen = _watch["seen"]
    if seen is None or not (event == "open" or event in _ACTS):
        return
    if event == "open":
        path, mode, flags = arguments
        writes = flags & _WRITES if mode is None else set(mode) & set("wax+")
        if not writes:
            return
    else:
        path = arguments[0] if arguments else ""
    allowed = _watch["may_write"]
    named = isinstance(path, str | bytes | os.PathLike)  # else a file that is open, or the lock of one that is written
    if allowed is not None and (not named or Path(os.fsdecode(path)).is_relative_to(allowed)):
        return
    _watch["seen"] = None  # looking around is not to be noticed
    try:
        if not _importing():
            seen.append(f"{event} of {str(path)[:60]}")
            raise RuntimeError(f"a reader does {seen[-1]}")
    finally:
        _watch["seen"] = seen


def _importing():
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
