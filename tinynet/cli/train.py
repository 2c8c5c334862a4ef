"""``tinynet train``: trains a reference model and leaves a run directory with all that it found."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tinynet.cli import logistic
from tinynet.cli.arguments import MODELS, add_command, add_model, add_output, add_threads, is_own, short_name
from tinynet.cli.data import add_data, data_options, data_record, load_chosen
from tinynet.cli.fitting import fit, report, resumable
from tinynet.cli.options import (
    add_training,
    chosen,
    compared,
    fit_arguments,
    given_in,
    labels_for,
    metrics_for,
    words,
)
from tinynet.cli.processes import add_processes, claimed_by_one, one_first, options_of_fit
from tinynet.cli.record import as_json, circumstances, parameters_digest
from tinynet.cli.resumed import begun_with, check_resumed
from tinynet.cli.run_directory import BEST, LAST, METRICS, SETTINGS, checkpoint_of, clear
from tinynet.cli.told import announce, arrays, as_documented, describe_data, describe_result
from tinynet.errors import ArgumentError, CheckpointError
from tinynet.saving.files import write_atomically

if TYPE_CHECKING:  # what computes is imported only once it is needed, so that help comes at once
    import argparse

    from tinynet.datasets import Dataset
    from tinynet.model import Model
    from tinynet.recipes import Recipe
    from tinynet.train.metrics import Scores

EXAMPLES = """\
  tinynet train cnn                                the full MNIST, downloaded once, or else the embedded sample
  tinynet train dense --data sample --epochs 5     4,000 + 1,000 images, no network needed
  tinynet train cnn --data ~/mnist --out runs/a    files that you have: IDX, mnist.npz or mnist_all.mat
  tinynet train softmax --lr 0.1 --batch-size 128 --seed 7
  tinynet train cnn --dataset fashion_mnist        clothes in place of digits; kmnist has Japanese characters
  tinynet train cnn --dataset photos/              a directory of images for each class, such as photos/cat
  tinynet train resnet                             99.65 % on MNIST: normalised, with dropout, on images that are moved
  tinynet train lenet --optimizer adamw --schedule cosine --warmup-epochs 1 --augment shift=2,rotation=0.03
  tinynet train model.py:make --dataset photos/    a model of yours: what the function make in model.py returns
  tinynet train cnn --out runs/a --resume          goes on where that run was stopped, and ends in the same bits
  mpiexec -n 4 tinynet train cnn --micro-batches 8 four processes, to the same bits as one
  tinynet train logistic --l2 0.001 --intercept    is it a 5? full batch, with a line search
"""

_MODELS = MODELS | logistic.MODEL
_OWN = """\
a model of yours: model.py:make is what the Python file model.py has under the name make, a function of
(input_shape, outputs), such as (28, 28, 1) and 10, or without arguments, which returns a model, or a model. It ends in
a softmax, with an output for each class. The file is run, here and wherever you name it. The defaults are Adam,
batches of 32, and as many epochs as for the CNN; the initial parameters come from --seed."""


def declare(commands: Any) -> None:
    """Add the command to those of ``tinynet``."""
    parser = add_command(
        commands,
        "train",
        "train a model on MNIST, another dataset or images of yours",
        "Train a reference model, or one of yours, on MNIST, another dataset or a directory of images, test it, and\n"
        "keep its metrics, its parameters, figures and a report in a directory.\n\n"
        "models, with their parameters on MNIST:\n"
        + "\n".join(f"  {name:<9}{title}" for name, title in _MODELS.items())
        + "\n\n"
        + _OWN,
        EXAMPLES,
        run,
    )
    add_model(parser, *logistic.MODEL)
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


class Job(NamedTuple):
    """A model to be trained, with all that decides what comes of it.

    Attributes
    ----------
    recipe : Recipe
        Its name and title.
    model : Model
        The model, not yet trained.
    data : Dataset
        What it is trained and tested on.
    settings : dict
        As `chosen` returns them.
    seed : int
        Of the run.
    """

    recipe: Recipe
    model: Model
    data: Dataset
    settings: dict[str, Any]
    seed: int


def recipe_of(name: str) -> Recipe:
    """Return the recipe of a reference model, or that of a model of the user's, such as ``model.py:make``."""
    from tinynet.recipes import RECIPES

    if name in RECIPES:
        return RECIPES[name]
    if not is_own(name):
        raise ArgumentError(f"{name} is not one of {', '.join(_MODELS)}; a model of yours is named as model.py:make")
    from tinynet.cli.own_model import own_recipe

    return own_recipe(name)


def job(recipe: Recipe, data: Dataset, settings: dict[str, Any], seed: int) -> Job:
    """Make the model of a recipe, in which the images are changed as the settings say."""
    from tinynet.recipes.training import NO_AUGMENTATION

    model = replace(recipe, augment=settings.get("augment", NO_AUGMENTATION)).for_data(data, seed)
    return Job(recipe, model.build_model(), data, settings, seed)


def run(arguments: argparse.Namespace) -> None:
    """Run ``tinynet train``: train, test, and leave a run directory."""
    from tinynet import distributed

    logistic.check_options(arguments)
    if arguments.model in logistic.MODEL:
        logistic.run(arguments)
        return
    recipe = recipe_of(arguments.model)
    given = given_in(arguments)
    if not arguments.resume:
        chosen(recipe.settings(0), given)  # what does not go together is refused before anything is made or read
    arguments.world = world = distributed.world(timeout=arguments.timeout, threads=arguments.threads)
    with claimed_by_one(world, arguments.out, short_name(recipe.name), arguments.force, arguments.resume) as directory:
        begun = begun_with(directory) if arguments.resume else {}
        data = one_first(world, lambda: load_chosen(arguments))
        settings = chosen(begun.get("hyper_parameters") or recipe.settings(len(data.x_train)), given)
        seed = begun.get("seed", 0) if arguments.seed is None else arguments.seed
        made = job(recipe, data, settings, seed)  # an image that is too small is refused before a run is replaced
        check_resumed(directory, begun, asked_of(made))
        if arguments.force and world.rank == 0:
            clear(directory)
        print(f"Training the {recipe.title} ({recipe.name}) on {data.title}")
        describe_data(data)
        with resumable(directory, LAST, arguments.force):
            train(directory, made, arguments, ["train", recipe.name])


def asked_of(made: Job) -> dict[str, Any]:
    """Return what the record of a run that goes on must say, but for the data; see `differences`."""
    return {"model": made.recipe.name, "hyper_parameters": compared(made.settings), "seed": made.seed}


def hyper_parameters(arguments: argparse.Namespace, recipe: Recipe, data: Dataset) -> dict[str, Any]:
    """Return how a model is trained: as the user says, and for the rest as its recipe does."""
    return chosen(recipe.settings(len(data.x_train)), given_in(arguments))


class _Begun:
    """Writes down how a run was begun, once it is known that it can be, or can go on."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path, self.content = path, as_json(settings)

    def on_train_begin(self, run: Any) -> None:
        """Write the file."""
        write_atomically(self.path, self.content)


def _about(recipe: Recipe, model: Model) -> dict[str, Any]:
    """Describe a model for the record of its run."""
    parameters = {"count": model.theta.size, "dtype": str(model.dtype), "sha256": parameters_digest(model)}
    names = {"model": recipe.name, "title": recipe.title, "documented": recipe.documented}
    return {**names, "parameters": parameters}


@contextlib.contextmanager
def _forgotten_if_nothing_is_saved(directory: Path) -> Iterator[None]:
    """Remove what was written down of a run that ends in here before its first checkpoint."""
    try:
        yield
    except BaseException:
        if checkpoint_of(directory) is None:
            (directory / SETTINGS).unlink(missing_ok=True)
        raise


def _best_model(best: Path, last: Path, custom_layers: dict[str, Any]) -> Model:
    from tinynet.saving import load

    try:
        return load(best, custom_layers)
    except FileNotFoundError as error:  # of a run that is resumed, and does no better from there on
        raise CheckpointError(
            f"{best}, with the model of the best epoch, is gone, and {last} has only that of the last one; restore it "
            "from a copy, or train again with --force in place of --resume"
        ) from error


def train(directory: Path, made: Job, arguments: argparse.Namespace, command: list[str]) -> dict[str, Any]:
    """Train and test a model, and write all files of its run directory; returns the record of the run.

    With ``arguments.resume``, a run that the directory holds goes on where it was stopped. The command is what to type
    after ``tinynet``, but for the options, to do the same again.
    """
    from tinynet.recipes.training import gradient_norms, make_schedules
    from tinynet.train.callbacks import Checkpoint, StepLosses

    recipe, model, data, settings = made.recipe, made.model, made.data, made.settings
    print()
    model.summary()
    print()
    announce(recipe, data, settings, chosen=arguments.epochs is not None)
    loss, split = settings["loss"], settings.get("validation_split", 0.0)
    y_train, y_test = (labels_for(loss, y, len(data.classes)) for y in (data.y_train, data.y_test))
    best, last = directory / BEST, directory / LAST
    asked = asked_of(made)
    begun = _Begun(directory / SETTINGS, {**asked, "hyper_parameters": settings, "command": arguments.command_line})
    writes = not getattr(arguments, "world", None) or not arguments.world.rank
    with _forgotten_if_nothing_is_saved(directory):
        history = fit(
            model,
            directory,
            data,
            arguments.resume,
            asked,
            "epoch",
            x=data.x_train,
            y=y_train,
            validation_data=None if split else (data.x_test, y_test),
            seed=made.seed,
            callbacks=[
                *make_schedules(settings),
                *gradient_norms(settings, data.x_train, y_train),
                StepLosses(),
                *([begun] if writes else []),
                Checkpoint(best, best_only=True),
                Checkpoint(last, every_seconds=arguments.checkpoint_seconds),
            ],
            **fit_arguments(settings),
            **options_of_fit(arguments, settings),
        )
    if not writes:
        return {}  # one process tests the model and writes the rest
    settings = {**settings, "epochs": history.epochs}  # a run that is resumed may have made more than are asked for now
    started = time.perf_counter()
    model = _best_model(best, last, custom_layers(recipe, model))
    measures = model.evaluate(data.x_test, y_test, loss=loss, metrics=metrics_for(loss))
    predicted, scores = classify(model, data)
    seconds = sum(history.seconds) + time.perf_counter() - started
    record = {
        **_about(recipe, model),
        "classes": len(data.classes),
        "hyper_parameters": settings,
        "seed": made.seed,
        "data": {**data_record(data), "arrays": arrays(data)},
        "history": history.history,
        "learning_rates": history.learning_rates,
        "by_step": history.by_step,
        "best_epoch": history.best_epoch,
        "test": measures,
        "scores": {name: getattr(scores, name).tolist() for name in ("precision", "recall", "f1", "support")},
        "seconds": {"total": seconds, "by_epoch": history.seconds},
        **circumstances(),
        "command": arguments.command_line,
        "reproduce": _spelled_out(command, made, settings),
    }
    write_atomically(directory / METRICS, as_json(record))
    _tell_result(made, record, predicted, scores)
    print(f"Run directory: {directory} ({METRICS}, {BEST}, {LAST})")
    if not arguments.no_report:
        report(directory, record, model, data, predicted)
    return record


def _tell_result(made: Job, record: dict[str, Any], predicted: Any, scores: Scores) -> None:
    """Say which model was tested, and what came of it."""
    split = "validation_split" in made.settings
    of = f"epoch {record['best_epoch']} of {record['hyper_parameters']['epochs']}"
    print(f"\nThe least {'validation' if split else 'test'} loss was that of {of}, whose model is tested here")
    if not split:
        like = as_documented(made.recipe, made.data)
        print(f"(The test set itself has picked it{like}; --validation-split keeps training images apart for that)")
    describe_result(record["test"], predicted, scores)
    print(f"\nTraining and test took {record['seconds']['total']:.1f} s")


def classify(model: Model, data: Dataset) -> tuple[Any, Scores]:
    """Return the classes that a model takes the test images for, and its scores."""
    from tinynet.train.metrics import classification_scores, confusion_matrix

    predicted = model.predict(data.x_test).argmax(axis=1)
    matrix = confusion_matrix(predicted, data.y_test, len(data.classes))
    return predicted, classification_scores(matrix, data.classes)


def custom_layers(recipe: Recipe, model: Model) -> dict[str, Any]:
    """Return the classes of the user's that the file of a model names."""
    if recipe.name in MODELS:
        return {}
    from tinynet.cli.own_model import OwnRecipe, known_in

    return known_in(model, recipe.classes if isinstance(recipe, OwnRecipe) else {})


def _spelled_out(command: list[str], made: Job, settings: dict[str, Any]) -> str:
    """Return the command with every default spelled out."""
    data = (str(word) for option in data_options(made.data).items() for word in option)
    chosen = words(settings, made.recipe.settings(len(made.data.x_train)))
    return shlex.join(["tinynet", *command, *data, *chosen, "--seed", str(made.seed)])
