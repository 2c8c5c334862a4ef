"""The labs: right solutions pass, each wrong one is told its mistake, and no file can hang or end the grader."""

import json
import shlex
import sys

import pytest

import tinynet as tn
from tests.labs.solutions import RIGHT, WRONG
from tinynet import labs
from tinynet.cli import main
from tinynet.errors import ArgumentError, FileFormatError, MissingFileError, WriteError
from tinynet.labs import LABS, student
from tinynet.labs.doctor import STUDENT_FILES, Finding
from tinynet.labs.lab import Verdict


@pytest.fixture(autouse=True)
def graded_by_what_ops_mean():
    with tn.reference():
        yield
    sys.modules.pop("lab", None)
    STUDENT_FILES.clear()


def grade(number, path, code):
    """Grade code here, without a process of its own."""
    path.write_text(f"import numpy as np\n{code}", "utf-8")
    result = student.grade(number, path)
    return Verdict(LABS[number], tuple(map(Finding._make, result["findings"])), tuple(result["remarks"]))


@pytest.mark.parametrize("number", LABS)
def test_the_library_solves_its_own_labs(number, tmp_path):
    verdict = grade(number, tmp_path / "lab.py", RIGHT[number])
    assert verdict.ok, str(verdict)
    assert "All of it is right. The library does the same in\n  tinynet.ops" in str(verdict)


CASES = [(number, *case) for number, cases in WRONG.items() for case in cases]


@pytest.mark.parametrize(("number", "old", "new", "mistakes"), CASES)
def test_a_wrong_solution_is_told_which_mistake_it_makes(number, old, new, mistakes, tmp_path):
    code = RIGHT[number].replace(old, new) if old else RIGHT[number] + new
    assert code != RIGHT[number]
    verdict = grade(number, tmp_path / "lab.py", code)
    assert list(verdict.mistakes) == mistakes, str(verdict)
    assert "not examined" in mistakes or "later" not in str(verdict)


def test_there_are_at_least_five_wrong_ones_of_each():
    assert min(len(cases) for cases in WRONG.values()) >= 5


@pytest.mark.parametrize(
    ("number", "code", "text"),
    [
        (2, "def softmax_cross_entropy(logits, labels): return None", "is a return missing?"),
        (2, "def softmax_cross_entropy(logits, labels): return 'x'", "returns a str; return a NumPy array"),
        (2, "def softmax_cross_entropy(logits, labels): return logits.nothing", "(line 13 of lab.py)"),
        (4, "def max_pool(x, size): exit(3)", "raises SystemExit: 3"),
    ],
)
def test_what_is_no_number_at_all_is_told_too(number, code, text, tmp_path):
    assert text in " ".join(str(grade(number, tmp_path / "lab.py", RIGHT[number] + code)).split())


# --- in a process of its own


def notebook(*cells):
    made = [{"cell_type": "code", "metadata": {}, "source": cell.splitlines(keepends=True)} for cell in cells]
    return json.dumps({"cells": [{"cell_type": "markdown", "source": "# Text"}, *made], "nbformat": 4, "metadata": {}})


def test_a_notebook_passes_with_magics_and_with_a_scratch_cell_that_fails(tmp_path, capsys):
    path = tmp_path / "my lab.ipynb"
    path.write_text(notebook("import numpy as np\n%matplotlib inline", RIGHT[4], "1 / 0", "!exit 3", "%%bash\nexit 3"))
    assert main(["lab", "check", "4", str(path)]) == 0
    said = capsys.readouterr().out
    assert "All of it is right" in said
    assert "note   code cell 3 raises ZeroDivisionError: division by zero (line 1 of code cell 3)" in said


@pytest.mark.parametrize(
    ("code", "mistake", "text"),
    [
        ("def max_pool(x, size):\n    while True:\n        pass\n", "does not end", "of lab.py, in max_pool"),
        ("import os\nos._exit(0)", "leaves Python", "ended itself with exit code 0"),
    ],
)
def test_a_file_that_hangs_or_leaves_ends_in_a_message(code, mistake, text, tmp_path):
    path = tmp_path / "lab.py"
    path.write_text(RIGHT[4] + code)
    verdict = labs.check(4, path, seconds=2)
    assert verdict.mistakes == (mistake,)
    assert text in verdict.findings[0].text


def test_a_file_without_what_is_asked_for_is_told_why(tmp_path):
    verdict = grade(2, tmp_path / "lab.py", "def softmax_cross_entropy(:\n")
    assert verdict.mistakes == ("missing", "missing")
    assert "lab.py is not Python: invalid syntax in line 2" in verdict.findings[0].text
    assert grade(1, tmp_path / "lab.py", "affine = ...").mistakes == ("missing",)


def test_what_is_no_solution_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="there is no lab 5; there are labs 1, 2, 3, 4"):
        labs.check(5, tmp_path / "lab.py")
    with pytest.raises(MissingFileError, match="save the notebook"):
        labs.check(1, tmp_path / "lab.ipynb")
    for name, content, text in [("a.txt", "x", "neither"), ("a.ipynb", "[]", "format 4"), ("b.ipynb", "{", "format 4")]:
        (tmp_path / name).write_text(content)
        with pytest.raises(FileFormatError, match=text):
            labs.check(1, tmp_path / name)


# --- the notebooks


@pytest.mark.parametrize("number", LABS)
def test_a_notebook_is_written_once_and_its_holes_are_told(number, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["lab", "start", str(number)]) == 0
    path = tmp_path / f"lab{number}.ipynb"
    before = path.read_bytes()
    assert main(["lab", "start", str(number)]) == 1
    assert "is there already, and may be your work" in capsys.readouterr().err
    assert path.read_bytes() == before
    written = json.loads(before)
    assert "".join(written["cells"][-1]["source"]) == f"!tinynet lab check {number} lab{number}.ipynb"
    result = student.grade(number, path)
    names = {finding.mistake for finding in map(Finding._make, result["findings"])}
    assert names <= {"missing", "returns nothing", "no gradient", "not examined"}


def test_a_lab_may_be_a_script_and_have_another_name(tmp_path):
    path = labs.start(3, tmp_path / "my 'lab'.py")
    compile(path.read_text("utf-8"), "lab.py", "exec")
    other = json.loads(labs.start(3, tmp_path / "my lab.ipynb").read_text("utf-8"))
    assert shlex.split("".join(other["cells"][-1]["source"]))[-1] == "my lab.ipynb"
    with pytest.raises(ArgumentError, match=r"a notebook \(.ipynb\) or a script"):
        labs.start(3, tmp_path / "lab.txt")
    with pytest.raises(WriteError, match="could not write"):
        labs.start(3, tmp_path / "nowhere" / "lab.ipynb")


def test_the_list_names_each_lab(capsys):
    assert main(["lab"]) == 0
    said = capsys.readouterr().out
    assert all(f"{n}  {lab.title}: write {', '.join(lab.names)}" in said for n, lab in LABS.items())
