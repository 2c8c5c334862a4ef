"""Load a file of tinynet with a mistake in it, and run tests of its room: for what runs while a file is loaded."""

import ast
import sys
import tempfile
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

from tests.mutation.mutants import mutants
from tests.mutation.rooms import ROOMS

OPTIONS = ["-x", "-q", "--tb=line", "-p", "no:randomly", "-p", "no:cacheprovider"]


def main(path, number):
    """Run the tests of the room of a file, with one of the mistakes in it, or with none."""
    path = Path(path)
    room = next(room for room in ROOMS.values() if path in room.paths())
    tree = ast.parse(path.read_text("utf-8"))
    usual = SourceFileLoader.get_code
    if number != "none":
        code = list(mutants(tree, room.wanted(tree)))[int(number)].code(tree, path)
        SourceFileLoader.get_code = lambda self, name: code if self.path == str(path) else usual(self, name)
    with tempfile.TemporaryDirectory() as folder:
        return pytest.main([*OPTIONS, f"--basetemp={folder}/tests", *(room.of_loading or room.tests)])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
