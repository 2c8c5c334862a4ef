"""Count the lines of code of each module: logical lines, which are statements; docstrings and comments aside.

Run as ``python tests/count_lines.py`` for a table.
"""

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1] / "tinynet"

# What is to be read in an afternoon, and the most it may come to.
READ = ("autograd", "ops", "kernels", "layers", "model", "compile", "training", "optim")
MOST = 4000


def is_docstring(statement):
    """Whether a statement is a text alone."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def count(source):
    """Count the logical lines of a source text: its statements, however many lines of the file each takes."""
    statements = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt))
    return sum(not is_docstring(statement) for statement in statements)


def count_files():
    """Count the lines of code of each file, by its path within the package."""
    return {path.relative_to(ROOT): count(path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.py"))}


def part(path):
    """The part of tinynet that a file belongs to: its package, or its own name at the top."""
    return path.parts[0].removesuffix(".py")


def total_to_read():
    """Count the lines of code of the parts that are to be read in an afternoon."""
    return sum(lines for path, lines in count_files().items() if part(path) in READ)


def table():
    """Lay the counts out: the parts to be read with their files, then the others."""
    files, parts = count_files(), Counter()
    for path, lines in files.items():
        parts[part(path)] += lines
    rows = []
    for name in (*READ, None, *sorted(set(parts) - {*READ})):
        if name is None:
            rows += [f"{'to be read in an afternoon':34}{total_to_read():6}   of at most {MOST}", ""]
            continue
        rows.append(f"{name:34}{parts[name]:6}")
        within = [path for path in files if part(path) == name and len(path.parts) > 1]
        rows += [f"    {path.relative_to(name).as_posix():30}{files[path]:6}" for path in within if files[path]]
    return "\n".join([f"{'lines of code':34}", *rows, "", f"{'all of tinynet':34}{sum(files.values()):6}"])


if __name__ == "__main__":
    print(table())
