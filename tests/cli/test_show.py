"""The command that writes a page with the network of a run."""

import re
import webbrowser

import numpy as np
import pytest
from PIL import Image

import tinynet as tn
from tinynet.cli import main


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A run without a report, and the data that it used."""
    (x_train, y_train), (x_test, y_test) = tn.datasets.mnist("sample")
    folder = tmp_path_factory.mktemp("kept")
    parts = {"x_train": x_train[:400], "y_train": y_train[:400], "x_test": x_test[:100], "y_test": y_test[:100]}
    np.savez(folder / "mnist.npz", **parts)
    arguments = ["--data", str(folder / "mnist.npz"), "--epochs", "1", "--out", str(folder / "run"), "--no-report"]
    assert main(["train", "softmax", *arguments]) == 0
    return folder


def test_show_writes_the_page_into_the_run_and_says_where(kept, capsys):
    assert main(["show", str(kept / "run")]) == 0
    path = kept / "run" / "playground.html"
    assert f"Page: {path}, {path.stat().st_size:,} bytes" in capsys.readouterr().out
    text = path.read_text("utf-8")
    assert "<h1>Softmax regression on MNIST</h1>" in text
    assert re.search(r'"box":20,"by_mass":true', text)
    assert re.search(r'"count":100,', text)


def test_show_takes_another_name_and_opens_it(kept, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert main(["show", str(kept / "run"), "--out", str(tmp_path / "my page.html"), "--open"]) == 0
    assert opened == [(tmp_path / "my page.html").as_uri()]


def test_show_refuses_a_place_that_cannot_be_written(kept, tmp_path, capsys):
    assert main(["show", str(kept / "run"), "--out", str(tmp_path)]) == 1
    assert "it is a directory; name a file in it" in capsys.readouterr().err
    assert main(["show", str(kept / "run"), "--out", str(tmp_path / "none" / "x.html")]) == 1
    assert "none is not a directory" in capsys.readouterr().err


@pytest.mark.slow
def test_images_that_are_too_large_are_refused_by_show_and_leave_the_report_without_a_link(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name in ("dark & <b>", "light"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(0, 100, (70, 70), dtype=np.uint8) + (100 if name == "light" else 0)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "photos" / name / f"{i}.png")
    run = tmp_path / "run"
    options = ["--dataset", str(tmp_path / "photos"), "--epochs", "1", "--out", str(run)]
    assert main(["train", "softmax", *options, "--size", "70"]) == 0
    assert not (run / "playground.html").exists()
    assert "playground.html" not in (run / "report.html").read_text("utf-8")
    assert main(["show", str(run)]) == 1
    assert "of up to 64 x 64 pixels; nothing was written" in capsys.readouterr().err
    assert main(["train", "softmax", *options, "--size", "20", "--force"]) == 0
    assert '<a href="playground.html">' in (run / "report.html").read_text("utf-8")
    page = (run / "playground.html").read_text("utf-8")
    assert '"names":["dark \\u0026 \\u003cb\\u003e","light"]' in page
    assert '"preparation":null' in page
