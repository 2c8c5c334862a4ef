"""Datasets: uint8 arrays of images and labels, from files, from the network, or from an embedded sample."""

from tinynet.datasets.loader import MNIST, load_mnist, mnist

__all__ = ["MNIST", "load_mnist", "mnist"]
