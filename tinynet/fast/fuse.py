"""Fusion: a table of rewrites that put one op in place of several neighbours.

The graph is copied from its outputs up. Where the last node of a pattern is met, and nothing else uses a value inside
of the pattern, the fused op is applied instead of the nodes it stands for. What matches no pattern is copied as it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np

from tinynet.core.engine import Node, Tensor, ancestors, apply
from tinynet.core.mode import no_grad
from tinynet.fast import fused_ops as fused
from tinynet.fast.matvec import standardised_matvec
from tinynet.ops.conv import Geometry
from tinynet.ops.linear import _chunks
from tinynet.ops.shape import concatenate, pad, reshape

_LEAST_PLACES = 4  # in a window; with fewer, dense gradients are the faster ones
_MOST_PLACES = 254  # that an index of one byte can tell apart
_MOST_IMAGE = 256 * 1024  # bytes of an image; larger ones do not stay in a cache while each filter goes over them


class Rewrite(NamedTuple):
    """What comes in place of the nodes of a pattern: a function, and the values of the old graph that it takes."""

    make: Callable[..., Any]
    inputs: tuple[Tensor, ...]


class Uses:
    """How often each value of a graph is used, and the nodes, by identity, that something else comes in place of."""

    def __init__(self, outputs: Sequence[Tensor], nodes: Sequence[Node], replaced: Collection[int] = ()) -> None:
        self.nodes, self.replaced = nodes, replaced
        self.count: dict[Any, int] = {}
        for x in [*outputs, *(x for node in nodes for x in node.inputs)]:
            if x.node is not None:
                key = id(x.node), x.index
                self.count[key] = self.count.get(key, 0) + 1

    def behind(self, x: Tensor, name: str, recorded: bool = True) -> Node | None:
        """Give the node that made ``x`` if it is an op of that name, and this is the only use of ``x``.

        Not one that is not recorded, unless told so: there a gradient stops. Nor one that something else comes in place
        of.
        """
        node = None if id(x.node) in self.replaced else x.node
        if node is None or node.op.name != name or self.count[id(node), x.index] > 1:
            return None
        return node if node.recorded or not recorded else None

    def last(self, node: Node, inputs: Sequence[Tensor]) -> bool:
        """Whether inputs of a node are values from outside of the graph whose old values nothing uses later."""
        others = [other for other in self.nodes if other.number > node.number or other.op.view]
        later = {id(x) for other in others for x in other.inputs}
        return all(x.node is None and x.symbolic and id(x) not in later for x in inputs)


def fuse(
    outputs: Sequence[Tensor], twice: bool = False, instead: Mapping[int, tuple[Tensor, ...]] | None = None
) -> list[Tensor]:
    """Rewrite the graph of some outputs; to be called while tracing.

    Parameters
    ----------
    outputs : sequence of Tensor
        What is wanted of the graph; never hidden inside of a fused op.
    twice : bool
        Leave out rewrites to ops that have first derivatives only.
    instead : mapping of int to tuple of Tensor, optional
        What comes in place of the outputs of nodes, by the identity of the node.

    Returns
    -------
    list of Tensor
        The same values, made by fused ops where a rewrite fits.
    """
    uses = Uses(outputs, ancestors(outputs), replaced=instead or ())
    chosen: dict[int, Rewrite] = {}
    done = dict(instead or {})

    def new(x: Tensor) -> Tensor:
        return x if x.node is None else done[id(x.node)][x.index]

    stack = [y.node for y in reversed(outputs) if y.node is not None]
    while stack:
        node = stack[-1]
        if id(node) not in chosen:
            chosen[id(node)] = _rewrite(node, uses, twice)
        make, inputs = chosen[id(node)]
        missing = [x.node for x in inputs if x.node is not None and id(x.node) not in done]
        if missing and id(node) not in done:
            stack.extend(missing)
            continue
        stack.pop()
        if id(node) not in done:
            with nullcontext() if node.recorded else no_grad():
                made = make(*(new(x) for x in inputs))
            done[id(node)] = made if isinstance(made, tuple) else (made,)
    return [new(y) for y in outputs]


def _rewrite(node: Node, uses: Uses, twice: bool) -> Rewrite:
    """Find what comes in place of a node: a fused op, or a copy."""
    patterns = (_gather, _matvec, _times_one)
    once = (_conv_pool, _dense, _softmax_cross_entropy, _descend, _adam)
    for pattern in patterns if twice else (*patterns, *once):
        found = pattern(node, uses)
        if found is not None:
            return found
    return Rewrite(lambda *inputs: apply(node.op, inputs, node.attrs), node.inputs)


def _is_constant(x: Tensor) -> bool:
    return x.node is None and not x.symbolic and not x.requires_grad


def _is_given(x: Tensor) -> bool:
    """Whether a value comes from outside, as data that have been checked."""
    return x.node is None and x.symbolic and not x.requires_grad


def _for_kernels(x: Tensor) -> bool:
    """Whether Numba knows the dtype of data as they come: not of other byte orders, half or extended precision."""
    return x.dtype.isnative and x.dtype.char not in "eg"


def _conv_pool(node: Node, uses: Uses) -> Rewrite | None:
    """max_pool(relu(conv2d(x, w) + bias)), with or without the bias, or with relu after the pooling."""
    if node.op.name == "max_pool":
        pool, relu = node, uses.behind(node.inputs[0], "relu")
        inner = relu
    else:
        relu = node if node.op.name == "relu" else None
        found = uses.behind(relu.inputs[0], "max_pool") if relu else None
        if found is None:
            return None
        pool = inner = found
    if relu is None or inner is None or uses.count.get((id(pool), 1)):
        return None
    add = uses.behind(inner.inputs[0], "add")
    conv = uses.behind(add.inputs[0] if add else inner.inputs[0], "conv2d")
    if conv is None or (add and add.inputs[1].shape != conv.inputs[1].shape[3:]):
        return None
    (x, w), p, q = conv.inputs, conv.attrs["p"], pool.attrs["p"]
    bias = add.inputs[1] if add else Tensor(np.zeros(w.shape[3], w.dtype))
    padded = _padding(x.shape, p)
    places = q.kh * q.kw
    image = int(np.prod(x.shape[1:])) * x.dtype.itemsize
    if not _LEAST_PLACES <= places <= _MOST_PLACES or q.sh < q.kh or q.sw < q.kw or image > _MOST_IMAGE:
        return None

    def make(x: Tensor, w: Tensor, bias: Tensor) -> Any:
        inside = pad(x, padded) if any(map(any, padded)) else x
        y = fused.conv_pool(inside, w, bias, p=p._replace(top=0, left=0), q=q)
        return y if pool is node else y[0]

    return Rewrite(make, (x, w, bias))


def _padding(shape: tuple[int, ...], p: Geometry) -> list[tuple[int, int]]:
    """Give the zeros around an image that make a convolution one without padding."""
    below = max(0, (p.oh - 1) * p.sh + p.kh - shape[1] - p.top)
    right = max(0, (p.ow - 1) * p.sw + p.kw - shape[2] - p.left)
    return [(0, 0), (p.top, below), (p.left, right), (0, 0)]


def _standardised(node: Node, uses: Uses) -> tuple[Tensor, ...] | None:
    """(cast(x[indices]) - shift) * scale, where any but one of the four may be missing; gives them in that order."""
    zero, one = (Tensor(np.asarray(v, node.values[0].dtype)) for v in (0, 1))
    found: dict[str, Tensor] = {"multiply": one, "subtract": zero}
    step: Node | None = node
    x = node.outputs()[0]
    for name in ("multiply", "subtract"):
        if step is not None and step.op.name == name and _is_constant(step.inputs[1]):
            found[name], x = step.inputs[1], step.inputs[0]
            step = uses.behind(x, "subtract") or uses.behind(x, "cast")
    if step is not None and step.op.name == "cast" and step.values[0].dtype.kind == "f":
        x = step.inputs[0]
    if x.node is node or x.ndim < 2 or x.shape != node.values[0].shape or any(v.ndim >= x.ndim for v in found.values()):
        return None
    reshape = uses.behind(x, "reshape")
    if reshape is not None and reshape.inputs[0].shape[0] == x.shape[0]:
        x = reshape.inputs[0]
    index = uses.behind(x, "index")
    data, *indices = index.inputs if index else (x,)
    if not all(map(_is_given, (data, *indices))) or any(v.ndim != 1 for v in indices) or not _for_kernels(data):
        return None
    return data, *indices, found["subtract"], found["multiply"]


def _gather(node: Node, uses: Uses) -> Rewrite | None:
    """Match standardised data, as a whole or by the indices of samples."""
    found, sample = _standardised(node, uses), node.values[0].shape[1:]
    if found is None or len(found) > 4:
        return None
    data, *indices = found[:-2]
    inputs = (data, *(indices or [Tensor(np.arange(data.shape[0]))]), *found[-2:])
    return Rewrite(lambda *inputs: fused.gather(*inputs, sample=sample), inputs)


def _matvec(node: Node, uses: Uses) -> Rewrite | None:
    """Match the product of standardised bytes, all of them, with a single column."""
    if node.op.name != "matmul" or any(node.attrs.values()) or node.values[0].shape[1:] != (1,):
        return None
    x, column = node.inputs
    flat = uses.behind(x, "reshape")
    made = flat.inputs[0] if flat else x
    last = uses.behind(made, "multiply") or uses.behind(made, "subtract") or uses.behind(made, "cast")
    found = _standardised(last, uses) if last else None
    if last is None or found is None or len(found) > 3 or found[0].dtype != np.uint8 or len(made) != len(x):
        return None
    sample = last.values[0].shape[1:]
    shift, scale = (np.broadcast_to(v.data, sample).reshape(-1).astype(float) for v in found[1:])

    def make(data: Tensor, column: Tensor) -> Tensor:
        y: Tensor = standardised_matvec(reshape(data, x.shape), reshape(column, -1), shift=shift, scale=scale)
        return reshape(y, node.values[0].shape)

    return Rewrite(make, (found[0], column))


def _dense(node: Node, uses: Uses) -> Rewrite | None:
    """relu(x w + bias), or x w + bias."""
    add = uses.behind(node.inputs[0], "add") if node.op.name == "relu" else node if node.op.name == "add" else None
    product = uses.behind(add.inputs[0], "matmul") if add else None
    if add is None or product is None or any(product.attrs.values()) or _matvec(product, uses):
        return None
    bias = add.inputs[1]
    if bias.ndim != 1 or len(product.values[0].shape) != 2 or bias.shape[0] != product.values[0].shape[1]:
        return None
    return Rewrite(lambda *inputs: fused.dense(*inputs, relu=add is not node), (*product.inputs, bias))


def _softmax_cross_entropy(node: Node, uses: Uses) -> Rewrite | None:
    """-mean(log_softmax(logits)[arange(n), labels])."""
    divide = uses.behind(node.inputs[0], "divide") if node.op.name == "negative" else None
    total = uses.behind(divide.inputs[0], "sum") if divide else None
    picked = uses.behind(total.inputs[0], "index") if total else None
    logs = uses.behind(picked.inputs[0], "log_softmax") if picked else None
    if divide is None or picked is None or logs is None or len(picked.inputs) != 3 or logs.inputs[0].ndim != 2:
        return None
    _, rows, labels = picked.inputs
    count, n = divide.inputs[1], logs.inputs[0].shape[0]
    if not (_is_constant(rows) and np.array_equal(rows.data, np.arange(n)) and labels.shape == (n,)):
        return None
    if not _for_kernels(labels):
        return None
    if not (_is_constant(count) and count.size == 1 and count.item() == n):
        return None

    def make(logits: Tensor, labels: Tensor) -> Tensor:
        loss: Tensor = fused.softmax_cross_entropy(logits, labels)[0]
        return loss

    return Rewrite(make, (logs.inputs[0], labels))


def _times_one(node: Node, uses: Uses) -> Rewrite | None:
    """Match 1 * x and x * 1: the seed of a gradient times what it meets first."""
    if node.op.name != "multiply":
        return None
    for one, x in (node.inputs, node.inputs[::-1]):
        if _is_constant(one) and one.size == 1 and one.item() == 1 and x.shape == node.values[0].shape:
            # A node that is not recorded stops gradients; so must what comes in its place.
            return Rewrite((lambda x: x) if node.recorded or not x.requires_grad else Tensor.detach, (x,))
    return None


def _descend(node: Node, uses: Uses) -> Rewrite | None:
    """Match theta - rate * gradient, for a symbolic vector theta and rate: it is done in place."""
    if node.op.name != "subtract":
        return None
    theta, product = node.inputs[0], uses.behind(node.inputs[1], "multiply")
    if product is None or theta.ndim != 1:
        return None
    rate, gradient = product.inputs
    if rate.node is not None or not rate.symbolic or rate.ndim or gradient.shape != theta.shape:
        return None
    whole = uses.behind(gradient, "concatenate")
    # Products that are shared out to threads move theta at once; what lies between them is one gradient.
    found = [(_large_product(x, uses), x) for x in (whole.inputs if whole else (gradient,))]
    runs = [(product, [x for _, x in run]) for product, run in itertools.groupby(found, lambda pair: pair[0])]

    def make(theta: Tensor, rate: Tensor, *values: Tensor) -> Tensor:
        given, start = iter(values), 0
        for product, run in runs:
            if product:
                theta = fused.descend_product(theta, next(given), next(given), rate, start=start)
            else:
                theta = fused.descend(theta, concatenate([next(given) for _ in run]), rate, start=start)
            start += sum(x.size for x in run)
        return theta

    inputs = (x for product, run in runs for x in (product.inputs if product else run))
    return Rewrite(make, (theta, rate, *inputs)) if uses.last(node, [theta]) else None


def _large_product(x: Tensor, uses: Uses) -> Node | None:
    """Give the node of a^T b, or of one laid out as a vector, if it is worth several threads."""
    flat = uses.behind(x, "reshape")
    product = uses.behind(flat.inputs[0], "matmul", recorded=False) if flat else None
    if product is None or product.attrs != {"trans_a": True, "trans_b": False} or len(product.values[0].shape) > 2:
        return None
    a, b = (x.spec for x in product.inputs)
    return product if _chunks(a, b, **product.attrs) > 1 else None


def _adam(node: Node, uses: Uses) -> Rewrite | None:
    """Match a step of Adam: it is done in place."""
    if node.op is not fused.adam or not uses.last(node, node.inputs[:4]):
        return None
    return Rewrite(lambda *inputs: fused.adam_in_place(*inputs, **node.attrs), node.inputs)
