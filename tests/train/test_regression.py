"""The losses of regression in `fit` and `evaluate`: their steps by hand, their metrics, and which labels are taken."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import DataError, ShapeError

X = np.random.default_rng(0).normal(size=(22, 3))
Y = X @ [1.0, -2.0, 0.5] + 5 * np.random.default_rng(1).normal(size=22)
LOSSES = ["mse", "mae", "huber"]
both_ways = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "eager"])
each_loss = pytest.mark.parametrize("loss", LOSSES)


def by_hand(loss, error):
    """The loss of each error, and its derivative."""
    if loss == "mse":
        return error**2, 2 * error
    if loss == "mae":
        return abs(error), np.sign(error)
    return (error**2 / 2, error) if abs(error) <= 1 else (abs(error) - 0.5, np.sign(error))


def linear(dtype="float64"):
    return tn.Sequential([tn.Input((3,)), tn.Dense(1)], seed=0, dtype=dtype)


@both_ways
@each_loss
def test_the_steps_of_a_linear_model_are_those_worked_out_by_hand(loss, compiled):
    model = linear()
    w, b = model.theta[:3].copy(), model.theta[3]
    fitted = model.fit(
        *(X, Y), epochs=3, batch_size=8, optimizer=tn.SGD(0.1), loss=loss, shuffle=False, seed=0, verbose=0,
        compiled=compiled,
    )  # fmt: skip
    losses = []
    for _ in range(3):
        total = 0.0
        for start in range(0, 22, 8):  # the last batch has 6
            x, y = X[start : start + 8], Y[start : start + 8]
            dw, db = np.zeros(3), 0.0
            for xi, yi in zip(x, y, strict=True):
                value, slope = by_hand(loss, xi @ w + b - yi)
                total += value
                dw, db = dw + slope * xi / len(x), db + slope / len(x)
            w, b = w - 0.1 * dw, b - 0.1 * db
        losses.append(total / 22)
    np.testing.assert_allclose(model.theta, [*w, b], rtol=1e-12)
    np.testing.assert_allclose(fitted.history["loss"], losses, rtol=1e-12)


@each_loss
def test_evaluate_gives_the_loss_and_how_far_outputs_are_off(loss):
    model = linear()
    errors = model.predict(X)[:, 0] - Y
    found = model.evaluate(X, Y, loss=loss, batch_size=5)
    assert found["loss"] == pytest.approx(np.mean([by_hand(loss, e)[0] for e in errors]), rel=1e-12)
    expected = {} if loss == "mae" else {"mae": pytest.approx(np.abs(errors).mean(), rel=1e-12)}
    assert {name: value for name, value in found.items() if name != "loss"} == expected


@both_ways
@each_loss
def test_labels_of_one_axis_fit_outputs_of_one_column(loss, compiled):
    histories = []
    for labels in (Y, Y[:, None], Y.astype(np.float32), np.round(Y).astype(int)):
        model = linear()
        options = {"epochs": 2, "batch_size": 1, "optimizer": tn.SGD(0.01), "seed": 0, "verbose": 0}
        histories.append(model.fit(X, labels, loss=loss, compiled=compiled, **options).history)
    assert histories[0] == histories[1]
    assert histories[2]["loss"] == pytest.approx(histories[0]["loss"], rel=1e-5)
    assert histories[3]["loss"] == pytest.approx(histories[0]["loss"], rel=0.5)


@each_loss
@pytest.mark.parametrize("labels", [np.ones((22, 22)), np.ones((22, 2)), np.ones((22, 1, 2)), np.ones((22, 1, 1, 1))])
def test_labels_that_would_be_broadcast_are_refused_before_anything_is_changed(loss, labels):
    model = linear()
    before = model.theta.copy()
    for use in (model.fit, model.evaluate):
        with pytest.raises(ShapeError, match=rf"{loss}: the output has shape \(22, 1\).*one label for each"):
            use(X, labels, loss=loss)
    np.testing.assert_array_equal(model.theta, before)


def test_labels_of_one_number_are_refused_where_there_are_several_outputs():
    model = tn.Sequential([tn.Input((3,)), tn.Dense(22)], seed=0)
    with pytest.raises(ShapeError, match=r"\(22, 22\) and the labels have \(22,\)"):
        model.fit(X, Y, loss="mse")


def test_outputs_of_several_axes_are_compared_one_by_one():
    model = tn.Sequential([tn.Input((4, 3)), tn.Dense(2)], seed=0, dtype="float64")
    x, y = (np.random.default_rng(0).normal(size=(5, 4, n)) for n in (3, 2))
    expected = np.mean((model.predict(x) - y) ** 2)
    assert model.evaluate(x, y, loss="mse")["loss"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("metric", [tn.metrics.mean_absolute_error, tn.metrics.mean_squared_error])
def test_metrics_never_broadcast(metric):
    with pytest.raises(ShapeError, match="one label for each"):
        metric(np.ones((3, 1)), np.ones((3, 3)))
    with pytest.raises(DataError, match="no samples"):
        metric(np.ones((0, 1)), np.ones(0))
    assert np.isnan(metric([1.0, np.nan], [1.0, 1.0]))
    assert metric(np.array([1, 2], np.uint8), np.array([2, 4])[:, None]) == {"mean_absolute_error": 1.5}.get(
        metric.__name__, 2.5
    )


@each_loss
def test_a_loss_of_nan_is_nan_and_of_infinity_infinite(loss):
    function = {"mse": tn.ops.mean_squared_error, "mae": tn.ops.mean_absolute_error, "huber": tn.ops.huber}[loss]
    assert np.isnan(function(np.array([1.0, np.nan]), np.ones(2)).item())
    assert function(np.array([1.0, np.inf]), np.ones(2)).item() == np.inf


def test_the_second_derivative_of_huber_is_one_near_the_label_itself_too():
    x = tn.Tensor(np.array([0.0, 0.5, 3.0]), requires_grad=True)
    (first,) = tn.grad(3 * tn.ops.huber(x, np.zeros(3)), [x], create_graph=True)
    np.testing.assert_array_equal(first.data, [0, 0.5, 1])
    np.testing.assert_array_equal(tn.grad(first.sum(), [x])[0].data, [1, 1, 0])


# --- losses of a user's own


def squares(output, labels):
    return ((output - tn.ops.cast(labels, output.dtype)) ** 2).mean()


def of_columns(output, labels):
    return squares(output[:, 0], labels)


def of_all_pairs(output, labels):
    """Each pair of samples, as a ranking loss has them: on purpose."""
    away = output - output.reshape(1, output.shape[0])
    return (away * away).mean() + tn.ops.mean_squared_error(output, labels)


def that_reads_values(output, labels):
    return squares(output[:, 0], labels) if float(output.data.sum()) < 1e9 else output.mean()


@pytest.mark.parametrize("compiled", [True, False])
def test_a_loss_that_would_compare_each_output_with_each_label_is_refused(compiled):
    model = linear()
    before = model.theta.copy()
    for use in (model.fit, model.evaluate):
        with pytest.raises(ShapeError, match=r"\(n, 1\) and labels of shape \(n,\) to \(n, n\), in op 'subtract'"):
            use(X, Y, loss=squares, compiled=compiled)
    np.testing.assert_array_equal(model.theta, before)
    assert model.evaluate(X, Y[:, None], loss=squares)["loss"] == model.evaluate(X, Y, loss="mse")["loss"]


@pytest.mark.parametrize("loss", [of_columns, of_all_pairs, that_reads_values, tn.ops.huber])
def test_a_loss_that_brings_labels_into_shape_is_taken(loss):
    found = linear().evaluate(X, Y, loss=loss, compiled=False)
    assert np.isfinite(found["loss"])


def test_a_loss_that_fails_fails_where_it_is_used():
    def broken(output, labels):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        linear().evaluate(X, Y, loss=broken, compiled=False)


# --- where else a loss has a name


def test_newton_minimises_the_squares_as_least_squares_do():
    model = linear()
    objective = tn.Objective(model, X, Y, loss="mse")
    theta, _ = tn.Newton(tolerance=1e-12).minimize(objective, np.zeros(4))
    expected = np.linalg.lstsq(np.column_stack([X, np.ones(22)]), Y, rcond=None)[0]
    np.testing.assert_allclose(theta, expected, rtol=1e-9)


@each_loss
def test_the_gradient_of_a_model_is_checked_with_a_loss_by_name(loss):
    assert tn.check_gradients(linear(), X, Y, loss=loss).ok
