"""Time every op that tinynet declares; run ``pytest benchmarks/test_kernels.py --benchmark-only``.

What is timed is the call that a plan makes: buffers are there already, and nothing is checked. Choose ops with -k, such
as ``-k conv``; compare with an earlier run with --benchmark-autosave and --benchmark-compare.
"""

import numpy as np
import pytest

from benchmarks.kernel_cases import OPS, Case, cases
from tinynet.fast.implementation import bound_call, evaluate, implementation
from tinynet.fast.threads import kernel_gate

CASES = cases()


def test_every_op_has_a_case():
    assert {case.op.name for case in CASES.values()} == set(OPS)


@pytest.mark.parametrize("case", CASES.values(), ids=str)
def test_op(benchmark, case: Case):
    op, attrs = case.op, case.attrs
    benchmark.group = op.name
    if op.view:
        benchmark(op.compute, *case.inputs, **attrs)
        return
    inputs = tuple(np.array(a, order="C") for a in case.inputs)  # copies: some ops write over what they are given
    how = implementation(op)
    outputs = evaluate(op, inputs, attrs)[how.inplace :]
    scratch = tuple(np.empty(*spec) for spec in how.scratch(*inputs, **attrs)) if how.scratch else ()
    function, arguments = bound_call(op, outputs, scratch, inputs, attrs)
    with kernel_gate(), np.errstate(all="ignore"):
        function(*arguments)  # compiles, the first time
        benchmark(function, *arguments)
