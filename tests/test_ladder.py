"""The ladder of `benchmarks`: all rungs compute the same, in values, gradients, ties and where relu cuts."""

import numpy as np
import pytest

from benchmarks.ladder import example, largest_difference, rungs

pytestmark = pytest.mark.slow  # loops are compiled, and kernels


def test_all_rungs_compute_the_same():
    lowest, *others = rungs()
    for rung in others:
        assert largest_difference(rung, lowest, example(2)) < 1e-5, rung.name


def test_ties_go_to_the_first_and_nothing_flows_where_relu_cuts():
    x, w, b, g = example(1)
    x[:, :, :7] = 0  # windows of equal outputs, of which the first wins
    b[:32] = -1  # where they are cut
    b[32:] = abs(b[32:])
    lowest, *others = rungs()
    right = lowest.step(x, w, b, g)
    for rung in others:
        if "Winograd" not in rung.name:  # its transforms round; ties are then no ties
            for found, true in zip(rung.step(x, w, b, g), right, strict=True):
                np.testing.assert_allclose(found, true, atol=1e-5 * abs(true).max(), err_msg=rung.name)
