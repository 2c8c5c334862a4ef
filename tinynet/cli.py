"""The command ``tinynet``: trains a reference model and leaves a run directory with its metrics and parameters.

``tinynet profile`` is in `tinynet.profiling`.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import math
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinynet import profiling
from tinynet.errors import TinynetError, WriteError
from tinynet.files import write_atomically

if TYPE_CHECKING:  # what computes is imported only once it is needed, so that help comes at once
    from tinynet.data import MNIST
    from tinynet.model import Model
    from tinynet.recipes import Recipe
    from tinynet.training import History

MODELS = {
    "softmax": "softmax regression, 7,850 parameters",
    "dense": "dense network, 109,386 parameters",
    "cnn": "convolutional network, 93,962 parameters",
}
METRICS, PARAMETERS = "metrics.json", "model.safetensors"

_EXAMPLES = """\
examples:
  tinynet train cnn                                the full MNIST, downloaded once, or else the embedded sample
  tinynet train dense --data sample --epochs 5     4,000 + 1,000 images, no network needed
  tinynet train cnn --data ~/mnist --out runs/a    files that you have: IDX, mnist.npz or mnist_all.mat
  tinynet train softmax --lr 0.1 --batch-size 128 --seed 7
  tinynet profile cnn                              where the time of a training step goes
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int
        The exit code: 0 if all went well, 1 after an error that tinynet explains, 2 if the arguments are wrong, 130
        if the user stopped it.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = _parser().parse_args(given)
        if arguments.command == "profile":
            profiling.run(arguments)
        else:
            _train(arguments, shlex.join(["tinynet", *given]))
    except SystemExit as stop:  # argparse has printed the help, the version or what is wrong
        return int(stop.code or 0)
    except TinynetError as error:
        text = (error.strerror if isinstance(error, OSError) else None) or str(error)
        print("tinynet: error:", " ".join(text.split()), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ntinynet: stopped; nothing was saved", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read the output, such as head, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


# --- arguments


def _parser() -> argparse.ArgumentParser:
    from tinynet import __version__

    kind = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="tinynet",
        description="A deep-learning framework small enough to read in an afternoon, and fast on a CPU.",
        epilog=_EXAMPLES,
        formatter_class=kind,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tinynet {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    train = commands.add_parser(
        "train",
        help="train a reference model on MNIST",
        description="Train a reference model on MNIST, test it, and keep its metrics and parameters in a directory.\n\n"
        "models:\n" + "\n".join(f"  {name:<9}{title}" for name, title in MODELS.items()),
        epilog=_EXAMPLES,
        formatter_class=kind,
        allow_abbrev=False,
    )
    train.add_argument("model", choices=MODELS, help=f"one of {', '.join(MODELS)}")
    add = train.add_argument
    add("--data", default="auto", metavar="SOURCE", help="auto, full, sample, or the path of MNIST files "
        "(default: %(default)s: TINYNET_DATA if set, the cache, a download, or else the embedded sample)")  # fmt: skip
    add("--epochs", type=_count, metavar="N", help="passes over the training images (default: 10 on the full set, "
        "more on a small one)")  # fmt: skip
    add("--batch-size", type=_count, metavar="N", help="images a step (default: 32)")
    add("--lr", type=_rate, metavar="X", help="learning rate of SGD (default: 0.01)")
    add("--seed", type=_seed, default=0, metavar="N", help="decides the initial parameters and the order of the images "
        "(default: %(default)s)")  # fmt: skip
    add("--threads", type=_count, metavar="N", help="threads of the kernels; results do not depend on it (default: all "
        "cores)")  # fmt: skip
    add("--out", type=Path, metavar="DIR", help="the run directory (default: runs/<model>, or runs/<model>-2, ... if "
        "that is there already)")  # fmt: skip
    add("--force", action="store_true", help="replace the run that --out holds (default: refuse)")
    profile = commands.add_parser(
        "profile",
        help="show where the time of a training step goes",
        description="Train a reference model on MNIST for a hundred steps, then time the kernel calls of one: a table "
        "of what each computes, moves and takes, and a picture.",
        allow_abbrev=False,
    )
    profiling.add_arguments(profile, MODELS, _count)
    return parser


def _count(text: str) -> int:
    return _whole(text, 1)


def _seed(text: str) -> int:
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"must be a whole number of {least} or more, but got {text!r}")
    return number


def _rate(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a finite number above 0, but got {text!r}")
    return number


# --- the run


def _train(arguments: argparse.Namespace, command: str) -> None:
    from tinynet.data import load_mnist
    from tinynet.optim import SGD
    from tinynet.recipes import RECIPES
    from tinynet.threads import set_num_threads

    if arguments.threads is not None:
        set_num_threads(arguments.threads)
    recipe = RECIPES[arguments.model]
    directory, created = _claim(arguments.out, recipe.name, arguments.force)
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
            **_circumstances(),
            "command": command,
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


def _circumstances() -> dict[str, Any]:
    """Give what else a result depends on: versions and machine."""
    from importlib.metadata import version

    from tinynet import __version__
    from tinynet.threads import get_num_threads

    libraries = {name: version(name) for name in ("numpy", "numba", "scipy")}
    return {
        "versions": {"tinynet": __version__, "python": platform.python_version(), **libraries},
        "machine": {"platform": platform.platform(), "cpus": os.cpu_count(), "threads": get_num_threads()},
    }


# --- the run directory


def _claim(out: Path | None, model: str, force: bool) -> tuple[Path, bool]:
    """Find and make the run directory before anything is computed; gives whether it is new, too."""
    wanted = out or Path("runs") / model
    try:
        if out is None:
            wanted.parent.mkdir(exist_ok=True)
            return _fresh(wanted), True
        held = [name for name in (METRICS, PARAMETERS) if (out / name).exists()]
        if held and not force:
            raise WriteError(
                errno.EEXIST,
                f"{out} holds a run already ({' and '.join(held)}); choose another directory with --out, or pass "
                "--force to replace it",
            )
        created = not out.exists()
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()  # raises if nothing can be written here
        return out, created
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(
            error.errno,
            f"the run directory {wanted} cannot be made or written to ({error.strerror or error}); choose another one "
            "with --out",
        ) from error


def _fresh(wanted: Path) -> Path:
    """Make the directory, or the first of -2, -3, ... that is not there yet: two runs at once never share one."""
    path, number = wanted, 1
    while True:
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
            path = wanted.with_name(f"{wanted.name}-{number}")
        else:
            return path


def as_json(value: Any) -> bytes:
    r"""Write a record as JSON, with null for NaN and infinity, which JSON has no words for.

    Parameters
    ----------
    value : dict
        Of texts, numbers, lists and dictionaries.

    Returns
    -------
    bytes
        Indented, in ASCII, with a line end.

    Examples
    --------
    >>> as_json({"loss": [0.5, float("nan")]})
    b'{\n  "loss": [\n    0.5,\n    null\n  ]\n}\n'
    """
    return (json.dumps(_finite(value), indent=2, allow_nan=False) + "\n").encode("ascii")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
