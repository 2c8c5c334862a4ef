"""Measure tinynet beside its peers, all in one run and in alternation.

Run ``python -m benchmarks.compare`` in the root of the repository, on a machine that does nothing else. Each framework
has a process of its own; a framework that is not installed is left out. It writes results.json, a summary README.md and
pictures, and exits with 1 if a contender computed something else than tinynet.
"""

import argparse
import datetime
import json
import os
import platform
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import plots, report
from benchmarks.contenders import ENTRIES, INSTALL
from benchmarks.inputs import write_inputs
from benchmarks.measure import BASELINE
from benchmarks.processes import MissingError, WorkerError
from benchmarks.sections import Session, measurements

_MOST_IDLE = 0.02  # of a core; more, and a contender at rest disturbs the others


def machine() -> dict[str, Any]:
    """Say what the figures were measured on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    system = f"{platform.system()} {platform.release()}"
    return {"CPU": name, "cores": os.cpu_count(), "system": system, "Python": platform.python_version()}


def command(given: list[str]) -> str:
    """Return the command, but for what lies where on this machine."""
    local = ("--out", "--python", "--logs")
    kept = [a for i, a in enumerate(given) if not a.startswith(local) and (i == 0 or given[i - 1] not in local)]
    return shlex.join(["python", "-m", "benchmarks.compare", *kept])


def wanted(name: str, only: list[str]) -> bool:
    """Whether a measurement was asked for: by a part of its name, such as step, cnn or step/cnn."""
    return not only or any(f"/{part}/" in f"/{name}/" for part in only)


def earlier(out: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Read the results that a directory has, to which those of a run with the same machine and versions are added."""
    file = out / "results.json"
    if not file.is_file():
        raise SystemExit(f"--add: {out} has no results yet; run without it first")
    found: dict[str, Any] = json.loads(file.read_text())
    other = [key for key in ("machine", "threads", "time") if found.get(key) != facts[key]]
    other += [name for name, of in facts["versions"].items() if found["versions"].get(name, of) != of]
    if other:
        raise SystemExit(f"--add: the results in {out} are of other {', '.join(other)}; choose another --out")
    return found


def together(before: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of two runs as those of one."""
    rounds = str(facts["rounds"]) if before["rounds"] == facts["rounds"] else f"{before['rounds']} or {facts['rounds']}"
    return facts | {
        "command": f"{before['command']} && {facts['command']}",
        "versions": before["versions"] | facts["versions"],
        "rounds": rounds,
        "CPU used at rest": before["CPU used at rest"] | facts["CPU used at rest"],
    }


def meet(session: Session, console: Console) -> dict[str, dict[str, str]]:
    """Start all contenders, leave out those that are not there, and return the versions."""
    versions = {}
    for name in list(session.names):
        try:
            versions[name] = session.process(name, session.threads).ask("hello")["versions"]
        except MissingError as error:
            console.print(f"{ENTRIES[name].title} is left out: {error}. To install all peers: {INSTALL}", markup=False)
        except WorkerError as error:
            console.print(f"{ENTRIES[name].title} is left out: {error}", markup=False)
        if name not in versions:
            session.names.remove(name)
            session.processes.pop((name, session.threads)).stop()
    if BASELINE not in versions:
        raise SystemExit("tinynet itself does not start")
    return versions


def run(arguments: argparse.Namespace, given: list[str], console: Console) -> bool:
    """Measure and write; returns whether all contenders computed the same."""
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs.npz"
        write_inputs(inputs)
        logs = arguments.logs or Path(folder)
        logs.mkdir(parents=True, exist_ok=True)
        session = Session(
            inputs=inputs,
            logs=logs,
            names=[BASELINE, *arguments.peers],
            pythons=dict(pair.split("=", 1) for pair in arguments.python),
            threads=arguments.threads,
            rounds=arguments.rounds or (3 if arguments.quick else 15),
            seconds=0.05 if arguments.quick else 0.25,
            quick=arguments.quick,
            clock="cpu" if arguments.cpu else "seconds",
        )
        failures: list[str] = []
        facts: dict[str, Any] = {
            "command": command(given),
            "date": datetime.date.today().isoformat(),
            "machine": machine(),
            "threads": session.threads,
            "rounds": session.rounds,
            "time": "of the processor" if arguments.cpu else "on the clock",
        }
        try:
            facts["versions"] = meet(session, console)
            before = earlier(arguments.out, facts) if arguments.add else None
            session.results |= before["results"] if before else {}
            for name, measure in measurements(arguments.quick):
                if wanted(name, arguments.only):
                    console.print(name, markup=False, highlight=False)
                    try:
                        session.results[name] = measure(session)
                    except WorkerError as error:
                        failures.append(f"{name}: {error}")
        finally:
            session.close()
    facts["CPU used at rest"] = session.watch.shares()
    facts = together(before, facts) if before else facts
    arguments.out.mkdir(parents=True, exist_ok=True)
    pictures = plots.draw(session.results, arguments.out)
    report.write(arguments.out, facts, session.results, pictures)
    report.show(report.tables(session.results), console)
    for name, share in session.watch.shares().items():
        if share > _MOST_IDLE:
            console.print(f"{ENTRIES[name].title} used {share:.0%} of a core while others were measured")
    failed = failures + report.problems(session.results)
    for line in failed:
        console.print(line, style="red", markup=False)
    console.print(f"wrote {arguments.out}", markup=False)
    return not failures and not any("differs" in line for line in failed)


def main(argv: list[str] | None = None) -> int:
    given = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    listed = {"type": lambda text: [part for part in text.split(",") if part], "metavar": "NAME,..."}
    peers = [name for name in ENTRIES if name != BASELINE]
    parser.add_argument("--quick", action="store_true", help="few rounds of short blocks, to see that all works")
    parser.add_argument(
        "--only", default=[], help="parts of names of measurements: step, cnn, step/cnn, conv", **listed
    )
    parser.add_argument("--peers", default=peers, help=f"default: {','.join(peers)}", **listed)
    parser.add_argument(
        "--rounds", type=int, help="how often each contender is measured (default: 15, or 3 with --quick)"
    )
    parser.add_argument("--threads", type=int, default=2, help="of each contender (default: %(default)s)")
    parser.add_argument(
        "--cpu",
        action="store_true",
        help="measure processor time, which on one thread says what a quiet machine would take",
    )
    parser.add_argument("--python", action="append", default=[], metavar="PEER=PATH", help="another Python for a peer")
    parser.add_argument("--add", action="store_true", help="add to the results that --out has, as of a run before")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="default: %(default)s")
    parser.add_argument("--logs", type=Path, help="where to keep what the contenders print (default: nowhere)")
    arguments = parser.parse_args(given)
    unknown = set(arguments.peers) - set(peers)
    if unknown:
        parser.error(f"unknown peers: {', '.join(sorted(unknown))}; known are {', '.join(peers)}")
    console = Console(width=None if sys.stdout.isatty() else 140)
    return 0 if run(arguments, given, console) else 1


if __name__ == "__main__":
    sys.exit(main())
