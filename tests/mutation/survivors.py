"""The list of the mistakes that no test notices, in docs/survivors.md: each with a reason, which a reader has written.

The list of a file is written anew by each run with ``--list``. A reason stays with its mistake, wherever that moves in
its file; a mistake that is new in the list has none, which is an error of the tests (``test_mutants``).
"""

from typing import NamedTuple

from tests.mutation.rooms import ROOT

PATH = ROOT / "docs" / "survivors.md"
TITLE = """# Mistakes that no test notices

`python -m tests.mutation ROOM --list` writes this list, of what it has tried ([tests of the tests](tests.md)). The
reasons are written by hand, and stay with their mistakes.
"""
HEAD = "| place | mistake | why no test notices it |\n|---|---|---|\n"


class Survivor(NamedTuple):
    """A mistake that no test notices: its file, below tinynet, its line, its function, what it is, and the reason."""

    file: str
    line: int
    function: str
    mistake: str
    reason: str = ""

    def key(self):
        """What stays when lines move."""
        return self.file, self.function, self.mistake

    def row(self):
        """A row of the table."""
        mistake = self.mistake.replace("|", "\\|")
        return f"| `{self.file}:{self.line}` `{self.function}` | `` {mistake} `` | {self.reason} |\n"


def of(path, mutant, pairs):
    """Return what the list says of a mistake in a file, of which these pairs of code differ."""
    function = pairs[-1][0].co_qualname if pairs else ""
    return Survivor(
        path.relative_to(ROOT / "tinynet").as_posix(), mutant.old.lineno, function, str(mutant).split(": ", 1)[1]
    )


def read(text):
    """Return the survivors of each room."""
    rooms = {}
    for line in text.splitlines():
        if line.startswith("## "):
            rooms[line[3:]] = found = []
        elif line.startswith("| `"):
            place, mistake, reason = line.strip("| ").replace("\\|", "\0").split(" | ")
            file, function = place.strip("`").split("` `")
            name, number = file.split(":")
            what = mistake.strip("` ").replace("\0", "|")
            found.append(Survivor(name, int(number), function, what, reason.replace("\0", "\\|")))
    return rooms


def written(rooms):
    """Return the text of the list."""
    parts = [f"\n## {room}\n\n{HEAD}{''.join(s.row() for s in found)}" for room, found in rooms.items() if found]
    return TITLE + "".join(parts)


def merged(before, found, files):
    """Return the survivors of some files as they are now, with the reasons of before, and those of other files."""
    reasons = {}
    for survivor in before:
        reasons.setdefault(survivor.key(), []).append(survivor.reason)
    kept = [survivor for survivor in before if survivor.file not in files]
    new = [s._replace(reason=reasons[s.key()].pop(0)) if reasons.get(s.key()) else s for s in found]
    return sorted(kept + new, key=lambda s: (s.file, s.line, s.mistake))
