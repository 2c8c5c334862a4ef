"""Models of several inputs and outputs: data in tuples and dicts, a loss, a weight and metrics for each output."""

import copy
from functools import partial

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError, CheckpointError, DataError, DTypeError, NotBuiltError, ShapeError

RNG = np.random.default_rng(0)
N = 24
A, B = RNG.integers(0, 256, (N, 3, 3)).astype(np.uint8), RNG.integers(0, 7, (N, 4))
Y, Z = RNG.integers(0, 3, N), RNG.normal(size=N)
W = RNG.integers(0, 4, N)
LOSS = {"kind": "cross_entropy", "size": "mse"}
both_ways = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "eager"])


class Two(tn.Model):
    """An image and words, in; a class and a number, out."""

    def __init__(self, form="dict", dtype="float64"):
        super().__init__(seed=0, dtype=dtype)
        self.form = form
        self.image = tn.Input((3, 3, 1), scale=1 / 255)
        self.words = tn.Input((4,), integers=True)
        self.flatten, self.dense = tn.Flatten(), tn.Dense(4, "tanh")
        self.embedding, self.mean = tn.Embedding(7, 3), tn.Dense(3)
        self.kind, self.size = tn.Dense(3, "softmax"), tn.Dense(1)

    def forward(self, image, words):
        a = self.dense(self.flatten(self.image(image)))
        b = self.mean(self.embedding(self.words(words))).mean(axis=1)
        h = tn.ops.concatenate([a, b], axis=1)
        kind, size = self.kind(h), self.size(h)
        return {"dict": {"kind": kind, "size": size}, "tuple": (kind, size), "list": [kind, size]}[self.form]


def fit(model, x=(A, B), y=(Y, Z), **options):
    usual = {"epochs": 2, "batch_size": 8, "optimizer": tn.Adam(0.05), "seed": 3, "verbose": 0, "loss": LOSS}
    return model.fit(x, y, **usual | options)


def by_hand(compiled, factor=0.5):
    """The same training as a loop."""
    model, mode, optimizer = Two(), tn.train_mode(0), tn.Adam(0.05)

    def step(a, b, y, z):
        made = model(a, b)
        kind, size = tn.ops.cross_entropy(made["kind"], y), tn.ops.mean_squared_error(made["size"], z)
        loss = kind + factor * size
        optimizer.minimize(loss, model)
        return loss

    step = tn.compile(step) if compiled else step
    for _ in range(2):
        for start in range(0, N, 8):
            part = slice(start, start + 8)
            with mode:
                step(*(array[part] if compiled else tn.Tensor(array[part]) for array in (A, B, Y, Z)))
    return model


# --- fit


@both_ways
def test_fit_makes_the_steps_of_a_loop_by_hand(compiled):
    model = Two()
    fit(model, loss_weights={"kind": 1, "size": 0.5}, shuffle=False, compiled=compiled)
    assert model.theta.tobytes() == by_hand(compiled).theta.tobytes()


@both_ways
def test_data_and_losses_may_be_in_order_or_by_name(compiled):
    named = {"image": A, "words": B}, {"size": Z, "kind": Y}
    found = set()
    for form, x, y in [("dict", (A, B), (Y, Z)), ("dict", *named), ("dict", [A, B], [Y, Z])]:
        model = Two(form)
        history = fit(model, x, y, compiled=compiled, validation_data=(x, y)).history
        found.add((model.theta.tobytes(), str(history)))
    assert len(found) == 1
    for form in ("tuple", "list"):
        model = Two(form)
        numbered = {"output_0": "cross_entropy", "output_1": "mse"}
        for loss in (("cross_entropy", "mse"), numbered):
            other = fit(Two(form), loss=loss, compiled=compiled).history
            assert other["loss"] == history["loss"]
            assert other["output_0_loss"] == history["kind_loss"]


@both_ways
def test_each_output_has_its_loss_and_metrics_and_the_loss_is_their_weighted_sum(compiled):
    model = Two()
    weights = {"kind": 2.0, "size": 0.25}
    metrics = {"kind": ["accuracy", "f1"]}
    history = fit(
        model, compiled=compiled, loss_weights=weights, metrics=metrics, validation_data=((A, B), (Y, Z))
    ).history
    names = ["loss", "kind_loss", "kind_accuracy", "size_loss", "size_mae", "kind_f1"]
    assert history.keys() == {*names, *(f"val_{name}" for name in names)}
    for start in ("", "val_"):
        total = 2 * np.array(history[f"{start}kind_loss"]) + 0.25 * np.array(history[f"{start}size_loss"])
        np.testing.assert_allclose(history[f"{start}loss"], total, rtol=1e-12)
    made = model.predict((A, B))
    assert {name: array.shape for name, array in made.items()} == {"kind": (N, 3), "size": (N, 1)}
    found = model.evaluate((A, B), (Y, Z), metrics=metrics, batch_size=7, compiled=compiled)
    assert found["size_loss"] == pytest.approx(np.mean((made["size"][:, 0] - Z) ** 2), rel=1e-12)
    assert found["kind_accuracy"] == np.mean(made["kind"].argmax(axis=1) == Y)
    assert found["kind_f1"] == tn.metrics.f1(made["kind"], Y)
    assert found == pytest.approx({name: history[f"val_{name}"][-1] for name in names}, rel=1e-12)


@pytest.mark.parametrize("form", ["dict", "tuple"])
@pytest.mark.parametrize("weights", [None, W])
def test_a_step_computes_no_output_that_nobody_measures(form, weights):
    ops, thetas = [], []
    for measured in ([], ["accuracy"]):
        model = Two(form)
        options = {"loss": ("cross_entropy", "mse"), "metrics": (measured, [])}
        callbacks = [lambda run: ops.append({call.name for plan in run.step.compiled.plans for call in plan.calls})]
        history = fit(model, sample_weight=weights, epochs=1, callbacks=callbacks, **options).history
        assert len(history) == 3 + len(measured)
        thetas.append(model.theta)
    assert "softmax" in ops[1]
    assert "softmax" not in ops[0]
    np.testing.assert_array_equal(*thetas)


def test_one_loss_is_that_of_all_outputs_and_evaluate_keeps_its_plan():
    model = Two()
    z = np.zeros((N, 3))
    fit(model, y=(np.eye(3)[Y], Z), loss="mse", loss_weights=(1, 0), metrics=[])
    for _ in range(3):
        found = model.evaluate((A, B), (np.eye(3)[Y], Z), metrics=[])
    assert found["loss"] == found["kind_loss"]
    assert found.keys() == {"loss", "kind_loss", "size_loss"}
    assert [made.traces for made, _ in model.plans.values()] == [1]
    assert model.evaluate((A, B), (z, Z), loss=("mae", "huber"), metrics=[])["kind_loss"] == pytest.approx(1 / 3)


@both_ways
def test_an_output_without_a_loss_is_not_trained_on(compiled):
    models = [Two() for _ in range(2)]
    loss = {"kind": "cross_entropy", "size": None}
    history = fit(models[0], y={"kind": Y}, loss=loss, compiled=compiled).history
    assert history.keys() == {"loss", "kind_loss", "kind_accuracy"}
    before = Two().parameters["dense_3.weight"].data
    np.testing.assert_array_equal(models[0].parameters["dense_3.weight"].data, before)
    fit(models[1], y=(Y, Z), loss=(partial(tn.ops.cross_entropy), None), compiled=compiled)
    assert models[1].theta.tobytes() == models[0].theta.tobytes()


@both_ways
@pytest.mark.parametrize("micro_batches", [2, 3])
def test_micro_batches_and_weights_go_with_several_outputs(micro_batches, compiled):
    options = {"compiled": compiled, "loss_weights": (1, 0.5), "sample_weight": W, "shuffle": False}
    models = [Two() for _ in range(2)]
    whole = fit(models[0], **options).history
    parts = fit(models[1], micro_batches=micro_batches, **options).history
    np.testing.assert_allclose(models[1].theta, models[0].theta, rtol=1e-9)
    for name, values in whole.items():
        assert parts[name] == pytest.approx(values, rel=1e-11)


@both_ways
def test_a_weight_of_k_is_k_copies_for_each_output(compiled):
    models = [Two() for _ in range(2)]
    options = {"batch_size": None, "compiled": compiled, "metrics": []}
    copies = [np.repeat(array, W, axis=0) for array in (A, B, Y, Z)]
    weighted = fit(models[0], sample_weight=W, validation_data=((A, B), (Y, Z), W), **options).history
    copied = fit(models[1], copies[:2], copies[2:], validation_data=(copies[:2], copies[2:]), **options).history
    np.testing.assert_allclose(models[0].theta, models[1].theta, rtol=1e-9)
    for name, values in weighted.items():
        assert values == pytest.approx(copied[name], rel=1e-10)
    found = models[0].evaluate((A, B), (Y, Z), metrics=[], sample_weight=W, batch_size=7, compiled=compiled)
    expected = models[0].evaluate(copies[:2], copies[2:], metrics=[], compiled=compiled)
    assert found == pytest.approx(expected, rel=1e-12)


@both_ways
def test_one_tower_may_take_each_of_the_inputs(compiled):
    class Pair(tn.Model):
        def __init__(self):
            super().__init__(seed=0)
            self.tower = tn.Sequential([tn.Input((5,)), tn.Dense(3, "tanh")])

        def forward(self, left, right):
            return (self.tower(left) * self.tower(right)).sum(axis=1)

    a, b = RNG.normal(size=(2, N, 5))
    model = Pair()
    losses = fit(model, (a, b), Y > 0, loss="binary_cross_entropy", compiled=compiled, epochs=5).history["loss"]
    assert losses[-1] < losses[0]
    np.testing.assert_array_equal(model.predict({"right": a, "left": b}), model.predict((a, b)))


# --- bits


def test_the_bits_are_the_same_for_any_number_of_threads():
    found = set()
    for threads in (1, 2):
        tn.set_num_threads(threads)
        try:
            model = Two(dtype="float32")
            history = fit(model, micro_batches=2, sample_weight=W + 1)
            found.add((model.theta.tobytes(), str(history.history)))
        finally:
            tn.set_num_threads(1)
    assert len(found) == 1


class Halt:
    def __init__(self, path):
        self.path = path

    def on_batch_end(self, run):
        if (run.epoch, run.batch) == (1, 2):
            run.save(self.path)


@both_ways
def test_a_resumed_run_has_the_same_bits_and_needs_the_same_losses(compiled, tmp_path):
    options = {"loss_weights": (1, 0.5), "metrics": {"kind": ["f1"]}, "compiled": compiled}
    whole, resumed = Two(), Two()
    expected = fit(whole, **options).history
    fit(Two(), callbacks=[Halt(tmp_path / "last")], **options)
    found = fit(resumed, resume=tmp_path / "last", **options).history
    assert resumed.theta.tobytes() == whole.theta.tobytes()
    assert found == expected
    for other, message in [
        ({"loss_weights": (1, 2)}, r"loss 'kind: cross_entropy, size: mse weighted by 0: 1, 1: 0\.5', now"),
        ({"loss": ("cross_entropy", "mae")}, "loss 'kind: cross_entropy, size: mse weighted"),
        ({"metrics": None}, r"metrics \['kind_f1 of a set'\], now None"),
    ]:
        with pytest.raises(CheckpointError, match=message):
            fit(Two(), resume=tmp_path / "last", **options | other)


# --- everything else that takes a model


def test_integers_stay_integers():
    large = np.array([[2**60 + 1, -3]])
    model = tn.Sequential([tn.Input((2,), integers=True)])
    for compiled in (True, False):
        found = model.predict(large, compiled=compiled)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, large)
    assert model.predict(np.array([[True, False]])).dtype == bool


def test_models_are_saved_copied_and_converted(tmp_path):
    model = Two()
    fit(model)
    model.save(tmp_path / "model")
    for other in (tn.load(tmp_path / "model", custom_layers={"Two": Two}), copy.deepcopy(model)):
        assert other.theta.tobytes() == model.theta.tobytes()
        assert other.predict((A, B))["kind"].tobytes() == model.predict((A, B))["kind"].tobytes()
        other.evaluate((A, B), (Y, Z), loss=LOSS)
    assert model.astype("float32").predict((A, B))["size"].dtype == np.float32


def test_models_are_shown(capsys):
    class Inner(tn.Layer):
        def __init__(self):
            self.left, self.right = tn.Dense(2), tn.Dense(1)

        def forward(self, x):
            return self.left(x), {"right": self.right(x)}

    class Outer(tn.Model):
        def __init__(self):
            super().__init__(input_shape=(3,), seed=0)
            self.inner, self.last = Inner(), tn.Dense(4)

        def forward(self, x):
            left, others = self.inner(x)
            return self.last(tn.ops.concatenate([left, others["right"]], axis=1))

    model = Outer()
    model.summary()
    assert "(None, 2), right (None, 1)" in capsys.readouterr().out
    texts = [text.get_text() for text in tn.report.model_diagram(model).axes[0].texts]
    assert "(None, 2), right (None, 1)" in texts
    Two().summary()
    assert "input_1 (InputLayer)   (None, 4)" in capsys.readouterr().out


@pytest.mark.parametrize("freeze", [False, True])
def test_a_compiled_predictor_takes_and_returns_several(freeze):
    model = Two()
    found = tn.compile(model, freeze=freeze)(A, B)
    expected = model.predict((A, B))
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-12)


@pytest.mark.parametrize("compiled", [True, False])
def test_objectives_and_line_searches(compiled):
    model = Two()
    theta = model.theta + 0.1
    objective = tn.Objective(model, (A, B), (Y, Z), LOSS, batch_size=7, compiled=compiled)
    value, gradient = objective.value_and_gradient(theta)
    model.theta[...] = theta
    expected = model.evaluate((A, B), (Y, Z), loss=LOSS)["loss"]
    assert value == pytest.approx(expected, rel=1e-12)
    v = np.ones_like(theta)
    slope = (objective.value(theta + 1e-6 * v) - objective.value(theta - 1e-6 * v)) / 2e-6
    assert gradient @ v == pytest.approx(slope, rel=1e-6)
    options = {"batch_size": None, "optimizer": tn.GradientDescent(), "compiled": compiled, "sample_weight": W}
    losses = fit(model, epochs=3, **options).history["loss"]
    assert losses[2] < losses[1] < losses[0]


# --- weights and smoothing by output

V = np.where(np.arange(N) % 8 < 3, 0, RNG.integers(1, 4, N))


@both_ways
@pytest.mark.parametrize("micro_batches", [1, 3])
@pytest.mark.parametrize("options", [
    {"sample_weight": {"kind": W + 1, "size": V}}, {"sample_weight": (W + 1, V)}, {"sample_weight": {"size": V}},
    {"sample_weight": V, "class_weight": {"kind": {0: 1, 1: 3, 2: 0.5}}}, {"class_weight": ("balanced", None)},
], ids=["dict", "tuple", "one", "classes", "balanced"])  # fmt: skip
def test_each_output_may_have_weights_of_its_own(options, micro_batches, compiled):
    """Against a loop by hand; the loss of each output is divided by the sum of its own weights in the batch."""
    given = options.get("sample_weight", {})
    kind, size = (np.ones(N), np.ones(N)) if isinstance(given, dict) else (given, given)
    kind, size = given if isinstance(given, tuple) else (kind, size)
    if isinstance(given, dict):
        kind, size = given.get("kind", kind), given.get("size", size)
    if "class_weight" in options:
        balanced = N / (3 * np.bincount(Y, minlength=3))
        kind = kind * (balanced if isinstance(options["class_weight"], tuple) else np.array([1, 3, 0.5]))[Y]
    trained, by_hand, mode, optimizer = Two(), Two(), tn.train_mode(0), tn.Adam(0.05)
    for _ in range(2):
        for part in (slice(start, start + 8) for start in range(0, N, 8)):
            with mode:
                optimizer.minimize(own_weights(by_hand(A[part], B[part]), part, kind, size), by_hand)
    fit(trained, shuffle=False, loss_weights=(1, 0.5), compiled=compiled, micro_batches=micro_batches, **options)
    np.testing.assert_allclose(trained.theta, by_hand.theta, rtol=1e-9)
    found = trained.evaluate((A, B), (Y, Z), batch_size=7, compiled=compiled, metrics=[], **options)
    whole = own_weights(trained(A, B), slice(None), kind, size).item()
    assert found["loss"] == pytest.approx(whole, rel=1e-12)
    assert found["kind_loss"] + 0.5 * found["size_loss"] == pytest.approx(whole, rel=1e-12)


def own_weights(made, part, kind, size):
    """The joint loss of a part of the data, each output's a mean by weights of its own."""
    classes = tn.ops.cross_entropy(made["kind"], Y[part], reduction="none")
    squares = tn.ops.mean_squared_error(made["size"], Z[part], reduction="none").reshape(-1)
    return (classes * kind[part]).sum() / kind[part].sum() + 0.5 * (squares * size[part]).sum() / size[part].sum()


def test_weights_by_output_are_split_and_validated_and_no_matter_of_objectives():
    model, weights = Two(), {"kind": W + 1, "size": V}
    history = fit(model, validation_split=0.25, shuffle=False, sample_weight=weights).history
    last = {name: w[-6:] for name, w in weights.items()}
    found = model.evaluate((A[-6:], B[-6:]), (Y[-6:], Z[-6:]), sample_weight=last)
    assert found == pytest.approx({name: history[f"val_{name}"][-1] for name in found}, rel=1e-12)
    with pytest.raises(ArgumentError, match="the same weights of samples for all outputs"):
        fit(Two(), optimizer=tn.GradientDescent(), batch_size=None, metrics=None, sample_weight=weights)


@pytest.mark.parametrize("share", [{"kind": 0.2}, (0.2, 0)], ids=["dict", "tuple"])
@pytest.mark.parametrize("loss_weights", [None, (1, 0.5)])
def test_labels_are_smoothed_by_output(share, loss_weights):
    models = [Two() for _ in range(2)]
    smooth = {"kind": partial(tn.ops.cross_entropy, label_smoothing=0.2), "size": "mse"}
    fit(models[0], label_smoothing=share, loss_weights=loss_weights)
    fit(models[1], loss=smooth, loss_weights=loss_weights)
    np.testing.assert_array_equal(models[0].theta, models[1].theta)


# --- what makes no sense

REFUSED = {
    "one array": (ArgumentError, {"x": A}, "tuple of 2, for image, words in this order, .* but got a ndarray"),
    "three": (ArgumentError, {"x": (A, B, B)}, "x must be a tuple of 2, .* but got 3 of them"),
    "other names": (ArgumentError, {"x": {"image": A, "text": B}}, "the names image, words, but has image, text"),
    "lengths": (ShapeError, {"x": (A, B[1:])}, "as many samples for each input, but has 24 for image, 23 for words"),
    "a shape": (ShapeError, {"x": (A, B[:, 1:])}, r"so x\['words'\] must have shape \(n, 4\), but has \(24, 3\)"),
    "fractions": (DTypeError, {"x": (A, B + 0.5)}, r"'input_1' \(InputLayer\) takes integers, but got float64"),
    "NaN": (DataError, {"x": (A * np.nan, B)}, r"x\['image'\] has NaN or infinite values"),
    "labels of one": (ArgumentError, {"y": Y}, "y must be a tuple of 2, for kind, size in this order"),
    "wrong labels": (DataError, {"y": (Y + 1, Z)}, r"^y\['kind'\]: cross_entropy: labels must be from 0 to 2"),
    "labels too few": (ShapeError, {"y": (Y, Z[1:])}, r"^y\['size'\]: x has 24 samples, but y has shape \(23,\)"),
    "a loss too few": (ArgumentError, {"loss": {"kind": "mse"}}, "loss must have the names kind, size, but has kind"),
    "a loss unknown": (ArgumentError, {"loss": ("cross_entropy", "l2")}, "loss must be .*, but got 'l2'"),
    "no loss": (ArgumentError, {"loss": (None, None)}, "every output is None, so there is nothing to minimise"),
    "weights too few": (ArgumentError, {"loss_weights": [1]}, "loss_weights must be a tuple of 2"),
    "a weight below 0": (ArgumentError, {"loss_weights": [1, -1]}, r"loss_weights\['size'\] must be a finite"),
    "metrics of one": (ArgumentError, {"metrics": ["accuracy"]}, "metrics must be a list for each of the outputs"),
    "unknown metrics": (ArgumentError, {"metrics": {"kinds": []}}, "metrics must have the names kind, size, but has"),
    "class weights": (ArgumentError, {"class_weight": "balanced"}, "class_weight must be a tuple of 2, for kind, size"),
    "class weights of classes": (ArgumentError, {"class_weight": {0: 1.0}}, "the names kind, size, but has 0"),
    "class weights of numbers": (DataError, {"class_weight": {"size": "balanced"}}, "class_weight needs a class"),
    "sample weights of others": (ArgumentError, {"sample_weight": {"sizes": W}}, "the names kind, size, but has sizes"),
    "sample weights of one": (ShapeError, {"sample_weight": {"size": W[1:]}}, r"sample_weight of 'size' .* \(23,\)"),
    "no weight": (DataError, {"sample_weight": (0 * W, None)}, "all weights of 'kind' are 0"),
    "smoothing of another": (ArgumentError, {"label_smoothing": {"kinds": 0.1}}, "names kind, size, but has kinds"),
    "smoothing above 1": (ArgumentError, {"label_smoothing": {"kind": 2}}, r"label_smoothing\['kind'\] must be"),
    "sample weights": (ShapeError, {"sample_weight": W[1:]}, r"shape \(24,\), but has shape \(23,\)"),
    "smoothing": (ArgumentError, {"label_smoothing": 0.1}, "label_smoothing is for the losses cross_entropy and"),
    "validation": (ArgumentError, {"validation_data": (A, Y)}, "^validation_data: x must be a tuple of 2"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_data_that_do_not_fit_are_refused_before_anything_is_changed(case):
    error, options, message = REFUSED[case]
    model = Two()
    before = model.theta.copy()
    with pytest.raises(error, match=message):
        fit(model, **options)
    np.testing.assert_array_equal(model.theta, before)


class Few(tn.Model):
    def __init__(self, make, **options):
        super().__init__(seed=0, **options)
        self.entry, self.dense, self.make = tn.Input((2,)), tn.Dense(2), make

    def forward(self, x):
        return self.make(self.dense(self.entry(x)))


def test_models_of_several_must_say_so():
    class Wide(tn.Model):
        def __init__(self, *layers, **options):
            super().__init__(seed=0, **options)
            self.layers = list(layers)

        def forward(self, a, b):
            return self.layers[0](a)

    with pytest.raises(ArgumentError, match="input_shape is that of one input, but forward takes a, b; leave it out"):
        Wide(tn.Dense(2), input_shape=(3,)).theta  # noqa: B018
    with pytest.raises(NotBuiltError, match="forward takes a, b, but there are 0 inputs; assign"):
        Wide(tn.Dense(2)).theta  # noqa: B018
    with pytest.raises(ArgumentError, match=r"'input_1' \(InputLayer\) among its layers, but its forward"):
        Wide(tn.Input((3,)), tn.Input((2,))).theta  # noqa: B018
    with pytest.raises(ArgumentError, match="loss_weights are for models of several outputs, but this one has one"):
        Few(lambda h: h).fit(np.zeros((3, 2)), [0, 1, 0], loss_weights=(1, 2), verbose=0)
    for make in (lambda h: ((h, h), h), lambda h: {"a": [h]}, lambda h: ()):
        with pytest.raises(ArgumentError, match="must return a Tensor, or several in one tuple, list or dict"):
            Few(make).fit(np.zeros((3, 2)), [0, 1, 0], verbose=0)
    with pytest.raises(ArgumentError, match="returned a str; it must return a Tensor, or several in a tuple"):
        Few(lambda h: (h, "h")).theta  # noqa: B018
    with pytest.raises(ArgumentError, match="integers stay as they are; leave out shift and scale"):
        tn.Sequential([tn.Input((2,), scale=2, integers=True), tn.Embedding(3, 2)]).theta  # noqa: B018


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_share_of_all_of_the_data_is_split_off(shuffle):
    model = Two()
    history = fit(model, validation_split=0.25, shuffle=shuffle, sample_weight=W).history
    assert {"val_loss", "val_kind_accuracy", "val_size_mae"} <= history.keys()
    if not shuffle:
        found = model.evaluate((A[-6:], B[-6:]), (Y[-6:], Z[-6:]), sample_weight=W[-6:])
        assert found["loss"] == pytest.approx(history["val_loss"][-1], rel=1e-12)


def test_what_layers_within_make_is_found():
    model = Two()
    inner = tn.submodel(model, "dense").predict({"words": B, "image": A})
    assert inner.shape == (N, 4)
    with tn.inner_values(model, "dense") as found:
        model(A, B)
    np.testing.assert_array_equal(found["dense"].data, inner)
