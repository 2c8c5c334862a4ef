"""What the rules of kernels say of their source, checked on the syntax tree."""

import ast
import builtins
from pathlib import Path

import pytest

import tinynet.fast.kernels

FILES = sorted(p for p in Path(tinynet.fast.kernels.__file__).parent.glob("*.py") if p.name != "__init__.py")
WRITERS = "registers.py", "transforms.py", "vectors.py", "winners.py"  # of code that is no kernel
MACHINERY = (*WRITERS, "build.py", "builder.py", "jit.py", "store.py")
KERNEL_FILES = [p for p in FILES if p.name not in MACHINERY]
WRITTEN = {"add_bias", "multiply", "multiply_beside", "product", "transform", "find_winners"}

LIBRARIES = {"np", "numba", "math"}


def is_kernel(node):
    """Whether a node is a function with the decorator @kernel(...)."""
    return isinstance(node, ast.FunctionDef) and any(
        isinstance(d, ast.Call) and isinstance(d.func, ast.Name) and d.func.id == "kernel" for d in node.decorator_list
    )


def kernels(tree):
    """All kernels of a file, those that a factory makes included."""
    return [node for node in ast.walk(tree) if is_kernel(node)]


def root(node):
    """The name that an expression such as a.b[c].d starts from, or None."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def own_names(kernel):
    """Arguments and variables of a kernel."""
    stored = {n.id for n in ast.walk(kernel) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return stored | {a.arg for a in ast.walk(kernel) if isinstance(a, ast.arg)}


def short_names(tree):
    """Names that a file gives to things of the libraries, as in ``_u = np.uint64``."""
    given = [n for n in tree.body if isinstance(n, ast.Assign) and root(n.value) in LIBRARIES]
    return {target.id for node in given for target in node.targets if isinstance(target, ast.Name)}


def kernels_of_others(tree):
    """Kernels that a file imports from other files of kernels."""
    found = set()
    for node in [n for n in tree.body if isinstance(n, ast.ImportFrom)]:
        files = [p for p in KERNEL_FILES if node.module == f"tinynet.fast.kernels.{p.stem}"]
        made = {kernel.name for p in files for kernel in ast.parse(p.read_text()).body if is_kernel(kernel)}
        found |= made & {alias.name for alias in node.names}
    return found


def foreign_calls(source):
    """Calls that a kernel makes of anything but libraries, builtins, methods of variables, kernels, what is written.

    What a factory closes over counts as foreign: numbers are part of the name of what is built, functions are not.
    """
    tree = ast.parse(source)
    at_hand = {node.name for node in tree.body if is_kernel(node)} | short_names(tree) | WRITTEN
    at_hand |= {*dir(builtins)}
    at_hand |= kernels_of_others(tree)
    found = []
    for kernel in kernels(tree):
        methods_of = LIBRARIES | own_names(kernel)
        for call in calls(kernel):
            fine = call.func.id in at_hand if isinstance(call.func, ast.Name) else root(call.func) in methods_of
            if not fine:
                found.append(f"{kernel.name}: {ast.unparse(call)}")
    return found


def calls(kernel):
    """All calls in the body of a function; not its decorators."""
    return [node for statement in kernel.body for node in ast.walk(statement) if isinstance(node, ast.Call)]


def imports(tree):
    """The modules that a file imports, late or not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


each_file = pytest.mark.parametrize("path", KERNEL_FILES, ids=lambda p: p.stem)


@each_file
def test_a_kernel_calls_only_kernels(path):
    assert foreign_calls(path.read_text()) == []


@each_file
def test_kernel_files_hold_kernels_and_import_nothing_of_tinynet_but_each_other(path):
    tree = ast.parse(path.read_text())
    assert kernels(tree)
    own = {m for m in imports(tree) if m.startswith((".", "tinynet"))}
    assert "tinynet.fast.kernels.jit" in own
    assert all(module.startswith("tinynet.fast.kernels.") for module in own)


@pytest.mark.parametrize("name", MACHINERY)
def test_what_builds_kernels_imports_nothing_of_tinynet_but_errors_cores_and_each_other(name):
    tree = ast.parse(next(p for p in FILES if p.name == name).read_text())
    foreign = [m for m in imports(tree) if m.startswith((".", "tinynet")) and not m.startswith("tinynet.fast.kernels")]
    assert set(foreign) <= {"tinynet.errors", "tinynet.fast.cores"}


@each_file
def test_kernels_never_raise(path):
    for kernel in kernels(ast.parse(path.read_text())):
        assert not [node for node in ast.walk(kernel) if isinstance(node, ast.Raise | ast.Assert)], kernel.name


@each_file
def test_nothing_in_a_kernel_file_asks_for_threads(path):
    """The cut of the work is then a function of shapes alone."""
    asked = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Attribute) and "thread" in n.attr]
    assert asked == []


@pytest.mark.parametrize(
    ("source", "foreign"),
    [
        ("@kernel()\ndef f(x):\n    x.fill(0); np.dot(x, x); math.exp(1.0); max(1, 2); numba.prange(3)", False),
        ("g = np.uint64\n@kernel()\ndef f(x):\n    g(x)", False),
        ("g = other.g\n@kernel()\ndef f(x):\n    g(x)", True),
        ("@kernel()\ndef g(x): pass\n@kernel()\ndef f(x):\n    g(x)", False),
        ("def g(x): pass\n@kernel()\ndef f(x):\n    g(x)", True),
        ("from tinynet.fast.kernels.other import g\n@kernel()\ndef f(x):\n    g(x)", True),
        ("from tinynet.fast.kernels import other\n@kernel()\ndef f(x):\n    other.g(x)", True),
        ("def make(n):\n    @kernel()\n    def f(x):\n        for i in range(n): x[i] = 0\n    return f", False),
        ("def make(g):\n    @kernel()\n    def f(x):\n        g(x)\n    return f", True),
        (
            "def make(n):\n    @kernel()\n    def g(x): pass\n    @kernel(parallel=True)\n    def f(x):\n        g(x)",
            True,
        ),
    ],
)
def test_the_check_of_calls_tells_good_from_bad(source, foreign):
    assert bool(foreign_calls(source)) == foreign
