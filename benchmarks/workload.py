"""What is measured, in terms of no framework: the models, their data and weights, the convolutions.

A worker reads the arrays from a file that the parent has written, so that all contenders get the same bits. Only NumPy
is imported here, so that nothing but its own framework is loaded in a worker.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

LEARNING_RATE = 0.01
BATCH = 32
CHECKED_STEPS = 10  # of training, after which the losses of all contenders must still agree

CLASSES = 10
# Real digits, four fifths of whose pixels are black; and images without a black pixel, grey and in colour.
DATA: dict[str, tuple[int, int, int]] = {"digits": (28, 28, 1), "random": (28, 28, 1), "colour": (32, 32, 3)}


@dataclass(frozen=True)
class Network:
    """A model as the layers that each contender builds of its own, and the data that it is measured with.

    Layers are ("conv", filters, size, stride, padding), ("pool", size), ("average",) over the whole image, ("flatten",)
    and ("dense", units). relu follows every convolution and every dense layer but the last, whose outputs are logits.
    """

    title: str
    layers: tuple[tuple, ...]
    data: tuple[str, ...] = ("digits",)
    train_batches: tuple[int, ...] = (BATCH,)
    predict_batches: tuple[int, ...] = (BATCH,)

    @property
    def has_images(self) -> bool:
        """Whether it has convolutions."""
        return any(kind == "conv" for kind, *_ in self.layers)

    def flattened(self) -> tuple[int, int, int]:
        """Return the shape (H, W, C) of what comes to the first dense layer, before it is flattened."""
        height, width, channels = DATA[self.data[0]]
        for kind, *sizes in self.layers:
            if kind == "conv":
                channels, size, stride, padding = sizes
                cut = size - 1 if padding == "valid" else 0
                height, width = ((side - cut - 1) // stride + 1 for side in (height, width))
            elif kind == "pool":
                height, width = height // sizes[0], width // sizes[0]
            elif kind == "average":
                height, width = 1, 1
        return height, width, channels


def conv(filters: int, size: int, stride: int = 1, padding: str = "valid") -> tuple:
    """Describe a convolution."""
    return "conv", filters, size, stride, padding


_FLAT, _LAST = ("flatten",), ("dense", CLASSES)
MODELS: dict[str, Network] = {
    "softmax": Network("softmax regression", (_FLAT, _LAST), ("digits", "random")),
    "dense": Network("dense network", (_FLAT, ("dense", 128), ("dense", 64), _LAST), ("digits", "random")),
    "cnn": Network(
        "CNN",
        (conv(32, 3), ("pool", 2), conv(64, 3), ("pool", 3), _FLAT, ("dense", 128), _LAST),
        ("digits", "random"),
        predict_batches=(1, BATCH, 256),
    ),
    "mlp": Network(
        "wide network, 784-1024-1024-10",
        (_FLAT, ("dense", 1024), ("dense", 1024), _LAST),
        train_batches=(128,),
        predict_batches=(128,),
    ),
    "lenet": Network(
        "LeNet-5",
        (conv(6, 5), ("pool", 2), conv(16, 5), ("pool", 2), _FLAT, ("dense", 120), ("dense", 84), _LAST),
        train_batches=(BATCH, 256),
    ),
    "vgg": Network(
        "VGG-like network, 32 x 32 x 3",
        (
            *(conv(32, 3, padding="same"), conv(32, 3, padding="same"), ("pool", 2)),
            *(conv(64, 3, padding="same"), conv(64, 3, padding="same"), ("pool", 2)),
            *(_FLAT, ("dense", 128), _LAST),
        ),
        ("colour",),
    ),
    # With a stride, PyTorch's padding is not that of TensorFlow; so there is none.
    "strided": Network(
        "strided convolutions, 32 x 32 x 3",
        (
            conv(32, 3, padding="same"),
            conv(64, 3, 2),
            conv(64, 3, padding="same"),
            conv(128, 3, 2),
            ("average",),
            _LAST,
        ),
        ("colour",),
    ),
}


@dataclass(frozen=True)
class Conv:
    """A convolution, with nothing around it: images (n, size, size, channels), square filters."""

    size: int
    channels: int
    filters: int
    window: int
    stride: int = 1
    padding: str = "same"
    batch: int = BATCH

    @property
    def out(self) -> int:
        """The height and width of the output."""
        return self.size if self.padding == "same" else (self.size - self.window) // self.stride + 1

    @property
    def flops(self) -> int:
        """Of the forward pass and both gradients."""
        return 6 * self.batch * self.out**2 * self.filters * self.window**2 * self.channels

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw images, filters (KH, KW, C, F), and a gradient of the output."""
        rng = np.random.default_rng(0)
        shapes = (
            (self.batch, self.size, self.size, self.channels),
            (self.window, self.window, self.channels, self.filters),
            (self.batch, self.out, self.out, self.filters),
        )
        x, w, g = (rng.standard_normal(shape, np.float32) for shape in shapes)
        return x, w / np.float32(np.sqrt(w.size / self.filters)), g


# "same" only where the stride is 1: with another, PyTorch pads elsewhere than TensorFlow and tinynet do.
CONVS: dict[str, Conv] = {
    "3x3, 32x32x32 to 64": Conv(32, 32, 64, 3),
    "3x3, 16x16x128 to 128": Conv(16, 128, 128, 3),
    "3x3 stride 2, 32x32x32 to 64": Conv(32, 32, 64, 3, stride=2, padding="valid"),
    "5x5, 28x28x16 to 32": Conv(28, 16, 32, 5),
    "1x1, 16x16x128 to 128": Conv(16, 128, 128, 1),
    "3x3, 64x64x3 to 32": Conv(64, 3, 32, 3),
}


class Inputs:
    """The arrays that all contenders share.

    Parameters
    ----------
    path : path-like
        A file that `benchmarks.inputs.write_inputs` has written.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = np.load(path)

    def images(self, data: str) -> np.ndarray:
        """Return images as they are on disk: (n, H, W, C), uint8."""
        images = self._file[f"{data}.images"]
        return images.reshape(len(images), *DATA[data])

    def floats(self, data: str) -> np.ndarray:
        """Return the same from 0 to 1, in float32: what peers hold in memory, so as to scale nothing in their steps."""
        return self.images(data).astype(np.float32) / np.float32(255)

    def labels(self, data: str) -> np.ndarray:
        """Return the labels (n,) of the images, int64."""
        return self._file[f"{data}.labels"]

    def weights(self, model: str) -> list[np.ndarray]:
        """Return a model's first weights and biases, layer by layer: (KH, KW, C, F) or (in, out), and (out,)."""
        names = [name for name in self._file.files if name.startswith(f"{model}.")]
        return [self._file[name] for name in sorted(names, key=lambda name: int(name.split(".")[1]))]


def channels_first(model: str, weights: list[np.ndarray]) -> list[np.ndarray]:
    """Return weights for images with channels first: filters (F, C, KH, KW), dense rows in the order of C H W."""
    network, found = (
        MODELS[model],
        [np.ascontiguousarray(w.transpose(3, 2, 0, 1)) if w.ndim == 4 else w for w in weights],
    )
    first = next(i for i, w in enumerate(weights) if w.ndim == 2)
    rows = weights[first].reshape(*network.flattened(), -1).transpose(2, 0, 1, 3)
    found[first] = np.ascontiguousarray(rows).reshape(weights[first].shape)
    return found


def draw_batches(n: int, steps: int, batch: int, seed: int) -> np.ndarray:
    """Draw the samples of some steps of training, (steps, batch), each time through the set in a new order."""
    rng = np.random.default_rng(seed)
    per_epoch = n // batch
    orders = [rng.permutation(n)[: per_epoch * batch].reshape(per_epoch, batch) for _ in range(-(-steps // per_epoch))]
    return np.concatenate(orders)[:steps]
