"""fit, evaluate and predict with plans: the same as without, whatever changes in between, and from any thread."""

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tests.fast.networks import Apply, networks, samples
from tests.plans import inference_plan
from tests.small_network import losses_of
from tinynet.core.spec import Spec
from tinynet.errors import ArgumentError, NonFiniteError, TraceError
from tinynet.fast.threads import kernel_gate
from tinynet.recipes import DOCUMENTED, RECIPES
from tinynet.train.step import BatchStep
from tinynet.train.task import find_task

o = tn.ops


@pytest.fixture(scope="module")
def digits():
    (x, y), _ = tn.datasets.mnist(source="sample")
    return x[:300], y[:300]


def dense(seed=0, dtype="float32", *more):
    """A small model."""
    return tn.Sequential([tn.Input((5,)), tn.Dense(6, "tanh"), *more, tn.Dense(3, "softmax")], seed=seed, dtype=dtype)


def data(n=40, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 5)), rng.integers(0, 3, n)


def assert_as_eager(model, x, **options):
    """Compare a prediction with eager execution, and give it."""
    found = model.predict(x, **options)
    expected = model.predict(x, **options, compiled=False)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    return found


# --- the reference models


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_reference_models_learn_evaluate_and_predict_as_without_plans(name, digits):
    x, y = digits
    recipe = RECIPES[name]
    models, histories = [recipe.model(seed=0) for _ in range(2)], []
    for model, compiled in zip(models, (True, False), strict=True):
        history = model.fit(
            x[:110], y[:110], epochs=2, optimizer=tn.SGD(0.05), validation_data=(x[110:150], y[110:150]), seed=0,
            verbose=0, compiled=compiled,
        )  # fmt: skip
        histories.append(history.history)
    close = np.isclose(models[0].theta, models[1].theta, rtol=1e-4, atol=1e-5)
    if name == "cnn":  # of two places in a window that are equal but for rounding, each way may choose another
        assert close.mean() > 0.99
        np.testing.assert_allclose(models[0].theta, models[1].theta, rtol=1e-4, atol=5e-4)
    else:
        assert close.all()
    for figure, values in histories[1].items():
        np.testing.assert_allclose(histories[0][figure], values, rtol=1e-4)
    models[1].theta[...] = models[0].theta
    np.testing.assert_allclose(*(m.predict(x, compiled=m is models[0]) for m in models), rtol=1e-4, atol=1e-6)
    found, expected = (m.evaluate(x, y, compiled=m is models[0]) for m in models)
    assert found["accuracy"] == expected["accuracy"]
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-5)


# --- what changes gives a new plan


@pytest.mark.parametrize(
    "dtype", ["uint8", "float32", "float64", "int64", "bool", "float16", ">f4", ">i2", "longdouble"]
)
def test_data_of_any_dtype_give_what_eager_execution_gives(dtype, digits):
    x = (digits[0][:70] // 100).astype(dtype)
    y = digits[1][:70]
    thetas = []
    for compiled in (True, False):
        model = RECIPES["softmax"].model(seed=0)
        model.fit(x, y, epochs=1, seed=0, verbose=0, compiled=compiled)
        thetas.append(model.theta)
    np.testing.assert_allclose(*thetas, rtol=1e-5, atol=1e-7)
    assert_as_eager(model, x)


def test_batches_of_any_size_shape_and_dtype_are_told_apart(digits):
    model, (x, _) = RECIPES["softmax"].model(seed=0), digits
    expected = model.predict(x[:30], compiled=False)
    for batch in (x[:30], x[:30].astype(np.float32), x[:30, ..., None], x[:30].astype(float), x[:30].astype(np.int8)):
        for size in (30, 7, 1, 256):
            if batch.dtype != np.int8:
                np.testing.assert_allclose(model.predict(batch, batch_size=size), expected, rtol=1e-5, atol=1e-6)
            else:
                assert_as_eager(model, batch, batch_size=size)


@given(
    networks(outputs=3),
    st.lists(st.tuples(st.integers(2, 6), st.sampled_from(["f4", "f8", "u1"])), min_size=1, max_size=3),
)
def test_any_model_gives_any_batch_what_eager_execution_gives(network, batches):
    """Only where convolution blocks, of which each would be compiled, are not among its layers."""
    model = network.make()
    spec = Spec((2, *network.input["shape"]), np.dtype("u1"))
    if "conv_pool" in [call.name for call in inference_plan(model, spec).calls]:
        return
    rng = np.random.default_rng(0)
    for n, dtype in batches:
        assert_as_eager(model, samples(rng, (n, *network.input["shape"]), dtype), batch_size=n)


def plans_of(model):
    """The plans that a model keeps."""
    return [plan for made, _ in model.plans.values() for plan in made.plans]


class Noisy(tn.Layer):
    """Behaves otherwise in training."""

    def __init__(self):
        self.training = True
        self.factor = 2.0

    def forward(self, x):
        return x * self.factor if self.training else x


def test_a_layer_that_is_switched_between_predictions_gives_no_wrong_answer():
    layer = Noisy()
    model, (x, y) = dense(0, "float32", layer), data()
    plans = []
    outputs = {}
    for training, factor in [(True, 2.0), (False, 2.0), (True, 2.0), (True, 3.0), (False, 2.0), (True, 3.0)]:
        layer.training, layer.factor = training, factor
        found = assert_as_eager(model, x)
        measured = model.evaluate(x, y)
        assert measured == pytest.approx(model.evaluate(x, y, compiled=False), rel=1e-5)
        assert outputs.setdefault((training, factor), found.tobytes()) == found.tobytes()
        plans.append(len(plans_of(model)))
    assert len(set(outputs.values())) == 3
    assert plans == [2, 4, 4, 6, 6, 6]


def test_a_switched_layer_is_seen_by_the_next_fit():
    layer = Noisy()
    thetas = []
    for training in (True, False):
        for compiled in (True, False):
            layer = Noisy()
            model, (x, y) = dense(0, "float64", layer), data()
            model.predict(x)
            layer.training = training
            model.fit(x, y, epochs=1, seed=0, verbose=0, compiled=compiled)
            thetas.append(model.theta)
    np.testing.assert_allclose(thetas[0], thetas[1], rtol=1e-10)
    np.testing.assert_allclose(thetas[2], thetas[3], rtol=1e-10)
    assert not np.allclose(thetas[0], thetas[2])


def test_an_activation_that_is_replaced_gives_no_wrong_answer():
    model, (x, _) = dense(), data()
    first = model.layers[1]
    outputs = []
    for activation in (o.tanh, o.relu, o.sigmoid, None, o.softmax, o.tanh):
        first.activation = activation
        outputs.append(assert_as_eager(model, x))
    assert not np.allclose(outputs[0], outputs[1])
    np.testing.assert_array_equal(outputs[0], outputs[-1])


def test_a_function_that_is_replaced_by_a_new_one_gives_no_wrong_answer():
    """The old one is gone, and its place in memory may be that of the new."""
    layer = Apply(lambda x: x)
    model, (x, _) = dense(0, "float32", layer), data()
    for factor in range(20):
        layer.function = lambda x, factor=factor: x * factor
        assert_as_eager(model, x)


class Twice(tn.Layer):
    def forward(self, x):
        return x * 2.0


class Plus(tn.Layer):
    def forward(self, x):
        return x + 1.0


def test_layers_of_a_built_model_that_change_places_are_added_or_taken_out_are_refused():
    model, (x, _) = tn.Sequential([tn.Input((5,)), tn.Dense(3), Twice(), Plus()], seed=0), data()
    first, kept = assert_as_eager(model, x), list(model.layers)
    for layers in (kept[:2] + kept[:1:-1], [*kept[:2], Plus(), Plus()], kept[:-1], [*kept, tn.ReLU()]):
        model.layers[:] = layers
        for compiled in (True, False):
            with pytest.raises(ArgumentError, match="its layers have changed since it was built"):
                model.predict(x, compiled=compiled)
    model.layers[:] = kept
    np.testing.assert_array_equal(assert_as_eager(model, x), first)


class Polynomial(tn.Layer):
    def __init__(self, coefficients, options):
        self.coefficients, self.options = coefficients, options

    def forward(self, x):
        return sum(c * x**k for k, c in enumerate(self.coefficients)) * self.options["scale"][0]


def test_a_part_of_an_attribute_that_is_changed_gives_no_wrong_answer():
    layer = Polynomial([1.0, 2.0], {"scale": [1.0]})
    model, (x, _) = tn.Sequential([tn.Input((5,)), tn.Dense(3), layer], seed=0), data()
    outputs = [assert_as_eager(model, x)]
    layer.coefficients[0] = 3.0
    outputs.append(assert_as_eager(model, x))
    layer.options["scale"][0] = 2.0
    outputs.append(assert_as_eager(model, x))
    layer.options["scale"] = [0.5]
    outputs.append(assert_as_eager(model, x))
    assert len({output.tobytes() for output in outputs}) == 4


@pytest.mark.parametrize("part", ["list", "dict"])
@pytest.mark.parametrize("options", [{}, {"micro_batches": 2}], ids=["whole", "micro-batches"])
def test_a_part_of_an_attribute_that_a_callback_changes_holds_from_the_next_batch_on(part, options):
    losses = []
    for compiled in (True, False):
        layer = Polynomial([1.0, 2.0], {"scale": [1.0]})

        def change(run, layer=layer):
            if part == "list":
                layer.coefficients[:] = [0.0, 0.0]
            else:
                layer.options["scale"] = [0.0]

        model = tn.Sequential([tn.Input((5,)), tn.Dense(3), layer], seed=0)
        arguments = {"epochs": 2, "seed": 0, "verbose": 0, "compiled": compiled, "callbacks": [change], **options}
        losses.append(model.fit(*data(), **arguments).history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    assert losses[0][1] == pytest.approx(np.log(3))


@dataclass
class Settings:
    scale: float = 1.0
    parent: object = None


class Configured(tn.Layer):
    def __init__(self, settings):
        self.settings = settings

    def forward(self, x):
        return x * self.settings.scale


@pytest.mark.parametrize("kind", [Settings, SimpleNamespace])
def test_an_object_of_settings_that_is_changed_gives_no_wrong_answer(kind):
    layer = Configured(kind(scale=1.0, parent=None))
    layer.settings.parent = kind(scale=0.0, parent=layer.settings)  # they hold each other
    model, (x, _) = tn.Sequential([tn.Input((5,)), tn.Dense(3), layer], seed=0), data()
    first = assert_as_eager(model, x)
    layer.settings.scale = 3.0
    np.testing.assert_allclose(assert_as_eager(model, x), 3 * first, rtol=1e-6)

    losses = []
    for compiled in (True, False):
        layer = Configured(kind(scale=1.0))

        def change(run, settings=layer.settings):
            settings.scale = 0.0

        model = tn.Sequential([tn.Input((5,)), tn.Dense(3), layer], seed=0)
        history = model.fit(*data(), epochs=2, seed=0, verbose=0, compiled=compiled, callbacks=[change])
        losses.append(history.history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    assert losses[0][1] == pytest.approx(np.log(3))


def test_the_shift_and_scale_of_the_input_may_be_replaced_but_not_changed():
    model, (x, _) = dense(), data()
    with pytest.raises(ValueError, match="read-only"):
        model.input.scale *= 2
    before = assert_as_eager(model, x)
    model.input.scale = np.asarray(2.0)
    assert not np.allclose(assert_as_eager(model, x), before)
    model.input.shift = np.arange(5.0)
    assert_as_eager(model, x)


def test_a_model_keeps_its_latest_few_plans():
    model, (x, _) = dense(), data()
    model.predict(x)
    (first,) = plans_of(model)
    for n in range(1, 20):
        model.predict(x[:n])
        assert_as_eager(model, x)
        assert len(plans_of(model)) <= 8
    assert any(plan is first for plan in plans_of(model))  # it is used all the time
    for n in range(1, 9):
        model.predict(x[:n])
    assert not any(plan is first for plan in plans_of(model))
    assert len(plans_of(model)) == 8
    assert_as_eager(model, x)


def test_a_model_keeps_compiled_forms_for_its_latest_few_losses():
    model, (x, y) = dense(), data()
    for factor in range(20):
        model.evaluate(x, y, loss=lambda z, y, factor=factor: factor * o.cross_entropy(z, y))
    assert len(model.plans) == 8


def test_each_loss_has_a_plan_of_its_own():
    model, (x, y) = dense(), data()

    def half(output, labels):
        return 0.5 * o.cross_entropy(output, labels)

    whole = model.evaluate(x, y)["loss"]
    assert model.evaluate(x, y, loss=half)["loss"] == pytest.approx(whole / 2)
    assert model.evaluate(x, y)["loss"] == whole
    assert len(model.plans) == 2
    for factor in range(30):
        found = model.evaluate(x, y, loss=lambda z, y, factor=factor: factor * o.cross_entropy(z, y))["loss"]
        assert found == pytest.approx(factor * whole)


def test_a_loss_may_be_an_object_that_cannot_be_hashed():
    @dataclass
    class Scaled:
        factor: float

        def __call__(self, output, labels):
            return self.factor * o.cross_entropy(output, labels)

    model, (x, y) = dense(), data()
    found = [model.evaluate(x, y, loss=Scaled(factor))["loss"] for factor in (1.0, 2.0, 1.0)]
    assert found[1] == pytest.approx(2 * found[0])
    assert found[0] == found[2]
    model.fit(x, y, epochs=1, loss=Scaled(1.0), verbose=0)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_loss_of_one_number_may_have_axes(compiled):
    model, (x, y) = dense(), data()

    def squares(output, labels):
        return o.sum(output * output, keepdims=True)

    history = model.fit(x, y, epochs=1, loss=squares, verbose=0, compiled=compiled)
    assert np.isfinite(history.history["loss"]).all()
    assert model.evaluate(x, y, loss=squares, compiled=compiled)["loss"] > 0


def test_prediction_without_recording_is_fused_all_the_same():
    model, (x, _) = dense(), data()
    with tn.no_grad():
        model.predict(x)
    (plan,) = plans_of(model)
    assert [call.name for call in plan.calls] == [
        "gather",
        "matmul_bias",
        "tanh",
        "matmul_bias",
        "softmax",
    ]


# --- results and parameters


def test_a_prediction_is_a_new_array():
    model, (x, _) = dense(), data()
    first = model.predict(x)
    kept = first.copy()
    second = model.predict(x)
    assert not np.shares_memory(first, second)
    first[...] = 77
    np.testing.assert_array_equal(model.predict(x), kept)
    model.predict(x[::-1])
    np.testing.assert_array_equal(second, kept)
    plan = plans_of(model)[0]
    assert not any(np.shares_memory(second, a) for call in plan.calls for a in call.outputs)


def test_predict_and_evaluate_use_the_parameters_of_now():
    model, (x, y) = dense(), data()
    outputs = [model.predict(x)]

    def changed():
        outputs.append(assert_as_eager(model, x))
        assert model.evaluate(x, y) == pytest.approx(model.evaluate(x, y, compiled=False), rel=1e-5)
        assert not np.allclose(outputs[-2], outputs[-1], rtol=1e-6)

    model.evaluate(x, y)
    model.fit(x, y, epochs=1, verbose=0, optimizer=tn.SGD(0.5))
    changed()
    model.fit(x, y, epochs=1, verbose=0, optimizer=tn.SGD(0.5), compiled=False)
    changed()
    model.theta[...] *= 1.5
    changed()
    model.parameters["dense.weight"].data[0, 0] += 3
    changed()
    o.cross_entropy(model(x.astype(np.float32)), y).backward()
    tn.SGD(1.0).step(model)
    changed()
    assert len(model.plans) == 2


def test_data_that_are_not_in_row_order_are_not_copied_at_each_step():
    (x, y), model, optimizer = data(), dense(), tn.SGD(0.1)
    task = find_task("cross_entropy", None)
    for arrays in ((x[::2], y[::2]), (np.asfortranarray(x), y), (x[:, ::-1], y)):
        step = BatchStep(model, task, optimizer, *arrays, mode=tn.train_mode(seed=0), compiled=True)
        with kernel_gate():
            step(np.arange(4))
        (plan,) = step.compiled.plans
        assert [call.name for call in plan.calls].count("copy") == 0
        assert all(a.flags.c_contiguous for a in plan.calls[0].inputs)


# --- models that read values


def reading(kind):
    """A layer whose forward reads values."""

    class Reading(tn.Layer):
        def build(self, input_shape, rng):
            self.gain = self.add_parameter("gain", (), lambda shape, rng: 2.0)

        def forward(self, x):
            value = {
                "data": lambda: x.data.max(),
                "numpy": lambda: x.numpy().max(),
                "array": lambda: np.asarray(x.detach()).max(),
                "float": lambda: float(x.sum()),
                "int": lambda: int(o.abs(x).sum()),
                "item": lambda: x.sum().item(),
                "branch": lambda: 1.0 if x.sum() > 0 else 2.0,
                "while": lambda: 0.0 if not (x > 0).max() else 1.0,
                "parameter": lambda: float(self.gain),
                "branch on a parameter": lambda: 1.0 if self.gain > 1 else 2.0,
            }[kind]()
            return x * self.gain + float(value)

    return Reading()


KINDS = ["data", "numpy", "array", "float", "int", "item", "branch", "while", "parameter", "branch on a parameter"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_forward_that_reads_values_is_told_what_to_do_and_runs_without_plans(kind):
    model, (x, y) = dense(0, "float32", reading(kind)), data()
    before = model.theta.copy()
    for function in (lambda: model.fit(x, y, verbose=0), lambda: model.evaluate(x, y), lambda: model.predict(x)):
        with pytest.raises(TraceError, match="compiled=False"):
            function()
    np.testing.assert_array_equal(model.theta, before)
    assert not plans_of(model)
    history = model.fit(x, y, epochs=2, verbose=0, compiled=False, validation_data=(x, y))
    assert len(history.history["val_loss"]) == 2
    assert not np.array_equal(model.theta, before)
    assert np.isfinite(model.evaluate(x, y, compiled=False)["loss"])
    assert model.predict(x, compiled=False).shape == (40, 3)


def test_a_loss_that_reads_values_is_told_what_to_do_and_runs_without_plans():
    model, (x, y) = dense(), data()

    def clipped(output, labels):
        value = o.cross_entropy(output, labels)
        return value * 0.5 if value.item() > 1 else value

    for function in (model.fit, model.evaluate):
        with pytest.raises(TraceError, match="compiled=False"):
            function(x, y, loss=clipped)
    assert model.evaluate(x, y, loss=clipped, compiled=False)["loss"] > 0


def test_where_instead_of_a_branch_needs_no_values():
    layer = Apply(lambda x: x * o.where(x.sum() > 0, 1.0, 2.0))
    model, (x, y) = dense(0, "float32", layer), data()
    assert_as_eager(model, x)
    model.fit(x, y, epochs=1, verbose=0)


# --- several Python threads


def in_threads(*functions, seconds=60):
    """Run functions at once in threads of their own; returns what they returned."""
    results, barrier = [None] * len(functions), threading.Barrier(len(functions))

    def call(i):
        barrier.wait()
        try:
            results[i] = functions[i]()
        except BaseException as error:
            results[i] = error

    threads = [threading.Thread(target=call, args=(i,), daemon=True) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
    assert not any(thread.is_alive() for thread in threads), "a thread waits for ever"
    return results


@pytest.mark.parametrize("same", [True, False], ids=["one model", "two models"])
def test_threads_that_predict_at_once_get_right_answers(same, digits):
    """The first time each, when plans are made, and again and again."""
    x, _ = digits
    models = [RECIPES["dense"].model(seed=i) for i in range(2)]
    if same:
        models[1] = models[0]
    parts = [x[:90], x[50:]]
    expected = [m.predict(p, batch_size=32, compiled=False) for m, p in zip(models, parts, strict=True)]

    def work(i):
        return lambda: [models[i].predict(parts[i], batch_size=32) for _ in range(20)]

    for results, right in zip(in_threads(work(0), work(1)), expected, strict=True):
        for result in results:
            np.testing.assert_allclose(result, right, rtol=1e-4, atol=1e-6)


def test_a_model_may_predict_while_another_is_trained(digits):
    x, y = digits
    trained, other = RECIPES["softmax"].model(seed=0), RECIPES["dense"].model(seed=1)
    expected = other.predict(x, compiled=False)
    alone = RECIPES["softmax"].model(seed=0)
    alone.fit(x, y, epochs=3, seed=0, verbose=0)
    results = in_threads(
        lambda: trained.fit(x, y, epochs=3, seed=0, verbose=0), lambda: [other.predict(x) for _ in range(10)]
    )
    np.testing.assert_array_equal(trained.theta, alone.theta)
    for result in results[1]:
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-6)


class Scaled(tn.Layer):
    """Multiplies by a number of Python's."""

    def __init__(self):
        super().__init__()
        self.factor = 1.0

    def forward(self, x):
        return x * self.factor


@pytest.mark.parametrize("compiled", [True, False])
def test_an_attribute_that_a_callback_sets_holds_from_the_next_batch_on(compiled):
    x, y = np.eye(4, dtype=np.float32), np.array([0, 1, 2, 0])
    scaled, nothing = Scaled(), pytest.approx(float(np.log(3)))
    model = tn.Sequential([tn.Input((4,)), tn.Dense(3), scaled], seed=0)

    def switch_off(run):
        scaled.factor = 0.0

    options = {"compiled": compiled, "verbose": 0, "validation_data": (x, y)}
    found = model.fit(x, y, epochs=2, callbacks=[switch_off], **options).history
    assert found["loss"][0] != nothing
    assert found["loss"][1] == nothing
    assert found["val_loss"][1] == model.evaluate(x, y, compiled=compiled)["loss"] == nothing
    assert model.fit(x, y, epochs=1, **options).history["loss"] == [nothing]


@pytest.mark.parametrize("compiled", [True, False])
def test_two_threads_may_train_at_once_each_its_own_model(compiled, digits):
    x, y = digits

    def train(seed):
        model = RECIPES["dense"].model(seed=seed)
        model.fit(x, y, epochs=3, seed=seed, verbose=0, compiled=compiled)
        return model.theta

    alone = [train(0), train(1)]
    at_once = in_threads(lambda: train(0), lambda: train(1))
    np.testing.assert_array_equal(at_once, alone)


def failing(name):
    """A call that fails in the middle of its work."""
    (x, y), model = data(), dense(0, "float32", reading("data"))
    not_finite = dense()
    return {
        "predict": lambda: model.predict(x),
        "evaluate": lambda: model.evaluate(x, y),
        "fit": lambda: model.fit(x, y, verbose=0),
        "fit, not finite": lambda: not_finite.fit(x, y, verbose=0, loss=lambda z, y: z.mean() / 0.0),
        "fit, validation": lambda: not_finite.fit(
            x, y, verbose=0, metrics=[metric_that_fails()], validation_data=(x, y)
        ),
    }[name]


def metric_that_fails():
    calls = []

    def metric(output, labels):
        calls.append(1)
        if len(calls) > 2:  # after the two batches of training
            raise TraceError("not now")
        return 0.0

    return metric


@pytest.mark.parametrize("name", ["predict", "evaluate", "fit", "fit, not finite", "fit, validation"])
def test_an_error_that_is_kept_does_not_keep_the_kernels_from_others(name):
    with pytest.raises((TraceError, NonFiniteError)) as kept:
        failing(name)()
    (answer,) = in_threads(lambda: o.matmul(np.ones((2, 2)), np.ones((2, 2))).data.sum())
    assert answer == 8
    assert kept.value.__traceback__ is not None


# --- results do not depend on the number of threads

BITS = Path(__file__).with_name("compiled_bits.py")
THREAD_VARIABLES = ("NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def bits_of(threads, *arguments):
    """What training gives in a process of its own with so many threads, bit for bit."""
    kept = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    done = subprocess.run(
        [sys.executable, BITS, *arguments],
        env=kept | {"NUMBA_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def bits():
    return bits_of(1)


@pytest.mark.parametrize(("threads", "arguments"), [(1, ()), (2, ()), (2, ("1",))], ids=["again", "2", "2, set to 1"])
def test_every_bit_of_training_is_the_same_for_any_number_of_threads(bits, threads, arguments):
    assert bits_of(threads, *arguments) == bits


@contextmanager
def kernel_threads(n):
    before = tn.get_num_threads()
    tn.set_num_threads(n, fixed=True)
    yield
    tn.set_num_threads(before)


def test_every_bit_of_training_is_the_same_when_the_number_of_threads_changes_in_the_process(digits):
    thetas = []
    for n in (1, min(2, os.cpu_count() or 1)):
        with kernel_threads(n):
            model = RECIPES["dense"].model(seed=0)
            model.fit(*(a[:100] for a in digits), epochs=1, seed=0, verbose=0)
            thetas.append(model.theta.tobytes())
    assert thetas[0] == thetas[1]


class RandomMask(tn.Layer):
    """Numbers that differ from call to call."""

    rng = np.random.default_rng(0)

    def forward(self, x):
        return x * self.rng.integers(0, 2, x.shape[1:]).astype(x.dtype)


def test_a_function_that_was_executed_from_a_text_is_compiled():
    names = {"tn": tn}
    exec("def double(x):\n    return 2 * x", names)
    assert tn.compile(names["double"])(np.arange(3.0)).tolist() == [0.0, 2.0, 4.0]


def test_random_numbers_of_a_layer_are_not_frozen_in_silence():
    model = tn.Sequential([tn.Input((3,)), tn.Dense(40), RandomMask(), tn.Dense(4)], seed=0)
    with pytest.raises(TraceError, match="compiled=False"):
        losses_of(model)
    losses = losses_of(model, compiled=False)
    assert losses[-1] < losses[0]
