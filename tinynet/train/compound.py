"""Tasks that are made of other tasks, and functions over all of these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tinynet.train.chosen import ChosenTask, Kept
from tinynet.train.task import Measures, Task


@dataclass(frozen=True)
class CompoundTask(Task):
    """A task around others, which has their measures."""

    tasks: dict[str, Task]  # by the prefix of their measures, which is empty if there is one task


def for_evaluation(task: Task) -> Task:
    """Return the form of a task that measures samples outside of training."""
    if isinstance(task, CompoundTask):
        return replace(task, tasks={name: for_evaluation(one) for name, one in task.tasks.items()})
    return replace(task, chosen=task.in_evaluation, kept=Kept()) if isinstance(task, ChosenTask) else task


def finish(task: Task) -> Measures:
    """Return the measures of a whole set, after all of its batches have been measured."""
    return {start + name: value for start, chosen in chosen_within(task) for name, value in chosen.finish().items()}


def chosen_within(task: Task, start: str = "") -> Iterator[tuple[str, ChosenTask]]:
    """Yield the tasks with metrics of the user's choice, each with the prefix of its measures."""
    if isinstance(task, ChosenTask):
        yield start, task
    if isinstance(task, CompoundTask):
        for name, one in task.tasks.items():
            yield from chosen_within(one, start + name)


def described_metrics(task: Task) -> list[str]:
    """Describe the metrics that the user has chosen for a task, for the settings of a run."""
    return [start + metric.described for start, chosen in chosen_within(task) for metric in chosen.in_evaluation]
