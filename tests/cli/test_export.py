"""A run leaves tinynet as an ONNX file, and ONNX files tell digits on the command line."""

import numpy as np
import pytest
from PIL import Image

import tinynet as tn
from tinynet.cli import main

onnx = pytest.importorskip("onnx", reason="the package onnx is missing, which the extra test brings")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run, and an image."""
    place = tmp_path_factory.mktemp("run")
    (x_train, y_train), (x_test, y_test) = tn.datasets.mnist("sample")
    np.savez(place / "mnist.npz", x_train=x_train[:99], y_train=y_train[:99], x_test=x_test[:20], y_test=y_test[:20])
    Image.fromarray(x_test[0]).save(place / "a.png")
    words = ["train", "softmax", "--epochs", "1", "--no-report", "--data", str(place / "mnist.npz")]
    assert main([*words, "--out", str(place / "run")]) == 0
    return place


def cells(text):
    """The rows of numbers of a table of digits."""
    return [line.split()[1:] for line in text.splitlines() if line.split()[:1] and line.split()[0].endswith(".png")]


def test_an_exported_run_predicts_the_same_digits(run, tmp_path, capsys):
    path = tmp_path / "digits.onnx"
    assert main(["export", str(run / "run"), "--onnx", str(path)]) == 0
    assert "it takes images (N, 28, 28, 1) of float32 from 0 to 255" in capsys.readouterr().out
    found = []
    for model in (run / "run", path):
        assert main(["predict", str(model), str(run / "a.png")]) == 0
        found.append(cells(capsys.readouterr().out))
    assert found[0] == found[1]
    assert len(found[0][0]) == 11


def test_a_file_that_is_there_is_replaced_by_force_alone(run, tmp_path, capsys):
    path = tmp_path / "digits.onnx"
    path.write_text("mine")
    assert main(["export", str(run / "run"), "--onnx", str(path)]) == 1
    assert "--force" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert main(["export", str(run / "run"), "--onnx", str(path), "--force"]) == 0
    assert onnx.load(path).producer_name == "tinynet"


def test_logits_become_probabilities_and_pixels_are_scaled_where_the_file_does_not(run, tmp_path, capsys):
    class Upright(tn.Model):
        """Images N C H W of pixels up to 1, as other programs train on."""

        def __init__(self):
            super().__init__(input_shape=(1, 28, 28), seed=0)
            self.flatten, self.dense = tn.Flatten(), tn.Dense(10)

        def forward(self, x):
            return self.dense(self.flatten(x))

    model, path = Upright(), tmp_path / "m.onnx"
    tn.onnx.save(model, path)
    assert main(["predict", str(path), str(run / "a.png"), "--scale", str(1 / 255)]) == 0
    with Image.open(run / "a.png") as image:
        wanted = tn.ops.softmax(model(np.asarray(image)[None, None] / 255)).data[0]
    (row,) = cells(capsys.readouterr().out)
    assert row == [str(wanted.argmax()), *(f"{p:.3f}" for p in wanted)]


def test_a_file_that_takes_no_digits_is_refused(run, tmp_path, capsys):
    tn.onnx.save(tn.Sequential([tn.Input((4,)), tn.Dense(2)]), tmp_path / "m.onnx")
    for name, says in (("m.onnx", "images of 28 x 28"), ("none.onnx", "is not a file")):
        assert main(["predict", str(tmp_path / name), str(run / "a.png")]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert says in err
