"""Checks of arguments that modules share, and stand-ins for methods that another module adds."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tinynet.errors import ArgumentError, DTypeError

T = TypeVar("T")


def defined_in(module: str) -> Any:
    """Declare a method that another module adds to the class when it is imported; called before that, it raises."""

    def missing(*arguments: Any, **options: Any) -> Any:
        raise ArgumentError(f"this is done by {module}, which is not there; import it")

    return missing


def find_function(start: str, named: Mapping[str, T], given: str | T, arguments: str) -> T:
    """Find a function by its name, or return one of the user's as it is; `start` begins the error."""
    if isinstance(given, str) and given in named:
        return named[given]
    if isinstance(given, str) or not callable(given):
        names = ", ".join(f'"{name}"' for name in named)
        raise ArgumentError(f"{start} {names} or a function of {arguments}, but got {given!r}")
    return given


def check_count(argument: str, value: Any, least: int = 1) -> int:
    """Check that a number of things is an integer and not too small."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise ArgumentError(f"{argument} must be an integer of {least} or more, but got {value!r}")
    return number


def check_integers(what: str, given: Any) -> tuple[int, ...]:
    """Check that something is an integer or a sequence of integers; returns them as a tuple."""
    try:
        several = [given] if isinstance(given, int | np.integer) else list(given)
        return tuple(map(operator.index, several))
    except TypeError:
        raise ArgumentError(f"{what} must be an integer or a sequence of integers, but got {given!r}") from None


def check_positive(owner: str, argument: str, value: Any, zero: bool = False, most: float = math.inf) -> float:
    """Check that a number is finite and above 0 (or not below, with ``zero``), and no more than ``most``."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number < 0 or (number == 0 and not zero) or number > most:
        raise ArgumentError(
            f"{owner}: {argument} must be a finite number {'of 0 or more' if zero else 'above 0'}"
            f"{'' if most == math.inf else f' and at most {most:g}'}, but got {value!r}"
        )
    return number


def check_numbers(what: str, given: npt.ArrayLike) -> npt.NDArray[Any]:
    """Check that something is an array of real numbers, or can be made into one."""
    try:
        array = np.asarray(given)
    except ValueError as error:  # rows of different lengths
        raise DTypeError(f"{what} must be an array of numbers, but cannot be made into an array: {error}") from error
    if array.dtype.kind not in "fiub" or isinstance(given, np.ma.MaskedArray):
        raise DTypeError(
            f"{what} must be an array of numbers, but is a masked array; say what stands in the gaps, as in x.filled(0)"
            if isinstance(given, np.ma.MaskedArray)
            else f"{what} must be an array of numbers, but has dtype {array.dtype}"
        )
    return array


# Only the last one is used. It takes the name and the value of an argument of `fit`, and returns an array. That of
# `tinynet.train.sources`, appended on import, also takes data that are read batch by batch.
readers: list[Callable[[str, Any], Any]] = [check_numbers]
