"""``tinynet train``: trains a reference model and leaves a run directory with its metrics and parameters."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinynet.cli.arguments import MODELS, add_command, add_data, add_model, add_threads, count, rate, seed
from tinynet.cli.run_directory import METRICS, PARAMETERS, as_json, circumstances, claim
from tinynet.files import write_atomically

if TYPE_CHECKING:  # what computes is imported only once it is needed, so that help comes at once
    import argparse

    from tinynet.data import MNIST
    from tinynet.model import Model
    from tinynet.recipes import Recipe
    from tinynet.training import History

EXAMPLES = """\
  tinynet train cnn                                the full MNIST, downloaded once, or else the embedded sample
  tinynet train dense --data sample --epochs 5     4,000 + 1,000 images, no network needed
  tinynet train cnn --data ~/mnist --out runs/a    files that you have: IDX, mnist.npz or mnist_all.mat
  tinynet train softmax --lr 0.1 --batch-size 128 --seed 7
"""


def declare(commands: Any) -> None:
    """Add the command to those of ``tinynet``."""
    parser = add_command(
        commands,
        "train",
        "train a reference model on MNIST",
        "Train a reference model on MNIST, test it, and keep its metrics and parameters in a directory.\n\n"
        "models:\n" + "\n".join(f"  {name:<9}{title}" for name, title in MODELS.items()),
        EXAMPLES,
        run,
    )
    add_model(parser)
    add_data(parser)
    add = parser.add_argument
    add("--epochs", type=count, metavar="N", help="passes over the training images (default: 10 on the full set, "
        "more on a small one)")  # fmt: skip
    add("--batch-size", type=count, metavar="N", help="images a step (default: 32)")
    add("--lr", type=rate, metavar="X", help="learning rate of SGD (default: 0.01)")
    add("--seed", type=seed, default=0, metavar="N", help="decides the initial parameters and the order of the images "
        "(default: %(default)s)")  # fmt: skip
    add_threads(parser)
    add("--out", type=Path, metavar="DIR", help="the run directory (default: runs/<model>, or runs/<model>-2, ... if "
        "that is there already)")  # fmt: skip
    add("--force", action="store_true", help="replace the run that --out holds (default: refuse)")


def run(arguments: argparse.Namespace) -> None:
    """Run ``tinynet train``: train, test, and leave a run directory."""
    from tinynet.data import load_mnist
    from tinynet.optim import SGD
    from tinynet.recipes import RECIPES
    from tinynet.threads import set_num_threads

    if arguments.threads is not None:
        set_num_threads(arguments.threads)
    recipe = RECIPES[arguments.model]
    directory, created = claim(arguments.out, recipe.name, arguments.force)
    try:
        data = load_mnist(arguments.data)
        epochs = arguments.epochs or recipe.epochs_for(len(data.x_train))
        hyper: dict[str, Any] = {
            "loss": recipe.loss,
            "optimizer": "SGD",
            "learning_rate": arguments.lr or recipe.learning_rate,
            "batch_size": arguments.batch_size or recipe.batch_size,
            "epochs": epochs,
            "shuffle": True,
        }
        model = recipe.model(arguments.seed)
        _introduce(recipe, model, data, hyper, chosen=arguments.epochs is not None)

        started = time.perf_counter()
        test = data.x_test, data.y_test
        history = model.fit(
            data.x_train,
            data.y_train,
            epochs=epochs,
            batch_size=hyper["batch_size"],
            optimizer=SGD(hyper["learning_rate"]),
            loss=recipe.loss,
            validation_data=test,
            seed=arguments.seed,
        )
        figures = model.evaluate(*test, loss=recipe.loss)
        seconds = time.perf_counter() - started

        model.save(directory / PARAMETERS)
        metrics = {
            "model": recipe.name,
            "parameters": {"count": model.theta.size, "dtype": str(model.dtype)},
            "hyper_parameters": hyper,
            "seed": arguments.seed,
            "data": {"source": data.source, "training_samples": len(data.x_train), "test_samples": len(data.x_test)},
            "history": history.history,
            "test": figures,
            "seconds": {"total": seconds, "by_epoch": history.seconds},
            **circumstances(),
            "command": arguments.command_line,
        }
        write_atomically(directory / METRICS, as_json(metrics))
    except BaseException:
        if created:
            with contextlib.suppress(OSError):
                directory.rmdir()  # if nothing is in it
        raise
    _conclude(history, figures, seconds, directory)


def _introduce(recipe: Recipe, model: Model, data: MNIST, hyper: dict[str, Any], chosen: bool) -> None:
    """Say what is trained, on what, and how."""
    arrays = {name: getattr(data, name) for name in ("x_train", "y_train", "x_test", "y_test")}
    n, classes = len(data.x_train), (model.build_model().output_shape or (0,))[-1]
    print(f"Training the {recipe.title} ({recipe.name}) on MNIST")
    print(f"Data: {data.source}")
    for name, array in arrays.items():
        print(f"  {name:<8} {array.shape!s:<16} {array.dtype}, from {array.min()} to {array.max()}")
    print(f"{n:,} training samples, {len(data.x_test):,} test samples; one-hot labels would have shape {(n, classes)}")
    print()
    model.summary()
    print()
    if not chosen and hyper["epochs"] != recipe.epochs:
        holder = "embedded sample" if data.source.startswith("sample") else "training set"
        print(f"The {holder} holds {n:,} images, so the run makes {hyper['epochs']} epochs instead of {recipe.epochs}.")
    print(
        f"SGD, learning rate {hyper['learning_rate']:g}, batch size {hyper['batch_size']}, epochs {hyper['epochs']}, "
        "validated on the test set",
        flush=True,
    )


def _conclude(history: History, figures: dict[str, float], seconds: float, directory: Path) -> None:
    """Say what came of it, and where it is."""
    print()
    print(f"Test loss {figures['loss']:.4f}, test accuracy {figures['accuracy']:.4f}, after {seconds:.1f} s")
    print(f"The least test loss was that of epoch {history.best_epoch} of {history.epochs}")
    print(f"Run directory: {directory} ({METRICS}, {PARAMETERS})")
