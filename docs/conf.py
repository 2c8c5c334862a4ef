"""How the site is built: ``python -m sphinx -W -b html docs OUT``. Neither this nor what it makes needs a network."""

import inspect
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
os.environ["TINYNET_OFFLINE"] = "1"  # the embedded sample, whatever is on this machine
os.environ.pop("TINYNET_DATA", None)
os.environ["MPLBACKEND"] = "agg"

import tinynet

project = "tinynet"
author = "The tinynet developers"
copyright = "the tinynet developers"
version = release = tinynet.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "myst_parser",
    "mathml",
    "from_source",
    "labs_on_pages",
    "pictures",
    "op_reference",
    "layer_reference",
    "diagrams",
    "drawable",
]
exclude_patterns = ["_ext", "programs", "decisions/README.md", "tutorials/*.ipynb", "tutorials/*.py"]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 3
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say them, with shapes
numpydoc_show_class_members = False
templates_path = ["_templates"]
default_role = "autolink"  # a name in single backquotes, as docstrings have them, links where it can

html_theme = "furo"
html_title = "tinynet"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
html_copy_source = False
html_show_search_summary = False  # they are fetched, which a site on a disk must not
html_show_sourcelink = False
pygments_style = "tango"
pygments_dark_style = "github-dark"

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "tutorials",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "gallery.Order",
    "abort_on_example_error": True,
    "image_scrapers": ("matplotlib", "gallery.report_figures"),
    "reset_modules": ("matplotlib",),
    "ignore_repr_types": r"matplotlib|<class '.*Figure'>|Figure",
    "write_computation_times": False,
    "show_memory": False,
    "show_signature": False,
    "plot_gallery": True,
    "doc_module": ("tinynet",),
    "backreferences_dir": None,
    "thumbnail_size": (320, 224),
}


def layer_signature(app, what, name, obj, options, signature, returns):
    """Show the arguments of a layer's __init__, not those of the __new__ that remembers them."""
    if what == "class" and issubclass(obj, tinynet.Layer):
        parameters = list(inspect.signature(obj.__init__).parameters.values())[1:]
        plain = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
        return str(inspect.Signature(plain)), returns
    return None


def bars_are_lengths(app, what, name, obj, options, lines):
    """Keep |theta| in a docstring as it stands: docutils would look for a substitution of that name."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            words = re.split(r"(``.*?``)", line)
            lines[i] = "".join(part if part.startswith("``") else part.replace("|", r"\|") for part in words)


def measured(app, docname, content):
    """List what the commands of the benchmarks have written on the page of benchmarks, if it is there."""
    pages = [name for name in ("README", "fusions") if Path(app.srcdir, "benchmarks", f"{name}.md").is_file()]
    if docname == "benchmarks" and pages:
        listed = "\n".join(f"benchmarks/{name}" for name in pages)
        content[0] += f"\nThe last runs:\n\n```{{toctree}}\n{listed}\n```\n"


def setup(app):
    """Connect what is defined here."""
    app.connect("source-read", measured)
    app.connect("autodoc-process-signature", layer_signature)
    app.connect("autodoc-process-docstring", bars_are_lengths, priority=900)  # after numpydoc
