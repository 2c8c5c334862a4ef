"""The labs on the site: their notebooks as they are written, and what the grader says of a piece of code."""

import json
import tempfile
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from tinynet import labs


class Lab(SphinxDirective):
    """The notebook of a lab, by its number."""

    required_arguments = 1

    def run(self):
        """Show its cells; the last, which grades, is for notebooks."""
        shown = []
        cells = json.loads(labs.LABS[int(self.arguments[0])].notebook)["cells"]
        for cell in cells[:-2]:
            text = "".join(cell["source"])
            if cell["cell_type"] == "code":
                shown.append(nodes.literal_block(text, text, language="python"))
            else:
                lines = [f"**{line[3:]}**" if line.startswith("## ") else line for line in text.splitlines()]
                lines = [line for line in lines if not line.startswith("# ")]
                container = nodes.container()
                self.state.nested_parse(StringList(lines, source="lab"), 0, container)
                shown += container.children
        return shown


class Graded(SphinxDirective):
    """What the grader of a lab says of the code in the directive."""

    required_arguments = 1
    has_content = True

    def run(self):
        """Grade the code and show both."""
        code = "\n".join(self.content)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "lab.py")
            path.write_text(code, "utf-8")
            verdict = labs.check(int(self.arguments[0]), path)
        said = f"$ tinynet lab check {self.arguments[0]} lab.py\n{verdict}"
        return [
            nodes.literal_block(code, code, language="python"),
            nodes.literal_block(said, said, language="command"),
        ]


def setup(app):
    """Add the directives."""
    app.add_directive("lab", Lab)
    app.add_directive("graded", Graded)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
