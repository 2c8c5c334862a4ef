"""The layers of the reference models, from the shape (H, W, C) of the images and the number of classes."""

from __future__ import annotations

from tinynet.nn import (
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Input,
    Layer,
    MaxPool,
    ReLU,
    Residual,
)


def images(shape: tuple[int, ...]) -> Input:
    """Make the layer through which images of bytes enter, scaled to 0 to 1."""
    return Input(shape, scale=1 / 255, name="Input")


def softmax_regression(shape: tuple[int, ...], classes: int) -> list[Layer]:
    """Make the layers of softmax regression."""
    return [images(shape), Flatten(name="Flatten"), Dense(classes, activation="softmax", name="Output")]


def dense_network(shape: tuple[int, ...], classes: int) -> list[Layer]:
    """Make the layers of the dense network."""
    return [
        images(shape),
        Flatten(name="Flatten"),
        Dense(128, activation="relu", name="Dense1"),
        Dense(64, activation="relu", name="Dense2"),
        Dense(classes, activation="softmax", name="Output"),
    ]


def cnn(shape: tuple[int, ...], classes: int) -> list[Layer]:
    """Make the layers of the convolutional network of the course texts."""
    return [
        images(shape),
        Conv2D(32, 3, activation="relu", name="Conv1"),
        MaxPool(2, name="Pool1"),
        Conv2D(64, 3, activation="relu", name="Conv2"),
        MaxPool(3, name="Pool2"),
        Flatten(name="Flatten"),
        Dense(128, activation="relu", name="Dense1"),
        Dense(classes, activation="softmax", name="Output"),
    ]


def lenet(shape: tuple[int, ...], classes: int) -> list[Layer]:
    """Make the layers of LeNet-5 as it is taught today: with relu, the largest of four, and all maps connected.

    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proceedings of the
    IEEE 86, 1998, section II.B. There images have a margin of 2; here the first convolution adds it.
    """
    return [
        images(shape),
        Conv2D(6, 5, padding="same", activation="relu", name="Conv1"),
        MaxPool(2, name="Pool1"),
        Conv2D(16, 5, activation="relu", name="Conv2"),
        MaxPool(2, name="Pool2"),
        Flatten(name="Flatten"),
        Dense(120, activation="relu", name="Dense1"),
        Dense(84, activation="relu", name="Dense2"),
        Dense(classes, activation="softmax", name="Output"),
    ]


def convolution(filters: int) -> list[Layer]:
    """Make a convolution with batch normalisation; it needs no bias before that."""
    return [Conv2D(filters, 3, padding="same", use_bias=False, kernel_init="he_normal"), BatchNorm()]


def residual_block(filters: int) -> list[Layer]:
    """Make two convolutions around which their input goes too.

    He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016, figure 2.
    """
    return [Residual([*convolution(filters), ReLU(), *convolution(filters)]), ReLU()]


def residual_network(shape: tuple[int, ...], classes: int) -> list[Layer]:
    """Make the layers of a small residual network."""
    return [
        images(shape),
        Conv2D(24, 3, padding="same", activation="relu"),
        MaxPool(2),
        *residual_block(24),
        MaxPool(2),
        *convolution(48),
        ReLU(),
        *residual_block(48),
        GlobalAvgPool(),
        Dropout(0.2),
        Dense(classes, activation="softmax", name="Output"),
    ]
