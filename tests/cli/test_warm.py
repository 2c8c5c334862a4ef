"""``tinynet warm``: what it builds, and that a run after it builds nothing."""

import os
import subprocess
import sys

import pytest
from numba import config

import tinynet as tn
from tinynet.cli import main


@pytest.mark.parametrize("arguments", [[], ["cnn", "--all"]])
def test_one_model_or_all_must_be_named(arguments, capsys):
    assert main(["warm", *arguments]) == 1
    assert (
        "name one of softmax, dense, cnn, lenet, resnet, logistic, a file of a model, or --all"
        in capsys.readouterr().err
    )


def test_a_name_that_is_no_model_and_no_file_is_refused(capsys):
    assert main(["warm", "nothing"]) == 1
    assert (
        "nothing is not one of softmax, dense, cnn, lenet, resnet, logistic, and there is no such file"
        in capsys.readouterr().err
    )


@pytest.mark.slow
@pytest.mark.skipif(bool(config.DISABLE_JIT or config.BOUNDSCHECK), reason="ordinary compilation is tested here")
@pytest.mark.parametrize("kind", ["name", "file"])
def test_a_run_after_it_builds_nothing(tmp_path, kind):
    layers = [tn.Input((28, 28, 1), scale=1 / 255), tn.Flatten(), tn.Dense(10, activation="softmax")]
    model = tn.Sequential(layers, seed=0)
    model.save(tmp_path / "model.safetensors")

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tinynet", *arguments],
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    wanted = "softmax" if kind == "name" else "model.safetensors"
    first = run("warm", wanted)
    assert "kernels built in" in first
    assert str(tmp_path / "cache" / "tinynet") in first
    assert f"All kernels were there for {wanted}" in run("warm", wanted)
    trained = run("train", "softmax", "--data", "sample", "--epochs", "1", "--no-report", "--out", "run")
    assert "Test loss" in trained
    assert "Building" not in trained
