"""Which neighbours are fused, which are not, and that it does not matter to the result."""

from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinynet as tn
from tests.fast.networks import (
    OPTIMIZERS,
    Apply,
    Network,
    Problem,
    assert_close,
    pointwise_layers,
    problems,
    samples,
    train,
)
from tests.plans import evaluation_plan, inference_plan, training_plan
from tinynet.core.engine import Tensor, ancestors, constant
from tinynet.core.mode import tracing
from tinynet.core.spec import Spec
from tinynet.fast.fuse import fuse
from tinynet.ops.shape import _index
from tinynet.recipes import DOCUMENTED, RECIPES

o = tn.ops


def fused(function, *shapes, dtype="float32", grad=True):
    """The names of the ops that come of a function of tensors of some shapes (or specs) when it is traced and fused."""
    specs = [s if isinstance(s, Spec) else Spec(s, np.dtype(dtype)) for s in shapes]
    with tracing():
        made = function(*(Tensor(s, requires_grad=grad and s.dtype.kind == "f") for s in specs))
        return [node.op.name for node in ancestors(fuse(list(made) if isinstance(made, tuple) else [made]))]


def given_(shape, dtype="float32"):
    """Data from outside, of any dtype."""
    return Spec(shape, np.dtype(dtype))


# --- the reference models

STEPS = {
    "softmax": "gather matmul_bias softmax index softmax_cross_entropy sum matmul all_finite descend",
    "dense": "gather matmul_bias matmul_bias matmul_bias softmax index softmax_cross_entropy "
    "sum matmul matmul relu_gradient sum matmul matmul relu_gradient sum matmul all_finite descend",
    "cnn": "gather conv_pool conv_pool matmul_bias matmul_bias softmax index softmax_cross_entropy "
    "sum matmul matmul relu_gradient sum matmul matmul conv_pool_weight_grad conv_pool_input_grad "
    "conv_pool_weight_grad all_finite descend",
}
DATA = np.zeros((64, 28, 28), np.uint8), np.zeros(64, np.uint8)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_training_step_of_a_reference_model_is_these_calls(name):
    model, optimizer = RECIPES[name].model(seed=0), tn.SGD(0.1)
    plan = training_plan(model, o.cross_entropy, optimizer, *DATA, 32)
    assert " ".join(call.name for call in plan.calls) == STEPS[name]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_prediction_of_a_reference_model_is_these_calls(name):
    forward = STEPS[name].split(" softmax ")[0].split()
    plan = inference_plan(RECIPES[name].model(seed=0), given_((32, 28, 28), "uint8"))
    assert [call.name for call in plan.calls] == [*forward, "softmax"]


def test_with_momentum_theta_and_the_velocity_are_changed_in_place():
    model, optimizer = RECIPES["softmax"].model(seed=0), tn.SGD(0.1, momentum=0.9)
    plan = training_plan(model, o.cross_entropy, optimizer, *DATA, 32)
    assert [call.name for call in plan.calls][-2:] == ["all_finite", "momentum_step_in_place"]


@pytest.mark.parametrize(
    ("optimizer", "calls"),
    [
        (tn.RMSprop(), "all_finite rmsprop_in_place"),
        (tn.RMSprop(momentum=0.9), "all_finite rmsprop_with_momentum_in_place"),
        (tn.SGD(0.1, clip_norm=1.0), "all_finite sum_of_squares sqrt maximum divide cast multiply descend"),
    ],
    ids=["RMSprop", "with momentum", "clip_norm"],
)
def test_the_update_of_an_optimizer_is_these_calls(optimizer, calls):
    plan = training_plan(RECIPES["softmax"].model(seed=0), o.cross_entropy, optimizer, *DATA, 32)
    names = [call.name for call in plan.calls]
    assert names[names.index("all_finite") :] == calls.split()


# --- convolution + bias + relu + max-pooling


def conv_pool(x, w, b, pool=2, pool_stride=None, **attrs):
    return o.max_pool(o.relu(o.conv2d(x, w, **attrs) + b), pool, pool_stride)


IMAGES = (2, 8, 8, 3), (3, 3, 3, 4), (4,)


@pytest.mark.parametrize(
    ("function", "shapes", "before"),
    [
        (conv_pool, IMAGES, []),
        (lambda x, w: o.max_pool(o.relu(o.conv2d(x, w)), 2), IMAGES[:2], []),
        (lambda x, w, b: o.relu(o.max_pool(o.conv2d(x, w) + b, 2)), IMAGES, []),
        (lambda x, w: o.relu(o.max_pool(o.conv2d(x, w), 2)), IMAGES[:2], []),
        (partial(conv_pool, stride=2, pool=(2, 3)), IMAGES, []),
        (partial(conv_pool, pool_stride=(2, 4)), IMAGES, []),
        (partial(conv_pool, padding="same"), IMAGES, ["unslice"]),
        (partial(conv_pool, padding="same", stride=(2, 1)), IMAGES, ["unslice"]),
        (partial(conv_pool, padding="same"), [(2, 8, 8, 3), (1, 1, 3, 4), (4,)], []),
        (partial(conv_pool, pool=(1, 4)), IMAGES, []),
        (partial(conv_pool, pool=(2, 127)), [(1, 2, 127, 1), (1, 1, 1, 2), (2,)], []),
        (conv_pool, [(1, 256, 256, 1), (3, 3, 1, 4), (4,)], []),
    ],
    ids=["usual", "no bias", "relu last", "relu last, no bias", "stride", "gaps", "padded", "padded, stride",
         "same 1 x 1", "4 places", "254 places", "largest image"],
)  # fmt: skip
def test_convolution_relu_and_pooling_are_one_call(function, shapes, before):
    assert fused(function, *shapes) == [*before, "conv_pool"]


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (partial(conv_pool, pool_stride=1), IMAGES),
        (partial(conv_pool, pool=(2, 3), pool_stride=(2, 2)), IMAGES),
        (partial(conv_pool, pool=(1, 3)), IMAGES),
        (partial(conv_pool, pool=1), IMAGES),
        (partial(conv_pool, pool=(3, 85)), [(1, 3, 85, 1), (1, 1, 1, 2), (2,)]),
        (partial(conv_pool, pool=(16, 16)), [(1, 16, 16, 1), (1, 1, 1, 2), (2,)]),
        (conv_pool, [(1, 257, 256, 1), (3, 3, 1, 4), (4,)]),
        (partial(conv_pool, stride=2), [given_((1, 256, 129, 1), "float64"), given_((3, 3, 1, 4), "float64"),
                                        given_((4,), "float64")]),
    ],
    ids=["overlapping", "overlapping across", "3 places", "1 place", "255 places", "256 places", "large image",
         "large image of float64"],
)  # fmt: skip
def test_windows_and_images_that_do_not_gain_are_pooled_apart(function, shapes):
    assert fused(function, *shapes) == ["conv2d_bias", "max_pool"]


@pytest.mark.parametrize("bias", [(1,), (), (6, 6, 4), (2, 1, 1, 4)])
def test_a_bias_of_another_shape_is_not_the_bias_of_a_fused_convolution(bias):
    assert fused(conv_pool, *IMAGES[:2], bias) == ["conv2d", "add", "relu", "max_pool"]


def test_a_bias_that_makes_channels_of_one_is_not_the_bias_of_a_fused_convolution():
    assert fused(conv_pool, (2, 8, 8, 3), (3, 3, 3, 1), (5,)) == ["conv2d", "add", "relu", "max_pool"]


def test_another_activation_is_not_fused():
    assert "conv_pool" not in fused(lambda x, w: o.max_pool(o.tanh(o.conv2d(x, w)), 2), *IMAGES[:2])
    assert "conv_pool" not in fused(lambda x, w: o.max_pool(o.conv2d(x, w), 2), *IMAGES[:2])
    assert "conv_pool" not in fused(lambda x, w: o.relu(o.conv2d(x, w)), *IMAGES[:2])


def chain(x, w, b):
    """Each value inside of the pattern, and the last."""
    inner = o.conv2d(x, w)
    added = inner + b
    cut = o.relu(added)
    return inner, added, cut, o.max_pool(cut, 2)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_value_that_is_wanted_itself_is_not_hidden(which):
    names = fused(lambda *inputs: (chain(*inputs)[which], chain(*inputs)[3]), *IMAGES)
    assert names.count("conv_pool") == 1  # the two chains are apart

    def shared(*inputs):
        values = chain(*inputs)
        return values[which], values[3]

    left = ["conv2d", "add", "relu"], ["conv2d_bias", "relu"], ["conv2d_bias"]
    assert fused(shared, *IMAGES) == [*left[which], "max_pool"]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_value_that_has_another_use_is_not_hidden(which):
    def branching(*inputs):
        values = chain(*inputs)
        return values[3].sum() + values[which].mean()

    left = {"conv2d", "add", "relu"}, {"conv2d_bias", "relu"}, {"conv2d_bias"}
    assert left[which] | {"max_pool"} <= set(fused(branching, *IMAGES))


def test_the_result_may_have_many_uses():
    def branching(*inputs):
        y = chain(*inputs)[3]
        return y + y, y.sum(), y

    assert fused(branching, *IMAGES) == ["conv_pool", "add", "sum"]


def test_where_a_gradient_stops_nothing_is_hidden():
    def stopped(x, w, b):
        with tn.no_grad():
            inner = o.conv2d(x, w)
        return o.max_pool(o.relu(inner + b), 2)

    def detached(x, w, b):
        return o.max_pool(o.relu((o.conv2d(x, w) + b).detach()), 2)

    assert fused(stopped, *IMAGES) == ["conv2d", "add", "relu", "max_pool"]
    assert fused(detached, *IMAGES) == ["conv2d_bias", "slice", "relu", "max_pool"]


def test_gradients_stop_at_the_same_places_after_fusion():
    def forward(x, w, b):
        with tn.no_grad():
            weights = w * w
        return (o.relu(x @ weights + b) * b.detach()).sum()

    with tracing():
        leaves = [Tensor(Spec(s, np.dtype("float32")), requires_grad=True) for s in ((2, 3), (3, 4), (4,))]
        (value,) = fuse([forward(*leaves)])
        on_x, on_w, on_b = (ancestors([g]) for g in fuse(tn.grad(value, leaves)))
    assert on_x
    assert on_b
    assert not on_w


# --- gather + shift + scale

ROW = constant(np.array([1.0, 2.0, 3.0], np.float32))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: o.cast(x, "float32"), ["gather"]),
        (lambda x: o.cast(x, "float32") * 0.5, ["gather"]),
        (lambda x: (o.cast(x, "float32") - 2) * 0.5, ["gather"]),
        (lambda x: (o.cast(x, "float32") - ROW) * ROW, ["gather"]),
        (lambda x: o.cast(x.reshape(4, 3, 1), "float32") * 0.5, ["gather"]),
        (lambda x: o.cast(x[np.array([0, 1])], "float32") * 0.5, ["places", "index", "cast", "multiply"]),
        (lambda x: o.cast(x.reshape(12, 1), "float32") * 0.5, ["reshape", "cast", "multiply"]),
        (lambda x: o.cast(x, "float32") * 0.5 - 2, ["gather", "subtract"]),
        (lambda x: 2 - o.cast(x, "float32"), ["gather", "subtract"]),
        (lambda x: o.cast(x[:, :1], "float32") - ROW, ["slice", "cast", "subtract"]),
        (lambda x: o.cast(x, "float32") * np.ones((4, 1), np.float32), ["gather", "multiply"]),
        (lambda x: o.cast(x, "float32") * np.ones((2, 4, 3), np.float32), ["gather", "multiply"]),
        (lambda x: o.cast(x, "float32") - np.ones(3, np.float32), ["gather", "subtract"]),  # which may change
        (lambda x: x + 1, ["add"]),
    ],
)
def test_conversion_shift_and_scale_of_data_are_one_call(function, expected):
    assert fused(function, given_((4, 3), "uint8")) == expected


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "bool", "int16"])
def test_data_are_gathered_by_their_indices_in_the_same_call(dtype):
    names = fused(
        lambda x, i: (o.cast(_index(x, i, checked=True).reshape(2, 3, 1), "float32") - 1) * 0.5,
        given_((4, 3), dtype), given_((2,), "int64"), grad=False,
    )  # fmt: skip
    assert names == ["gather"]


@pytest.mark.parametrize("dtype", ["float16", "longdouble", ">f4", ">f8", ">i2"])
def test_data_of_dtypes_that_kernels_do_not_know_are_converted_by_numpy(dtype):
    if np.dtype(dtype).itemsize == 8 and dtype == "longdouble":
        pytest.skip("longdouble is float64 here")
    names = fused(lambda x: o.cast(x, "float32") * 0.5, given_((4, 3), dtype), grad=False)
    assert names == ["cast", "multiply"]


@pytest.mark.parametrize("centres", [(5,), (1, 5), (4, 1), (2, 4, 1)])
def test_a_constant_that_makes_a_sample_larger_is_not_part_of_the_gathering(centres):
    """Such as the centres of radial basis functions."""
    names = fused(lambda x: x - constant(np.ones(centres, np.float32)), (4, 1), grad=False)
    assert names == ["subtract"]


def test_a_table_of_parameters_is_not_data():
    def embedded(table, x):
        return table[x] * 0.5

    assert fused(embedded, (7, 3), given_((4,), "int64")) == ["places", "index", "multiply"]


def test_a_table_at_places_that_nobody_has_checked_is_gathered_when_they_are_checked():
    """By a call in front: the kernel would read outside of it. The first pass puts it there, the second one gathers."""
    table = np.ones((7, 3), np.float32)

    def twice(function, *shapes):
        again = lambda *xs: fuse([function(*xs)])[0]  # noqa: E731
        return fused(function, *shapes, grad=False), fused(again, *shapes, grad=False)

    once = ["places", "index", "multiply"], ["places", "gather"]
    assert twice(lambda i: Tensor(table)[i] * 0.5, given_((4,), "int64")) == once
    assert twice(lambda x, i: x[i] * 0.5, given_((7, 3)), given_((4,), "int64")) == once
    assert twice(lambda x, i: x[i + 1] * 0.5, given_((7, 3)), given_((4,), "int64"))[1] == ["add", *once[1]]


@pytest.mark.parametrize("key", [(slice(None), slice(None, None, 2)), (slice(None, None, -1),)])
def test_a_table_that_is_not_in_row_order_is_not_gathered(key):
    """All of it would be copied, at each call."""
    table = np.ones((7, 4), np.float32)[key]
    names = fused(lambda i: fuse([Tensor(table)[i] * 0.5])[0], given_((4,), "int64"), grad=False)
    assert names == ["places", "index", "multiply"]


@pytest.mark.parametrize("shape", [(), (2, 3)])
def test_an_index_of_other_axes_than_one_is_left_as_it_is(shape):
    assert fused(lambda x, i: x[i] * 0.5, given_((7, 3)), given_(shape, "int64"), grad=False) == ["index", "multiply"]


def test_a_converted_value_with_two_uses_is_not_hidden():
    def twice(x):
        y = o.cast(x, "float32")
        return y * 0.5 + o.tanh(y)

    assert sorted(fused(twice, given_((4, 3), "uint8"))) == ["add", "gather", "multiply", "tanh"]


def test_a_scale_that_is_a_parameter_is_no_constant():
    assert fused(lambda x, a: o.cast(x, "float32") * a, given_((4, 3), "uint8"), (3,)) == ["gather", "multiply"]


# --- softmax + cross-entropy

LABELS = given_((4,), "uint8")


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (o.cross_entropy, ["softmax_cross_entropy"]),
        (lambda z, y: o.cross_entropy(o.softmax(z), y), ["softmax_cross_entropy"]),
        (lambda z, y: 2 * o.cross_entropy(z, y), ["softmax_cross_entropy", "multiply"]),
        (lambda z, y: o.cross_entropy(o.tanh(z), y), ["tanh", "softmax_cross_entropy"]),
        (lambda z, y: -o.log_softmax(z)[np.arange(4), y].sum(), ["log_softmax", "index", "sum", "negative"]),
        (lambda z, y: -o.log_softmax(z)[np.arange(4), y].sum() / 4,
         ["log_softmax", "index", "sum", "negative", "divide"]),
        (lambda z, y: -(o.log_softmax(z)[np.arange(4), y].sum() / 5),
         ["log_softmax", "index", "sum", "divide", "negative"]),
        (lambda z, y: -o.log_softmax(z)[np.array([0, 0, 1, 2]), y].mean(),
         ["log_softmax", "index", "sum", "divide", "negative"]),
    ],
)  # fmt: skip
def test_softmax_and_the_mean_of_its_logarithms_are_one_call(function, expected):
    assert fused(function, (4, 3), LABELS) == expected


def test_one_hot_rows_are_not_fused():
    assert "softmax_cross_entropy" not in fused(o.cross_entropy, (4, 3), given_((4, 3), "float32"))


def test_labels_of_another_byte_order_are_not_for_kernels():
    assert "softmax_cross_entropy" not in fused(o.cross_entropy, (4, 3), given_((4,), ">i4"))


def test_logarithms_that_are_wanted_are_not_hidden():
    def both(z, y):
        logs = o.log_softmax(z)
        return logs, -logs[np.arange(4), y].mean()

    assert "softmax_cross_entropy" not in fused(both, (4, 3), LABELS)


# --- the update


class Updates(tn.Optimizer):
    """An optimizer of one function."""

    def __init__(self, update, slots=()):
        super().__init__(0.1)
        self.function, self.slots = update, slots

    def update(self, theta, gradient, learning_rate, **state):
        return self.function(theta, gradient, learning_rate, **state)


def late_use(theta, g, rate, step):
    new = theta - rate * g
    return new, new - theta


def view_of_it(theta, g, rate, step):
    part = theta[::-1]
    new = theta - rate * g
    return new, new - part


@pytest.mark.parametrize(
    ("update", "slots", "in_place"),
    [
        (lambda theta, g, rate: (theta - rate * g,), (), True),
        (lambda theta, g, rate: (theta - rate * (g + 0.1 * theta),), (), True),
        (lambda theta, g, rate, v: (theta - rate * v, 0.9 * v + g), ("v",), True),
        (lambda theta, g, rate, v: (theta - rate * g, theta - rate * g), ("v",), False),
        (lambda theta, g, rate, old: (theta - rate * g, theta), ("old",), True),
        (lambda theta, g, rate: (theta - g * rate,), (), False),
        (lambda theta, g, rate: (theta - 0.1 * g,), (), False),
        (lambda theta, g, rate: (g - rate * theta,), (), False),
        (late_use, ("step",), False),
        (view_of_it, ("step",), False),
    ],
    ids=["plain", "decay", "momentum", "twice", "keeps the old", "other order", "fixed rate", "other sign",
         "uses the old later", "uses a view of the old later"],
)  # fmt: skip
def test_the_step_of_descent_is_made_in_place_where_nothing_needs_the_old(update, slots, in_place):
    network = Network({"shape": (3,)}, (partial(tn.Dense, 2),))
    model, optimizer = network.make(), Updates(update, slots)
    x, y = np.zeros((4, 3), np.float32), np.zeros(4, np.int64)
    plan = training_plan(model, o.cross_entropy, optimizer, x, y, 4)
    names = [call.name for call in plan.calls]
    assert ("descend" in names) == in_place
    rng = np.random.default_rng(0)
    problem = Problem(network, samples(rng, (8, 3), "float32"), rng.integers(0, 2, 8), "cross_entropy")
    agree(problem, lambda: Updates(update, slots), 1e-5)


def test_vectors_such_as_theta_are_not_gathered():
    assert fused(lambda x: (x - 1) * 0.5, (3,), grad=False) == ["subtract", "multiply"]
    assert fused(lambda x: o.cast(x, "float32"), given_((3,), "uint8")) == ["cast"]


# --- it does not matter to the result

BATCHES = [[0, 1, 2], [3, 4], [7, 5, 6], [2, 0]]


def agree(problem, optimizer, tolerance):
    """Train fused and unfused."""
    unfused, _ = train(problem, optimizer(), BATCHES, fused=False)
    found, step = train(problem, optimizer(), BATCHES)
    assert_close(found, unfused, tolerance)
    return [call.name for call in step.compiled.plans[0].calls]


# Shapes that test_fused_ops.py has, too: image, filters, kernel, strides, pool, its strides.
BLOCKS = [
    ((8, 8, 1), 3, (3, 3), 1, (2, 2), None),
    ((11, 11, 1), 2, (3, 3), 2, (2, 2), 3),
    ((9, 8, 1), 8, (5, 4), 1, (4, 4), None),
    ((6, 7, 8), 5, (3, 2), 1, (2, 2), None),
]


@st.composite
def blocks(draw):
    """Convolution, bias or none, relu and pooling in either order, of a few shapes; then anything pointwise."""
    shape, filters, kernel, stride, pool, pool_stride = draw(st.sampled_from(BLOCKS))
    use_bias, order = draw(st.booleans()), draw(st.sampled_from(["activation", "layer", "last"]))
    padding = "valid"
    if kernel == (3, 3) and stride == 1 and draw(st.booleans()):
        shape, padding = (6, 6, 1), "same"
    conv = partial(tn.Conv2D, filters, kernel, stride=stride, padding=padding, use_bias=use_bias,
                   activation="relu" if order == "activation" else None)  # fmt: skip
    layers = [conv, partial(tn.MaxPool, pool, stride=pool_stride)]
    if order != "activation":
        layers.insert(1 if order == "layer" else 2, partial(tn.ReLU))
    inner = (1, 1, filters)
    for _ in range(draw(st.integers(0, 2))):
        layer, inner = draw(pointwise_layers(inner))
        layers.append(layer)
    layers += [partial(tn.Flatten), partial(tn.Dense, 4, activation=draw(st.sampled_from(["relu", "tanh", None])))]
    entry = {"shape": shape} | draw(st.sampled_from([{}, {"scale": 0.5}, {"shift": np.float64(0.1), "scale": 2.0}]))
    return Network(entry, (*layers, partial(tn.Dense, 3, activation="softmax")), "float64", draw(st.integers(0, 99)))


@given(blocks(), st.sampled_from(["plain", "momentum"]), st.integers(0, 1000))
def test_training_with_convolution_blocks_gives_the_same_as_unfused(network, optimizer, seed):
    rng = np.random.default_rng(seed)
    x = samples(rng, (8, *network.input["shape"]), "float64")
    problem = Problem(network, x, rng.integers(0, 3, 8), "cross_entropy")
    names = agree(problem, OPTIMIZERS[optimizer], 1e-8)
    assert {"conv_pool", "conv_pool_weight_grad", "gather" if network.input.keys() > {"shape"} else "index"} <= set(
        names
    )


SMOOTH = ("cross_entropy", "one_hot", "binary_cross_entropy")


@given(problems(losses=SMOOTH, dtypes=("float64",)), st.sampled_from(["plain", "both", "heavy", "following"]))
def test_training_of_any_network_gives_the_same_as_unfused(problem, optimizer):
    """But for convolution blocks, of which each would be compiled."""
    model, y = problem.network.make(), problem.y
    spec = Tensor(problem.x).spec
    assume("conv_pool" not in [call.name for call in inference_plan(model, spec).calls])
    loss = o.binary_cross_entropy if problem.loss == "binary_cross_entropy" else o.cross_entropy
    agree(problem, OPTIMIZERS[optimizer], 1e-7)
    found, expected = (
        evaluation_plan(model, loss, spec, Tensor(y).spec, fused=fused)[0].run(x=problem.x, y=y)
        for fused in (True, False)
    )
    for name in found:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, atol=1e-9)


def test_two_blocks_in_a_row_and_two_side_by_side_give_the_same_as_unfused():
    """With the gradient of the input of a block, and two uses of one image."""
    conv = {"padding": "same", "activation": "relu"}

    class Branches(tn.Layer):
        def __init__(self):
            self.left, self.right = tn.Conv2D(3, 3, **conv), tn.Conv2D(3, 3, **conv)

        def forward(self, x):
            pooled = [o.max_pool(layer(x), 2) for layer in (self.left, self.right)]
            return o.concatenate([*pooled, pooled[0] * pooled[1]], axis=-1)

    layers = (partial(tn.Conv2D, 1, 1), Branches, partial(tn.Flatten), partial(tn.Dense, 3))
    rng = np.random.default_rng(0)
    network = Network({"shape": (6, 6, 1)}, layers, "float64")
    problem = Problem(network, samples(rng, (8, 6, 6, 1), "float64"), rng.integers(0, 3, 8), "cross_entropy")
    names = agree(problem, partial(tn.SGD, 0.1), 1e-9)
    assert names.count("conv_pool") == names.count("conv_pool_input_grad") == 2


def test_radial_basis_functions_give_the_same_as_unfused():
    centres = np.linspace(-1, 1, 7)
    network = Network(
        {"shape": (1,)}, (lambda: Apply(lambda x: o.exp(-((x - centres) ** 2))), partial(tn.Dense, 3)), "float64"
    )
    rng = np.random.default_rng(0)
    problem = Problem(network, samples(rng, (8, 1), "float64"), rng.integers(0, 3, 8), "cross_entropy")
    agree(problem, partial(tn.SGD, 0.1), 1e-11)


# --- standardised bytes times a vector


def logistic(bias=False, shift=3.0, scale=0.5, units=1, dtype="float64", activation="sigmoid"):
    layers = [tn.Input((4, 4), shift, scale), tn.Flatten(), tn.Dense(units, activation, bias)]
    return tn.Sequential(layers, seed=0, dtype=dtype)


def predicted(model, spec):
    return " ".join(call.name for call in inference_plan(model, spec).calls)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "standardised_matvec sigmoid"),
        ({"dtype": "float32"}, "standardised_matvec sigmoid"),
        ({"bias": True}, "standardised_matvec add sigmoid"),
        ({"shift": 0.0, "scale": 1.0}, "standardised_matvec sigmoid"),
        ({"shift": np.arange(16.0).reshape(4, 4)}, "standardised_matvec sigmoid"),
        ({"units": 2}, "gather matmul sigmoid"),
    ],
)
def test_bytes_times_one_column_are_never_made_into_floats(options, expected):
    assert predicted(logistic(**options), given_((32, 4, 4), "uint8")) == expected


@pytest.mark.parametrize("dtype", ["int32", "float64", "uint16"])
def test_other_data_are_made_into_floats_first(dtype):
    assert predicted(logistic(), given_((32, 4, 4), dtype)) == "gather matmul sigmoid"


def test_a_batch_that_is_picked_by_indices_is_gathered():
    data = np.zeros((64, 4, 4), np.uint8), np.zeros(64, np.uint8)
    plan = training_plan(logistic(), o.binary_cross_entropy, tn.SGD(0.1), *data, 8)
    names = [call.name for call in plan.calls]
    assert names[:2] == ["gather", "matmul"]
    assert not [name for name in names if "matvec" in name]


@given(st.integers(0, 2**32 - 1).map(np.random.default_rng), st.integers(1, 40), st.booleans())
def test_a_fused_prediction_of_bytes_is_that_of_eager_execution(rng, n, bias):
    shift, scale = rng.uniform(0, 255, (4, 4)), rng.uniform(0.001, 0.1, (4, 4))
    x, model = rng.integers(0, 256, (n, 4, 4), np.uint8), logistic(bias, shift, scale)
    np.testing.assert_allclose(model.predict(x), model.predict(x, compiled=False), rtol=1e-11)


def test_what_has_first_derivatives_only_is_left_out_where_more_are_wanted():
    with tracing():
        x, y = Tensor(given_((5, 4, 4), "uint8")), Tensor(given_((5,), "uint8"))
        softmax = logistic(units=2, activation="softmax")
        losses = [o.binary_cross_entropy(logistic()(x), y), o.cross_entropy(softmax(x), y)]
        once, twice = ({node.op.name for node in ancestors(fuse(losses, second_derivatives=t))} for t in (False, True))
    assert "softmax_cross_entropy" in once - twice
    assert "standardised_matvec" in once & twice


def test_other_values_can_be_put_in_place_of_those_of_a_node():
    with tracing():
        x = Tensor(given_((3,)))
        inner = o.exp(x)
        other = Tensor(given_((3,)))
        (made,) = fuse([o.tanh(inner) + inner], instead={id(inner.node): (other,)})
    nodes = ancestors([made])
    assert [node.op.name for node in nodes] == ["tanh", "add"]
    assert nodes[0].inputs[0] is other
