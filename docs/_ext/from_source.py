"""What the pages take from the code itself: pieces of source, the output of commands, and tests by their names.

A piece, a command or a test that is not there any more ends the build.
"""

import os
import shlex
import subprocess
import sys
import tempfile

from docutils import nodes
from docutils.parsers.rst import directives
from pieces import ROOT, missing_test, piece
from programs import HERE, kept, missing, run
from pygments.lexer import RegexLexer, bygroups
from pygments.token import Generic, Text
from sphinx.util.docutils import SphinxDirective, SphinxRole


class CommandLexer(RegexLexer):
    """A command, and the lines that it prints: in brackets or not, none of these is a prompt."""

    name = "command"
    tokens = {"root": [(r"^(\$ )(.*\n)", bygroups(Generic.Prompt, Text)), (r".*\n", Generic.Output)]}


class Source(SphinxDirective):
    """A piece of the source, by the dotted name of what it defines."""

    required_arguments = 1
    option_spec = {"from": directives.unchanged, "to": directives.unchanged}

    def run(self):
        """Show the lines, and say where they are from."""
        try:
            path, text = piece(self.arguments[0], self.options.get("from"), self.options.get("to"))
        except LookupError as error:
            raise self.error(str(error)) from error
        self.env.note_dependency(str(path))
        where = path.relative_to(ROOT).as_posix()
        name = self.arguments[0].removeprefix(where.removesuffix(".py").replace("/", ".") + ".")
        block = nodes.literal_block(text, text, language="python")
        caption = nodes.caption("", "", nodes.literal("", where), nodes.Text(f", {name}"))
        return [nodes.container("", caption, block, literal_block=True, classes=["literal-block-wrapper"])]


class Command(SphinxDirective):
    """A command of tinynet, run when the site is built, with what it prints."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        """Run it in an empty directory and show it with its output."""
        line = self.arguments[0]
        arguments = [sys.executable, "-m", *shlex.split(line)]
        environment = {**os.environ, "COLUMNS": "96"}
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                arguments, cwd=folder, env=environment, text=True, timeout=300, check=False,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
        if done.returncode:
            raise self.error(f"{line!r} ended with {done.returncode}:\n{done.stdout}")
        text = f"$ {line}\n{done.stdout.rstrip()}"
        return [nodes.literal_block(text, text, language="command")]


class Script(SphinxDirective):
    """A program with other libraries, by its name in docs/programs."""

    required_arguments = 1

    def run(self):
        """Show it with its output: that of now where its libraries are installed, otherwise the one that is kept."""
        name = self.arguments[0]
        path = HERE / f"{name}.py"
        self.env.note_dependency(str(path))
        try:
            output = kept(name) if missing(name) else run(name)
        except (OSError, RuntimeError) as error:
            raise self.error(str(error)) from error
        text = path.read_text("utf-8").rstrip()
        shown = nodes.literal_block(text, text, language="python")
        return [shown, nodes.paragraph("", "prints"), nodes.literal_block(output, output, language="text")]


class Test(SphinxRole):
    """The name of a test, which must exist."""

    def run(self):
        """Show its name and its file."""
        problem = missing_test(self.text)
        if problem:
            message = self.inliner.reporter.error(problem, line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]
        path, name = self.text.split("::")
        shown = nodes.inline("", "", nodes.literal("", name), nodes.Text(" in "), nodes.literal("", path))
        shown["classes"].append("test")
        return [shown], []


def setup(app):
    """Add the directives and the role."""
    app.add_lexer("command", CommandLexer)
    app.add_directive("source", Source)
    app.add_directive("command", Command)
    app.add_directive("script", Script)
    app.add_role("test", Test())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
