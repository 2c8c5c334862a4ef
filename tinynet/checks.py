"""The checks that modules share: of counts, integers, numbers above 0, arrays of numbers; and of methods to come."""

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
    """Stand in for a method that another module of tinynet defines, and puts in this place when it is imported."""

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
        return tuple(operator.index(n) for n in several)
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
    if array.dtype.kind not in "fiub":
        raise DTypeError(f"{what} must be an array of numbers, but has dtype {array.dtype}")
    return array


# The last one makes data of what a user passes to `fit` under a name: an array, or what is read later.
readers: list[Callable[[str, Any], Any]] = [check_numbers]
