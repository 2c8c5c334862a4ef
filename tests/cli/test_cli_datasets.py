"""The commands on other data than MNIST: named datasets, and a directory of images for each class."""

import json
import re

import numpy as np
import pytest
from PIL import Image

import tinynet as tn
from tests.datasets.mnist_writers import make_arrays, npz_bytes, write
from tinynet.cli import main
from tinynet.datasets.spec import SPECS

RNG = np.random.default_rng(0)
NAMES = ("dark side", "light $1")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A directory of coloured images of two classes, and a run on it with its report."""
    folder = tmp_path_factory.mktemp("kept")
    for label, name in enumerate(NAMES):
        (folder / "photos" / name).mkdir(parents=True)
        for i in range(20):
            level = np.array([40, 30, 20]) + 150 * label
            pixels = (level + RNG.integers(0, 40, (20, 24, 3))).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{i:02}.{'png' if i % 2 else 'jpg'}")
    (folder / "photos" / NAMES[0] / "notes.txt").write_text("no image")
    arguments = [
        "--dataset",
        str(folder / "photos"),
        "--epochs",
        "9",
        "--batch-size",
        "4",
        "--out",
        str(folder / "run"),
    ]
    assert main(["train", "dense", *arguments]) == 0
    return folder


@pytest.fixture
def command(kept, capsys, tmp_path, monkeypatch):
    """Run ``tinynet`` in an empty directory; returns the exit code, what it printed, and its errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYNET_OFFLINE", "1")
    capsys.readouterr()

    def command(*arguments):
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return command


def test_a_run_on_a_directory_keeps_what_the_data_are(kept):
    record = json.loads((kept / "run" / "metrics.json").read_text("utf-8"))
    assert (record["classes"], record["data"]["classes"]) == (2, list(NAMES))
    assert (record["data"]["title"], record["data"]["noun"], record["data"]["left_out"]) == ("photos", "class", 1)
    assert record["data"]["preparation"] == {"shape": [20, 24, 3], "box": 0, "by_mass": False}
    assert set(record["data"]["likeness"]) == {"brightness", "contrast"}
    assert record["reproduce"].startswith(f"tinynet train dense --dataset {kept / 'photos'} --epochs 9")
    assert record["test"]["accuracy"] == 1.0


def test_its_report_speaks_of_its_own_classes(kept):
    page = (kept / "run" / "report.html").read_text("utf-8")
    assert "<title>Dense network on photos</title>" in page
    assert "MNIST" not in page
    assert "digit" not in page
    assert page.count("light $1") > 5
    assert "light $1" in (kept / "run" / "classification_report.txt").read_text("utf-8")


def test_it_is_evaluated_and_reported_again(command, kept):
    code, out, err = command("evaluate", kept / "run")
    assert (code, err) == (0, "")
    assert "Left out: 1 file, as no image could be read from it\n" in out
    assert "test accuracy 1.0000" in out
    assert command("report", kept / "run")[0] == 0


def test_predict_names_the_class_and_says_what_is_unlike(command, kept, tmp_path):
    photo = kept / "photos" / NAMES[1] / "01.png"
    Image.fromarray(np.full((50, 50, 3), 255, np.uint8)).save(tmp_path / "white.png")
    code, out, err = command("predict", kept / "run", photo, "white.png")
    assert (code, err) == (0, "")
    assert re.search(
        rf"^{re.escape(str(photo))}  light \$1 0\.\d+  dark side 0\.\d+\n  24 x 20 PNG$", out, re.MULTILINE
    )
    assert "  Warning: brighter (1) than the training data (" in out


def test_other_photographs_are_taken_in_the_form_of_the_run(command, kept, tmp_path):
    for name in NAMES:
        (tmp_path / "others" / name).mkdir(parents=True)
        for i in range(2):
            Image.new("L", (90, 60), 40 if name == NAMES[0] else 200).save(tmp_path / "others" / name / f"{i}.png")
    code, out, _ = command("evaluate", kept / "run", "--data", "others")
    assert code == 0
    assert "Note: folder (2 + 2 images of 2 classes from others, 20 x 24 in colour) are not the data of the run" in out
    (tmp_path / "others" / NAMES[0]).rename(tmp_path / "others" / "grey")
    code, _, err = command("evaluate", kept / "run", "--data", "others")
    assert code == 1
    assert "their classes are grey, light $1, but the model knows dark side, light $1" in err


def test_every_model_takes_a_directory(command, kept):
    photos = kept / "photos"
    short = ["--epochs", "1", "--no-report"]
    code, out, _ = command("train", "logistic", "--dataset", photos, *short)
    assert code == 0
    assert "Training the logistic regression that tells light $1 from the other classes of photos\n" in out
    code, out, _ = command("train", "softmax", "--dataset", photos, "--size", "9", *short)
    assert code == 0
    assert "  2 classes: dark side, light $1\n" in out
    assert "(None, 9, 9, 3)" in out
    assert command("experiment", "dense", "--dataset", photos, "--variant", "5:relu", *short)[0] == 0
    assert command("profile", "softmax", "--dataset", photos, "--repeats", "1")[0] == 0


def test_another_class_is_told_from_the_others_by_its_name(command, tmp_path):
    archive = write(tmp_path / "a.npz", npz_bytes(make_arrays()))
    fashion = ["--dataset", "fashion_mnist", "--data", archive, "--epochs", "1", "--no-report"]
    code, out, _ = command("train", "logistic", *fashion, "--class", "Bag")
    assert code == 0
    assert "that tells Bag from the other articles of Fashion-MNIST\n" in out
    assert json.loads((tmp_path / "runs" / "logistic" / "metrics.json").read_text("utf-8"))["class"] == "Bag"
    code, _, err = command("train", "logistic", *fashion, "--class", "Hat")
    assert (code, err[:58]) == (1, "tinynet: error: --class must be one of T-shirt/top, Trouse")
    code, out, _ = command("train", "softmax", *fashion, "--out", "mine")
    assert code == 0
    assert "Training the softmax regression (softmax) on Fashion-MNIST\n" in out
    assert re.search(r"^ +Ankle boot +\d\.\d{4}", out, re.MULTILINE)
    assert command("evaluate", "mine")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--dataset", "cifar"],
            f"'cifar' is neither one of {', '.join(SPECS)}, digits nor a path that exists",
        ),
        (["--dataset", "mnist", "--size", "9", "--data", "sample"], "images of MNIST have a size already"),
        (["--dataset", ".", "--data", "full"], "source='full' is of datasets with a name"),
        (["--dataset", "kmnist"], "KMNIST is not in the cache"),
        (["--class", "5", "--data", "sample"], "--class: cnn has no such option; logistic has"),
        (["--dataset", "digits", "--data", "sample"], "source='sample' is of datasets whose files are read"),
    ],
)
def test_what_is_no_data_is_told_and_leaves_nothing(arguments, message, command, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    code, _, err = command("train", "cnn", *arguments)
    assert code == 1
    assert message in err
    assert not list(tmp_path.glob("runs/*"))


def test_images_that_are_too_small_for_a_model_cost_no_run(command, kept, tmp_path):
    assert command("train", "cnn", "--dataset", kept / "photos", "--size", "8")[0] == 1
    assert not list(tmp_path.glob("runs/*"))


def test_digits_need_no_file(command):
    code, out, _ = command("train", "softmax", "--dataset", "digits", "--epochs", "1", "--no-report")
    assert code == 0
    assert f"Data: {tn.datasets.digits().source}\n" in out
