"""Formulas as MathML, which browsers draw by themselves: no script, no font to fetch, and they follow the colours."""

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.errors import ExtensionError


def convert(node, block):
    """Convert a formula; one that cannot be converted ends the build."""
    tex = node.astext()
    if block and (r"\\" in tex or "&" in tex) and r"\begin" not in tex:
        tex = rf"\begin{{aligned}}{tex}\end{{aligned}}"
    try:
        return tex2mathml(tex, as_block=block)
    except Exception as error:
        raise ExtensionError(f"{node.source}:{node.line}: cannot write {tex!r} as MathML: {error}") from error


def inline(self, node):
    """Write a formula in a line."""
    self.body.append(f'<span class="formula">{convert(node, block=False)}</span>')
    raise SkipNode


def display(self, node):
    """Write a formula on lines of its own; wide ones scroll by themselves."""
    target = f' id="{node["ids"][0]}"' if node["ids"] else ""
    self.body.append(f'<div class="formula-block" tabindex="0"{target}>{convert(node, block=True)}</div>')
    raise SkipNode


def setup(app):
    """Make this the way in which formulas are written."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
