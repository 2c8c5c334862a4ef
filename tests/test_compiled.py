"""tn.compile: what it takes and returns, when it traces, and that it computes what the function does."""

import contextlib
import threading
import warnings

import numpy as np
import pytest

import tinynet as tn
from tests.fast.networks import Apply
from tests.steps import WAYS, as_run, batches, everything, restless_network
from tinynet.errors import ArgumentError, DTypeError, NonFiniteError, RetraceWarning, ShapeError, TraceError

X, Y = batches(1)[0]


def network(seed=0, n=3, out=2, dtype="float32"):
    return tn.Sequential([tn.Input((n,)), tn.Dense(4, "tanh"), tn.Dense(out)], seed=seed, dtype=dtype)


# --- steps of training, three ways


def classifier(dtype="float32"):
    model, optimizer = restless_network(dtype=dtype), tn.Adam(0.01)

    def step(x, y):
        loss = tn.ops.cross_entropy(tn.ops.softmax(model(x)), y)
        optimizer.minimize(loss, model)
        return loss

    return [model], [optimizer], step


def images(dtype="float32"):
    layers = [tn.Conv2D(3, 3, padding="same"), tn.BatchNorm(), tn.ReLU(), tn.MaxPool(2), tn.Flatten(), tn.Dropout(0.3)]
    model = tn.Sequential(
        [tn.Input((3,)), tn.Dense(16), tn.Reshape((4, 4, 1)), *layers, tn.Dense(2)], seed=0, dtype=dtype
    )
    optimizer = tn.SGD(0.05, momentum=0.9)

    def step(x, y):
        loss = tn.ops.cross_entropy(tn.ops.softmax(model(x)), y)
        optimizer.minimize(loss, model)
        return loss

    return [model], [optimizer], step


def adversaries(dtype="float32"):
    critic = tn.Sequential(
        [tn.Input((3,)), tn.Dense(6, "leaky_relu"), tn.Dropout(0.3), tn.Dense(1)], seed=0, dtype=dtype
    )
    generator = tn.Sequential(
        [tn.Input((2,)), tn.Dense(6), tn.BatchNorm(), tn.ReLU(), tn.Dense(3)], seed=1, dtype=dtype
    )
    first, second = tn.Adam(0.01), tn.SGD(0.1, momentum=0.5)

    def step(x, y):
        made = generator(tn.random.normal((x.shape[0], 2), dtype=dtype))
        loss = ((critic(x) - 1.0) ** 2).mean() + (critic(made.detach()) ** 2).mean()
        first.minimize(loss, critic)
        fooled = ((critic(made) - 1.0) ** 2).mean()
        second.minimize(fooled, generator)
        return loss, fooled

    return [critic, generator], [first, second], step


def two_inputs_and_two_losses(dtype="float32"):
    left, right = network(0, dtype=dtype), network(1, out=1, dtype=dtype)
    optimizer = tn.SGD(0.1)

    def step(x, y):
        a, b = left(x), right(x[:, ::-1])
        classes = tn.ops.cross_entropy(tn.ops.softmax(a), y)
        value = ((b - x.sum(1, keepdims=True)) ** 2).mean()
        optimizer.minimize(classes + 0.5 * value, [left, right])
        return classes, value

    return [left, right], [optimizer], step


def twice_in_a_step(dtype="float32"):
    model, optimizer = restless_network(dtype=dtype), tn.SGD(0.1, momentum=0.9)

    def step(x, y):
        losses = []
        for part in (slice(0, 2), slice(2, None)):
            losses.append(tn.ops.cross_entropy(tn.ops.softmax(model(x[part])), y[part]))
            optimizer.minimize(losses[-1], model)
        return tuple(losses)

    return [model], [optimizer], step


STEPS = [classifier, images, adversaries, two_inputs_and_two_losses, twice_in_a_step]


def left_by(make, way, n=4, dtype="float32"):
    models, optimizers, step = make(dtype)
    mode, run, losses = tn.train_mode(seed=1), as_run(step, way), []
    for batch in batches(n, dtype=dtype):
        with mode:
            losses.append(run(*batch))
    return np.array(losses), everything(models, optimizers, mode), models


@pytest.mark.parametrize("make", STEPS)
def test_unfused_a_compiled_step_has_the_bits_of_eager_execution(make):
    losses, left, _ = left_by(make, "eager")
    found, after, _ = left_by(make, "unfused")
    assert found.tobytes() == losses.tobytes()
    assert after == left


@pytest.mark.parametrize("make", STEPS)
def test_fused_a_compiled_step_is_within_rounding_of_eager_execution(make):
    losses, _, models = left_by(make, "eager")
    found, _, fused = left_by(make, "fused")
    np.testing.assert_allclose(found, losses, rtol=2e-4, atol=1e-5)
    for model, other in zip(fused, models, strict=True):
        for name, leaf in model.leaves.items():
            np.testing.assert_allclose(leaf.data, other.leaves[name].data, rtol=2e-3, atol=2e-4, err_msg=name)


@pytest.mark.parametrize("make", STEPS)
def test_in_float64_fused_and_eager_agree_to_many_digits(make):
    losses, _, models = left_by(make, "eager", dtype="float64")
    found, _, fused = left_by(make, "fused", dtype="float64")
    np.testing.assert_allclose(found, losses, rtol=1e-9)
    for model, other in zip(fused, models, strict=True):
        np.testing.assert_allclose(model.theta, other.theta, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("make", STEPS)
def test_the_public_function_does_what_the_engine_room_does(make):
    models, optimizers, step = make()
    mode, run, losses = tn.train_mode(seed=1), tn.compile(step), []
    for batch in batches(4):
        with mode:
            losses.append(run(*batch))
    expected, left, _ = left_by(make, "fused")
    assert np.array(losses).reshape(expected.shape).tobytes() == expected.tobytes()
    assert everything(models, optimizers, mode) == left
    assert run.traces == 1


@pytest.mark.parametrize("make", STEPS)
def test_in_reference_it_is_the_function_itself(make):
    _, _, step = make()
    mode, run, losses = tn.train_mode(seed=1), tn.compile(step), []
    with tn.reference():
        for batch in batches(4):
            with mode:
                losses.append(run(*batch))
    assert run.traces == 0
    np.testing.assert_allclose(np.array(losses), left_by(make, "eager")[0].reshape(np.shape(losses)), rtol=1e-3)


@pytest.mark.parametrize("make", STEPS)
def test_the_bits_do_not_depend_on_threads(make):
    before, found = tn.get_num_threads(), []
    try:
        for n in (1, 2):
            tn.set_num_threads(n, fixed=True)
            losses, left, _ = left_by(make, "fused")
            found.append((losses.tobytes(), left))
    finally:
        tn.set_num_threads(before)
    assert found[0] == found[1]


def test_a_batch_gathered_from_a_bound_array():
    data, labels = np.random.default_rng(1).normal(size=(20, 3)).astype(np.float32), np.arange(20) % 2
    model, other = network(), network()

    def step_of(model, optimizer, x, y):
        def step(indices):
            loss = tn.ops.cross_entropy(model(x[indices]), y[indices])
            optimizer.minimize(loss, model)
            return loss

        return step

    step = tn.compile(step_of(model, tn.SGD(0.1), tn.Tensor(data), tn.Tensor(labels)))
    eager = step_of(other, tn.SGD(0.1), tn.Tensor(data), tn.Tensor(labels))
    modes = tn.train_mode(seed=0), tn.train_mode(seed=0)
    for i in range(3):
        indices = np.random.default_rng(i).permutation(20)[:6]
        with modes[0]:
            found = step(indices)
        with modes[1]:
            expected = eager(tn.Tensor(indices))
        np.testing.assert_allclose(found, expected.data, rtol=1e-5)
        data[:] += 1  # it is read where it is
    assert step.traces == 1
    np.testing.assert_allclose(model.theta, other.theta, rtol=1e-4, atol=1e-6)
    with modes[0]:
        names = [row.name for row in step.plan(np.arange(6)).rows()]
    assert names.count("index") == names.count("places") == 2


IMAGES = np.random.default_rng(2).integers(0, 256, (20, 4, 2), np.uint8)


def picked(images, indices):
    return (tn.ops.cast(images[indices], "float32") - 100) * (1 / 255)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64"])
def test_images_picked_from_a_bound_array_are_converted_in_one_call(dtype):
    images = tn.Tensor(IMAGES)
    pick = tn.compile(lambda indices: picked(images, indices))
    indices = np.array([3, 0, 19, 3] if dtype.startswith("u") else [3, -1, 0, -20], dtype)
    np.testing.assert_array_equal(pick(indices), picked(images, tn.Tensor(indices)).data)
    np.testing.assert_array_equal(pick(indices), (IMAGES[indices] - np.float32(100)) * np.float32(1 / 255))
    assert [row.name for row in pick.plan(indices).rows()] == ["places", "gather"]


@pytest.mark.parametrize("bad", [[0, 20], [-21, 0], [3, 10**9]])
def test_an_index_out_of_range_is_told_in_the_words_of_eager_execution(bad):
    images, indices = tn.Tensor(IMAGES), np.array(bad)
    pick = tn.compile(lambda indices: picked(images, indices))
    with pytest.raises(ArgumentError, match="the index of axis 0 runs from") as eager:
        picked(images, tn.Tensor(indices))
    with pytest.raises(ArgumentError) as compiled:
        pick(indices)
    assert str(compiled.value) == str(eager.value)
    np.testing.assert_array_equal(pick(np.array([1, 2])), picked(images, np.array([1, 2])).data)


@pytest.mark.parametrize("key", [(slice(None, None, 2),), (slice(None), slice(None), slice(None, None, -1))])
def test_images_that_are_not_in_row_order_are_not_copied_for_each_batch(key):
    images = tn.Tensor(IMAGES[key])
    pick, indices = tn.compile(lambda indices: picked(images, indices)), np.array([3, -1])
    np.testing.assert_array_equal(pick(indices), picked(images, tn.Tensor(indices)).data)
    assert "copy" not in [row.name for row in pick.plan(indices).rows()]


@pytest.mark.parametrize("bad", [5, -6, 10**9])
def test_indices_out_of_range_are_refused_and_nothing_changes(bad):
    model, optimizer, mode = network(), tn.SGD(0.1), tn.train_mode(seed=0)
    data = tn.Tensor(X)

    scale = 0.5

    @tn.compile
    def step(indices):
        loss = (model(data[indices] * scale) ** 2).mean()
        optimizer.minimize(loss, model)
        return loss

    with mode:
        step(np.arange(3))
    before = everything([model], [optimizer], mode)
    with pytest.raises((ArgumentError, IndexError), match="but that axis of a tensor of shape"), mode:
        step(np.array([0, 1, bad]))
    assert everything([model], [optimizer], mode) == before


# --- arguments and results


@pytest.mark.parametrize("training", [False, True])
def test_what_looks_like_an_update_and_is_none_is_a_result(training):
    """The step of gradient descent is made in place where a vector is to be overwritten, and nowhere else."""
    array, mode, model = np.ones(4), tn.train_mode(seed=0), network(dtype="float64")
    bound, bias = tn.Tensor(array), model.build_model().parameters["dense.bias"]
    f = tn.compile(lambda a, b, rate: (a - rate * b, bound - rate * b, bias - rate * a))
    before = model.theta.copy()
    for _ in range(2):
        with mode if training else contextlib.nullcontext():
            found = f(np.full(4, 2.0), np.full(4, 3.0), 10.0)
        np.testing.assert_array_equal(found[0], np.full(4, -28.0))
        np.testing.assert_array_equal(found[1], np.full(4, -29.0))
        np.testing.assert_array_equal(found[2], bias.data - 20)
    np.testing.assert_array_equal(array, np.ones(4))
    np.testing.assert_array_equal(model.theta, before)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", [lambda: tn.SGD(0.1), lambda: tn.SGD(0.1, momentum=0.9), lambda: tn.Adam(0.1)])
def test_parameters_and_states_that_are_returned_are_the_newest(way, make):
    model, optimizer, mode = restless_network(), make(), tn.train_mode(seed=0)
    model.build_model()
    leaves = (*model.parameters.values(), *model.states.values())

    def step(x):
        loss = (model(x) ** 2).mean()
        optimizer.minimize(loss, model)
        return (*leaves, leaves[0] * 1.0)

    run = as_run(step, way)
    for _ in range(2):
        with mode:
            found = run(X)
        for value, leaf in zip(found, (*leaves, leaves[0]), strict=True):
            np.testing.assert_array_equal(value, leaf.data)


def test_positional_and_named_arguments_containers_numbers_and_texts():
    @tn.compile
    def f(x, parts, *more, scale=1.0, kind="sum", flag=False, nothing=None, table):
        y = (parts[0] + parts[1][0]) * scale + table["b"]["c"]
        for m in more:
            y = y + m
        y = -y if flag else y
        return {"y": y.sum() if kind == "sum" else y, "rest": [x * 2, (x, y)]}

    args = np.ones(3), [np.full(3, 2.0), (np.full(3, 3.0),)], 10, np.float64(20)
    table = {"a": None, "b": {"c": np.arange(3.0)}}
    found = f(*args, scale=2, table=table)
    assert type(found["y"]) is np.ndarray
    assert float(found["y"]) == sum(np.arange(3.0) + 10 + 30)
    np.testing.assert_array_equal(found["rest"][0], np.full(3, 2.0))
    assert type(found["rest"]) is list
    assert type(found["rest"][1]) is tuple
    np.testing.assert_array_equal(f(*args, scale=2, table=table, kind="all")["y"], np.arange(3.0) + 40)
    np.testing.assert_array_equal(f(*args, scale=2, table=table, kind="all", flag=True)["y"], -(np.arange(3.0) + 40))
    assert f.traces == 3
    f(np.zeros(3), [np.zeros(3), (np.zeros(3),)], -1, np.float64(0), scale=7, table=table)
    assert f.traces == 3


@pytest.mark.parametrize("number", [2, 2.0, np.float64(2), np.float32(2), np.int64(2), np.int8(2)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_numbers_take_the_dtype_of_tensors_and_may_change(number, dtype):
    f = tn.compile(lambda x, n: x * n + n)
    x = np.arange(3).astype(dtype)
    found = f(x, number)
    plain = number.item() if isinstance(number, np.generic) else number
    expected = x * plain + plain
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(f(x, type(number)(5)), x * 5 + 5)
    assert f.traces == 1
    with tn.reference():
        other = f(x, number)
    assert other.dtype == found.dtype
    np.testing.assert_array_equal(other, found)


def test_a_learning_rate_passed_as_a_number_is_no_part_of_the_plan():
    model = network(dtype="float64")
    parameters = list(model.parameters.values())

    @tn.compile
    def moved(x, rate):
        gradients = tn.grad((model(x) ** 2).mean(), parameters)
        return [p - rate * g for p, g in zip(parameters, gradients, strict=True)]

    for rate in (0.1, 0.2, 1):
        found = moved(X.astype(float), rate)
        expected = tn.grad((model(X.astype(float)) ** 2).mean(), parameters)
        for p, g, new in zip(parameters, expected, found, strict=True):
            np.testing.assert_allclose(new, p.data - rate * g.data, rtol=1e-10)
    assert moved.traces == 2  # 1 is a whole number


@pytest.mark.parametrize("make", [np.asarray, tn.Tensor, np.asfortranarray, lambda x: x[::-1, ::2], lambda x: x[:0]])
def test_arrays_of_every_layout_and_tensors(make):
    x = np.random.default_rng(0).normal(size=(6, 4))
    f = tn.compile(lambda x: (tn.ops.exp(x) * 2.0, x.sum(0)))
    given = make(x)
    values = np.asarray(given)
    for found, expected in zip(f(given), (np.exp(values) * 2, values.sum(0)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_results_are_new_arrays_that_nobody_else_writes_to():
    constant = tn.Tensor(np.ones(3))
    f = tn.compile(lambda x: (x, x * 1.0, constant, x.reshape(3, 1), constant + 0.0))
    x = np.arange(3.0)
    first = f(x)
    kept = [y.copy() for y in first]
    second = f(x + 1)
    for y, value in zip(first, kept, strict=True):
        np.testing.assert_array_equal(y, value)
        assert y.flags.owndata
        assert y.flags.writeable
        assert not np.shares_memory(y, x)
        y[...] = -9
    np.testing.assert_array_equal(second[0], x + 1)
    np.testing.assert_array_equal(f(x)[2], np.ones(3))
    np.testing.assert_array_equal(x, np.arange(3.0))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({1, 2}, ArgumentError, r"arrays, tensors, numbers, texts.*but got \{1, 2\}"),
        (1j, ArgumentError, "but got 1j"),
        (object, ArgumentError, "but got <class 'object'>"),
        (network(), ArgumentError, "let the function reach models and other objects from outside"),
        ([np.ones(2), len], ArgumentError, "but got <built-in function len>"),
        (np.array(["a"]), DTypeError, "array of numbers, but has dtype <U1"),
        (np.ma.masked_less([1.0, 2.0], 1.5), DTypeError, r"array of numbers, but is a masked array; .*x\.filled\(0\)"),
        (np.array([None]), DTypeError, "array of numbers, but has dtype object"),
        (np.array([1j]), DTypeError, "array of numbers, but has dtype complex128"),
        (np.complex128(1), DTypeError, "dtype complex128"),
        (np.datetime64("2020-01-01"), DTypeError, "dtype datetime64"),
        (2**70, DTypeError, "dtype object"),
    ],
)
def test_other_arguments_are_refused(given, error, message):
    f = tn.compile(lambda x: tn.Tensor(1.0) + 1.0)
    with pytest.raises(error, match=message):
        f(given)
    with pytest.raises(error, match=message):
        f(x=given)
    assert f.traces == 0


@pytest.mark.parametrize("result", [None, 1.0, np.ones(2), "text", [], {}, [[], ()], [None], {"a": 1}, len])
def test_a_function_that_returns_no_tensor_is_refused(result):
    f = tn.compile(lambda x: result)
    with pytest.raises(ArgumentError, match="a compiled function returns"):
        f(X)


@pytest.mark.parametrize("function", [None, 1, "step", [len]])
def test_only_functions_are_compiled(function):
    with pytest.raises(ArgumentError, match="compile takes a function made of ops, or a model, but got"):
        tn.compile(function)


def test_only_models_are_frozen():
    with pytest.raises(ArgumentError, match="only a model can be frozen"):
        tn.compile(lambda x: x, freeze=True)


def test_wrong_arguments_raise_what_the_function_raises():
    f = tn.compile(lambda x, y: x @ y)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'y'"):
        f(X)
    with pytest.raises(ShapeError, match="matmul"):
        f(X, X)
    assert f(X, X.T).shape == (5, 5)


# --- traces


def test_the_function_runs_once_a_trace():
    calls = []

    @tn.compile
    def f(x, kind="a"):
        calls.append(kind)
        return x * 2.0

    for _ in range(3):
        f(X)
        f(X, "b")
        f(X[:2])
        f(X.astype(float))
    assert (f.traces, len(calls)) == (4, 4)


def test_in_and_out_of_training_are_traces_of_their_own():
    model, mode = restless_network(), tn.train_mode(seed=0)
    f = tn.compile(model)
    first = f(X)
    with mode:
        trained = f(X)
    assert f.traces == 2
    assert (trained != first).any()
    np.testing.assert_allclose(f(X), model(X).data, rtol=1e-5, atol=1e-6)
    assert f.traces == 2


def test_the_ninth_trace_warns_once_and_names_the_line_of_the_call():
    f = tn.compile(lambda x: x * 2.0)
    for n in range(8):
        f(np.ones(n))
    with pytest.warns(RetraceWarning, match="<lambda> was traced 9 times.*arrays of few shapes") as found:
        f(np.ones(8))
    assert found[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f(np.ones(9))
        f(np.ones(3))
    assert f.traces == 10


def test_a_trace_that_fails_leaves_no_trace():
    fails = [True]

    @tn.compile
    def f(x):
        if fails[0]:
            raise KeyError
        return x * 2.0

    for _ in range(2):
        with pytest.raises(KeyError):
            f(X)
    fails[0] = False
    np.testing.assert_array_equal(f(X), X * 2)
    assert f.traces == 1


def test_arrays_from_outside_parameters_and_states_are_read_live():
    array, model = np.ones(3, np.float32), restless_network()
    layer = Apply(None)
    layer.weights = np.full(3, 2.0, np.float32)
    layer.function = lambda x: x * layer.weights
    f = tn.compile(lambda x: (tn.Tensor(array) + x, layer(x), model(x)))
    f(X)
    array[:] = 5
    layer.weights[:] = 7
    model.theta[...] *= 2
    model.states["batch_norm.mean"].data[...] = 3
    found = f(X)
    np.testing.assert_array_equal(found[0], X + 5)
    np.testing.assert_array_equal(found[1], X * 7)
    np.testing.assert_allclose(found[2], model(X).data, rtol=1e-5, atol=1e-5)
    assert f.traces == 1


class Scaled(tn.Layer):
    def __init__(self):
        self.scale, self.table = 2.0, {"a": [1.0]}

    def forward(self, x):
        return x * self.scale * self.table["a"][0]


def test_an_attribute_of_a_layer_that_is_set_is_seen():
    layer = Scaled()
    f = tn.compile(lambda x: layer(x))
    for scale in (3.0, 2.0, np.full(3, 4.0, np.float32)):
        layer.scale = scale
        np.testing.assert_array_equal(f(X), X * scale)
    layer.table = {"a": [5.0]}
    np.testing.assert_array_equal(f(X), X * 20)
    layer.table["a"][0] = 6.0
    np.testing.assert_array_equal(f(X), X * 24)
    layer.table["a"] = [7.0]
    np.testing.assert_array_equal(f(X), X * 28)
    traces = f.traces
    Scaled().scale = 9.0  # of another layer
    f(X)
    assert f.traces == traces


def test_contents_of_a_list_that_change_are_seen_by_each_function_that_uses_it():
    layer = Scaled()
    f, g = tn.compile(lambda x: layer(x)), tn.compile(lambda x: layer(x) + 1.0)
    for value in (1.0, 3.0, 1.0, 5.0):
        layer.table["a"][0] = value
        np.testing.assert_allclose(f(X), X * 2 * value, rtol=1e-6)
        np.testing.assert_allclose(g(X), X * 2 * value + 1, rtol=1e-5)


def test_an_attribute_of_an_inner_layer_is_seen():
    model = tn.Sequential([tn.Input((3,)), tn.Residual([Scaled()])])
    f = tn.compile(model)
    f(X)
    model.layers[1].layers[0].scale = 5.0
    np.testing.assert_allclose(f(X), X * 6, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (lambda: tn.SGD(0.1, momentum=0.5), "momentum", 0.9),
        (lambda: tn.SGD(0.1), "weight_decay", 0.5),
        (lambda: tn.SGD(0.1, weight_decay=0.5), "decay", "weights"),
        (lambda: tn.Adam(0.1), "beta1", 0.1),
        (lambda: tn.SGD(0.1), "transforms", (lambda gradients: [-g for g in gradients],)),
    ],
)
def test_an_attribute_of_an_optimizer_that_is_set_is_seen(make, name, value):
    left = []
    for way in ("eager", "fused"):
        model, optimizer, mode = network(dtype="float64"), make(), tn.train_mode(seed=0)
        model.theta[...] = np.linspace(-1, 1, model.theta.size)

        def step(x, model=model, optimizer=optimizer):
            loss = (model(x) ** 2).mean()
            optimizer.minimize(loss, model)
            return loss

        run = as_run(step, way)
        for _ in range(2):
            with mode:
                run(X.astype(float))
        unchanged = model.theta.copy()
        setattr(optimizer, name, value)
        for _ in range(2):
            with mode:
                run(X.astype(float))
        assert (model.theta != unchanged).any()
        left.append(model.theta)
    np.testing.assert_allclose(left[1], left[0], rtol=1e-9)


# --- compiled functions within each other, and in threads


def test_compiled_functions_within_each_other_are_one_plan():
    inner = tn.compile(lambda x, n: x * n)

    @tn.compile
    def outer(x):
        return inner(x, 2.0) + inner(x, n=3.0)

    np.testing.assert_allclose(outer(X), X * 5, rtol=1e-6)
    assert (inner.traces, outer.traces) == (0, 1)
    np.testing.assert_allclose(inner(X, 7), X * 7, rtol=1e-6)


def test_a_compiled_layer_within_a_model_of_a_compiled_function():
    model = tn.Sequential([tn.Input((3,)), Apply(tn.compile(lambda x: x * 2.0)), tn.Dense(2)], seed=0)
    mode, optimizer = tn.train_mode(seed=0), tn.SGD(0.1)
    before = model.theta.copy()
    step = tn.compile(lambda x: (optimizer.minimize(loss := (model(x) ** 2).mean(), model), loss)[1])
    with mode:
        step(X)
    assert (model.theta != before).any()


def test_a_function_that_calls_itself_is_refused():
    @tn.compile
    def f(x):
        return f(x) + g(x)

    @tn.compile
    def g(x):
        return f(x)

    for function in (f, g):
        with pytest.raises(TraceError, match="calls itself while it is traced; write a loop"):
            function(X)


@pytest.mark.parametrize("training", [False, True])
def test_one_function_in_many_threads(training):
    models = [network(i) for i in range(4)]
    optimizer = tn.SGD(0.1)
    f = tn.compile(lambda x, scale: (models[0](x) * scale, tn.ops.exp(x) * scale))
    expected = [[y.data for y in (models[0](X) * float(n), tn.ops.exp(X) * float(n))] for n in range(4)]
    wrong, errors = [], []

    def work(n):
        try:
            step = tn.compile(lambda x: (optimizer.minimize(loss := (models[n](x) ** 2).mean(), models[n]), loss)[1])
            mode = tn.train_mode(seed=n)
            for _ in range(20):
                if training and n:  # of models of their own
                    with mode:
                        step(X)
                for found, value in zip(f(X, float(n)), expected[n], strict=True):
                    if not np.allclose(found, value, rtol=1e-5, atol=1e-6):
                        wrong.append(n)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, errors, f.traces) == ([], [], 1)


def test_plans_are_asked_for_from_threads():
    f, errors = tn.compile(lambda x: x * 2.0), []

    def work(n):
        try:
            f.plan(np.ones(n + 1))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_tensor_of_another_trace_is_refused():
    kept = []

    @tn.compile
    def f(x):
        kept.append(x * 2.0)
        return x + 1.0

    f(X)
    with pytest.raises(TraceError, match="neither an input of the plan nor made by it; was it kept from another trace"):
        tn.compile(lambda x: x + kept[0])(X)
    with pytest.raises(TraceError):
        tn.compile(lambda x: x * 1.0)(kept[0])
    with pytest.raises(TraceError):
        (kept[0] + X).data.sum()


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x * float(x.sum()),
        lambda x: x * x.data.max(),
        lambda x: x * np.asarray(x).max(),
        lambda x: x[: int(x.sum())],
    ],
)
def test_values_that_are_read_name_the_line(read):
    with pytest.raises(TraceError, match=r"line \d+ of test_compiled.py reads the values"):
        tn.compile(read)(X)


def test_the_plan_can_be_read():
    model, optimizer, mode = network(), tn.SGD(0.1), tn.train_mode(seed=0)
    step = tn.compile(lambda x: (optimizer.minimize(loss := (model(x) ** 2).mean(), model), loss)[1])
    with mode:
        plan = step.plan(X)
    assert "Plan of" in str(plan)
    assert plan.rows()
    assert step.traces == 1
    with pytest.raises(ArgumentError, match="is part of a step of training"):
        step.plan(X)
    with mode:
        step(X)
    assert step.traces == 1


def test_it_has_the_name_and_the_words_of_the_function():
    @tn.compile
    def doubled(x):
        """Twice x."""
        return x * 2.0

    assert (doubled.__name__, doubled.__doc__, doubled.name) == ("doubled", "Twice x.", "doubled")


# --- changes that fail


def test_a_loss_that_is_not_finite_is_told_and_the_next_step_goes_on():
    model, optimizer, mode = network(), tn.Adam(0.1), tn.train_mode(seed=0)
    step = tn.compile(lambda x: (optimizer.minimize(loss := (model(x) ** 2).mean(), model), loss)[1])
    with mode:
        step(X)
    before = everything([model], [optimizer], mode)
    with pytest.raises(NonFiniteError, match="the loss became nan; nothing was changed by this step"), mode:
        step(X * np.nan)
    assert everything([model], [optimizer], mode) == before
    with mode:
        assert np.isfinite(step(X))


# --- models


@pytest.mark.parametrize("freeze", [False, True])
def test_a_predictor_of_a_model(freeze):
    model = restless_network()
    model.fit(X, Y, epochs=1, batch_size=5, seed=0, verbose=0)
    predict = tn.compile(model, freeze=freeze)
    for x in (X, X[:1], X[:0]):
        np.testing.assert_allclose(predict(x), model.predict(x) if len(x) else np.zeros((0, 2)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("function", [tn.ops.log, tn.ops.softmax, lambda x: tn.ops.softmax(tn.ops.log(x))])
def test_values_that_are_not_finite_are_computed_without_a_warning(function):
    """By kernels, by functions of NumPy, and by both in one plan."""
    x = np.array([[-1.0, 0.0, np.inf], [1.0, -np.inf, np.nan]])
    with np.errstate(all="raise"):
        found = tn.compile(function)(x)
    np.testing.assert_array_equal(found, function(tn.Tensor(x)).data)


def test_frozen_it_keeps_its_weights_and_states_and_live_it_does_not():
    model = restless_network()
    live, frozen = tn.compile(model), tn.compile(model, freeze=True)
    before = live(X), frozen(X)
    np.testing.assert_allclose(*before, rtol=1e-5, atol=1e-6)
    model.fit(X, Y, epochs=2, batch_size=5, optimizer=tn.SGD(0.5), seed=0, verbose=0)
    np.testing.assert_array_equal(frozen(X), before[1])
    assert (live(X) != before[0]).any()
    np.testing.assert_allclose(live(X), model.predict(X), rtol=1e-5, atol=1e-6)


def test_frozen_it_takes_no_part_in_training_and_the_model_still_does():
    model, mode = restless_network(), tn.train_mode(seed=0)
    frozen = tn.compile(model, freeze=True)
    expected = frozen(X)
    with mode:
        np.testing.assert_array_equal(frozen(X), expected)
        inner = tn.compile(lambda x: frozen(x) * 1.0)(X)
    np.testing.assert_allclose(inner, expected, rtol=1e-5, atol=1e-6)
    assert mode.steps == 1
    np.testing.assert_array_equal(frozen(X), expected)
    before = model.theta.copy()
    model.fit(X, Y, epochs=1, seed=0, verbose=0)
    assert (model.theta != before).any()


def test_a_frozen_critic_passes_gradients_to_what_comes_before():
    critic, model, optimizer, mode = network(1, n=2, out=1), network(), tn.SGD(0.1), tn.train_mode(seed=0)
    frozen = tn.compile(critic, freeze=True)
    step = tn.compile(lambda x: (optimizer.minimize(loss := frozen(model(x)).mean(), model), loss)[1])
    before = critic.theta.copy(), model.theta.copy()
    with mode:
        step(X)
    np.testing.assert_array_equal(critic.theta, before[0])
    assert (model.theta != before[1]).any()


class Slope(tn.Model):
    """The derivative of a network with respect to its input, by a gradient in the forward pass."""

    def __init__(self):
        super().__init__((3,), seed=0, dtype="float64")
        self.first, self.second = tn.Dense(4, "tanh"), tn.Dense(1)

    def forward(self, x):
        x = tn.Tensor(x, requires_grad=True)
        return tn.grad(self.second(self.first(x)).sum(), [x], create_graph=True)[0]


def test_a_forward_that_differentiates_is_built_predicted_and_compiled():
    model, x = Slope(), X.astype(float)
    w, b, v, _ = (p.data for p in model.parameters.values())
    expected = (1 - np.tanh(x @ w + b) ** 2) * v[:, 0] @ w.T
    predictors = model.predict, tn.compile(model), tn.compile(model, freeze=True)
    for found in (*(predict(x) for predict in predictors), model(x).data, model.predict(x, compiled=False)):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_forward_that_differentiates_is_trained(compiled):
    """By the gradient of a gradient: here to the slopes 1, 0 and -1."""
    model, x = Slope(), np.random.default_rng(0).normal(size=(20, 3))
    y = np.tile([1.0, 0.0, -1.0], (20, 1))
    options = {"loss": "mse", "optimizer": tn.Adam(0.05), "epochs": 40, "batch_size": None}
    losses = model.fit(x, y, **options, seed=0, verbose=0, compiled=compiled).history["loss"]
    assert losses[-1] < 0.05 < losses[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda model, data: model.first.weight.data.fill(0.0),
        lambda model, data: data.data.fill(0.0),
        lambda model, data: data.data.__setitem__(0, 1.0),
        lambda model, data: np.add(data, 1.0, out=data.data),
    ],
)
def test_a_function_that_changes_the_values_of_what_it_captured_is_refused(change):
    model, data = Slope().build_model(), tn.Tensor(np.ones((5, 3)))
    before = model.theta.copy()

    @tn.compile
    def function(x):
        change(model, data)
        return model(x) * data

    with pytest.raises(TraceError, match=r"line \d+ of test_compiled.py reads the values"):
        function(X.astype(float))
    np.testing.assert_array_equal(model.theta, before)
    np.testing.assert_array_equal(data.data, 1.0)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_that_is_captured_is_changed_by_a_function_that_only_computes(way):
    model, array = network(), np.arange(5.0)[:, None]
    before = model.theta.copy()
    as_run(lambda x: model(x) * array, way)(X)
    np.testing.assert_array_equal(model.theta, before)
    np.testing.assert_array_equal(array, np.arange(5.0)[:, None])
