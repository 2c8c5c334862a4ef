"""Pictures that the Python of a page makes: ``{picture} EXPRESSION``, with what it shows in words."""

import base64
import contextlib
import doctest
import html
import io

from docutils import nodes
from sphinx.util.docutils import SphinxDirective


def source(block):
    """Return the Python of a block, which may be written as a session."""
    if block.startswith(">>>"):
        return "".join(example.source for example in doctest.DocTestParser().get_examples(block))
    return block


class Picture(SphinxDirective):
    """A figure, by an expression that is evaluated after the blocks of Python that stand above it on the page."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self):
        """Run the blocks, draw the figure, and show it; the content is read out to those who cannot see it."""
        blocks = [node.astext() for node in self.state.document.findall(nodes.literal_block) if is_python(node)]
        names = {}
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.chdir(self.env.app.doctreedir):
                for block in blocks:
                    exec(source(block), names)
                figure = eval(self.arguments[0], names)
        except Exception as error:
            raise self.error(f"{self.arguments[0]} cannot be drawn: {error!r}") from error
        stream = io.BytesIO()
        figure.savefig(stream, dpi=140, format="png")
        data = base64.b64encode(stream.getvalue()).decode()
        words = html.escape(" ".join(self.content), quote=True)
        width = int(96 * figure.get_figwidth())
        style = f"width: 100%; max-width: {width}px; display: block; margin: 0 auto; border-radius: 4px"
        return [
            nodes.raw("", f'<img src="data:image/png;base64,{data}" alt="{words}" style="{style}"/>', format="html")
        ]


def is_python(node):
    """Whether a block of code is Python."""
    return node.get("language") == "python"


def setup(app):
    """Add the directive."""
    app.add_directive("picture", Picture)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
