"""What fuzzing has found stays mended, and the law that it checks notices each way to break it.

`python -m tests.fuzz` looks for more.
"""

import random
import warnings

import numpy as np
import pytest

from tests.fuzz.law import BreachError, check
from tests.fuzz.readers import CORPUS, READERS
from tinynet.errors import FileFormatError


@pytest.fixture(scope="module")
def reader(request, tmp_path_factory):
    return READERS[request.param](tmp_path_factory.mktemp(request.param) / "files")


each = pytest.mark.parametrize("reader", READERS, indirect=True, scope="module")


@each
def test_valid_files_are_read_and_so_are_those_that_were_sealed_again(reader):
    rng, seeds = random.Random(0), reader.seeds()
    for seed in seeds[:: 1 + len(seeds) // 14]:
        found = [check(read, reader.may_write) for read in reader.reads(seed)]
        assert any(found)
        for _ in range(2):
            changed = reader.change(seed, rng, lambda data: data)
            for read in reader.reads(changed):
                check(read, reader.may_write)


FOUND = [path for path in sorted(CORPUS.glob("*/*")) if not path.name.startswith("valid-")]


@pytest.mark.parametrize(
    ("reader", "path"),
    [pytest.param(path.parent.name, path, id=f"{path.parent.name} {path.name}") for path in FOUND],
    indirect=["reader"],
    scope="module",
)
def test_what_was_found_is_read_or_refused(reader, path):
    for read in reader.reads(path.read_bytes()):
        check(read, reader.may_write)


def test_what_was_found_is_small():
    assert sum(path.stat().st_size for path in CORPUS.glob("*/*")) < 40_000


# --- the law


def test_errors_of_ours_and_values_are_no_breach():
    def refuse():
        raise FileFormatError("it is damaged")

    assert check(lambda: 3)
    assert not check(refuse)


def raw():
    return {}["name"]


def memory():
    try:
        raise MemoryError
    except MemoryError as error:
        raise FileFormatError("it is damaged") from error


def run():
    exec("1")


@pytest.mark.parametrize(
    ("read", "says"),
    [
        (raw, "KeyError"),
        (memory, "MemoryError"),
        (run, "RuntimeError"),
        (lambda: np.load(CORPUS), "Is|Permission|Directory"),
        (lambda: warnings.warn("odd", RuntimeWarning, stacklevel=1), "RuntimeWarning"),
        (lambda: exit(3), "SystemExit"),
    ],
)
def test_a_breach_is_noticed(read, says):
    with pytest.raises(BreachError, match=says):
        check(read)


def test_what_is_written_is_noticed_even_where_the_error_of_it_is_caught(tmp_path):
    def write():
        try:
            (tmp_path / "file").write_text("written")
        except Exception as error:
            raise FileFormatError("it is damaged") from error

    with pytest.raises(BreachError, match="open of"):
        check(write)
    assert not (tmp_path / "file").exists()
    assert check(write, may_write=tmp_path)
