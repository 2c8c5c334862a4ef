"""Test the tests: put small mistakes into the program, one at a time, and see which of them no test notices.

Run as ``python -m tests.mutation core``, with the name of a room of `rooms`; it lists the mistakes that survive. All
tests of the room are collected once. For each mistake the process forks. The child puts it into the functions that are
loaded, and runs the tests that call them, the quickest first, until one fails. What runs when a file is loaded takes a
process of its own for each mistake (``at_import``). Nothing is written into the sources.
"""

import argparse
import ast
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from tests.mutation import mutants as m
from tests.mutation import survivors
from tests.mutation.rooms import ROOMS, ROOT

SECONDS = 6  # of tests, at most, for one mistake
OPTIONS = ["-s", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-o", "tmp_path_retention_policy=none"]
PASSED, FAILED, BROKEN = 0, 1, 2


def in_child(function, seconds):
    """Run a function in a copy of this process; return its number, or another one if it ends ill or too late."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = BROKEN
        try:
            os.setsid()
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            status = function()
        finally:
            os._exit(status)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.003)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -signal.SIGKILL


def run_test(item, following, seconds=0.0):
    """Run a test; return whether it passed. One that takes more of the processor than some seconds ends the process."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    reports = runtestprotocol(item, log=False, nextitem=following)
    return not any(report.failed for report in reports)


def calls_of(items, files, out):
    """Run all tests; write for each that passes how long it takes, and which functions of some files it calls."""
    found = {}
    for index, item in enumerate(items):
        called = {}

        def note(frame, event, _, called=called):
            if event == "call" and frame.f_code.co_filename in files:
                called[id(frame.f_code)] = frame.f_code

        begin = time.process_time()
        sys.setprofile(note)
        passed = run_test(item, None)
        sys.setprofile(None)
        if passed:
            names = sorted({(c.co_filename, c.co_qualname, c.co_firstlineno) for c in called.values()})
            found[index] = [time.process_time() - begin, names]
    Path(out).write_text(json.dumps(found))
    return PASSED


class Mutation:
    """What pytest does in place of running the tests that it has collected."""

    def __init__(self, room, only, every, listed=None):
        self.room = room
        self.only = only
        self.every = every
        self.listed = listed  # the survivors that alone are tried again, if any
        self.results = []  # a file, and what became of one mistake in it
        self.survivors = []

    def pytest_runtestloop(self, session):
        """Put in each mistake, and run tests."""
        paths = self.room.paths()
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "calls.json")
            in_child(lambda: self.within(lambda: calls_of(session.items, set(map(str, paths)), out)), 3600)
            calls = json.loads(out.read_text())
        lost = [item.nodeid for i, item in enumerate(session.items) if str(i) not in calls]
        print(f"{len(calls)} tests pass; not used: {lost}")
        self.calling = {}  # for each function, the tests that call it
        for index, (seconds, names) in calls.items():
            for name in names:
                self.calling.setdefault(tuple(name), []).append((seconds, int(index)))
        self.killers = Counter()
        self.passing = set()  # tests that were seen to pass alone, without a mistake
        for path in paths:
            places = [place for place in self.only if place.partition(":")[0] == path.name]
            if places or not self.only:
                self.file(path, session.items, {place.partition(":")[2] for place in places} - {""})
        return True

    def within(self, function):
        """Call a function, with ops computed as the room wants it."""
        import tinynet as tn

        if not self.room.by_meaning:
            return function()
        with tn.reference():
            return function()

    def file(self, path, items, lines):
        """Put in each mistake of one file, or of some of its lines."""
        tree = ast.parse(path.read_text("utf-8"))
        old = compile(tree, str(path), "exec", dont_inherit=True)
        before = len(self.results)
        for number, mutant in enumerate(m.mutants(tree, self.room.wanted(tree))):
            if number % self.every or (lines and str(mutant.old.lineno) not in lines):
                continue
            pairs = m.differing(old, mutant.code(tree, path))
            survivor = survivors.of(path, mutant, pairs)
            if self.listed is not None and survivor.key() not in {listed.key() for listed in self.listed}:
                continue
            became = self.fate(path, number, pairs, items)
            self.results.append((path, became))
            if became == "survived":
                self.survivors.append(survivor)
                print(f"    {path.relative_to(ROOT)}:{mutant}", flush=True)
        part = Counter(became for *_, became in self.results[before:])
        print(f"{path.relative_to(ROOT)}: {dict(part)}", flush=True)

    def fate(self, path, number, pairs, items):
        """Return what becomes of one mistake."""
        inner = pairs[-1][0] if pairs else None
        if inner is None:
            return "same code"
        tests = sorted(self.calling.get((str(path), inner.co_qualname, inner.co_firstlineno), []))
        if not m.is_function(inner) or any(old.co_freevars != new.co_freevars for old, new in pairs):
            return at_import(path, number, self.room)
        if not tests:
            return "survived"  # no test calls the function
        tests.sort(key=lambda test: (-self.killers[inner, test[1]], test[0]))
        chosen, total = [], 0.0
        for seconds, index in tests:
            if total + seconds < SECONDS or not chosen:
                chosen.append((seconds, index))
                total += seconds

        def run():
            m.put_into_functions(pairs)
            for seconds, index in chosen:
                if not run_test(items[index], None, 2 + 5 * seconds):
                    report.write_text(str(index))
                    return FAILED
            return PASSED

        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "killer")
            status = in_child(lambda: self.within(run), 60 + 5 * total)
            killer = int(report.read_text()) if status == FAILED else None
        if status == BROKEN:
            raise RuntimeError(f"a mistake could not be put in: number {number} of {path}")
        if killer is not None:
            if not self.passes(killer, items):
                return self.fate(path, number, pairs, items)
            self.killers[inner, killer] += 1
        return {PASSED: "survived", FAILED: "killed"}.get(status, "time")

    def passes(self, index, items):
        """Return whether a test passes alone and without a mistake; one that does not is used no more."""
        if index not in self.passing:
            alone = in_child(lambda: self.within(lambda: PASSED if run_test(items[index], None) else FAILED), 600)
            if alone == PASSED:
                self.passing.add(index)
            else:
                print(f"not used any more: {items[index].nodeid}")
                self.calling = {name: [t for t in tests if t[1] != index] for name, tests in self.calling.items()}
        return index in self.passing


def at_import(path, number, room):
    """Run the tests of a room in a process that loads a file with a mistake in it."""
    command = [sys.executable, "-m", "tests.mutation.at_import", str(path), str(number)]
    try:
        meant = {"TINYNET_REFERENCE": "1"} if room.by_meaning else {}
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=600, env=os.environ | meant)
    except subprocess.TimeoutExpired:
        return "time"
    return "killed" if done.returncode else "survived"


def main():
    """Test the tests of one room."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("room", choices=ROOMS)
    parser.add_argument("file", nargs="*", help="files of the room, or lines (engine.py:97); without, all")
    parser.add_argument("--every", type=int, default=1, help="only each mistake of so many")
    parser.add_argument("--tests", nargs="+", help="tests in place of all those of the room")
    parser.add_argument("--list", action="store_true", help="write those that survive into docs/survivors.md")
    parser.add_argument("--again", action="store_true", help="try those alone that the list has")
    arguments = parser.parse_args()
    os.environ["HYPOTHESIS_PROFILE"] = "mutation"
    listed = survivors.read(survivors.PATH.read_text("utf-8")) if survivors.PATH.exists() else {}
    before = listed.get(arguments.room, [])
    mutation = Mutation(ROOMS[arguments.room], arguments.file, arguments.every, before if arguments.again else None)
    tests = arguments.tests or ROOMS[arguments.room].tests
    with tempfile.TemporaryDirectory() as folder:
        pytest.main([*OPTIONS, f"--basetemp={folder}/tests", *tests], plugins=[mutation])
    total = Counter(became for *_, became in mutation.results)
    survived = total["survived"]
    count = total.total() - total["same code"]
    if arguments.list:
        tried = {path.relative_to(ROOT / "tinynet").as_posix() for path, _ in mutation.results}
        listed[arguments.room] = survivors.merged(before, mutation.survivors, tried)
        survivors.PATH.write_text(survivors.written(listed), "utf-8")
    print(f"{arguments.room}: {count} mistakes, {count - survived} found ({1 - survived / count:.1%}): {dict(total)}")


if __name__ == "__main__":
    main()
