"""How kernels are kept on disk, each time in a process of its own with a cache of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from numba import config

import tinynet

pytestmark = pytest.mark.skipif(
    bool(config.DISABLE_JIT or config.BOUNDSCHECK), reason="ordinary compilation is tested here, in other processes"
)

# Runs one kernel, after what the test has to say, and tells what came of it.
RUN = """
import json, sys, warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import numpy as np
    from tinynet.kernels import jit, loss, pointwise
    compiled = []
    exec(sys.argv[1])
    with jit.compilations(lambda name, count: compiled.append(name)):
        x = np.array([[0.0, 0.0]])
        loss.softmax(y := np.empty_like(x), x)
        pointwise.cut_chunk(z := np.empty(2), u := np.array([-1.0, 2.0]), u)
print(json.dumps([y.tolist() + z.tolist(), compiled, [str(w.message) for w in caught], loss.__file__]))
"""


def run(cache, before="", **environment):
    """Run in a new process: the results, the kernels compiled and the warnings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", RUN, before],
        env=kept | {"NUMBA_CACHE_DIR": str(cache)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    results, compiled, warnings, file = json.loads(done.stdout)
    assert results == [[0.5, 0.5], 0.0, 2.0]
    return compiled, warnings, Path(file)


def empty(directory, pattern):
    """Cut files to nothing, as a crash of the machine may leave them."""
    paths = list(directory.rglob(pattern))
    assert paths
    for path in paths:
        path.write_bytes(b"")


BOTH = ["softmax", "cut_chunk"]


def test_a_later_process_loads_what_an_earlier_one_compiled(tmp_path):
    assert run(tmp_path)[:2] == (BOTH, [])
    assert run(tmp_path)[:2] == ([], [])


def test_code_compiled_with_bounds_checks_is_kept_apart(tmp_path):
    assert run(tmp_path)[0] == BOTH
    assert run(tmp_path, NUMBA_BOUNDSCHECK="1")[0] == BOTH
    assert run(tmp_path)[0] == []


def test_code_is_compiled_anew_where_gemm_which_it_may_hold_has_changed(tmp_path):
    cache, package = tmp_path / "cache", tmp_path / "tinynet"
    shutil.copytree(Path(tinynet.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    assert run(cache, PYTHONPATH=str(tmp_path))[0] == BOTH
    with (package / "kernels" / "blas.py").open("a") as file:
        file.write("# changed\n")
    assert run(cache, PYTHONPATH=str(tmp_path))[0] == BOTH
    assert run(cache, PYTHONPATH=str(tmp_path))[0] == []


def test_an_unwritable_cache_is_done_without_after_one_warning(tmp_path):
    """Root may write anywhere, but not even root makes a directory below a file."""
    (tmp_path / "file").touch()
    nowhere = str(tmp_path / "file" / "below")
    package = tmp_path / "tinynet"
    shutil.copytree(Path(tinynet.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "kernels" / "__pycache__").touch()
    compiled, warnings, file = run(nowhere, PYTHONPATH=str(tmp_path), HOME=nowhere, XDG_CACHE_HOME=nowhere)
    assert file.is_relative_to(package)
    assert compiled == BOTH
    assert len(warnings) == 1
    assert "NUMBA_CACHE_DIR" in warnings[0]


def test_an_unwritable_cache_directory_gives_way_to_the_next_best_place(tmp_path):
    (tmp_path / "file").touch()
    assert run(tmp_path / "file" / "below")[1] == []


def test_a_cache_that_stops_taking_files_is_done_without_after_one_warning(tmp_path):
    """As when the disk is full, or the directory is cleared away, at some time after the import."""
    cache = tmp_path / "cache"
    before = f"import shutil, pathlib; shutil.rmtree({str(cache)!r}); pathlib.Path({str(cache)!r}).touch()"
    compiled, warnings, _ = run(cache, before)
    assert compiled == BOTH
    assert len(warnings) == 1


@pytest.mark.parametrize(("pattern", "replaced"), [("*.nbi", False), ("*.nbc", True)], ids=["index", "code"])
def test_damaged_files_are_done_without_after_one_warning(tmp_path, pattern, replaced):
    run(tmp_path)
    empty(tmp_path, pattern)
    compiled, warnings, _ = run(tmp_path)
    assert compiled == BOTH
    assert len(warnings) == 1
    if replaced:
        assert run(tmp_path)[:2] == ([], [])


FACTORY = """
from tinynet.kernels.jit import kernel

def make(n):
    @kernel()
    def fill(x):
        for i in range(n):
            x[i] = n
    return fill
"""

FILL = """
import numpy as np, factory

x, kernels = np.zeros(3), [factory.make(3), factory.make(2)]
for kernel in kernels:
    kernel(x)
print(x.tolist(), sum(len(kernel.stats.cache_misses) for kernel in kernels))
"""


def run_beside(directory, script, **environment):
    """Run a script that can import modules from a directory, which is the cache as well."""
    return subprocess.run(
        [sys.executable, "-P", "-c", script],
        env=os.environ | {"NUMBA_CACHE_DIR": str(directory), "PYTHONPATH": str(directory)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_specialisation_of_a_kernel_is_kept_in_files_of_its_own(tmp_path):
    """Processes that save at once choose the same name for what they save; the two must not be taken for each other."""
    (tmp_path / "factory.py").write_text(FACTORY)
    assert run_beside(tmp_path, FILL).stdout == "[2.0, 2.0, 3.0] 2\n"
    assert len(list(tmp_path.rglob("*.nbi"))) == 2
    assert run_beside(tmp_path, FILL).stdout == "[2.0, 2.0, 3.0] 0\n"


def test_with_bounds_checks_an_index_out_of_bounds_is_found_in_parallel_loops_too(tmp_path):
    (tmp_path / "astray.py").write_text(
        "import numba\n"
        "from tinynet.kernels.jit import kernel\n"
        "@kernel(parallel=True)\n"
        "def astray(x):\n"
        "    for i in numba.prange(x.size):\n"
        "        x[i + 1] = 0\n"
    )
    done = run_beside(tmp_path, "import numpy as np, astray; astray.astray(np.zeros(4))", NUMBA_BOUNDSCHECK="1")
    assert done.returncode == 1
    assert "IndexError" in done.stderr
