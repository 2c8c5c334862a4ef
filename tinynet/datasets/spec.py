"""The datasets that are known by name, as data: their files, digests, shapes, classes, mirrors and licences.

The digests are published ones. Those of MNIST are of the contents of its files, which all mirrors agree on. Of
Fashion-MNIST and KMNIST digests of the compressed files are published, by TensorFlow Datasets (SHA-256) and torchvision
(MD5 of the same files); their mirrors hand out these very files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tinynet.datasets.preparation import Preparation

IDX_NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
_SIZES = {"x_train": 47_040_016, "y_train": 60_008, "x_test": 7_840_016, "y_test": 10_008}


class RemoteFile(NamedTuple):
    """A file to download.

    Attributes
    ----------
    name : str
        Under which mirrors have it.
    size : int
        Of its content, before compression, in bytes.
    sha256 : str
        Of its content; "" where that is not published.
    packed : str
        The SHA-256 of the compressed file, where that of the content is not published.
    """

    name: str
    size: int
    sha256: str
    packed: str = ""


@dataclass(frozen=True)
class DatasetSpec:
    """What is known of a dataset before any of it is read.

    Attributes
    ----------
    name, title : str
        What `load` takes, and what it is called in words.
    noun, plural : str
        What a class is: "digit" and "digits".
    classes : tuple of str
        The names of the classes, by their numbers.
    files : tuple of RemoteFile
        The four IDX files.
    mirrors : tuple of str
        URLs to put before the names of the files, in order of preference.
    variable : str
        The environment variable that names a directory or file of it.
    folder : str
        Its directory in the cache; "" for the cache itself.
    archives : tuple of str
        Names of single files that hold all of it, which a directory is searched for after the IDX files.
    pairs : mapping of str to str
        The names of four .npz files, each with an array "arr_0", in which it is published, too.
    any_order : mapping of str to str
        By "train" and "test": the SHA-256 of the rows (label, pixels) in rising order.
    shape, sizes : tuple of int
        Of an image, and how many images there are for training and testing.
    preparation : Preparation
        How an image of the user's becomes one of these.
    home, licence : str
        Where it comes from, and on which terms.
    """

    name: str
    title: str
    noun: str
    plural: str
    classes: tuple[str, ...]
    files: tuple[RemoteFile, ...]
    mirrors: tuple[str, ...]
    variable: str
    folder: str
    archives: tuple[str, ...]
    preparation: Preparation
    home: str
    licence: str
    pairs: Mapping[str, str] = field(default_factory=dict)
    any_order: Mapping[str, str] = field(default_factory=dict)
    shape: tuple[int, int] = (28, 28)
    sizes: tuple[int, int] = (60_000, 10_000)

    @property
    def accepted(self) -> str:
        """What can be read, in words."""
        names = ", ".join(IDX_NAMES.values())
        archives = " or ".join(self.archives)
        pairs = f", the four files {', '.join(self.pairs.values())}" if self.pairs else ""
        suffixes = "such an .npz or .mat file" if len(self.archives) > 1 else "such an .npz file"
        return (
            f"a directory with the four IDX files ({names}; .gz or not){pairs}, {archives}, or the path of {suffixes}"
        )

    @property
    def advice(self) -> str:
        """What to do where there is no network."""
        start = f"Without a network, set {self.variable} to {self.accepted}"
        if self.name != "mnist":
            return f"{start}."
        return (
            f"{start}; or take the sample that is embedded in tinynet: source='sample' in Python, --data sample on the "
            "command line."
        )


def _of_contents(**digests: str) -> tuple[RemoteFile, ...]:
    return tuple(RemoteFile(f"{IDX_NAMES[key]}.gz", _SIZES[key], digest) for key, digest in digests.items())


def _of_packed(**digests: str) -> tuple[RemoteFile, ...]:
    return tuple(RemoteFile(f"{IDX_NAMES[key]}.gz", _SIZES[key], "", digest) for key, digest in digests.items())


MNIST = DatasetSpec(
    name="mnist",
    title="MNIST",
    noun="digit",
    plural="digits",
    classes=tuple("0123456789"),
    files=_of_contents(
        x_train="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        y_train="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        x_test="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        y_test="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://sagemaker-example-files-prod-us-east-1.s3.amazonaws.com/datasets/image/MNIST/",
        "https://raw.githubusercontent.com/fgnt/mnist/master/",
    ),
    variable="TINYNET_DATA",
    folder="",
    archives=("mnist.npz", "mnist_all.mat"),
    any_order={
        "train": "da6370735bf1d490f086dde49c15f2ed0480ad05dc7c70abf5d36bf471d5e312",
        "test": "0c7bc63f656fb2440dc2b5bea4ff3ac8632e305b73ec1dc88141a32d36204fac",
    },
    preparation=Preparation((28, 28, 1), box=20, by_mass=True),
    home="http://yann.lecun.com/exdb/mnist/",
    licence="CC BY-SA 3.0, Yann LeCun and Corinna Cortes",
)
FASHION_MNIST = DatasetSpec(
    name="fashion_mnist",
    title="Fashion-MNIST",
    noun="article",
    plural="articles",
    classes=(
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
    files=_of_packed(
        x_train="3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        y_train="a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        x_test="346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        y_test="67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
    mirrors=(
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    variable="TINYNET_FASHION_MNIST",
    folder="fashion_mnist",
    archives=("fashion_mnist.npz",),
    preparation=Preparation((28, 28, 1), box=28),
    home="https://github.com/zalandoresearch/fashion-mnist",
    licence="MIT, Zalando SE",
)  # fmt: skip
KMNIST = DatasetSpec(
    name="kmnist",
    title="KMNIST",
    noun="character",
    plural="characters",
    classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    files=_of_packed(
        x_train="51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        y_train="e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        x_test="edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        y_test="20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
    ),
    mirrors=("https://codh.rois.ac.jp/kmnist/dataset/kmnist/", "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"),
    variable="TINYNET_KMNIST",
    folder="kmnist",
    archives=("kmnist.npz",),
    pairs={
        "x_train": "kmnist-train-imgs.npz",
        "y_train": "kmnist-train-labels.npz",
        "x_test": "kmnist-test-imgs.npz",
        "y_test": "kmnist-test-labels.npz",
    },
    preparation=Preparation((28, 28, 1), box=28),
    home="https://codh.rois.ac.jp/kmnist/",
    licence="CC BY-SA 4.0, ROIS-DS Center for Open Data in the Humanities",
)

SPECS: dict[str, DatasetSpec] = {spec.name: spec for spec in (MNIST, FASHION_MNIST, KMNIST)}
