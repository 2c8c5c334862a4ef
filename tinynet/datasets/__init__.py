"""Datasets: arrays of samples and labels, from files, from the network, from directories of images, or from nothing."""

from tinynet.datasets.dataset import Dataset
from tinynet.datasets.folder import image_folder
from tinynet.datasets.loader import MNIST, digits, load, load_mnist, mnist
from tinynet.datasets.synthetic import spirals

__all__ = ["MNIST", "Dataset", "digits", "image_folder", "load", "load_mnist", "mnist", "spirals"]
