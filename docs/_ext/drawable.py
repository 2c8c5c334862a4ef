"""The page that one can draw on: the reference CNN, trained on the embedded sample when the site has been built."""

from pathlib import Path

import tinynet as tn
from tinynet.recipes import RECIPES

NAME = "draw.html"


def write(app, error):
    """Train the network, in seconds, and write its page among those of the site."""
    if error or app.builder.name != "html":
        return
    data = tn.datasets.digits()
    recipe = RECIPES["cnn"]
    model = recipe.for_data(data, seed=0)
    model.fit(data.x_train, data.y_train, epochs=8, optimizer=tn.SGD(0.05), seed=0, verbose=0)
    title = f"A {recipe.title} to draw on"
    tn.report.playground(model, Path(app.outdir) / NAME, data, title=title)


def setup(app):
    """Write it when the rest is there."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
