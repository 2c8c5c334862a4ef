"""Models from Python files of the user's: what is run, what is refused, and what comes back from a run."""

import json
import sys

import numpy as np
import pytest

import tinynet as tn
from tinynet.cli import main

MODEL = """
import tinynet as tn

class Scale(tn.Layer):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor

class Net(tn.Model):
    def __init__(self, shape, outputs):
        super().__init__(shape)
        self.flat, self.out = tn.Flatten(), tn.Dense(outputs, activation="softmax")

    def forward(self, x):
        return self.out(self.flat(x))

def stack(input_shape, outputs, *layers, end="softmax"):
    return tn.Sequential(
        [tn.Input(input_shape, scale=1 / 255), *layers, tn.Flatten(), tn.Dense(outputs, activation=end)]
    )

def make(input_shape, outputs):
    return stack(input_shape, outputs)

def scaled(input_shape, outputs):
    return stack(input_shape, outputs, Scale(2.0))

def alone():
    return stack((28, 28, 1), 10)

def narrow():
    return stack((28, 28, 1), 7)

def logits(input_shape, outputs):
    return stack(input_shape, outputs, end=None)

def colour():
    return stack((32, 32, 3), 10)

def many(a, b, c):
    return a

def nothing():
    pass

def helper():
    return {}["width"]

def fails(input_shape, outputs):
    return helper()

def leaves():
    raise SystemExit(3)

class Sizes(tn.Layer):
    def __init__(self, *sizes):
        super().__init__()

    def forward(self, x):
        return x

def unsaved():
    return stack((28, 28, 1), 10, Sizes(1))

model = alone()
number = 5
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "broken.py").write_text("import nosuchmodule")
    (tmp_path / "wrong.py").write_text("def make(:")
    (tmp_path / "empty.py").write_text("")
    return tmp_path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    (x_train, y_train), (x_test, y_test) = tn.datasets.mnist("sample")
    path = tmp_path_factory.mktemp("data") / "mnist.npz"
    np.savez(path, x_train=x_train[:100], y_train=y_train[:100], x_test=x_test[:50], y_test=y_test[:50])
    return str(path)


def train(data, model, *options):
    return main(["train", model, "--data", data, "--epochs", "1", "--no-report", *options])


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("nosuch.py:make", "there is no file nosuch.py; give the path of a Python file, such as model.py:make"),
        ("model.py", "name the function or the model in model.py, too, such as model.py:make"),
        ("model.py:", "name the function or the model in model.py, too"),
        ("model.py:mak", "model.py has no 'mak'; it has Scale, Net, stack, make, scaled, alone,"),
        ("model.py:number", "model.py:number must be a model, or a function that returns one, but is 5"),
        ("model.py:many", "must take (input_shape, outputs), such as (28, 28, 1) and 10, or no arguments"),
        ("model.py:nothing", "model.py:nothing must be or return a model, such as a tn.Sequential, but got None"),
        ("model.py:narrow", "of 2 images the output must have shape (2, 10), a probability for each of the 10 classes"),
        ("model.py:logits", "the outputs must be probabilities, but those of an image are"),
        ("model.py:colour", "cannot take the images: layer 'input' (InputLayer) takes samples of shape (32, 32, 3)"),
        ("model.py:unsaved", "model.py:unsaved cannot be saved and loaded again: 'sizes' (Sizes): a layer made with"),
        ("model.py:leaves", "model.py:leaves cannot be made: SystemExit: 3"),
        ("broken.py:make", "broken.py cannot be run: ModuleNotFoundError: No module named 'nosuchmodule'"),
        ("wrong.py:make", "wrong.py cannot be run: SyntaxError: invalid syntax"),
    ],
)
def test_what_is_no_model_is_refused_before_anything_is_written(model, says, place, data, capsys):
    assert train(data, model, "--out", "run") == 1
    assert says in capsys.readouterr().err.splitlines()[-1]
    assert not (place / "run").exists()


def test_an_exception_in_the_file_is_shown_with_the_lines_that_led_to_it(data, capsys):
    assert train(data, "model.py:fails") == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(", in ")[-1].strip() for line in lines[:-1]] == [
        "fails",
        "return helper()",
        "helper",
        'return {}["width"]',
    ]
    assert lines[-1] == "tinynet: error: model.py:fails cannot be made: KeyError: 'width'"


def test_augmentation_of_a_model_that_is_no_stack_is_refused(data, capsys):
    assert train(data, "model.py:Net", "--augment", "flip") == 1
    assert (
        "--augment puts layers behind the Input of a new tn.Sequential, which model.py:Net is not"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("name", ["make", "alone"])
def test_a_model_of_tinynets_layers_comes_back_without_the_file(name, place, data, capsys):
    assert train(data, f"model.py:{name}", "--augment", "shift=1", "--out", "run") == 0
    assert "Training the model" in (out := capsys.readouterr().out)
    assert f"model {name} of model.py" in out
    assert "Adam, learning rate 0.001" in out
    (place / "model.py").unlink()
    assert main(["evaluate", "run"]) == 0
    assert f"model {name} of model.py" in capsys.readouterr().out


@pytest.mark.slow
def test_a_model_of_the_users_has_a_report(place, data):
    assert main(["train", "model.py:scaled", "--data", data, "--epochs", "1", "--out", "run"]) == 0
    page = (place / "run" / "report.html").read_text("utf-8")
    assert "<h1>Model scaled of model.py on MNIST</h1>" in page
    assert "course text" not in page


def test_the_seed_decides_the_initial_parameters(place, data):
    for seed in "112":
        assert train(data, "model.py:make", "--seed", seed, "--out", f"run{len(list(place.glob('run*')))}") == 0
    digests = [json.loads((place / f"run{i}" / "metrics.json").read_text())["parameters"]["sha256"] for i in range(3)]
    assert digests[0] == digests[1] != digests[2]


def test_classes_of_the_users_need_the_file_and_it_is_run_only_if_it_is_named(place, data, capsys):
    assert train(data, "model.py:scaled", "--out", "run") == 0
    with (place / "model.py").open("a") as file:
        file.write("print('the file is run')\n")
    capsys.readouterr()
    assert main(["evaluate", "run"]) == 1
    out, err = capsys.readouterr()
    assert "which is then run: --code model.py (the file names 'Scale', which is not one of tinynet's own)" in err
    assert "the file is run" not in out
    assert main(["evaluate", "run", "--code", "empty.py"]) == 1
    assert "empty.py does not define it" in capsys.readouterr().err
    assert main(["evaluate", "run", "--code", "nosuch.py"]) == 1
    assert "there is no file nosuch.py" in capsys.readouterr().err
    assert main(["evaluate", "run", "--code", "model.py"]) == 0
    assert "the file is run" in capsys.readouterr().out


def test_a_run_of_a_model_of_the_users_goes_on_in_the_same_bits(place, data, capsys):
    assert train(data, "model.py:scaled", "--out", "whole", "--epochs", "2") == 0
    assert train(data, "model.py:scaled", "--out", "part") == 0
    assert train(data, "model.py:scaled", "--out", "part", "--epochs", "2", "--resume") == 0
    digests = [json.loads((place / name / "metrics.json").read_text())["parameters"] for name in ("whole", "part")]
    assert digests[0] == digests[1]
    capsys.readouterr()
    assert train(data, "model.py:make", "--out", "part", "--resume") == 1
    assert "was started with model model.py:scaled, now model.py:make" in capsys.readouterr().err
