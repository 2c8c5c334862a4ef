"""Train the reference models on full MNIST and compare every epoch with what the course texts print.

Run ``python -m benchmarks.results`` in the root of the repository. It writes docs/results.md, and exits with 1 if a
value is out of its bound. The CNN takes some minutes.
"""

import argparse
import platform
import shlex
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import tinynet as tn
from tinynet.datasets import Dataset
from tinynet.errors import TinynetError
from tinynet.recipes import DOCUMENTED, RECIPES
from tinynet.saving.files import write_atomically
from tinynet.train.metrics import Scores


@dataclass(frozen=True)
class Documented:
    """What the course texts print for a model by epoch, and how far the last epoch may be from it."""

    loss: tuple[float, ...]
    accuracy: tuple[float, ...]
    test_accuracy: float
    precision: tuple[float, ...]  # of each digit, to two places
    recall: tuple[float, ...]
    macro_f1: float
    loss_bound: float  # relative
    accuracy_bound: float  # absolute
    least_test_accuracy: float
    mean_loss: float | None = None  # where one run says little: that of runs of several implementations, over seeds


DOCUMENTS = {
    "softmax": Documented(
        loss=(0.7814, 0.4574, 0.4041, 0.3773, 0.3605, 0.3486, 0.3394, 0.3323, 0.3263, 0.3214),
        accuracy=(0.8120, 0.8807, 0.8911, 0.8965, 0.9003, 0.9031, 0.9053, 0.9075, 0.9087, 0.9104),
        test_accuracy=0.92,
        precision=(0.94, 0.96, 0.94, 0.90, 0.90, 0.90, 0.92, 0.92, 0.86, 0.89),
        recall=(0.98, 0.97, 0.87, 0.90, 0.93, 0.85, 0.95, 0.91, 0.89, 0.88),
        macro_f1=0.91,
        loss_bound=0.005,
        accuracy_bound=0.001,
        least_test_accuracy=0.9125,
    ),
    "dense": Documented(
        loss=(0.6221, 0.2941, 0.2402, 0.2054, 0.1807, 0.1608, 0.1458, 0.1334, 0.1224, 0.1130),
        accuracy=(0.8314, 0.9155, 0.9312, 0.9414, 0.9480, 0.9539, 0.9589, 0.9624, 0.9654, 0.9678),
        test_accuracy=0.96,
        precision=(0.97, 0.97, 0.98, 0.94, 0.96, 0.97, 0.96, 0.96, 0.96, 0.97),
        recall=(0.98, 0.99, 0.95, 0.97, 0.97, 0.95, 0.97, 0.96, 0.95, 0.93),
        macro_f1=0.96,
        loss_bound=0.05,
        accuracy_bound=0.003,
        least_test_accuracy=0.958,
    ),
    "cnn": Documented(
        loss=(0.6970, 0.1488, 0.1120, 0.0946, 0.0830, 0.0756, 0.0679, 0.0629, 0.0585, 0.0544),
        accuracy=(0.8035, 0.9539, 0.9662, 0.9709, 0.9749, 0.9766, 0.9789, 0.9807, 0.9816, 0.9831),
        test_accuracy=0.98,
        precision=(0.96, 0.99, 0.97, 0.98, 1.00, 0.98, 0.99, 0.99, 0.98, 0.97),
        recall=(1.00, 0.99, 0.99, 0.99, 0.98, 0.98, 0.98, 0.96, 0.99, 0.98),
        macro_f1=0.98,
        loss_bound=0.05,
        accuracy_bound=0.002,
        least_test_accuracy=0.982,
        mean_loss=0.0525,
    ),
}
EPOCHS = 10  # for which the bounds hold
PACKAGES = "numpy", "numba", "scipy"


@dataclass(frozen=True)
class Check:
    """One value beside that of the course text and its bound."""

    name: str
    value: float
    documented: float
    difference: str
    bound: str
    holds: bool


def checks(measures: dict[str, list[float]], documented: Documented) -> list[Check]:
    """Compare the last epoch with that of the course text."""
    loss, accuracy, test = (measures[name][-1] for name in ("loss", "accuracy", "val_accuracy"))
    off = accuracy - documented.accuracy[-1]
    own = (
        [] if documented.mean_loss else [loss_check("training loss", loss, documented.loss[-1], documented.loss_bound)]
    )
    return [
        *own,
        Check("training accuracy", accuracy, documented.accuracy[-1], f"{off:+.4f}",
              f"within {documented.accuracy_bound}", abs(off) <= documented.accuracy_bound),
        Check("test accuracy", test, documented.test_accuracy, f"{test - documented.test_accuracy:+.4f}",
              f"at least {documented.least_test_accuracy}", test >= documented.least_test_accuracy),
    ]  # fmt: skip


def loss_check(name: str, loss: float, documented: float, bound: float) -> Check:
    """Compare a loss with that of others."""
    relative = loss / documented - 1
    return Check(name, loss, documented, f"{relative:+.2%}", f"within {bound:.1%}", abs(relative) <= bound)


def digits(scores: Scores, documented: Documented, epoch: int) -> list[str]:
    """Write precision and recall of each digit beside those of the course text, and where they differ the most."""
    lines = [
        "",
        f"| digit (test, best epoch {epoch}) | precision | course text | recall | course text | F1 |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    columns = (scores.precision, documented.precision, scores.recall, documented.recall, scores.f1)
    for digit, (p, known_p, r, known_r, f1) in enumerate(zip(*columns, strict=True)):
        lines.append(f"| {digit} | {p:.4f} | {known_p:.2f} | {r:.4f} | {known_r:.2f} | {f1:.4f} |")
    lines.append(f"| macro average | {scores.macro[0]:.4f} | | {scores.macro[1]:.4f} | | {scores.macro[2]:.4f} |")
    told = []
    for name in ("precision", "recall"):
        off = getattr(scores, name) - np.array(getattr(documented, name))
        digit = int(np.abs(off).argmax())
        told.append(f"in {name} {off[digit]:+.3f} (digit {digit}), {np.abs(off).mean():.3f} on average")
    told.append(f"in macro F1 {scores.macro[2] - documented.macro_f1:+.4f}")
    return [*lines, "", f"The largest differences from the course text, which prints two places: {'; '.join(told)}."]


def section(name: str, history: tn.History, scores: Scores, seconds: float, complete: bool) -> tuple[list[str], bool]:
    """Write the part of a model; returns its lines and whether all bounds hold."""
    recipe, documented, measures = RECIPES[name], DOCUMENTS[name], history.history
    lines = [
        f"## {recipe.title.capitalize()}",
        "",
        f"{recipe.model().theta.size:,} parameters, SGD with learning rate {recipe.learning_rate:g}, batch size "
        f"{recipe.batch_size}. In all {seconds:.0f} s, with the test after each epoch.",
        "",
        "| epoch | training loss | course text | training accuracy | course text | test loss | test accuracy |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for i in range(history.epochs):
        known = i < len(documented.loss)
        loss, accuracy = (f"{d[i]:.4f}" if known else "" for d in (documented.loss, documented.accuracy))
        lines.append(
            f"| {i + 1} | {measures['loss'][i]:.4f} | {loss} | {measures['accuracy'][i]:.4f} | {accuracy} "
            f"| {measures['val_loss'][i]:.4f} | {measures['val_accuracy'][i]:.4f} |"
        )
    if not complete:
        return [*lines, "", f"The bounds hold for {EPOCHS} epochs on the full set, so there is no verdict.", ""], True
    found = checks(measures, documented)
    lines += ["", f"| after epoch {EPOCHS} | tinynet | course text | difference | allowed | verdict |"]
    lines += ["|---|---:|---:|---:|---|---|"]
    lines += [
        f"| {c.name} | {c.value:.4f} | {c.documented} | {c.difference} | {c.bound} "
        f"| {'holds' if c.holds else '**missed**'} |"
        for c in found
    ]
    lines += digits(scores, documented, history.best_epoch)
    return [*lines, ""], all(c.holds for c in found)


def train(name: str, data: Dataset, epochs: int, seed: int, **options: Any) -> tn.History:
    """Train a reference model."""
    recipe = RECIPES[name]
    return recipe.model(seed).fit(
        data.x_train,
        data.y_train,
        epochs=epochs,
        batch_size=recipe.batch_size,
        optimizer=tn.SGD(recipe.learning_rate),
        loss=recipe.loss,
        validation_data=(data.x_test, data.y_test),
        seed=seed,
        **options,
    )


def by_seed(histories: dict[int, tn.History]) -> list[str]:
    """Write the last epoch of runs that differ in their seed alone: how far luck goes."""
    lines = ["| seed | training loss | training accuracy | test accuracy |", "|---:|---:|---:|---:|"]
    for seed, history in histories.items():
        loss, accuracy, test = (history.history[name][-1] for name in ("loss", "accuracy", "val_accuracy"))
        lines.append(f"| {seed} | {loss:.4f} | {accuracy:.4f} | {test:.4f} |")
    return [*lines, ""]


def mean_of_seeds(histories: dict[int, tn.History], documented: Documented) -> tuple[list[str], bool]:
    """Compare the mean of the last losses with that of other implementations; returns whether it holds."""
    mean = float(np.mean([history.history["loss"][-1] for history in histories.values()]))
    c = loss_check("mean", mean, documented.mean_loss or 0.0, documented.loss_bound)
    text = (
        "The course text prints one run, and rounding alone moves a run by as much as another seed does. So the mean "
        f"of these training losses is compared, {mean:.4f}, with that of several implementations of this model, "
        f"{c.documented}: {c.difference}, allowed {c.bound}: {'holds' if c.holds else '**missed**'}."
    )
    return [text, ""], c.holds


def run(arguments: argparse.Namespace, command: str) -> bool:
    """Train, compare and write; returns whether all bounds hold."""
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    data = tn.datasets.load_mnist(arguments.data)
    complete = arguments.epochs == EPOCHS and (len(data.x_train), len(data.x_test)) == (60_000, 10_000)
    versions = ", ".join([f"tinynet {tn.__version__}", *(f"{name} {version(name)}" for name in PACKAGES)])
    # Where the files lie says nothing to others; what they hold was checked when they were read.
    lines = [
        "# Results",
        "",
        f"The reference models on MNIST ({len(data.x_train):,} training and {len(data.x_test):,} test images, seed "
        f"{arguments.seed}), beside the course texts that they come from. "
        "Loss and accuracy of training are means over the epoch, while the parameters change; those of the test are "
        "from its end.",
        "",
        f"Made by `{command}` with Python {platform.python_version()}, {versions}; {tn.get_num_threads()} threads on "
        f"{platform.machine()}.",
        "",
    ]
    all_hold = True
    for name in arguments.models:
        recipe = RECIPES[name]
        print(recipe.title.capitalize(), flush=True)
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            best = Path(folder) / "best.safetensors"
            keep = tn.Checkpoint(best, best_only=True)
            history = train(name, data, arguments.epochs, arguments.seed, verbose=2, callbacks=[keep])
            seconds = time.perf_counter() - started
            matrix = tn.metrics.confusion_matrix(tn.load(best).predict(data.x_test), data.y_test)
        scores = tn.metrics.classification_scores(matrix)
        part, holds = section(name, history, scores, seconds, complete)
        lines += part
        all_hold &= holds
        if arguments.seeds > 1:
            others = range(arguments.seed + 1, arguments.seed + arguments.seeds)
            print(f"and with {len(others)} other seeds ...", flush=True)
            runs = {seed: train(name, data, arguments.epochs, seed, verbose=0) for seed in others}
            lines += [f"After epoch {arguments.epochs} of runs that differ in their seed alone:", ""]
            runs = {arguments.seed: history} | runs
            lines += by_seed(runs)
            if complete and DOCUMENTS[name].mean_loss and len(runs) >= 5:
                part, holds = mean_of_seeds(runs, DOCUMENTS[name])
                lines += part
                all_hold &= holds
    write_atomically(arguments.out, "\n".join(lines).encode())
    print(f"wrote {arguments.out}: {'all bounds hold' if all_hold else 'A BOUND IS MISSED'}" if complete else
          f"wrote {arguments.out}, without a verdict")  # fmt: skip
    return all_hold


def main(argv: list[str] | None = None) -> int:
    given = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results", description=__doc__)
    parser.add_argument("--data", default="full", help="full, or the path of the MNIST files (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="default: %(default)s")
    parser.add_argument("--models", nargs="+", choices=DOCUMENTED, default=DOCUMENTED, help="default: all")
    parser.add_argument("--seed", type=int, default=0, help="of the run shown in full; default: %(default)s")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each model, this one included (default: 5)")
    parser.add_argument("--out", type=Path, default=Path("docs/results.md"), help="default: %(default)s")
    arguments = parser.parse_args(given)
    # The command, but for the place of the files on this machine.
    shown = [a for i, a in enumerate(given) if a != "--data" and (i == 0 or given[i - 1] != "--data")]
    try:
        holds = run(arguments, shlex.join(["python", "-m", "benchmarks.results", *shown]))
    except TinynetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
