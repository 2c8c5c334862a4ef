"""The run directory: what is in it, how it is claimed, how its record is written."""

from __future__ import annotations

import errno
import json
import math
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

from tinynet.errors import WriteError

METRICS, PARAMETERS = "metrics.json", "model.safetensors"


def claim(out: Path | None, model: str, force: bool) -> tuple[Path, bool]:
    """Find and make the run directory, before anything is computed.

    Parameters
    ----------
    out : path-like, optional
        The directory that the user named; ``runs/<model>``, or the first of -2, -3, ... that is free, by default.
    model : str
        What is trained.
    force : bool
        Take a directory that holds a run already.

    Returns
    -------
    path : pathlib.Path
        The directory, which is there and can be written to.
    created : bool
        Whether it is new.

    Raises
    ------
    WriteError
        If it holds a run already, or cannot be made or written to.
    """
    wanted = out or Path("runs") / model
    try:
        if out is None:
            wanted.parent.mkdir(exist_ok=True)
            return _fresh(wanted), True
        held = [name for name in (METRICS, PARAMETERS) if (out / name).exists()]
        if held and not force:
            raise WriteError(
                errno.EEXIST,
                f"{out} holds a run already ({' and '.join(held)}); choose another directory with --out, or pass "
                "--force to replace it",
            )
        created = not out.exists()
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()  # raises if nothing can be written here
        return out, created
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(
            error.errno,
            f"the run directory {wanted} cannot be made or written to ({error.strerror or error}); choose another one "
            "with --out",
        ) from error


def _fresh(wanted: Path) -> Path:
    """Make the directory, or the first of -2, -3, ... that is not there yet: two runs at once never share one."""
    path, number = wanted, 1
    while True:
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
            path = wanted.with_name(f"{wanted.name}-{number}")
        else:
            return path


def circumstances() -> dict[str, Any]:
    """Give what else a result depends on.

    Returns
    -------
    dict
        "versions" of tinynet, Python and the libraries that compute; "machine": the platform, its cores, the threads.
    """
    from importlib.metadata import version

    from tinynet import __version__
    from tinynet.threads import get_num_threads

    libraries = {name: version(name) for name in ("numpy", "numba", "scipy")}
    return {
        "versions": {"tinynet": __version__, "python": platform.python_version(), **libraries},
        "machine": {"platform": platform.platform(), "cpus": os.cpu_count(), "threads": get_num_threads()},
    }


def as_json(value: Any) -> bytes:
    r"""Write a record as JSON, with null for NaN and infinity, which JSON has no words for.

    Parameters
    ----------
    value : dict
        Of texts, numbers, lists and dictionaries.

    Returns
    -------
    bytes
        Indented, in ASCII, with a line end.

    Examples
    --------
    >>> as_json({"loss": [0.5, float("nan")]})
    b'{\n  "loss": [\n    0.5,\n    null\n  ]\n}\n'
    """
    return (json.dumps(_finite(value), indent=2, allow_nan=False) + "\n").encode("ascii")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
