"""Sums of products, written with an index for each axis, in Einstein's notation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.ops.arrange import transpose
from tinynet.ops.dtypes import check_floating, promote
from tinynet.ops.linear import matmul
from tinynet.ops.reduce import broadcast_to, sum
from tinynet.ops.shape import reshape
from tinynet.ops.slices import getitem
from tinynet.ops.subscripts import Labels, labelled, parsed, result, sizes_of


def einsum(subscripts: str, *operands: Any) -> Tensor:
    """Sum products over axes that are named by letters, as `numpy.einsum` does.

    Operands are contracted from left to right, by matrix products.

    Parameters
    ----------
    subscripts : str
        The axes of each operand, separated by commas, and after "->" those of the result. Letters that are not in the
        result are summed over. A letter that occurs twice in one operand takes a diagonal. "..." stands for axes that
        broadcast. Without "->", the result has the letters that occur once, in alphabetical order.
    *operands : Tensor
        Floating, one for each part of the text.

    Returns
    -------
    Tensor
        With the axes of the result.

    Raises
    ------
    ArgumentError
        If the text is not valid, or does not name as many operands as there are.
    ShapeError
        If an operand has not as many axes as letters, or a letter has two lengths.
    DTypeError
        If an operand is not floating.

    Examples
    --------
    >>> import tinynet as tn
    >>> a, b = tn.Tensor([[1.0, 2.0]]), tn.Tensor([[3.0, 4.0], [5.0, 6.0]])
    >>> tn.ops.einsum("ij,kj->ik", a, b)
    Tensor([[11., 17.]])
    """
    terms, output = parsed(subscripts, len(operands))
    tensors = promote(*operands)
    check_floating("einsum", tensors[0].dtype)
    labels = [labelled(subscripts, term, x) for term, x in zip(terms, tensors, strict=True)]
    sizes = sizes_of(subscripts, labels, tensors)
    wanted = result(subscripts, output, labels)
    x, have = _distinct(tensors[0], labels[0], sizes)
    for i, other in enumerate(tensors[1:], 1):
        later = set(wanted).union(*labels[i + 1 :])
        x, have = _contract(x, have, *_distinct(other, labels[i], sizes), later, sizes)
    x, have = _keep(x, have, set(wanted))
    return transpose(x, [have.index(name) for name in wanted])


def _distinct(x: Tensor, names: Labels, sizes: dict[str, int]) -> tuple[Tensor, Labels]:
    """Broadcast an operand to its full lengths, and take the diagonals of axes of the same name."""
    x = broadcast_to(x, tuple(sizes[name] for name in names))
    while len(set(names)) < len(names):
        first = next(i for i, name in enumerate(names) if names.count(name) > 1)
        second = names.index(names[first], first + 1)
        rest = [a for a in range(x.ndim) if a not in (first, second)]
        along = np.arange(x.shape[first])
        x = getitem(transpose(x, [first, second, *rest]), (along, along))
        names = [names[first], *(names[a] for a in rest)]
    return x, names


def _keep(x: Tensor, names: Labels, wanted: set[str]) -> tuple[Tensor, Labels]:
    """Sum over the axes that are not wanted."""
    axes = [a for a, name in enumerate(names) if name not in wanted]
    return sum(x, axes) if axes else x, [name for name in names if name in wanted]


def _contract(
    a: Tensor, a_names: Labels, b: Tensor, b_names: Labels, wanted: set[str], sizes: dict[str, int]
) -> tuple[Tensor, Labels]:
    """Multiply two operands, and sum over the axes that are not needed afterwards."""
    a, a_names = _keep(a, a_names, wanted | set(b_names))
    b, b_names = _keep(b, b_names, wanted | set(a_names))
    batch = [name for name in a_names if name in b_names and name in wanted]
    inner = [name for name in a_names if name in b_names and name not in wanted]
    left = [name for name in a_names if name not in b_names]
    right = [name for name in b_names if name not in a_names]

    def in_order(x: Tensor, names: Labels, *groups: Labels) -> Tensor:
        moved = transpose(x, [names.index(name) for group in groups for name in group])
        lengths = [math.prod(sizes[name] for name in group) for group in groups]
        return reshape(moved, lengths if batch else lengths[1:])

    rows, columns = in_order(a, a_names, batch, left, inner), in_order(b, b_names, batch, inner, right)
    product = matmul(rows, columns) if inner else rows * columns
    names = [*batch, *left, *right]
    return reshape(product, [sizes[name] for name in names]), names
