"""How a model is trained, as options: each is declared once, with what it is called, how it is read and who takes it.

The settings of a run are a dictionary by the names of the options. The optimizer and the schedule take those that are
among their arguments; `fit_arguments` says what becomes of the others.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tinynet.cli.arguments import count, factor, rate, seed, share
from tinynet.errors import ArgumentError

if TYPE_CHECKING:  # what computes is imported only once it is needed, so that help comes at once
    import numpy as np
    import numpy.typing as npt

LOSSES = ("cross_entropy", "mse", "mae", "huber")
_OPTIMIZERS = ("SGD", "Adam", "AdamW", "RMSprop")
_SCHEDULES = ("constant", "step", "exponential", "linear", "cosine", "one-cycle")


class Option(NamedTuple):
    """An option of training.

    Attributes
    ----------
    name : str
        In the settings of a run; on the command line with hyphens.
    read : callable
        Makes its value of a text; `bool` for a switch.
    help, metavar : str
        As argparse takes them.
    off : object
        What the option is where nothing of the kind is done; such a value is not recorded.
    short : tuple of str
        Other names on the command line.
    """

    name: str
    read: Callable[[str], Any]
    help: str
    metavar: str | None = None
    off: Any = None
    short: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """What it is called on the command line."""
        return f"--{self.name.replace('_', '-')}"

    def words(self, value: Any) -> list[str]:
        """Return what to type for a value."""
        if self.read is bool:
            return [self.flag if value else self.flag.replace("--", "--no-", 1)]
        return [self.flag, str(value)]


def _one_of(names: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        found = [name for name in names if name.lower() == text.lower().replace("_", "-" if "-" in name else "_")]
        if not found:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(names)}, but got {text!r}")
        return found[0]

    return read


def _below_one(text: str) -> float:
    number = factor(text)
    if number >= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to below 1, but got {text!r}")
    return number


TRAINING = (
    Option("epochs", count, "passes over the training images (default: 10 on the full set, 12 for resnet, more on a "
        "small one)", "N"),
    Option("batch_size", count, "images a step (default: 32; lenet 64, resnet 128)", "N"),
    Option("loss", _one_of(LOSSES), f"{', '.join(LOSSES)}; all but the first compare probabilities with one-hot labels "
        "(default: cross_entropy)", "NAME"),
    Option("label_smoothing", _below_one, "the share of each label that cross_entropy spreads over all classes "
        "(default: 0)", "X", off=0.0),
    Option("augment", str, "changes images at random in training: none, or shift=2 (pixels; 0.1: of the whole image), "
        "flip=horizontal (or vertical, horizontal_and_vertical) and rotation=0.05 (of a turn, either way), separated "
        "by commas (default: none; resnet shift=2)", "LIST", off="none"),
    Option("validation_split", share, "the share of the training images to keep apart, such as 0.1: the best epoch is "
        "picked by them, and the test images are used once, at the end (default: none; the best epoch is picked by the "
        "test images)", "X"),
    Option("gradient_norm", bool, "measure the length of the gradient after each epoch, on 256 training images; the "
        "report draws it (default: no)", off=False),
)  # fmt: skip
OPTIMIZER = (
    Option("optimizer", _one_of(_OPTIMIZERS), f"{', '.join(_OPTIMIZERS)} (default: SGD; Adam for a model of yours)",
        "NAME"),
    Option("learning_rate", rate, "(default: 0.01; lenet 0.05, resnet 0.1; 0.001 if another optimizer is chosen)", "X",
        short=("--lr",)),
    Option("momentum", _below_one, "of SGD and RMSprop (default: 0; lenet and resnet 0.9)", "X", off=0.0),
    Option("nesterov", bool, "Nesterov's momentum, of SGD (default: of lenet and resnet only)", off=False),
    Option("beta1", _below_one, "of Adam and AdamW: how much of the mean gradient stays (default: 0.9)", "X"),
    Option("beta2", _below_one, "of Adam and AdamW: how much of the mean square stays (default: 0.999)", "X"),
    Option("rho", _below_one, "of RMSprop: how much of the mean square stays (default: 0.9)", "X"),
    Option("epsilon", rate, "of Adam, AdamW and RMSprop: what keeps them from dividing by 0 (default: 1e-8)", "X"),
    Option("weight_decay", factor, "pulls parameters towards 0 (default: 0; AdamW 0.01, resnet 0.0005)", "X", off=0.0),
    Option("decay", _one_of(("all", "weights")), "what weight decay concerns: all parameters, or the weights without "
        "biases and normalisations (default: all; resnet weights)", "WHICH", off="all"),
    Option("clip_norm", rate, "the largest norm of the whole gradient (default: none)", "X"),
    Option("clip_value", rate, "the largest absolute value of each number in the gradient (default: none)", "X"),
)  # fmt: skip
SCHEDULE = (
    Option("schedule", _one_of(_SCHEDULES), f"{', '.join(_SCHEDULES)}; the learning rate is the first, or the highest "
        "of one-cycle (default: constant; lenet and resnet one-cycle)", "NAME", off="constant"),
    Option("warmup_epochs", factor, "of cosine: rise from 0 for so many epochs before (default: 0)", "X", off=0.0),
    Option("step_size", count, "of step: multiply the rate after every so many epochs", "N"),
    Option("gamma", rate, "of step and exponential: what the rate is multiplied by (default of step: 0.1)", "X"),
)  # fmt: skip
PROCESSES = Option("micro_batches", count, "declared by `tinynet.cli.processes`", "N", off=1)
OPTIONS = (*TRAINING, *OPTIMIZER, *SCHEDULE, PROCESSES)
BY_NAME = {option.name: option for option in OPTIONS}


def add_training(parser: argparse.ArgumentParser) -> None:
    """Add how a model is trained."""
    groups = {"how it is trained": TRAINING, "the optimizer": OPTIMIZER, "the learning rate in time": SCHEDULE}
    for title, options in groups.items():
        group = parser.add_argument_group(title)
        for option in options:
            how: dict[str, Any] = {"type": option.read, "metavar": option.metavar}
            if option.read is bool:
                how = {"action": argparse.BooleanOptionalAction}
            group.add_argument(option.flag, *option.short, dest=option.name, help=option.help, **how)
        if options is TRAINING:
            group.add_argument("--seed", type=seed, default=0, metavar="N", help="decides the initial parameters, the "
                "order of the images and what is random in training (default: 0)")  # fmt: skip


def given_in(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options that were given, by name."""
    return {name: value for name in BY_NAME if (value := getattr(arguments, name, None)) is not None}


def chosen(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a run: those given, and for the rest those of a recipe or of a run that goes on.

    Parameters
    ----------
    base : mapping
        Complete settings; what belongs to an optimizer or a schedule that is not chosen is left out.
    given : mapping
        What the user says.

    Returns
    -------
    dict
        By the names of the options, in their order; without what is off. "shuffle" is True.

    Raises
    ------
    ArgumentError
        If an option does not go with the others, or is out of its range.

    Examples
    --------
    >>> from tinynet.recipes import RECIPES
    >>> chosen(RECIPES["cnn"].settings(60_000), {"momentum": 0.9})  # doctest: +NORMALIZE_WHITESPACE
    {'epochs': 10, 'batch_size': 32, 'loss': 'cross_entropy', 'optimizer': 'SGD', 'learning_rate': 0.01,
     'momentum': 0.9, 'shuffle': True}
    """
    from tinynet.optim.optimizer import hyperparameters
    from tinynet.recipes import training

    settings = {**base, **given}
    makers: dict[str, Mapping[str, Callable[..., Any]]] = {
        "optimizer": training.OPTIMIZERS,
        "schedule": {training.CONSTANT: lambda: None, **training.SCHEDULES},
    }
    for what, made_by in makers.items():
        name = settings.setdefault(what, training.CONSTANT)
        own = training.arguments_of(made_by[name])
        others = {argument for make in made_by.values() for argument in training.arguments_of(make)}
        others -= {*own, "epochs"}
        _check_taken(what, name, made_by, [argument for argument in given if argument in others])
        kept = own if name == base.get(what, training.CONSTANT) else {}
        belonging = others | set(own) - {"epochs"}
        settings = {n: v for n, v in settings.items() if n not in belonging or n in given or n in kept}
        for argument, default in own.items():
            if default is training.NO_DEFAULT and argument not in settings:
                raise ArgumentError(f"--{what} {name} needs {BY_NAME[argument].flag}")
    _check_loss(settings)
    training.augmentation(settings.get("augment", training.NO_AUGMENTATION))
    training.make_schedules(settings)
    optimizer = training.make_optimizer(settings)
    usual = training.arguments_of(type(optimizer))
    settings |= {n: v for n, v in hyperparameters(optimizer).items() if v != BY_NAME[n].off or v != usual[n]}
    without = {n for n, v in settings.items() if n in BY_NAME and v == BY_NAME[n].off and v == usual.get(n, v)}
    return {name: settings[name] for name in BY_NAME if name in settings and name not in without} | {"shuffle": True}


def _check_taken(what: str, name: str, makers: Mapping[str, Callable[..., Any]], given: list[str]) -> None:
    """Refuse options that the chosen optimizer, or schedule, does not take."""
    from tinynet.recipes.training import arguments_of

    if given:
        takers = [other for other, make in makers.items() if given[0] in arguments_of(make)]
        raise ArgumentError(
            f"{BY_NAME[given[0]].flag} is an option of --{what} {' and '.join(takers)}, but the {what} is {name}; "
            f"leave it out, or choose another {what}"
        )


def _check_loss(settings: Mapping[str, Any]) -> None:
    if settings.get("label_smoothing") and settings["loss"] != "cross_entropy":
        raise ArgumentError(f"--label-smoothing goes with --loss cross_entropy, but the loss is {settings['loss']}")


def compared(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings in the form in which two are compared that must be of one run: all options, None where off.

    How many epochs there are matters only where the schedule depends on it.
    """
    from tinynet.recipes.training import OF_EPOCHS

    fixed = settings.get("schedule") in OF_EPOCHS
    return {name: settings.get(name) for name in BY_NAME if name != "epochs" or fixed}


def words(settings: Mapping[str, Any], base: Mapping[str, Any]) -> list[str]:
    """Return what to type for settings; what a recipe would do, and they do not, is said to be off."""
    off = {name: option.off for name, option in BY_NAME.items() if base.get(name, option.off) != option.off}
    if settings["optimizer"] != base["optimizer"]:  # whose arguments are not defaults any more
        own = {option.name for option in OPTIMIZER}
        off = {name: value for name, value in off.items() if name not in own}
    told = {**off, **settings}
    return [word for name, option in BY_NAME.items() if told.get(name) is not None for word in option.words(told[name])]


def labels_for(loss: str, labels: npt.NDArray[np.integer[Any]], classes: int) -> npt.NDArray[Any]:
    """Return labels as a loss takes them: the numbers of the classes, or one-hot."""
    import numpy as np

    from tinynet.datasets.labels import one_hot

    return labels if loss == "cross_entropy" else one_hot(labels, classes).astype(np.float32)


def metrics_for(loss: str) -> list[Any] | None:
    """Return what is measured besides a loss: the accuracy; None where the loss brings it."""
    from tinynet.train.metrics import Metric, accuracy

    return None if loss == "cross_entropy" else [Metric(accuracy, name="accuracy")]


def fit_arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `Model.fit` that settings stand for, but for the data and the callbacks."""
    from tinynet.recipes.training import make_optimizer

    return {
        "epochs": settings["epochs"],
        "batch_size": settings["batch_size"],
        "loss": settings["loss"],
        "label_smoothing": settings.get("label_smoothing", 0.0),
        "metrics": metrics_for(settings["loss"]),
        "validation_split": settings.get("validation_split", 0.0),
        "optimizer": make_optimizer(settings),
    }
