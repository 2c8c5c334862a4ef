"""What a report is about, and what its sections are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tinynet.datasets import Dataset
from tinynet.model import Model
from tinynet.report.answers import Answers
from tinynet.report.style import Array
from tinynet.train import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained model with what it was tested on.

    Attributes
    ----------
    title : str
        Stands above the page.
    model : Model
        The one that was tested.
    answers : sequence of Answers
        What it answers at each of its outputs.
    measures : mapping of str to float
        Of the test set: the loss and the metrics.
    history : History or None
        Of its training.
    validation : str
        What the set is called on which the history was measured: "test" or "validation".
    images : ndarray or None
        The test samples, if they are images.
    ink : bool
        Whether grey images are drawings.
    noun, plural : str
        What a class is.
    data : Dataset or None
        What it was trained and tested on.
    record : mapping or None
        What the ``metrics.json`` of its run holds.
    playground : str
        The name of a page beside this one, on which one can draw; "" if there is none.
    """

    title: str
    model: Model
    answers: Sequence[Answers]
    measures: Mapping[str, float]
    history: History | None = None
    validation: str = "test"
    images: Array | None = None
    ink: bool = True
    noun: str = "class"
    plural: str = "classes"
    data: Dataset | None = None
    record: Mapping[str, Any] | None = None
    playground: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


class Drawing(NamedTuple):
    """A figure of a report."""

    name: str  # of its file, without the ending
    draw: Callable[[], Figure]
    alt: str  # says what it shows, for those who do not see it
    caption: str = ""


class Pair(NamedTuple):
    """Two columns, which stand below each other where the screen is narrow."""

    left: Sequence[Element]
    right: Sequence[Element]


Element = str | Drawing | Pair  # a str is HTML


class Section(NamedTuple):
    """A part of a report, and the task for which it is made.

    Attributes
    ----------
    title : str
        Sections of one title stand below it one after the other.
    tasks : tuple of str
        The tasks of the outputs for which it is made, once for each; if empty, it is made once for the whole model.
    make : callable
        Takes the subject and, if it has tasks, the answers; returns parts, or none where there is nothing to show.
    """

    title: str
    tasks: tuple[str, ...]
    make: Callable[..., Sequence[Element]]
