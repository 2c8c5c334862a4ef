"""Where compiled kernels are kept: one file each, named by all that its code depends on, published whole.

The directory is ``$NUMBA_CACHE_DIR/tinynet`` if that variable is set, otherwise ``tinynet/fast/kernels`` in the user's
cache. Its subdirectories are named by a digest of the sources of all kernels, the versions of Numba and LLVM, the
settings that change code, and the processor. A file holds the compiled kernel behind a checksum, so that a damaged one
counts as none.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite
import numba
from numba.core import config
from numba.core.registry import cpu_target

from tinynet.errors import KernelBuildError

_MAGIC = b"tinynet kernel 1\n"
# What Numba is told by its environment variables, configuration file or program, and code depends on.
_SETTINGS = (
    "BOUNDSCHECK", "CPU_FEATURES", "CPU_NAME", "DEBUGINFO_DEFAULT", "DISABLE_INTEL_SVML", "ENABLE_AVX",
    "ENABLE_PROFILING", "EXTEND_VARIABLE_LIFETIMES", "LLVM_REFPRUNE_FLAGS", "LLVM_REFPRUNE_PASS", "LOOP_VECTORIZE",
    "OPT", "PARFOR_MAX_TUPLE_SIZE", "SLP_VECTORIZE", "USING_SVML",
)  # fmt: skip


class Identity(NamedTuple):
    """What makes a kernel this one: where it is declared, what its factory was given, its form and its signature."""

    module: str
    name: str
    constants: tuple[Any, ...] | None  # the arguments of its factory; None for a kernel of the module itself
    parallel: bool
    signature: tuple[Any, ...]  # Numba's types of the arguments

    @property
    def digest(self) -> str:
        """A name for the kernel, which no other one has."""
        return _digest(repr((self.module, self.name, self.constants, self.parallel, self.signature)))

    @property
    def filename(self) -> str:
        """The name of its file."""
        return f"{self.name}-{'parallel' if self.parallel else 'serial'}-{self.digest[:24]}.kernel"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def sources() -> str:
    """Give a digest of the sources of all kernels; of their bytecode where that is all that is installed."""
    content = hashlib.sha256()
    found = [path for path in files(__package__).iterdir() if path.name.endswith((".py", ".pyc"))]
    for path in sorted(found, key=lambda path: path.name):
        content.update(path.name.encode() + b"\0" + path.read_bytes())
    return content.hexdigest()


def surroundings() -> dict[str, str]:
    """Tell what the code of every kernel depends on besides its identity."""
    settings = {f"NUMBA_{name}": repr(getattr(config, name, None)) for name in _SETTINGS}
    return settings | {
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "processor": repr(cpu_target.target_context.codegen().magic_tuple()),
        "sources": sources(),
    }


class Store:
    """The directories of this process: the user's, and a temporary one as soon as that cannot be written to."""

    def __init__(self) -> None:
        self.surroundings = surroundings()
        self._name = _digest(repr(sorted(self.surroundings.items())))[:16]
        self.temporary: Path | None = None
        self.root = _root()

    @property
    def directory(self) -> Path:
        """Where kernels are written to."""
        return self._places()[-1]

    def _places(self) -> list[Path]:
        return [root / self._name for root in (self.root, self.temporary) if root is not None]

    def read(self, identity: Identity) -> bytes | None:
        """Give the content of a kernel's file; None where there is none, or it is damaged."""
        for place in self._places():
            try:
                found = (place / identity.filename).read_bytes()
            except OSError:
                continue
            head = len(_MAGIC) + 32
            content = found[head:]
            if found[:head] == _MAGIC + hashlib.sha256(content).digest():
                return content
        return None

    def prepare(self) -> None:
        """Make sure that there is a directory to write to, if need be a temporary one, with a warning.

        Raises
        ------
        KernelBuildError
            If not even a temporary directory can be made.
        """
        try:
            if self.root is None and self.temporary is None:
                raise OSError("this user has no home directory")
            self.directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.directory):
                pass
        except OSError as error:
            if self.temporary is not None:
                raise KernelBuildError(
                    f"the temporary directory of kernels, {self.temporary}, cannot be written to any more ({error}); "
                    "set NUMBA_CACHE_DIR to a directory that can be written to"
                ) from error
            self.use_temporary(str(error))

    def use_temporary(self, why: str) -> None:
        """Keep kernels in a directory that goes when this process ends, and say once what to do about it."""
        try:
            self.temporary = Path(tempfile.mkdtemp(prefix="tinynet-kernels-"))
        except OSError as error:
            raise KernelBuildError(
                f"kernels cannot be kept in {self.root or 'a cache directory'} ({why}), nor in a temporary directory "
                f"({error}); set NUMBA_CACHE_DIR or TMPDIR to a directory that can be written to"
            ) from error
        atexit.register(_remove, self.temporary, os.getpid())
        self.directory.mkdir()
        warnings.warn(
            f"compiled kernels cannot be kept in {self.root or 'a cache directory'} ({why}): they are built for this "
            "process alone, again in each one; set NUMBA_CACHE_DIR to a directory that can be written to",
            RuntimeWarning,
            stacklevel=2,
        )

    def usage(self) -> tuple[int, int, int]:
        """Count the kernels that are kept for this process, their bytes, and the bytes of those for other versions."""
        own = [path.stat().st_size for path in self.directory.glob("*.kernel")]
        every = [path.stat().st_size for path in self.directory.parent.glob("*/*.kernel")]
        return len(own), sum(own), sum(every) - sum(own)

    @contextmanager
    def locked(self, identities: Iterable[Identity]) -> Iterator[None]:
        """Let one process at a time build each of some kernels, so that others find what it has built.

        Each kernel is a byte of one file. A process locks its bytes in ascending order, so that no two of them wait for
        each other.

        Parameters
        ----------
        identities : iterable of Identity
            The kernels.

        Yields
        ------
        None
            No other process builds these kernels in the directory.

        Raises
        ------
        KernelBuildError
            If there is no directory to write to, not even a temporary one.
        """
        self.prepare()
        with (self.directory / "lock").open("wb") as file:
            with suppress(OSError):  # a file system without locks
                for byte in sorted(int(identity.digest[:15], 16) for identity in identities):
                    fcntl.lockf(file, fcntl.LOCK_EX, 1, byte)  # not inherited by a fork, and gone with the process
            yield


def write(path: Path, content: bytes) -> None:
    """Publish a kernel's file whole: it is there with all of its content, or not at all."""
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_MAGIC + hashlib.sha256(content).digest() + content)
        Path(partial).chmod(0o644)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def _root() -> Path | None:
    """Give the user's directory for kernels, which need not exist; None for a user without a home."""
    chosen: str = config.CACHE_DIR  # type: ignore[attr-defined]
    if chosen:
        return Path(chosen).absolute() / "tinynet"
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not cache.is_absolute():
        try:
            home = Path.home()
        except RuntimeError:  # HOME is not set, and the user has no entry
            return None
        if not home.is_dir() or home == home.parent:  # an empty HOME would be the root of the file system
            return None
        cache = home / ".cache"
    return cache / "tinynet" / "fast" / "kernels"


def _remove(directory: Path, owner: int) -> None:
    if os.getpid() == owner:  # not a forked child's
        shutil.rmtree(directory, ignore_errors=True)
