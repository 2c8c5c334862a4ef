"""Figures of a model: its layers with their shapes, and what its first layer looks for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.errors import ArgumentError
from tinynet.inspection.shapes import output_shapes
from tinynet.model import Model, Sequential
from tinynet.nn import Embedding, MultiHeadAttention, UpSampling
from tinynet.nn.layer import Layer
from tinynet.report.style import BLUE, LABEL, SMALL, Array, canvas, expect, mosaic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_FILTERS = 64
_MOST_LETTERS = 44  # in a list of the layers within a layer
_SWITCHES = {"padding": "same", "causal": "causal", "return_sequences": "sequences"}  # settings and their words


def model_diagram(model: Model, title: str | None = None) -> Figure:
    """Draw the layers of a model from top to bottom, with the shapes between them.

    Parameters
    ----------
    model : Model
        Built or not.
    title : str, optional
        Stands above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        A box for each layer: its name and type, what it does, its parameters, and below it the shape of its output
        with None for the batch. Layers of a `Sequential` are joined by arrows; those of another model stand in the
        order in which they were assigned.

    Raises
    ------
    NotBuiltError
        If the model does not know the shape of its input.

    Examples
    --------
    >>> import tinynet as tn
    >>> figure = model_diagram(tn.Sequential([tn.Input((4,)), tn.Dense(2, "relu")]))
    >>> [text.get_text() for text in figure.axes[0].texts if text.get_text()]
    ['input', 'InputLayer', '(None, 4)', 'dense', 'Dense, 2 units, relu', '10 parameters', '(None, 2)']
    """
    from matplotlib.patches import FancyBboxPatch

    expect("model_diagram", model, Model, "a model")
    model.build_model()
    layers = list(model.sublayers())
    total = f"{model.theta.size:,} parameters"
    figure = canvas(0.5 + 0.78 * len(layers), f"{model.name}: {total}" if title is None else title)
    axes = figure.add_subplot()
    box, step = 0.5, 0.78  # inches
    for i, layer in enumerate(layers):
        y = -i * step
        count = sum({id(p): p.size for _, part in layer.walk() for p in part.own_parameters.values()}.values())
        face, edge = ("#DCEBF5", BLUE) if count else ("0.95", "0.6")
        patch = FancyBboxPatch((-1.75, y - box), 3.5, box, "round,pad=0,rounding_size=0.07", fc=face, ec=edge)
        axes.add_patch(patch)
        axes.text(-1.62, y - 0.17, layer.name, fontsize=LABEL, weight="bold", va="center", parse_math=False)
        axes.text(-1.62, y - 0.36, _describe(layer), fontsize=SMALL, va="center", color="0.25", parse_math=False)
        if count:
            counted = f"{count:,} parameters{'' if layer.trainable else ', frozen'}"
            axes.text(1.62, y - 0.17, counted, fontsize=SMALL, va="center", ha="right", color="0.25")
        last = i == len(layers) - 1
        if isinstance(model, Sequential):
            end = (0, y - box - (0.14 if last else step - box))
            arrow = {"arrowstyle": "-|>", "color": "0.35", "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", end, (0, y - box), arrowprops=arrow)
        axes.text(
            0.1, y - box - 0.13, output_shapes(layer.output_shape), fontsize=SMALL, va="center", family="monospace"
        )
    axes.set_xlim(-2, 2)
    axes.set_ylim(-len(layers) * step, 0.05)
    axes.set_aspect("equal")
    axes.set_axis_off()
    return figure


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _describe(layer: Layer) -> str:
    """Say in a few words what a layer does: Conv2D, 32 filters of 3 x 3, relu."""
    state: dict[str, Any] = vars(layer)
    words: list[str] = [layer.title or type(layer).__name__]
    if "filters" in state:
        words.append("{} filters of {} x {}".format(state["filters"], *state["kernel_size"]))
    if "pool_size" in state:
        words.append("{} x {}".format(*state["pool_size"]))
    if "stride" in state and state["stride"] not in ((1, 1), state.get("pool_size")):
        words.append("stride {} x {}".format(*state["stride"]))
    if isinstance(layer, Embedding):
        words.append(f"{layer.n:,} vectors of {layer.dim}")
    if isinstance(layer, UpSampling):
        words.append("{} x {}".format(*layer.size))
    words += [f"{_count(state[name], name[:-1])}" for name in ("units", "heads") if name in state]
    words += [f"{state[name]:g}" for name in ("rate", "stddev") if name in state]
    activation = state.get("activation")
    if activation is not None:
        words.append(str(getattr(activation, "name", None) or getattr(activation, "__name__", "activation")))
    words += [word for name, word in _SWITCHES.items() if state.get(name) in (True, "same")]
    inner = (
        []
        if isinstance(layer, MultiHeadAttention)
        else [part.title or type(part).__name__ for part in layer.sublayers()]
    )
    if inner:
        names = ", ".join(inner)
        words[0] += f": {names if len(names) <= _MOST_LETTERS else _count(len(inner), 'layer')}"
    return ", ".join(words)


def first_layer_filters(model: Model, title: str | None = None) -> Figure:
    """Show the weights of the first layer with parameters as images, one for each of its outputs.

    Parameters
    ----------
    model : Model
        Its first layer with parameters is a `Conv2D`, whose weights are averaged over the input channels, or a `Dense`
        one on flattened images.
    title : str, optional
        Stands above the picture.

    Returns
    -------
    matplotlib.figure.Figure
        At most 64 images, numbered from 0: red weights are positive, blue ones negative, all on one scale.

    Raises
    ------
    ArgumentError
        If the first layer's weights are no images: the input is none, or the layer is of another kind.
    NotBuiltError
        If the model does not know the shape of its input.

    Examples
    --------
    >>> import tinynet as tn
    >>> figure = first_layer_filters(tn.Sequential([tn.Conv2D(8, 3)], input_shape=(28, 28, 1), seed=0))
    >>> figure.get_suptitle()
    'Weights of conv2d: 8 filters of 3 x 3'
    """
    expect("first_layer_filters", model, Model, "a model")
    name, filters = _filters(model)
    count, shown = len(filters), filters[:_MOST_FILTERS]
    h, w = filters.shape[1:]
    what = f"the first {len(shown)} of {count:,} filters" if count > len(shown) else f"{count} filters"
    figure = canvas(1, f"Weights of {name}: {what} of {h} x {w}" if title is None else title)
    most = float(np.abs(shown).max()) or 1.0
    columns = 5 if count <= 10 else 8
    picture = mosaic(figure, shown, [str(i) for i in range(len(shown))], columns, cmap="RdBu_r", vmin=-most, vmax=most)
    bar = figure.colorbar(picture, ax=figure.axes, orientation="horizontal", shrink=0.6, aspect=40, pad=0.02)
    bar.ax.tick_params(labelsize=SMALL)
    bar.set_label("Weight", fontsize=LABEL)
    bar.outline.set_visible(False)
    figure.set_size_inches(figure.get_figwidth(), figure.get_figheight() + 0.6)
    return figure


def has_filters(model: Model) -> bool:
    """Return whether the weights of the first layer with parameters are images."""
    return _as_images(model) is not None


def _filters(model: Model) -> tuple[str, Array]:
    """Return the name of the first layer with parameters, and its weights as images (n, H, W)."""
    name = next(iter(model.parameters), "none.")
    images = _as_images(model)
    if images is None:
        weight = model.parameters[name].data if model.parameters else np.empty(())
        raise ArgumentError(
            f"first_layer_filters: the first parameter of model {model}, {name!r}, has shape {weight.shape}; expected "
            "the weights of a Conv2D, or of a Dense on flattened images, where the input has shape "
            f"{model.input.shape}"
        )
    return name.rpartition(".")[0], images


def _as_images(model: Model) -> Array | None:
    """Return the weights of the first layer with parameters as images (n, H, W), if they are some."""
    image = next(iter(model.entries().values())).shape
    weight = next((p.data for p in model.parameters.values()), np.empty(()))
    if weight.ndim == 4:
        found: Array = np.moveaxis(weight.mean(axis=2), 2, 0)
        return found
    if weight.ndim == 2 and len(image) in (2, 3) and len(weight) == math.prod(image):
        images = weight.T.reshape(-1, *image)
        return images.mean(axis=3) if len(image) == 3 else images
    return None
