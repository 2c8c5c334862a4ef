"""Run a student's file and grade it: ``python -m tinynet.labs.student N FILE ANSWER WHERE LIMIT``.

This is the one place where tinynet executes a file that it is given: the user has named it as their own program,
and it is run in this process of its own.
The verdict is written to ANSWER as JSON. After LIMIT seconds the process ends, and writes to WHERE where it was.
"""

from __future__ import annotations

import faulthandler
import json
import linecache
import resource
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from tinynet.errors import TinynetError
from tinynet.labs import LABS
from tinynet.labs.doctor import STUDENT_FILES, Finding, examine, said
from tinynet.labs.reading import Piece, read_pieces

_MEMORY = 4 * 2**30  # bytes of address space


def run_pieces(pieces: list[Piece]) -> tuple[dict[str, Any], list[str]]:
    """Run code piece by piece; returns what it has defined, and what went wrong."""
    module = ModuleType("lab")
    sys.modules["lab"] = module
    problems = []
    for name, code in pieces:
        place = f"<{name}>"
        STUDENT_FILES[place] = name
        linecache.cache[place] = (len(code), None, code.splitlines(keepends=True), place)
        try:
            exec(compile(code, place, "exec"), module.__dict__)
        except SyntaxError as error:
            problems.append(f"{name} is not Python: {error.msg} in line {error.lineno}")
        except EOFError:
            problems.append(f"{name} waits for input, and there is none here")
        except (Exception, SystemExit) as error:
            problems.append(f"{name} raises {said(error)}")
    return vars(module), problems


def grade(number: int, path: Path) -> dict[str, Any]:
    """Run a file and examine what it defines; returns findings and remarks."""
    lab = LABS[number]
    defined, problems = run_pieces(read_pieces(path))
    findings = []
    for name in lab.names:
        if name not in defined:
            why = f" ({'; '.join(problems)})" if problems else ""
            findings.append(Finding(name, "missing", f"the file defines no {name}{why}"))
        elif defined[name] is ... or not callable(defined[name]):
            findings.append(Finding(name, "missing", f"{name} is still the hole, or no function: fill it"))
    if not findings:
        findings = examine(lab.parts(defined))
    return {"findings": findings, "remarks": problems}


def main() -> None:
    """Grade the file that the arguments name."""
    number, path, answer, where, limit = sys.argv[1:]
    sys.path.insert(0, str(Path(path).resolve().parent))
    with Path(where).open("w") as stream:
        faulthandler.dump_traceback_later(float(limit), exit=True, file=stream)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        try:
            result = grade(int(number), Path(path))
        except TinynetError as error:
            result = {"error": str(error)}
        faulthandler.cancel_dump_traceback_later()
    Path(answer).write_text(json.dumps(result), "utf-8")


if __name__ == "__main__":
    main()
