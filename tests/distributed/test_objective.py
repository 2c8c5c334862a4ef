"""Objectives that several processes compute: the bits of one, and what is refused."""

import json

import numpy as np
import pytest

import tinynet as tn
from tests.distributed.mpi import run
from tests.distributed.programs.objective import X, Y, minimised
from tinynet.errors import ArgumentError


def test_a_world_of_one_computes_all_parts():
    one = tn.distributed.world()
    assert minimised(one, hidden=False) == minimised(None, hidden=False)


def test_what_is_no_world_is_refused():
    model = tn.Sequential([tn.Input((12,)), tn.Dense(2)], seed=0)
    with pytest.raises(ArgumentError, match=r"world must be what tn\.distributed\.world"):
        tn.Objective(model, X, Y, micro_batches=4, world=4)
    world = tn.distributed.World()
    world.size = 4
    with pytest.raises(ArgumentError, match="micro_batches=2 cannot be divided among 4 processes"):
        tn.Objective(model, X, Y, micro_batches=2, world=world)
    assert np.isfinite(tn.Objective(model, X, Y, world=tn.distributed.world()).value(model.theta))


@pytest.mark.slow
def test_eight_processes_have_the_bits_of_one(tmp_path):
    one = tn.distributed.world()
    expected = [minimised(one, hidden=True), minimised(one, False), minimised(one, False, False)]
    ended = run(8, "objective.py", tmp_path)
    assert ended.code == 0, ended.output
    for rank in range(8):
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == expected


FAILS = {  # what both processes raise, or else each
    "has other samples": ("WorldError: processes 0 and 1 differ, so the result would not be that of one process: che",),
    "has another l2": ("WorldError: processes 0 and 1 differ, so the result would not be that of one process: l2: 0",),
    "has too few parts": ("ArgumentError: micro_batches=1 cannot be divided among 2 processes",),
    "asks elsewhere": ("WorldError: processes 0 and 1 do not do the same: at: ",),
    "asks for something else": ("WorldError: processes 0 and 1 do not do the same: asked for: gradient and value",),
    "raises": ("WorldError: process 1 of 2 has ended: TypeError: ", "TypeError: 'NoneType' object is not callable"),
}


@pytest.mark.slow
def test_one_error_reaches_all_processes_and_they_can_go_on(tmp_path):
    ended = run(2, "objective.py", tmp_path, *FAILS)
    assert ended.code == 0, ended.output
    for rank in (0, 1):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        for case, texts in FAILS.items():
            assert found[case].startswith(texts[rank % len(texts)]), (case, found[case])
