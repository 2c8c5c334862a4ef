"""What each op refuses, and in which words."""

import pytest

import tinynet as tn
from tests.ops.op_table import ROWS
from tinynet.core import engine
from tinynet.core.engine import Tensor
from tinynet.core.spec import Spec
from tinynet.errors import DataError, ShapeError, TinynetError

REFUSED = [(row, refused) for row in ROWS.values() for refused in row.refused]
every_refusal = pytest.mark.parametrize(("row", "refused"), REFUSED, ids=[f"{row.name}-{r.says}" for row, r in REFUSED])

# What an op is called in a message, where that is not its name.
SPOKEN = {"getitem": "index", "relu_gradient": "relu_gradient"}


@every_refusal
def test_the_error_names_the_op_and_what_it_received(row, refused):
    with pytest.raises(refused.error) as caught:
        row.call(*refused.inputs, **refused.attrs)
    message = str(caught.value)
    for words in (SPOKEN.get(row.name, row.name), *refused.says):
        assert words in message


@every_refusal
def test_the_error_is_of_the_package_and_of_the_built_in_kind(row, refused):
    with pytest.raises(TinynetError) as caught:
        row.call(*refused.inputs, **refused.attrs)
    assert isinstance(caught.value, ValueError)


SHAPES = [(row, r) for row, r in REFUSED if r.error is ShapeError and row.name not in ("getitem", "concatenate")]


@pytest.mark.parametrize(("row", "refused"), SHAPES, ids=[f"{row.name}-{r.says}" for row, r in SHAPES])
def test_shapes_alone_are_refused_in_the_same_words(row, refused):
    with pytest.raises(ShapeError) as computing:
        row.call(*refused.inputs, **refused.attrs)
    with pytest.raises(ShapeError) as tracing:
        row.call(*(Tensor(Spec(x.shape, x.dtype)) for x in refused.inputs), **refused.attrs)
    assert str(tracing.value) == str(computing.value)


def test_labels_are_checked_before_anything_is_computed(monkeypatch):
    refusing = engine.current_backend()._replace(evaluate=lambda *_: pytest.fail("an op was computed"))
    monkeypatch.setattr(engine, "_chosen", [refusing])
    with pytest.raises(DataError):
        tn.ops.cross_entropy(Tensor([[0.0, 1.0]]), [2])


@pytest.mark.parametrize("thing", ["text", None, 1j, [1, "a"], object()])
def test_an_op_refuses_what_is_no_number(thing):
    with pytest.raises(TypeError, match="array of numbers"):
        tn.ops.exp(thing)
