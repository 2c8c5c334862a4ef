"""The commands that take up a finished run: evaluate, predict and report; and what a run leaves to look at."""

import csv
import errno
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tinynet as tn
from tinynet.cli import main
from tinynet.report import run
from tinynet.report.page import render
from tinynet.report.run import subject_of_run
from tinynet.report.sections import made_sections

FIGURES = {"calibration", "class_distribution", "confused_pairs", "confusion", "data_grid", "filters", "learning_curve",
           "loss_by_step", "mislabelled", "model_diagram", "predictions", "thresholds", "worst_mistakes"}  # fmt: skip
REPORT = {"classification_report.txt", "report.html", "playground.html"} | {f"{name}.png" for name in FIGURES}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A run of a tenth of the sample, with its report, and the data that it used."""
    (x_train, y_train), (x_test, y_test) = tn.datasets.mnist("sample")
    folder = tmp_path_factory.mktemp("kept")
    parts = {"x_train": x_train[:400], "y_train": y_train[:400], "x_test": x_test[:100], "y_test": y_test[:100]}
    np.savez(folder / "mnist.npz", **parts)
    arguments = ["--data", str(folder / "mnist.npz"), "--epochs", "2", "--lr", "0.1", "--out", str(folder / "run")]
    assert main(["train", "softmax", *arguments]) == 0
    return folder


@pytest.fixture
def place(kept, tmp_path, monkeypatch):
    """An empty directory to work in, but for a copy of the run, "run"."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(kept / "run", tmp_path / "run")
    return tmp_path


@pytest.fixture
def command(place, capsys):
    """Run ``tinynet``; returns the exit code, what it printed, and its errors."""
    capsys.readouterr()

    def command(*arguments):
        code = main(list(arguments))
        return code, *capsys.readouterr()

    return command


def record(directory):
    return json.loads((directory / "metrics.json").read_text("utf-8"))


def change(directory, change):
    """Change the record of a run."""
    found = record(directory)
    change(found)
    (directory / "metrics.json").write_text(json.dumps(found), "utf-8")


# --- what a run leaves


def test_a_run_leaves_every_figure_the_scores_and_the_page(place):
    left = {path.name for path in (place / "run").iterdir()}
    assert left - {"metrics.json", "best.safetensors", "last.safetensors", "settings.json"} == REPORT
    for name in FIGURES:
        with Image.open(place / "run" / f"{name}.png") as image:
            assert image.width == 1120  # 5.6 inches, 200 points each
    scores = (place / "run" / "classification_report.txt").read_text("utf-8")
    assert re.search(r"^ +accuracy +0\.\d{4} +100$", scores, re.MULTILINE)


def test_the_page_needs_nothing_but_itself_and_has_all_figures_with_a_description(place):
    page = (place / "run" / "report.html").read_text("utf-8")
    images = re.findall(r'<img alt="([^"]+)" src="(data:image/png;base64,)', page)
    assert len(images) == len(FIGURES)
    assert all(len(alt) > 40 for alt, _ in images)
    assert "<script" not in page
    assert not re.search(r"(src|href|url)\s*[=(]\s*[\"']?\s*(https?:|//|file:|/)", page)


def test_the_page_has_the_figures_of_the_record(place):
    page, found = (place / "run" / "report.html").read_text("utf-8"), record(place / "run")
    for value in (*found["test"].values(), *found["history"]["loss"], *found["history"]["val_accuracy"]):
        assert f"{value:.4f}" in page
    assert found["reproduce"] in re.sub("</?span>", "", page)  # whose words are not broken
    assert found["data"]["sha256"] in page
    assert f"<td>{found['seed']}</td>" in page


# --- evaluate


def test_evaluate_gives_the_figures_of_the_run(command, place):
    code, out, err = command("evaluate", "run")
    assert (code, err) == (0, "")
    found = record(place / "run")
    assert f"Test loss {found['test']['loss']:.4f}, test accuracy {found['test']['accuracy']:.4f}\n" in out
    assert (place / "run" / "classification_report.txt").read_text("utf-8") in out


def test_evaluate_on_other_data_says_so(command):
    code, out, _ = command("evaluate", "run", "--data", "sample")
    assert code == 0
    assert re.search("^Note: sample .* are not the data of the run, which were part ", out, re.MULTILINE)
    assert "1,000 test images" in out


@pytest.mark.parametrize(("name", "exit_code"), [("evaluate", 0), ("report", 1)])
def test_data_that_have_changed_since_the_run_are_told(name, exit_code, command, kept, place):
    data = tn.datasets.load_mnist(kept / "mnist.npz")
    arrays = {key: getattr(data, key) for key in ("x_train", "y_train", "x_test", "y_test")}
    np.savez(place / "mnist.npz", **arrays)
    assert command("train", "softmax", "--data", "mnist.npz", "--epochs", "1", "--no-report", "--out", "mine")[0] == 0
    np.savez(place / "mnist.npz", **{**arrays, "y_test": arrays["y_test"][::-1]})
    code, out, err = command(name, "mine")
    assert code == exit_code
    told = (
        f"(400 + 100 images from {place / 'mnist.npz'}) are not the data of the run any more: they have changed since"
    )
    assert told in (err if exit_code else out)


# --- report


def test_report_writes_the_same_again(command, place):
    before = {name: (place / "run" / name).read_bytes() for name in REPORT}
    for name in REPORT:
        (place / "run" / name).unlink()
    code, out, _ = command("report", "run")
    assert code == 0
    assert out.endswith("open run/report.html in a browser\n")
    assert {name: (place / "run" / name).read_bytes() for name in REPORT} == before


def test_figures_come_in_other_formats_too_on_request(command, place, monkeypatch):
    monkeypatch.setattr(tn.report.run, "encode", lambda figure, name: name.encode())
    assert command("report", "run", "--also", "svg")[0] == 0
    assert {path.stem for path in (place / "run").glob("*.svg")} == FIGURES


def test_a_directory_that_cannot_be_written_to_is_told_first(command, place, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    monkeypatch.setattr(tn.Model, "predict", refused)
    code, _, err = command("report", "run")
    assert code == 1
    assert "the directory run cannot be made or written to (Permission denied), so there is no place for" in err


def test_report_refuses_other_data_than_those_of_the_run(command, place):
    (place / "run" / "report.html").unlink()
    code, _, err = command("report", "run", "--data", "sample")
    assert code == 1
    assert "are not the data of the run, which were part (400 + 100 images" in err
    assert not (place / "run" / "report.html").exists()


def test_nothing_of_a_record_becomes_part_of_the_page(command, place):
    hostile = "<script>alert('&')</script>"

    def poison(found):
        for name in ("title", "command", "reproduce", "finished"):
            found[name] = hostile
        found["data"]["source"] = found["machine"]["platform"] = found["versions"]["numpy"] = hostile
        found["hyper_parameters"][hostile] = hostile
        found["history"][hostile] = [1.0, 2.0]
        found["data"]["arrays"][hostile] = {"shape": [1], "dtype": hostile, "min": 0, "max": 1}

    change(place / "run", poison)
    assert command("report", "run")[0] == 0
    page = (place / "run" / "report.html").read_text("utf-8")
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;") >= 10


@pytest.mark.parametrize("origin", ["/no/such/mnist.npz", "m" * 5000])
def test_data_that_are_gone_are_told(origin, command, place):
    change(place / "run", lambda found: found["data"].update(origin=origin))
    code, _, err = command("evaluate", "run")
    assert code == 1
    assert f"the data of the run, {origin}, are not there any more; name them with --data" in err


# --- predict


def test_predict_gives_the_class_of_test_images_with_its_probability(command, place):
    _, (images, _) = tn.datasets.mnist("sample")
    Image.fromarray(images[0]).save(place / "a.png")
    np.save(place / "b.npy", 255 - images[1])
    code, out, err = command("predict", "run", "a.png", "b.npy")
    assert (code, err) == (0, "")
    model = tn.load(place / "run" / "best.safetensors")
    for name, row in zip(("a.png", "b.npy"), model.predict(images[:2]), strict=True):
        line = re.search(rf"^{name} +(.*)$", out, re.MULTILINE)[1].split()
        assert line == [str(row.argmax()), *(f"{p:.3f}" for p in row)]
    assert "\n  28 x 28 PNG\n" in out
    assert "\n  28 x 28 array; dark on light: inverted\n" in out


def test_every_file_is_tried_and_one_that_is_no_image_is_told(command, place):
    (place / "a.png").write_bytes(b"no image")
    np.save(place / "b.npy", tn.datasets.digits().x_test[0])
    code, out, err = command("predict", "run", "a.png", "b.npy")
    assert code == 1
    assert re.search("^a.png +not read: it begins with 6e 6f 20 69; expected a PNG, JPEG", out, re.MULTILINE)
    assert re.search(r"^b\.npy +\d( +\d\.\d{3}){10}$", out, re.MULTILINE)
    assert err.startswith("tinynet: error: 1 of 2 files could not be read: a.png: it begins with 6e 6f 20 69; expected")


def test_predict_takes_directories_and_writes_tables(command, place):
    for i, image in enumerate(tn.datasets.digits().x_test[:40]):
        (place / "scans" / "more").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / "scans" / "more" / f"{i:02}.png")
    (place / "scans" / "notes.txt").write_text("no image")
    (place / "scans" / ".hidden").write_text("")
    code, out, err = command("predict", "run", "scans", "--csv", "a.csv", "--json", "a.json")
    assert (code, err) == (0, "")
    assert "\n1 of 41 files could not be read\n" in out
    answers = json.loads((place / "a.json").read_text("utf-8"))
    rows = list(csv.DictReader((place / "a.csv").read_text("utf-8").splitlines()))
    assert [row["image"] for row in rows] == [answer["image"] for answer in answers]
    assert len(answers) == 41
    model = tn.load(place / "run" / "best.safetensors")
    expected = model.predict(tn.datasets.digits().x_test[:40])
    read = [answer for answer in answers if answer["class"] is not None]
    for answer, row, table in zip(read, expected, (row for row in rows if row["class"]), strict=True):
        assert answer["class"] == table["class"] == str(row.argmax())
        assert list(answer["probabilities"].values()) == pytest.approx(row.tolist())
        assert float(table[f"p({row.argmax()})"]) == pytest.approx(row.max())
    assert [a["error"][:9] for a in answers if a["class"] is None] == ["it begins"]


def test_what_is_unlike_the_training_images_or_unsure_is_warned_of(command, place):
    noise = np.random.default_rng(0).normal(250, 3, (200, 200)).clip(0, 255).astype(np.uint8)
    Image.fromarray(noise).save(place / "noise.png")
    out = command("predict", "run", "noise.png")[1]
    assert re.search(r"^  Warning: more ink \(0\.\d+\) than the training data \(0\.\d+ to 0\.\d+\)", out, re.MULTILINE)
    change(place / "run", lambda found: found["data"].pop("likeness"))  # as in a record of version 0.1
    assert "than the training data" not in command("predict", "run", "noise.png")[1]


def test_an_answer_without_a_likely_class_is_called_unsure(command, place):
    blank = tn.load(place / "run" / "best.safetensors")
    blank.theta[:] = 0
    blank.save(place / "run" / "best.safetensors")
    digest = hashlib.sha256(blank.theta.tobytes()).hexdigest()
    change(place / "run", lambda found: found["parameters"].update(sha256=digest))
    np.save(place / "a.npy", tn.datasets.digits().x_test[0])
    assert "  Warning: unsure: no digit has a probability of 0.6 or more\n" in command("predict", "run", "a.npy")[1]


def test_a_record_of_version_0_1_is_one_of_mnist(command, place):
    before = command("evaluate", "run")

    def strip(found):
        found["data"] = {name: found["data"][name] for name in ("source", "origin", "sha256", "training_samples",
                                                                "test_samples", "arrays")}  # fmt: skip

    change(place / "run", strip)
    assert command("evaluate", "run") == before
    assert command("report", "run")[0] == 0
    assert "Softmax regression on MNIST" in (place / "run" / "report.html").read_text("utf-8")


@pytest.mark.parametrize("likeness", [3, {"ink": 0.5}, {"ink": [0.1]}, {"ink": ["a", "b"]}])
def test_a_record_that_says_nonsense_of_the_training_data_is_told(likeness, command, place):
    np.save(place / "a.npy", tn.datasets.digits().x_test[0])
    change(place / "run", lambda found: found["data"].update(likeness=likeness))
    code, _, err = command("predict", "run", "a.npy")
    assert code == 1
    assert "run/metrics.json is damaged: it does not say what the training data are like" in err


@pytest.mark.parametrize("part", ["classes", "title", "preparation"])
def test_a_record_that_does_not_say_what_the_data_are_is_told(part, command, place):
    change(place / "run", lambda found: found["data"].update({part: 3}))
    code, _, err = command("evaluate", "run")
    assert code == 1
    assert "data is missing, or of another form than it should be" in err


@pytest.mark.parametrize("option", ["--csv", "--json"])
def test_outputs_that_cannot_be_written_are_told_before_anything_is_read(option, command, place):
    (place / "dir").mkdir()
    for path, why in (("dir", "it is a directory"), ("no/a", "no is not a directory")):
        code, out, err = command("predict", "run", "absent.png", option, path)
        assert (code, out) == (1, "")
        assert err == f"tinynet: error: {path} cannot be written: {why}\n"


def test_a_directory_without_files_is_told(command, place):
    (place / "empty").mkdir()
    assert command("predict", "run", "empty")[2] == "tinynet: error: there is no file in empty\n"


def test_names_of_files_that_are_no_text_are_trained_into_compared_and_read(kept, place, monkeypatch):
    """As any name outside of ASCII is, where the locale is ASCII: bytes that no letter stands for."""
    name, picture = os.fsdecode(b"n\xc3\xff"), os.fsdecode(b"\xfe.png")
    Image.fromarray(tn.datasets.digits().x_test[0]).save(place / picture, "PNG")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii", "surrogateescape"))
    data = ["--data", str(kept / "mnist.npz"), "--epochs", "1"]
    for words in (
        ["train", "softmax", *data, "--out", name, "--no-report"],
        ["evaluate", name],
        ["predict", name, picture, "--csv", "a.csv", "--json", "a.json"],
        ["compare", name, "run", "--out", "page.html"],
    ):
        assert main(words) == 0
    assert "\n\\xfe.png," in (place / "a.csv").read_text("utf-8")
    assert json.loads((place / "a.json").read_text("utf-8"))[0]["image"] == "\\xfe.png"
    assert "n\\xc3\\xff" in (place / "page.html").read_text("utf-8")


def test_a_page_that_names_a_file_that_is_no_text_is_written(kept, place, monkeypatch):
    model, data = tn.load(kept / "run" / "best.safetensors"), tn.datasets.load_mnist(kept / "mnist.npz")
    subject = subject_of_run(record(kept / "run"), model, data)
    monkeypatch.setattr(run, "render", lambda *_: "tinynet train --out \udcc3\udca9\udcff")
    run._write(place, subject, {}, ())
    assert (place / "report.html").read_text("utf-8") == "tinynet train --out é\\xff"


# --- what the system refuses


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
@pytest.mark.parametrize("words", [["evaluate", "run"], ["--version"], ["train", "--help"]])
def test_an_output_that_cannot_be_written_is_told_in_one_line(words, place):
    arguments = [sys.executable, "-m", "tinynet", *words]
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=usual)
    assert done.stderr == "tinynet: error: what the command prints cannot be written: No space left on device\n"
    assert done.returncode == 1


def test_a_directory_that_cannot_be_read_is_told_in_one_line(command, monkeypatch):
    def refused(path, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "is_file", refused)
        code, out, err = command("evaluate", "run")
    assert (code, out, err) == (1, "", "tinynet: error: run/metrics.json: Permission denied\n")


# --- directories that hold no run


@pytest.mark.parametrize("words", [("evaluate", "{}"), ("report", "{}"), ("predict", "{}", "a.png")])
@pytest.mark.parametrize(
    ("directory", "message"),
    [("no", "no is not a directory; give"), (".", r"\. has no metrics\.json and no best\.safetensors; give")],
)
def test_what_is_no_run_is_told(words, directory, message, command):
    code, out, err = command(*(word.format(directory) for word in words))
    assert (code, out) == (1, "")
    assert re.match(f"tinynet: error: {message} the directory of a finished run", err)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b'{"model": "\\ud800"}', "cannot be read"),
        (b"[]", "model is missing, or of another form"),
        (b"{}", "model is missing, or of another form"),
        (b'{"model": 3}', "model is missing, or of another form"),
    ],
)
def test_a_damaged_record_is_told(content, message, command, place):
    (place / "run" / "metrics.json").write_bytes(content)
    code, _, err = command("evaluate", "run")
    assert code == 1
    assert err.startswith("tinynet: error: run/metrics.json ")
    assert message in err
    assert err.endswith("\n")


def test_a_record_that_lacks_a_part_is_told(command, place):
    change(place / "run", lambda found: found["data"].pop("sha256"))
    code, _, err = command("report", "run")
    assert code == 1
    assert "data is missing, or of another form than it should be; train again" in err


@pytest.mark.parametrize(
    ("part", "change_it"),
    [
        ("hyper_parameters", lambda found: found["hyper_parameters"].pop("loss")),
        ("hyper_parameters", lambda found: found["hyper_parameters"].pop("epochs")),
        ("hyper_parameters", lambda found: found["hyper_parameters"].update(loss=3)),
        ("hyper_parameters", lambda found: found["hyper_parameters"].update(loss="binary_cross_entropy")),
        ("versions", lambda found: found["versions"].clear()),
        ("history", lambda found: found["history"].clear()),
        ("history", lambda found: found["history"].pop("accuracy")),
        ("history", lambda found: found["history"]["val_loss"].pop()),
        ("history", lambda found: found["history"].update(more=[0.5])),
        ("history", lambda found: found["seconds"].update(by_epoch=[1.0, 1.0, 1.0])),
        ("best_epoch", lambda found: found.update(best_epoch=3)),
        ("best_epoch", lambda found: found.update(best_epoch=0)),
        ("learning_rates", lambda found: found.update(learning_rates=-1)),
        ("learning_rates", lambda found: found["learning_rates"].append(0.1)),
        ("documented", lambda found: found.update(documented="yes")),
        ("class", lambda found: found.update({"class": {}})),
        ("by_step", lambda found: found.update(by_step=[])),
        ("by_step", lambda found: found.update(by_step={"step": [1], "loss": [0.5]})),
        ("by_step", lambda found: found.update(by_step={"epoch": [1.0], "step": [1], "loss": []})),
        ("by_step", lambda found: found.update(by_step={"epoch": [0], "step": [1], "loss": [0.5]})),
        ("classes", lambda found: found.update(classes=10**6)),
        ("classes", lambda found: found.update(classes=3)),
    ],
)
def test_a_record_that_was_edited_is_told(part, change_it, command, place):
    change(place / "run", change_it)
    for name in ("evaluate", "report"):
        code, _, err = command(name, "run")
        assert code == 1
        assert f"tinynet wrote: {part} is missing, or of another form than it should be; train again" in err


def test_a_machine_that_does_not_tell_its_processors_is_none_of_a_damage(command, place):
    change(place / "run", lambda found: found["machine"].update(cpus=None))
    assert command("report", "run")[0] == 0
    page = (place / "run" / "report.html").read_text("utf-8")
    assert " processors" not in page


def test_a_damaged_model_is_told(command, place):
    path = place / "run" / "best.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    code, _, err = command("evaluate", "run")
    assert code == 1
    assert "best.safetensors" in err


def test_a_model_that_the_record_does_not_speak_of_is_told(command, place):
    model = tn.load(place / "run" / "best.safetensors")
    model.theta[0] += 1
    model.save(place / "run" / "best.safetensors")
    code, _, err = command("evaluate", "run")
    assert code == 1
    assert "run/best.safetensors does not hold the parameters that metrics.json speaks of" in err


def test_a_run_that_was_stopped_is_told(command, place):
    (place / "run" / "metrics.json").unlink()
    code, _, err = command("evaluate", "run")
    assert code == 1
    assert "run holds a run that was stopped; finish it with the command that began it and --out run --resume" in err


def test_a_finished_run_that_is_resumed_for_fewer_epochs_says_how_many_it_made(command, kept, place):
    arguments = ["train", "softmax", "--data", str(kept / "mnist.npz"), "--lr", "0.1", "--out", "run", "--no-report"]
    before = record(place / "run")
    assert command(*arguments, "--epochs", "1", "--resume")[0] == 0
    after = record(place / "run")
    assert after["hyper_parameters"]["epochs"] == len(after["history"]["loss"]) == 2
    assert after["reproduce"] == before["reproduce"]
    assert after["parameters"] == before["parameters"]


def test_a_run_of_another_kind_of_model_is_told(command, place):
    change(place / "run", lambda found: found.update(model="mystery"))
    code, _, err = command("evaluate", "run")
    assert code == 1
    assert err == (
        "tinynet: error: run holds a run of mystery; this command takes runs of softmax, dense, cnn, "
        "lenet, resnet, and models of yours\n"
    )


# --- a run of logistic


@pytest.fixture
def logistic(kept, command):
    """A run of logistic on the same data, without its report."""
    assert command("train", "logistic", "--data", str(kept / "mnist.npz"), "--epochs", "2", "--out", "log",
                   "--no-report")[0] == 0  # fmt: skip
    return record(Path("log"))


def test_a_run_of_logistic_can_be_evaluated_and_used_to_predict(logistic, command, place):
    code, out, err = command("evaluate", "log")
    assert (code, err) == (0, "")
    assert f"Test loss {logistic['test']['loss']:.6f}, test error {logistic['test']['error']:.4f}\n" in out
    assert re.search(r"^ +not 5 .*\n +5 ", out, re.MULTILINE)
    image = tn.datasets.digits().x_test[0]
    np.save(place / "a.npy", image)
    code, out, _ = command("predict", "log", "a.npy")
    assert code == 0
    yes = tn.load(place / "log" / "last.safetensors").predict(image[None]).item()
    assert re.search(rf"^a\.npy .* {1 - yes:.3f}  {yes:.3f}$", out, re.MULTILINE)


@pytest.mark.parametrize("key", ["class", "history", "hyper_parameters", "test"])
def test_a_record_of_logistic_that_was_edited_is_told(key, logistic, command, place):
    change(place / "log", lambda found: found.update({key: "x"}))
    code, _, err = command("evaluate", "log")
    assert code == 1
    assert f"{key} is missing, or of another form than it should be; train again" in err


# --- compare


def test_runs_are_compared_in_a_table_and_on_a_page(logistic, command, place):
    code, out, err = command("compare", "run", "log", "--out", "both.html")
    assert (code, err) == (0, "")
    assert re.search(r"^run .* [01]\.\d{4} +- +[\d.]+$", out, re.MULTILINE)
    assert re.search(rf"^log +784 +2 .* {1 - logistic['test']['error']:.4f} ", out, re.MULTILINE)
    assert "Not all runs tell the same classes apart" in out
    page = (place / "both.html").read_text("utf-8")
    assert page.count("data:image/png") == 1
    assert 'href="run/report.html"' in page
    assert "log/report.html" not in page  # there is none
    assert re.search("The settings differ in: .*loss, optimizer", page)


def test_what_cannot_be_compared_is_refused(command, place):
    for words, told in (
        (["run"], "give two runs or more"),
        (["run", "run"], "run is given twice"),
        (["run", "elsewhere"], "elsewhere is not a directory"),
        (["run", "elsewhere", "--out", "run"], "it is a directory"),
    ):
        code, _, err = command("compare", *words)
        assert code == 1
        assert told in err
    assert not (place / "comparison.html").exists()


# --- Ctrl-C


@pytest.mark.parametrize("words", [("train", "softmax"), ("experiment", "dense", "--variant", "9:relu")])
def test_who_stops_a_run_while_its_report_is_drawn_is_told_how_to_go_on(words, command, kept, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tn.report, "write_report", stopped)
        out = ["--data", str(kept / "mnist.npz"), "--epochs", "1", "--out", "new"]
        code, _, err = command(*words, *out)
    assert code == 130
    assert err == "\ntinynet: stopped; the same command with --out new --resume goes on from here\n"
    assert command(*words, *out, "--resume")[0] == 0


@pytest.mark.parametrize("split", [0.0, 0.1])
def test_the_page_says_what_has_picked_the_model(kept, split):
    found = record(kept / "run")
    if split:
        found["hyper_parameters"]["validation_split"] = split
    model = tn.load(kept / "run" / "best.safetensors")
    subject = subject_of_run(found, model, tn.datasets.load_mnist(kept / "mnist.npz"))
    page = render(subject, made_sections(subject), lambda _: b"")
    picked = "So the test set has picked them, as in the course text that the model comes from."
    assert (picked in page) == (not split)
    assert ("on 10 % of the training images, which were kept apart for that. The test set was used once." in page) == (
        split > 0
    )
    assert ("Validation loss</th>" in page) == (split > 0)


@pytest.mark.parametrize("option", ["--force", "--resume"])
def test_a_directory_that_another_process_trains_into_is_left_alone(option, command, place):
    from tinynet.cli.run_directory import claimed

    before = {path.name: path.read_bytes() for path in (place / "run").iterdir()}
    words = ["train", "softmax", "--data", str(place), "--out", "run", option]
    with claimed(Path("run"), "softmax", replace=True):
        code, out, error = command(*words)
    assert (code, out) == (1, "")
    assert "another process writes a run to run now" in error
    assert {path.name: path.read_bytes() for path in (place / "run").iterdir()} == before
    with claimed(Path("run"), "softmax", replace=True):  # the lock has gone with the block
        pass


def test_of_two_runs_that_find_a_directory_free_at_once_one_is_refused(place, monkeypatch):
    from tinynet.cli import run_directory
    from tinynet.errors import WriteError

    claim = run_directory.claim

    def late(*arguments):
        found = claim(*arguments)
        (place / "new" / "last.safetensors").touch()  # the other one, which has ended since
        return found

    monkeypatch.setattr(run_directory, "claim", late)
    with pytest.raises(WriteError, match="holds a run already"), run_directory.claimed(Path("new"), "softmax", False):
        pass
