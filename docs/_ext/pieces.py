"""Pieces of the source by the names of what they define, and tests by theirs; a LookupError where there is none."""

import ast
import functools
import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]


@functools.cache
def parsed(path):
    """Return the text and the syntax tree of a file."""
    text = path.read_text("utf-8")
    return text, ast.parse(text)


def find(target):
    """Find the definition or assignment that a dotted name stands for: its file, and its node in the syntax tree."""
    parts = target.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        path = ROOT.joinpath(*parts[:cut])
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if path.is_file():
            break
    else:
        raise LookupError(f"no file of {target}")
    node = parsed(path)[1]
    for name in parts[cut:]:
        node = next((child for child in node.body if name in names(child)), None)
        if node is None:
            raise LookupError(f"{path.relative_to(ROOT)} has no {'.'.join(parts[cut:])}")
    return path, node


def names(statement):
    """Return the names that a statement defines."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def source_lines(target):
    """Return the file of a definition, and its lines without its docstring."""
    path, node = find(target)
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
    numbers = set(range(first, node.end_lineno + 1))
    body = getattr(node, "body", [])
    if len(body) > 1 and ast.get_docstring(node) is not None:
        numbers -= set(range(body[0].lineno, body[0].end_lineno + 1))
    return path, [line for number, line in enumerate(parsed(path)[0].splitlines(), 1) if number in numbers]


def piece(target, start=None, end=None):
    """Return part of a definition: from the line that has one text to the line that has another, both included."""
    path, lines = source_lines(target)
    first = next((i for i, line in enumerate(lines) if start in line), None) if start else 0
    if first is None:
        raise LookupError(f"{target} has no line with {start!r}")
    last = next((i for i in range(first, len(lines)) if end in lines[i]), None) if end else len(lines) - 1
    if last is None:
        raise LookupError(f"{target} has no line with {end!r} after {lines[first]!r}")
    return path, textwrap.dedent("\n".join(lines[first : last + 1])).strip("\n")


TEST = re.compile(r"(tests/[\w/]+\.py)::(test_\w+)")


def missing_test(name):
    """Say what is wrong with the name of a test, or give None if there is such a test."""
    found = TEST.fullmatch(name)
    path = ROOT / found[1] if found else None
    if path is None or not path.is_file():
        return f"{name!r} does not name a test as tests/file.py::test_name, or there is no such file"
    there = {node.name for node in ast.walk(parsed(path)[1]) if isinstance(node, ast.FunctionDef)}
    return None if found[2] in there else f"{found[1]} has no {found[2]}"
