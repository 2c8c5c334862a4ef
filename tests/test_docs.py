"""The pages of the site: every block of code in them runs, and every test that they name exists."""

import doctest
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

import tinynet as tn
from tinynet.cli import main

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "tinynet"
CODE = set(re.findall(r"\b_[a-z]\w+", "".join(file.read_text("utf-8") for file in PACKAGE.rglob("*.py"))))
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("[!_]*/*.md"))]
FENCE = re.compile(r"^(?P<mark>```+)(?P<info>[^\n]+)\n(?P<text>.*?)^(?P=mark)$", re.DOTALL | re.MULTILINE)
PEERS = re.compile(r"^import (keras|torch)$", re.MULTILINE)

sys.path.insert(0, str(DOCS / "_ext"))
import programs  # noqa: E402
from pieces import TEST, missing_test, piece  # noqa: E402


def label(path):
    return path.relative_to(ROOT).as_posix()


def blocks(path, language):
    """Give the blocks of a language in a page, each with the number of its first line."""
    text = path.read_text("utf-8")
    found = [(m["info"], m["text"], text.count("\n", 0, m.start("text"))) for m in FENCE.finditer(text)]
    return [(code, line) for info, code, line in found if info == language]


def is_ours(code):
    return not PEERS.search(code)


def lacks_onnx(code):
    """Whether something needs the package onnx, which the extra test brings, where it is missing."""
    return "onnx" in code and find_spec("onnx") is None


@pytest.mark.parametrize("path", [p for p in PAGES[1:] if blocks(p, "python")], ids=label)  # README has its own test
def test_python_in_a_page_runs_in_its_order_and_prints_what_stands_there(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    for code, line in blocks(path, "python"):
        if code.startswith(">>>"):
            test = doctest.DocTestParser().get_doctest(code, names, label(path), str(path), line)
            report = []
            runner.run(test, out=report.append, clear_globs=False)
            assert not report, "".join(report)
            names = test.globs
        elif is_ours(code) and not lacks_onnx(code):
            exec(compile("\n" * line + code, str(path), "exec"), names)


PEER_BLOCKS = [(p, code) for p in PAGES for code, _ in blocks(p, "python") if not is_ours(code)]


@pytest.mark.parametrize("code", [code for _, code in PEER_BLOCKS], ids=[PEERS.search(c)[1] for _, c in PEER_BLOCKS])
@pytest.mark.filterwarnings("default")
def test_python_of_a_peer_runs_where_it_is_installed(code):
    pytest.importorskip(PEERS.search(code)[1], reason="is in the bench extra only")
    (x_train, y_train), (x_test, y_test) = tn.datasets.mnist(source="sample")
    exec(code, {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test})


@pytest.mark.slow
@pytest.mark.parametrize("name", programs.NEEDS)
def test_a_program_with_other_libraries_prints_what_is_kept_but_for_digits(name):
    if programs.missing(name):
        pytest.skip(f"{' and '.join(programs.missing(name))} is missing")
    found, kept = (re.sub(r"\d", "#", text) for text in (programs.run(name), programs.kept(name)))
    assert found == kept


@pytest.mark.parametrize("path", [p for p in PAGES if TEST.search(p.read_text("utf-8"))], ids=label)
def test_the_tests_that_a_page_names_exist(path):
    text = re.sub(r"\s+", "", path.read_text("utf-8"))
    named = [match[0] for match in TEST.finditer(text)]
    assert [problem for problem in map(missing_test, named) if problem] == []


SOURCE = re.compile(r"^:::\{source\} (\S+)\n(?::from: (.*)\n)?(?::to: (.*)\n)?:::$", re.MULTILINE)


@pytest.mark.parametrize("path", [p for p in PAGES if "{source}" in p.read_text("utf-8")], ids=label)
def test_the_pieces_of_source_that_a_page_shows_are_there(path):
    text = path.read_text("utf-8")
    named = SOURCE.findall(text)
    assert len(named) == text.count(":::{source}")
    for target, start, end in named:
        assert 1 <= len(piece(target, start, end)[1].splitlines()) <= 45


@pytest.mark.parametrize("path", [ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *PAGES], ids=label)
def test_files_and_private_names_of_which_a_page_speaks_are_there(path):
    text = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for name in re.findall(r"`((?:\w+/)+\w+\.(?:py|md|js|txt))`", text):
        assert any((folder / name).is_file() for folder in (ROOT, PACKAGE, DOCS, ROOT / "tests")), name
    for name in re.findall(r"`(_[a-z]\w+)`", text):
        assert name in CODE, name


def test_the_table_of_projects_counts_the_lines_of_each():
    text = (DOCS / "projects.md").read_text("utf-8")
    rows = re.findall(r"^\| \[(.*?)\]\((.*?)\) \|.*?\| (\d+) \|", text, re.MULTILINE)
    assert len(rows) == 16
    for title, target, lines in rows:
        if target.startswith("#"):
            code = re.findall(r"^(?:>>>|\.\.\.).*", text.split(f"\n## {title}\n")[1].split("\n## ")[0], re.MULTILINE)
        else:
            script = (ROOT / "examples" / f"{Path(target).stem}.py").read_text("utf-8").split('"""', 2)[2]
            code = [line for line in script.splitlines() if line.strip() and not line.strip().startswith("#")]
        assert len(code) == int(lines), title


def test_every_op_has_a_page_with_an_example_of_its_shapes():
    import op_reference

    text = "".join(map(op_reference.page, op_reference.FAMILIES))
    assert set(re.findall(r"^\.\. _op-(\w+):$", text, re.MULTILINE)) == set(op_reference.OPS)


def test_every_layer_is_on_the_page_of_the_layers_with_an_example():
    import layer_reference

    found = set(re.findall(r"^   \* - :class:`~tinynet\.(\w+)`$", layer_reference.page(), re.MULTILINE))
    assert found == layer_reference.layers() | {"Sequential"}


def test_every_public_name_is_in_the_reference():
    listed = re.findall(r"^   ([\w.]+)$", (DOCS / "reference" / "api.md").read_text("utf-8"), re.MULTILINE)
    assert len(listed) == len(set(listed))
    modules = {"datasets", "distributed", "metrics", "ops", "random", "report"}
    assert set(tn.__all__) - modules <= set(listed)
    assert {f"report.{name}" for name in tn.report.__all__} <= set(listed)


def commands():
    """Give the commands of all pages but those that install things, each with the page it is on."""
    for path in PAGES:
        for code, _ in blocks(path, "sh"):
            yield from ((path, line.split("#")[0].strip()) for line in code.splitlines())


@pytest.mark.parametrize("path", sorted({path for path, line in commands() if line.startswith("tinynet ")}), ids=label)
def test_commands_in_a_page_run_in_their_order(path, tmp_path, monkeypatch):
    """On the sample, for one epoch."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYNET_OFFLINE", "1")
    monkeypatch.delenv("TINYNET_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Image.fromarray(tn.datasets.mnist(source="sample")[0][0][0]).save("seven.png")
    for _, line in dict.fromkeys(found for found in commands() if found[0] == path):
        arguments = shlex.split(line)
        if arguments[:1] == ["tinynet"] and not lacks_onnx(line):
            short = ["--epochs", "1", "--no-report"] if arguments[1] in ("train", "experiment") else []
            assert main([*arguments[1:], *short]) == 0, line


BY_MPIEXEC = {  # which the tests of `distributed` start, with other networks and scripts
    "mpiexec -n 4 tinynet train cnn --micro-batches 8",
    "mpiexec -n 4 python train.py",
}


def test_other_commands_of_pages_are_those_of_ci_or_install_things():
    done = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    others = {line for _, line in commands() if not line.startswith(("tinynet ", "pip install "))}
    assert others - set(done) - BY_MPIEXEC == {"python -m benchmarks.compare --help"}, "a command that nothing runs"
    help = [sys.executable, "-m", "benchmarks.compare", "--help"]
    assert subprocess.run(help, cwd=ROOT, check=True, capture_output=True).stdout
