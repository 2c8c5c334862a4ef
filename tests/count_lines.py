"""Count what is read: the statements of the book, of its shelf and of the engine room, and the budgets they keep.

Run as ``python tests/count_lines.py`` for a table. A lambda is a statement, and so is each name of a tuple assignment.
The book is closed under imports, those inside of functions too: whatever it imports is part of it.
"""

import ast
import io
import tokenize
from pathlib import Path

ROOT = Path(__file__).parents[1] / "tinynet"

# What a machine needs to run, and a reader to understand, a network with convolution, pooling and dense layers, its
# gradients, SGD, cross-entropy and fit. All that these files import is counted too, but for the engine room.
LAYERS = ("activations", "conv", "dense", "flatten", "input", "pooling")
# The matrix product is reached by the operator @ alone, which no import shows.
BOOK = ("model.py", "optim/sgd.py", "ops/linear.py", *(f"nn/{name}.py" for name in LAYERS))
ENGINE_ROOM = "fast"
SHELF = ("core", "ops", "nn", "optim", "train")
MOST = {"book": 2400, "engine room": 3650, "file of the shelf": 80}


def is_docstring(statement):
    """Whether a statement is a text alone."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def names_beyond_the_first(node):
    """How many names a statement sets at once, less one."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    return sum(len(target.elts) - 1 for target in targets if isinstance(target, ast.Tuple | ast.List))


def count(source):
    """Count the statements of a source text, however many lines of the file each takes."""
    nodes = list(ast.walk(ast.parse(source)))
    statements = [node for node in nodes if isinstance(node, ast.stmt) and not is_docstring(node)]
    lambdas = sum(isinstance(node, ast.Lambda) for node in nodes)
    return len(statements) + lambdas + sum(map(names_beyond_the_first, statements))


def code_lines(source):
    """Count the lines that hold code, and the tokens on them."""
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type not in skipped]
    return len({line for t in tokens for line in range(t.start[0], t.end[0] + 1)}), len(tokens)


def imported(path):
    """The files of tinynet that a file imports, late or not; not those for types alone."""
    tree = ast.parse(path.read_text("utf-8"))
    typing = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    skipped = {id(node) for block in typing for node in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
        else:
            continue
        for module in modules:
            parts = module.split(".")
            if parts[0] != "tinynet" or len(parts) == 1:
                continue
            place = ROOT.joinpath(*parts[1:])
            found = [p for p in (place.with_suffix(".py"), place / "__init__.py") if p.is_file()]
            yield from found[:1]


def closure(starts):
    """All files that some files need, themselves included."""
    found, stack = set(), [ROOT / start for start in starts]
    while stack:
        path = stack.pop()
        inside = path.relative_to(ROOT).parts[0]
        if path in found or inside == ENGINE_ROOM:
            continue
        found.add(path)
        stack.extend(imported(path))
    return found


def parts():
    """The files of each part."""
    files = sorted(ROOT.rglob("*.py"))
    book = closure(BOOK)
    first = {path: path.relative_to(ROOT).parts[0] for path in files}
    return {
        "book": [p for p in files if p in book],
        "shelf": [p for p in files if p not in book and first[p] in SHELF],
        "engine room": [p for p in files if first[p] == ENGINE_ROOM],
        "wings": [p for p in files if p not in book and first[p] not in (*SHELF, ENGINE_ROOM)],
    }


def over_budget():
    """What is over its budget, in words."""
    found = parts()
    totals = {name: sum(count(p.read_text("utf-8")) for p in found[name]) for name in ("book", "engine room")}
    over = [f"the {name} has {n} statements, more than {MOST[name]}" for name, n in totals.items() if n > MOST[name]]
    for path in found["shelf"]:
        n = count(path.read_text("utf-8"))
        if n > MOST["file of the shelf"]:
            over.append(
                f"{path.relative_to(ROOT)} on the shelf has {n} statements, more than {MOST['file of the shelf']}"
            )
    return over


def table():
    """The counts, for people."""
    lines = [f"{'':42}{'statements':>11}{'lines':>8}{'tokens a line':>15}"]
    for name, files in parts().items():
        rows = []
        for path in files:
            source = path.read_text("utf-8")
            rows.append((str(path.relative_to(ROOT)), count(source), *code_lines(source)))
        statements, code, tokens = (sum(row[i] for row in rows) for i in (1, 2, 3))
        budget = f" of {MOST[name]}" if name in MOST else ""
        lines.append(f"{name + budget:42}{statements:>11}{code:>8}{tokens / max(1, code):>15.1f}")
        if name != "wings":
            lines += [f"    {row[0]:38}{row[1]:>11}{row[2]:>8}{row[3] / max(1, row[2]):>15.1f}" for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
    print("\n".join(over_budget()) or "all within their budgets")
