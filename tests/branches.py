"""Measure which branches of the book and of saving the tests of their rooms go through.

Run as ``python -m tests.branches`` for a table with the lines and branches that no test reaches, or as ``python -m
tests.branches saving`` for those of saving alone; needs the package coverage. What other processes run, as in tests
that kill one, is not counted.
"""

import sys

import pytest

from tests.count_lines import ROOT, parts

OF_THE_BOOK = (
    "tests/core", "tests/ops/test_loss.py", "tests/ops/test_meaning.py", "tests/ops/test_methods.py",
    "tests/ops/test_op_errors.py", "tests/ops/test_op_special.py", "tests/nn", "tests/optim", "tests/train",
    "tests/test_model.py", "tests/test_reuse.py", "tests/test_wrong_arguments.py", "tinynet/core", "tinynet/nn",
    "tinynet/ops", "tinynet/optim", "tinynet/train", "tinynet/model.py",
)  # fmt: skip
OF_SAVING = ("tests/saving", "tinynet/saving")


def measure(files, tests):
    """Run tests, and print how much of some files they reach."""
    from coverage import Coverage

    measured = Coverage(branch=True, include=list(map(str, files)), data_file=None)
    measured.start()
    status = pytest.main(["-q", "-rfE", "--tb=short", "-p", "no:cacheprovider", "-p", "no:randomly", *tests])
    measured.stop()
    measured.report(show_missing=True, skip_covered=True)
    return status


if __name__ == "__main__":
    saving = sorted((ROOT / "saving").glob("*.py"))
    alone = sys.argv[1:] == ["saving"]
    sys.exit(measure(saving, OF_SAVING) if alone else measure([*parts()["book"], *saving], [*OF_THE_BOOK, *OF_SAVING]))
