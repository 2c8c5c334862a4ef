"""The code of a student's file: a notebook or a Python script, as pieces that are run one after the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from tinynet.errors import FileFormatError, MissingFileError

_SHELL = ("%", "!", "?")  # the first letter of a line that Jupyter itself takes


class Piece(NamedTuple):
    """Code that is run as one."""

    name: str  # what messages call it, such as "cell 3"
    code: str


def read_pieces(path: Path) -> list[Piece]:
    """Read the code of a file: the cells of a notebook, or a script as a whole.

    Parameters
    ----------
    path : Path
        A ``.ipynb`` or ``.py`` file.

    Raises
    ------
    MissingFileError
        If there is no such file.
    FileFormatError
        If it is neither a notebook of format 4 nor Python.
    """
    if not path.is_file():
        raise MissingFileError(f"there is no file {path}; save the notebook, or give the path of a .ipynb or .py file")
    if path.suffix not in (".ipynb", ".py"):
        raise FileFormatError(f"{path} is neither a notebook (.ipynb) nor a Python file (.py)")
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path} is not text in UTF-8: {error}") from error
    if path.suffix == ".py":
        return [Piece(path.name, text)]
    try:
        cells = json.loads(text)["cells"]
        found = [(cell["cell_type"], _joined(cell["source"])) for cell in cells]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FileFormatError(f"{path} is not a notebook of format 4: {error!r}; save it again from Jupyter") from error
    codes = [source for kind, source in found if kind == "code"]
    return [Piece(f"code cell {i}", _python(code)) for i, code in enumerate(codes, 1)]


def _joined(source: Any) -> str:
    """Return the text of a cell, which may be kept as lines."""
    return source if isinstance(source, str) else "".join(source)


def _python(code: str) -> str:
    """Leave out what is for Jupyter: lines that begin with % or !, and cells of another language."""
    lines = code.splitlines()
    if lines and lines[0].startswith("%%") and lines[0].split()[0] not in ("%%time", "%%timeit", "%%capture"):
        return ""
    kept = []
    for line in lines:
        bare = line.lstrip()
        kept.append(f"{line[: len(line) - len(bare)]}pass" if bare.startswith(_SHELL) else line)
    return "\n".join(kept)
