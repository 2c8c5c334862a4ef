"""Samples picked from the data, converted and standardised: (cast(x[indices]) - shift) * scale.

The kernel checks no index. Those that nobody has checked become `places` first, which does so in a call of its own.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.core.engine import Node, Tensor, constant, is_constant
from tinynet.core.spec import Array, Shape, Spec
from tinynet.fast.implementation import Implementation
from tinynet.fast.kernels import fused as kernels
from tinynet.fast.match import Fusion, Rewrite, Uses, fits_kernels, fused_op
from tinynet.ops.dtypes import _cast, cast
from tinynet.ops.places import places
from tinynet.ops.pointwise import multiply, subtract
from tinynet.ops.shape import _index, _reshape, reshape
from tinynet.ops.slices import getitem


def gather_parts(x: Tensor, indices: Tensor, shift: Tensor, scale: Tensor, sample: Shape) -> Tensor:
    """Compute a standardised batch by the ops that the fused op stands for."""
    picked = reshape(getitem(x, indices), (indices.shape[0], *sample))
    return (cast(picked, shift.dtype) - shift) * scale


def _bind(out: Array, x: Array, indices: Array, shift: Array, scale: Array, sample: Shape) -> tuple[Any, ...]:
    each = (np.ascontiguousarray(np.broadcast_to(a, sample)).reshape(-1) for a in (shift, scale))
    size = math.prod(sample)
    return kernels.gather, out.reshape(len(out), size), x.reshape(len(x), size), indices, *each


gather = fused_op(
    "gather",
    gather_parts,
    infer=lambda x, indices, shift, scale, sample: Spec((indices.shape[0], *sample), shift.dtype),
    implementation=Implementation(_bind, contiguous=True),
    formula="(x[indices] - shift) scale, as floats",
)


def standardised(node: Node, uses: Uses) -> tuple[Tensor, ...] | None:
    """Match (cast(x[indices]) - shift) * scale and return x, indices, shift, scale; all but one may be missing."""
    shift, scale = (constant(np.array(v, node.values[0].dtype)) for v in (0, 1))
    step: Node | None = node
    x = node.outputs()[0]
    if node.op is multiply and is_constant(node.inputs[1]):
        x, scale = node.inputs
        step = uses.sole_producer(x, subtract) or uses.sole_producer(x, _cast)
    if step is not None and step.op is subtract and is_constant(step.inputs[1]):
        x, shift = step.inputs
        step = uses.sole_producer(x, _cast)
    if step is not None and step.op is _cast and step.values[0].dtype.kind == "f":
        x = step.inputs[0]
    if x.node is node or x.ndim < 2 or x.shape != node.values[0].shape or max(shift.ndim, scale.ndim) >= x.ndim:
        return None
    data, *indices = _picked(x, uses)
    from_outside = data.node is None and not data.requires_grad and not is_constant(data)
    in_order = not indices or data.symbolic or data.memory.flags.c_contiguous  # each call would copy all other data
    if not (from_outside and in_order and fits_kernels(data)) or any(v.ndim != 1 for v in indices):
        return None
    return data, *indices, shift, scale


def _picked(x: Tensor, uses: Uses) -> tuple[Tensor, ...]:
    """Return the data and the indices that x was picked by, if it was, and they are checked; reshaped or not."""
    flat = uses.sole_producer(x, _reshape)
    if flat is not None and flat.inputs[0].shape[0] == x.shape[0]:
        x = flat.inputs[0]
    index = uses.sole_producer(x, _index)
    return index.inputs if index and index.attrs["checked"] else (x,)


def _match(node: Node, uses: Uses) -> Rewrite | None:
    """Match standardised data, as a whole or by the indices of samples; and one index that nobody has checked."""
    if node.op is _index and not node.attrs["checked"] and [i.ndim for i in node.inputs[1:]] == [1]:
        return Rewrite(lambda x, i: _index(x, places(i, shape=x.shape), checked=True), node.inputs)
    found, sample = standardised(node, uses), node.values[0].shape[1:]
    if found is None or len(found) > 4:
        return None
    data, *indices = found[:-2]
    inputs = (data, *(indices or [constant(np.arange(data.shape[0]))]), *found[-2:])
    return Rewrite(lambda *inputs: gather(*inputs, sample=sample), inputs)


FUSION = Fusion(_match, {gather: "index + cast + subtract + multiply"}, second_derivatives=True)
