"""The joint loss of several outputs, and its task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tinynet.core.engine import Tensor
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError, TinynetError
from tinynet.ops.loss import scalar_loss
from tinynet.train.compound import CompoundTask
from tinynet.train.inputs import in_order
from tinynet.train.task import Measures, Task


@dataclass(frozen=True)
class TrainedOutput:
    """An output that is trained on."""

    name: str
    key: Any  # of the output: a name or a place
    task: Task
    weight: float


class Joint:
    """The loss of several outputs: the sum of their losses, each by its weight; labels come by name."""

    def __init__(self, outputs: Sequence[TrainedOutput]) -> None:
        self.outputs = outputs

    def each(self, output: Any, labels: Any, total: Callable[[Task, Any, Any], Tensor]) -> list[Tensor]:
        """Return the sum, and the loss of each output: ``total`` of its task, the output and its labels."""
        found = [total(one.task, output[one.key], labels[one.name]) for one in self.outputs]
        pairs = zip(self.outputs, found, strict=True)
        weighted = [loss if one.weight == 1 else one.weight * loss for one, loss in pairs]
        return [sum(weighted[1:], weighted[0]), *found]

    def __call__(self, output: Any, labels: Any) -> Tensor:
        """Return the sum."""
        return self.each(output, labels, _mean)[0]


def _mean(task: Task, output: Any, labels: Any) -> Tensor:
    return scalar_loss(task.loss, output, labels)


@dataclass(frozen=True)
class SeveralTask(CompoundTask):
    """A task for each of several outputs. Measures begin with the name of the output."""

    loss: Joint

    def read_labels(self, y: Any, n: int, made: Any) -> dict[str, Array]:
        """Check the labels of each output that is trained on."""
        found = {}
        for one, given in zip(self.loss.outputs, self._labels(y, made), strict=True):
            try:
                found[one.name] = one.task.read_labels(given, n, made[one.key])
            except TinynetError as error:
                raise type(error)(f"y[{one.name!r}]: {error}") from error
        return found

    def _labels(self, y: Any, made: Any) -> list[Any]:
        trained = [one.name for one in self.loss.outputs]
        if isinstance(y, dict) or len(trained) == len(made):
            return in_order("y", y, trained)
        given = dict(zip(names_of(made), in_order("y", y, names_of(made)), strict=True))
        return [given[name] for name in trained]

    def losses(self, output: Any, labels: Any) -> list[Tensor]:
        """Return the sum of the losses, and the loss of each output."""
        return self.loss.each(output, labels, _mean)

    def to_measure(self, output: Any, labels: Any) -> tuple[Any, Any]:
        """Return the parts to measure of each output that is trained on, and of its labels."""
        read = [self.tasks[f"{one.name}_"].to_measure(output[one.key], labels[one.name]) for one in self.loss.outputs]
        keys, names = [one.key for one in self.loss.outputs], [one.name for one in self.loss.outputs]
        outputs, actual = zip(*read, strict=True)
        return dict(zip(keys, outputs, strict=True)), dict(zip(names, actual, strict=True))

    def measure(self, made: Any, losses: list[Array], output: Any, labels: Any) -> Measures:
        """Return the loss, and the measures of each output."""
        found = {"loss": losses[0].item()}
        for one, loss in zip(self.loss.outputs, losses[1:], strict=True):
            task = self.tasks[f"{one.name}_"]
            measured = task.measure(made[one.key], [loss], output[one.key], labels[one.name])
            found |= {f"{one.name}_{name}": value for name, value in measured.items()}
        return found


def names_of(made: Any) -> list[str]:
    """Return the names of several outputs: those of a dict; otherwise "output_0" and so on."""
    if not made or any(not isinstance(one, Tensor) for one in (made.values() if isinstance(made, dict) else made)):
        raise ArgumentError("a model that is trained must return a Tensor, or several in one tuple, list or dict")
    return list(made) if isinstance(made, dict) else [f"output_{i}" for i in range(len(made))]
