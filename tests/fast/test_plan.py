"""Plans: where values lie, when they are written, what a step allocates, and what becomes of theta."""

import threading
import tracemalloc
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba.core.dispatcher import Dispatcher
from numba.core.runtime import _nrt_python, rtsys

import tinynet as tn
from tests.fast.networks import Apply, Heavy, Network, Problem, networks, same_bits, samples, train
from tests.plans import inference_plan, training_plan
from tinynet.core.engine import Tensor, ancestors
from tinynet.core.mode import tracing
from tinynet.core.spec import Spec
from tinynet.errors import NonFiniteError, TraceError
from tinynet.fast.fuse import fuse
from tinynet.fast.fusions.descend import descend
from tinynet.fast.implementation import implementation
from tinynet.fast.plan import Plan
from tinynet.fast.threads import kernel_gate
from tinynet.recipes import DOCUMENTED, RECIPES
from tinynet.train.step import BatchStep
from tinynet.train.task import find_task

o = tn.ops
FLOAT = np.dtype("float64")


def planned(function, *shapes, updates=None):
    """A plan of a function of tensors: inputs "a", "b", ..., outputs "0", "1", ..."""
    with tracing():
        leaves = [Tensor(Spec(shape, FLOAT), requires_grad=True) for shape in shapes]
        made = function(*leaves)
        outputs = fuse(made if isinstance(made, tuple) else [made], fusions=())  # which differentiates
    return Plan(
        dict(zip("abcdefgh", leaves, strict=False)), {str(i): y for i, y in enumerate(outputs)}, updates=updates or ()
    )


def run(plan, *arrays):
    found = plan.run(**dict(zip("abcdefgh", arrays, strict=False)))
    return tuple(found.values())


def names(plan):
    return [call.name for call in plan.calls]


def reference_step(name, fused=True, optimizer=None):
    """The training step of a reference model on the embedded sample, and indices for it."""
    (x, y), _ = tn.datasets.mnist(source="sample")
    model, optimizer = RECIPES[name].model(seed=0), optimizer or tn.SGD(0.1)
    plan = training_plan(model, o.cross_entropy, optimizer, x, y, 32, fused=fused)
    live = {"momentum": optimizer.momentum} if optimizer.momentum else {}
    return model, plan, {"indices": np.arange(32), "learning_rate": 0.1, **live}


# --- a step allocates no arrays

PYTHON_BYTES = 768  # in a call: its frame, a dict of named arguments, headers of views; an array has more
ARGUMENT_BYTES = 16  # for each argument besides: in the tuple of the caller, and in that of the called


def transient_bytes(function, *arguments):
    """The most bytes that a call had allocated at a time, freed or not, beyond what there was before."""
    function(*arguments)
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    function(*arguments)
    return tracemalloc.get_traced_memory()[1] - before


def buffered_by_numpy(call):
    """Return the bytes that NumPy itself holds for a moment while a ufunc broadcasts."""
    (out,) = call.outputs if len(call.outputs) == 1 else [None]
    broadcasts = out is not None and any(x.shape != out.shape for x in call.inputs)
    return 512 + out.nbytes if broadcasts and isinstance(getattr(call.function, "func", None), np.ufunc) else 0


@pytest.fixture
def _traced():
    tracemalloc.start(1)
    yield
    tracemalloc.stop()


@pytest.fixture
def _counted_by_numba():
    _nrt_python.memsys_enable_stats()
    yield
    _nrt_python.memsys_disable_stats()


every_recipe = pytest.mark.parametrize("name", DOCUMENTED)
with_and_without_momentum = pytest.mark.parametrize("momentum", [0.0, 0.9], ids=["plain", "momentum"])


@pytest.mark.usefixtures("_traced")
def test_the_meter_sees_arrays_that_live_for_a_moment():
    array = np.ones((100, 100))
    assert transient_bytes(lambda: (array + array).sum()) >= array.nbytes
    assert transient_bytes(np.add, array, array, array) < PYTHON_BYTES


@pytest.mark.usefixtures("_traced")
@every_recipe
@with_and_without_momentum
def test_a_replayed_step_allocates_no_numpy_array(name, momentum):
    """In all of them the arrays that matter have thousands of bytes, and no call allocates more than a few hundred."""
    _, plan, values = reference_step(name, optimizer=tn.SGD(0.1, momentum=momentum))
    numpy_only = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)

    def living():
        return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([numpy_only]).traces)

    with kernel_gate():
        plan.replay(**values)
        plan.apply_updates()
        before = living()
        for _ in range(3):
            plan.replay(**values)
            plan.apply_updates()
        assert living() <= before
        buffers = [buffered_by_numpy(call) for call in plan.calls]
        for call, prepared, buffer in zip(plan.calls, [*plan._prepared, *plan.writes], buffers, strict=True):
            most = PYTHON_BYTES + ARGUMENT_BYTES * len(prepared.args) + buffer
            assert transient_bytes(prepared) <= most, call.name
        assert transient_bytes(lambda: plan.replay(**values)) < 3 * PYTHON_BYTES + max(buffers)
        assert transient_bytes(plan.apply_updates) < 3 * PYTHON_BYTES


@pytest.mark.usefixtures("_counted_by_numba")
@every_recipe
@with_and_without_momentum
def test_a_replayed_step_allocates_no_array_in_numba(name, momentum):
    """Numba makes one record for each array that it is given, and counts it; an array of its own would be one more."""
    _, plan, values = reference_step(name, optimizer=tn.SGD(0.1, momentum=momentum))
    given_arrays = sum(
        isinstance(argument, np.ndarray)
        for call in plan.calls
        if isinstance(call.function, Dispatcher)
        for argument in call.arguments
    )
    assert given_arrays > 10
    with kernel_gate():
        for _ in range(2):  # the first compiles
            before = rtsys.get_allocation_stats()
            plan.replay(**values)
            plan.apply_updates()
            after = rtsys.get_allocation_stats()
    assert (after.alloc - before.alloc, after.mi_alloc - before.mi_alloc) == (given_arrays, given_arrays)
    assert after.alloc - before.alloc == after.free - before.free


@every_recipe
def test_the_gradients_of_a_reference_model_are_computed_in_place(name):
    model, plan, _ = reference_step(name)
    assert "copy" not in names(plan)
    assert "concatenate" not in names(plan)
    (call,) = [call for call in plan.calls if call.name == "descend"]
    gradient = call.inputs[1]
    assert gradient.size == model.theta.size
    made = [a for other in plan.calls for a in other.outputs if np.may_share_memory(a, gradient)]
    assert sum(a.size for a in made) == gradient.size
    assert sum(np.bincount(np.concatenate([place_of(a, gradient) for a in made]))) == gradient.size


def place_of(part, whole):
    start = (part.ctypes.data - whole.ctypes.data) // whole.itemsize
    return np.arange(start, start + part.size)


def test_buffers_are_used_again():
    def deep(x):
        for _ in range(20):
            x = o.tanh(x)
        return x

    plan = planned(deep, (100,))
    assert plan.bytes == 2 * 800
    x = np.linspace(-1, 1, 100)
    np.testing.assert_array_equal(run(plan, x)[0], deep(Tensor(x)).data)


def test_a_large_block_is_not_taken_for_a_small_value():
    """One that is held long would keep the memory from others."""
    plan = planned(lambda x: o.exp(o.tanh(x).sum()) * x, (1000,))
    assert plan.bytes <= 8000 + 8000 + 64


# --- random graphs: values that are there at the same time lie apart


def rows(i):
    return lambda a, b, c: a[np.array(i)]


MATRIX = (3, 4)
GRAPH_OPS = [
    lambda a, b, c: o.tanh(a),
    lambda a, b, c: o.relu(a),
    lambda a, b, c: o.softmax(a),
    lambda a, b, c: a + b,
    lambda a, b, c: a * b,
    lambda a, b, c: a - b.sum(0),
    lambda a, b, c: a * b.mean(1, keepdims=True),
    lambda a, b, c: a.T.reshape(3, 4),
    lambda a, b, c: a[::-1, ::-1],
    lambda a, b, c: a.reshape(2, 6).T.reshape(4, 3).T,
    lambda a, b, c: o.concatenate([a[1:], b[:1]]),
    lambda a, b, c: o.concatenate([a[:, 2:], b[:, :0], c[:, :2]], axis=1),
    lambda a, b, c: o.concatenate([a.reshape(-1), b.reshape(-1)])[6:18].reshape(3, 4),
    lambda a, b, c: o.concatenate([o.tanh(a).reshape(-1), o.concatenate([b.sum(1), c[:, 0]])])[6:].reshape(3, 4),
    lambda a, b, c: o.concatenate([a.reshape(-1), a.reshape(-1), a.T.reshape(-1)])[12:24].reshape(3, 4),
    lambda a, b, c: a @ (b.T @ c) * 0.1,
    lambda a, b, c: o.matmul(o.matmul(a, b, trans_b=True), c, trans_a=True) * 0.1,
    lambda a, b, c: a - a.max(1, keepdims=True),
    lambda a, b, c: o.where(a > b, a, c),
    lambda a, b, c: o.broadcast_to(a.sum(), MATRIX) + b,
    lambda a, b, c: o.exp(-a * a),
    lambda a, b, c: a * 1.0 + 0.5,
    lambda a, b, c: (a + 0.0) * np.ones(MATRIX),
    lambda a, b, c: o.pad(a[:2, 1:], [(1, 0), (0, 1)]),
    lambda a, b, c: a.detach() * b,
    rows([2, 0, 1]),
    rows([0, 0, 2]),
]  # fmt: skip


@st.composite
def graphs(draw):
    """A function of three matrices that gives some of the values on the way, and perhaps gradients, in one vector."""
    picks = draw(
        st.lists(st.tuples(st.integers(0, len(GRAPH_OPS) - 1), *(st.integers(0, 99) for _ in range(3))), min_size=1,
                 max_size=12)
    )  # fmt: skip
    wanted = draw(st.lists(st.integers(0, 99), min_size=1, max_size=3))
    differentiated = draw(st.booleans())

    def function(*leaves):
        values = list(leaves)
        for op, *which in picks:
            values.append(GRAPH_OPS[op](*(values[i % len(values)] for i in which)))
        outputs = [values[-1 - i % len(values)] for i in wanted]
        if differentiated and values[-1].requires_grad:
            total = sum((y.sum() for y in outputs if y.requires_grad), values[-1].mean())
            gradients = tn.grad(total, leaves)
            outputs.append(o.concatenate([g.reshape(-1) for g in gradients]))
        return tuple(outputs)

    return function


def assert_apart(plan):
    """Nothing writes over a value between the call that makes it and one that reads it."""
    made = {id(call.node): i for i, call in enumerate(plan.calls) if call.node is not None}

    def maker(x):
        while x.node is not None and x.node.op.view:
            x = x.node.inputs[0]
        return None if x.node is None else made.get(id(x.node))

    def assert_untouched(array, first, last):
        if not any(np.shares_memory(array, made) for made in plan.calls[first].outputs):
            return  # it was copied on the way
        for call in plan.calls[first + 1 : last]:
            for written in [*call.outputs, *call.scratch]:
                assert not np.shares_memory(written, array), (plan.calls[first].name, call.name)

    for i, call in enumerate(plan.calls):
        writes = [*call.outputs, *call.scratch]
        for j, array in enumerate(writes):
            assert not any(np.shares_memory(array, other) for other in writes[:j])
            if call.node is None or not implementation(call.node.op).inplace:
                assert not any(np.shares_memory(array, other) for other in call.inputs if other.size)
        if call.node is not None:
            for x, array in zip(call.node.inputs, call.inputs, strict=True):
                if (first := maker(x)) is not None:
                    assert_untouched(array, first, i)
    _, outputs, _, _ = plan._keep
    for name, y in outputs.items():
        if (first := maker(y)) is not None:
            assert_untouched(plan.outputs[name], first, len(plan.calls))


def poison(plan):
    """Fill all that a run is to write with NaN, or with the largest numbers."""
    kept = [*plan.inputs.values(), *plan.changed]
    for call in plan.calls:
        for array in [*call.outputs, *call.scratch]:
            if not any(np.may_share_memory(array, other) for other in kept):
                array[...] = (
                    np.nan if array.dtype.kind == "f" else np.iinfo(array.dtype).max if array.dtype != bool else 1
                )


@given(graphs(), st.integers(0, 2**32 - 1))
def test_a_plan_of_any_graph_gives_the_values_of_eager_execution_again_and_again(function, seed):
    rng = np.random.default_rng(seed)
    plan = planned(function, *[MATRIX] * 3)
    assert_apart(plan)
    for _ in range(3):
        inputs = [rng.standard_normal(MATRIX) for _ in range(3)]
        expected = function(*(Tensor(a, requires_grad=True) for a in inputs))
        found = run(plan, *inputs)
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert same_bits(a, b.data)
        poison(plan)


@given(networks(outputs=3), st.booleans())
def test_the_values_of_a_training_step_lie_apart(network, fused):
    """Only planned, not run: so nothing is compiled."""
    model, optimizer = network.make(), Heavy(0.1)
    x, y = np.zeros((4, *network.input["shape"]), np.uint8), np.zeros(4, np.int64)
    plan = training_plan(model, o.cross_entropy, optimizer, x, y, 4, fused=fused)
    assert_apart(plan)


@every_recipe
@pytest.mark.parametrize("fused", [True, False])
def test_a_step_of_a_reference_model_writes_all_that_it_reads(name, fused):
    """What is left of the step before does not matter."""
    thetas = []
    for spoil in (False, True):
        model, plan, values = reference_step(name, fused)
        assert_apart(plan)
        for _ in range(2):
            if spoil:
                poison(plan)
            plan.run(**values)
        thetas.append(model.theta)
    assert same_bits(*thetas)


# --- what is computed once, and what is computed beforehand


def test_equal_nodes_are_computed_once():
    assert names(planned(lambda x: o.tanh(x) * o.tanh(x), (3,))) == ["tanh", "multiply"]
    assert names(planned(lambda x: (o.exp(o.tanh(x)) + o.exp(o.tanh(x)), o.exp(o.tanh(x))), (3,))) == [
        "tanh",
        "exp",
        "add",
    ]
    assert names(planned(lambda x: x.T @ x + x.T @ x, (3, 3))) == ["copy", "matmul", "add"]


def test_nodes_that_differ_in_an_attribute_an_input_or_an_order_are_computed_each():
    def function(a, b):
        return a.sum(0), a.sum(1), b.sum(0), a - b, b - a, o.tanh(a), o.exp(a), a[0] * 2, a[1] * 2, a[:1] * 2

    a, b = np.arange(9.0).reshape(3, 3), np.ones((3, 3))
    plan = planned(function, (3, 3), (3, 3))
    assert len(plan.calls) == 10
    for found, expected in zip(run(plan, a, b), function(Tensor(a), Tensor(b)), strict=True):
        np.testing.assert_array_equal(found, expected.data)


def test_attributes_that_cannot_be_hashed_are_told_apart():
    double = tn.Op("times", infer=lambda x, factors: x, compute=lambda x, factors: x * factors)
    one, other = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    plan = planned(lambda x: (double(x, factors=one), double(x, factors=other), double(x, factors=[5.0, 6.0])), (2,))
    assert [y.tolist() for y in run(plan, np.ones(2))] == [[1, 2], [3, 4], [5, 6]]


def test_what_is_made_of_constants_alone_is_computed_when_planning():
    def function(x):
        (g,) = tn.grad((3 * x).sum(), [x])
        return g + 0 * x, g

    plan = planned(function, (4,))
    assert names(plan) == ["multiply", "add"]
    assert [y.tolist() for y in run(plan, np.ones(4))] == [[3] * 4, [3] * 4]


def test_parameters_of_no_axes_are_no_constants():
    class Gain(tn.Layer):
        def build(self, input_shape, rng):
            self.gain = self.add_parameter("gain", (), lambda shape, rng: 2.0)

        def forward(self, x):
            return x * self.gain + o.tanh(self.gain.detach())

    model = tn.Sequential([tn.Input((2,)), Gain()])
    plan = inference_plan(model, Spec((1, 2), np.dtype("float32")))
    for gain in (2.0, 3.0):
        model.theta[...] = gain
        np.testing.assert_allclose(plan.run(x=np.ones((1, 2)))["output"], gain + np.tanh(gain), rtol=1e-6)


# --- concatenation in place

VECTORS = [
    lambda leaves: o.tanh(leaves[0]),
    lambda leaves: o.exp(leaves[1]),
    lambda leaves: leaves[0],
    lambda leaves: leaves[0][::-1],
    lambda leaves: o.tanh(leaves[0])[:2],
    lambda leaves: (o.tanh(leaves[0]) * 2).reshape(3, 1).reshape(-1),
    lambda leaves: o.tanh(leaves[2]).T.reshape(-1),
    lambda leaves: o.tanh(leaves[2]).reshape(-1),
    lambda leaves: leaves[2].sum(0),
    lambda leaves: tn.grad(leaves[0].sum(), [leaves[0]])[0] * 2,
    lambda leaves: o.tanh(leaves[0])[:0],
    lambda leaves: Tensor(np.array([7.0, 8.0])),
]
parts = st.recursive(
    st.integers(0, len(VECTORS) - 1), lambda inner: st.lists(inner, min_size=1, max_size=4), max_leaves=8
)


def joined(tree, leaves):
    if isinstance(tree, int):
        return VECTORS[tree](leaves)
    return o.concatenate([joined(part, leaves) for part in tree])


@given(st.lists(parts, min_size=1, max_size=3), st.integers(0, 2**32 - 1))
def test_concatenations_of_any_vectors_and_of_concatenations_are_right(trees, seed):
    def function(*leaves):
        whole = [joined(tree, leaves) for tree in trees]
        return (*(o.exp(x) for x in whole), *whole)

    rng = np.random.default_rng(seed)
    shapes = (3,), (2,), (2, 3)
    plan = planned(function, *shapes)
    assert_apart(plan)
    for _ in range(2):
        inputs = [rng.standard_normal(shape) for shape in shapes]
        expected = function(*(Tensor(a, requires_grad=True) for a in inputs))
        for a, b in zip(run(plan, *inputs), expected, strict=True):
            assert same_bits(a, b.data)
        poison(plan)


def test_values_are_computed_straight_into_their_place():
    plan = planned(lambda a, b: o.concatenate([o.tanh(a), o.exp(b).reshape(-1)]), (3,), (2, 2))
    assert names(plan) == ["tanh", "exp"]
    plan = planned(lambda a, b: o.concatenate([o.concatenate([o.tanh(a), a]), o.exp(b).reshape(-1)]), (3,), (2, 2))
    assert sorted(names(plan)) == ["copy", "exp", "tanh"]
    plan = planned(lambda a, b: o.concatenate([o.tanh(a), o.tanh(a)]), (3,), (2, 2))
    assert names(plan) == ["tanh", "copy"]


def test_a_gradient_that_is_constant_comes_to_its_place():
    """That of the bias, where the loss is linear in the output."""
    rng = np.random.default_rng(0)
    network = Network({"shape": (3,)}, (partial(tn.Dense, 4),), "float64")
    problem = Problem(network, samples(rng, (8, 3), "float64"), np.zeros(8), lambda y, labels: y.sum())
    moments, _ = train(problem, tn.SGD(1.0), [np.arange(8)])
    step = moments[0].theta - network.make().theta
    np.testing.assert_allclose(step, -np.concatenate([np.repeat(problem.x.sum(0), 4), np.full(4, 8.0)]), rtol=1e-12)


# --- updates


def test_what_is_done_in_place_comes_after_all_that_reads_the_old():
    theta, slot = np.array([1.0, 2.0]), np.zeros(2)
    with tracing():
        leaf, kept, g, rate = (Tensor(Spec(s, FLOAT)) for s in ((2,), (2,), (2,), ()))
        new = descend(leaf, g, rate)
        after = o.exp(new)
        before = o.tanh(leaf)
        view = leaf[::-1] * 1.5
    plan = Plan(
        {"g": g, "rate": rate},
        {"before": before, "view": view},
        ((leaf, theta), (kept, slot)),
        ((leaf, new), (kept, after)),
    )
    assert names(plan) == ["tanh", "multiply", "descend", "exp", "copy"]
    with kernel_gate():
        found = plan.replay(g=np.ones(2), rate=0.5)
        assert theta.tolist() == [1, 2]
        np.testing.assert_array_equal(found["before"], np.tanh([1, 2]))
        assert found["view"].tolist() == [3, 1.5]
        plan.apply_updates()
    assert theta.tolist() == [0.5, 1.5]
    np.testing.assert_array_equal(slot, np.exp(theta))


def test_updates_that_are_each_others_old_values_do_not_meet():
    one, other, third = (np.full(2, v) for v in (1.0, 2.0, 3.0))
    with tracing():
        a, b, c = (Tensor(Spec((2,), FLOAT)) for _ in range(3))
    plan = Plan({}, {}, ((a, one), (b, other), (c, third)), ((a, b), (b, c[::-1]), (c, a)))
    for expected in ([2, 3, 1], [3, 1, 2]):
        plan.run()
        assert [int(v[0]) for v in (one, other, third)] == expected


def test_a_new_value_that_is_the_old_needs_no_call():
    with tracing():
        a = Tensor(Spec((2,), FLOAT))
    assert Plan({}, {}, ((a, np.ones(2)),), ((a, a),)).calls == []


def test_only_commit_changes_theta_and_the_state():
    model, plan, values = reference_step("softmax", optimizer=tn.SGD(0.1, momentum=0.9))
    state = plan.changed[1]
    before = model.theta.copy(), state.copy()
    with kernel_gate():
        for _ in range(2):
            plan.replay(**values)
            assert same_bits(model.theta, before[0])
            assert same_bits(state, before[1])
        plan.apply_updates()
    assert not same_bits(model.theta, before[0])
    assert not same_bits(state, before[1])


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("optimizer", [partial(tn.SGD, 0.1), partial(tn.SGD, 0.1, momentum=0.9), partial(Heavy, 0.1)])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_leaves_theta_and_the_state_as_they_were(bad, optimizer, fused):
    """The step after goes on from there."""
    model = tn.Sequential([tn.Input((3,)), tn.Dense(4, activation="relu"), tn.Dense(2)], seed=0)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((6, 3)), rng.integers(0, 2, 6)
    x[5] = bad
    made = optimizer()
    step = BatchStep(model, find_task("cross_entropy", None), made, x, y, mode=tn.train_mode(seed=0), compiled=True)
    step.compiled.fused = fused
    state = made.state_of(model)

    def now():
        return model.theta.tobytes(), *(v.tobytes() for v in state.values())

    with kernel_gate():
        assert np.isfinite(step(np.array([0, 1]))["loss"])
        before = now()
        with pytest.raises(NonFiniteError):
            step(np.array([2, 5]))
        assert now() == before
        assert np.isfinite(step(np.array([2, 3]))["loss"])
        assert now() != before


def test_fit_stops_at_a_loss_that_is_not_finite_with_the_parameters_from_before():
    model = tn.Sequential([tn.Input((3,)), tn.Dense(2)], seed=0)
    before = model.theta.copy()
    with pytest.raises(NonFiniteError):
        model.fit(np.ones((4, 3)), np.zeros(4), loss=lambda y, labels: y.mean() / 0.0, verbose=0, epochs=1)
    assert same_bits(model.theta, before)


# --- what a run gives


def test_a_run_gives_copies():
    plan = planned(lambda a: (a, o.tanh(a), o.tanh(a)[:1], a.T), (2, 2))
    first = run(plan, np.ones((2, 2)))
    for i, y in enumerate(first):
        assert not any(np.shares_memory(y, other) for other in first[:i])
        y[...] = 77
    second = run(plan, np.ones((2, 2)))
    third = run(plan, np.zeros((2, 2)))
    assert [y.flat[0] for y in second] == [1, np.tanh(1), np.tanh(1), 1]
    assert not any(y.any() for y in third)


def test_inputs_are_copied_in():
    plan = planned(lambda a: a * 2, (2,))
    x = np.ones(2)
    with kernel_gate():
        plan.replay(a=x)
    assert not any(np.shares_memory(x, a) for call in plan.calls for a in call.inputs)
    x[...] = 5
    assert run(plan)[0].tolist() == [2, 2]


def test_two_python_threads_may_run_one_plan():
    model = RECIPES["dense"].model(seed=0)
    plan = inference_plan(model, Spec((16, 28, 28), np.dtype("uint8")))
    batches = [np.random.default_rng(i).integers(0, 256, (16, 28, 28)).astype(np.uint8) for i in range(2)]
    expected = [plan.run(x=batch)["output"] for batch in batches]
    agreed = []

    def repeat(i):
        agreed.extend(same_bits(plan.run(x=batches[i])["output"], expected[i]) for _ in range(30))

    threads = [threading.Thread(target=repeat, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert agreed == [True] * 60


# --- what is not in the graph


@pytest.mark.parametrize("made", [lambda x: x, lambda x: o.tanh(x), lambda x: x[:1]], ids=["leaf", "op", "view"])
def test_a_tensor_kept_from_another_trace_is_an_error_that_says_so(made):
    kept = []

    def keep(x):
        if not x.symbolic:
            return x
        kept.append(made(x))
        return x + kept[0]

    model = tn.Sequential([tn.Input((3,)), tn.Dense(3), Apply(keep)], seed=0).build_model()
    kept.clear()
    spec = Spec((2, 3), np.dtype("float32"))
    inference_plan(model, spec)
    with pytest.raises(TraceError, match=r"shape \(2, 3\).*kept from another trace"):
        inference_plan(model, spec)


def test_a_leaf_that_is_no_input_is_an_error_that_says_so():
    with tracing():
        a, b = (Tensor(Spec((2,), FLOAT)) for _ in range(2))
        y = a + b
    with pytest.raises(TraceError, match="neither an input of the plan nor made by it"):
        Plan({"a": a}, {"y": y})


def test_constants_are_read_where_they_are():
    table = np.arange(6.0).reshape(2, 3)
    plan = planned(lambda a: a * table, (2, 3))
    assert any(array is table for call in plan.calls for array in call.inputs)
    np.testing.assert_array_equal(run(plan, np.ones((2, 3)))[0], table)


def test_graphs_of_thousands_of_nodes_are_planned_without_recursion():
    def deep(x):
        for _ in range(3000):
            x = x + 1
        return x

    assert run(planned(deep, (2,)), np.zeros(2))[0].tolist() == [3000, 3000]
    assert len(ancestors([deep(Tensor(Spec((2,), FLOAT), requires_grad=True))])) == 3000
