"""Lab 1: an op with three inputs, y = x w + b, and its gradient rules, written in ops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from tinynet.core.engine import Op, Tensor
from tinynet.core.mode import recording
from tinynet.core.spec import Array
from tinynet.inspection.gradcheck import check_gradients
from tinynet.labs.doctor import (
    LATER,
    MistakeError,
    Part,
    Suspect,
    as_array,
    call,
    compare,
    library_gradients,
    mistake,
    said,
    same,
    slopes,
)
from tinynet.labs.lab import Lab, Parts

NAMES = ("x", "w", "b")


def _point() -> dict[str, Array]:
    rng = np.random.default_rng(1)
    return {"x": rng.normal(size=(5, 3)), "w": rng.normal(size=(3, 4)), "b": rng.normal(size=4)}


def _right(x: Array, w: Array, b: Array) -> Array:
    return x @ w + b


def _check_value(op: Any) -> None:
    inputs = _point()
    if not isinstance(op, Op):
        mistake("wrong type", f"affine is a {type(op).__name__}; it must be the tn.Op that the notebook declares")
    x, w, b = inputs.values()
    found = as_array(call(op.compute, inputs), "compute")
    suspects = [
        Suspect("missing summand", x @ w, "b is not added"),
        Suspect("wrong sign", x @ w - b, "b is subtracted; it must be added"),
    ]
    compare(found, _right(x, w, b), suspects)
    single = {name: a.astype(np.float32) for name, a in inputs.items()}
    if (dtype := as_array(call(op.compute, single)).dtype) != np.float32:
        mistake("wrong dtype", f"compute returns {dtype} for float32: keep to the dtype of x")


def _suspects(g: Array, x: Array, w: Array, b: Array) -> dict[str, list[Suspect]]:
    """List, for each input, the gradients that known mistakes lead to."""
    square = w[:, : x.shape[1]]  # where a product with the wrong factor fits by chance it is caught by the quotients
    return {
        "x": [Suspect("wrong input", g[:, :3] @ square.T, "it leaves out columns of w")],
        "w": [
            Suspect("transposed", g.T @ x, "it is g^T x, which is the transposed one: the rule is x^T g"),
            Suspect(
                "wrong axis",
                x.sum(0)[:, None] * g.sum(0),
                "the samples of x and of g are summed one by one; sum their products",
            ),
        ],
        "b": [
            Suspect(
                "wrong axis",
                g.sum(1),
                "it sums g over axis 1, the outputs. b is added to each sample, so sum over axis 0, the samples",
            ),
            Suspect(
                "missing sum",
                g,
                "it is g itself, of shape (5, 4). b is repeated for each sample, and what is repeated gets "
                "the sum: sum over axis 0",
            ),
            Suspect(
                "missing factor",
                g.mean(0),
                "it is the mean over the samples: 5 times too small. What is repeated gets the sum, and a "
                "loss that is a mean brings its 1/N in g",
            ),
            Suspect("missing sum", np.broadcast_to(g.sum(), (4,)), "it sums over both axes; sum over axis 0 alone"),
        ],
    }


@recording()
def _check_rule(op: Op, wrt: str) -> None:
    inputs = _point()
    place = NAMES.index(wrt)
    rule = op.rule(place)
    if rule is None:
        rules = len(op.vjp) if isinstance(op.vjp, tuple) else 3
        mistake(
            "no gradient",
            f"there is no rule for {wrt}: vjp has {rules} of 3 rules, one for each of x, w, b in this order"
            if rules < 3
            else f"the rule for {wrt} is None, which says that the op has no derivative there",
        )
    g = np.random.default_rng(2).normal(size=(5, 4))
    right = library_gradients(lambda x, w, b: x @ w + b, list(inputs.values()), g)[place]
    found = _apply(rule, g, inputs)
    try:
        if not same(found.data, right) and same(found.data, _apply(rule, np.ones_like(g), inputs).data):
            mistake(
                "ignores the cotangent",
                "it does not depend on g, the gradient of the output: the chain rule multiplies with it",
            )
        compare(found.data, right, _suspects(g, *inputs.values())[wrt])
    except MistakeError as error:
        if found.shape == right.shape:
            whole = _alone(op, place)
            measured = slopes(whole, NAMES, list(inputs.values()), wrt)
            error.args = (
                error.args[0],
                f"{error.args[1]}. Difference quotients agree: {measured}" if measured else error.args[1],
            )
        raise


def _apply(rule: Callable[..., Any], g: Array, inputs: Mapping[str, Array]) -> Tensor:
    """Apply a gradient rule to tensors."""
    tensors = [Tensor(a, requires_grad=True) for a in inputs.values()]
    y = tensors[0] @ tensors[1] + tensors[2]
    try:
        found = rule(Tensor(g, requires_grad=True), y, *tensors)
    except (Exception, SystemExit) as error:
        mistake("raises an error", f"the rule raises {said(error)}; it is called with g, y, x, w, b")
    if found is ...:
        mistake("missing", "the rule returns ...: the hole is not filled yet")
    if found is None:
        mistake("no gradient", "the rule returns None: is a return missing?")
    if not isinstance(found, Tensor):
        mistake(
            "wrong type",
            f"the rule returns a {type(found).__name__}; write it in ops, which take and return tensors, "
            "so that it can be differentiated again",
        )
    return found


def _alone(op: Op, place: int) -> Op:
    """Return the right op with the rule of the student for one input, and right rules for the others."""
    right = affine_rules()
    rules = tuple(op.rule(i) if i == place else rule for i, rule in enumerate(right))
    return Op("affine", infer=op.infer, compute=_right, vjp=rules)


def affine_rules() -> tuple[Callable[..., Tensor], ...]:
    """Return the right rules, those of the library's product and sum."""
    return (
        lambda g, y, x, w, b: g @ w.T,
        lambda g, y, x, w, b: x.T @ g,
        lambda g, y, x, w, b: g.sum(0),
    )


def _check_rules(op: Op) -> None:
    """Check all rules, silently: a rule that is wrong has been reported in its own part."""
    for name in NAMES:
        try:
            _check_rule(op, name)
        except MistakeError:
            mistake(LATER, f"the gradient with respect to {name} has to be right first")


@recording()
def _check_second(op: Op) -> None:
    _check_rules(op)
    inputs = list(_point().values())
    whole = Op("affine", infer=op.infer, compute=_right, vjp=op.vjp)
    try:
        report = check_gradients(whole, *inputs, names=NAMES, order=2)
    except (Exception, SystemExit) as error:
        mistake("raises an error", f"the gradient cannot be differentiated again: {said(error)}")
    if report.wrong:
        names = ", ".join(row.name for row in report.wrong)
        mistake(
            "leaves the ops",
            f"the gradient is right, but its own gradient with respect to {names} is not: a rule takes "
            ".data, or computes with NumPy, which cuts the graph. Write it in ops",
        )


def _parts(given: Mapping[str, Any]) -> Parts:
    op = given["affine"]
    yield Part("the value of affine", partial(_check_value, op))
    if isinstance(op, Op):
        for name in NAMES:
            yield Part(f"the gradient with respect to {name}", partial(_check_rule, op, name))
        yield Part("the gradient of the gradient", partial(_check_second, op))


LAB = Lab(
    1,
    "an op and its gradient",
    ("affine",),
    (
        "tinynet.ops.linear: _compute, _a_vjp, _b_vjp",
        "tinynet.ops.reduce: sum_to, by which a sum passes back what it repeats",
    ),
    _parts,
)
