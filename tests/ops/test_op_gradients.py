"""Each op's gradient, and the gradient of its gradient, against difference quotients."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from tests.ops.op_table import ROWS, few
from tinynet.core.engine import Tensor
from tinynet.inspection.gradcheck import check_gradients

DIFFERENTIABLE = [row for row in ROWS.values() if row.differentiable]
every_row = pytest.mark.parametrize("row", DIFFERENTIABLE, ids=repr)
twice = pytest.mark.parametrize("row", [row for row in DIFFERENTIABLE if not row.fused], ids=repr)


def assert_right(report):
    """Nothing is wrong, and nothing went unseen."""
    assert report.strict, f"\n{report}"


def differentiated(row, case):
    """The gradients of a row as a function of its inputs and of the cotangent; and a cotangent."""
    y = row.call(*(Tensor(x) for x in case.inputs), **case.attrs)
    cotangent = np.random.default_rng(0).normal(size=y.shape)

    def gradients(g, *inputs):
        leaves = [x for x in inputs if x.requires_grad]
        result = row.call(*inputs, **case.attrs)
        return tuple(tn.grad(result, leaves, [g], create_graph=True))

    return gradients, cotangent


@every_row
@given(data=st.data())
def test_the_gradient_is_right(row, data):
    case = data.draw(row.cases)
    assert_right(check_gradients(lambda *inputs: row.call(*inputs, **case.attrs), *case.inputs, rtol=row.rtol))


@twice
@few
@given(data=st.data())
def test_the_gradient_of_the_gradient_is_right(row, data):
    case = data.draw(row.cases)
    gradients, cotangent = differentiated(row, case)
    assert_right(check_gradients(gradients, cotangent, *case.inputs, directions=2, rtol=row.rtol))


@every_row
@few
@given(data=st.data())
def test_the_gradient_of_float32_is_float32_and_of_the_same_values(row, data):
    case = data.draw(row.cases)
    gradients = []
    for dtype in (np.float32, np.float64):
        narrow = [x.astype(np.float32).astype(dtype) if x.dtype == np.float64 else x for x in case.inputs]
        inputs = [Tensor(x, x.dtype.kind == "f") for x in narrow]
        y = row.call(*inputs, **case.attrs)
        leaves = [x for x in inputs if x.requires_grad]
        gradients.append(tn.grad(y, leaves, [Tensor(np.ones(y.shape, y.dtype))]))
        assert all(g.dtype == dtype for g in gradients[-1])
    for narrow, wide in zip(*gradients, strict=True):
        scale = max(1.0, float(np.max(np.abs(wide.data), initial=0)))
        np.testing.assert_allclose(narrow.data, wide.data, rtol=1e-5, atol=1e-5 * scale)
