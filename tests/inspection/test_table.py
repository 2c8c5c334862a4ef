"""A plan can be read: its table counts by hand what a plan computes and moves, and a profile changes nothing."""

import dataclasses
import re
import time

import numpy as np
import pytest

import tinynet as tn
from tests.plans import inference_plan, training_plan
from tinynet.errors import ArgumentError
from tinynet.fast import fusions
from tinynet.fast.kernels import winograd
from tinynet.fast.threads import kernel_gate
from tinynet.inspection.cost import Cost
from tinynet.inspection.table import sgemm_peak
from tinynet.recipes import RECIPES
from tinynet.train.task import find_task

N = 4  # images a step


def step_of(name, fused=True, optimizer=None, seed=0):
    """A model, its plan of a training step, and the inputs of that plan."""
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 256, (32, 28, 28), dtype=np.uint8), rng.integers(0, 10, 32)
    model, optimizer = RECIPES[name].model(seed), optimizer or tn.SGD(0.01)
    loss = find_task("cross_entropy", None).loss
    plan = training_plan(model, loss, optimizer, x, y, N, fused=fused)
    live = {name: getattr(optimizer, name) for name in ("learning_rate", *optimizer.live) if getattr(optimizer, name)}
    return model, plan, {"indices": rng.permutation(32)[:N], **live}, (x, optimizer.state_of(model))


def named(rows, name):
    return [row for row in rows if row.name == name]


def costs(rows, name):
    return [(row.cost.flops, row.cost.dead, row.cost.sparse) for row in named(rows, name)]


@pytest.fixture(scope="module")
def cnn():
    """The step of the CNN, with what its rows were before a profile and after."""
    model, plan, inputs, (x, _) = step_of("cnn")
    before, theta = plan.rows(), model.theta.copy()
    return model, plan, before, plan.profile(repeats=5, **inputs), theta, x[inputs["indices"]]


# --- what is counted


@pytest.mark.parametrize(("name", "fused"), [("softmax", True), ("dense", True), ("cnn", True), ("cnn", False)])
def test_the_table_has_one_row_for_each_call(name, fused):
    _, plan, _, _ = step_of(name, fused)
    lines = plan.table().splitlines()
    rules = [i for i, line in enumerate(lines) if set(line) == {"-"}]
    body = lines[rules[0] + 1 : rules[1]]
    assert [line.split()[:2] for line in body] == [[str(i), call.name] for i, call in enumerate(plan.calls, 1)]
    assert [row.name for row in plan.rows()] == [call.name for call in plan.calls]
    assert lines[rules[1] + 1].split()[0] == "total"


def test_the_flops_of_matrix_products_are_two_for_each_multiply_add():
    _, plan, _, _ = step_of("dense")
    rows = plan.rows()
    forward = [2 * N * m * k for m, k in [(784, 128), (128, 64), (64, 10)]]
    to_weights = [2 * N * m * k for m, k in [(784, 128), (128, 64), (64, 10)]]
    to_inputs = [2 * N * m * k for m, k in [(128, 64), (64, 10)]]
    products = [*named(rows, "matmul"), *named(rows, "matmul_bias")]
    assert sorted(row.cost.flops for row in products) == sorted(forward + to_weights + to_inputs)
    assert {row.cost.how for row in products} == {"in registers"}


def test_the_flops_of_convolutions_are_those_of_their_taps():
    _, plan, _, _ = step_of("cnn", fused=False)
    first, second = 2 * N * 26 * 26 * 9 * 32, 2 * N * 11 * 11 * 288 * 64
    rows = plan.rows()
    tiles = 2 * N * 6 * 6 * 16 * 32 * 64  # by Winograd's algorithm, 16 places each; 7 x 7 of them for the input
    assert [(r.cost.flops, r.cost.winograd) for r in named(rows, "conv2d")] == [(first, 0), (tiles, second - tiles)]
    backward = named(rows, "conv2d_weight_grad")
    assert [(r.cost.flops, r.cost.winograd) for r in backward] == [(tiles, second - tiles), (first, 0)]
    tiles = tiles * 49 // 36
    assert [(r.cost.flops, r.cost.winograd) for r in named(rows, "conv2d_input_grad")] == [(tiles, second - tiles)]


def test_outputs_of_a_convolution_that_no_window_reads_are_saved(cnn):
    """Windows 3x3 at stride 3 read 9x9 of 11x11; windows 2x2 all of 26x26."""
    _, _, before, after, _, _ = cnn
    first, second = 2 * N * 9 * 32, 2 * N * 288 * 64
    for rows in (before, after):
        one, two = (row.cost for row in named(rows, "conv_pool"))
        assert (one.flops, one.dead, one.winograd, one.how) == (first * 676, 0, 0, "in registers")
        assert (two.flops + two.winograd, two.dead, two.how) == (second * 81, second * 40, "Winograd, specialised")


def test_winograds_algorithm_multiplies_once_for_each_place_of_a_tile(cnn):
    """9 tiles of 5x5, of 32 channels and for 64 filters, in place of 81 outputs of 288 taps."""
    second = named(cnn[2], "conv_pool")[1].cost
    assert second.flops == 2 * N * 9 * 25 * 32 * 64
    assert second.winograd == 2 * N * (81 * 288 * 64 - 9 * 25 * 32 * 64)


def test_a_sparse_backward_counts_the_winners_that_are_alive(cnn):
    """In the block before the dense layers 3x3 windows of 64 filters, of 288 taps each."""
    model, _, before, after, _, images = cnn
    pooled = tn.Tensor(images)
    for layer in model.layers[:5]:  # to the second pooling
        pooled = layer(pooled)
    assert pooled.shape == (N, 3, 3, 64)
    alive = int((pooled.data > 0).sum())
    dense, dead = 2 * N * 81 * 288 * 64, 2 * N * 40 * 288 * 64
    for name in ("conv_pool_weight_grad", "conv_pool_input_grad"):
        most, counted = costs(before, name)[0], costs(after, name)[0]
        assert most == (2 * N * 9 * 64 * 288, dead, dense - 2 * N * 9 * 64 * 288)
        assert counted == (2 * alive * 288, dead, dense - 2 * alive * 288)
        assert named(before, name)[0].cost.how == "sparse, specialised"
        assert named(after, name)[0].cost.how == f"sparse {alive / (N * 9 * 64):.0%}, specialised"


def test_what_is_spent_and_saved_is_what_the_ops_cost_that_a_fused_op_stands_for(cnn):
    _, _, before, after, _, _ = cnn
    unfused = step_of("cnn", fused=False)[1].rows()
    for rows in (before, after):
        for name in ("", "_weight_grad", "_input_grad"):
            fused = sorted(sum(row.cost[:4]) for row in named(rows, f"conv_pool{name}"))
            assert fused == sorted(sum(row.cost[:4]) for row in named(unfused, f"conv2d{name}"))


def test_bytes_are_those_of_what_is_read_and_written_and_scratch_is_apart(cnn):
    rows = cnn[2]
    gather, second, dense = named(rows, "gather")[0], named(rows, "conv_pool")[1], named(rows, "matmul_bias")[0]
    assert gather.moved == N * (784 + 8) + 4 * N * 784  # of the whole set, the images of the batch; and their indices
    outputs = N * 9 * 64 * (4 + 1)  # values and winners
    assert second.moved == 4 * (N * 13 * 13 * 32 + 288 * 64 + 64) + outputs
    chunks, block = winograd.cut(N * 3, 3)
    filters = (9 + 25) * 32 * 64  # as they are, and transformed
    lanes = min(chunks, tn.get_num_threads())
    tiles = (block * 3 + 1) * 25 * (32 + 64)  # of a block and one more, transformed and multiplied
    rows = 9 * 3 * 64 + 5 * 13  # the outputs of a row of tiles; and sizes
    assert second.scratch == 4 * (filters + lanes * (tiles + rows))
    assert (dense.moved, dense.scratch) == (4 * (N * 576 + 576 * 128 + 128 + N * 128), 0)
    assert [(s.shape, str(s.dtype)) for s in second.outputs] == [((N, 3, 3, 64), "float32"), ((N, 3, 3, 64), "uint8")]


def test_what_is_repeated_in_memory_counts_once(monkeypatch):
    op = tn.Op("twice", infer=lambda x: x, compute=lambda x: x + x)
    monkeypatch.setitem(fusions.STANDS_FOR, op, "left + right")

    class Repeats(tn.Model):
        def forward(self, x):
            return op(tn.ops.broadcast_to(x[:, :1], x.shape))

    x = tn.Tensor(np.zeros((8, 4), np.float32))
    (row,) = inference_plan(Repeats(input_shape=(4,)), x.spec).rows()[-1:]
    assert (row.moved, row.cost, row.fuses) == (4 * (8 + 8 * 4), Cost(8 * 4, how="numpy"), "left + right")


def test_each_call_is_part_of_the_forward_or_the_backward_or_the_update(cnn):
    phases = [row.phase for row in cnn[2]]
    assert phases == sorted(phases, key=["forward", "backward", "update"].index)
    assert [row.name for row in cnn[2] if row.phase == "update"] == ["descend"]
    assert {row.phase for row in cnn[2] if row.name.startswith("conv_pool_")} == {"backward"}
    assert {row.phase for row in cnn[2] if row.name in ("conv_pool", "gather", "relu", "softmax")} == {"forward"}

    _, plan, _, _ = step_of("softmax", fused=False, optimizer=tn.SGD(0.1, momentum=0.9, weight_decay=0.1))
    update = [row.name for row in plan.rows() if row.phase == "update"]
    assert update == ["multiply", "add", "momentum_step", "copy", "copy"]
    model = RECIPES["softmax"].model(0)
    assert {row.phase for row in inference_plan(model, tn.Tensor(np.zeros((2, 28, 28))).spec).rows()} == {"forward"}


def test_a_fused_op_names_its_parts_and_leaves_out_what_it_does_not_do(cnn):
    parts = {row.name: row.fuses for row in cnn[2]}
    assert parts["conv_pool"] == "conv2d + bias + relu + max_pool"
    assert parts["matmul"] == ""


def test_every_fused_op_that_is_declared_names_its_parts(cnn):
    fused = {row.name for row in cnn[2]} & {op.name for op in fusions.STANDS_FOR}
    assert len(fused) >= 6
    for op, parts in fusions.STANDS_FOR.items():
        assert " + " in parts or op.name not in fused, op


# --- times


def test_a_profile_leaves_theta_and_the_state_of_the_optimizer_as_they_were():
    for fused in (True, False):
        model, plan, inputs, (_, state) = step_of("softmax", fused, tn.SGD(0.1, momentum=0.9))
        plan.run(**inputs)
        theta, velocity = model.theta.copy(), state["velocity"].copy()
        plan.profile(repeats=3, **inputs)
        assert np.array_equal(model.theta, theta)
        assert np.array_equal(state["velocity"], velocity)


def test_a_profile_leaves_the_theta_of_the_cnn_as_it_was(cnn):
    assert np.array_equal(cnn[0].theta, cnn[4])


def test_training_goes_on_after_a_profile_as_if_there_had_been_none():
    thetas = []
    for profiled in (False, True):
        model, plan, inputs, _ = step_of("softmax")
        first = plan.run(**inputs)["loss"]
        if profiled:
            plan.profile(repeats=2, **inputs)
        assert plan.run(**inputs)["loss"] < first
        thetas.append(model.theta)
    assert np.array_equal(*thetas)


def test_theta_is_put_back_even_if_a_call_fails():
    model, plan, inputs, _ = step_of("softmax")
    theta = model.theta.copy()

    def fail():
        assert not np.array_equal(model.theta, theta)
        raise RuntimeError("stop")

    plan.calls.append(dataclasses.replace(plan.calls[-1], function=fail, arguments=()))
    with pytest.raises(RuntimeError, match="stop"):
        plan.profile(**inputs)
    assert np.array_equal(model.theta, theta)


def test_the_times_of_the_calls_sum_up_to_about_that_of_the_step():
    _, plan, inputs, _ = step_of("dense")
    plan.profile(repeats=2, **inputs)
    repeats, whole = 100, []
    started = time.perf_counter()
    total = sum(row.seconds for row in plan.profile(repeats=repeats, **inputs))
    elapsed = time.perf_counter() - started
    with kernel_gate():
        for _ in range(repeats):
            started = time.perf_counter()
            plan.replay(**inputs)
            plan.apply_updates()
            whole.append(time.perf_counter() - started)
    # Other programs make times longer, never shorter; a median is at most twice the mean.
    assert min(whole) / 2 < total < 2 * elapsed / repeats


def test_the_table_of_a_profile_has_times_shares_and_rates(cnn):
    _, plan, _, rows, _, _ = cnn
    total = sum(row.seconds for row in rows)
    text = plan.table()
    header, _, *lines = text.splitlines()
    titles = re.split(r"  +", header.strip())
    assert titles[-4:] == ["us", "share", "GFLOP/s", "of peak"]
    for row, line in zip(rows, lines, strict=False):
        assert row.peak == sgemm_peak() * tn.get_num_threads()
        assert f"{1e6 * row.seconds:,.1f}" in line
        assert f"{row.seconds / total:.1%}" in line
        assert not row.cost.flops or f"{row.cost.flops / row.seconds / 1e9:,.1f}" in line
        assert not row.cost.flops or line.endswith(f"{row.cost.flops / row.seconds / row.peak:.1%}")
    shares = [float(re.search(r" (\d+\.\d)%", line)[1]) for line in lines[: len(rows)]]
    assert sum(shares) == pytest.approx(100, abs=0.05 * len(rows))
    assert " 100.0% " in lines[len(rows) + 1]
    assert "sgemm" in text


def test_the_peak_is_measured_once():
    assert sgemm_peak() == sgemm_peak() > 1e8


def test_a_profile_needs_a_repeat():
    _, plan, inputs, _ = step_of("softmax")
    with pytest.raises(ArgumentError, match="repeats must be 1 or more, but got 0"):
        plan.profile(repeats=0, **inputs)


# --- how it looks


@pytest.mark.parametrize("width", [80, 120])
def test_a_table_that_is_too_wide_leaves_out_the_least_important_columns(cnn, width):
    plan = cnn[1]
    narrow, whole = plan.table(width), plan.table()
    assert max(map(len, narrow.splitlines())) <= width < max(map(len, whole.splitlines()))
    titles, all_titles = (set(re.split(r"  +", text.splitlines()[0].strip())) for text in (narrow, whole))
    assert {"#", "op", "how", "us", "share", "of peak"} <= titles < all_titles
    assert {"MFLOP", "dead", "sparse", "GFLOP/s"} <= titles or width < 120
    assert narrow.count("\n") >= len(plan.calls)


def test_the_whole_table_has_everything(cnn):
    titles = re.split(r"  +", cnn[1].table().splitlines()[0].strip())
    counted = ["moved kB", "scratch kB", "MFLOP", "dead", "sparse"]
    assert titles[:10] == ["#", "op", "fuses", "how", "output", *counted]


def test_columns_are_aligned(cnn):
    lines = cnn[1].table().splitlines()
    end = lines[0].index("MFLOP") + len("MFLOP")
    for row, line in zip(cnn[3], lines[2:], strict=False):
        assert line[:end].endswith(f" {row.cost.flops / 1e6:.3f}" if row.cost.flops else "")
        assert line[end : end + 2] in ("  ", "")


def test_a_plan_sums_itself_up(cnn):
    plan = cnn[1]
    assert str(plan) == f"Plan of {len(plan.calls)} calls with {plan.bytes / 1000:,.0f} kB of buffers"
    assert str(plan) in plan.table()
