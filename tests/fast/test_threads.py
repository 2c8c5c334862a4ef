import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import tinynet as tn
from tests.core.interrupts import InterruptAt
from tinynet.core import managed
from tinynet.errors import ArgumentError
from tinynet.fast import threads
from tinynet.fast.threads import kernel_gate

BITS = Path(__file__).with_name("thread_bits.py")
THREAD_VARIABLES = ("NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def run(arguments, **environment):
    """Run Python in a new process, where nothing about threads is set but what is given; give what it printed."""
    kept = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    done = subprocess.run(
        [sys.executable, *arguments],
        env=kept | {name: str(value) for name, value in environment.items()},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_script(script, **environment):
    return run(["-P", "-c", textwrap.dedent(script)], **environment)


def available(layer):
    """Whether Numba has this threading layer here."""
    script = f"""
        import numba
        numba.config.THREADING_LAYER = {layer!r}
        try:
            numba.set_num_threads(1)
            print("yes")
        except ValueError:
            print("no")
    """
    return run_script(script).strip() == "yes"


@pytest.fixture(params=["tbb", "omp", "workqueue"], scope="module")
def layer(request):
    """Each of Numba's threading layers that is there."""
    if not available(request.param):
        pytest.skip(f"Numba has no threading layer {request.param} here")
    return request.param


# --- results do not depend on threads


@pytest.fixture(scope="module")
def bits():
    """What one thread computes, bit for bit."""
    return json.loads(run([BITS], NUMBA_NUM_THREADS=1))


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        ([], {"NUMBA_NUM_THREADS": 1}),
        ([], {"NUMBA_NUM_THREADS": 2}),
        ([], {"NUMBA_NUM_THREADS": 3}),
        (["1"], {"NUMBA_NUM_THREADS": 2}),
        (["2"], {"NUMBA_NUM_THREADS": 2}),
        ([], {"NUMBA_NUM_THREADS": 2, "OPENBLAS_NUM_THREADS": 1}),
        ([], {"NUMBA_NUM_THREADS": 2, "OMP_NUM_THREADS": 1, "OPENBLAS_NUM_THREADS": 2}),
    ],
    ids=["1", "2", "3", "2, set to 1", "2, set to 2", "2, BLAS set to 1", "2, OpenMP set to 1"],
)
def test_every_bit_is_the_same_for_any_number_of_threads(bits, arguments, environment):
    assert json.loads(run([BITS, *arguments], **environment)) == bits


def test_every_bit_is_the_same_on_any_threading_layer(bits, layer):
    assert json.loads(run([BITS], NUMBA_NUM_THREADS=2, NUMBA_THREADING_LAYER=layer)) == bits


# --- several Python threads

CONCURRENT = """
    import threading
    import numpy as np
    import tinynet as tn

    rng = np.random.default_rng(0)
    x = tn.Tensor(rng.standard_normal((16, 12, 12, 3)), requires_grad=True)
    w = tn.Tensor(rng.standard_normal((3, 3, 3, 8)), requires_grad=True)
    v = rng.standard_normal((200, 500))

    def work():
        y = tn.ops.max_pool(tn.ops.relu(tn.ops.conv2d(x, w)), 2)
        return [y.data, *(g.data for g in tn.grad((y * y).sum(), [x, w])), tn.ops.matmul(v, v, trans_b=True).data]

    expected = work()
    barrier, agreed = threading.Barrier(3), []

    def repeat():
        barrier.wait()
        agreed.extend(all(map(np.array_equal, work(), expected)) for _ in range(10))

    threads = [threading.Thread(target=repeat) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(len(agreed), all(agreed))
"""


def test_python_threads_may_compute_at_the_same_time(layer):
    """Where the layer is workqueue, two threads in it at once would end the process."""
    assert run_script(CONCURRENT, NUMBA_NUM_THREADS=2, NUMBA_THREADING_LAYER=layer).split() == ["30", "True"]


# --- forks: in processes of their own, since pytest's may have threads

FORK = """
    import multiprocessing, os, sys, warnings
    import numpy as np
    import tinynet as tn

    warnings.simplefilter("ignore", DeprecationWarning)  # of a fork where there are threads, from Python 3.12 on
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((32, 784)).astype("float32"), rng.standard_normal((784, 128)).astype("float32")

    def compute():
        return tn.ops.matmul(x, w).data.tobytes()[-8:].hex()

    def child(queue=None):
        queue.put(compute()) if queue else print(compute(), flush=True)

    def fork():
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            child()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
"""


def after_fork(script, **environment):
    """What the parent and the forked children in a script printed; they all print the bits of one product."""
    printed = run_script(FORK + textwrap.indent(textwrap.dedent(script), "    "), **environment).splitlines()
    assert len(set(printed)) == 1
    return len(printed)


@pytest.mark.parametrize("script", ["print(compute()); fork()", "fork(); print(compute())"], ids=["after", "before"])
def test_a_forked_child_computes_the_same_bits_whether_kernels_ran_before(layer, script):
    assert after_fork(script, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS=2) == 2


def test_a_child_forked_by_multiprocessing_computes():
    script = """
        context = multiprocessing.get_context("fork")
        for start in (lambda: None, compute):
            start()
            queue = context.Queue()
            process = context.Process(target=child, args=(queue,))
            process.start()
            print(queue.get(timeout=60))
            process.join()
    """
    assert after_fork(script) == 2


def test_a_child_computes_that_was_forked_after_other_code_started_the_threads_of_numba():
    assert after_fork("import numba; numba.set_num_threads(1); fork()") == 1


def test_a_fork_of_a_fork_computes():
    script = """
        pid = os.fork()
        if pid == 0:
            print(compute(), flush=True)
            fork()
            os._exit(0)
        os.waitpid(pid, 0)
    """
    assert after_fork(script) == 2


def test_a_plan_that_was_made_before_a_fork_runs_in_the_child_with_the_same_bits():
    script = """
        def network():
            return tn.Sequential([tn.Input((784,)), tn.Dense(128, "relu"), tn.Dense(10)], seed=0)

        model = network()

        def compute():
            trained = network()
            trained.fit(x, np.arange(32) % 10, epochs=2, verbose=0, seed=0)
            return model.predict(x).tobytes()[-8:].hex() + trained.theta.tobytes()[-8:].hex()

        print(compute())
        fork()
    """
    assert after_fork(script, NUMBA_NUM_THREADS=2) == 2


def test_a_fork_while_another_thread_computes_does_not_hang():
    """The child inherits locks that nobody will ever release."""
    script = """
        import threading
        from numba.core.compiler_lock import global_compiler_lock
        from tinynet.fast.threads import kernel_gate

        inside, done = threading.Event(), threading.Event()

        def hold():
            with kernel_gate(), global_compiler_lock:
                inside.set()
                done.wait()

        thread = threading.Thread(target=hold)
        thread.start()
        inside.wait()
        fork()
        done.set()
        thread.join()
    """
    assert after_fork(script) == 1


# --- the gate


INTERRUPTS = """
import faulthandler, random, signal
from concurrent.futures import ThreadPoolExecutor
import numpy as np, tinynet as tn
from tinynet.fast.threads import kernel_gate

def inside():
    with kernel_gate():
        return "inside"

faulthandler.dump_traceback_later(40, exit=True)
a = tn.Tensor(np.ones((24, 24)))  # smaller ones do not enter the gate
a @ a
pool = ThreadPoolExecutor(1)
signal.signal(signal.SIGALRM, signal.default_int_handler)
random.seed(0)
for _ in range(300):
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0001, 0.0005))
        while True:
            a @ a
    except KeyboardInterrupt:
        pass
    assert pool.submit(inside).result(timeout=20) == "inside"
print("ok")
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no such timer")
def test_after_an_interrupt_the_gate_is_free():
    """At 300 random moments of a loop of small products, most of which is the way in and out of the gate."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTS], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "ok\n", done.stderr


def test_an_interrupt_at_any_instruction_leaves_the_gate_free():
    held = []
    with kernel_gate():  # which brings in what is imported late
        pass
    for number in itertools.count(1):
        interrupt = InterruptAt(number, threads, managed, contextlib)
        try:
            interrupt.arm()
            with kernel_gate():
                assert threads._gate.lock._is_owned()
        except KeyboardInterrupt as error:
            held.append(error)  # with its traceback, as in a notebook
        finally:
            interrupt.disarm()
        assert not threads._gate.lock._is_owned()
        if interrupt.left > 0:
            break
    assert len(held) > 10


def test_an_exception_inside_leaves_the_gate_free():
    with pytest.raises(ZeroDivisionError), kernel_gate(), kernel_gate():
        raise ZeroDivisionError
    assert not threads._gate.lock._is_owned()


def test_those_who_leave_the_gate_out_of_order_leave_it_free():
    """As generators do that Ctrl-C has left, and that are dropped one after the other."""
    first, second = kernel_gate(), kernel_gate()
    for gate in (first, second):
        gate.__enter__()
    first.__exit__(None, None, None)
    assert threads._gate.lock._is_owned()
    second.__exit__(None, None, None)
    assert not threads._gate.lock._is_owned()


PRODUCTS = """
import os, time
import numpy as np
from tinynet.fast.kernels import linear

def ticks_of_others():  # the CPU time of all threads but this one
    spent = 0
    for thread in set(os.listdir("/proc/self/task")) - {str(os.getpid())}:
        user, system = open(f"/proc/self/task/{thread}/stat").read().rsplit(")", 1)[1].split()[11:13]
        spent += int(user) + int(system)
    return spent

def ticks(multiply):  # of the others, while this one multiplies for a while
    multiply()
    before, end = ticks_of_others(), time.perf_counter() + 0.2
    while time.perf_counter() < end:
        multiply()
    return ticks_of_others() - before

shapes = [(1000, 1000, 1000), (1, 4000, 4000), (4000, 4000, 1)]
cases = [(np.ones((m, k)), np.ones((k, n)), np.empty((m, n))) for m, k, n in shapes]
# NumPy's come last: their threads look out for more for a while.
for a, b, c in cases:
    print(ticks(lambda: linear.matmul.serial(c, c[None], a, b, c[0, :0], False, False, False, 1, 0)) <= 1)
for a, b, c in cases:
    print(ticks(lambda: np.matmul(a, b, out=c)) > 1)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not tell the time of threads")
def test_no_product_of_a_kernel_starts_the_threads_of_blas():
    """NumPy's do, of the same matrices: otherwise nothing would be shown."""
    assert run_script(PRODUCTS, OPENBLAS_NUM_THREADS=2).splitlines() == 6 * ["True"]


def test_what_runs_on_one_thread_does_not_wait_for_the_gate():
    """Another thread holds it all the while."""
    script = """
        import threading
        import numpy as np
        import tinynet as tn
        from tinynet.fast.threads import kernel_gate

        x = tn.Tensor(np.ones((4, 4)), requires_grad=True)
        inside, done = threading.Event(), threading.Event()

        def hold():
            with kernel_gate():
                inside.set()
                done.wait()

        thread = threading.Thread(target=hold)
        thread.start()
        inside.wait()
        y = tn.ops.softmax(tn.ops.relu(x @ x + 1)).sum(0).sum()
        print(tn.grad(y, [x])[0].shape)
        done.set()
        thread.join()
    """
    assert run_script(script).strip() == "(4, 4)"


# --- the number of threads


@pytest.fixture
def _threads_restored():
    before = tn.get_num_threads()
    yield
    tn.set_num_threads(before)


@pytest.mark.usefixtures("_threads_restored")
def test_the_number_of_threads_is_what_was_set():
    tn.set_num_threads(1)
    assert tn.get_num_threads() == 1


@pytest.mark.parametrize("n", [0, -1, 10**6, 1.0, "2", None, True])
def test_a_number_of_threads_that_cannot_be_had_is_refused(n):
    before = tn.get_num_threads()
    with pytest.raises(ArgumentError, match=r"from 1 to \d+ here, but got .*NUMBA_NUM_THREADS"):
        tn.set_num_threads(n)
    assert tn.get_num_threads() == before


def test_the_environment_sets_the_most_threads():
    script = """
        import tinynet as tn
        print(tn.get_num_threads())
        tn.set_num_threads(3)
        print(tn.get_num_threads())
        try:
            tn.set_num_threads(4)
        except ValueError as error:
            print(error)
    """
    first, second, error = run_script(script, NUMBA_NUM_THREADS=3).splitlines()
    assert (first, second) == ("3", "3")
    assert "from 1 to 3" in error


def test_kernels_run_on_the_threads_that_were_set():
    script = """
        import numba, numpy as np, tinynet as tn
        for n in (1, 2):
            tn.set_num_threads(n, fixed=True)
            tn.ops.relu(np.ones(100_000))
            print(numba.get_num_threads())
    """
    assert run_script(script, NUMBA_NUM_THREADS=2).split() == ["1", "2"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, "20000"), ({"GOMP_SPINCOUNT": "5"}, "5"), ({"OMP_WAIT_POLICY": "passive"}, "None")],
)
def test_threads_look_out_for_work_for_a_short_time_unless_the_user_says_otherwise(given, expected):
    environment = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")} | given
    code = "import os, tinynet; print(os.environ.get('GOMP_SPINCOUNT'))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected
