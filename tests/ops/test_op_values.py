"""What each op computes: the values, in which dtype, from arrays in any layout, without touching them."""

from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinynet as tn
from tests.ops.op_table import OPS, ROWS, few, last_use
from tinynet.core.engine import Tensor, ancestors
from tinynet.core.spec import Spec
from tinynet.errors import TraceError
from tinynet.fast.implementation import bound_call, implementation

every_row = pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
either_way = pytest.mark.parametrize("computed", [nullcontext, tn.reference], ids=["kernel", "meaning"])


def values(row, inputs, attrs):
    return row.call(*(Tensor(x) for x in inputs), **attrs).data


def close(found, expected, tolerance):
    scale = max(1.0, float(np.max(np.abs(expected), initial=0)))
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * scale)


def narrowed(x):
    return x.astype(np.float32) if x.dtype == np.float64 else x


def ops_of(result):
    """The names of the ops that made a tensor."""
    return {node.op.name for node in ancestors([result])}


def test_every_public_function_and_every_op_has_a_row():
    assert set(ROWS) == set(tn.ops.__all__) - {"declared"} | set(OPS)


@pytest.mark.parametrize("name", OPS)
def test_the_row_of_an_op_uses_that_op(name):
    used = set()

    @given(ROWS[name].cases)
    def collect(case):
        result = ROWS[name].call(*(Tensor(x, x.dtype.kind == "f") for x in case.inputs), **case.attrs)
        used.update(ops_of(result if isinstance(result, Tensor) else result[0]))

    collect()
    assert name in used


@either_way
@every_row
@given(data=st.data())
def test_values_are_those_of_the_reference(row, computed, data):
    case = data.draw(row.cases)
    expected = row.reference(*case.inputs, **case.attrs)
    with computed():
        found = values(row, case.inputs, case.attrs)
    assert (found.shape, found.dtype) == (np.shape(expected), row.dtype(case, np.dtype(np.float64)))
    close(found, expected, 1e-12)


@either_way
@every_row
@few
@given(data=st.data())
def test_float32_gives_the_same_values_to_its_precision_and_keeps_its_dtype(row, computed, data):
    case = data.draw(row.cases)
    inputs = tuple(narrowed(x) for x in case.inputs)
    with computed():
        found = values(row, inputs, case.attrs)
    assert found.dtype == row.dtype(case, np.dtype(np.float32))
    close(found, row.reference(*(x.astype(float) if x.dtype.kind == "f" else x for x in inputs), **case.attrs), 1e-5)


def fortran(x):
    return np.asarray(x, order="F")


def strided(x):
    wide = np.full([2 * n for n in x.shape], x.dtype.type(77))
    part = wide[(*(slice(None, None, 2) for _ in x.shape), ...)]
    part[...] = x
    return part


def reversed_(x):
    turned = (*(slice(None, None, -1) for _ in x.shape), ...)
    return np.array(x[turned], order="C")[turned]


def unaligned(x):
    raw = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    raw[...] = x
    return raw


@either_way
@every_row
@given(data=st.data(), layout=st.sampled_from([fortran, strided, reversed_, unaligned]))
def test_arrays_in_any_layout_give_the_same_values(row, computed, data, layout):
    case = data.draw(row.cases)
    with computed():
        found = values(row, [layout(x) for x in case.inputs], case.attrs)
        close(found, values(row, case.inputs, case.attrs), 1e-13)


def placed(arrays, first, gap):
    """Copies of arrays in one piece of memory, in their order from the first one on, with gaps between them."""
    lengths = [-(-x.nbytes // 8) * 8 + gap for x in arrays]
    memory, at, copies = np.zeros(sum(lengths), np.uint8), 0, {}
    for k in np.roll(range(len(arrays)), -first):
        x = arrays[k]
        copies[k] = memory[at : at + x.nbytes].view(x.dtype).reshape(x.shape)
        copies[k][...] = x
        at += lengths[k]
    return [copies[k] for k in range(len(arrays))]


@pytest.mark.parametrize("op", [op for op in OPS.values() if not op.view], ids=lambda op: op.name)
@given(data=st.data(), dtype=st.sampled_from([np.float32, np.float64]), gap=st.sampled_from([0, 8, 64, 4096]))
def test_bits_do_not_depend_on_where_arrays_lie_in_memory(op, data, dtype, gap):
    """Of a compiled loop there are versions, with other orders of a sum, for arrays that lie near to each other."""
    case = data.draw(ROWS[op.name].cases)
    inputs = [x.astype(dtype) if x.dtype.kind == "f" else x for x in case.inputs]
    result = ROWS[op.name].call(*(Tensor(x, x.dtype.kind == "f") for x in inputs), **case.attrs)
    node = last_use(op, result[0] if isinstance(result, tuple) else result)
    assume(node is not None)
    inputs, attrs = [np.array(x.data, order="C") for x in node.inputs], dict(node.attrs)
    named = [name for name, value in attrs.items() if isinstance(value, np.ndarray)]
    how = implementation(op)
    made = [np.zeros(y.shape, y.dtype) for y in node.values[how.inplace :]]
    scratch = [np.zeros(*spec) for spec in (how.scratch(*inputs, **attrs) if how.scratch else ())]
    arrays = [*made, *scratch, *inputs]
    at = len(made), len(made) + len(scratch)

    def bits(first):
        found = placed([*arrays, *(attrs[name] for name in named)], first, gap)
        placed_attrs = attrs | dict(zip(named, found[len(arrays) :], strict=True))
        outputs, working, given = found[: at[0]], found[at[0] : at[1]], found[at[1] : len(arrays)]
        function, arguments = bound_call(op, tuple(outputs), tuple(working), tuple(given), placed_attrs)
        with np.errstate(all="ignore"):
            function(*arguments)
        return [x.tobytes() for x in (*outputs, *given[: how.inplace])]

    assert all(bits(first) == bits(0) for first in range(1, len(arrays) + len(named)))


@either_way
@every_row
@few
@given(data=st.data())
def test_read_only_inputs_are_accepted_and_left_as_they_were(row, computed, data):
    case = data.draw(row.cases)
    before = [x.tobytes() for x in case.inputs]
    for x in case.inputs:
        x.flags.writeable = False
    with computed():
        row.call(*(Tensor(x) for x in case.inputs), **case.attrs)
    assert [x.tobytes() for x in case.inputs] == before


@pytest.mark.parametrize("row", [row for row in ROWS.values() if row.differentiable], ids=repr)
@few
@given(data=st.data())
def test_gradients_leave_inputs_values_and_cotangent_as_they_were(row, data):
    case = data.draw(row.cases)
    tensors = [Tensor(x, x.dtype.kind == "f") for x in case.inputs]
    y = row.call(*tensors, **case.attrs)
    arrays = [*case.inputs, y.data, np.linspace(-1, 1, y.size).reshape(y.shape)]
    before = [x.tobytes() for x in arrays]
    tn.grad(y, [t for t in tensors if t.requires_grad], [Tensor(arrays[-1])])
    assert [x.tobytes() for x in arrays] == before


@every_row
@given(data=st.data(), dtype=st.sampled_from([np.float32, np.float64]))
def test_shapes_alone_give_the_shape_and_dtype_that_computing_gives(row, data, dtype):
    case = data.draw(row.cases)
    inputs = [x.astype(dtype) if x.dtype.kind == "f" else x for x in case.inputs]
    inferred = row.call(*(Tensor(Spec(x.shape, x.dtype)) for x in inputs), **case.attrs)
    computed = row.call(*(Tensor(x) for x in inputs), **case.attrs)
    assert inferred.symbolic
    assert inferred.spec == computed.spec


@every_row
@few
@given(data=st.data())
def test_the_values_of_a_result_of_shapes_alone_cannot_be_read(row, data):
    case = data.draw(row.cases)
    result = row.call(*(Tensor(Spec(x.shape, x.dtype)) for x in case.inputs), **case.attrs)
    with pytest.raises(TraceError, match="compiled=False"):
        _ = result.data


@every_row
@few
@given(data=st.data())
def test_values_are_an_array(row, data):
    case = data.draw(row.cases)
    assert isinstance(values(row, case.inputs, case.attrs), np.ndarray)
