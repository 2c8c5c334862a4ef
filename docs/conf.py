"""How the site is built: ``python -m sphinx -W -b html docs OUT``. Neither this nor what it makes needs a network."""

import os
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
    "op_reference",
    "diagrams",
]
exclude_patterns = ["_ext", "decisions/README.md", "benchmarks/README.md", "tutorials/*.ipynb", "tutorials/*.py"]
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
