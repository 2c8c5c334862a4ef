"""The metrics that a user chooses: means are added up batch by batch, all others are computed on a whole set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.core.spec import Array
from tinynet.errors import ArgumentError
from tinynet.ops.logistic import sigmoid
from tinynet.train.measuring import MeasuredTask, as_number
from tinynet.train.metrics.metric import NAMED, Metric
from tinynet.train.task import Measures, MetricFunction, Task


@dataclass
class Kept:
    """The outputs and labels of a set, batch by batch, until all are there."""

    outputs: list[Array] = field(default_factory=list)
    labels: list[Array] = field(default_factory=list)
    are_logits: bool = False  # and not probabilities yet

    def add(self, output: Array, labels: Array, are_logits: bool) -> None:
        """Keep copies of a batch, since the next one overwrites its arrays."""
        self.are_logits = are_logits
        self.outputs.append(np.array(output))
        self.labels.append(np.array(labels))


@dataclass(frozen=True)
class ChosenTask(MeasuredTask):
    """A task that is measured by metrics of the user's choice; ``metrics`` are those of the loss, by name."""

    chosen: tuple[Metric, ...] = ()
    in_evaluation: tuple[Metric, ...] = ()  # there may be more of them than on training batches
    kept: Kept = field(default_factory=Kept)

    @property
    def of_sets(self) -> bool:
        """Whether a metric is computed on a whole set."""
        return not all(metric.mean for metric in self.chosen)

    def to_measure(self, output: Any, labels: Any) -> tuple[Any, Any]:
        """Return both, if there is a metric."""
        return (output, labels) if self.chosen else ((), ())

    def measure(self, made: Any, losses: list[Array], output: Array, labels: Array) -> Measures:
        """Return the loss and the means of a batch, and keep the batch for the other metrics."""
        if not self.chosen:
            return {"loss": losses[0].item()}
        is_made = made is not None and made.node is not None and made.node.op is self.probabilities
        are_logits = self.probabilities is not None and not is_made
        if self.of_sets:
            self.kept.add(output, labels, are_logits)
        return {"loss": losses[0].item()} | self._values(True, self.metrics(made), output, labels, are_logits)

    def finish(self) -> Measures:
        """Return the other metrics, of all batches since the last call."""
        outputs, labels = self.kept.outputs, self.kept.labels
        self.kept.outputs, self.kept.labels = [], []
        if not outputs:
            return {}
        return self._values(False, {}, np.concatenate(outputs), np.concatenate(labels), self.kept.are_logits)

    def _values(
        self, means: bool, own: dict[str, MetricFunction], output: Array, labels: Array, are_logits: bool
    ) -> Measures:
        found = {}
        for metric in self.chosen:
            if metric.mean is means:
                function = metric.function or own[str(metric.given)]
                given, options = output, {}
                if metric.probabilities and are_logits and self.probabilities is not None:
                    given = self.probabilities(Tensor(output)).data
                if metric.decides and self.probabilities is sigmoid and output.size != len(output):
                    options["threshold"] = 0.5  # each output is a question of its own
                found[metric.name] = as_number(metric.name, function(_fixed(given), _fixed(labels), **options))
        return found


def _fixed(array: Array) -> Array:
    """Return a read-only view."""
    view = array.view()
    view.flags.writeable = False
    return view


def measured_by(task: Task, metrics: Sequence[MetricFunction | str]) -> Task:
    """Return a task that is measured by metrics of the user's choice.

    Parameters
    ----------
    task : Task
        The task with its loss.
    metrics : sequence of Metric, callable or str
        As `fit` takes them.

    Returns
    -------
    Task
        The task for training; `for_evaluation` returns the task for other samples.

    Raises
    ------
    ArgumentError
        If something is not a metric, or two have one name.
    """
    if not isinstance(metrics, list | tuple):
        raise ArgumentError(f"metrics must be a list of functions, Metrics and names, but got {metrics!r}")
    chosen = tuple(m if isinstance(m, Metric) else Metric(m) for m in metrics)
    own, probabilities = (task.metrics, task.probabilities) if isinstance(task, MeasuredTask) else (_none, None)
    names = [*own(None), *NAMED]
    for metric in chosen:
        if metric.function is None and metric.given not in names:
            raise ArgumentError(
                f"this loss has no metric {metric.given!r}, only {', '.join(names)}; give a function, such as those of "
                "tn.metrics"
            )
    for name, count in Counter(metric.name for metric in chosen).items():
        if count > 1:
            raise ArgumentError(
                f"{count} metrics are called {name!r}; name them, as in tn.metrics.Metric(function, name='f2')"
            )
    in_training = tuple(metric for metric in chosen if metric.training)
    return ChosenTask(task.loss, task.check_labels, own, probabilities, in_training, chosen)


def _none(made: Tensor | None) -> dict[str, MetricFunction]:
    return {}


Task.measured_by = measured_by
