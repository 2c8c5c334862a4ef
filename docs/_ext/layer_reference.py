"""The page of the layers, written when the site is built: what each takes and makes, for an example."""

import inspect
from pathlib import Path

import tinynet as tn

OUT = Path(__file__).parents[1] / "reference" / "layers.rst"

# By family: a layer as one writes it, and the shape of a sample that it is given.
EXAMPLES = {
    "Where data enter": [("tn.Input((28, 28, 1), scale=1 / 255)", (28, 28, 1))],
    "Products": [
        ('tn.Dense(128, "relu")', (784,)),
        ("tn.Dense(64)", (50, 32)),
        ("tn.Embedding(1000, 32)", (50,)),
    ],
    "Images": [
        ('tn.Conv2D(32, 3, activation="relu")', (28, 28, 1)),
        ('tn.Conv2D(64, 3, stride=2, padding="same")', (28, 28, 32)),
        ('tn.Conv2DTranspose(16, 3, stride=2, padding="same")', (7, 7, 32)),
        ("tn.MaxPool(2)", (26, 26, 32)),
        ('tn.AvgPool(3, 2, padding="same")', (26, 26, 32)),
        ("tn.GlobalMaxPool()", (7, 7, 64)),
        ("tn.GlobalAvgPool()", (7, 7, 64)),
        ("tn.UpSampling(2)", (7, 7, 64)),
    ],
    "Sequences": [
        ("tn.MultiHeadAttention(4, causal=True)", (50, 32)),
        ("tn.LSTM(64)", (50, 32)),
        ("tn.GRU(64, return_sequences=True)", (50, 32)),
    ],
    "Normalisation": [("tn.BatchNorm()", (28, 28, 32)), ("tn.LayerNorm()", (50, 32))],
    "Activations": [
        ('tn.Activation("gelu")', (128,)),
        ("tn.ReLU()", (128,)),
        ("tn.Sigmoid()", (1,)),
        ("tn.Softmax()", (10,)),
    ],
    "Shapes": [("tn.Flatten()", (7, 7, 64)), ("tn.Reshape((49, -1))", (7, 7, 64))],
    "Layers of layers": [
        ('tn.Residual([tn.Dense(64, "relu"), tn.Dense(32)])', (32,)),
        ("tn.Residual([tn.Conv2D(64, 3, 2, 'same')], shortcut=tn.Conv2D(64, 1, 2))", (28, 28, 32)),
        ('tn.Sequential([tn.Dense(64, "tanh"), tn.Dense(10)])', (32,)),
    ],
    "In training only": [
        ("tn.Dropout(0.5)", (128,)),
        ("tn.GaussianNoise(0.1)", (128,)),
        ("tn.RandomShift(2)", (28, 28, 1)),
        ("tn.RandomFlip()", (28, 28, 1)),
        ("tn.RandomRotation(0.1)", (28, 28, 1)),
    ],
}

HEAD = """\
The layers
==========

What each layer takes and makes, by families. The shapes are those of an example, as the layer works them out; None is
the size of the batch. Parameters are trained, states are kept.

Every layer takes any size of batch, a batch of one and of none included, in float32 and float64. All have first
derivatives, and second ones where they are smooth: they are made of :doc:`ops <ops>`, with no backward of their own.
Tests compare each with plain loops, with difference quotients and with PyTorch
(:doc:`guarantees <../guarantees>`).
"""


def shape(lengths):
    """Write the shape of a batch."""
    return f"``({', '.join(map(str, ('None', *lengths)))}{',' if not lengths else ''})``"


def leaves(named):
    """Write parameters or states, with their shapes."""
    return ", ".join(f"{name} ``{tuple(leaf.shape)}``" for name, leaf in named.items())


def row(text, sample):
    """Write the row of a layer, whose example is run."""
    layer = eval(text, {"tn": tn})  # a text of this file
    starts = [] if isinstance(layer, tn.Input) else [tn.Input(sample)]
    model = tn.Sequential([*starts, layer], seed=0)
    parameters = {name.partition(".")[2]: p for name, p in model.parameters.items()}
    states = {name.partition(".")[2]: s for name, s in model.states.items()}
    first = inspect.getdoc(type(layer)).partition("\n\n")[0].replace("\n", " ")
    kept = leaves(parameters) + (f"; states {leaves(states)}" if states else "")
    return [
        f"   * - :class:`~tinynet.{type(layer).__name__}`",
        f"     - ``{text}``",
        f"     - {shape(sample)}",
        f"     - {shape(model.output_shape)}",
        f"     - {kept}",
    ], first


def page():
    """Write the page."""
    lines = [HEAD]
    for family, examples in EXAMPLES.items():
        lines += [family, "-" * len(family), ""]
        table = [
            ".. list-table::",
            "   :header-rows: 1",
            "",
            "   * - Layer",
            "     - Example",
            "     - From",
            "     - To",
        ]
        table += ["     - Parameters and states"]
        seen = []
        for text, sample in examples:
            cells, first = row(text, sample)
            table += cells
            words = f"{cells[0].partition('- ')[2]}: {first}"
            seen += [words, ""] if words not in seen else []
        lines += [*seen, *table, ""]
    return "\n".join(lines)


def layers():
    """Return the names of all layers that have to be on the page."""
    return {name for name in tn.nn.__all__ if name != "Layer"}


def write(app):
    """Write the page, unless it is as it was."""
    text = page()
    if not OUT.is_file() or OUT.read_text("utf-8") != text:
        OUT.write_text(text, "utf-8")


def setup(app):
    """Write the page before anything is read."""
    missing = [name for name in sorted(layers()) if f"`~tinynet.{name}`" not in page()]
    if missing:
        raise LookupError(f"these layers are not on the page of the layers: {missing}; add examples in {__file__}")
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
