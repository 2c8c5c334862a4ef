"""What is printed of a run: its data, how it is trained, what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinynet.cli.options import OPTIMIZER, SCHEDULE

if TYPE_CHECKING:  # what computes is imported only once it is needed, so that help comes at once
    from tinynet.datasets import Dataset
    from tinynet.recipes import Recipe
    from tinynet.train.metrics import Scores

_OF_OPTIMIZER, _OF_SCHEDULE = ([option.name for option in options[1:]] for options in (OPTIMIZER, SCHEDULE))


def describe_result(measures: dict[str, float], predicted: Any, scores: Scores) -> None:
    """Print what came of a test."""
    print(f"Test loss {measures['loss']:.4f}, test accuracy {measures['accuracy']:.4f}")
    print(f"Predictions have shape {(len(predicted), len(scores.names))}\n\n{scores}")


def arrays(data: Dataset) -> dict[str, dict[str, Any]]:
    """Describe the arrays of a dataset: shape, dtype, least and largest value."""
    found = {name: getattr(data, name) for name in ("x_train", "y_train", "x_test", "y_test")}
    return {
        name: {"shape": list(a.shape), "dtype": str(a.dtype), "min": int(a.min()), "max": int(a.max())}
        for name, a in found.items()
    }


def describe_data(data: Dataset) -> None:
    """Print of the data what the course texts print: shapes and ranges, how many samples, shapes of one-hot labels."""
    from tinynet.datasets.labels import one_hot

    print(f"Data: {data.source}")
    if data.classes != tuple(map(str, range(len(data.classes)))):
        print(f"  {len(data.classes)} classes: {', '.join(data.classes)}")
    for name, array in arrays(data).items():
        print(f"  {name:<8} {tuple(array['shape'])!s:<16} {array['dtype']}, from {array['min']} to {array['max']}")
    shapes = [one_hot(labels, len(data.classes)).shape for labels in (data.y_train, data.y_test)]
    print(f"{len(data.x_train):,} training samples, {len(data.x_test):,} test samples")
    print(f"One-hot labels have shapes {shapes[0]} and {shapes[1]}")


def announce(recipe: Recipe, data: Dataset, settings: dict[str, Any], chosen: bool) -> None:
    """Say how the model is going to be trained."""
    if not chosen and settings["epochs"] != recipe.epochs:
        holder = "embedded sample" if data.origin == "sample" else "training set"
        print(
            f"The {holder} holds {len(data.x_train):,} images, so the run makes {settings['epochs']} epochs instead of "
            f"{recipe.epochs}."
        )
    parts = [str(settings["optimizer"])]
    shown = (*_OF_OPTIMIZER, "schedule", *_OF_SCHEDULE)
    parts += [_setting(name, settings[name]) for name in shown if name in settings]
    parts += [f"batch size {settings['batch_size']}", f"epochs {settings['epochs']}"]
    parts += [_setting(name, settings[name]) for name in ("augment", "label_smoothing") if name in settings]
    parts += [f"loss {settings['loss']}"] if settings["loss"] != "cross_entropy" else []
    print(f"{', '.join(parts)}, validated on {_validated(recipe, data, settings)}", flush=True)


def _setting(name: str, value: Any) -> str:
    words = {"augment": "images changed by"}.get(name, name.replace("_", " "))
    if isinstance(value, bool):
        return words if value else f"no {words}"
    return f"{words} {value:g}" if isinstance(value, float) else f"{words} {value}"


def _validated(recipe: Recipe, data: Dataset, settings: dict[str, Any]) -> str:
    """Say what the run is validated on."""
    split = settings.get("validation_split")
    if not split:
        return f"the test set{as_documented(recipe, data)}"
    return f"{100 * split:g} % of the training images, which are kept apart; the test images are used once, at the end"


def as_documented(recipe: Recipe, data: Dataset) -> str:
    """Say that the course texts do so, too, if the model and the data are theirs."""
    return ", as in the course texts" if recipe.documented and data.title == "MNIST" else ""
