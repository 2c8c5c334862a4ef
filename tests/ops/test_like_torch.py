"""Ops compute what PyTorch 2.13 does, on inputs that PyTorch tests its own ops with, in float64, to 1e-10.

The inputs, and what PyTorch makes of them, were written down by ``python -m tests.ops.freeze_torch --write``.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.ops.torch_calls import CALLS, compare

FILE = Path(__file__).with_name("torch_samples.npz")


def read():
    """Return the samples by the op of PyTorch that they are of."""
    with np.load(FILE) as file:
        text, numbers = file["text"].tobytes(), file["numbers"]
    found, at = {}, 0
    for sample in json.loads(text):
        for part in ("inputs", "outputs", "gradients"):
            arrays = []
            for dtype, *shape in sample[part]:
                size = int(np.prod(shape))
                arrays.append(numbers[at : at + size].astype(dtype).reshape(shape))
                at += size
            sample[part] = arrays
        found.setdefault(sample["name"], []).append(sample)
    return found


SAMPLES = read()


@pytest.mark.parametrize("name", SAMPLES)
def test_an_op_computes_what_pytorch_does(name):
    for sample in SAMPLES[name]:
        compare(sample)


def test_the_samples_are_many_and_of_most_ops_but_small():
    assert sum(map(len, SAMPLES.values())) >= 400
    assert len({sample["call"] for samples in SAMPLES.values() for sample in samples}) >= 60
    assert {sample["call"] for samples in SAMPLES.values() for sample in samples} <= set(CALLS)
    assert FILE.stat().st_size < 300_000


@pytest.mark.parametrize("part", ["outputs", "gradients"])
def test_a_wrong_number_is_noticed(part):
    sample = SAMPLES["sin"][0]
    wrong = {**sample, part: [x + 1e-8 for x in sample[part]]}
    with pytest.raises(AssertionError, match=part[:-1]):
        compare(wrong)
