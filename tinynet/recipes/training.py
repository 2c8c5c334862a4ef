"""How a model is trained, as plain values: optimizers, schedules and augmentation by name, and what these make."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tinynet.errors import ArgumentError
from tinynet.nn import Layer, RandomFlip, RandomRotation, RandomShift
from tinynet.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from tinynet.train.callbacks import LearningRateSchedule, StepSchedule

Settings = Mapping[str, Any]

OPTIMIZERS: dict[str, type[Optimizer]] = {kind.__name__: kind for kind in (SGD, Adam, AdamW, RMSprop)}


def _step(epochs: int, step_size: int, gamma: float = 0.1) -> LearningRateSchedule:
    return LearningRateSchedule.step(step_size, gamma)


def _exponential(epochs: int, gamma: float) -> LearningRateSchedule:
    return LearningRateSchedule.exponential(gamma)


def _linear(epochs: int) -> LearningRateSchedule:
    return StepSchedule.polynomial(epochs)


def _cosine(epochs: int, warmup_epochs: float = 0.0) -> LearningRateSchedule:
    return StepSchedule.cosine(epochs, warm_up=warmup_epochs)


def _one_cycle(epochs: int) -> LearningRateSchedule:
    return StepSchedule.one_cycle(epochs)


SCHEDULES: dict[str, Callable[..., LearningRateSchedule]] = {
    "step": _step,
    "exponential": _exponential,
    "linear": _linear,
    "cosine": _cosine,
    "one-cycle": _one_cycle,
}
NO_DEFAULT = inspect.Parameter.empty
CONSTANT = "constant"  # the learning rate of the optimizer throughout
OF_EPOCHS = ("linear", "cosine", "one-cycle")  # whose rates depend on how many epochs there are


def arguments_of(make: Callable[..., Any]) -> dict[str, Any]:
    """Return the arguments that something takes, with their defaults, or `NO_DEFAULT`."""
    return {name: parameter.default for name, parameter in inspect.signature(make).parameters.items()}


def make_optimizer(settings: Settings) -> Optimizer:
    """Make the optimizer that the settings name, with those of its arguments that are among them.

    Parameters
    ----------
    settings : mapping
        "optimizer", the name of its class, and its arguments by their names; others are left alone.

    Returns
    -------
    Optimizer
        New at each call.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Examples
    --------
    >>> make_optimizer({"optimizer": "SGD", "learning_rate": 0.1, "momentum": 0.9, "batch_size": 32})
    SGD(learning_rate=0.1, momentum=0.9)
    """
    kind = OPTIMIZERS[settings["optimizer"]]
    return kind(**{name: settings[name] for name in arguments_of(kind) if name in settings})


def make_schedules(settings: Settings) -> list[LearningRateSchedule]:
    """Make the schedule that the settings name, as a list of callbacks; a constant rate needs none.

    Parameters
    ----------
    settings : mapping
        "schedule", its arguments by their names, and "epochs".

    Returns
    -------
    list of LearningRateSchedule
        Of one or none.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Examples
    --------
    >>> make_schedules({"schedule": "cosine", "epochs": 5})
    [StepSchedule.cosine(epochs=5, warm_up=0.0)]
    """
    name = settings.get("schedule", CONSTANT)
    if name == CONSTANT:
        return []
    make = SCHEDULES[name]
    return [make(**{argument: settings[argument] for argument in arguments_of(make) if argument in settings})]


def _number(text: str) -> int | float:
    try:
        return int(text) if text.isascii() and text.isdecimal() else float(text)
    except ValueError:
        raise ArgumentError(f"a number must stand behind the sign =, but got {text!r}") from None


AUGMENTATIONS: dict[str, tuple[Callable[[str], Layer], str]] = {  # with what stands for the value if there is none
    "shift": (lambda text: RandomShift(_number(text)), "2"),
    "flip": (lambda text: RandomFlip(text), "horizontal"),
    "rotation": (lambda text: RandomRotation(_number(text)), "0.05"),
}
NO_AUGMENTATION = "none"


def augmentation(text: str) -> list[Layer]:
    """Make the layers that change images at random in training, from the names of what they do.

    Parameters
    ----------
    text : str
        Names with values, separated by commas: ``shift=2`` (pixels; with a point a share of the image),
        ``flip=horizontal`` (or ``vertical``, ``horizontal_and_vertical``), ``rotation=0.05`` (of a full turn, either
        way). Without a value, a name stands for these. ``none`` stands for no layer.

    Returns
    -------
    list of Layer
        New at each call, in this order.

    Raises
    ------
    ArgumentError
        If it is anything else, or a value is out of its range.

    Examples
    --------
    >>> augmentation("shift=2,flip")
    [<RandomShift 'random_shift'>, <RandomFlip 'random_flip'>]
    """
    if text == NO_AUGMENTATION:
        return []
    layers, names = [], []
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        if name not in AUGMENTATIONS or name in names:
            known = ", ".join(f"{known}={usual}" for known, (_, usual) in AUGMENTATIONS.items())
            raise ArgumentError(f"augmentation is {NO_AUGMENTATION}, or each of {known} once at most, but got {text!r}")
        make, usual = AUGMENTATIONS[name]
        try:
            layers.append(make(value or usual))
        except ArgumentError as error:
            raise ArgumentError(f"augmentation {part.strip()!r}: {error}") from error
        names.append(name)
    return layers


def augmented(layers: Sequence[Layer], text: str) -> list[Layer]:
    """Put layers of `augmentation` behind the first layer of a stack, which is its Input."""
    return [layers[0], *augmentation(text), *layers[1:]]
