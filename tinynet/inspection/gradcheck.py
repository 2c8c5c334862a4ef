"""Checks of gradients by difference quotients, each with an error estimate, so that a verdict is not a guess.

Second derivatives are checked in the same way. They are the gradients of the gradient, as a function of the point and
of the cotangent.

The gradient claims that the slope along a direction d is <gradient, d>. The quotients (f(x + h d) - f(x)) / h from the
right, from the left and across are extrapolated to h = 0, over windows of three steps h, h/4, h/16, at ever smaller
steps. Each limit has an error: that of the extrapolation (from its last two columns), and the rounding of f divided by
h. If left and right agree, the claim is right within these errors of the limit, and wrong outside of them. If left and
right differ by more than their errors, there is a kink. If none of these can be decided, it is round-off.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from tinynet.core.engine import Tensor, as_tensor, grad
from tinynet.core.mode import recording
from tinynet.core.spec import Array, Shape
from tinynet.errors import ArgumentError, DataError, GradientError
from tinynet.train.task import find_task

_FIRST_STEP, _STEPS = 2.0**-4, 16  # each step is a quarter of the one before
_LEGEND = {
    "ok": "the gradient agrees with the difference quotients",
    "wrong": "the quotients converge, from both sides, to something else: the gradient is wrong",
    "kink": "the slopes from left and right differ (relu at 0, a tie of max): there is no derivative to compare with",
    "round-off": "too small, or too close, to be distinguished from the rounding errors of f",
}


@dataclass(frozen=True)
class Comparison:
    """The result for the gradient with respect to one input or parameter: the worst of its directions.

    Attributes
    ----------
    name : str
        Of the input or parameter; "layer.parameter" in a model.
    shape : tuple of int
        Its shape.
    gradient : float
        The Euclidean norm of the gradient.
    analytic, numeric, error : float
        The slope that the gradient claims, the measured slope, and their difference relative to the larger one.
    verdict : {"ok", "wrong", "kink", "round-off"}
        "wrong" or "kink" if any direction was, otherwise "ok" if any was, otherwise "round-off".
    compared, directions : int
        The number of directions in which the gradient was found ok or wrong, and the number of all directions.
    order : {1, 2}
        1 for the gradient, 2 for the gradient of the gradient.
    """

    name: str
    shape: Shape
    gradient: float
    analytic: float
    numeric: float
    error: float
    verdict: str
    compared: int
    directions: int
    order: int = 1


@dataclass(frozen=True)
class GradientReport:
    """The result of `check_gradients`: a Comparison for each input or parameter. Its text is a table.

    Attributes
    ----------
    rows : tuple of Comparison
        In the order of the inputs or parameters; those of second order come after those of first order.
    rtol : float
        The relative error up to which a gradient counts as right.
    """

    rows: tuple[Comparison, ...]
    rtol: float

    @property
    def ok(self) -> bool:
        """Whether no gradient is wrong. Kinks and round-off, which cannot be decided, do not count as wrong."""
        return not self.wrong

    @property
    def strict(self) -> bool:
        """Whether every gradient was compared and found right, without a kink."""
        return all(row.verdict == "ok" for row in self.rows)

    @property
    def wrong(self) -> tuple[Comparison, ...]:
        """The inputs or parameters whose gradient is wrong."""
        return tuple(row for row in self.rows if row.verdict == "wrong")

    @property
    def kinks(self) -> tuple[Comparison, ...]:
        """The inputs or parameters with a kink at the point, or too near to avoid."""
        return tuple(row for row in self.rows if row.verdict == "kink")

    @property
    def roundoff(self) -> tuple[Comparison, ...]:
        """The inputs or parameters that rounding leaves undecided."""
        return tuple(row for row in self.rows if row.verdict == "round-off")

    def raise_if_wrong(self) -> None:
        """Raise a GradientError with the table if a gradient is wrong."""
        if self.wrong:
            names = ", ".join(f"{row.name}{' (second order)' * (row.order - 1)}" for row in self.wrong)
            raise GradientError(f"the gradient is wrong with respect to {names}\n{self}")

    def __str__(self) -> str:
        layered = any("." in row.name for row in self.rows)
        both = len({row.order for row in self.rows}) > 1
        heads = [*(["order"] if both else []), *(["layer", "parameter"] if layered else ["input"])]
        table = [[*heads, "shape", "|gradient|", "analytic", "numeric", "rel. error", "compared", "verdict"]]
        last: tuple[str, int] | None = None
        for row in self.rows:
            layer, _, parameter = row.name.rpartition(".")
            name = ["" if (layer, row.order) == last else layer, parameter] if layered else [row.name]
            name = [str(row.order), *name] if both else name
            numbers = [f"{x:.5g}" for x in (row.gradient, row.analytic, row.numeric)]
            counts = f"{row.compared} of {row.directions}"
            table.append([*name, str(row.shape), *numbers, f"{row.error:.1e}", counts, row.verdict])
            last = layer, row.order
        widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
        left = {*range(len(heads) + 1), len(widths) - 1}
        lines = [
            "  ".join(c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True)))
            for r in table
        ]
        first = "slopes of f, weighted with random cotangents: analytic <gradient, direction>, numeric from quotients"
        return "\n".join([first, *(line.rstrip() for line in lines), *self.legend()])

    def legend(self) -> list[str]:
        """Return the lines that explain the verdicts that occur."""
        found = {row.verdict for row in self.rows}
        both = len({row.order for row in self.rows}) > 1
        return [
            f"compared: directions; each row shows its worst one; right up to a relative error of {self.rtol:g}",
            *(f"{verdict}: {text}" for verdict, text in _LEGEND.items() if verdict in found),
            *(["order 2: the gradient of the gradient, in the inputs and in the cotangent"] if both else []),
        ]

    __repr__ = __str__


@recording()
def check_gradients(
    f: Any,
    *inputs: Any,
    y: Any = None,
    loss: Callable[..., Tensor] | str | None = None,
    names: Sequence[str] | None = None,
    seed: int = 0,
    directions: int = 3,
    rtol: float = 1e-4,
    order: int = 1,
) -> GradientReport:
    """Compare the gradients of a function or a model with difference quotients, in float64.

    Each input or parameter is moved in a direction in which no parts of its gradient cancel, in random directions, and
    one element at a time: that with the largest gradient, and random others. No argument is changed.

    Parameters
    ----------
    f : callable or model
        A function of Tensors that returns a Tensor, or a tuple of them; or a model: it has ``parameters``, is
        called on ``x``, and ``astype("float64")`` returns its copy.
    *inputs : array_like or Tensor
        The point: the arguments of ``f``. Floating ones are copied to float64 and checked; integers and bools are
        passed on. For a model: ``x`` and, if there is a loss, ``y``; the parameters are checked.
    y : array_like, optional
        The targets of a model's loss, if they are not the second input.
    loss : callable or {"cross_entropy", "binary_cross_entropy", "mse", "mae", "huber"}, optional
        For a model: ``loss(model(x), y)`` is checked instead of its output.
    names : sequence of str, optional
        The names of the inputs in the report; by default those of the arguments of ``f``.
    seed : int
        The seed of the random cotangent and directions.
    directions : int
        The number of dense directions, and of single elements, to try for each input.
    rtol : float
        The relative error up to which a gradient is right. A larger error is reported, unless rounding hides it.
    order : {1, 2}
        2 to check the second derivatives, too: the gradient of the gradient, with respect to the inputs or parameters
        and to the cotangent.

    Returns
    -------
    GradientReport
        Assert its ``ok`` (nothing is wrong) or its ``strict`` (everything was compared and is right); print it for a
        table.

    Raises
    ------
    ArgumentError
        If there is nothing to check, ``f`` is random, or it returns no floating Tensor.
    DataError
        If ``f`` is NaN or infinite at the point itself, or its gradient is, if second derivatives are checked.
    GradientError
        If second derivatives are requested and an op has none.

    Notes
    -----
    The extrapolation is Richardson's, to the limit of Romberg's table; the rounding error of f is estimated from
    second differences at steps too small for anything else to be seen (Moré and Wild, Estimating Computational Noise,
    SIAM J. Sci. Comput. 33, 2011). A slope is measured many digits better than ``rtol``, unless f is rough.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> from tinynet.inspection.gradcheck import check_gradients
    >>> rng = np.random.default_rng(0)
    >>> check_gradients(tn.ops.matmul, rng.normal(size=(2, 3)), rng.normal(size=(3, 4))).ok
    True
    >>> report = check_gradients(lambda x: tn.ops.relu(x).sum(), np.array([-1.0, 0.0, 2.0]))
    >>> report.ok, report.strict, [row.name for row in report.kinks]
    (True, False, ['x'])
    >>> check_gradients(tn.ops.tanh, np.array([0.5, 1.0]), order=2).strict
    True
    >>> cube = tn.Op("cube", infer=lambda x: x, compute=lambda x: x**3,
    ...              vjp=(lambda g, y, x: 2 * g * x**2,))
    >>> print(check_gradients(cube, np.array([1.0, 2.0]), names=["x"]))
    slopes of f, weighted with random cotangents: analytic <gradient, direction>, numeric from quotients
    input  shape  |gradient|  analytic  numeric  rel. error  compared  verdict
    x      (2,)       4.5935     4.543   6.8145     3.3e-01    5 of 5  wrong
    compared: directions; each row shows its worst one; right up to a relative error of 0.0001
    wrong: the quotients converge, from both sides, to something else: the gradient is wrong
    """
    if directions < 1 or not 0 < rtol < 1:
        raise ArgumentError(f"directions must be 1 or more and rtol between 0 and 1, but got {directions} and {rtol}")
    if not callable(f):
        raise ArgumentError(f"check_gradients takes a function of tensors, or a model, but got {f!r}")
    if order not in (1, 2):
        raise ArgumentError(f"order must be 1 or 2, but got {order!r}")
    if isinstance(getattr(f, "parameters", None), Mapping):
        leaves, forward = _of_model(f, inputs, y, loss)
    else:
        if y is not None or loss is not None:
            raise ArgumentError("y and loss go with a model; put them into the function itself")
        leaves, forward = _of_function(f, inputs, names)
    rng = np.random.default_rng(seed)
    if not any(leaf.size for leaf in leaves.values()):
        raise ArgumentError("there is nothing to check: no input is floating, or no parameter is there")
    with np.errstate(all="ignore"):
        point = _Point(leaves, forward, rng)
        rows = [point.check(name, rng, directions, rtol) for name in leaves]
        if order == 2:
            second = _Point(*point.differentiated(), rng)
            rows += [replace(second.check(name, rng, directions, rtol), order=2) for name in second.leaves]
    return GradientReport(tuple(rows), rtol)


Leaves = dict[str, Tensor]
Forward = Callable[[], Any]


def _of_function(f: Any, inputs: Sequence[Any], names: Sequence[str] | None) -> tuple[Leaves, Forward]:
    """Copy the inputs of a function into leaves; the forward pass reads the leaves' arrays."""
    if names is None:
        try:
            named = [p.name for p in inspect.signature(f).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        except (TypeError, ValueError):
            named = []
        names = [*named[: len(inputs)], *(f"input {i}" for i in range(len(named), len(inputs)))]
    if len(set(names)) != len(names) or len(names) != len(inputs):
        raise ArgumentError(f"names must be {len(inputs)} distinct names, one for each input, but got {list(names)}")
    tensors = [_copy(x) for x in inputs]
    return {name: t for name, t in zip(names, tensors, strict=True) if t.requires_grad}, lambda: f(*tensors)


def _of_model(model: Any, inputs: Sequence[Any], y: Any, loss: Any) -> tuple[Leaves, Forward]:
    """Copy a model in float64; its leaves are the parameters of the copy."""
    if not 1 <= len(inputs) <= 2 or (len(inputs) == 2 and y is not None):
        raise ArgumentError(f"a model is checked at x, or at x and y, but {len(inputs)} inputs came")
    y = inputs[1] if len(inputs) == 2 else y
    if (y is None) != (loss is None):
        raise ArgumentError("a model is checked with both y and loss, or with neither; only one of them came")
    function = None if loss is None else find_task(loss, None).loss
    copy, x = model.astype("float64"), _copy(inputs[0]).detach()
    leaves = {name: leaf for name, leaf in copy.parameters.items() if leaf.requires_grad}
    return leaves, lambda: copy(x) if function is None else function(copy(x), as_tensor(y))


def _copy(x: Any) -> Tensor:
    array = as_tensor(x).data
    floating = array.dtype.kind == "f"
    return Tensor(np.array(array, dtype=np.float64 if floating else None, order="C"), requires_grad=floating)


class _Point:
    """A function at a point: its gradients there, for a random cotangent, and its slopes along directions."""

    def __init__(self, leaves: Leaves, forward: Forward, rng: np.random.Generator) -> None:
        self.leaves, self.forward = leaves, forward
        outputs = self.outputs()
        sizes = [t.size for t in outputs]
        self.cotangent = rng.choice([-1.0, 1.0], sum(sizes)) * rng.uniform(0.5, 1.5, sum(sizes))
        self.eps = max(float(np.finfo(t.dtype).eps) for t in outputs)
        self.base = _flat(outputs)
        if bad := int((~np.isfinite(self.base)).sum()):
            raise DataError(
                f"the function is NaN or infinite at the point itself, in {bad} of its {sum(sizes)} values; a "
                "gradient can be checked only where it is finite"
            )
        if not np.array_equal(self.base, self.values()):
            raise ArgumentError("the function returned two results for the same inputs; fix its random numbers")
        weights = np.split(self.cotangent, np.cumsum(sizes)[:-1])
        pairs = [(t, Tensor(w.reshape(t.shape))) for t, w in zip(outputs, weights, strict=True) if t.requires_grad]
        gradients = grad([t for t, _ in pairs], list(leaves.values()), [w for _, w in pairs])
        self.weights = [w for _, w in pairs]
        self.gradients = {name: np.array(g.data, np.float64) for name, g in zip(leaves, gradients, strict=True)}

    def outputs(self) -> list[Tensor]:
        """Run the function; returns its floating outputs."""
        result = self.forward()
        several = list(result) if isinstance(result, tuple | list) else [result]
        floating = [t for t in several if isinstance(t, Tensor) and t.dtype.kind == "f"]
        if not floating or not all(isinstance(t, Tensor) for t in several):
            kinds = ", ".join(str(t.dtype) if isinstance(t, Tensor) else type(t).__name__ for t in several)
            raise ArgumentError(f"the function must return a floating Tensor, or a tuple of them, but returned {kinds}")
        return floating

    def differentiated(self) -> tuple[Leaves, Forward]:
        """Return the gradient as a function: of the leaves, and of the cotangents, which are leaves of their own."""
        several = len(self.weights) > 1
        cotangents = {
            f"(cotangent{f' {i}' * several})": Tensor(w.data, requires_grad=True) for i, w in enumerate(self.weights)
        }

        def gradients() -> tuple[Tensor, ...]:
            outputs = [t for t in self.outputs() if t.requires_grad]
            return tuple(grad(outputs, list(self.leaves.values()), list(cotangents.values()), create_graph=True))

        return self.leaves | cotangents, gradients

    def values(self) -> Array:
        """Run the function; returns its values in one vector, as a copy."""
        return _flat(self.outputs())

    def rise(self, name: str, step: Array) -> Array:
        """Return how much the values change if a leaf is moved by a step."""
        leaf = self.leaves[name]
        x = np.array(leaf.data)
        leaf.data[...] = x + step
        try:
            return self.values() - self.base
        finally:
            leaf.data[...] = x

    def reach(self, name: str, d: Array) -> float:
        """Return the length that steps along a direction are fractions of."""
        return max(1.0, float(np.linalg.norm(d * self.leaves[name].data)))

    def windows(self, name: str, d: Array) -> Iterator[_Window]:
        """Measure the slopes along a direction with ever smaller steps."""
        rounding = self.eps * float(
            np.linalg.norm(np.nan_to_num(self.gradients[name] * self.leaves[name].data, posinf=0, neginf=0))
        )
        three: list[tuple[float, ...]] = []
        for k in range(_STEPS):
            h = self.reach(name, d) * _FIRST_STEP / 4**k
            up, down = self.rise(name, h * d), self.rise(name, -h * d)
            if not (np.isfinite(up).all() and np.isfinite(down).all()):
                three = []  # too far: outside of where the function is defined
                continue
            three = [*three[-2:], tuple(float(self.cotangent @ v) / h for v in (up, -down, (up - down) / 2))]
            largest = max(float(np.linalg.norm(self.cotangent * (self.base + v))) for v in (up, down))
            if len(three) == 3:
                yield _window(np.array(three), h).with_noise(rounding + self.eps * largest)

    def noise(self, name: str, d: Array) -> float:
        """Measure the rounding error of the function, in fourth differences over steps that show nothing else."""
        unit = d * self.reach(name, d) * math.sqrt(np.count_nonzero(d))
        found = [0.0]
        for tiny in (2.0**-46, 2.0**-24):  # rounding to float64, and to float32 within
            values = np.array([self.cotangent @ self.rise(name, i * tiny * unit) for i in range(-8, 9)])
            found.append(float(np.median(np.abs(np.diff(values, 4)))))
        return max(v for v in found if math.isfinite(v))

    def check(self, name: str, rng: np.random.Generator, directions: int, rtol: float) -> Comparison:
        """Compare the gradient with respect to one leaf."""
        g = self.gradients[name]
        norm = float(np.linalg.norm(g))
        found = []
        for d in _directions(g, directions, rng):
            claim = float(np.sum(g[d != 0] * d[d != 0]))
            windows = []
            for window in self.windows(name, d):
                windows.append(window)
                if window.proves(claim, rtol, norm / math.sqrt(g.size)):
                    found.append(("ok", claim, window.slope))
                    break
            else:
                noise = max(self.noise(name, d), self.eps)  # numbers of usual size inside of f may cancel
                found.append(_judge(claim, [w.with_noise(noise) for w in windows], rtol))
        rank = {"wrong": 0, "kink": 1, "ok": 2, "round-off": 3}
        worst = min(found, key=lambda f: (rank[f[0]], -_relative(f[1], f[2])), default=("ok", 0.0, 0.0))
        compared = sum(f[0] in ("ok", "wrong") for f in found)
        return Comparison(name, g.shape, norm, *worst[1:], _relative(*worst[1:]), worst[0], compared, len(found))


class _Window(NamedTuple):
    """What quotients at three steps say: the slope; right minus left slope; and the errors of both."""

    step: float  # the smallest of the three
    slope: float
    error: float
    jump: float
    blur: float

    def with_noise(self, noise: float) -> _Window:
        """Add the rounding error of values to those of the slopes."""
        return self._replace(error=self.error + 2 * noise / self.step, blur=self.blur + 8 * noise / self.step)

    def proves(self, claim: float, rtol: float, usual: float) -> bool:
        """Whether the claim is right, and left and right agree, whatever the errors do."""
        if claim == self.slope == self.jump == 0:
            return True
        size = max(abs(claim), abs(self.slope))
        right = abs(claim - self.slope) + self.error <= rtol * size < math.inf
        return right and abs(self.jump) + self.blur <= rtol * max(size, usual)

    def against(self, claim: float, rtol: float) -> float:
        """Return how far the claim is off, if by more than the tolerance, or the jump if that is larger."""
        off = abs(claim - self.slope)
        if not math.isfinite(off):
            return math.inf
        return max(abs(self.jump), off if off > rtol * max(abs(claim), abs(self.slope)) else 0.0)

    def tells(self, claim: float, rtol: float) -> bool:
        """Whether the errors are small beside what speaks against the claim."""
        return self.error + self.blur < self.against(claim, rtol) / 2


def _window(three: Array, h: float) -> _Window:
    """Extrapolate quotients from the right, from the left and across, at steps 16 h, 4 h and h, to a step of 0."""
    ratio = np.array([4.0, 4.0, 16.0])  # what a quarter of the step leaves of the first error term, h or h^2
    once = three[1:] + np.diff(three, axis=0) / (ratio - 1)
    change = once[1] - once[0]
    right, left, across = once[1] + change / (ratio**2 - 1)
    errors = 2 * np.abs(change) / (ratio**2 - 1)  # twice the last correction
    return _Window(h, float(across), float(errors[2]), float(right - left), float(errors[0] + errors[1]))


def _judge(claim: float, windows: list[_Window], rtol: float) -> tuple[str, float, float]:
    """Tell apart a wrong gradient, a kink and round-off, where no window has proved the claim."""
    if not windows:
        return "kink", claim, math.nan  # the function is not defined on both sides
    rises = [w.step * max(abs(w.slope), abs(w.jump)) for w in windows]
    seen = all(abs(w.slope) > w.error or abs(w.jump) > w.blur for w in windows[-3:])
    if seen and min(rises[-3:]) > max(0.99 * max(rises[-3:]), rises[0] / 2):
        return "kink", claim, windows[-1].slope  # a jump: however small the step, the values differ by the same
    telling = [w for w in windows if w.tells(claim, rtol)]
    while telling:
        best = min(telling, key=lambda w: w.error + w.blur)
        smooth = abs(best.jump) <= best.blur
        smaller = [w for w in windows if w.step < best.step]
        if not smooth:
            passed = [w.step for w in smaller if abs(w.jump) <= w.blur < abs(best.jump) / 2]
            if passed:  # the kink is near, not at the point: ask the steps that do not reach it
                telling = [w for w in telling if w.step <= passed[0]]
                continue
        # Rounding that was not seen before shows in slopes that scatter at smaller steps, and agree with the claim at
        # larger ones.
        scatter = max((abs(w.slope - best.slope) * w.step for w in smaller), default=0.0)
        doubtful = any(w.error + w.blur + w.against(claim, rtol) < best.against(claim, rtol) / 4 for w in windows)
        if doubtful or not best.with_noise(scatter).tells(claim, rtol):
            break
        return "wrong" if smooth else "kink", claim, best.slope
    return "round-off", claim, min(windows, key=lambda w: w.error).slope


def _directions(g: Array, count: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield dense directions, the first such that no part of the gradient cancels; then single elements."""
    if g.size > 1:
        for i in range(count):
            d = rng.normal(size=g.shape)
            if i == 0:
                d = np.where((g > 0) | (g < 0), np.copysign(d, g), d)
            yield d / np.linalg.norm(d)
    if g.size:
        largest = int(np.argmax(np.where(np.isfinite(g), np.abs(g), np.inf)))
        others = [int(i) for i in rng.permutation(g.size) if i != largest]
        for i in [largest, *others][:count]:
            d = np.zeros(g.shape)
            d.flat[i] = 1
            yield d


def _flat(outputs: list[Tensor]) -> Array:
    return np.concatenate([np.asarray(t.data, np.float64).reshape(-1) for t in outputs])


def _relative(a: float, b: float) -> float:
    if a == b:
        return 0.0
    return abs(a - b) / max(abs(a), abs(b)) if math.isfinite(a) and math.isfinite(b) else math.inf
