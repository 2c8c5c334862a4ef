"""Layers: named parameters and a forward made of ops."""

from tinynet.nn.activations import ReLU, Softmax
from tinynet.nn.batch_norm import BatchNorm
from tinynet.nn.conv import Conv2D
from tinynet.nn.dense import Dense
from tinynet.nn.dropout import Dropout
from tinynet.nn.flatten import Flatten
from tinynet.nn.input import Input
from tinynet.nn.layer import Layer
from tinynet.nn.pooling import MaxPool
from tinynet.nn.sigmoid import Sigmoid

__all__ = [
    "BatchNorm",
    "Conv2D",
    "Dense",
    "Dropout",
    "Flatten",
    "Input",
    "Layer",
    "MaxPool",
    "ReLU",
    "Sigmoid",
    "Softmax",
]
