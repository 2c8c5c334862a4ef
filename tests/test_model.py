"""Models: names, the one flat vector, building, dtypes, what a user's own model can do."""

import copy
import pickle

import numpy as np
import pytest

import tinynet as tn
from tests.small_network import SMALL_X, InTurn, losses_of, small_network
from tinynet.errors import ArgumentError, GradientError, NotBuiltError, ShapeError, TraceError
from tinynet.recipes import RECIPES


def digits(n=24, classes=3, seed=0, dtype=np.float32):
    """Random samples of 6 features, labelled by the largest of the first ones."""
    x = np.random.default_rng(seed).normal(size=(n, 6)).astype(dtype)
    return x, x[:, :classes].argmax(axis=1)


def small(seed=0, **options):
    return tn.Sequential([tn.Input((6,)), tn.Dense(5, "tanh"), tn.Dense(3, "softmax")], seed=seed, **options)


class Shared(tn.Model):
    """One layer in two places."""

    def __init__(self, seed=0):
        super().__init__(input_shape=(6,), seed=seed)
        self.mix = tn.Dense(6, "tanh")
        self.out = tn.Dense(3, "softmax", name="out")

    def forward(self, x):
        return self.out(self.mix(self.mix(x)))


class Nested(tn.Model):
    """A model with another one inside."""

    def __init__(self, inner):
        super().__init__(input_shape=(6,), seed=0)
        self.inner = inner
        self.out = tn.Dense(2)

    def forward(self, x):
        return self.out(self.inner(x))


# --- names


def test_unnamed_layers_are_called_as_in_keras():
    layers = [tn.Input((12, 12, 1)), tn.Conv2D(2, 3), tn.MaxPool(2), tn.Conv2D(2, 2), tn.MaxPool(2), tn.Flatten()]
    model = tn.Sequential([*layers, tn.Dense(4), tn.ReLU(), tn.Dense(3), tn.Dense(2)]).build_model()
    assert [layer.name for layer in model.layers[1:]] == [
        *["conv2d", "max_pooling2d", "conv2d_1", "max_pooling2d_1", "flatten"],
        *["dense", "re_lu", "dense_1", "dense_2"],
    ]
    assert list(model.parameters) == [
        f"{layer}.{name}"
        for layer in ("conv2d", "conv2d_1", "dense", "dense_1", "dense_2")
        for name in ("weight", "bias")
    ]


def test_numbering_steps_around_names_that_are_given():
    model = tn.Sequential([tn.Input((2,)), tn.Dense(2), tn.Dense(2, name="dense"), tn.Dense(2)]).build_model()
    assert [layer.name for layer in model.layers] == ["input", "dense_1", "dense", "dense_2"]


def test_two_layers_cannot_have_one_name():
    model = tn.Sequential([tn.Input((2,)), tn.Dense(2, name="a"), tn.Dense(2, name="a")])
    with pytest.raises(ArgumentError, match=r"two layers of 'sequential' .* have the name 'a'; each needs a name of"):
        model.build_model()


def test_parameters_have_the_documented_shapes():
    shapes = {name: p.shape for name, p in RECIPES["cnn"].model().parameters.items()}
    assert shapes["Conv1.weight"] == (3, 3, 1, 32)
    assert shapes["Conv1.bias"] == (32,)
    assert shapes["Dense1.weight"] == (576, 128)


# --- one flat vector


def test_parameters_are_views_into_theta_in_order():
    model = small()
    joined = np.concatenate([p.data.reshape(-1) for p in model.parameters.values()])
    np.testing.assert_array_equal(joined, model.theta)
    for parameter in model.parameters.values():
        assert np.shares_memory(parameter.data, model.theta)
        assert np.shares_memory(parameter.grad.data, model.gradient)
    model.theta[...] = 2
    assert all((p.data == 2).all() for p in model.parameters.values())


@pytest.mark.parametrize("compiled", [True, False])
def test_theta_is_never_rebound(compiled):
    model = small()
    x, y = digits()
    theta, before = model.theta, model.theta.copy()
    arrays = [p.data for p in model.parameters.values()]
    model.fit(x, y, epochs=2, batch_size=8, verbose=0, compiled=compiled)
    assert model.theta is theta
    assert (theta != before).any()
    assert all(p.data is array for p, array in zip(model.parameters.values(), arrays, strict=True))


def test_writing_into_theta_changes_what_is_computed():
    model = small()
    x, _ = digits()
    model.predict(x)
    model.theta[...] = 0
    np.testing.assert_array_equal(model.predict(x), np.full((24, 3), 1 / 3, np.float32))


def test_a_layer_in_two_places_counts_once_and_gets_the_sum_of_gradients():
    model = Shared()
    assert list(model.parameters) == ["dense.weight", "dense.bias", "out.weight", "out.bias"]
    assert model.theta.size == 42 + 21
    x, y = digits()
    assert tn.check_gradients(model, x, y, loss="cross_entropy").strict
    again = tn.Dense(6)
    assert tn.Sequential([tn.Input((6,)), again, tn.ReLU(), again]).theta.size == 42


def test_zero_grad_empties_what_backward_added():
    model = small()
    x, y = digits()
    assert not model.gradient.any()
    for times in (1, 2):
        tn.ops.cross_entropy(model(x), y).backward()
        once = model.gradient.copy() if times == 1 else once  # noqa: F821
        np.testing.assert_allclose(model.gradient, times * once, rtol=1e-6)
    model.zero_grad()
    assert not model.gradient.any()


# --- models of the user's own


def test_a_users_model_trains_like_the_same_sequential():
    class Plain(tn.Model):
        def __init__(self):
            super().__init__(seed=0)
            self.enter = tn.Input((6,), scale=0.5)
            self.first, self.second = tn.Dense(5, "tanh", name="first"), tn.Dense(3, "softmax", name="second")

        def forward(self, x):
            return self.second(self.first(self.enter(x)))

    x, y = digits()
    stack = tn.Sequential([tn.Input((6,), scale=0.5), tn.Dense(5, "tanh"), tn.Dense(3, "softmax")], seed=0)
    for model in (plain := Plain(), stack):
        model.fit(x, y, epochs=3, batch_size=8, seed=0, verbose=0)
    assert list(plain.parameters) == ["first.weight", "first.bias", "second.weight", "second.bias"]
    np.testing.assert_array_equal(plain.theta, stack.theta)


def test_layers_in_lists_are_found():
    class Listed(tn.Model):
        def __init__(self):
            super().__init__(input_shape=(6,), seed=0)
            self.parts = [tn.Dense(4), tn.Dense(2)]

        def forward(self, x):
            for part in self.parts:
                x = part(x)
            return x

    assert list(Listed().parameters) == ["dense.weight", "dense.bias", "dense_1.weight", "dense_1.bias"]


def test_a_model_is_a_layer_of_another_and_then_lives_in_its_vector():
    inner = small()
    inner_theta = inner.theta.copy()
    model = Nested(inner)
    assert next(iter(model.parameters)) == "sequential.dense.weight"
    assert model.theta.size == inner_theta.size + 8
    np.testing.assert_array_equal(model.theta[: inner_theta.size], inner_theta)  # what it had learned is kept
    with pytest.raises(NotBuiltError, match="is a layer of another model; its parameters are part of that one's theta"):
        inner.theta  # noqa: B018
    x, _ = digits()
    before = model.theta.copy()
    model.fit(x, np.arange(24) % 2, epochs=1, verbose=0)
    assert (model.theta[: inner_theta.size] != before[: inner_theta.size]).any()


def test_a_layer_cannot_be_part_of_two_models():
    layer = tn.Dense(3, name="mine")
    first = tn.Sequential([tn.Input((2,)), layer], name="first").build_model()
    with pytest.raises(ArgumentError, match=r"'mine' \(Dense\) is part of model 'first' .*make that model itself a la"):
        tn.Sequential([tn.Input((2,)), InTurn([layer])]).build_model()
    assert first.predict(np.ones((1, 2))).shape == (1, 3)


def test_layers_are_usable_alone_and_bring_their_values_into_a_model():
    dense = tn.Dense(3)
    x = np.ones((2, 6), np.float32)
    alone = dense(x)
    assert alone.shape == (2, 3)
    model = tn.Sequential([tn.Input((6,)), dense])
    np.testing.assert_array_equal(model.predict(x), alone.data)
    assert tn.MaxPool(2)(np.ones((1, 4, 4, 1))).shape == (1, 2, 2, 1)
    assert tn.Softmax()([[0.0, 0.0]]).data.tolist() == [[0.5, 0.5]]


# --- what goes in


def test_images_without_the_channel_axis_are_taken_where_one_channel_is_expected():
    model = RECIPES["softmax"].model(seed=0)
    x = np.random.default_rng(0).integers(0, 256, (4, 28, 28), dtype=np.uint8)
    np.testing.assert_array_equal(model.predict(x), model.predict(x[..., None]))
    with pytest.raises(ShapeError, match=r"shape \(n, 28, 28, 1\) or \(n, 28, 28\), but has \(4, 28, 28, 3\)"):
        model.predict(np.repeat(x[..., None], 3, axis=3))


def test_bytes_and_floats_give_the_same_bits():
    model = RECIPES["dense"].model(seed=0)
    x = np.random.default_rng(0).integers(0, 256, (4, 28, 28), dtype=np.uint8)
    for dtype in (np.float32, np.float64, np.int64):
        np.testing.assert_array_equal(model.predict(x), model.predict(x.astype(dtype)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_input_shifts_then_scales(dtype):
    rng = np.random.default_rng(0)
    shift, scale = rng.normal(size=(2, 3)), rng.uniform(0.5, 2, size=3)
    model = tn.Sequential([tn.Input((2, 3), shift=shift, scale=scale)], dtype=dtype)
    x = rng.integers(0, 256, (4, 2, 3), dtype=np.uint8)
    out = model.predict(x)
    assert out.dtype == dtype
    np.testing.assert_allclose(out, (x - shift) * scale, rtol=1e-5)


@pytest.mark.parametrize("name", ["shift", "scale"])
def test_input_refuses_what_does_not_broadcast_or_is_not_finite(name):
    with pytest.raises(ShapeError, match=rf"Input: {name} of shape \(2,\) does not broadcast over \(4, 3\)"):
        tn.Input((4, 3), **{name: [1.0, 2.0]})
    with pytest.raises(ArgumentError, match=f"Input: {name} must be finite"):
        tn.Input((3,), **{name: np.inf})


def test_predict_gives_a_new_array_whatever_the_batch_size():
    model, (x, _) = small(), digits(n=7)
    whole = model.predict(x)
    parts = model.predict(x, batch_size=3)
    np.testing.assert_allclose(whole, parts, rtol=1e-6)
    kept = whole.copy()
    model.predict(x + 1)
    np.testing.assert_array_equal(whole, kept)
    assert whole.flags.writeable


# --- dtypes and seeds


def test_everything_runs_in_float64():
    model, (x, y) = small(dtype="float64"), digits()
    assert model.theta.dtype == np.float64
    assert model.predict(x).dtype == np.float64
    history = model.fit(x, y, epochs=2, verbose=0)
    assert model.theta.dtype == model.gradient.dtype == np.float64
    assert history.history["loss"][1] < history.history["loss"][0]


def test_astype_copies_with_all_parameters():
    model, (x, _) = small(), digits()
    copy = model.astype("float64")
    np.testing.assert_array_equal(copy.theta, model.theta.astype(np.float64))
    np.testing.assert_allclose(copy.predict(x), model.predict(x), rtol=1e-5)
    copy.theta[...] = 0
    assert model.theta.any()
    assert list(copy.parameters) == list(model.parameters)


@pytest.mark.parametrize("dtype", ["float16", "int32", "quux"])
def test_other_dtypes_are_refused(dtype):
    for make in (lambda: small(dtype=dtype), lambda: small().astype(dtype)):
        with pytest.raises(ArgumentError, match=f'dtype must be "float32" or "float64", but got {dtype!r}'):
            make()


def test_the_same_seed_gives_the_same_bits():
    same = small(seed=5).theta
    np.testing.assert_array_equal(small(seed=5).theta, same)
    first, second = (small(seed=None, rng=np.random.default_rng(5)).theta for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (small(seed=6).theta != same).any()
    assert (small(seed=None).theta != small(seed=None).theta).any()


@pytest.mark.parametrize("seed", [-1, "a", 1.5])
def test_a_seed_is_an_integer(seed):
    with pytest.raises(ArgumentError, match=f"seed must be None or an integer of 0 or more, but got {seed!r}"):
        small(seed=seed)
    with pytest.raises(ArgumentError, match="give a seed or an rng, not both"):
        small(seed=1, rng=np.random.default_rng())


# --- training by hand


@pytest.mark.parametrize(
    "optimizer", [lambda: tn.SGD(0.1), lambda: tn.SGD(0.1, momentum=0.9, weight_decay=0.01)], ids=["plain", "momentum"]
)
def test_a_loop_by_hand_is_fit_bit_for_bit(optimizer):
    x, y = digits(n=20)
    fitted, stepped = small(), small()
    fitted.fit(x, y, epochs=3, batch_size=8, optimizer=optimizer(), shuffle=False, verbose=0, compiled=False)
    by_hand = optimizer()
    for _ in range(3):
        for start in range(0, 20, 8):
            loss = tn.ops.cross_entropy(stepped(x[start : start + 8]), y[start : start + 8])
            stepped.zero_grad()
            loss.backward()
            by_hand.step(stepped)
    np.testing.assert_array_equal(stepped.theta, fitted.theta)


# --- the summary


def test_summary_of_the_cnn_is_as_documented(capsys):
    RECIPES["cnn"].model().summary()
    assert capsys.readouterr().out == (
        "Model: 'cnn'\n"
        "Layer (type)        Output shape        Parameters\n"
        "--------------------------------------------------\n"
        "Input (InputLayer)  (None, 28, 28, 1)            0\n"
        "Conv1 (Conv2D)      (None, 26, 26, 32)         320\n"
        "Pool1 (MaxPool)     (None, 13, 13, 32)           0\n"
        "Conv2 (Conv2D)      (None, 11, 11, 64)      18,496\n"
        "Pool2 (MaxPool)     (None, 3, 3, 64)             0\n"
        "Flatten (Flatten)   (None, 576)                  0\n"
        "Dense1 (Dense)      (None, 128)             73,856\n"
        "Output (Dense)      (None, 10)               1,290\n"
        "--------------------------------------------------\n"
        "Total parameters: 93,962 (367.0 KiB in float32)\n"
        "Trainable: 93,962, not trainable: 0\n"
    )


def test_summary_shows_own_parameters_and_nested_models_as_one_row(capsys):
    class Scaled(Nested):
        def build(self, input_shape, rng):
            self.factor = self.add_parameter("factor", (), lambda shape, rng: 2.0)

        def forward(self, x):
            return super().forward(x) * self.factor

    Scaled(small()).summary()
    rows = capsys.readouterr().out.splitlines()[3:7]
    assert [row.split()[-1] for row in rows] == ["0", "53", "8", "1"]
    assert rows[1].startswith("sequential (Sequential)  (None, 3)")


# --- what goes wrong


@pytest.mark.parametrize(
    "use",
    [
        lambda model, x, y: model(x),
        lambda model, x, y: model.fit(x, y, verbose=0),
        lambda model, x, y: model.predict(x),
        lambda model, x, y: model.evaluate(x, y),
        lambda model, x, y: model.summary(),
        lambda model, x, y: model.theta,
    ],
    ids=["call", "fit", "predict", "evaluate", "summary", "theta"],
)
def test_a_model_that_does_not_know_its_input_says_how_to_tell_it(use):
    model = tn.Sequential([tn.Dense(3)])
    with pytest.raises(NotBuiltError, match=r"does not know the shape of its input yet; begin it with tn\.Input\(sha"):
        use(model, *digits())


def test_a_shape_error_names_both_layers():
    layers = [tn.Input((28, 28, 1)), tn.Conv2D(4, 3, name="Conv1"), tn.MaxPool(27, name="Pool1")]
    with pytest.raises(ShapeError) as caught:
        tn.Sequential(layers).summary()
    assert str(caught.value).startswith(
        "layer 'Pool1' (MaxPool) cannot take the output of layer 'Conv1' (Conv2D), of shape (None, 26, 26, 4): "
        "max_pool: the window (27, 27) is larger than the image along axis 1"
    )


def test_wrong_channels_name_both_layers():
    conv = tn.Conv2D(3, 3, name="Conv1")
    with pytest.raises(ShapeError, match=r"'Conv1' .* cannot take the output of layer 're_lu' .*3 channels .*takes 1"):
        tn.Sequential([tn.Input((9, 9, 1)), conv, tn.ReLU(), conv]).build_model()


def test_a_wrong_rank_names_both_layers():
    with pytest.raises(
        ShapeError, match=r"'conv2d' .* output of layer 'flatten' \(Flatten\), of shape \(None, 9\).*no"
    ):
        tn.Sequential([tn.Input((3, 3, 1)), tn.Flatten(), tn.Conv2D(2, 2)]).build_model()


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([tn.Input((3,)), tn.Flatten], r"layer 1 must be a Layer, but is <class .*Flatten'>; write its parentheses"),
        ([tn.Input((3,)), "dense"], "layer 1 must be a Layer, but is 'dense'"),
        ([tn.Dense(3), tn.Input((3,))], "an Input must be the first layer, but is number 1"),
        ([], "there must be at least one layer, but the list is empty"),
        (tn.Dense(3), "the layers must be given in one list, but got <Dense 'dense'>"),
    ],
    ids=["class", "text", "late input", "none", "no list"],
)
def test_a_stack_of_anything_else_is_refused(layers, message):
    with pytest.raises(ArgumentError, match=message):
        tn.Sequential(layers)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tn.Dense(0), "Dense: units must be an integer of 1 or more, but got 0"),
        (lambda: tn.Dense(2.0), r"Dense: units must be an integer of 1 or more, but got 2\.0"),
        (lambda: tn.Dense(3, "geru"), 'Dense: activation must be None, "relu", .*or a function of ops, but got \'geru'),
        (lambda: tn.Dense(3, kernel_init="he"), 'an initializer must be "glorot_uniform", "zeros", .* but got \'he'),
        (lambda: tn.Conv2D(3, 3, padding="full"), 'padding must be "valid" or "same", but got \'full\''),
        (lambda: tn.Conv2D(3, 0), "Conv2D: kernel_size must be 1 or more, but got 0"),
        (lambda: tn.MaxPool((2, 2, 2)), r"pool_size must be an integer or a pair of integers, but got \(2, 2, 2\)"),
        (lambda: tn.Dense(3, name="a.b"), "a layer's name must be a text that is not empty and has no dots, but got"),
        (lambda: tn.Input(28), r"Input: shape must be a sequence of integers, such as \(28,\), but got 28"),
        (lambda: tn.Input((0,)), "each length of the shape must be an integer of 1 or more, but got 0"),
    ],
)
def test_layers_check_their_arguments(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


def test_a_forward_that_gives_nothing_is_named():
    class Forgetful(tn.Layer):
        def forward(self, x):
            tn.ops.relu(x)

    message = r"forward of layer 'forgetful' \(Forgetful\) returned a NoneType; it must return a Tensor"
    with pytest.raises(ArgumentError, match=message):
        tn.Sequential([tn.Input((3,)), Forgetful()]).predict(np.ones((1, 3)))
    with pytest.raises(ArgumentError, match=message):
        Forgetful()(np.ones((1, 3)))


def test_a_gradient_through_parameters_from_before_a_step_is_refused():
    (x, y), model = digits(), small()
    loss, before = (tn.ops.cross_entropy(model(x), y) for _ in range(2))
    loss.backward()
    tn.SGD(0.1).step(model)
    with pytest.raises(GradientError, match="was changed in place since"):
        before.backward()


def test_a_forward_that_reads_values_is_told_of_compiled_false():
    class Gate(tn.Layer):
        def forward(self, x):
            return x if float(x.sum()) > 0 else -x

    model = tn.Sequential([tn.Input((3,)), Gate(), tn.Dense(2)], seed=0)
    x = np.ones((2, 3))
    with pytest.raises(TraceError, match=r"reads the values of a tensor .*or run it with compiled=False"):
        model.predict(x)
    assert model.predict(x, compiled=False).shape == (2, 2)


def test_a_forward_that_never_calls_its_input_is_refused():
    class Deaf(tn.Model):
        def __init__(self):
            super().__init__()
            self.enter, self.out = tn.Input((3,)), tn.Dense(2)

        def forward(self, x):
            return self.out(x)

    with pytest.raises(ArgumentError, match=r"has 'input' \(InputLayer\) among its layers, but its forward\(x\) never"):
        Deaf().build_model()


def test_a_layer_of_a_model_that_cannot_be_built_is_free_for_another():
    dense = tn.Dense(3)
    wrong = tn.Sequential([tn.Input((4, 4, 1)), tn.Flatten(), dense, tn.MaxPool(2)])
    with pytest.raises(ShapeError):
        wrong.summary()
    right = tn.Sequential([tn.Input((5,)), dense])
    assert right.predict(np.zeros((2, 5))).shape == (2, 3)
    with pytest.raises(ArgumentError, match="is part of model"):
        wrong.summary()


def test_a_model_within_one_that_cannot_be_built_keeps_its_vector():
    inner = tn.Sequential([tn.Input((4,)), tn.Dense(3)], seed=0)
    theta = inner.theta.copy()
    with pytest.raises(ShapeError):
        tn.Sequential([inner, tn.MaxPool(2)], input_shape=(4,)).summary()
    np.testing.assert_array_equal(inner.theta, theta)
    assert inner.predict(np.zeros((1, 4))).shape == (1, 3)


@pytest.mark.parametrize("used", [False, True])
def test_a_deep_copy_learns_by_itself(used):
    model = small_network()
    if used:
        model.predict(SMALL_X)
        losses_of(model)
    other = copy.deepcopy(model)
    before = model.predict(SMALL_X)
    np.testing.assert_array_equal(other.predict(SMALL_X), before)
    losses = losses_of(other)
    assert losses[-1] < losses[0]
    assert losses == losses_of(model)
    assert not np.array_equal(other.predict(SMALL_X), before)


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy])
def test_a_model_is_not_pickled(copied):
    with pytest.raises(ArgumentError, match=r"model\.save\(path\)"):
        copied(small_network())


def test_a_layer_that_two_layers_share_has_one_name():
    shared = tn.Dense(4)
    model = tn.Sequential(
        [tn.Input((4,)), InTurn([tn.Dense(4), shared]), InTurn([shared, tn.Dense(4)]), InTurn([tn.Dense(4)])], seed=0
    )
    model.predict(np.zeros((1, 4)))
    assert sum(p.size for p in model.parameters.values()) == model.theta.size == 4 * 20
    assert list(model.parameters) == [
        f"{name}.{kind}"
        for name in ("in_turn.dense", "in_turn.dense_1", "in_turn_1.dense", "in_turn_2.dense")
        for kind in ("weight", "bias")
    ]


@pytest.mark.parametrize("replace", [lambda g: None, lambda g: g * 0, lambda g: tn.Tensor(np.zeros(g.shape, g.dtype))])
def test_a_grad_that_was_replaced_is_the_one_that_is_used(replace):
    (x, y), model = digits(), small()
    tn.ops.cross_entropy(model(x), y).backward()
    for parameter in model.parameters.values():
        parameter.grad = replace(parameter.grad)
    before = model.theta.copy()
    tn.SGD(0.1).step(model)
    np.testing.assert_array_equal(model.theta, before)
    tn.ops.cross_entropy(model(x), y).backward()
    other = small()
    tn.ops.cross_entropy(other(x), y).backward()
    np.testing.assert_array_equal(model.gradient, other.gradient)
    tn.SGD(0.1).step(model)
    assert (model.theta != before).any()
    model.zero_grad()
    assert not any(p.grad.data.any() for p in model.parameters.values())


def test_a_grad_of_another_shape_is_refused():
    model = small()
    next(iter(model.parameters.values())).grad = np.zeros(1)
    with pytest.raises(ShapeError, match=r"was set to one of \(1,\)"):
        tn.SGD(0.1).step(model)
