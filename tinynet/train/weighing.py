"""The task of a weighted loss, and the weights of samples in its means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from tinynet.core.engine import Tensor
from tinynet.core.spec import Array
from tinynet.errors import DataError
from tinynet.nn.layer import nested
from tinynet.train.compound import CompoundTask
from tinynet.train.joint import Joint
from tinynet.train.task import Measures, Task
from tinynet.train.weighted import Weighted


@dataclass(frozen=True)
class WeightedTask(CompoundTask):
    """A task whose labels come in pairs with their weights. The weights concern the loss; metrics count all alike."""

    loss: Weighted

    @property
    def plain(self) -> Task:
        """The task without weights."""
        return self.tasks[""]

    def losses(self, output: Any, labels: Any) -> list[Tensor]:
        """Return the weighted mean, followed by that of each output if there are several."""
        return self.loss.means(output, labels)

    def to_measure(self, output: Any, labels: Any) -> tuple[Any, Any]:
        """Return the parts that the task without weights measures."""
        read, actual = self.plain.to_measure(output, labels[0])
        return read, (actual,)

    def measure(self, made: Any, losses: list[Array], output: Any, labels: Any) -> Measures:
        """Return the measures of the task without weights, with the weighted losses."""
        return self.plain.measure(made, losses, output, labels[0])

    def weigh(self, labels: Any, indices: Array) -> dict[str, float]:
        """Return the sum of the weights of a batch, which must not be 0."""
        weights = weights_of(self, (None, nested(labels[1], lambda whole: whole[indices])))
        if not any(weights.values()):
            raise DataError(
                f"all {len(indices)} samples of a batch have the weight 0, so there is no mean of their losses; leave "
                "out the samples of weight 0, as in x[weights > 0], or take larger batches"
            )
        return weights


def weights_of(task: Task, labels: Any) -> dict[str, float]:
    """Return the weight of some samples in each mean loss, by name; it may be 0."""
    if not isinstance(task, WeightedTask):
        return {}
    if isinstance(labels[1], dict):
        return {f"{name}_loss": float(weights.sum()) for name, weights in labels[1].items()}
    return dict.fromkeys(task.loss.names, float(labels[1].sum()))


def loss_names(task: Task) -> list[str]:
    """Return the names of the losses among the measures of a task: "loss", and that of each output if several."""
    return (task.loss if isinstance(task.loss, Weighted) else Weighted(task.loss)).names


class Share(NamedTuple):
    """The weights of a batch that is computed in parts."""

    weight: float  # the sums of its losses are divided by this
    factors: tuple[dict[str, float], ...]  # further arguments of `total_losses`, which computes these sums


def share_of(task: Task, labels: Any, indices: Array) -> Share:
    """Return how the samples at some indices count; with its factor, each output of weights of its own counts n."""
    weights, n = task.weigh(labels, indices), len(indices)
    if not weights or "loss" in weights:
        return Share(weights.get("loss", n), ())
    names = (name.removesuffix("_loss") for name in weights)
    return Share(n, (dict(zip(names, (n / w if w else 0.0 for w in weights.values()), strict=True)),))


def with_joint_loss(task: Task, found: Measures) -> Measures:
    """Return the measures of a set, in which the loss is the sum of those of outputs with weights of their own."""
    joint = task.loss.loss if isinstance(task, WeightedTask) else None
    if not isinstance(joint, Joint):
        return found
    return found | {"loss": sum(part.weight * found[f"{part.name}_loss"] for part in joint.outputs)}


def total_losses(task: Task, output: Any, labels: Any, n: int, factors: Any = None) -> list[Tensor]:
    """Return the sums of the losses of n samples, each by its weight; of outputs, times factors if there are any."""
    if isinstance(task, WeightedTask):
        return task.loss.totals(output, labels, factors)
    return [loss * float(n) for loss in task.losses(output, labels)]
