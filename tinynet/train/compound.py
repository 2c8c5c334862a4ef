"""Tasks that are made of others, and what concerns all tasks within."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tinynet.train.chosen import ChosenTask, Kept
from tinynet.train.task import Measures, Task


@dataclass(frozen=True)
class CompoundTask(Task):
    """A task around others, whose measures it has."""

    parts: dict[str, Task]  # by what their measures begin with: nothing, where there is one


def for_evaluation(task: Task) -> Task:
    """Return a task as samples that are not trained on are measured by it."""
    if isinstance(task, CompoundTask):
        return replace(task, parts={name: for_evaluation(part) for name, part in task.parts.items()})
    return replace(task, chosen=task.in_evaluation, kept=Kept()) if isinstance(task, ChosenTask) else task


def finish(task: Task) -> Measures:
    """Return what a task measures of a whole set, now that all of its batches have been measured."""
    if isinstance(task, CompoundTask):
        return {start + name: value for start, part in task.parts.items() for name, value in finish(part).items()}
    return task.finish() if isinstance(task, ChosenTask) else {}


def described_metrics(task: Task) -> list[str]:
    """Describe the metrics of a task that the user has chosen, for the settings of a run."""
    if isinstance(task, CompoundTask):
        return [start + text for start, part in task.parts.items() for text in described_metrics(part)]
    return [metric.described for metric in task.in_evaluation] if isinstance(task, ChosenTask) else []
