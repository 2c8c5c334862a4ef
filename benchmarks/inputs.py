"""The arrays that all contenders share, written to a file for their workers."""

from pathlib import Path

import numpy as np

import tinynet as tn
from benchmarks.contenders.tinynet_ import build
from benchmarks.workload import DATA, MODELS


def write_inputs(path: str | Path) -> None:
    """Write what `Inputs` reads: the embedded sample of MNIST, random images, and the weights that tinynet draws."""
    (images, labels), _ = tn.datasets.mnist(source="sample")
    rng = np.random.default_rng(0)
    arrays = {
        "digits.images": images,
        "digits.labels": labels.astype(np.int64),
        "random.images": rng.integers(1, 256, images.shape, np.uint8),
        "random.labels": rng.permutation(labels).astype(np.int64),
        "colour.images": rng.integers(1, 256, (len(images), *DATA["colour"]), np.uint8),
        "colour.labels": rng.permutation(labels).astype(np.int64),
    }
    for name in MODELS:
        parameters = build(name).parameters.values()
        arrays |= {f"{name}.{i}": p.data for i, p in enumerate(parameters)}
    np.savez(path, **arrays)
