"""The picture of an expression: its values, gradients and ops, none over another, and no more than can be read."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet as tn
from tinynet.errors import ArgumentError
from tinynet.report.graph import graph


@pytest.fixture(autouse=True)
def by_what_ops_mean():
    with tn.reference():
        yield


def leaf(value):
    return tn.Tensor(value, requires_grad=True)


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_neuron_shows_each_value_with_its_gradient():
    x, w, b = leaf(2.0), leaf(-3.0), leaf(7.0)
    n = x * w + b
    shown = texts(graph(n * n, x=x, w=w, b=b, n=n))
    assert {"x\n2\ngrad -6", "w\n-3\ngrad 4", "b\n7\ngrad 2", "n\n1\ngrad 2", "1\ngrad 1", "-6\ngrad 2"} <= set(shown)
    assert sorted(t for t in shown if "\n" not in t) == ["+", "×", "×"]  # noqa: RUF001


def test_constants_have_no_gradient_and_arrays_show_their_shapes():
    x = leaf(np.ones((3, 2)))
    shown = texts(graph((x * 2).sum(), x=x))
    assert {"x\nshape (3, 2)\n|grad| 4.9", "2", "12\ngrad 1"} <= set(shown)
    assert "v\n[1, 2]\ngrad [1, 1]" in texts(graph((v := leaf(np.array([1.0, 2.0]))).sum(), v=v))


def boxes(figure):
    """The left, top, right and bottom of each box and ellipse."""
    patches = [p for p in figure.axes[0].patches if type(p).__name__ in ("FancyBboxPatch", "Ellipse")]
    found = [p.get_path().get_extents(p.get_patch_transform()) for p in patches]
    return [(b.x0, b.y0, b.x1, b.y1) for b in found]


@settings(max_examples=6, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.booleans()), min_size=1, max_size=10))
def test_no_box_lies_over_another(steps):
    values = [leaf(1.0), leaf(2.0)]
    for i, j, product in steps:
        a, b = values[i % len(values)], values[j % len(values)]
        values.append(a * b if product else a + b)
    found = boxes(graph(values[-1]))
    for i, a in enumerate(found):
        for b in found[:i]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (a, b)


def test_what_cannot_be_read_or_drawn_is_refused():
    x = leaf(1.0)
    y = x
    for _ in range(31):
        y = tn.ops.tanh(y)
    with pytest.raises(ArgumentError, match=r"31 ops, more than the 30 that can be read; .* most=31"):
        graph(y)
    assert graph(y, most=31)
    with pytest.raises(ArgumentError, match=r"one number, but y has shape \(2,\); draw y.sum\(\)"):
        graph(leaf(np.ones(2)) * 2)
    for other in (x, tn.Tensor(1.0) * 2, 3.0):
        with pytest.raises(ArgumentError, match="requires_grad=True"):
            graph(other)
    with pytest.raises(ArgumentError, match="z is no Tensor that y was computed from"):
        graph(x * 2, z=leaf(1.0))
