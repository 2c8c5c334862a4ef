"""Layers that act in training only: what they do to images, and that all else keeps their laws."""

import copy
from itertools import product

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError, DTypeError, ShapeError
from tinynet.inspection.gradcheck import check_gradients

LAYERS = {
    "shift": lambda: tn.RandomShift(2),
    "shift across": lambda: tn.RandomShift(0, 0.25),
    "flip": lambda: tn.RandomFlip(),
    "rotation": lambda: tn.RandomRotation(0.2),
    "noise": lambda: tn.GaussianNoise(0.3),
}
every_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=list(LAYERS))


def images(n=40, h=5, w=6, c=2, dtype="float32"):
    """Images that have no value twice, and no 0."""
    return np.random.default_rng(0).permutation(n * h * w * c).reshape(n, h, w, c).astype(dtype) + 1


def in_training(layer, x, seed=0, steps=1):
    mode = tn.train_mode(seed=seed)
    for _ in range(steps):
        with mode:
            y = layer(x)
    return y.data


def moved(image, down, across):
    """What an image is when it is moved by whole pixels."""
    h, w, _ = image.shape
    y = np.zeros_like(image)
    for i, j in product(range(h), range(w)):
        if 0 <= i - down < h and 0 <= j - across < w:
            y[i, j] = image[i - down, j - across]
    return y


def which(candidates, image):
    """The keys of the candidates that an image is equal to, to the bit."""
    return [key for key, candidate in candidates.items() if np.array_equal(candidate, image)]


# --- what they do


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_a_shift_moves_each_image_by_whole_pixels(dtype):
    x = images(200, c=1, dtype="float64") % 250 + 1
    y = in_training(tn.RandomShift(1, 2), x.astype(dtype))
    assert y.dtype == dtype
    seen = []
    for before, after in zip(x, y, strict=True):
        candidates = {(a, b): moved(before, a, b) for a in (-1, 0, 1) for b in (-2, -1, 0, 1, 2)}
        (found,) = which(candidates, after)
        seen.append(found)
    assert set(seen) == set(product((-1, 0, 1), (-2, -1, 0, 1, 2)))  # each is drawn, by the sample
    assert np.abs(np.mean(seen, axis=0)).max() < 0.3


def test_a_share_of_the_image_is_rounded_to_pixels():
    x = images(100, h=10, w=8)
    a, b = (in_training(tn.RandomShift(*given), x) for given in ((0.2, 0.15), (2, 1)))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(in_training(tn.RandomShift(2), x), in_training(tn.RandomShift(2, 2), x))


@pytest.mark.parametrize(
    ("mode", "kinds"),
    [
        ("horizontal", {(1, -1), (1, 1)}),
        ("vertical", {(-1, 1), (1, 1)}),
        ("horizontal_and_vertical", {(1, 1), (1, -1), (-1, 1), (-1, -1)}),
    ],
)
@pytest.mark.parametrize("dtype", ["float64", "uint8"])
def test_a_flip_mirrors_each_image_or_not(mode, kinds, dtype):
    x = (images(100, c=3, dtype="float64") % 250).astype(dtype)
    y = in_training(tn.RandomFlip(mode), x)
    seen = [
        which({(a, b): before[::a, ::b] for a in (1, -1) for b in (1, -1)}, after)[0]
        for before, after in zip(x, y, strict=True)
    ]
    assert set(seen) == kinds
    assert all(100 / len(kinds) * 0.6 < seen.count(kind) < 100 / len(kinds) * 1.4 for kind in kinds)


@pytest.mark.parametrize("quarters", [-2, -1, 0, 1, 2, 4])
def test_a_rotation_by_quarter_turns_is_that_of_numpy(quarters):
    x = images(3, 5, 5, dtype="float64")
    y = in_training(tn.RandomRotation((quarters / 4, quarters / 4)), x)
    np.testing.assert_allclose(y, np.rot90(x, quarters, axes=(1, 2)), rtol=1e-12)


def test_a_rotation_interpolates_between_pixels_and_keeps_the_middle():
    x = images(50, 7, 7, 1, "float64")
    y = in_training(tn.RandomRotation(0.5), x)
    np.testing.assert_allclose(y[:, 3, 3], x[:, 3, 3], rtol=1e-12)
    ramp = np.broadcast_to(np.arange(7.0)[:, None, None] + 10, (50, 7, 7, 1))
    turned = in_training(tn.RandomRotation(0.5), ramp)[:, 2:5, 2:5, 0] - 13
    slopes = np.stack([turned[:, 2, 1], turned[:, 1, 2]])  # a plane turned is a plane: cosine and sine of the angle
    np.testing.assert_allclose((slopes**2).sum(axis=0), 1, rtol=1e-12)
    angles = np.arctan2(-slopes[1], slopes[0])
    assert angles.min() < -2
    assert angles.max() > 2


def test_bytes_that_are_turned_are_rounded():
    x = np.random.default_rng(0).integers(0, 256, (20, 6, 5, 2), np.uint8)
    layer = tn.RandomRotation(0.3)
    found, exact = in_training(layer, x), in_training(layer, x.astype(np.float32))
    assert found.dtype == np.uint8
    assert np.abs(found - exact.astype(np.float64)).max() <= 0.5 + 1e-4


def test_a_pixel_that_is_nan_stays_in_its_place():
    x = images(30, dtype="float64")
    x[:, 2, 3] = np.nan
    y = in_training(tn.RandomFlip(), x)
    assert (np.isnan(y).sum(axis=(1, 2, 3)) == 2).all()
    assert np.isnan(in_training(tn.RandomRotation(0.1), x)).any(axis=(1, 2, 3)).all()


def test_noise_is_normal():
    x = np.full((4, 5000), 2.0)
    noise = in_training(tn.GaussianNoise(0.5), x) - x
    assert abs(noise.mean()) < 0.02
    assert noise.std() == pytest.approx(0.5, rel=0.02)
    assert abs(np.corrcoef(noise)[0, 1]) < 0.05
    np.testing.assert_array_equal(in_training(tn.GaussianNoise(0), x), x)


# --- when


@every_layer
def test_outside_of_training_images_pass_as_they_are(make):
    layer, x = make(), images()
    assert layer(x).data.tobytes() == x.tobytes()
    model = tn.Sequential([tn.Input(x.shape[1:]), make()])
    np.testing.assert_array_equal(model.predict(x), x)


@every_layer
def test_each_step_and_each_seed_draw_anew_and_the_same_seed_the_same(make):
    layer, x = make(), images()
    first = in_training(layer, x)
    assert not np.array_equal(first, x)
    np.testing.assert_array_equal(in_training(layer, x), first)
    assert not np.array_equal(in_training(layer, x, steps=2), first)
    assert not np.array_equal(in_training(layer, x, seed=1), first)


@every_layer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_eager_and_compiled_draw_the_same_bits_for_any_number_of_threads(make, dtype):
    x = images(64, dtype=dtype)
    model = tn.Sequential([tn.Input(x.shape[1:]), make(), make()], dtype=dtype)
    expected = in_training(model, x)
    threads = tn.get_num_threads()
    try:
        for n in (1, 2):
            tn.set_num_threads(n)
            run, mode = tn.compile(lambda images: model(images) * 1.0), tn.train_mode(seed=0)
            with mode:
                compiled = run(x)
            assert np.asarray(compiled).tobytes() == in_training(model, x).tobytes() == expected.tobytes()
    finally:
        tn.set_num_threads(threads)


@every_layer
def test_the_kernels_do_what_the_ops_mean(make):
    x = images(dtype="float64")
    meant = tn.reference()(in_training)(make(), x)
    np.testing.assert_allclose(in_training(make(), x), meant, rtol=1e-10, atol=1e-10)


@every_layer
def test_gradients_flow_through(make):
    layer, mode = make(), tn.train_mode(seed=0)

    def forward(x):
        with mode:
            y = layer(x)
        mode.restore({"seed": 0, "steps": 0})  # so that each call draws the same
        return y

    assert check_gradients(forward, images(3, dtype="float64") / 100, order=1).ok


def test_the_gradient_of_bytes_is_none_and_training_on_them_works():
    x = np.random.default_rng(0).integers(0, 256, (32, 6, 6, 1), np.uint8)
    y = np.arange(32) % 3
    layers = [tn.RandomShift(1), tn.RandomFlip("horizontal"), tn.RandomRotation(0.1), tn.GaussianNoise(0.1)]
    thetas = []
    for compiled in (True, False, True):
        parts = [tn.Input((6, 6, 1), scale=1 / 255), *copy.deepcopy(layers), tn.Flatten(), tn.Dense(3, "softmax")]
        model = tn.Sequential(parts, seed=0, dtype="float64")
        model.fit(x, y, epochs=2, batch_size=10, seed=3, verbose=0, compiled=compiled, optimizer=tn.SGD(0.1))
        thetas.append(model.theta.copy())
    np.testing.assert_allclose(thetas[0], thetas[1], rtol=1e-9)
    np.testing.assert_array_equal(thetas[0], thetas[2])


def test_a_run_is_resumed_to_the_same_bits_from_within_an_epoch(tmp_path):
    class Save:
        def on_batch_end(self, run):
            run.save(tmp_path / f"{run.epoch} {run.batch}")

    def go(**options):
        layers = [tn.RandomShift(1), tn.RandomRotation(0.1), tn.GaussianNoise(0.1), tn.Flatten(), tn.Dense(3)]
        model = tn.Sequential([tn.Input((5, 6, 2), scale=1e-3), *layers], seed=0)
        model.fit(
            images(), np.arange(40) % 3, epochs=2, batch_size=16, seed=1, verbose=0, callbacks=[Save()], **options
        )
        return model.theta.copy()

    whole = go()
    for part in ("0 1", "1 2"):
        np.testing.assert_array_equal(go(resume=tmp_path / part), whole)


@every_layer
def test_a_model_file_gives_the_layer_back(make, tmp_path):
    model, x = tn.Sequential([tn.Input((5, 6, 2)), make()]), images()
    model.save(tmp_path / "model")
    for same in (tn.load(tmp_path / "model"), copy.deepcopy(model)):
        np.testing.assert_array_equal(in_training(same, x), in_training(model, x))


@every_layer
def test_a_batch_of_nothing(make):
    assert in_training(make(), images()[:0]).shape == (0, 5, 6, 2)


# --- arguments


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: tn.RandomShift(-1), "RandomShift: height must be an integer of 0 or more, in pixels, or a float"),
        (lambda: tn.RandomShift(1, 1.5), r"width must be .* but got 1\.5"),
        (lambda: tn.RandomShift(True), "height must be"),
        (lambda: tn.RandomShift("1"), "height must be"),
        (lambda: tn.RandomShift(float("nan")), "height must be"),
        (lambda: tn.RandomFlip("diagonal"), 'mode must be "horizontal_and_vertical", "horizontal" or "vertical"'),
        (lambda: tn.RandomFlip(None), "mode must be"),
        (lambda: tn.RandomRotation(-0.1), r"factor must be a number of 0 or more, or \(low, high\), but got -0\.1"),
        (lambda: tn.RandomRotation((0.2, 0.1)), "factor must be"),
        (lambda: tn.RandomRotation((0.2,)), "factor must be"),
        (lambda: tn.RandomRotation("a"), "factor must be"),
        (lambda: tn.RandomRotation(None), "factor must be"),
        (lambda: tn.RandomRotation(float("inf")), "factor must be"),
        (lambda: tn.GaussianNoise(-1), "GaussianNoise: stddev must be a finite number of 0 or more, but got -1"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(make, says):
    with pytest.raises(ArgumentError, match=says):
        make()


def test_what_are_no_images_is_refused():
    with pytest.raises(ShapeError, match=r"RandomFlip takes images with the axes \(n, H, W, C\), not 3 axes"):
        tn.RandomFlip()(np.ones((2, 3, 3)))
    with pytest.raises(DTypeError, match="floating or uint8, but have dtype int64"):
        in_training(tn.RandomFlip(), np.ones((2, 3, 3, 1), np.int64))
    with pytest.raises(DTypeError):
        in_training(tn.GaussianNoise(1), np.ones((2, 3), np.int64))
