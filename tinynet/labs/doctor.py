"""The gradient doctor: which mistake a function makes, found by comparing it with wrong ones.

A function of a student is called on copies of its arguments. What it returns is compared with the right value; where it
differs, with the values that known mistakes lead to (`Suspect`), and then with those that any array can suffer: another
sign, a constant factor, axes in another order. Whether a gradient is right is also judged by `check_gradients`, against
difference quotients, which know nothing of the right formula.
"""

from __future__ import annotations

import itertools
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np

from tinynet.core.engine import Op, Tensor, grad
from tinynet.core.spec import Array, Shape
from tinynet.inspection.gradcheck import check_gradients

LATER = "not examined"  # what is said of a part that another one has to come before
_RTOL, _ATOL = 1e-6, 1e-9


class Finding(NamedTuple):
    """What was found of one part of a lab.

    Attributes
    ----------
    part : str
        What was examined, such as "the gradient with respect to w".
    mistake : str
        The name of the mistake, such as "transposed"; empty if there is none.
    text : str
        Which mistake it is, and what to do about it.
    """

    part: str
    mistake: str
    text: str


class Suspect(NamedTuple):
    """A mistake that can be made here, and the value that it leads to."""

    mistake: str
    value: Array
    text: str


class Part(NamedTuple):
    """A part of a lab: its name, what examines it, and the part that has to be right first, if one has."""

    name: str
    check: Callable[[], None]
    after: str = ""


class MistakeError(Exception):
    """A mistake was found; its arguments are its name and its text."""


def mistake(name: str, text: str) -> NoReturn:
    """Say that a mistake was found."""
    raise MistakeError(name, text)


def examine(parts: Iterable[Part]) -> list[Finding]:
    """Examine parts one by one; each check returns, or raises the first `MistakeError` that it finds."""
    found: dict[str, Finding] = {}
    for name, check, after in parts:
        try:
            if after and found[after].mistake:
                mistake(LATER, f"{after} has to be right first")
            check()
        except MistakeError as error:
            found[name] = Finding(name, *error.args)
        else:
            found[name] = Finding(name, "", "")
    return list(found.values())


def call(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call a student's function on copies of arrays; a mistake if it raises, or if it changes them."""
    given = {name: np.copy(a) if isinstance(a, np.ndarray) else a for name, a in arguments.items()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = function(*given.values())
    except MistakeError:
        raise
    except (Exception, SystemExit) as error:
        mistake("raises an error", f"it raises {said(error)}, for {shapes_of(arguments)}")
    for name, array in given.items():
        if isinstance(array, np.ndarray) and not np.array_equal(array, arguments[name], equal_nan=True):
            mistake(
                "mutates its input",
                f"it changes {name}, which the caller still needs. Make a new array, or work on "
                f"{name}.copy(); remember that -=, += and x[...] = write into the array that came",
            )
    return result


def said(error: BaseException) -> str:
    """Write an error with the line of the student's file that it came from."""
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in STUDENT_FILES]
    where = f" (line {lines[-1].lineno} of {STUDENT_FILES[lines[-1].filename]})" if lines else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}{f': {text}' if text else ''}{where}"


STUDENT_FILES: dict[str, str] = {}  # what messages call each piece of code of the student, by its file name


def shapes_of(arguments: Mapping[str, Any]) -> str:
    """Write the arguments of a call: x of shape (2, 3), size = 2."""
    texts = [f"{k} of shape {v.shape}" if hasattr(v, "shape") else f"{k} = {v}" for k, v in arguments.items()]
    return ", ".join(texts)


def as_array(result: Any, what: str = "it") -> Array:
    """Check that a function has returned numbers in an array."""
    if result is ...:
        mistake("missing", f"{what} returns ...: the hole is not filled yet")
    if result is None:
        mistake("returns nothing", f"{what} returns None: is a return missing?")
    if isinstance(result, Tensor):
        mistake("wrong type", f"{what} returns a Tensor; this lab is about NumPy arrays: leave tn out")
    if not isinstance(result, np.ndarray | np.generic | float | int):
        mistake("wrong type", f"{what} returns a {type(result).__name__}; return a NumPy array")
    array = np.asarray(result)
    if array.dtype.kind not in "fiub":
        mistake("wrong dtype", f"{what} returns values of dtype {array.dtype}; return real numbers")
    return array


def same(a: Array, b: Array, rtol: float = _RTOL) -> bool:
    """Whether two arrays have one shape and, but for rounding, the same values."""
    size = float(np.max(np.abs(b), initial=0.0))
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=rtol, atol=_ATOL + rtol * 1e-2 * size))


def compare(found: Array, right: Array, suspects: Sequence[Suspect] = ()) -> None:
    """Find out which mistake leads from the right value to the one that was found."""
    if same(found, right):
        return
    for suspect in suspects:
        if not same(suspect.value, right) and same(found, suspect.value):
            mistake(suspect.mistake, suspect.text)
    if found.shape != right.shape:
        _compare_shapes(found, right)
    if not np.isfinite(found).all():
        what = "NaN" if np.isnan(found).any() else "infinity"
        mistake("not finite", f"it returns {what}, where {_example(found, right)}")
    if not found.any():
        mistake("zero", "it returns zeros only: is the result written into the array that is returned?")
    if same(-found, right):
        mistake("wrong sign", "each value has the right size and the wrong sign: put a minus in front")
    _compare_factor(found, right)
    _compare_order(found, right)
    wrong = ~np.isclose(found, right, rtol=_RTOL, atol=_ATOL)
    mistake(
        "wrong values",
        f"{int(wrong.sum())} of its {wrong.size} values differ from the right ones: {_example(found, right)}",
    )


def _compare_shapes(found: Array, right: Array) -> NoReturn:
    for order in itertools.permutations(range(right.ndim)):
        if same(found, right.transpose(order)):
            mistake(
                "transposed",
                f"it has shape {found.shape}, the right values with its axes in another order; it must have "
                f"shape {right.shape}",
            )
    hint = ""
    if found.size == right.size and same(found.reshape(right.shape), right):
        hint = "; the values are right: reshape it"
    elif found.size < right.size and found.ndim <= right.ndim:
        hint = ": was something summed that should not be?"
    elif found.size > right.size:
        hint = ": is a sum missing?"
    mistake("wrong shape", f"it has shape {found.shape}, but must have {right.shape}{hint}")


def _compare_factor(found: Array, right: Array) -> None:
    there = np.abs(right) > 1e-3 * np.abs(right).max()
    factor = float(np.median(found[there] / right[there]))
    if factor and same(found / factor, right):
        mistake(
            "missing factor",
            f"each value is {written(factor)} times the right one: a constant factor is missing, or one too many",
        )
    shift = found - right
    if right.size > 1 and same(shift, np.full_like(shift, shift.flat[0])):
        mistake("wrong constant", f"each value is off by the same number, {shift.flat[0]:.4g}")


def _compare_order(found: Array, right: Array) -> None:
    for order in itertools.permutations(range(right.ndim)):
        if order != tuple(range(right.ndim)) and same(found, right.transpose(order)):
            mistake("transposed", "it has the right values with its axes in another order")
    for n in range(1, right.ndim + 1):
        for axes in itertools.combinations(range(right.ndim), n):
            if same(found, np.flip(right, axes)):
                mistake("flipped", f"it has the right values in reverse order along axis {', '.join(map(str, axes))}")


def written(factor: float) -> str:
    """Write a factor: 2, 1/6, 0.731."""
    for number in range(1, 400):
        for sign in (1, -1):
            if abs(factor - sign * number) < 1e-6 * number:
                return f"{sign * number}"
            if abs(factor - sign / number) < 1e-6 / number:
                return f"{'-' * (sign < 0)}1/{number}"
    return f"{factor:.4g}"


def _example(found: Array, right: Array) -> str:
    """Point to the first value that is wrong."""
    wrong = ~np.isclose(found, right, rtol=_RTOL, atol=_ATOL)
    place = tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), right.shape))
    at = f"at [{', '.join(map(str, place))}] " if place else ""
    return f"{at}it is {found[place]:.6g} and should be {right[place]:.6g}"


def keeps_dtype(function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Check that float32 comes out where float32 goes in."""
    single = {
        name: a.astype(np.float32) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
        for name, a in arguments.items()
    }
    results = call(function, single)
    for result in results if isinstance(results, tuple | list) else [results]:
        dtype = as_array(result).dtype
        if dtype != np.float32:
            mistake(
                "wrong dtype",
                f"it returns {dtype} for float32: np.zeros and np.ones make float64 unless you add "
                "dtype=x.dtype, and an array of integers (class numbers, say) in the arithmetic makes "
                "float64, too",
            )


def library_gradients(forward: Callable[..., Tensor], inputs: Sequence[Array], g: Array) -> list[Array]:
    """Return what the library computes: the gradients of a function of tensors, given that of its output."""
    leaves = [Tensor(a, requires_grad=True) for a in inputs]
    found = grad([forward(*leaves)], leaves, [Tensor(g)])
    return [np.array(t.data) for t in found]


def slopes(op: Op, names: Sequence[str], inputs: Sequence[Array], wrt: str) -> str:
    """Ask difference quotients about one input; returns what a wrong gradient claims and what they measure."""
    report = check_gradients(op, *inputs, names=names)
    for row in report.wrong:
        if row.name == wrt:
            return f"along one direction it claims the slope {row.analytic:.5g}, where {row.numeric:.5g} is measured"
    return ""


def check_by_quotients(
    student: Callable[..., Array],
    compute: Callable[..., Array],
    names: Sequence[str],
    inputs: Sequence[Array],
    wrt: str,
) -> str:
    """Judge a gradient by difference quotients of the right function; returns what they say against it, if anything.

    Parameters
    ----------
    student : callable
        ``student(g, *inputs)``: the gradient with respect to ``wrt``, by the student.
    compute : callable
        The right function, of arrays.
    names : sequence of str
        What the inputs are called.
    inputs : sequence of ndarray
        The point, in float64.
    wrt : str
        The input to differentiate with respect to.
    """
    shapes: tuple[Shape, ...] = tuple(a.shape for a in inputs)
    place = list(names).index(wrt)

    def rule(g: Tensor, y: Any, *xs: Tensor) -> Tensor:
        found = as_array(call(student, {"g": g.data, **{n: x.data for n, x in zip(names, xs, strict=True)}}))
        if found.shape != shapes[place]:
            mistake("wrong shape", f"it has shape {found.shape}, but must have {shapes[place]}")
        return Tensor(found.astype(np.float64))

    def zero(i: int, g: Tensor, y: Any, *xs: Tensor) -> Tensor:
        return rule(g, y, *xs) if i == place else Tensor(np.zeros(shapes[i]))

    op = Op("lab", infer=lambda *xs: _spec(compute, xs), compute=compute, vjp=zero)
    return slopes(op, names, inputs, wrt)


def _spec(compute: Callable[..., Array], xs: Sequence[Any]) -> Any:
    from tinynet.core.spec import Spec

    y = compute(*(np.zeros(x.shape, x.dtype) for x in xs))
    return Spec(y.shape, y.dtype)


def check_gradient(
    student: Callable[..., Any],
    compute: Callable[..., Array],
    arguments: Mapping[str, Array],
    wrt: str,
    right: Array,
    suspects: Sequence[Suspect],
) -> None:
    """Examine a gradient: against the library's, against difference quotients, and for its dtype.

    Parameters
    ----------
    student : callable
        ``student(g, *inputs)``.
    compute : callable
        The right function of the inputs.
    arguments : dict of str to ndarray
        ``g`` first, then the inputs.
    wrt : str
        The input that the gradient is of.
    right : ndarray
        What the library computes.
    suspects : sequence of Suspect
        The mistakes to compare with, before those that can be made everywhere.
    """
    names = list(arguments)[1:]
    inputs = [arguments[name] for name in names]
    found = as_array(call(student, arguments))
    ones = as_array(call(student, {**arguments, "g": np.ones_like(arguments["g"])}))
    try:
        if not same(found, right) and same(found, ones):
            mistake(
                "ignores the cotangent",
                "it does not depend on g, the gradient of the output: the chain rule multiplies with it",
            )
        compare(found, right, suspects)
    except MistakeError as error:
        name, text = error.args
        known = found.shape == right.shape and bool(np.isfinite(found).all())
        measured = check_by_quotients(student, compute, names, inputs, wrt) if known else ""
        mistake(name, f"{text}. Difference quotients agree: {measured}" if measured else text)
    if measured := check_by_quotients(student, compute, names, inputs, wrt):
        mistake("wrong values", f"it is right for one g, but not for others: {measured}")
    keeps_dtype(student, arguments)
