"""Layers, losses and optimizers compute what PyTorch does, step by step in float64, to 1e-10.

What PyTorch computes was written by ``python -m benchmarks.torch_agreement --write``, which also compares live.
"""

from pathlib import Path

import numpy as np
import pytest

from tests.nn.torch_cases import CASES, tinynet_side

FILE = Path(__file__).with_name("torch_samples.npz")
SAMPLES = np.load(FILE)  # of each case: all arrays in one, in the order of their names


@pytest.mark.parametrize("name", CASES)
def test_each_step_is_that_of_pytorch(name):
    for compiled in (False, True):
        found = tinynet_side(name, compiled)
        sizes = [found[key].size for key in sorted(found)]
        assert sum(sizes) == SAMPLES[name].size
        for key, value in zip(sorted(found), np.split(SAMPLES[name], np.cumsum(sizes)[:-1]), strict=True):
            scale = max(1.0, np.abs(value).max(initial=0))
            np.testing.assert_allclose(found[key].reshape(-1), value, rtol=0, atol=1e-10 * scale, err_msg=key)


def test_the_samples_are_those_of_the_cases_and_small():
    assert set(SAMPLES.files) == set(CASES)
    assert FILE.stat().st_size < 100_000
