"""A small expression as a picture: its values, the gradients that flow back to them, and the ops between."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.core.engine import Node, Tensor, ancestors, grad
from tinynet.errors import ArgumentError
from tinynet.report.style import BLUE, LABEL, ORANGE, SMALL, WIDTH, Array, canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIGNS = {"add": "+", "subtract": "−", "multiply": "×", "divide": "÷", "matmul": "@", "negative": "−", "power": "^"}  # noqa: RUF001
_BOX, _OP, _LETTER = 0.92, 0.5, 0.064  # inches: the least widths of a value and an op, and that of a letter
_GAP, _ROW = 0.24, 0.72  # inches from one column to the next, and from one row to the next
_SWEEPS = 12
_FEW = 3  # values of an array that are written out


@dataclass(eq=False)
class _Item:
    """A value, an op, or a bend of a long line, at its place."""

    key: Hashable
    column: int
    lines: list[str] = field(default_factory=list)
    name: str = ""
    kind: str = "bend"  # "leaf", "constant", "value", "op"
    before: list[_Item] = field(default_factory=list)
    after: list[_Item] = field(default_factory=list)
    y: float = 0.0
    x: float = 0.0
    width: float = 0.0


def graph(y: Tensor, /, *, most: int = 30, **names: Tensor) -> Figure:
    """Draw how a number was computed: a box for each value with its gradient, and the ops between them.

    Parameters
    ----------
    y : Tensor
        One number, made by ops from tensors that require gradients.
    most : int
        How many ops can be read: more are refused.
    **names : Tensor
        What tensors are called in the picture, such as ``x=x``; leaves or values in between.

    Returns
    -------
    matplotlib.figure.Figure
        Values from left to right. Boxes in orange are those that gradients were asked for, such as parameters; boxes in
        grey are constants. Of an array with more than three values its shape is written, and the length of its
        gradient.

    Raises
    ------
    ArgumentError
        If ``y`` is no number with a history, a name is that of no Tensor in it, or it has more ops than can be read.

    Examples
    --------
    >>> import tinynet as tn
    >>> x, w = tn.Tensor(2.0, requires_grad=True), tn.Tensor(-3.0, requires_grad=True)
    >>> figure = tn.report.graph(x + w, x=x, w=w)
    >>> [text.get_text().splitlines() for text in figure.axes[0].texts]
    [['x', '2', 'grad 1'], ['w', '-3', 'grad 1'], ['+'], ['-1', 'grad 1']]
    """
    nodes = _nodes(y, most)
    items = _items(y, nodes, _labels(names, y, nodes))
    columns = _columns(items)
    _order(columns)
    return _draw(columns)


def _nodes(y: Tensor, most: int) -> list[Node]:
    """Return the ops that made a number, in their order."""
    if not isinstance(y, Tensor) or not y.requires_grad or y.node is None:
        raise ArgumentError(
            "graph: draws a Tensor that ops made from tensors with requires_grad=True, outside of tn.no_grad(), but "
            "got "
            f"{'one without a history' if isinstance(y, Tensor) else type(y).__name__}"
        )
    if y.symbolic or y.size != 1:
        raise ArgumentError(f"graph: draws one number, but y has shape {y.shape}; draw y.sum() or y.mean()")
    nodes = ancestors([y], recorded=True)
    if len(nodes) > most:
        raise ArgumentError(
            f"graph: the expression has {len(nodes)} ops, more than the {most} that can be read; draw a smaller part "
            f"of it, or say most={len(nodes)}"
        )
    return nodes


def _key(x: Tensor) -> Hashable:
    """Return what tells a value from others: the node that made it and its place there, or the leaf itself."""
    return (id(x.node), x.index) if x.node is not None else id(x)


def _labels(names: dict[str, Tensor], y: Tensor, nodes: list[Node]) -> dict[Hashable, str]:
    there = {_key(x) for node in nodes for x in node.inputs} | {_key(y)}
    for name, x in names.items():
        if not isinstance(x, Tensor) or _key(x) not in there:
            raise ArgumentError(f"graph: {name} is no Tensor that y was computed from")
    return {_key(x): name for name, x in names.items()}


def _items(y: Tensor, nodes: list[Node], labels: dict[Hashable, str]) -> list[_Item]:
    """Make an item of each value and op, joined and with its column: ops stand in odd ones, y in the last."""
    inputs = {_key(x): x for node in nodes for x in node.inputs}
    outputs = {_key(x): x for node in nodes for x in node.outputs() if _key(x) in inputs or _key(x) == _key(y)}
    values = {**inputs, **outputs}
    asked = {key: x for key, x in values.items() if x.requires_grad}
    gradients = dict(zip(asked, grad([y], list(asked.values()), [Tensor(np.ones(y.shape, y.dtype))]), strict=True))
    made = {
        key: _Item(key, 0, _texts(x, gradients.get(key)), labels.get(key, ""), _kind(x)) for key, x in values.items()
    }
    ops = []
    for node in nodes:  # in the order of computing: inputs have their columns before their ops
        op = _Item(id(node), 0, [_SIGNS.get(node.op.name, node.op.name)], kind="op")
        op.before = [made[_key(x)] for x in node.inputs]
        op.after = [made[key] for key in ((id(node), i) for i in range(len(node.values))) if key in made]
        op.column = 1 + max(item.column for item in op.before)
        for item in op.before:
            item.after.append(op)
        for item in op.after:
            item.column = op.column + 1
            item.before.append(op)
        ops.append(op)
    for item in made.values():
        if not item.before:  # a leaf stands right before its first use
            item.column = min(op.column for op in item.after) - 1
    return [*made.values(), *ops]


def _kind(x: Tensor) -> str:
    if not x.requires_grad:
        return "constant"
    return "leaf" if x.node is None else "value"


def _texts(x: Tensor, gradient: Tensor | None) -> list[str]:
    value = _written(x.data)
    texts = [f"shape {x.shape}" if value is None else value]
    if gradient is not None:
        value = _written(gradient.data)
        texts.append(f"|grad| {np.linalg.norm(gradient.data):.3g}" if value is None else f"grad {value}")
    return texts


def _written(array: Array) -> str | None:
    """Write a number or a few; None of more."""
    if array.size == 1:
        return f"{array.item():.4g}"
    return f"[{', '.join(f'{v:.2g}' for v in array)}]" if array.ndim == 1 and array.size <= _FEW else None


def _columns(items: list[_Item]) -> list[list[_Item]]:
    """Sort items into columns, with a bend in each column that a line passes."""
    columns: list[list[_Item]] = [[] for _ in range(1 + max(item.column for item in items))]
    for item in items:
        columns[item.column].append(item)
    for item in items:
        for i, target in enumerate(item.after):
            previous = item
            for column in range(item.column + 1, target.column):
                bend = _Item((item.key, target.key, i, column), column)
                columns[column].append(bend)
                _join(previous, bend, target, item)
                previous = bend
    return columns


def _join(previous: _Item, bend: _Item, target: _Item, start: _Item) -> None:
    """Put a bend into the line from the item before it to the target."""
    previous.after[previous.after.index(target)] = bend
    target.before[target.before.index(start if previous is start else previous)] = bend
    bend.before, bend.after = [previous], [target]


def _order(columns: list[list[_Item]]) -> None:
    """Find heights with few crossings: each item as near to the mean of its neighbours as the others let it be.

    The barycentre method of Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system
    structures", IEEE Trans. SMC 11, 1981.
    """
    for column in columns:
        for row, item in enumerate(column):
            item.y = row - (len(column) - 1) / 2
    for sweep in range(_SWEEPS):
        back = sweep % 2 == 1
        for column in reversed(columns) if back else columns:
            wanted = {id(item): _mean(item, item.after if back else item.before) for item in column}
            column.sort(key=lambda item: wanted[id(item)])
            _place(column, [wanted[id(item)] for item in column])


def _mean(item: _Item, neighbours: list[_Item]) -> float:
    return float(np.mean([other.y for other in neighbours])) if neighbours else item.y


def _place(column: list[_Item], wanted: list[float]) -> None:
    """Put items where they want to be, in their order, at a distance of one row at least."""
    heights: list[float] = []
    for want in wanted:
        heights.append(max(want, heights[-1] + 1) if heights else want)
    shift = float(np.mean(wanted)) - float(np.mean(heights))
    for item, height in zip(column, heights, strict=True):
        item.y = height + shift


def _width(item: _Item) -> float:
    """Return the width that the text of an item takes, in inches."""
    longest = max(map(len, [*item.lines, item.name]))
    return max({"op": _OP, "bend": 0.0}.get(item.kind, _BOX), _LETTER * longest + 0.16)


def _draw(columns: list[list[_Item]]) -> Figure:
    left = 0.1
    for column in columns:
        width = max(map(_width, column))
        for item in column:
            item.x, item.width = left + width / 2, 0.0 if item.kind == "bend" else width
        left += width + _GAP
    heights = [item.y for column in columns for item in column]
    low, high = min(heights), max(heights)
    figure = canvas((high - low + 1) * _ROW + 0.2)
    figure.set_figwidth(max(WIDTH, left - _GAP + 0.1))
    axes = figure.add_subplot()
    for column in columns:
        for item in column:
            item.y = (item.y - low) * _ROW + _ROW / 2
            _draw_item(axes, item)
    for column in columns:
        for item in column:
            _draw_lines(axes, item)
    axes.set_xlim(0, left - _GAP + 0.1)
    axes.set_ylim((high - low + 1) * _ROW, 0)
    axes.set_aspect("equal")
    axes.set_axis_off()
    return figure


_FACES = {"leaf": ("#FCEFD2", ORANGE), "constant": ("0.94", "0.6"), "value": ("white", "0.45")}


def _draw_item(axes: Axes, item: _Item) -> None:
    from matplotlib.patches import Ellipse, FancyBboxPatch

    if item.kind == "op":
        axes.add_patch(Ellipse((item.x, item.y), item.width, 0.36, fc="#DCEBF5", ec=BLUE))
        text = item.lines[0]
        size = LABEL + 2 if len(text) == 1 else SMALL
        axes.text(item.x, item.y, text, fontsize=size, ha="center", va="center", color="black", parse_math=False)
    elif item.kind != "bend":
        face, edge = _FACES[item.kind]
        lines = [*([item.name] if item.name else []), *item.lines]
        height = 0.17 * len(lines) + 0.1
        corner = (item.x - item.width / 2, item.y - height / 2)
        shape = "round,pad=0,rounding_size=0.05"
        axes.add_patch(FancyBboxPatch(corner, item.width, height, shape, fc=face, ec=edge))
        style: Any = {"fontsize": SMALL, "ha": "center", "va": "center", "linespacing": 1.15, "parse_math": False}
        axes.text(item.x, item.y, "\n".join(lines), **style)


def _draw_lines(axes: Axes, item: _Item) -> None:
    """Draw the lines to what comes after an item."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    for other in item.after:
        start, end = item.x + item.width / 2, other.x - other.width / 2
        middle = (start + end) / 2
        points = [(start, item.y), (middle, item.y), (middle, other.y), (end, other.y)]
        path = Path(points, [Path.MOVETO, *[Path.CURVE4] * 3])
        style: Any = "-" if other.kind == "bend" else "-|>"
        axes.add_patch(FancyArrowPatch(path=path, arrowstyle=style, mutation_scale=8, color="0.4", lw=1, zorder=0))
