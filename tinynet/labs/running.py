"""Grading in a process of its own, so that an endless loop, an exit or a crash of a file ends in a message."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tinynet.errors import ArgumentError
from tinynet.labs.doctor import Finding
from tinynet.labs.lab import Lab, Verdict
from tinynet.labs.reading import read_pieces

_GRACE = 5.0  # seconds that the process is given to end by itself
_START = 20.0  # seconds that it may take to load, on a busy machine


def run_grader(lab: Lab, path: Path, seconds: float) -> Verdict:
    """Run a student's file and grade it in a new process.

    Parameters
    ----------
    lab : Lab
        The exercise.
    path : Path
        The student's file, which is executed.
    seconds : float
        After how long it is stopped.

    Returns
    -------
    Verdict
        One finding that says so if the file did not come to its end.
    """
    pieces = {f"<{piece.name}>": piece.name for piece in read_pieces(path)}  # says what is wrong with the file
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(os.path.abspath(entry) for entry in sys.path),  # noqa: PTH100
        "TINYNET_REFERENCE": "1",  # what ops mean, in NumPy: nothing to build
        "OPENBLAS_NUM_THREADS": "1",
        "MPLBACKEND": "agg",
    }
    with tempfile.TemporaryDirectory(prefix="tinynet-lab-") as folder:
        answer, where = Path(folder, "answer.json"), Path(folder, "where.txt")
        command = [sys.executable, "-P", "-m", "tinynet.labs.student"]
        process = subprocess.Popen(
            [*command, str(lab.number), str(path.resolve()), str(answer), str(where), str(seconds)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        try:
            process.wait(seconds + _START + _GRACE)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):  # and whatever the file has started
                os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
        if answer.is_file():
            return _read(lab, answer)
        place = _place(where, pieces)
        if status in (1, -signal.SIGKILL) and place:
            text = (
                f"the file did not come to its end within {seconds:g} seconds: it was in {place}. Is there an "
                "endless loop? --seconds grants it more"
            )
            return Verdict(lab, (Finding("the file", "does not end", text),))
        ending = (
            f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended itself with exit code {status}"
        )
        text = f"the process {ending} before it could be graded: does the file leave Python (os._exit), or crash it?"
        return Verdict(lab, (Finding("the file", "leaves Python", text.rstrip(".")),))


def _read(lab: Lab, answer: Path) -> Verdict:
    result = json.loads(answer.read_text("utf-8"))
    if "error" in result:
        raise ArgumentError(result["error"])
    return Verdict(lab, tuple(Finding(*finding) for finding in result["findings"]), tuple(result["remarks"]))


def _place(where: Path, pieces: dict[str, str]) -> str:
    """Return the innermost line of the student's code in the traceback that the process has left."""
    if not where.is_file():
        return ""
    text = where.read_text("utf-8", "replace")
    found = re.findall(r'^  File "(<.*?>)", line (\d+) in (.*)$', text, re.MULTILINE)
    ours = [(pieces[file], line, name) for file, line, name in found if file in pieces]
    if not ours:
        return "a library that it calls" if text else ""
    piece, line, name = ours[0]
    return f"line {line} of {piece}" + ("" if name == "<module>" else f", in {name}")
