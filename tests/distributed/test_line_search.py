"""Line search by several processes: the bits of one."""

import json

import pytest

import tinynet as tn
from tests.distributed.mpi import run
from tests.distributed.programs.line_search import train
from tinynet.cli import main

pytestmark = pytest.mark.slow


def test_any_number_of_processes_has_the_bits_of_one_and_goes_on_with_the_run_of_another(tmp_path):
    one, expected = tn.distributed.world(), {}
    for kind in ("whole", "newton", "float32", "stopped"):
        expected[kind] = train(one, tmp_path, f"one {kind}", kind)[:2]
    expected["resumed"] = expected["whole"]
    train(one, tmp_path, "a", "stopped")
    jobs = {2: [["two", "whole"], ["newton 2", "newton"], ["a", "resumed"], ["b", "stopped"]]}
    jobs[4] = [["four", "whole"], ["newton 4", "newton"], ["f", "float32"], ["b", "resumed"], ["c", "stopped"]]
    jobs[8] = [["eight", "whole"], ["newton 8", "newton"], ["c", "resumed"], ["d", "stopped"]]
    for workers, its in jobs.items():
        ended = run(workers, "line_search.py", tmp_path, json.dumps(its))
        assert ended.code == 0, ended.output
        for rank in range(workers):
            found = json.loads((tmp_path / f"{rank}.json").read_text())
            for (name, kind), (digest, history, sent) in zip(its, found, strict=True):
                assert [digest, history] == expected[kind], (workers, rank, name)
                assert sent < 200_000  # a gradient of 208 bytes, and numbers
    assert train(one, tmp_path, "d", "resumed")[:2] == expected["whole"]


def test_the_command_has_the_record_of_one_process_and_one_goes_on_with_its_run(tmp_path, capsys):
    command = ["train", "logistic", "--data", "sample", "--micro-batches", "4", "--no-report", "--out"]
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    ended = run(2, "tinynet", *command, two, "--epochs", 3)
    assert ended.code == 0, ended.output
    assert ended.output.count("Training the logistic regression") == 1
    assert main([*command, two, "--epochs", "6", "--resume"]) == 0
    assert main([*command, one, "--epochs", "6"]) == 0
    records = [json.loads((tmp_path / folder / "metrics.json").read_text()) for folder in ("one", "two")]
    for name in ("parameters", "hyper_parameters", "history", "test"):
        assert records[0][name] == records[1][name]
    assert records[0]["hyper_parameters"]["micro_batches"] == 4
