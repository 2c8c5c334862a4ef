"""Runs of several processes, by mpiexec: the bits of one process, and no hang."""

import json
from pathlib import Path

import pytest

import tinynet as tn
from tests.distributed.kill_ranks import rounds
from tests.distributed.mpi import run
from tests.distributed.programs.fit import train

pytestmark = pytest.mark.slow


def found(workers, folder):
    """What each process has left."""
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(workers)]


def check(workers, folder, jobs, expected, hosts=1):
    """Run jobs by some processes, as if on so many hosts; all must find the same."""
    cliques = {"MPIR_CVAR_NUM_CLIQUES": str(hosts), "MPIR_CVAR_CLIQUES_BY_BLOCK": "1"} if hosts > 1 else {}
    ended = run(workers, "fit.py", folder, json.dumps(jobs), **cliques)
    assert ended.code == 0, ended.output
    for its in found(workers, folder):
        assert [job[:2] for job in its] == expected


def test_any_number_of_processes_has_the_bits_of_one_and_goes_on_with_the_run_of_another(tmp_path):
    one = tn.distributed.world()
    whole = train(one, tmp_path, "one", "whole")[:2]
    *read, every, _ = train(one, tmp_path, "one", "read")
    stopped = train(one, tmp_path, "a", "stopped")[:2]
    assert stopped[0] != whole[0]
    check(8, tmp_path, [["eight", "whole"], ["a", "resumed"], ["b", "stopped"]], [whole, whole, stopped], hosts=2)
    check(4, tmp_path, [["four", "read"], ["b", "resumed"], ["c", "stopped"]], [read, whole, stopped])
    # its quarter, and the rows at both ends, by which the processes know that they have the same data
    assert every == 72
    assert max(its[0][2] for its in found(4, tmp_path)) <= 72 // 4 + 2 * 4
    # the sums of a step, and a few facts: not the outputs of its samples
    assert max(its[0][3] for its in found(4, tmp_path)) < tn.load(tmp_path / "one.safetensors").theta.nbytes + 1500
    check(2, tmp_path, [["two", "whole"], ["c", "resumed"], ["d", "stopped"]], [whole, whole, stopped], hosts=2)
    assert train(one, tmp_path, "d", "resumed")[:2] == whole
    contents = {
        (tn.load(tmp_path / f"{name}.safetensors").theta.tobytes()) for name in ("one", "two", "eight", *"abcd")
    }
    assert len(contents) == 1
    assert (tmp_path / "two.csv").exists()


TOGETHER = {  # what both processes raise, or else each: the one that has the error, and the other
    "raises": ("WorldError: process 1 of 2 has ended: ValueError: my own error", "ValueError: my own error"),
    "is interrupted": ("KeyboardInterrupt",),
    "stops": ("WorldError: processes 0 and 1 do not do the same: doing: step and end. What decides",),
    "changes the rate": ("WorldError: processes 0 and 1 do not do the same: learning_rate: 0.01 and 0.5.",),
    "disk is full": ("OSError: [Errno 28] No space", "WorldError: process 0 of 2 has ended: OSError: [Errno 28] No"),
    "has other labels": ("WorldError: processes 0 and 1 differ, so the result would not be that of one process: ch",),
    "has trained before": ("WorldError: processes 0 and 1 differ, so the result would not be that of one process: th",),
    "has another rate": ("WorldError: processes 0 and 1 differ, so the result would not be that of one process: opt",),
    "has no seed": ("ArgumentError: with several processes, all must draw the same numbers; pass fit a seed",),
    "has too few parts": ("ArgumentError: micro_batches=1 cannot be divided among 2 processes: the sums go along",),
    "has parts of no tree": ("ArgumentError: micro_batches=6 cannot be divided among 2 processes: the sums go along",),
    "is not finite": ("NonFiniteError: the loss became -inf in epoch 1, batch 1",),
}


def test_one_error_reaches_all_processes_at_once_and_they_can_go_on(tmp_path):
    ended = run(2, "fail.py", tmp_path, *TOGETHER)
    assert ended.code == 0, ended.output
    errors = found(2, tmp_path)
    for case, texts in TOGETHER.items():
        for its, text in zip(errors, texts * (2 if len(texts) == 1 else 1), strict=True):
            assert its[case][0].startswith(text), case
        if case.startswith(("has", "is not finite")):
            changed = [its[case][1] for its in errors]
            assert changed == [False, case == "has trained before"]


@pytest.mark.parametrize(
    ("case", "code", "text"),
    [
        ("raises", 1, "ValueError: my own error\n"),
        ("is killed", 9, "EXIT CODE: 9\n"),
        ("hangs", 1, "process 0 of 2 has waited 3 s for process 1, which is slow, hangs or has left the work"),
        ("is interrupted twice", 130, "KeyboardInterrupt"),
        ("leaves before the world", 1, "Timeout (0:00:03)!"),
        ("leaves between fits", 1, "process 1 has left the work: its program has ended, while others go on"),
        ("is cut off between fits", 7, ""),
    ],
)
def test_an_error_that_nobody_catches_ends_all_processes_and_says_what_it_is(case, code, text, tmp_path):
    ended = run(2, "fail.py", tmp_path, case)
    assert ended.code == code, ended.output
    assert text in ended.output


def test_a_run_that_is_killed_goes_on_with_any_number_of_processes_to_the_same_bits(tmp_path):
    """`python -m tests.distributed.kill_ranks` does so twenty times."""
    assert rounds(tmp_path, 1, 8, seed=1) >= 1


def test_the_command_refuses_once_what_all_processes_refuse(tmp_path):
    ended = run(2, "tinynet", "train", "logistic", "--out", tmp_path / "a")
    assert ended.code == 1
    assert ended.output.count("tinynet: error: micro_batches=1 cannot be divided among 2 processes") == 1
    assert not (tmp_path / "a").exists()


def test_the_tutorial_ends_in_the_same_line_with_any_number_of_processes(tmp_path):
    script = Path(__file__).parents[2] / "examples" / "several_processes.py"
    lines = [run(workers, script).output.splitlines() for workers in (0, 2)]
    assert [line[0].split(",")[0] for line in lines] == ["1 process", "2 processes"]
    assert lines[0][-1] == lines[1][-1]
    assert lines[0][-1].startswith("digest of the parameters: ")
