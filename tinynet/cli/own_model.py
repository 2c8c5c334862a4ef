"""A model from a Python file of the user's, such as ``model.py:make``: the file is run because the user names it."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.core.mode import no_grad
from tinynet.errors import ArgumentError, CheckpointError, TinynetError
from tinynet.model import Model, Sequential
from tinynet.nn.layer import Layer
from tinynet.nn.seeds import generator
from tinynet.recipes import Recipe
from tinynet.recipes.training import NO_AUGMENTATION, augmented

if TYPE_CHECKING:
    from tinynet.datasets import Dataset

_SUM_OFF = 1e-3  # of the probabilities of an image


@dataclass(frozen=True)
class OwnRecipe(Recipe):
    """The recipe of a model of the user's, in place of layers with a function that makes it, or the model itself.

    Parameters
    ----------
    make : callable or Model
        What the file has under the name that the user gave.
    file : Path
        The file.
    classes : dict
        What the file defines, by name.
    """

    make: Any = None
    file: Path = Path()
    classes: dict[str, Any] = field(default_factory=dict)

    def model(self, seed: int | None = None, shape: tuple[int, ...] = (28, 28, 1), classes: int = 10) -> Any:
        """Make the model; its initial parameters come from the seed, unless it has values already."""
        made = self.make if isinstance(self.make, Model) else self._call(shape, classes)
        if not isinstance(made, Model):
            raise ArgumentError(f"{self.name} must be or return a model, such as a tn.Sequential, but got {made!r}")
        if self.augment != NO_AUGMENTATION:
            made = self._augmented(made)
        if made._theta is None:
            made.rng = generator(self.name, seed, stream=0)
        return made

    def _call(self, shape: tuple[int, ...], classes: int) -> Any:
        arguments = (shape, classes) if _takes(self.make) else ()
        return explained(self.file, lambda: self.make(*arguments), f"{self.name} cannot be made")

    def _augmented(self, made: Model) -> Model:
        if type(made) is not Sequential or made._theta is not None or made._implied_input is not None:
            raise ArgumentError(
                f"--augment puts layers behind the Input of a new tn.Sequential, which {self.name} is not; put layers "
                "such as tn.RandomShift(2) into the model itself, and leave --augment out"
            )
        return Sequential(augmented(made.layers, self.augment), dtype=made.dtype, name=made.given_name)

    def for_data(self, data: Dataset, seed: int | None = None) -> Any:
        """Make the model, and check that it takes the images and gives each class a probability."""
        made = super().for_data(data, seed)
        images = np.ascontiguousarray(data.x_train[:2])
        outputs = explained(self.file, lambda: _computed(made, images), f"{self.name} cannot take the images")
        wanted = (len(images), len(data.classes))
        if getattr(outputs, "shape", None) != wanted:
            found = f"shape {outputs.shape}" if isinstance(outputs, np.ndarray) else f"a {type(outputs).__name__}"
            raise ArgumentError(
                f"{self.name}: of {len(images)} images the output must have shape {wanted}, a probability for each "
                f"of the {len(data.classes)} classes of {data.title}, but it is {found}; let the last layer have that "
                "many outputs: the function is called with (input_shape, outputs) if it takes two arguments"
            )
        sums = outputs.sum(axis=1)
        if not (outputs >= 0).all() or (np.abs(sums - 1) > _SUM_OFF).any():
            raise ArgumentError(
                f"{self.name}: the outputs must be probabilities, but those of an image are {_shown(outputs[0])}; let "
                'the model end in a softmax, as in tn.Dense(outputs, activation="softmax")'
            )
        self._check_saved(made)
        return made

    def _check_saved(self, made: Model) -> None:
        """Refuse a model that would not come back from its file, before it is trained."""
        from tinynet.saving import load

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            try:
                made.save(path)
                load(path, known_in(made, self.classes))
            except (ArgumentError, CheckpointError) as error:
                why = str(error).removeprefix(f"{path}: ")
                raise ArgumentError(f"{self.name} cannot be saved and loaded again: {why}") from error


def own_recipe(text: str) -> OwnRecipe:
    """Run the file that a text such as ``model.py:make`` names, and return the recipe of the model in it.

    Raises
    ------
    ArgumentError
        If there is no such file or name, if it is neither a model nor a function, or if the file fails.
    """
    place, _, name = text.rpartition(":") if not text.endswith(".py") else (text, "", "")
    if not name:
        raise ArgumentError(f"name the function or the model in {place}, too, such as {place}:make")
    file = Path(place)
    found = run_file(file)
    if name not in found:
        there = [n for n, thing in found.items() if _may_make(thing, file)]
        has = f"; it has {', '.join(there)}" if there else ""
        raise ArgumentError(f"{file} has no {name!r}{has}")
    make = found[name]
    if not isinstance(make, Model) and not callable(make):
        raise ArgumentError(f"{text} must be a model, or a function that returns one, but is {make!r}")
    if not isinstance(make, Model):
        _takes(make, text)
    return OwnRecipe(
        name=text,
        title=f"model {name} of {file.name}",
        layers=lambda shape, classes: [],
        sample_epochs=20,
        learning_rate=0.001,
        optimizer="Adam",
        make=make,
        file=file,
        classes=found,
    )


def run_file(file: Path) -> dict[str, Any]:
    """Run a Python file as ``python`` would, but its ``__name__`` is not ``__main__``; returns what it defines."""
    if not file.is_file():
        raise ArgumentError(f"there is no file {file}; give the path of a Python file, such as model.py:make")
    # Under a name of its own, so that it hides no module; classes find themselves by it.
    name = f"tinynet_file_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file.resolve())
    if spec is None or spec.loader is None:
        raise ArgumentError(f"{file} is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(file.resolve().parent))  # whose other modules it may import
    loader = spec.loader
    explained(file, lambda: loader.exec_module(module), f"{file} cannot be run")
    return {key: value for key, value in vars(module).items() if not key.startswith("__")}


def known_in(model: Layer, others: dict[str, Any]) -> dict[str, Any]:
    """Return the classes of a model that are not tinynet's own, and what else its file may name."""
    layers = {type(layer).__name__: type(layer) for _, layer in model.walk()}
    own = {name: kind for name, kind in layers.items() if kind.__module__.split(".")[0] != "tinynet"}
    return {name: thing for name, thing in others.items() if callable(thing)} | own


def explained(file: Path, run: Callable[[], Any], what: str) -> Any:
    """Run something of the user's; an exception becomes an error, with the user's part of its traceback printed."""
    try:
        return run()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # as of a file that calls sys.exit
        for line in _places(error, file):
            print(line, file=sys.stderr)
        said = error if isinstance(error, TinynetError) else traceback.format_exception_only(error)[-1].strip()
        raise ArgumentError(f"{what}: {said}") from error


def _places(error: BaseException, file: Path) -> list[str]:
    """Return the lines of the user's that led to an exception: of the file, and of others beside it."""
    if isinstance(error, SyntaxError):
        return [f"  {error.filename}, line {error.lineno}", f"    {(error.text or '').strip()}"]
    home = file.resolve().parent
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(home) and not _is_installed(frame.filename)
    ]
    told = [(f"  {Path(f.filename).relative_to(home)}, line {f.lineno}, in {f.name}", f"    {f.line}") for f in frames]
    return [line for pair in told[-_MOST_PLACES:] for line in pair]


_MOST_PLACES = 3  # lines of the user's that are shown


def _is_installed(name: str) -> bool:
    """Return whether a file is tinynet's, or another library's."""
    return "site-packages" in name or Path(name).is_relative_to(Path(__file__).resolve().parents[1])


def _takes(make: Callable[..., Any], name: str = "") -> bool:
    """Return whether a function takes (input_shape, outputs), or nothing; others are refused."""
    try:
        signature = inspect.signature(make)
        for arguments in ((None, None), ()):
            try:
                signature.bind(*arguments)
            except TypeError:
                continue
            return bool(arguments)
    except ValueError:  # a class that is not written in Python
        pass
    raise ArgumentError(
        f"{name} must take (input_shape, outputs), such as (28, 28, 1) and 10, or no arguments, but it is "
        f"{getattr(make, '__name__', 'one')}{signature}"
    )


def _may_make(thing: Any, file: Path) -> bool:
    """Return whether something could be what the user meant: a model, or a function or class of that file."""
    own = inspect.getsourcefile(thing) if inspect.isfunction(thing) or inspect.isclass(thing) else None
    return isinstance(thing, Model) or (own is not None and Path(own).resolve() == file.resolve())


def _computed(model: Model, images: Any) -> Any:
    with no_grad():
        made = model(images)
    return getattr(made, "data", made)


def _shown(values: Any) -> str:
    some = ", ".join(f"{value:.3g}" for value in values[:5])
    return f"{some}{', ...' if len(values) > 5 else ''}"
