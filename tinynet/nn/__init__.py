"""Layers: named parameters and a forward made of ops."""

from tinynet.nn.activations import ReLU, Softmax
from tinynet.nn.conv import Conv2D
from tinynet.nn.dense import Dense
from tinynet.nn.flatten import Flatten
from tinynet.nn.input import Input
from tinynet.nn.layer import Layer
from tinynet.nn.pooling import MaxPool
from tinynet.nn.sigmoid import Sigmoid

__all__ = ["Conv2D", "Dense", "Flatten", "Input", "Layer", "MaxPool", "ReLU", "Sigmoid", "Softmax"]
