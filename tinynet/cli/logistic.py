"""``tinynet train logistic``: is it a 5? Logistic regression on all images at once, with a line search."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from tinynet.cli.arguments import factor
from tinynet.cli.data import data_record, load_chosen
from tinynet.cli.fitting import fit, report, resumable
from tinynet.cli.options import BY_NAME, given_in
from tinynet.cli.processes import claimed_by_one, one_first, options_of_fit
from tinynet.cli.record import as_json, circumstances, parameters_digest
from tinynet.cli.run_directory import LAST, METRICS, clear
from tinynet.errors import ArgumentError, DataError
from tinynet.saving.files import write_atomically
from tinynet.train.progress import counted

if TYPE_CHECKING:  # what computes is imported only once it is needed, so that help comes at once
    import argparse
    from pathlib import Path

    from tinynet.datasets import Dataset

_TAKEN = ("epochs", "micro_batches")  # of the options of training
MODEL = {"logistic": "is it a 5? logistic regression by line search, 784 parameters"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that this model alone has."""
    group = parser.add_argument_group(
        "options of logistic",
        "Its steps are its --epochs (default: 200). It begins at zeros, each step takes all images, and a line\n"
        "search finds how far it goes: of the other options of training it takes --micro-batches alone. It has\n"
        "curves as PDF besides its report; --no-report leaves out both.",
    )
    group.add_argument("--class", dest="positive", metavar="NAME", help="the class that is told from the others "
        "(default: the sixth, which is the 5 of MNIST, or the last of fewer)")  # fmt: skip
    group.add_argument("--intercept", action="store_true", help="add an intercept; the course text has none")
    group.add_argument("--l2", type=factor, metavar="X", help="add a penalty (X / 2) |w|^2 (default: 0)")


def check_options(arguments: argparse.Namespace) -> None:
    """Refuse options that do not go with the model."""
    if arguments.model in MODEL:
        taken = [BY_NAME[name].flag for name in given_in(arguments) if name not in _TAKEN]
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
    from tinynet import distributed
    from tinynet.distributed.blocks import check_division

    arguments.world = world = distributed.world(timeout=arguments.timeout, threads=arguments.threads)
    if world.size > 1:
        check_division(world.size, arguments.micro_batches or 1)
    with claimed_by_one(world, arguments.out, arguments.model, arguments.force, arguments.resume) as directory:
        data = one_first(world, lambda: load_chosen(arguments))
        positive = _positive(data, arguments.positive)
        _check_data(data, positive)
        if arguments.force and world.rank == 0:
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
    from tinynet.cli.told import describe_data
    from tinynet.recipes import LOGISTIC_STEPS, logistic_model, logistic_optimizer
    from tinynet.train.callbacks import Checkpoint

    steps, settings, name = arguments.epochs or LOGISTIC_STEPS, _settings(arguments), data.classes[positive]
    print(f"Training the logistic regression that tells {name} from the other {data.plural} of {data.title}")
    describe_data(data)
    model, optimizer = logistic_model(data.x_train, arguments.intercept), logistic_optimizer(settings["l2"])
    print()
    model.summary()
    search = ", ".join(f"{name} {value:g}" for name, value in vars(optimizer.line_search).items())
    print(f"\nGradient descent on all images, {counted(steps, 'step')}, L2 {settings['l2']:g}, ", end="")
    print(f"line search with {search}", flush=True)

    last = directory / LAST
    divided = {"seed": 0, **options_of_fit(arguments, settings)} if "micro_batches" in settings else {}
    with resumable(directory, LAST, arguments.force):
        found = fit(
            model,
            directory,
            data,
            arguments.resume,
            {"model": arguments.model, "class": name, "hyper_parameters": settings},
            "step",
            x=data.x_train,
            y=data.y_train == positive,
            epochs=steps,
            batch_size=None,
            optimizer=optimizer,
            loss="binary_cross_entropy",
            validation_data=(data.x_test, data.y_test == positive),
            callbacks=[Checkpoint(last, every_seconds=arguments.checkpoint_seconds)],
            **divided,
        )
    if arguments.world.rank:
        return  # one process writes the rest
    history = {name: values for name, values in found.history.items() if name != "val_accuracy"}
    history["val_error"] = [1 - accuracy for accuracy in found.history["val_accuracy"]]
    curves = {} if arguments.no_report else _curves(directory, history)
    settings = {
        "loss": "binary_cross_entropy",
        "optimizer": type(optimizer).__name__,
        "line_search": dict(vars(optimizer.line_search)),
        **settings,
        "steps": found.epochs,  # a run that is resumed may have made more than are asked for now
    }
    about = {"model": arguments.model, "class": name, "hyper_parameters": settings, "command": arguments.command_line}
    record = _record(model, data, found, history, about)
    write_atomically(directory / METRICS, as_json(record))
    _print_result(history, found.seconds)
    print(f"Run directory: {directory} ({', '.join([METRICS, LAST, *curves])})")
    if not arguments.no_report:
        report(directory, record, model, data, None)


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what decides the result, besides the data; what does nothing is left out, as in older records."""
    settings = {"l2": arguments.l2 or 0.0, "intercept": arguments.intercept}
    parts = arguments.micro_batches or 1
    return settings if parts == 1 else {**settings, "micro_batches": parts}


def _curves(directory: Path, history: dict[str, list[float]]) -> list[str]:
    """Draw the curves of a run; returns the names of the files."""
    from tinynet.report import step_curves
    from tinynet.report.style import encode

    curves = {f"{curve}.pdf": figure for curve, figure in step_curves(history).items()}
    for file, figure in curves.items():
        write_atomically(directory / file, encode(figure, "pdf"))
    return list(curves)


def _record(model: Any, data: Dataset, found: Any, history: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """Return the record of a run, of which some facts are known already."""
    from tinynet.cli.told import arrays

    return {
        "model": about["model"],
        "class": about["class"],
        "parameters": {"count": model.theta.size, "dtype": str(model.dtype), "sha256": parameters_digest(model)},
        "hyper_parameters": about["hyper_parameters"],
        "data": {**data_record(data), "arrays": arrays(data)},
        "history": history,
        "stopped": found.stopped,
        "test": {"loss": history["val_loss"][-1], "error": history["val_error"][-1]},
        "seconds": {"total": sum(found.seconds), "by_step": found.seconds},
        **circumstances(),
        "command": about["command"],
    }


def _print_result(history: dict[str, list[float]], seconds: list[float]) -> None:
    total, typical = sum(seconds), 1e3 * median(seconds)
    print(f"\n{counted(len(seconds), 'step')} in {total:.2f} s, {typical:.1f} ms a step with its test")
    print(f"Final training loss {history['loss'][-1]:.12f}")
    print(f"Test loss {history['val_loss'][-1]:.6f}, test error {history['val_error'][-1]:.4f}")
