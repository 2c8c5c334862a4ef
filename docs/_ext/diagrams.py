"""The diagrams of the site: SVG within the page, so that they take its colours, light or dark, and its text its font.

Each is a function that draws; its docstring is what is read out to those who cannot see it.
"""

import html
import inspect
import math

import numpy as np
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from tinynet.fast.kernels.conv_pool import Dims


class Drawing:
    """Shapes on a plane of a width and height; colours are classes of the style sheet."""

    def __init__(self, width, height):
        self.width, self.height, self.parts = width, height, []

    def text(self, x, y, text, kind="", anchor="middle"):
        """Write a line of text around a point."""
        self.parts.append(f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{html.escape(text)}</text>')

    def box(self, x, y, width, height, text="", kind=""):
        """Draw a box with lines of text in its middle."""
        self.parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4" class="{kind}"/>')
        lines = text.split("\n") if text else []
        for i, line in enumerate(lines):
            self.text(x + width / 2, y + height / 2 + 5 + 17 * (i - (len(lines) - 1) / 2), line)

    def cell(self, x, y, size, kind, text=""):
        """Draw a cell of a grid."""
        self.parts.append(f'<rect x="{x}" y="{y}" width="{size}" height="{size}" class="cell {kind}"/>')
        if text:
            self.text(x + size / 2, y + size / 2 + 5, text)

    def line(self, *points, kind=""):
        """Draw a line through points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" class="{kind}"/>')

    def arrow(self, x1, y1, x2, y2, kind=""):
        """Draw an arrow from a point to another."""
        self.line((x1, y1), (x2, y2), kind=kind)
        angle = math.atan2(y2 - y1, x2 - x1)
        wings = [(x2 - 9 * math.cos(angle + a), y2 - 9 * math.sin(angle + a)) for a in (0.4, -0.4)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in [(x2, y2), *wings])
        self.parts.append(f'<polygon points="{path}" class="{kind}"/>')

    def svg(self, label):
        """Return the drawing as an element of a page."""
        style = f"max-width: {self.width}px; min-width: {min(self.width, 350)}px"
        label = html.escape(label, quote=True)
        head = f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{label}" style="{style}">'
        return "".join([head, f"<title>{label}</title>", *self.parts, "</svg>"])


def chain(d):
    """A graph from left to right. w = 3 and x = 2 meet in a product, a = 6; minus t = 5 gives b = 1; squared, L = 1.

    Below, from right to left, the derivatives of L: 1 by L, 2 by b, 2 by a, and in the end 4 by w and 6 by x.
    """
    for y, name, value, slope in ((50, "w", 3, 4), (130, "x", 2, 6)):
        d.box(10, y - 20, 44, 40, name)
        d.text(32, y - 27, str(value), "value")
        d.text(32, y + 37, str(slope), "slope")
        d.arrow(54, y, 116, 90 + (y - 90) / 4)
    for x, name, value, slope, label in ((120, "×", 6, 2, "a"), (250, "− 5", 1, 2, "b"), (380, "( )²", 1, 1, "L")):
        d.box(x, 70, 54, 40, name, "op")
        d.arrow(x + 54, 90, x + 126, 90)
        d.text(x + 90, 80, f"{label} = {value}", "value")
        d.text(x + 90, 110, str(slope), "slope")
    d.text(250, 24, "forward: values", "value")
    d.text(250, 160, "backward: dL / d that value", "slope")
    d.arrow(324, 20, 366, 20, "value")
    d.arrow(142, 156, 100, 156, "slope")


def handles(d):
    """A leaf tensor w and a leaf tensor x; a node of the op multiply points to both as its inputs and owns the values.

    A tensor y is a handle that points to the node. Nothing points from a node to what was made from it.
    """
    d.box(10, 20, 120, 46, "Tensor w\n(leaf)")
    d.box(10, 110, 120, 46, "Tensor x\n(leaf)")
    d.box(210, 40, 130, 96, "Node\nop: multiply\ninputs, values", "op")
    d.box(410, 65, 100, 46, "Tensor y\n(handle)")
    d.arrow(210, 75, 132, 45)
    d.arrow(210, 101, 132, 131)
    d.arrow(410, 88, 342, 88)


def declaration(d):
    """A box, Op, with its declaration: name, infer, compute, vjp. Arrows lead to what follows from it.

    Eager execution, gradients of any order, plans, tests of values and gradients, and the reference.
    """
    d.box(10, 50, 150, 130, "Op\nname, infer,\ncompute, vjp,\nformula", "op")
    for i, text in enumerate(
        ("eager execution", "gradients of any order", "fusion and plans", "tests by table", "this reference")
    ):
        y = 10 + 44 * i
        d.box(270, y, 190, 34, text)
        d.arrow(160, 115, 266, y + 17)


def theta(d):
    """A long row of cells, theta, cut into six slices; each slice has its name and its shape, from Conv1 to Output."""
    d.text(10, 24, "theta: one vector", anchor="start")
    parts = (
        (46, "Conv1.weight", "(3, 3, 1, 32)"), (26, "Conv1.bias", "(32,)"), (120, "Conv2.weight", "(3, 3, 32, 64)"),
    )  # fmt: skip
    x = 10
    for i, (width, name, shape) in enumerate(parts):
        d.box(x, 36, width, 30, "", "op" if i % 2 else "accent")
        y = 104 + 44 * i
        d.line((x + width / 2, 66), (x + width / 2, y - 5), (250, y - 5), kind="thin")
        d.text(258, y, f"{name}  {shape}", anchor="start")
        x += width
    d.box(x, 36, 500 - x, 30, "…", "")
    d.text(505, 24, "views, not copies, below", anchor="end")


def im2col(d):
    """An image of 4 by 4 pixels with a window of 2 by 2 marked; the window is laid out as one row of four values.

    The nine windows make nine rows; times the weights, a column of four for each filter, they give nine outputs.
    """
    s = 30
    for i in range(4):
        for j in range(4):
            inside = 1 <= i <= 2 and 1 <= j <= 2
            d.cell(10 + s * j, 30 + s * i, s, "accent" if inside else "", "abcdefghijklmnop"[4 * i + j])
    d.text(70, 20, "x: 4 × 4 pixels")
    d.arrow(134, 90, 176, 90)
    for r in range(9):
        for k in range(4):
            i, j = r // 3 + k // 2, r % 3 + k % 2
            d.cell(182 + 22 * k, 30 + 22 * r, 22, "accent" if r == 4 else "", "abcdefghijklmnop"[4 * i + j])
    d.text(226, 20, "im2col: 9 × 4")
    d.text(292, 134, "×", "large")
    for k in range(4):
        for f in range(2):
            d.cell(314 + 22 * f, 85 + 22 * k, 22, "op")
    d.text(336, 75, "w: 4 × 2")
    d.text(382, 134, "=", "large")
    for r in range(9):
        for f in range(2):
            d.cell(406 + 22 * f, 30 + 22 * r, 22, "accent" if r == 4 else "")
    d.text(428, 20, "y: 9 × 2")


def chunks(d):
    """A batch of 32 images cut into eight chunks of four. Each chunk writes a partial sum into a slot of its own.

    The slots are added in order, whichever thread filled them.
    """
    d.text(10, 20, "32 images, 8 chunks", anchor="start")
    for c in range(8):
        kind = "accent" if c % 2 else "op"
        for i in range(4):
            d.cell(10 + 62 * c + 14 * i, 32, 14, kind)
        d.arrow(38 + 62 * c, 50, 38 + 62 * c, 78)
        d.box(14 + 62 * c, 82, 48, 30, f"slot {c}", kind)
        if c:
            d.text(7 + 62 * c, 102, "+")
    d.arrow(254, 118, 254, 142)
    d.box(204, 146, 100, 30, "the sum")
    d.text(318, 166, "always in this order", anchor="start")


def fusion(d):
    """Above, five ops in a row: conv2d, add, relu, max_pool, with arrows between; below, one op in their place.

    It is conv_pool, which takes x, w and bias and gives the pooled values and the index of each winner.
    """
    for i, name in enumerate(("conv2d", "add bias", "relu", "max_pool")):
        d.box(14 + 126 * i, 20, 96, 36, name, "op")
        if i < 3:
            d.arrow(110 + 126 * i, 38, 138 + 126 * i, 38)
    d.line((14, 66), (14, 74), (488, 74), (488, 66), kind="thin")
    d.arrow(251, 76, 251, 104)
    d.box(156, 108, 190, 40, "conv_pool", "accent")
    d.arrow(90, 128, 152, 128)
    d.text(60, 133, "x, w, bias")
    d.arrow(346, 128, 396, 128)
    d.text(402, 133, "y, winners", anchor="start")


def windows(d):
    """A grid of 11 by 11 convolution outputs. Nine windows of 3 by 3 cover 9 by 9 of them, one winner marked in each.

    The last two rows and columns, 40 outputs, are dead: no window reads them.
    """
    rng, s = np.random.default_rng(4), 24
    dims = Dims(h=13, w=13, c=32, f=64, kh=3, kw=3, sh=1, sw=1, ph=3, pw=3, qh=3, qw=3, oh=3, ow=3)
    size = dims.h - dims.kh + 1
    read = dims.oh * dims.ph
    winners = {(i, j): divmod(int(rng.integers(9)), 3) for i in range(dims.oh) for j in range(dims.ow)}
    for i in range(size):
        for j in range(size):
            dead = i >= read or j >= read
            wins = not dead and winners[i // 3, j // 3] == (i % 3, j % 3)
            d.cell(10 + s * j, 10 + s * i, s, "dead" if dead else "winner" if wins else "")
    for i in range(dims.oh):
        for j in range(dims.ow):
            d.box(10 + 3 * s * j, 10 + 3 * s * i, 3 * s, 3 * s, kind="frame")
    counts = (
        ("winner", dims.oh * dims.ow, "winners: have a gradient"),
        ("", read**2 - dims.oh * dims.ow, "read, then lost: gradient 0"),
        ("dead", size**2 - read**2, "dead: never computed"),
    )
    for k, (kind, count, text) in enumerate(counts):
        d.cell(34, 290 + 32 * k, s, kind)
        d.text(68, 307 + 32 * k, f"{count} {text}", anchor="start")


def step(d):
    """The training step as one graph from top to bottom: gather the batch, forward, loss, backward, update.

    To its right, what each reads: images and indices, theta, labels; the update writes theta.
    """
    rows = (
        ("gather", "images, indices"), ("forward", "theta"), ("loss", "labels"), ("backward", "theta, winners"),
        ("update", "gradient, learning rate"),
    )  # fmt: skip
    for i, (name, reads) in enumerate(rows):
        y = 10 + 52 * i
        d.box(20, y, 130, 34, name, "accent" if name == "update" else "op")
        d.arrow(226, y + 17, 156, y + 17, "thin")
        d.text(234, y + 22, reads, anchor="start")
        if i:
            d.arrow(85, y - 18, 85, y - 2)
    d.text(85, 274, "theta, in place")


def logistic(d):
    """Two curves over the logit z from -5 to 5: the loss of label 1, falling from 5 to 0, and that of label 0, rising.

    A tangent at z = 0 lies below the curve of label 1 everywhere, as under any convex function.
    """
    x0, y0, sx, sy = 250, 190, 42, 32
    z = np.linspace(-5, 5, 81)

    def at(a, b):
        return x0 + sx * a, y0 - sy * b

    d.arrow(20, y0, 484, y0, "thin")
    d.arrow(x0, y0 + 10, x0, 16, "thin")
    d.line(*(at(a, np.logaddexp(0, -a)) for a in z), kind="curve value")
    d.line(*(at(a, np.logaddexp(0, a)) for a in z), kind="curve slope")
    d.line(*(at(a, np.log(2) - a / 2) for a in (-4.5, 1.4)), kind="thin dashed")
    d.text(70, 34, "y = 1", "value")
    d.text(430, 34, "y = 0", "slope")
    d.text(484, y0 + 20, "z = w · x")
    d.text(x0 + 8, 24, "loss", anchor="start")
    for a in (-4, -2, 2, 4):
        d.text(x0 + sx * a, y0 + 20, f"{a}".replace("-", "−"))


SIZES = {
    chain: (520, 176), handles: (520, 176), declaration: (470, 232), theta: (520, 210), im2col: (470, 240),
    chunks: (510, 186), fusion: (502, 158), windows: (284, 384), step: (430, 284), logistic: (500, 216),
}  # fmt: skip
DIAGRAMS = {draw.__name__: (draw, size) for draw, size in SIZES.items()}


class Diagram(SphinxDirective):
    """A diagram by its name, with a caption."""

    required_arguments = 1
    has_content = True

    def run(self):
        """Draw it."""
        if self.arguments[0] not in DIAGRAMS:
            raise self.error(f"there is no diagram {self.arguments[0]!r}; there are {', '.join(DIAGRAMS)}")
        draw, size = DIAGRAMS[self.arguments[0]]
        drawing = Drawing(*size)
        draw(drawing)
        svg = drawing.svg(" ".join(inspect.getdoc(draw).split()))
        figure = nodes.container(classes=["diagram"])
        figure += nodes.raw("", f'<div class="diagram-body" tabindex="0">{svg}</div>', format="html")
        caption = nodes.container(classes=["diagram-caption"])
        self.state.nested_parse(self.content, self.content_offset, caption)
        figure += caption
        return [figure]


def setup(app):
    """Add the directive."""
    app.add_directive("diagram", Diagram)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
