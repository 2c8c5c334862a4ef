"""``tinynet train logistic``: is it a 5? Logistic regression on all images at once, with a line search."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from tinynet.cli.arguments import factor
from tinynet.cli.data import data_record, load_chosen
from tinynet.cli.options import BY_NAME, given_in
from tinynet.cli.run_directory import (
    LAST,
    METRICS,
    as_json,
    circumstances,
    claimed,
    clear,
    parameters_digest,
)
from tinynet.errors import ArgumentError, DataError
from tinynet.saving.files import write_atomically
from tinynet.train.progress import counted

if TYPE_CHECKING:  # what computes is imported only once it is needed, so that help comes at once
    import argparse
    from pathlib import Path

    from tinynet.datasets import Dataset

MODEL = {"logistic": "is it a 5? logistic regression by line search, 784 parameters"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that this model alone has."""
    group = parser.add_argument_group(
        "options of logistic",
        "Its steps are its --epochs (default: 200). It begins at zeros, each step takes all images, and a line\n"
        "search finds how far it goes: all other options of training are refused. It has curves as PDF besides\n"
        "its report; --no-report leaves out both.",
    )
    group.add_argument("--class", dest="positive", metavar="NAME", help="the class that is told from the others "
        "(default: the sixth, which is the 5 of MNIST, or the last of fewer)")  # fmt: skip
    group.add_argument("--intercept", action="store_true", help="add an intercept; the documents' model has none")
    group.add_argument("--l2", type=factor, metavar="X", help="add a penalty (X / 2) |w|^2 (default: 0)")


def check_options(arguments: argparse.Namespace) -> None:
    """Refuse options that do not go with the model."""
    if arguments.model in MODEL:
        taken = [BY_NAME[name].flag for name in given_in(arguments) if name != "epochs"]
        given, why = (
            taken + ["--seed"] * (arguments.seed is not None),
            "takes all images in each step, begins at zeros, and a line search finds how far each step goes",
        )
    else:
        given, why = (
            ["--class"] * (arguments.positive is not None)
            + ["--intercept"] * arguments.intercept
            + ["--l2"] * (arguments.l2 is not None),
            "has no such option; logistic has",
        )
    if given:
        raise ArgumentError(f"{' and '.join(given)}: {arguments.model} {why}; leave it out")


def run(arguments: argparse.Namespace) -> None:
    """Train and test the model, and leave a run directory."""
    with claimed(arguments.out, arguments.model, arguments.force, arguments.resume) as directory:
        data = load_chosen(arguments)
        positive = _positive(data, arguments.positive)
        _check_data(data, positive)
        if arguments.force:
            clear(directory)
        _train(directory, data, positive, arguments)


def _positive(data: Dataset, name: str | None) -> int:
    """Return the number of the class that is told from the others."""
    from tinynet.recipes import LOGISTIC_DIGIT

    if name is None:
        return min(LOGISTIC_DIGIT, len(data.classes) - 1)
    if name not in data.classes:
        raise ArgumentError(f"--class must be one of {', '.join(data.classes)}, but got {name!r}")
    return data.classes.index(name)


def _check_data(data: Dataset, positive: int) -> None:
    """Refuse images that are all of one class: parameters that tell them ever better grow without end."""
    found = int((data.y_train == positive).sum())
    if found in (0, len(data.y_train)):
        name = data.classes[positive]
        what = f"no {name}" if not found else f"nothing but {name}"
        raise DataError(
            f"logistic tells {name} from the other {data.plural}, but the {len(data.y_train):,} training images of "
            f"{data.source} hold {what}; name data with both by --data"
        )


def _train(directory: Path, data: Dataset, positive: int, arguments: argparse.Namespace) -> None:
    from tinynet.cli.told import arrays, describe_data
    from tinynet.cli.train import fit, report, resumable
    from tinynet.recipes import LOGISTIC_STEPS, logistic_model, logistic_optimizer
    from tinynet.report import step_curves
    from tinynet.report.style import encode
    from tinynet.train.callbacks import Checkpoint

    steps, l2 = arguments.epochs or LOGISTIC_STEPS, arguments.l2 or 0.0
    name = data.classes[positive]
    print(f"Training the logistic regression that tells {name} from the other {data.plural} of {data.title}")
    describe_data(data)
    model, optimizer = logistic_model(data.x_train, arguments.intercept), logistic_optimizer(l2)
    print()
    model.summary()
    search = ", ".join(f"{name} {value:g}" for name, value in vars(optimizer.line_search).items())
    print(
        f"\nGradient descent on all images, {counted(steps, 'step')}, L2 {l2:g}, line search with {search}", flush=True
    )

    last = directory / LAST
    asked = {"model": arguments.model, "class": name, "hyper_parameters": {"l2": l2, "intercept": arguments.intercept}}
    with resumable(directory, LAST, arguments.force):
        found = fit(
            model,
            directory,
            data,
            arguments.resume,
            asked,
            "step",
            x=data.x_train,
            y=data.y_train == positive,
            epochs=steps,
            batch_size=None,
            optimizer=optimizer,
            loss="binary_cross_entropy",
            validation_data=(data.x_test, data.y_test == positive),
            callbacks=[Checkpoint(last, every_seconds=arguments.checkpoint_seconds)],
        )
    history = {name: values for name, values in found.history.items() if name != "val_accuracy"}
    history["val_error"] = [1 - accuracy for accuracy in found.history["val_accuracy"]]
    curves = {} if arguments.no_report else {f"{name}.pdf": drawn for name, drawn in step_curves(history).items()}
    for file, figure in curves.items():
        write_atomically(directory / file, encode(figure, "pdf"))
    record = {
        "model": arguments.model,
        "class": name,
        "parameters": {"count": model.theta.size, "dtype": str(model.dtype), "sha256": parameters_digest(model)},
        "hyper_parameters": {
            "loss": "binary_cross_entropy",
            "optimizer": type(optimizer).__name__,
            "line_search": dict(vars(optimizer.line_search)),
            "l2": l2,
            "intercept": arguments.intercept,
            "steps": found.epochs,  # a run that is resumed may have made more than are asked for now
        },
        "data": {**data_record(data), "arrays": arrays(data)},
        "history": history,
        "stopped": found.stopped,
        "test": {"loss": history["val_loss"][-1], "error": history["val_error"][-1]},
        "seconds": {"total": sum(found.seconds), "by_step": found.seconds},
        **circumstances(),
        "command": arguments.command_line,
    }
    write_atomically(directory / METRICS, as_json(record))
    _print_result(history, found.seconds)
    print(f"Run directory: {directory} ({', '.join([METRICS, LAST, *curves])})")
    if not arguments.no_report:
        report(directory, record, model, data, None)


def _print_result(history: dict[str, list[float]], seconds: list[float]) -> None:
    total, typical = sum(seconds), 1e3 * median(seconds)
    print(f"\n{counted(len(seconds), 'step')} in {total:.2f} s, {typical:.1f} ms a step with its test")
    print(f"Final training loss {history['loss'][-1]:.12f}")
    print(f"Test loss {history['val_loss'][-1]:.6f}, test error {history['val_error'][-1]:.4f}")
