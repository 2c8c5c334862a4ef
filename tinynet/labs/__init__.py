"""Exercises that grade themselves: notebooks with a hole, and a grader that says which mistake it is.

``tinynet lab`` lists them, ``tinynet lab start N`` writes a notebook, ``tinynet lab check N FILE`` grades it.
"""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

from tinynet.checks import check_positive
from tinynet.errors import ArgumentError, WriteError
from tinynet.labs import affine, convolution, cross_entropy, pooling
from tinynet.labs.lab import Lab, Verdict
from tinynet.labs.running import run_grader

__all__ = ["LABS", "Lab", "Verdict", "check", "start"]

LABS = {lab.number: lab for lab in (affine.LAB, cross_entropy.LAB, convolution.LAB, pooling.LAB)}


def find(number: int) -> Lab:
    """Return a lab by its number.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    if number not in LABS:
        raise ArgumentError(f"there is no lab {number}; there are labs {', '.join(map(str, LABS))}")
    return LABS[number]


def start(number: int, path: str | os.PathLike[str] | None = None) -> Path:
    """Write the notebook of a lab. What is there already is never replaced.

    Parameters
    ----------
    number : int
        Of the lab.
    path : path-like, optional
        A ``.ipynb`` file, or ``.py`` for a script; ``lab<number>.ipynb`` in the current directory by default.

    Returns
    -------
    Path
        What was written.

    Raises
    ------
    ArgumentError
        If there is no such lab, or the path has another ending.
    WriteError
        If there is something at the path, or nothing can be written there.

    Examples
    --------
    >>> import tempfile
    >>> from tinynet import labs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     labs.start(4, f"{folder}/pooling.ipynb").name
    'pooling.ipynb'
    """
    lab = find(number)
    path = Path(f"lab{number}.ipynb" if path is None else path)
    if path.suffix not in (".ipynb", ".py"):
        raise ArgumentError(f"a lab is a notebook (.ipynb) or a script (.py), but got {path}")
    text = lab.notebook.replace(f"lab{number}.ipynb", json.dumps(shlex.quote(path.name))[1:-1])
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text if path.suffix == ".ipynb" else _script(text))
    except FileExistsError:
        raise WriteError(f"{path} is there already, and may be your work; choose another place with --out") from None
    except OSError as error:
        raise WriteError(error.errno, f"could not write {path}: {error.strerror}") from error
    return path


def _script(text: str) -> str:
    """Return a notebook as a script, whose cells editors know by ``# %%``."""
    parts = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        lines = [f"# {line}".rstrip() for line in source.splitlines()]
        if cell["cell_type"] == "markdown":
            parts.append("\n".join(["# %% [markdown]", *lines]))
        elif not source.startswith("!"):
            parts.append(f"# %%\n{source}")
    return "\n\n".join(parts) + "\n"


def check(number: int, path: str | os.PathLike[str], seconds: float = 30.0) -> Verdict:
    """Execute a solution in a process of its own, and grade it.

    Parameters
    ----------
    number : int
        Of the lab.
    path : path-like
        A notebook or a script. It is executed, as if you ran it.
    seconds : float
        After how long it is stopped.

    Returns
    -------
    Verdict
        With a finding for each part; its text is what is shown.

    Raises
    ------
    ArgumentError, MissingFileError, FileFormatError
        If there is no such lab or file, or the file is neither a notebook nor Python.
    """
    lab = find(number)
    return run_grader(lab, Path(path), check_positive("lab check", "seconds", seconds))
