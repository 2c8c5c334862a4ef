"""Fuzz the readers in turns, guided by coverage: ``python -m tests.fuzz idx onnx --minutes 60``.

It needs the package atheris, which is installed with ``pip install atheris`` and is in no extra. What is found, and
the corpora, which a later call goes on with, are in ``--keep``. Each breach of the law is kept once, as the bytes and
as the traceback; a process that hangs or takes too much memory is ended, and is kept likewise.
"""

import argparse
import contextlib
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

NAMES = ("idx", "npz", "mat", "model", "checkpoint", "onnx", "records", "images")
INSTRUMENTED = [
    "tinynet.datasets", "tinynet.saving", "tinynet.onnx", "tinynet.nn", "tinynet.cli", "tinynet.report.comparison",
    "tinynet.optim", "zipfile", "PIL",
]  # fmt: skip
MOST_MEGABYTES = 2048  # beyond what a process has when it begins
HANG_SECONDS = 120  # by the clock, of machines that do other things too


def fuzz(name, keep, seconds, place):
    """Fuzz one reader in this process, which libFuzzer ends, with files in a directory."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.fuzz import law, readers

    findings, corpus = keep / name / "findings", keep / name / "corpus"
    for folder in (findings, corpus):
        folder.mkdir(parents=True, exist_ok=True)
    reader = readers.READERS[name](place / name)
    for i, seed in enumerate(reader.seeds()):
        (corpus / f"seed-{i:02}").write_bytes(seed)
        for read in reader.reads(seed):  # what is imported or compiled late is there from now on
            law.check(read, reader.may_write)
    _limit_memory()

    def one(data):
        for read in reader.reads(data):
            try:
                law.check(read, reader.may_write)
            except law.BreachError as breach:
                _keep_finding(findings, data, breach)

    def change(data, size, seed):
        rng = random.Random(seed)
        plain = lambda part: bytes(atheris.Mutate(part, max(len(part) + 64, 64)))  # noqa: E731
        changed = plain(data) if rng.random() < 0.3 else reader.change(data, rng, plain)
        return changed[:size]

    options = [f"-max_total_time={seconds}", f"-timeout={HANG_SECONDS}", "-rss_limit_mb=4096", "-print_final_stats=1",
               f"-max_len={reader.longest}", f"-artifact_prefix={findings}/", "-report_slow_units=60"]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(corpus)], one, custom_mutator=change)
    atheris.Fuzz()


def _limit_memory():
    """Let what takes too much memory fail with a MemoryError, which is a breach."""
    now = int(re.search(r"VmData:\s+(\d+)", Path("/proc/self/status").read_text())[1])
    most = now * 1024 + MOST_MEGABYTES * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _keep_finding(findings, data, breach):
    """Keep the shortest bytes of each breach, and how it came about."""
    path = findings / re.sub(r"[^\w.]+", "-", breach.key)[:120]
    if not path.exists() or path.stat().st_size > len(data):
        path.write_bytes(data)
        path.with_name(f"{path.name}.txt").write_text("".join(traceback.format_exception(breach)), "utf-8", "replace")


def turn(name, keep, seconds):
    """Fuzz one reader in processes of their own, for so long; one that libFuzzer ended is followed by another."""
    (keep / name).mkdir(parents=True, exist_ok=True)
    began, before = time.monotonic(), _processor_seconds()
    done, coverage, shared = 0, 0, Path("/dev/shm")
    while (left := int(seconds - (time.monotonic() - began))) > 5:
        place = tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None)  # in memory, where there is such
        command = [sys.executable, "-m", "tests.fuzz", name, "--keep", str(keep), "--child", str(left), place.name]
        with place, (keep / name / "log").open("ab+") as log:
            start = log.tell()
            with contextlib.suppress(subprocess.TimeoutExpired):  # as of a process that was stopped for a while
                subprocess.run(command, stdout=log, stderr=log, timeout=left + 4 * HANG_SECONDS, check=False)
            log.seek(start)
            told = log.read().decode("utf-8", "replace")
        counts = [int(n) for n in re.findall(r"^#(\d+)\s", told, re.MULTILINE)]
        done += max(counts, default=0)
        coverage = max([coverage, *(int(n) for n in re.findall(r" cov: (\d+)", told))])
        if not counts:  # it did not even begin
            raise SystemExit(f"{name}: {told[-2000:]}")
    note = {
        "seconds": time.monotonic() - began,
        "processor": _processor_seconds() - before,
        "executions": done,
        "coverage": coverage,
    }
    with (keep / name / "turns").open("a") as file:
        file.write(json.dumps(note) + "\n")


def _processor_seconds():
    """Return the time of the processor that all processes took which this one had started, and which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(keep):
    """Return what was done so far, as lines of Markdown."""
    lines = [
        "| reader | minutes | of the processor | executions | coverage | files | findings |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name in NAMES:
        path = keep / name / "turns"
        turns = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        if turns:
            minutes = sum(one["seconds"] for one in turns) / 60
            processor = sum(one.get("processor", 0.0) for one in turns) / 60  # earlier versions did not note it
            done, coverage = sum(one["executions"] for one in turns), max(one["coverage"] for one in turns)
            files = len(list((keep / name / "corpus").iterdir()))
            findings = len([one for one in (keep / name / "findings").iterdir() if one.suffix != ".txt"])
            lines.append(
                f"| {name} | {minutes:.0f} | {processor:.0f} | {done:,} | {coverage:,} | {files} | {findings} |"
            )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("readers", nargs="*", help=f"of {', '.join(NAMES)}; all by default")
    parser.add_argument("--minutes", type=float, default=10, help="for each reader (default: %(default)s)")
    parser.add_argument("--turn", type=float, default=5, help="minutes of a turn (default: %(default)s)")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "tinynet-fuzz")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    names = arguments.readers or NAMES
    if unknown := set(names) - set(NAMES):
        parser.error(f"no readers: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if arguments.child is not None:
        fuzz(names[0], arguments.keep, int(arguments.child[0]), Path(arguments.child[1]))
        return
    left = 60 * arguments.minutes
    while left > 0:
        for name in names:
            turn(name, arguments.keep, min(left, 60 * arguments.turn))
        left -= 60 * arguments.turn
        print(table(arguments.keep), flush=True)


if __name__ == "__main__":
    main()
