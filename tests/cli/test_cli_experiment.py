"""``tinynet experiment``: variants of the dense network, trained, compared, and gone on with after a stop."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import tinynet as tn
from tinynet.cli import main
from tinynet.cli.experiment import Variant, variant
from tinynet.report import comparison_figure, comparison_table
from tinynet.train import History


@pytest.fixture
def data(tmp_path):
    (x_train, y_train), (x_test, y_test) = tn.datasets.mnist("sample")
    parts = {"x_train": x_train[:300], "y_train": y_train[:300], "x_test": x_test[:100], "y_test": y_test[:100]}
    np.savez(tmp_path / "mnist.npz", **parts)
    return str(tmp_path / "mnist.npz")


@pytest.fixture
def words(data, tmp_path, monkeypatch):
    """The words of a small experiment, to be run in an empty directory."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return ["experiment", "dense", "--variant", "20,10:linear", "--variant", "12:relu", "--data", data, "--lr", "0.1",
            "--epochs", "2", "--no-report"]  # fmt: skip


def record(directory):
    return json.loads((directory / "metrics.json").read_text("utf-8"))


# --- what it leaves


def test_the_original_stands_beside_the_modified_ones(words, tmp_path, capsys):
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    directory = tmp_path / "here" / "runs" / "experiment-dense"
    left = {path.name for path in directory.iterdir()}
    files = {"comparison.html", "comparison.png", "comparison.txt", "experiment.json"}
    assert left == {"20-10-linear", "12-relu", *files}
    table = (directory / "comparison.txt").read_text("utf-8")
    assert table in out
    first, second = table.splitlines()[1:]
    found = [record(directory / name) for name in ("20-10-linear", "12-relu")]
    accuracies = [r["test"]["accuracy"] for r in found]
    assert first.split()[0] == "20,10:linear"
    assert first.split()[6:8] == [f"{accuracies[0]:.4f}", "-"]
    assert second.split()[6:8] == [f"{accuracies[1]:.4f}", f"{accuracies[1] - accuracies[0]:+.4f}"]
    assert [r["parameters"]["count"] for r in found] == [785 * 20 + 21 * 10 + 11 * 10, 785 * 12 + 13 * 10]
    assert found[1]["title"] == "dense network 12:relu"
    assert found[1]["reproduce"].startswith("tinynet experiment dense --variant 12:relu --dataset mnist --data ")


def test_a_variant_is_a_run_like_any_other(words, tmp_path, capsys):
    assert main(words) == 0
    place = tmp_path / "here" / "runs" / "experiment-dense" / "12-relu"
    capsys.readouterr()
    assert main(["evaluate", str(place)]) == 0
    assert f"test accuracy {record(place)['test']['accuracy']:.4f}\n" in capsys.readouterr().out


# --- going on


def test_a_finished_experiment_that_is_resumed_trains_nothing_and_compares_again(words, tmp_path, capsys, monkeypatch):
    assert main(words) == 0
    directory = tmp_path / "here" / "runs" / "experiment-dense"
    table = (directory / "comparison.txt").read_bytes()
    (directory / "comparison.txt").unlink()
    monkeypatch.setattr(tn.Sequential, "fit", lambda *_, **__: pytest.fail("trained again"))
    capsys.readouterr()
    assert main([*words, "--resume"]) == 0
    assert capsys.readouterr().out.count("It is trained already: ") == 2
    assert (directory / "comparison.txt").read_bytes() == table


def test_resuming_what_was_never_begun_begins_it(words, tmp_path):
    assert main([*words, "--resume"]) == 0
    assert (tmp_path / "here" / "runs" / "experiment-dense" / "comparison.txt").exists()


def test_an_experiment_that_was_killed_ends_in_the_same_bits(words, tmp_path):
    """Killed within the second network; the first is not trained again, the second goes on from its checkpoint."""
    words[words.index("--epochs") + 1] = "40"
    whole, parts = ([*words, "--out", str(tmp_path / name)] for name in ("whole", "parts"))
    assert main(whole) == 0
    arguments = [sys.executable, "-m", "tinynet", *parts, "--checkpoint-seconds", "0.001"]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL) as process:
        while not (tmp_path / "parts" / "12-relu" / "last.safetensors").exists():
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    stopped = not (tmp_path / "parts" / "comparison.txt").exists()
    before = (tmp_path / "parts" / "20-10-linear" / "metrics.json").read_bytes()
    assert main([*parts, "--resume"]) == 0
    assert stopped
    assert (tmp_path / "parts" / "20-10-linear" / "metrics.json").read_bytes() == before
    for name in ("20-10-linear", "12-relu"):
        a, b = (record(tmp_path / part / name) for part in ("whole", "parts"))
        assert a["parameters"] == b["parameters"]
        assert a["history"] == b["history"]


# --- what is refused


def test_another_experiment_is_not_gone_on_with(words, capsys):
    assert main(words) == 0
    capsys.readouterr()
    for options, told in (
        (["--seed", "3"], "--seed 0, now 3"),
        (["--epochs", "3"], "--epochs 2, now 3"),
        (["--epochs", "3", "--lr", "0.2"], "--learning-rate 0.1, now 0.2; --epochs 2, now 3"),
        (["--variant", "5:relu"], "--variant 20,10:linear and 12:relu, now 20,10:linear and 12:relu and 5:relu"),
    ):
        assert main([*words, *options, "--resume"]) == 1
        assert capsys.readouterr().err == (
            f"tinynet: error: runs/experiment-dense holds an experiment that was started with {told}; resume it with "
            "the same, or choose another directory with --out\n"
        )


@pytest.mark.parametrize("content", ["[]", "{}", '{"hyper_parameters": 3}'])
def test_a_plan_that_is_none_is_not_gone_on_with(content, words, tmp_path, capsys):
    assert main(words) == 0
    (tmp_path / "here" / "runs" / "experiment-dense" / "experiment.json").write_text(content)
    assert main([*words, "--resume"]) == 1
    assert "; --variant (none), now 20,10:linear and 12:relu; " in capsys.readouterr().err


def test_an_experiment_is_never_replaced_without_force(words, tmp_path, capsys):
    words += ["--out", str(tmp_path / "mine")]
    assert main(words) == 0
    capsys.readouterr()
    assert main(words) == 1
    assert "holds an experiment already (experiment.json); choose another directory" in capsys.readouterr().err
    assert main([*words, "--force"]) == 0


@pytest.mark.parametrize("options", [[], ["--force"], ["--resume"]])
@pytest.mark.parametrize("name", ["metrics.json", "best.safetensors", "last.safetensors"])
def test_an_experiment_takes_no_directory_of_a_run(name, options, words, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("precious")
    assert main([*words, "--out", str(tmp_path / "mine"), *options]) == 1
    assert f"mine holds a run ({name}), and so is no place for an experiment; choose" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == [name]


def test_a_picture_of_the_users_that_an_experiment_would_replace_is_kept(words, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "comparison.png").write_text("precious")
    assert main([*words, "--out", str(tmp_path / "mine")]) == 1
    assert "mine holds comparison.png, which an experiment would replace" in capsys.readouterr().err


def test_a_trained_network_without_its_checkpoint_is_not_trained_again(words, tmp_path):
    assert main([*words, "--out", str(tmp_path / "mine")]) == 0
    (tmp_path / "mine" / "12-relu" / "last.safetensors").unlink()
    assert main([*words, "--out", str(tmp_path / "mine"), "--resume"]) == 0
    assert not (tmp_path / "mine" / "12-relu" / "last.safetensors").exists()


def test_a_run_in_the_place_of_a_variant_is_not_replaced_without_force(words, tmp_path, capsys):
    words += ["--out", str(tmp_path / "mine")]
    (tmp_path / "mine" / "12-relu").mkdir(parents=True)
    (tmp_path / "mine" / "12-relu" / "metrics.json").write_text("precious")
    (tmp_path / "mine" / "other").mkdir()
    (tmp_path / "mine" / "other" / "metrics.json").write_text("precious")
    assert main(words) == 1
    assert "12-relu holds a run already (metrics.json); choose another directory" in capsys.readouterr().err
    assert (tmp_path / "mine" / "12-relu" / "metrics.json").read_text() == "precious"
    assert not (tmp_path / "mine" / "experiment.json").exists()
    assert main([*words, "--force"]) == 0
    assert record(tmp_path / "mine" / "12-relu")["title"] == "dense network 12:relu"
    assert (tmp_path / "mine" / "other" / "metrics.json").read_text() == "precious"


def test_a_replaced_experiment_that_was_stopped_takes_nothing_of_the_one_before(words, tmp_path, capsys, monkeypatch):
    words += ["--out", str(tmp_path / "mine")]
    assert main(words) == 0

    def stopped(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tn.Sequential, "fit", stopped)
        assert main([*words, "--seed", "3", "--force"]) == 130
    assert capsys.readouterr().err.endswith(
        f"the same command without --force, with --out {tmp_path / 'mine'} --resume goes on from here\n"
    )
    assert not list((tmp_path / "mine" / "12-relu").iterdir())
    assert main([*words, "--seed", "3", "--resume"]) == 0
    assert [record(tmp_path / "mine" / name)["seed"] for name in ("20-10-linear", "12-relu")] == [3, 3]


def test_data_that_cannot_be_read_leave_no_directory(words, tmp_path):
    words[words.index("--data") + 1] = "nowhere"
    assert main(words) == 1
    assert not (tmp_path / "here" / "runs" / "experiment-dense").exists()


def test_two_networks_that_are_alike_are_refused_before_anything_is_made(words, tmp_path, capsys):
    assert main([*words, "--variant", "12:relu"]) == 1
    assert "--variant 12:relu is given twice" in capsys.readouterr().err
    assert not (tmp_path / "here" / "runs").exists()


def test_variants_are_read_as_they_are_written():
    assert variant("512,256:linear") == Variant((512, 256), "linear")
    assert str(variant("128:tanh")) == "128:tanh"


@pytest.mark.parametrize("text", ["", "128", ":relu", "128:", "128:gelu", "0:relu", "1,:relu", "1e3:relu",
                                  "999999:relu", "9" * 5000 + ":relu", "\uff11:relu", "128 :relu"])  # fmt: skip
def test_what_is_no_variant_ends_with_2(text, capsys):
    assert main(["experiment", "dense", "--variant", text]) == 2
    assert (
        "must be units and an activation (linear, relu, sigmoid, tanh), such as 128,64:relu" in capsys.readouterr().err
    )


# --- the figure and the table

RUN = History(
    {"loss": [0.5, 0.3], "accuracy": [0.8, 0.9], "val_loss": [0.6, 0.5], "val_accuracy": [0.7, 0.8]}, [1.0] * 2
)


def test_the_figure_has_the_curves_of_each_run():
    figure = comparison_figure({f"{n}:relu": RUN for n in range(1, 9)})
    losses, accuracies = figure.axes
    assert len(losses.lines) == len(accuracies.lines) == 16
    assert [line.get_ydata().tolist() for line in losses.lines[:2]] == [[0.5, 0.3], [0.6, 0.5]]
    assert [line.get_ydata().tolist() for line in accuracies.lines[:2]] == [[0.8, 0.9], [0.7, 0.8]]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [*(f"{n}:relu" for n in range(1, 9)), "training", "test"]
    looks = {(line.get_color(), line.get_marker()) for line in losses.lines[1::2]}
    assert len(looks) == 8


def test_names_of_runs_are_written_as_they_are():
    figure = comparison_figure({"_a": RUN, "$b$": RUN})
    texts = figure.legends[0].get_texts()
    assert [text.get_text() for text in texts[:2]] == ["_a", "$b$"]
    assert not texts[1].get_parse_math()


def test_there_is_nothing_to_compare_without_runs():
    with pytest.raises(tn.errors.ArgumentError, match="at least one run"):
        comparison_figure({})
    with pytest.raises(tn.errors.ArgumentError, match="at least one epoch"):
        comparison_figure({"a": History()})


def test_the_columns_of_the_table_are_aligned():
    run = {"parameters": {"count": 10**6}, "test": {"loss": 0.5, "accuracy": 0.8}, "seconds": {"total": 123.4},
           "history": {"loss": [0.4, 0.2], "accuracy": [0.9, 0.95]}, "best_epoch": 2}  # fmt: skip
    lines = comparison_table({"1:relu": run, "1234,5678:linear": run}).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[2].split() == ["1234,5678:linear", "1,000,000", "2", "0.2000", "0.9500", "0.5000", "0.8000", "+0.0000",
                                "123.4"]  # fmt: skip
