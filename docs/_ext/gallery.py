"""The gallery: its order, and the figures of `tinynet.report`, which are not those of pyplot."""

import ast
from pathlib import Path

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

# From first steps to what lies below.
ORDER = [
    "spirals",
    "softmax_regression",
    "dense_network",
    "cnn",
    "residual_network",
    "regression",
    "fine_tuning",
    "two_inputs",
    "logistic_line_search",
    "convexity_and_rates",
    "gradients",
    "gradient_check",
    "custom_op",
    "custom_layer",
    "layer_with_state",
    "layer_with_randomness",
    "learning_rate",
    "training_loop",
    "character_model",
    "own_step",
    "variational_autoencoder",
    "differential_equation",
    "exact_resume",
    "several_processes",
    "reading_a_plan",
    "grid_search",
]


class Order:
    """The place of an example in the gallery; each must have one."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, name):
        """Return the place of an example."""
        return ORDER.index(Path(name).stem)


def report_figures(block, block_vars, gallery_conf):
    """Show each figure of the report that a block ends with."""
    last = ast.parse(block.content).body[-1:] if block.type == "code" else []
    name = ast.unparse(last[0]) if last else ""
    figure = block_vars["example_globals"].get(name)
    if not isinstance(figure, Figure):
        return ""
    path = next(block_vars["image_path_iterator"])
    figure.savefig(path, dpi=140)
    return figure_rst([path], gallery_conf["src_dir"], figure.get_suptitle())
