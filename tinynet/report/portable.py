"""A network as data that a page can compute with: its layers as JSON, its parameters as base64 of float32."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynet.errors import ArgumentError
from tinynet.model import Model, Sequential
from tinynet.nn import (
    Activation,
    AvgPool,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAvgPool,
    GlobalMaxPool,
    LayerNorm,
    MaxPool,
    RandomFlip,
    RandomRotation,
    RandomShift,
    ReLU,
    Reshape,
    Residual,
    Sigmoid,
    Softmax,
    UpSampling,
)
from tinynet.nn.activations import activations
from tinynet.nn.input import Input
from tinynet.nn.layer import Layer
from tinynet.ops.conv import geometry

Shape = tuple[int, ...]
Described = dict[str, Any]

MOST_SIDE = 64  # pixels of an image
_MOST_PARAMETERS = 10_000_000  # about 53 megabytes of page
_ABSENT = (Dropout, GaussianNoise, RandomFlip, RandomRotation, RandomShift)  # in inference


class Parameters:
    """The parameters of a network, one after the other."""

    def __init__(self) -> None:
        self.arrays: list[npt.NDArray[Any]] = []
        self.length = 0

    def add(self, values: npt.NDArray[Any], owner: Layer) -> list[int]:
        """Add an array; returns where it starts, and its length."""
        with np.errstate(over="ignore"):
            single = np.asarray(values, "<f4").ravel()
        if not np.isfinite(single).all():
            raise _cannot_show(f"the parameters of layer {owner} are not all finite in float32")
        self.arrays.append(single)
        self.length += single.size
        return [self.length - single.size, single.size]

    def encoded(self) -> str:
        """Return all of them as base64."""
        return encode(np.concatenate(self.arrays)) if self.arrays else ""


Describe = Callable[[Any, Shape, Parameters], Described]


def encode(array: npt.NDArray[Any]) -> str:
    """Return the bytes of an array as base64."""
    return base64.b64encode(array.tobytes()).decode("ascii")


def network_of(model: Model) -> dict[str, Any]:
    """Describe a network for the page that computes with it.

    Parameters
    ----------
    model : Model
        A `Sequential` on images.

    Returns
    -------
    dict
        "shape" of a sample, "shift" and "scale" of its `Input`, "layers", "outputs", "meaning" of these
        ("probabilities", "one probability", "separate probabilities" or "scores") and "weights".

    Raises
    ------
    ArgumentError
        If the model, its images or one of its layers is not of a kind that the page can show.
    NotBuiltError
        If the model does not know the shape of its input.
    """
    stack = as_sequential(model)
    model.build_model()
    entry = model.input
    shape = _image_shape(entry)
    if model.theta.size > _MOST_PARAMETERS:
        raise _cannot_show(f"model {model} has {model.theta.size:,} parameters, more than {_MOST_PARAMETERS:,}")
    parameters = Parameters()
    layers = _describe_all([layer for layer in stack.layers if layer is not entry], entry.shape, parameters)
    if not layers:
        raise _cannot_show(f"model {model} has no layer but its Input")
    output = layers[-1]["output"]
    if len(output) != 1:
        raise _cannot_show(
            f"the outputs of model {model} have shape {tuple(output)}, but the page shows one row of them"
        )
    return {
        "shape": list(shape),
        "shift": _numbers(entry.shift, shape),
        "scale": _numbers(entry.scale, shape),
        "layers": layers,
        "outputs": output[0],
        "meaning": _meaning(layers, output[0]),
        "weights": parameters.encoded(),
    }


def as_sequential(model: Any) -> Sequential:
    """Return a `Sequential` as it is; all else is an ArgumentError, also a subclass, which may compute anything."""
    if type(model) is not Sequential:
        raise _cannot_show(f"the model is a {type(model).__name__}, but the page shows a Sequential")
    return model


def can_show(model: Model) -> bool:
    """Return whether the page can show a model."""
    try:
        network_of(model)
    except ArgumentError:
        return False
    return True


def _cannot_show(reason: str) -> ArgumentError:
    return ArgumentError(f"playground: {reason}; nothing was written")


def _image_shape(entry: Input) -> Shape:
    shape = (*entry.shape, 1) if len(entry.shape) == 2 else entry.shape
    if len(shape) != 3 or shape[2] not in (1, 3) or max(shape[:2]) > MOST_SIDE or entry.integers:
        what = "whole numbers that are looked up" if entry.integers else f"shape {entry.shape}"
        raise _cannot_show(
            f"the model takes samples of {what}, but the page shows images (H, W), (H, W, 1) or (H, W, 3) of up to "
            f"{MOST_SIDE} x {MOST_SIDE} pixels"
        )
    return shape


def _numbers(values: npt.NDArray[np.float64], shape: Shape) -> list[float]:
    """Return one number for all values of a sample, or one for each."""
    wide = values.reshape(*values.shape, 1) if 0 < values.ndim < 3 and len(shape) - values.ndim == 1 else values
    every: list[float] = np.broadcast_to(wide, shape if values.ndim else (1,)).ravel().tolist()
    return every


def _meaning(layers: Sequence[Described], outputs: int) -> str:
    last = next((part for part in reversed(layers) if part["type"] != "same" or part["activation"]), layers[-1])
    if last["activation"] == "softmax":
        return "probabilities"
    if last["activation"] == "sigmoid":
        return "one probability" if outputs == 1 else "separate probabilities"
    return "scores"


# --- layers


def _describe_all(layers: Sequence[Layer], shape: Shape, parameters: Parameters) -> list[Described]:
    made: list[Described] = []
    for layer in layers:
        described = _describe(layer, shape, parameters)
        made.append(described)
        shape = tuple(described["output"])
    return made


def _describe(layer: Layer, shape: Shape, parameters: Parameters) -> Described:
    """Describe a layer whose input has a shape; a subclass may compute anything, so it is not shown as its base."""
    describe = _LAYERS.get(type(layer))
    if describe is None:
        names = ", ".join(kind.__name__ for kind in _LAYERS)
        raise _cannot_show(f"layer {layer} is a {type(layer).__name__}; the page shows {names}")
    before = parameters.length
    described = describe(layer, shape, parameters)
    return {
        "name": layer.name,
        "kind": layer.title or type(layer).__name__,
        "input": list(shape),
        "activation": _activation(layer),
        "parameters": parameters.length - before,
        "output": list(shape),
        **described,
    }


def _activation(layer: Layer) -> str | None:
    """Return the name of the activation that a layer applies last; of None or another function, say so."""
    named = {ReLU: "relu", Softmax: "softmax", Sigmoid: "sigmoid"}
    if type(layer) in named:
        return named[type(layer)]
    function = getattr(layer, "activation", None)
    if function is None:
        return None
    name = next((name for name, known in activations.items() if known is function), None)
    if name is None:
        raise _cannot_show(f"layer {layer} has an activation of your own; the page shows {', '.join(activations)}")
    return name


def _weights(layer: Dense | Conv2D, parameters: Parameters) -> Described:
    bias = parameters.add(layer.bias.data, layer) if layer.use_bias else None
    return {"weight": parameters.add(layer.weight.data, layer), "bias": bias}


def _dense(layer: Any, shape: Shape, parameters: Parameters) -> Described:
    return {"type": "dense", "units": layer.units, "output": [*shape[:-1], layer.units], **_weights(layer, parameters)}


def _conv(layer: Any, shape: Shape, parameters: Parameters) -> Described:
    windows = _windows(layer.kernel_size, layer, shape, layer.filters)
    return {"type": "conv", "units": layer.filters, **windows, **_weights(layer, parameters)}


def _windows(size: tuple[int, int], layer: Any, shape: Shape, channels: int) -> Described:
    p = geometry("playground", (1, *shape), size, layer.stride, layer.padding)
    placed = {"window": [p.kh, p.kw], "stride": [p.sh, p.sw], "before": [p.top, p.left]}
    return {**placed, "output": [p.oh, p.ow, channels]}


def _pool(type: str) -> Describe:
    return lambda layer, shape, parameters: {"type": type, **_windows(layer.pool_size, layer, shape, shape[2])}


def _global_pool(type: str) -> Describe:
    """Pool one window that is as large as the image."""
    placed = {"stride": [1, 1], "before": [0, 0]}
    return lambda layer, shape, parameters: {
        "type": type, "window": list(shape[:2]), **placed, "output": [shape[2]],
    }  # fmt: skip


def _batch_norm(layer: Any, shape: Shape, parameters: Parameters) -> Described:
    """Normalise by the running means, as in inference: one factor and one summand a channel."""
    gamma, beta, mean, variance = (
        tensor.data.astype(np.float64) for tensor in (layer.gamma, layer.beta, layer.mean, layer.variance)
    )
    scale = gamma / np.sqrt(variance + layer.epsilon)
    shift = beta - mean * scale
    return {"type": "affine", "scale": parameters.add(scale, layer), "shift": parameters.add(shift, layer)}


def _layer_norm(layer: Any, shape: Shape, parameters: Parameters) -> Described:
    scale, shift = (parameters.add(tensor.data, layer) for tensor in (layer.gamma, layer.beta))
    return {"type": "layer_norm", "epsilon": layer.epsilon, "scale": scale, "shift": shift}


def _residual(layer: Any, shape: Shape, parameters: Parameters) -> Described:
    around = [] if layer.shortcut is None else [layer.shortcut]
    inner = _describe_all(layer.layers, shape, parameters)
    shortcut = _describe_all(around, shape, parameters)
    return {"type": "residual", "layers": inner, "shortcut": shortcut, "output": inner[-1]["output"]}


def _upsample(layer: Any, shape: Shape, parameters: Parameters) -> Described:
    down, across = layer.size
    output = [shape[0] * down, shape[1] * across, shape[2]]
    return {"type": "upsample", "window": [down, across], "stride": [down, across], "before": [0, 0], "output": output}


def _flatten(layer: Any, shape: Shape, parameters: Parameters) -> Described:
    return {"type": "same", "reshapes": True, "output": [math.prod(shape)]}


def _reshape(layer: Any, shape: Shape, parameters: Parameters) -> Described:
    known = math.prod(n for n in layer.shape if n != -1)
    output = [math.prod(shape) // known if n == -1 else n for n in layer.shape]
    return {"type": "same", "reshapes": True, "output": output}


def _same(layer: Any, shape: Shape, parameters: Parameters) -> Described:
    return {"type": "same"}


_LAYERS: dict[type[Layer], Describe] = {
    Dense: _dense,
    Conv2D: _conv,
    MaxPool: _pool("max_pool"),
    AvgPool: _pool("average_pool"),
    GlobalMaxPool: _global_pool("max_pool"),
    GlobalAvgPool: _global_pool("average_pool"),
    BatchNorm: _batch_norm,
    LayerNorm: _layer_norm,
    Residual: _residual,
    UpSampling: _upsample,
    Flatten: _flatten,
    Reshape: _reshape,
    **dict.fromkeys((Activation, ReLU, Softmax, Sigmoid, *_ABSENT), _same),
}
