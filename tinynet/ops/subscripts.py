"""The text that names the axes in `einsum`."""

from __future__ import annotations

from collections.abc import Sequence

from tinynet.core.engine import Tensor
from tinynet.errors import ArgumentError, ShapeError

Labels = list[str]  # names of the axes of a tensor; those of "..." are called -1, -2, ... from the last


def parsed(subscripts: str, count: int) -> tuple[list[str], str | None]:
    """Return the axes of each operand in the text, and those of the result, or None if it does not name them."""
    text = subscripts.replace(" ", "") if isinstance(subscripts, str) else "?"
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    letters = [term.replace("...", "", 1) for term in (*terms, right)]
    if any(part and not (part.isalpha() and part.isascii()) for part in letters):
        raise ArgumentError(f'einsum: subscripts must be letters, "," and "...", as in "ij,jk->ik", not {subscripts!r}')
    if len(terms) != count:
        raise ArgumentError(f"einsum: {subscripts!r} names {len(terms)} operands, but {count} came")
    return terms, right if arrow else None


def labelled(subscripts: str, term: str, x: Tensor) -> Labels:
    """Return the names of the axes of an operand."""
    letters = len(term.replace("...", ""))
    more = x.ndim - letters
    if more < 0 or (more and "..." not in term):
        raise ShapeError(f"einsum: {term!r} of {subscripts!r} has {letters} letters, but its operand has {x.shape}")
    return _spelled(term, more)


def _spelled(term: str, more: int) -> Labels:
    before, found, after = term.partition("...")
    return [*before, *(str(i) for i in range(-more, 0) if found), *after]


def sizes_of(subscripts: str, labels: Sequence[Labels], tensors: Sequence[Tensor]) -> dict[str, int]:
    """Return the length of each axis by its name."""
    sizes: dict[str, int] = {}
    for names, x in zip(labels, tensors, strict=True):
        for name, n in zip(names, x.shape, strict=True):
            known = sizes.get(name, n)
            if known != n and (name.isalpha() or 1 not in (known, n)):
                raise ShapeError(f"einsum: in {subscripts!r} the axis {name!r} has the lengths {known} and {n}")
            sizes[name] = n if known == 1 else known
    return sizes


def result(subscripts: str, output: str | None, labels: Sequence[Labels]) -> Labels:
    """Return the names of the axes of the result; by default those of "..." and letters that occur once."""
    every = [name for names in labels for name in names]
    more = max(len([name for name in names if not name.isalpha()]) for names in labels)
    single = "".join(sorted(name for name in every if name.isalpha() and every.count(name) == 1))
    text = "..." + single if output is None else output
    wanted = _spelled(text, more)
    if len(set(wanted)) < len(wanted) or not set(wanted) <= set(every):
        raise ArgumentError(f"einsum: the result of {subscripts!r} must name axes of the operands, each once")
    if more and "..." not in text:
        raise ArgumentError(
            f'einsum: the result of {subscripts!r} must have the axes of "...", which are not summed over'
        )
    return wanted
