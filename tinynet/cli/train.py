"""``tinynet train``: trains a reference model and leaves a run directory with all that it found."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinynet.cli import logistic
from tinynet.cli.arguments import MODELS, add_command, add_output, add_threads, add_training
from tinynet.cli.data import add_data, data_options, data_record, load_chosen
from tinynet.cli.processes import add_processes, check_alone, claimed_by_one, one_first, options_of_fit
from tinynet.cli.run_directory import (
    BEST,
    LAST,
    METRICS,
    as_json,
    checkpoint_of,
    circumstances,
    clear,
    explained,
    parameters_digest,
)
from tinynet.errors import CheckpointError
from tinynet.saving.files import write_atomically
from tinynet.train.progress import counted

if TYPE_CHECKING:  # what computes is imported only once it is needed, so that help comes at once
    import argparse

    from tinynet.datasets import Dataset
    from tinynet.model import Model
    from tinynet.recipes import Recipe
    from tinynet.train import History
    from tinynet.train.metrics import Scores

EXAMPLES = """\
  tinynet train cnn                                the full MNIST, downloaded once, or else the embedded sample
  tinynet train dense --data sample --epochs 5     4,000 + 1,000 images, no network needed
  tinynet train cnn --data ~/mnist --out runs/a    files that you have: IDX, mnist.npz or mnist_all.mat
  tinynet train softmax --lr 0.1 --batch-size 128 --seed 7
  tinynet train cnn --dataset fashion_mnist        clothes in place of digits; kmnist has Japanese characters
  tinynet train cnn --dataset photos/              a directory of images for each class, such as photos/cat
  tinynet train cnn --out runs/a --resume          goes on where that run was stopped, and ends in the same bits
  mpiexec -n 4 tinynet train cnn --micro-batches 8 four processes, to the same bits as one
  tinynet train logistic --l2 0.001 --intercept    is it a 5? full batch, with a line search
"""

_MODELS = MODELS | logistic.MODEL


def declare(commands: Any) -> None:
    """Add the command to those of ``tinynet``."""
    parser = add_command(
        commands,
        "train",
        "train a reference model on MNIST, another dataset or images of yours",
        "Train a reference model on MNIST, another dataset or a directory of images, test it, and keep its metrics,\n"
        "its parameters, figures and a report in a directory.\n\nmodels, with their parameters on MNIST:\n"
        + "\n".join(f"  {name:<9}{title}" for name, title in _MODELS.items()),
        EXAMPLES,
        run,
    )
    parser.add_argument("model", choices=_MODELS, help=f"one of {', '.join(_MODELS)}")
    add_data(parser)
    add_training(parser)
    parser.set_defaults(seed=None)  # so that logistic can tell whether it is given; see `run`
    add_processes(parser)
    add_threads(parser)
    add_output(
        parser,
        "run",
        "runs/<model>",
        out="the run directory (default: runs/<model>, or runs/<model>-2, ... if that is there already)",
        no_report="write no figures and no report; 'tinynet report' makes them later",
    )
    logistic.add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run ``tinynet train``: train, test, and leave a run directory."""
    from tinynet import distributed
    from tinynet.recipes import RECIPES

    logistic.check_options(arguments)
    if arguments.model in logistic.MODEL:
        check_alone(arguments.model)
        logistic.run(arguments)
        return
    arguments.seed = arguments.seed or 0
    recipe = RECIPES[arguments.model]
    arguments.world = world = distributed.world(timeout=arguments.timeout, threads=arguments.threads)
    with claimed_by_one(world, arguments.out, recipe.name, arguments.force, arguments.resume) as directory:
        data = one_first(world, lambda: load_chosen(arguments))
        recipe.for_data(data).build_model()  # an image that is too small for it is refused before a run is replaced
        if arguments.force and world.rank == 0:
            clear(directory)
        settings = hyper_parameters(arguments, recipe, data)
        print(f"Training the {recipe.title} ({recipe.name}) on {data.title}")
        describe_data(data)
        with resumable(directory, LAST, arguments.force):
            train(directory, recipe, data, settings, arguments, ["train", recipe.name])


def hyper_parameters(arguments: argparse.Namespace, recipe: Recipe, data: Dataset) -> dict[str, Any]:
    """Give how a model is trained: as the user says, or else as its recipe does."""
    return {
        "loss": recipe.loss,
        "optimizer": "SGD",
        "learning_rate": arguments.lr or recipe.learning_rate,
        "batch_size": arguments.batch_size or recipe.batch_size,
        "epochs": arguments.epochs or recipe.epochs_for(len(data.x_train)),
        "shuffle": True,
        **({"validation_split": arguments.validation_split} if arguments.validation_split else {}),
        **({"micro_batches": parts} if (parts := getattr(arguments, "micro_batches", None) or 1) > 1 else {}),
    }


@contextlib.contextmanager
def resumable(directory: Path, file: str, forced: bool) -> Iterator[None]:
    """Where the user stops what goes on in here, say how to go on, if the file by which that is known is there.

    ``forced`` tells whether the command has --force, which must go.
    """
    try:
        yield
    except KeyboardInterrupt:
        if not (directory / file).exists():
            raise
        command = f"the same command{' without --force,' * forced} with --out {shlex.quote(str(directory))} --resume"
        raise KeyboardInterrupt(f"stopped; {command} goes on from here") from None


def fit(
    model: Model,
    directory: Path,
    data: Dataset,
    resume: bool,
    asked: dict[str, Any],
    step: str,
    callbacks: list[Any],
    **settings: Any,
) -> History:
    """Train the model of a run, with ``resume`` from the checkpoint in its directory, if there is one.

    ``asked`` is what the record of the run would say of what is asked for, but for the data; see `explained`. ``step``
    is what an epoch is called here, ``settings`` are more arguments of `Model.fit`.
    """
    resumed = checkpoint_of(directory) if resume else None
    if resumed:
        print(f"Going on with the run in {directory}", flush=True)
    made: list[int] = []
    with explained(directory, asked, data):
        history = model.fit(callbacks=[lambda run: made.append(run.epoch), *callbacks], resume=resumed, **settings)
    if not made:
        print(f"There is nothing left to train: the run has made {counted(history.epochs, step)} already")
    return history


def _best_model(best: Path, last: Path) -> Model:
    from tinynet.saving import load

    try:
        return load(best)
    except FileNotFoundError as error:  # of a run that is resumed, and does no better from there on
        raise CheckpointError(
            f"{best}, with the model of the best epoch, is gone, and {last} has only that of the last one; restore it "
            "from a copy, or train again with --force in place of --resume"
        ) from error


def train(
    directory: Path,
    recipe: Recipe,
    data: Dataset,
    settings: dict[str, Any],
    arguments: argparse.Namespace,
    command: list[str],
) -> dict[str, Any]:
    """Train and test a model, and write all files of its run directory; gives the record of the run.

    With ``arguments.resume``, a run that the directory holds goes on where it was stopped. The command is what to type
    after ``tinynet``, but for the options, to do the same again.
    """
    from tinynet.optim import SGD
    from tinynet.train.callbacks import Checkpoint

    model: Model = recipe.for_data(data, arguments.seed)
    print()
    model.summary()
    print()
    _announce(recipe, data, settings, chosen=arguments.epochs is not None)
    test, split = (data.x_test, data.y_test), settings.get("validation_split", 0.0)
    best, last = directory / BEST, directory / LAST
    asked = {
        "model": recipe.name,
        "hyper_parameters": {name: value for name, value in settings.items() if name != "epochs"}
        | {"validation_split": split or None, "micro_batches": settings.get("micro_batches")},
        "seed": arguments.seed,
    }
    history = fit(
        model,
        directory,
        data,
        arguments.resume,
        asked,
        "epoch",
        x=data.x_train,
        y=data.y_train,
        epochs=settings["epochs"],
        batch_size=settings["batch_size"],
        optimizer=SGD(settings["learning_rate"]),
        loss=recipe.loss,
        validation_data=None if split else test,
        validation_split=split,
        seed=arguments.seed,
        **options_of_fit(arguments, settings),
        callbacks=[Checkpoint(best, best_only=True), Checkpoint(last, every_seconds=arguments.checkpoint_seconds)],
    )
    if getattr(arguments, "world", None) is not None and arguments.world.rank:
        return {}  # one process tests the model and writes the rest
    settings = {**settings, "epochs": history.epochs}  # a run that is resumed may have made more than are asked for now
    started = time.perf_counter()
    model = _best_model(best, last)
    figures = model.evaluate(*test, loss=recipe.loss)
    predicted, scores = classify(model, data)
    seconds = sum(history.seconds) + time.perf_counter() - started
    record = {
        "model": recipe.name,
        "title": recipe.title,
        "classes": len(data.classes),
        "parameters": {
            "count": model.theta.size,
            "dtype": str(model.dtype),
            "sha256": parameters_digest(model),
        },
        "hyper_parameters": settings,
        "seed": arguments.seed,
        "data": {**data_record(data), "arrays": arrays(data)},
        "history": history.history,
        "learning_rates": history.learning_rates,
        "best_epoch": history.best_epoch,
        "test": figures,
        "scores": {name: getattr(scores, name).tolist() for name in ("precision", "recall", "f1", "support")},
        "seconds": {"total": seconds, "by_epoch": history.seconds},
        **circumstances(),
        "command": arguments.command_line,
        "reproduce": _spelled_out(command, arguments, settings, data),
    }
    write_atomically(directory / METRICS, as_json(record))
    _say_which_is_tested(history, data, split)
    describe_result(figures, predicted, scores)
    print(f"\nTraining and test took {seconds:.1f} s\nRun directory: {directory} ({METRICS}, {BEST}, {LAST})")
    if not arguments.no_report:
        report(directory, record, model, data, predicted)
    return record


def _say_which_is_tested(history: History, data: Dataset, split: float) -> None:
    """Say which model is tested, and what has picked it."""
    validated = "validation" if split else "test"
    of = f"epoch {history.best_epoch} of {history.epochs}"
    print(f"\nThe least {validated} loss was that of {of}, whose model is tested here")
    if not split:
        like = _as_documented(data)
        print(f"(The test set itself has picked it{like}; --validation-split keeps training images apart for that)")


def report(
    directory: Path, record: dict[str, Any], model: Model, data: Dataset, predicted: Any, also: list[str] | None = None
) -> None:
    """Write the figures and the report into the run directory, and say where it is."""
    from tinynet.report import write_report

    print("Drawing the figures and writing the report ...", flush=True)
    started = time.perf_counter()
    names = write_report(directory, record, model, data, predicted, also or ())
    print(f"{len(names)} files in {time.perf_counter() - started:.1f} s; open {directory / names[-1]} in a browser")


def classify(model: Model, data: Dataset) -> tuple[Any, Scores]:
    """Give the classes that a model takes the test images for, and its scores."""
    from tinynet.train.metrics import classification_scores, confusion_matrix

    predicted = model.predict(data.x_test).argmax(axis=1)
    matrix = confusion_matrix(predicted, data.y_test, len(data.classes))
    return predicted, classification_scores(matrix, data.classes)


def describe_result(figures: dict[str, float], predicted: Any, scores: Scores) -> None:
    """Print what came of a test."""
    print(f"Test loss {figures['loss']:.4f}, test accuracy {figures['accuracy']:.4f}")
    print(f"Predictions have shape {(len(predicted), len(scores.names))}\n\n{scores}")


def arrays(data: Dataset) -> dict[str, dict[str, Any]]:
    """Describe the arrays of a dataset: shape, dtype, least and largest value."""
    found = {name: getattr(data, name) for name in ("x_train", "y_train", "x_test", "y_test")}
    return {
        name: {"shape": list(a.shape), "dtype": str(a.dtype), "min": int(a.min()), "max": int(a.max())}
        for name, a in found.items()
    }


def describe_data(data: Dataset) -> None:
    """Print what the documents' runs print of their data: shapes and ranges, how many samples, one-hot labels."""
    from tinynet.datasets.labels import one_hot

    print(f"Data: {data.source}")
    if data.classes != tuple(map(str, range(len(data.classes)))):
        print(f"  {len(data.classes)} classes: {', '.join(data.classes)}")
    for name, array in arrays(data).items():
        print(f"  {name:<8} {tuple(array['shape'])!s:<16} {array['dtype']}, from {array['min']} to {array['max']}")
    shapes = [one_hot(labels, len(data.classes)).shape for labels in (data.y_train, data.y_test)]
    print(f"{len(data.x_train):,} training samples, {len(data.x_test):,} test samples")
    print(f"One-hot labels have shapes {shapes[0]} and {shapes[1]}")


def _announce(recipe: Recipe, data: Dataset, settings: dict[str, Any], chosen: bool) -> None:
    """Say how the model is going to be trained."""
    if not chosen and settings["epochs"] != recipe.epochs:
        holder = "embedded sample" if data.origin == "sample" else "training set"
        print(
            f"The {holder} holds {len(data.x_train):,} images, so the run makes {settings['epochs']} epochs instead of "
            f"{recipe.epochs}."
        )
    print(
        f"SGD, learning rate {settings['learning_rate']:g}, batch size {settings['batch_size']}, epochs "
        f"{settings['epochs']}, validated on {_validated(settings, data)}",
        flush=True,
    )


def _validated(settings: dict[str, Any], data: Dataset) -> str:
    """Say what the run is validated on."""
    split = settings.get("validation_split")
    if not split:
        return f"the test set{_as_documented(data)}"
    return f"{100 * split:g} % of the training images, which are kept apart; the test images are used once, at the end"


def _as_documented(data: Dataset) -> str:
    return ", as in the documents" if data.title == "MNIST" else ""


def _spelled_out(command: list[str], arguments: argparse.Namespace, settings: dict[str, Any], data: Dataset) -> str:
    """Give the command with every default spelled out."""
    options = {
        **data_options(data),
        "--epochs": settings["epochs"],
        "--batch-size": settings["batch_size"],
        "--lr": settings["learning_rate"],
        "--seed": arguments.seed,
    }
    if "validation_split" in settings:
        options["--validation-split"] = settings["validation_split"]
    if "micro_batches" in settings:
        options["--micro-batches"] = settings["micro_batches"]
    words = [str(word) for option in options.items() for word in option]
    return shlex.join(["tinynet", *command, *words])
