"""The pages of the site: every block of code in them runs, and every test that they name exists."""

import doctest
import re
import sys
from pathlib import Path

import pytest

import tinynet as tn

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("[!_]*/*.md"))]
FENCE = re.compile(r"^(?P<mark>```+)(?P<info>[^\n]+)\n(?P<text>.*?)^(?P=mark)$", re.DOTALL | re.MULTILINE)
PEERS = re.compile(r"^import (keras|torch)$", re.MULTILINE)

sys.path.insert(0, str(DOCS / "_ext"))
from pieces import TEST, missing_test  # noqa: E402


def label(path):
    return path.relative_to(ROOT).as_posix()


def blocks(path, language):
    """Give the blocks of a language in a page, each with the number of its first line."""
    text = path.read_text("utf-8")
    found = [(m["info"], m["text"], text.count("\n", 0, m.start("text"))) for m in FENCE.finditer(text)]
    return [(code, line) for info, code, line in found if info == language]


def pages(language):
    return pytest.mark.parametrize("path", [p for p in PAGES if blocks(p, language)], ids=label)


def is_ours(code):
    return not PEERS.search(code)


@pages("python")
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
        elif is_ours(code):
            exec(compile("\n" * line + code, str(path), "exec"), names)


PEER_BLOCKS = [(p, code) for p in PAGES for code, _ in blocks(p, "python") if not is_ours(code)]


@pytest.mark.parametrize("code", [code for _, code in PEER_BLOCKS], ids=[PEERS.search(c)[1] for _, c in PEER_BLOCKS])
@pytest.mark.filterwarnings("default")
def test_python_of_a_peer_runs_where_it_is_installed(code):
    pytest.importorskip(PEERS.search(code)[1], reason="is in the bench extra only")
    (x_train, y_train), (x_test, y_test) = tn.datasets.mnist(source="sample")
    exec(code, {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test})


@pytest.mark.parametrize("path", [p for p in PAGES if TEST.search(p.read_text("utf-8"))], ids=label)
def test_the_tests_that_a_page_names_exist(path):
    text = re.sub(r"\s+", "", path.read_text("utf-8"))
    named = [match[0] for match in TEST.finditer(text)]
    assert [problem for problem in map(missing_test, named) if problem] == []


def test_every_public_name_is_in_the_reference():
    listed = set(re.findall(r"^   (\w+)$", (DOCS / "reference" / "api.md").read_text("utf-8"), re.MULTILINE))
    assert (
        set(tn.__all__) - {"ops", "datasets"} - listed - {n.split(".")[0] for n in listed}
        == {
            "get_num_threads",
            "set_num_threads",
        }
        - listed
    )
