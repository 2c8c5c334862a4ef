"""Where the time goes: every call of a plan is in the table, with its share, and the limits are what they say."""

import time

import pytest

from benchmarks.time_spent import NAMES, Calls, copy_seconds, example, limit, machine, measure, merged, summary, table
from tinynet.core.spec import Spec
from tinynet.inspection.table import Cost, Row
from tinynet.train.samples import check_labelled
from tinynet.train.task import find_task

PEAK = 1e11


def row(name, kind="forward", shape=(2, 3), seconds=1e-5, flops=0, moved=1024):
    return Row(name, kind, "", (Spec(shape, "float32"),), moved, 0, Cost(flops, how="kernel"), seconds, PEAK)


ROWS = [
    row("add"),
    row("matmul", flops=10**6, seconds=3e-5),
    row("add"),
    row("add", "backward"),
    row("add", shape=(9,)),
]


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_equal_calls_share_a_row_and_those_that_take_longest_come_first():
    found = merged(ROWS, PEAK)
    assert [(one.name, one.part, one.output, one.count) for one in found] == [
        ("matmul", "forward", "2x3", 1),
        ("add", "forward", "2x3", 2),
        ("add", "backward", "2x3", 1),
        ("add", "forward", "9", 1),
    ]
    assert sum(one.seconds for one in found) == pytest.approx(7e-5)
    assert sum(one.moved for one in found) == 5 * 1024


def test_a_limit_is_the_peak_or_a_copy_whichever_takes_longer():
    assert limit(row("matmul", flops=10**9), PEAK) == 0.01
    assert limit(row("add", moved=1 << 20), PEAK) == copy_seconds(1 << 20) > 0
    assert copy_seconds(3 << 19) == pytest.approx(0.75 * copy_seconds(1 << 21))


def test_the_table_has_all_calls_and_puts_those_below_a_share_together():
    calls = merged(ROWS, PEAK)
    lines = [cells(line) for line in table(calls, PEAK, least=0.2)]
    assert len({len(line) for line in lines}) == 1
    named = {line[0]: line for line in lines[2:]}
    assert list(named) == ["`matmul` (kernel)", "2 times `add` (kernel)", "2 others", "all 5"]
    assert [line[2] for line in named.values()] == ["43%", "29%", "29%", "100%"]
    assert named["`matmul` (kernel)"][3] == "33%"  # of the peak: 1e6 flops in 30 us at 1e11 a second
    assert named["all 5"][1] == "70.0"
    assert len(table(calls, PEAK)) == 2 + 4 + 1


def test_a_network_is_measured_by_the_time_of_this_thread():
    started, busy = time.thread_time(), []
    machine(PEAK, busy.append)
    found = measure("softmax", repeats=3)
    calls = merged(found.plan.rows(), PEAK)
    assert sum(one.count for one in calls) == len(found.plan.calls)
    assert 0 < sum(one.seconds for one in calls) < time.thread_time() - started
    assert len(cells(summary("softmax", found, calls, PEAK))) == 9
    assert isinstance(calls[0], Calls)
    assert "GFLOP/s" in busy[0]


@pytest.mark.parametrize("name", NAMES)
def test_each_network_has_samples_and_labels_for_its_batch(name):
    model, _, x, y, batch = example(name)
    check_labelled(model, x, y, find_task("cross_entropy", None, model.build_model().made))  # which raises
    assert len(x) == len(y) >= batch
