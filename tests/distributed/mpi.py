"""Programs that are run by mpiexec, and what becomes of them."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import NamedTuple

PROGRAMS = Path(__file__).parent / "programs"
MPIEXEC = Path(sys.executable).parent / "mpiexec"  # that of the package mpich
LONGEST = 120  # seconds
MARK = "TINYNET_TEST"  # by which all processes of a program are known: mpiexec gives each rank a session of its own


class Started(NamedTuple):
    """A program that runs, and what all of its processes have in their environment."""

    process: subprocess.Popen
    mark: str


class Ended(NamedTuple):
    """How a program has ended."""

    code: int
    output: str


def start(workers, program, *arguments, **environment):
    """Start a program, or ``-m tinynet``, by mpiexec unless ``workers`` is 0."""
    command = [sys.executable, *(["-m", "tinynet"] if program == "tinynet" else [str(PROGRAMS / program)])]
    if workers:
        command = [str(MPIEXEC), "-n", str(workers), *command]
    mark = uuid.uuid4().hex
    where = {name: value for name, value in os.environ.items() if not name.startswith(("PMI_", "MPI_"))}
    where |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "NUMBA_NUM_THREADS": "1", MARK: mark}
    process = subprocess.Popen(
        [*command, *map(str, arguments)],
        env=where | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # which a background job ignores
    )
    return Started(process, mark)


def end(started):
    """Wait for the end of a program; nothing of it may be left over."""
    try:
        output, _ = started.process.communicate(timeout=LONGEST)
    finally:
        left = left_over(started)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    assert left == [], "processes are left over"
    return Ended(started.process.returncode, output)


def run(workers, program, *arguments, **environment):
    """Run a program to its end."""
    return end(start(workers, program, *arguments, **environment))


def ranks(started):
    """The processes of a program that run, but for mpiexec's own."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            its = f"{MARK}={started.mark}".encode() in (place / "environ").read_bytes()
            if its and b"python" in (place / "cmdline").read_bytes().split(b"\0")[0]:
                found.append(int(place.name))
        except OSError:
            continue
    return found


def left_over(started):
    """The processes of a program that go on after its end, given a moment to end."""
    until = time.monotonic() + 5
    while (left := ranks(started)) and time.monotonic() < until:
        time.sleep(0.02)
    return left
