"""The ops of the shelf as methods of tensors."""

import inspect

import numpy as np
import pytest

import tinynet as tn
from tinynet.core.methods import Methods

NAMES = [name for name in vars(Methods) if not name.startswith("_") and name != "T"]
ARGUMENTS = {
    "maximum": (2.0,), "minimum": (2.0,), "clip": (1.5, 3.0), "pad": ([(1, 0), (0, 2)], 7.0), "split": (2, 1),
    "repeat": ([1, 2], 1), "transpose": ((1, 0),), "max": (1, True), "min": (1, True), "argmax": (1, True),
    "argmin": (1, True), "prod": (1, True), "var": (1, True), "std": (1, True), "cumsum": (1,),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_method_is_the_op_of_its_name(name):
    t, arguments = tn.Tensor([[1.0, 4.0], [3.0, 2.0]]), ARGUMENTS.get(name, ())
    found, expected = getattr(t, name)(*arguments), getattr(tn.ops, name)(t, *arguments)
    for a, b in zip(*([x] if isinstance(x, tn.Tensor) else x for x in (found, expected)), strict=True):
        np.testing.assert_array_equal(a.data, b.data)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "transpose"])
def test_a_method_has_the_arguments_of_the_op(name):
    op = getattr(tn.ops, name)
    if isinstance(op, tn.Op):
        return
    own, of_op = (list(inspect.signature(f).parameters.values()) for f in (getattr(tn.Tensor, name), op))
    assert [(p.name, p.default) for p in own[1:]] == [(p.name, p.default) for p in of_op[1:]]


def test_the_axes_in_reverse_order():
    t = tn.Tensor(np.zeros((2, 3)))
    assert t.T.shape == t.transpose().shape == t.transpose(1, 0).shape == (3, 2)
