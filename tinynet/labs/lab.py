"""What a lab is, and what the grader says of a solution."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from tinynet.labs.doctor import LATER, Finding, Part

Parts = Iterable[Part]
_WIDTH, _INDENT = 100, " " * 9


@dataclass(frozen=True)
class Lab:
    """An exercise.

    Attributes
    ----------
    number : int
        By which commands know it.
    title : str
        What it is about.
    names : tuple of str
        What a solution must define.
    solution : tuple of str
        Where the library does the same: the dotted names of its own code.
    parts : callable
        Takes what a solution defines; returns the parts to examine, each with its check.
    """

    number: int
    title: str
    names: tuple[str, ...]
    solution: tuple[str, ...]
    parts: Callable[[Mapping[str, Any]], Parts]

    @property
    def notebook(self) -> str:
        """The text of its notebook."""
        return files("tinynet.labs").joinpath(f"notebooks/lab{self.number}.ipynb").read_text("utf-8")


@dataclass(frozen=True)
class Verdict:
    """What the grader found; its text is what is shown.

    Attributes
    ----------
    lab : Lab
        The exercise.
    findings : tuple of Finding
        One for each part.
    remarks : tuple of str
        What else was noticed, such as a cell that failed.
    """

    lab: Lab
    findings: tuple[Finding, ...]
    remarks: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every part is right."""
        return not self.mistakes

    @property
    def mistakes(self) -> tuple[str, ...]:
        """The names of the mistakes, in the order of the parts."""
        return tuple(finding.mistake for finding in self.findings if finding.mistake)

    def __str__(self) -> str:
        lines = [f"Lab {self.lab.number}: {self.lab.title}"]
        for finding in self.findings:
            lines += _lines(finding)
        lines += [f"  note   {remark}." for remark in self.remarks]
        if self.ok:
            lines.append("All of it is right. The library does the same in")
            lines += [f"  {name}" for name in self.lab.solution]
        else:
            right = len(self.findings) - len(self.mistakes)
            lines.append(f"{right} of {len(self.findings)} parts are right.")
        return "\n".join(lines)


def _lines(finding: Finding) -> list[str]:
    """Write a finding: whether its part is right, and what is wrong with it."""
    if not finding.mistake:
        return [f"  right  {finding.part}"]
    head = f"  {'later' if finding.mistake == LATER else 'WRONG'}  {finding.part}: {finding.mistake}."
    text = f"{finding.text[:1].upper()}{finding.text[1:]}."
    return [head, *textwrap.wrap(text, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)]
