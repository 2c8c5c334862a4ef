"""The page that one can draw on: what it holds, what it refuses, and in a browser, that it computes and shows it."""

import base64
import hashlib
import json
import re
from contextlib import nullcontext

import numpy as np
import pytest

import tinynet as tn
from tests.report import browser
from tinynet.datasets.images import read_sample
from tinynet.errors import ArgumentError, ShapeError
from tinynet.recipes import RECIPES

RNG = np.random.default_rng(0)
HOSTILE = ["</script><script>window.broken = 1</script>", "\"'`", "$style", "<img src=x onerror='window.broken = 2'>",
           "a\u2028b", "&lt;b&gt;", "-->", "]]>", "${1 + 1}", "\\"]  # fmt: skip


def small(*layers, shape=(8, 8, 1), dtype="float32", **arguments):
    return tn.Sequential([tn.Input(shape, **arguments), *layers], seed=0, dtype=dtype)


def grey():
    return small(tn.Flatten(), tn.Dense(10, "softmax"), scale=1 / 255)


def images(*shape, n=12):
    return RNG.integers(0, 256, (n, *shape), dtype=np.uint8)


def facts(path):
    """What the page holds."""
    text = path.read_text("utf-8")
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


# --- what is refused, before anything is written


class _Own(tn.Dense):
    pass


REFUSED = {
    "no model": (lambda: "cnn", "the model is a str, but"),
    "another model": (lambda: tn.Model(input_shape=(8, 8, 1), seed=0), "but the page shows a Sequential"),
    "not images": (lambda: small(tn.Dense(2), shape=(8,)), r"samples of shape \(8,\)"),
    "two channels": (lambda: small(tn.Flatten(), tn.Dense(2), shape=(8, 8, 2)), r"samples of shape \(8, 8, 2\)"),
    "large images": (lambda: small(tn.Flatten(), tn.Dense(2), shape=(65, 8, 1)), "up to 64 x 64"),
    "a layer": (lambda: small(tn.Conv2DTranspose(2, 3), tn.Flatten(), tn.Dense(2)), "is a Conv2DTranspose; the page"),
    "within": (lambda: small(tn.Residual([tn.Conv2DTranspose(1, 1)]), tn.Flatten(), tn.Dense(2)), "Conv2DTranspose"),
    "a layer of one's own": (lambda: small(tn.Flatten(), _Own(2)), "is a _Own; the page shows"),
    "an activation": (lambda: small(tn.Flatten(), tn.Dense(2, tn.ops.exp)), "an activation of your own"),
    "images out": (lambda: small(tn.Conv2D(2, 3)), r"outputs of model .* have shape \(6, 6, 2\)"),
    "nothing": (lambda: tn.Sequential([tn.Input((8, 8, 1))], seed=0), "no layer but its Input"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_shown_is_refused_before_a_file_is_there(name, tmp_path):
    make, says = REFUSED[name]
    with pytest.raises(ArgumentError, match=says):
        tn.report.playground(make(), tmp_path / "play.html")
    assert not list(tmp_path.iterdir())


def test_parameters_that_are_not_finite_are_refused(tmp_path):
    model = grey()
    model.theta[3] = np.nan
    with pytest.raises(ArgumentError, match="not all finite"):
        tn.report.playground(model, tmp_path / "play.html")


@pytest.mark.parametrize(
    ("error", "says", "arguments"),
    [
        (ArgumentError, "10 classes apart, but got 2 names", {"names": ["a", "b"]}),
        (ArgumentError, "a sequence of texts", {"names": "0123456789"}),
        (ArgumentError, "a Dataset or", {"data": images(8, 8)}),
        (ShapeError, r"shape \(8, 8, 1\)", {"data": (images(8, 9), None)}),
        (ShapeError, "for each of 12 images", {"data": (images(8, 8), np.zeros(11, int))}),
        (ArgumentError, "from 0 to 9, but are from 10 to 10", {"data": (images(8, 8), np.full(12, 10))}),
        (ArgumentError, "from 0 to 9, but are from -1 to -1", {"data": (images(8, 8), np.full(12, -1))}),
        (ArgumentError, "10 classes apart, but got 0 names", {"names": []}),
        (ArgumentError, r"samples of shape \(28, 28, 1\), but", {"preparation": tn.datasets.digits().preparation}),
        (ArgumentError, "not finite", {"data": (np.full((2, 8, 8), np.inf), None)}),
        (ArgumentError, "all values of the images are 3", {"data": (np.full((2, 8, 8), 3), None)}),
    ],
)
def test_data_that_do_not_fit_the_model_are_refused(error, says, arguments, tmp_path):
    with pytest.raises(error, match=says):
        tn.report.playground(grey(), tmp_path / "play.html", **arguments)
    assert not list(tmp_path.iterdir())


def test_without_images_the_input_must_say_what_a_drawing_is(tmp_path):
    tn.report.playground(grey(), tmp_path / "play.html")
    found = facts(tmp_path / "play.html")
    assert (found["levels"], found["integers"], found["paper"]) == ([0, 255], True, 0)
    with pytest.raises(ArgumentError, match="give some of them"):
        tn.report.playground(small(tn.Flatten(), tn.Dense(2), shift=3.0), tmp_path / "other.html")


# --- what the page holds


def test_images_say_which_values_a_drawing_has_and_what_its_ground_is(tmp_path):
    path = tmp_path / "play.html"
    for data, levels, integers, paper in [
        (np.pad(np.full((3, 6, 6), 200, np.uint8), ((0, 0), (1, 1), (1, 1))), [0, 255], True, 0),
        (np.pad(np.ones((3, 6, 6)), ((0, 0), (1, 1), (1, 1))), [0, 1], False, 0),
        (1 - np.pad(np.ones((3, 6, 6)), ((0, 0), (1, 1), (1, 1))), [0, 1], False, 1),
        (np.pad(np.full((3, 6, 6), 16), ((0, 0), (1, 1), (1, 1))), [0, 16], True, 0),
    ]:
        tn.report.playground(grey(), path, (data, None))
        found = facts(path)
        assert (found["levels"], found["integers"], found["paper"]) == (levels, integers, paper)


def test_two_hundred_images_are_kept_from_all_of_a_set_that_is_larger(tmp_path):
    x = np.zeros((1000, 8, 8), np.uint8)
    x[:, 4, 4] = 1 + np.arange(1000) // 4
    tn.report.playground(grey(), tmp_path / "play.html", (x, np.arange(1000) // 100))
    found = facts(tmp_path / "play.html")
    kept = np.frombuffer(base64.b64decode(found["images"]["pixels"]), np.uint8).reshape(-1, 8, 8)
    assert len(kept) == found["images"]["count"] == 200
    assert set(found["labels"]) == set(range(10))
    np.testing.assert_array_equal(kept[[0, -1]], x[[0, -1]])
    assert found["predicted"] == grey().predict(kept).argmax(axis=1).tolist()


def test_the_policy_of_the_page_allows_its_own_script_and_style_and_nothing_else(tmp_path):
    tn.report.playground(grey(), tmp_path / "play.html")
    text = (tmp_path / "play.html").read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{rule} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none'; ")
    assert not re.search(r"https?:|unsafe", text.replace("http-equiv", ""))


def test_a_name_that_is_no_text_is_written_with_its_bytes(tmp_path):
    tn.report.playground(grey(), tmp_path / "play.html", title="caf\udce9")
    assert r"<h1>caf\xe9</h1>" in (tmp_path / "play.html").read_text("utf-8")


def test_names_and_titles_stay_in_their_places(tmp_path):
    tn.report.playground(grey(), tmp_path / "play.html", names=HOSTILE, title=HOSTILE[0])
    text = (tmp_path / "play.html").read_text("utf-8")
    assert facts(tmp_path / "play.html")["names"] == HOSTILE
    assert text.count("</script>") == 2
    assert "<title>&lt;/script&gt;&lt;script&gt;" in text
    assert "<img src=x" not in text


# --- in a browser


def every_layer():
    """A model in colour with each kind of layer that the page knows, and states that are not those of the start."""
    model = small(
        tn.RandomShift(1), tn.Conv2D(5, 3, stride=2, padding="same", activation="gelu"), tn.BatchNorm(),
        tn.Residual([tn.Conv2D(6, 3, padding="same"), tn.ReLU(), tn.Dropout(0.5)], tn.Conv2D(6, 1, use_bias=False)),
        tn.AvgPool(2, padding="same"), tn.UpSampling(2), tn.LayerNorm(), tn.MaxPool(3, 2, padding="same"),
        tn.Activation("elu"), tn.Reshape((3, -1)), tn.Dense(4, "silu"), tn.Flatten(), tn.Dense(9, "softplus"),
        tn.GaussianNoise(0.1), tn.Dense(8, "leaky_relu"), tn.LayerNorm(), tn.Dense(7, "tanh"), tn.Dense(10, "sigmoid"),
        shape=(9, 11, 3), shift=[100.0, 110.0, 120.0], scale=1 / 60,
    )  # fmt: skip
    model.build_model()
    for name, state in model.states.items():
        state.memory[...] = (
            RNG.uniform(0.5, 1.5, state.shape) if name.endswith("variance") else RNG.normal(size=state.shape)
        )
    model.theta[...] += 0.2 * RNG.normal(size=model.theta.size)
    return model


MODELS = {
    "the reference CNN": lambda: RECIPES["cnn"].model(seed=1),
    "each layer": every_layer,
    "global pooling, in float64": lambda: small(
        tn.Conv2D(8, 3), tn.Residual([tn.Conv2D(8, 3, padding="same")]), tn.GlobalAvgPool(), tn.Dense(3),
        shape=(64, 64, 3), scale=1 / 255, dtype="float64",
    ),
    "one probability": lambda: small(tn.Conv2D(4, 3), tn.GlobalMaxPool(), tn.Dense(1), tn.Sigmoid(), scale=0.01),
    "an image of two axes": lambda: small(tn.Dense(5), tn.Flatten(), tn.Dense(3), tn.Softmax(), shape=(8, 7)),
}  # fmt: skip


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    driver = browser.start(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The page of a CNN that reads digits, the model, and its data."""
    data = tn.datasets.digits()
    model = RECIPES["cnn"].for_data(data, seed=0)
    model.fit(data.x_train, data.y_train, epochs=4, optimizer=tn.SGD(0.05), seed=0, verbose=0)
    path = tmp_path_factory.mktemp("trained") / "play.html"
    tn.report.playground(model, path, data)
    return path, model, data


def sample(driver):
    return np.array(driver.execute_script("return Array.from(playground.sample())"))


def shown(driver, id):
    return driver.find_element("id", id).text


def score(model, x):
    """The outputs of a model before a softmax or sigmoid at its end, as the gradient of the page is of these."""
    last = model.layers[-1]
    kept, last_activation = model.layers, getattr(last, "activation", None)
    if isinstance(last, tn.Softmax | tn.Sigmoid):
        kept = model.layers[:-1]
    elif last_activation is not None:
        last.activation = None
    try:
        for layer in kept:
            x = layer(x)
    finally:
        if last_activation is not None:
            last.activation = last_activation
    return x


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_page_computes_what_predict_computes_and_its_gradient(name, driver, tmp_path):
    model = MODELS[name]()
    n = 200 if name == "the reference CNN" else 20
    x = images(*model.input.shape, n=n)
    tn.report.playground(model, tmp_path / "play.html", (x, None))
    browser.open_page(driver, tmp_path / "play.html")
    found = driver.execute_script("return playground.images.map((x) => Array.from(playground.model.predict(x)))")
    assert np.shape(found)[0] == n
    with nullcontext() if name == "the reference CNN" else tn.reference():  # the kernels of all these are not built
        np.testing.assert_allclose(found, model.predict(x), rtol=0, atol=1e-4)
    k = np.shape(found)[1] - 1
    slopes = driver.execute_script(
        "return [0, 1, 2].map((i) => { const m = playground.model;"
        " return Array.from(m.gradient(m.run(playground.images[i]), arguments[0])); })", k
    )  # fmt: skip
    with tn.reference():
        inputs = tn.Tensor(x[:3].astype(np.float64), requires_grad=True)
        (expected,) = tn.grad(score(model, inputs)[:, k].sum(), [inputs])
    assert np.abs(expected.data).max() > 0
    np.testing.assert_allclose(slopes, expected.data.reshape(3, -1), rtol=0, atol=1e-4 * np.abs(expected.data).max())
    assert browser.complaints(driver) == []


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_drawing_is_read_and_its_sample_is_that_of_predict(width, dark, driver, trained, tmp_path):
    path, model, _ = trained
    browser.open_page(driver, path, width, dark)
    browser.find(driver, "clear").click()
    pad = browser.find(driver, "pad")
    browser.stroke(driver, pad, [(0.2, 0.2), (0.6, 0.2), (0.4, 0.6)], "touch" if width < 500 else "mouse")
    assert shown(driver, "answer").startswith("7 ")
    drawing = driver.execute_script("const p = playground.pad; return [p.height, p.width, Array.from(p.values)]")
    np.save(tmp_path / "drawing.npy", np.rint(255 * np.reshape(drawing[2], drawing[:2])).astype(np.uint8))
    expected = read_sample(tmp_path / "drawing.npy", tn.datasets.digits().preparation).pixels
    assert np.abs(sample(driver).reshape(28, 28) - expected).max() <= 3
    found = driver.execute_script("return Array.from(playground.values())")
    np.testing.assert_allclose(found, model.predict(sample(driver).reshape(1, 28, 28))[0], rtol=0, atol=1e-4)
    assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    colours = driver.execute_script("const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]")
    text, ground = (np.mean([int(n) for n in re.findall(r"\d+", colour)[:3]]) for colour in colours)
    assert (text > 200 and ground < 50) if dark else (text < 50 and ground > 200)
    assert browser.complaints(driver) == []


@pytest.mark.slow
def test_everything_can_be_done_with_the_keyboard(driver, trained):
    from selenium.webdriver.common.keys import Keys

    path, model, data = trained
    browser.open_page(driver, path)
    browser.press(driver, Keys.TAB)
    assert driver.switch_to.active_element.get_attribute("id") == "pad"
    browser.press(driver, Keys.DELETE, *[Keys.UP] * 9, Keys.SPACE, *[Keys.DOWN] * 18, Keys.SPACE, Keys.RIGHT)
    assert shown(driver, "answer").startswith("1 ")
    browser.press(driver, Keys.DELETE)
    assert sample(driver).max() == 0
    assert "empty pad" in shown(driver, "pad-state")
    driver.execute_script("document.querySelector('#tests-images button').focus()")
    browser.press(driver, Keys.RIGHT, Keys.RIGHT)
    chosen = data.x_test[np.linspace(0, len(data.x_test) - 1, 200).astype(int)][2]
    np.testing.assert_array_equal(sample(driver).reshape(28, 28), chosen)
    assert shown(driver, "answer").startswith(f"{model.predict(chosen[None])[0].argmax()} ")
    driver.execute_script("document.querySelector('#layers canvas').focus()")
    browser.press(driver, Keys.DOWN, Keys.RIGHT, Keys.RIGHT, Keys.PAGE_DOWN)
    assert shown(driver, "look-title") == "Conv1, image 1, row 1, column 2"
    assert "rows 1 to 3, columns 2 to 4 of the image" in shown(driver, "look-body")
    assert browser.complaints(driver) == []


@pytest.mark.slow
def test_a_test_image_goes_in_as_it_is_also_when_it_is_drawn_over(driver, trained):
    path, _, data = trained
    browser.open_page(driver, path)
    first = data.x_test[0]
    np.testing.assert_array_equal(sample(driver).reshape(28, 28), first)
    browser.stroke(driver, browser.find(driver, "pad"), [(0.03, 0.5), (0.03, 0.6)])
    changed = sample(driver).reshape(28, 28)
    np.testing.assert_array_equal(changed[:, 5:], first[:, 5:])
    assert changed[:, :5].max() > 200


@pytest.mark.slow
def test_what_was_seen_is_what_changes_a_value(driver, tmp_path):
    """The pixels that the page says a value depends on are those whose change reaches it."""
    model = small(
        tn.Conv2D(2, 3, stride=2, padding="same"), tn.AvgPool(2), tn.Conv2D(2, 2), tn.Flatten(), tn.Dense(3),
        shape=(17, 14, 1),
    )  # fmt: skip
    tn.report.playground(model, tmp_path / "play.html", (images(17, 14), None))
    browser.open_page(driver, tmp_path / "play.html")
    found = driver.execute_script(
        "const layers = playground.model.layers.slice(0, 3);"
        "return layers.reduceRight((area, layer) => Network.seen(layer, area), [1, 1, 1, 1])"
    )
    x = tn.Tensor(np.zeros((1, 17, 14, 1)), requires_grad=True)
    with tn.reference():
        y = x
        for layer in model.layers[1:4]:
            y = layer(y)
        (slope,) = tn.grad(y[0, 1, 1].sum(), [x])
    rows, columns = np.nonzero(slope.data[0, :, :, 0])
    assert found == [rows.min(), columns.min(), rows.max(), columns.max()]


@pytest.mark.slow
def test_hostile_names_are_shown_as_text(driver, tmp_path):
    tn.report.playground(grey(), tmp_path / "play.html", (images(8, 8), np.arange(12) % 10), HOSTILE, HOSTILE[0])
    browser.open_page(driver, tmp_path / "play.html")
    names = driver.execute_script("return [...document.querySelectorAll('#bars .name')].map((e) => e.textContent)")
    assert names == HOSTILE
    assert driver.title == HOSTILE[0]
    assert driver.execute_script("return window.broken ?? null") is None
    assert browser.complaints(driver) == []
