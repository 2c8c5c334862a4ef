"""How kernels are built and kept on disk: each time in processes of their own, with a cache of their own."""

import ast
import json
import os
import pickle
import py_compile
import shutil
import signal
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numba import config

import tinynet
from tinynet.errors import KernelBuildError
from tinynet.fast.kernels import build, pointwise, store

pytestmark = [
    pytest.mark.slow,  # each builds kernels anew, in processes of its own
    pytest.mark.skipif(
        bool(config.DISABLE_JIT or config.BOUNDSCHECK), reason="ordinary compilation is tested here, in other processes"
    ),
]
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be another user")

BITS = Path(__file__).with_name("kernel_bits.py")

# Runs two kernels, after what the test has to say, and tells what came of it.
RUN = """
import json, sys, warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import numpy as np
    from numba.core import event
    from tinynet.fast.kernels import build, loss, pointwise
    built, compiled = [], []
    class Listener(event.Listener):
        def on_start(self, event):
            compiled.append(event.data["dispatcher"].__name__)
        def on_end(self, event):
            pass
    event.register("numba:compile", Listener())
    def run():
        x = np.array([[0.0, 0.0]])
        loss.softmax(y := np.empty_like(x), np.empty((2, 1)), x)
        pointwise.cut.serial(z := np.empty(2), u := np.array([-1.0, 2.0]), u, 1)
        return y.tolist() + z.tolist()
    exec(sys.argv[1])
    with build.watch(lambda progress: built.append(progress.kernel) if progress.kernel else None):
        result = run()
print(json.dumps([result, built, compiled, [str(w.message) for w in caught], str(build.store().directory)]))
"""
BOTH = ["softmax", "cut"]


def clean(**environment):
    """An environment without what Numba is told in this one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    return {name: str(value) for name, value in (kept | environment).items() if value is not None}


def start(script, *arguments, cwd=None, user=None, **environment):
    """Run a script in a new process."""
    return subprocess.run(
        [sys.executable, "-P", "-c", script, *arguments],
        env=clean(**environment),
        cwd=cwd,
        user=user,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def run(cache, before="", **options):
    """Run both kernels in a new process: those built, the warnings, and the directory of the files."""
    done = start(RUN, before, NUMBA_CACHE_DIR=cache, **options)
    assert done.returncode == 0, done.stderr
    results, built, compiled, warnings, directory = json.loads(done.stdout)
    assert results == [[0.5, 0.5], 0.0, 2.0]
    assert compiled == [], "a process that computes compiles nothing"
    return built, warnings, Path(directory)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A cache that holds both kernels."""
    cache = tmp_path_factory.mktemp("built")
    assert run(cache)[:2] == (BOTH, [])
    return cache


@pytest.fixture
def cache(built, tmp_path):
    """A copy of that cache."""
    return shutil.copytree(built, tmp_path / "cache")


def copied(tmp_path):
    """A copy of the package, to be changed."""
    shutil.copytree(Path(tinynet.__file__).parent, tmp_path / "tinynet", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "tinynet"


# --- built once, loaded from then on


def test_a_later_process_loads_what_an_earlier_one_had_built(built):
    assert run(built)[:2] == ([], [])


@pytest.mark.parametrize("setting", [{"NUMBA_BOUNDSCHECK": 1}, {"NUMBA_OPT": 1}, {"NUMBA_LOOP_VECTORIZE": 0}], ids=str)
def test_code_built_with_other_settings_is_kept_apart(cache, setting):
    assert run(cache, **setting)[0] == BOTH
    assert run(cache)[0] == []


def test_code_is_built_again_where_any_source_of_a_kernel_has_changed(cache, tmp_path):
    package = copied(tmp_path)
    assert run(cache, PYTHONPATH=tmp_path)[0] == []
    with (package / "fast" / "kernels" / "vectors.py").open("a") as file:
        file.write("# changed\n")
    assert run(cache, PYTHONPATH=tmp_path)[0] == BOTH


def flip(content):
    """Change one bit in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [lambda c: b"", lambda c: c[:-1], flip, lambda c: c[:40]], ids=range(4))
def test_a_damaged_file_is_built_again(cache, damage):
    path = next(cache.rglob("softmax-*.kernel"))
    content = path.read_bytes()
    path.write_bytes(damage(content))
    assert run(cache)[:2] == (["softmax"], [])
    assert len(path.read_bytes()) == len(content)


def test_processes_that_start_at_once_build_each_kernel_once_and_leave_nothing_else(tmp_path):
    command = [sys.executable, "-P", "-c", RUN, ""]
    children = [
        subprocess.Popen(command, env=clean(NUMBA_CACHE_DIR=tmp_path), stdout=subprocess.PIPE) for _ in range(3)
    ]
    answers = [json.loads(child.communicate(timeout=300)[0]) for child in children]
    assert sorted(name for answer in answers for name in answer[1]) == sorted(BOTH)
    left = sorted(path.name.split("-")[0] for path in Path(answers[0][4]).iterdir())
    assert left == ["cut", "lock", "softmax"]


def test_arrays_that_may_not_be_written_to_take_the_kernels_of_others(built):
    before = """
        def run():
            x, u = np.array([[0.0, 0.0]]), np.array([-1.0, 2.0])
            x.flags.writeable = u.flags.writeable = False
            loss.softmax(y := np.empty_like(x), np.empty((2, 1)), x)
            pointwise.cut.serial(z := np.empty(2), u, u, 1)
            prepared, = build.prepare([(pointwise.cut.serial, (z, u, u, 1))])
            prepared(z, u, u, 1)
            return y.tolist() + z.tolist()
    """
    assert run(built, textwrap.dedent(before))[:2] == ([], [])


@needs_fork
def test_processes_wait_for_each_other_where_they_build_the_same_kernel_and_nowhere_else(tmp_path):
    script = """
        import os, signal
        import numpy as np
        from tinynet.fast.kernels import build, pointwise
        def waits(wanted):
            child = os.fork()
            if not child:
                signal.alarm(1)
                with build.store().locked(wanted):
                    os._exit(0)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGALRM
        one, other = (pointwise.cut.identity_of((x, x, x, 1)) for x in (np.zeros(1), np.zeros(1, np.float32)))
        with build.store().locked([one]):
            print(waits([one]), waits([other]), waits([other, one]))
        print(waits([other, one]))
    """
    done = start(textwrap.dedent(script), NUMBA_CACHE_DIR=tmp_path)
    assert done.stdout == "True False True\nFalse\n", done.stderr


def test_numbas_options_set_in_the_program_are_refused_since_a_helper_does_not_know_them(tmp_path):
    done = start("import numba; numba.config.LOOP_VECTORIZE = 0\n" + RUN, "", NUMBA_CACHE_DIR=tmp_path)
    assert "KernelBuildError" in done.stderr
    assert "NUMBA_LOOP_VECTORIZE is" in done.stderr
    assert "in the environment before Python starts" in done.stderr


# --- the same bits, whatever was built before


@pytest.mark.slow
def test_every_kernel_has_the_same_bits_built_in_another_order_by_another_process(tmp_path):
    """The kernels of all tests were built by many processes, each at its first use."""
    kept = json.loads(run_bits("float32"))
    built = json.loads(run_bits("float32", "reversed", NUMBA_CACHE_DIR=tmp_path))
    loaded = json.loads(run_bits("float32", NUMBA_CACHE_DIR=tmp_path))
    assert kept == built
    assert kept == loaded


TRAINED = """
import hashlib
import numpy as np
import tinynet as tn
rng = np.random.default_rng(0)
x, y = rng.normal(size=(22, 3)).astype("float32"), rng.integers(0, 2, 22)
layers = [tn.Dense(6, "tanh"), tn.BatchNorm(), tn.Dropout(0.5), tn.Dense(2, "softmax")]
model = tn.Sequential([tn.Input((3,)), *layers], seed=0)
model.fit(x, y, epochs=2, batch_size=5, optimizer=tn.Adam(0.01), seed=0, verbose=0)
for leaf in model.leaves.values():
    print(hashlib.sha256(leaf.data.tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_training_with_states_and_randomness_has_the_same_bits_on_a_cold_and_on_a_warm_cache(tmp_path):
    cold, warm = (start(TRAINED, NUMBA_CACHE_DIR=tmp_path) for _ in range(2))
    assert cold.returncode == warm.returncode == 0, cold.stderr + warm.stderr
    assert cold.stdout == warm.stdout
    assert len(set(cold.stdout.split())) == 8  # weights and biases, and of the normalisation four


@needs_fork
@pytest.mark.slow
def test_every_kernel_has_the_same_bits_on_threads_and_in_its_serial_form():
    found = json.loads(run_bits())
    assert json.loads(run_bits("forked")) == found
    missing = entered_kernels() - {tuple(kernel) for kernel in found["kernels"]}
    assert missing == set(), "each is among those compared"


def entered_kernels():
    """The module and the name of each kernel, or of the factory that makes it, that no other kernel calls."""
    found, called, files = set(), set(), {}
    for path in Path(build.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        files[path] = {f.name: f for f in tree.body if isinstance(f, ast.FunctionDef)}
        bodies = [line for f in files[path].values() for line in f.body]
        calls = [n for line in bodies for n in ast.walk(line) if isinstance(n, ast.Call)]
        called |= {call.func.id for call in calls if isinstance(call.func, ast.Name)}
    for path, functions in files.items():
        for name, function in functions.items():
            decorators = {ast.unparse(d).split("(")[0] for d in function.decorator_list}
            if "factory" in decorators or ("kernel" in decorators and name not in called):
                found.add((f"{build.__package__}.{path.stem}", name))
    return found


def run_bits(*arguments, **environment):
    done = subprocess.run(
        [sys.executable, BITS, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_symbols_of_one_kernel_are_not_those_of_another(tmp_path):
    """Files are loaded into one process, where the first of two equal symbols would serve for both."""
    script = """
        import json, sys
        from tinynet.fast.kernels import build, builder, linear, pointwise
        import numpy as np
        build.become_helper()
        x, found = np.zeros((2, 2)), []
        product, cut = (x, x[None], x, x, x[0, :0], False, True, True, 2, 0), (x[0], x[0], x[0], 2)
        for kernel, arguments in [(linear.matmul, product), (pointwise.cut, cut)]:
            identity = kernel.identity_of(arguments)
            builder.compile_kernel(identity)
            library = kernel.overloads[identity.signature].library
            found.append([f.name for f in library.get_defined_functions() if f.name.startswith("_ZN")])
        print(json.dumps(found))
    """
    done = start(textwrap.dedent(script))
    assert done.returncode == 0, done.stderr
    first, second = map(set, json.loads(done.stdout))
    assert first
    assert second
    assert not first & second


# --- where nothing can be kept


def test_an_unwritable_cache_gives_way_to_a_temporary_one_after_one_warning(tmp_path):
    """Root may write anywhere, but not even root makes a directory below a file."""
    (tmp_path / "file").touch()
    built, warnings, directory = run(tmp_path / "file" / "below")
    assert built == BOTH
    (warning,) = warnings
    assert "set NUMBA_CACHE_DIR to a directory that can be written to" in warning
    assert not directory.exists(), "it goes with the process"


@pytest.mark.parametrize("home", ["", "/nonexistent"])
def test_without_a_home_a_temporary_directory_serves_and_nothing_is_made_in_the_working_directory(tmp_path, home):
    built, (warning,), _ = run(None, HOME=home, XDG_CACHE_HOME=None, cwd=tmp_path)
    assert built == BOTH
    assert "no home directory" in warning
    assert list(tmp_path.iterdir()) == []


@as_root
def test_a_user_without_an_entry_or_a_home_is_served(tmp_path):
    package = copied(tmp_path)
    for path in (tmp_path, *package.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for parent in tmp_path.parents[:-1]:
        if not parent.stat().st_mode & 0o001:
            pytest.skip(f"{parent} cannot be entered by others")
    if start("import numpy, numba", user=54321, HOME=None).returncode:
        pytest.skip("the interpreter cannot be used by others")
    built, (warning,), _ = run(
        None, HOME=None, XDG_CACHE_HOME=None, USER=None, LOGNAME=None, PYTHONPATH=tmp_path, user=54321, cwd="/"
    )
    assert built == BOTH
    assert "no home directory" in warning


def test_a_disk_that_is_full_gives_way_to_a_temporary_directory_after_one_warning(tmp_path):
    script = """
        def full(identities, run=build._run_helper):
            return "No space left on device" if build.store().temporary is None else run(identities)
        build._run_helper = full
    """
    built, (warning,), _ = run(tmp_path, textwrap.dedent(script))
    assert built == BOTH
    assert "No space left on device" in warning


def test_where_nothing_can_be_written_at_all_an_error_says_so(tmp_path):
    """No file may grow: not even a temporary one."""
    before = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))"
    done = start(RUN, before, NUMBA_CACHE_DIR=tmp_path)
    assert "KernelBuildError: kernels cannot be kept" in done.stderr
    assert "make room" in done.stderr


NO_TEMPORARY = "import tempfile; tempfile._candidate_tempdir_list = lambda: ['/nonexistent']"


def test_kernels_are_built_where_there_is_no_directory_for_temporary_files(tmp_path):
    """As in a container whose root is read-only."""
    assert run(tmp_path, NO_TEMPORARY)[:2] == (BOTH, [])


def test_where_there_is_no_directory_at_all_an_error_says_so(tmp_path):
    (tmp_path / "file").touch()
    done = start(RUN, NO_TEMPORARY, NUMBA_CACHE_DIR=tmp_path / "file" / "below")
    assert "KernelBuildError: kernels cannot be kept in" in done.stderr
    assert "nor in a temporary directory" in done.stderr


def test_a_prebuilt_cache_that_is_read_only_is_used(built):
    before = "import tempfile; tempfile.TemporaryFile = tempfile.mkdtemp = None"
    assert run(built, before)[:2] == ([], [])


@pytest.mark.parametrize("kind", ["zip", "pyc"])
def test_an_installation_of_a_zip_or_of_bytecode_alone_builds_kernels(tmp_path, kind):
    package = copied(tmp_path)
    for path in package.rglob("*.py"):
        if kind == "pyc":
            py_compile.compile(str(path), cfile=str(path.with_suffix(".pyc")))
            path.unlink()
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / "tinynet.zip", "w") as archive:
            for path in package.rglob("*"):
                archive.write(path, path.relative_to(tmp_path))
        shutil.rmtree(package)
    place = tmp_path / "tinynet.zip" if kind == "zip" else tmp_path
    assert run(tmp_path / "cache", PYTHONPATH=place)[:2] == (BOTH, [])


# --- who builds


def test_a_script_without_a_guard_is_not_run_by_the_helper(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "print('once')\nimport numpy as np, tinynet as tn\nprint(tn.ops.relu(tn.Tensor(np.array([-1.0]))).item())\n"
    )
    done = subprocess.run(
        [sys.executable, script], env=clean(NUMBA_CACHE_DIR=tmp_path), capture_output=True, text=True, check=True
    )
    assert done.stdout == "once\n0.0\n"


def test_modules_in_the_working_directory_are_not_taken_for_the_helpers(tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('not this one')\n")
    assert run(tmp_path / "cache", cwd=tmp_path)[0] == BOTH


def test_python_threads_may_want_the_same_kernels_at_once(tmp_path):
    before = """
        from concurrent.futures import ThreadPoolExecutor
        inner = run
        def run():
            with ThreadPoolExecutor(4) as pool:
                results = [future.result() for future in [pool.submit(inner) for _ in range(4)]]
            assert all(result == results[0] for result in results)
            return results[0]
    """
    built, warnings, _ = run(tmp_path, textwrap.dedent(before))
    assert sorted(built) == sorted(BOTH)
    assert warnings == []


@needs_fork
def test_a_forked_child_builds_what_it_needs(tmp_path):
    script = """
        import os, sys
        import numpy as np, tinynet as tn
        x = np.ones(10**6)
        tn.ops.relu(x)  # starts the threads
        child = os.fork()
        if child:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        print(float(tn.ops.relu(-x).data.sum()), tn.ops.softmax([[0.0, 0.0]]).data.tolist())
    """
    done = start(textwrap.dedent(script), NUMBA_CACHE_DIR=tmp_path)
    assert done.stdout == "0.0 [[0.5, 0.5]]\n", done.stderr


@pytest.fixture
def _empty_store(monkeypatch, tmp_path):
    """A store of its own in this process, and a kernel that is not loaded yet."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(build._builds, "store", store.Store())
    monkeypatch.setattr(build._builds, "helper", None)


def identity():
    """Of a kernel that nothing else here uses."""
    x = np.zeros(1, np.float32)
    return pointwise.cut.identity_of((x, x, x, 1))


@pytest.mark.usefixtures("_empty_store")
@pytest.mark.parametrize("program", ["/nonexistent/python", "", None])
def test_a_helper_that_cannot_start_is_an_error_that_says_so(monkeypatch, program):
    monkeypatch.setattr(sys, "executable", program)
    with pytest.raises(KernelBuildError, match=r"another Python process, but .*(cannot be started|not set)"):
        build.build([identity()])


@pytest.mark.usefixtures("_empty_store")
def test_a_helper_that_dies_is_an_error_that_says_what_it_said(monkeypatch, tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho out of luck >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    message = r"(?s)ended \(exit status 3\) before it was done.*It said:\nout of luck"
    with pytest.raises(KernelBuildError, match=message):
        build.build([identity()])


@pytest.mark.usefixtures("_empty_store")
def test_a_helper_that_is_killed_is_an_error_and_the_next_call_starts_another():
    helper = build._helper()
    helper.process.kill()
    with pytest.raises(KernelBuildError, match=r"ended \(killed by signal 9\) before it was done"):
        build.build([identity()])
    build.build([identity()])
    assert build.store().read(identity()) is not None
    build._end_helper()


@pytest.mark.usefixtures("_empty_store")
def test_a_compilation_that_is_killed_is_an_error_that_names_the_kernel():
    (answer,) = run_helper([identity()._replace(module="os", name="abort", constants=())])
    assert answer["error"] == (
        f"the process that compiled kernel abort was killed by signal {int(signal.SIGABRT)}; is there enough memory?"
    )


@pytest.mark.usefixtures("_empty_store")
def test_a_kernel_that_cannot_be_compiled_is_an_error_with_its_traceback():
    (answer,) = run_helper([identity()._replace(name="missing")])
    assert answer["error"].startswith("kernel missing cannot be compiled:\nTraceback")


def run_helper(identities):
    """What a helper answers."""
    request = build.Request(build.store().surroundings, str(build.store().directory), 1, identities)
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[3]), *sys.path]))
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tinynet.fast.kernels.builder"],
        input=pickle.dumps(request),
        capture_output=True,
        env=os.environ | {"PYTHONPATH": path},
        check=False,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_with_bounds_checks_an_index_out_of_bounds_is_found_in_parallel_loops_too(tmp_path):
    (tmp_path / "astray.py").write_text(
        "import numba\n"
        "from tinynet.fast.kernels.jit import kernel\n"
        "@kernel(parallel=True)\n"
        "def astray(x):\n"
        "    for i in numba.prange(x.size):\n"
        "        x[i + 1] = 0\n"
    )
    done = start(
        "import numpy as np, astray; astray.astray(np.zeros(4))",
        NUMBA_CACHE_DIR=tmp_path,
        NUMBA_BOUNDSCHECK=1,
        PYTHONPATH=os.pathsep.join([str(tmp_path), str(Path(tinynet.__file__).parents[1])]),
    )
    assert done.returncode == 1
    assert "IndexError" in done.stderr


def test_each_specialisation_of_a_factory_is_kept_in_a_file_of_its_own(tmp_path):
    (tmp_path / "shapes.py").write_text(
        "from tinynet.fast.kernels.jit import factory, kernel\n"
        "@factory\n"
        "def make(n):\n"
        "    @kernel()\n"
        "    def fill(x):\n"
        "        for i in range(n):\n"
        "            x[i] = n\n"
        "    return fill\n"
    )
    script = "import numpy as np, shapes; x = np.zeros(3); shapes.make(3)(x); shapes.make(2)(x); print(x.tolist())"
    path = os.pathsep.join([str(tmp_path), str(Path(tinynet.__file__).parents[1])])
    for _ in range(2):
        done = start(script, NUMBA_CACHE_DIR=tmp_path, PYTHONPATH=path)
        assert done.stdout == "[2.0, 2.0, 3.0]\n", done.stderr
    assert len(list(tmp_path.rglob("make-serial-*.kernel"))) == 2
