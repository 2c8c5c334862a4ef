"""The house rules: who may import whom, what is loaded when, how long things are, what the front page promises."""

import ast
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tinynet as tn
from tests import count_lines
from tinynet.core.engine import Op

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tinynet"
FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text("utf-8")) for path in FILES}

# From top to bottom: an import goes only downward, or stays in its own line. A longer name goes before a shorter one.
LAYERS = [
    ["__init__"],
    ["__main__"],
    ["cli"],
    ["labs"],
    ["sklearn"],
    ["inspection.profiling"],  # of recipes
    ["recipes"],
    ["report"],
    ["datasets"],
    ["onnx"],
    ["inspection"],
    ["train.callbacks"],  # some of which write files
    ["distributed"],  # runs of several processes, which training does not know
    ["saving"],  # of models and runs, which do not know it
    ["onnx.network"],  # the models that files become, which saving knows
    ["fullbatch"],
    ["compiled", "reuse"],
    ["train.validation", "train.inference"],  # of models
    ["model"],
    ["train"],
    ["fast"],
    ["optim"],
    ["nn"],
    ["ops"],
    ["core"],
    ["checks"],
    ["errors"],
]
DEPTH = {name: depth for depth, names in enumerate(LAYERS) for name in names}


def label(path):
    return path.relative_to(PACKAGE).as_posix()


each_file = pytest.mark.parametrize("path", FILES, ids=label)


def is_module(name):
    """Whether a dotted name is that of a module of tinynet."""
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def imports(path):
    """Every module that a file imports, late or only for types, by its full name."""
    package = ["tinynet", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *filter(None, [node.module])])
            # "from tinynet.core import mode" is an import of tinynet.core.mode, where there is such a module.
            names = (f"{base}.{alias.name}" for alias in node.names)
            yield from (name if base == "tinynet" or is_module(name) else base for name in names)


def house_name(module):
    """The name in LAYERS of a module of tinynet: its own, or that of its folder."""
    parts = module.split(".")[1:] if is_module(module) else []
    names = [".".join(parts[:n]) for n in range(len(parts), 0, -1)] or ["__init__"]
    return next((name for name in names if name in DEPTH), names[-1])


# --- who imports whom


@each_file
def test_an_import_goes_only_downward(path):
    own = ".".join(["tinynet", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")
    name = house_name(own)
    modules = {module for module in imports(path) if module.split(".")[0] == "tinynet"}
    # The version stands in the package itself, which is always there before its modules.
    ours = {module: house_name(module) for module in modules - {"tinynet.__version__"}}
    assert {name, *ours.values()} <= set(DEPTH), "a module has no place in LAYERS yet"
    assert [module for module, other in ours.items() if DEPTH[other] < DEPTH[name]] == []


@each_file
def test_no_other_deep_learning_library_is_used(path):
    foreign = {"torch", "tensorflow", "keras", "jax", "sklearn", "autograd", "tinygrad", "mlx"}
    wing = {"sklearn"} if label(path) == "sklearn.py" else set()  # the estimators are of its classes
    assert not (foreign - wing) & {module.split(".")[0] for module in imports(path)}


def late(tree):
    """The imports that do not run when the file is loaded: inside of functions, or only for types."""
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.Lambda | ast.AsyncFunctionDef)]
    blocks += [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    return {id(n) for block in blocks for n in ast.walk(block) if isinstance(n, ast.Import | ast.ImportFrom)}


@each_file
def test_matplotlib_is_imported_in_the_report_only_and_late(path):
    if label(path).startswith("report/"):
        tree = TREES[path]
        early = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom) and id(n) not in late(tree)]
        assert "matplotlib" not in " ".join(map(ast.unparse, early))
    else:
        assert "matplotlib" not in {module.split(".")[0] for module in imports(path)}


def test_importing_tinynet_loads_nothing_slow():
    """Kernels, compilers, pictures and downloads are loaded by what needs them, at its first use."""
    script = "import sys, json, tinynet; print(json.dumps(list(sys.modules)))"
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", script], text=True))
    slow = {"numba", "llvmlite", "scipy", "rich", "matplotlib", "pooch", "requests", "safetensors", "threadpoolctl"}
    slow |= {"onnx", "mpi4py"}
    assert sorted({name.split(".")[0] for name in loaded} & slow) == []
    late = {"tinynet.report", "tinynet.onnx", "tinynet.recipes", "tinynet.labs", "tinynet.cli", "tinynet.sklearn"}
    assert sorted({*late, "importlib.metadata", "concurrent.futures"} & set(loaded)) == []


# --- what is not done here


KERNEL_FILES = ("build.py", "builder.py")


@each_file
def test_nothing_is_unpickled_or_evaluated(path):
    if path.name in KERNEL_FILES:
        pytest.skip("built kernels are machine code: they are as trusted as the bytecode in __pycache__")
    if label(path) == "labs/student.py":
        pytest.skip("this runs the program that a student has named as their own, in a process of its own")
    dangerous = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
    assert not dangerous & {module.split(".")[0] for module in imports(path)}
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec"), ast.unparse(node)
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert ast.unparse(node.value) == "False"


# --- how long things are


def test_the_book_the_shelf_and_the_engine_room_keep_their_budgets():
    assert count_lines.over_budget() == [], "\n" + count_lines.table()


@each_file
def test_no_file_is_too_long(path):
    assert count_lines.count(path.read_text("utf-8")) <= 450


@each_file
def test_no_function_is_too_long(path):
    """30 statements; kernels have 40, since to split one can cost it its speed."""
    functions = [node for node in ast.walk(TREES[path]) if isinstance(node, ast.FunctionDef)]
    statements = {f.name: [n for n in ast.walk(f) if isinstance(n, ast.stmt | ast.Lambda)] for f in functions}
    lengths = {name: sum(not count_lines.is_docstring(n) for n in found) - 1 for name, found in statements.items()}
    most = 40 if "kernels" in path.parts else 30
    assert {name: length for name, length in lengths.items() if length > most} == {}


def test_most_files_are_short():
    """Docstrings and all."""
    lengths = [len(path.read_text("utf-8").splitlines()) for path in FILES]
    assert sum(length <= 250 for length in lengths) >= 0.7 * len(lengths)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("", 0),
        ("# comment\n\n", 0),
        ('"""Docstring\nof two lines."""\n\nx = 1  # comment\n', 1),
        ('x = """not a\ndocstring"""\n', 1),
        ('def f():\n    """Say."""\n    return g(\n        1,\n        # why\n        2,\n    )\n', 2),
        ('class A:\n    """Say."""\n\n    x: int = 1; y = 2\n', 3),
        ("f = lambda x: x + 1\n", 2),
        ("a, b, c = 1, 2, 3\n", 3),
    ],
)
def test_statements_count_without_docstrings_and_comments(source, lines):
    assert count_lines.count(source) == lines


# --- what is documented

PUBLIC = sorted(name for name in vars(tn) if not name.startswith("_"))


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_says_what_it_is(name):
    doc = vars(tn)[name].__doc__
    assert doc
    assert doc.strip().splitlines()[0].endswith((".", ":"))


@pytest.mark.parametrize("name", tn.ops.__all__)
def test_each_public_op_has_a_formula_or_a_full_docstring(name):
    op = getattr(tn.ops, name)
    if isinstance(op, Op):
        assert op.formula
        return
    doc = inspect.getdoc(op)
    if inspect.signature(op).parameters:
        assert "\nParameters\n----------\n" in doc
    assert "\nReturns\n-------\n" in doc
    assert "\nExamples\n--------\n>>> " in doc
    for parameter in inspect.signature(op).parameters:
        assert re.search(rf"^(.*, )?\*?{parameter}(, .*)? : ", doc, re.MULTILINE), parameter


# --- the front page


def sh_blocks():
    return re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_the_front_page_opens_with_the_command_that_trains_the_cnn():
    assert "\ntinynet train cnn\n" in sh_blocks()[0]


def test_the_second_command_of_the_front_page_runs_the_tests_and_ci_runs_it_word_for_word():
    block = sh_blocks()[1]
    assert block.splitlines()[-1] == "pytest -n auto"
    assert f"\n{block}" in (ROOT / ".ci" / "run").read_text("utf-8")


@pytest.mark.parametrize("i", [0, 1])
def test_both_commands_start_from_nothing_but_python(i):
    lines = sh_blocks()[i].splitlines()
    assert lines[:2] == ["python3 -m venv .venv", ". .venv/bin/activate"]
    assert lines[2].startswith("pip install ")
