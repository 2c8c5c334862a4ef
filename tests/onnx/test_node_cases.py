"""The cases that the ONNX package has for single operators, run by tinynet, and how many there are of each.

For each operator that tinynet has, all its cases run but those for which `reason` names a reason. What ran and what did
not is counted, so that neither can change unnoticed.
"""

import warnings
from collections import Counter

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the package onnx is missing, which the extra test brings")

from onnx import TensorProto, numpy_helper  # noqa: E402

from tests.onnx.backend import TinynetBackend  # noqa: E402
from tinynet.onnx.network.graph import OPERATORS  # noqa: E402
from tinynet.onnx.network.pointwise import DTYPES  # noqa: E402

COUNTED_WITH = "1.23.2"  # the version of the package with which the numbers below were counted

OF_OTHER_KINDS = "values of a kind that tinynet does not have: 16 bits and fewer, texts, sequences, optional ones"
THREE_AXES = "images of three spatial axes"
AT_RANDOM = "it drops values at random"
MOMENTS = "moments of a batch, in inference"
REMAINDERS = "remainders of samples; tinynet has those of numbers that are worked out from shapes"
WHOLE_PIXELS = "a pooling of integers"


def array_of(value):
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)


def kind_of(node):
    return f"{node.domain}.{node.op_type}" if node.domain else node.op_type


def values_of(case):
    return [value for data in case.data_sets for side in data for value in side]


def reason(case):
    """Why a case does not run; None if it does."""
    graph = case.model.graph
    infos = [*graph.input, *graph.output]
    kinds = {one.type.tensor_type.elem_type for one in infos if one.type.HasField("tensor_type")}
    kinds |= {one.i for node in graph.node for one in node.attribute if node.op_type == "Cast" and one.name == "to"}
    if not kinds <= set(DTYPES) or any(not one.type.HasField("tensor_type") for one in infos):
        return OF_OTHER_KINDS
    operators = {node.op_type for node in graph.node}
    ranks = {np.ndim(value) for value in values_of(case)}
    if operators & {"Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool"} and 5 in ranks and len(operators) == 1:
        return THREE_AXES
    if operators == {"Dropout"} and "training" in case.name and "zero_ratio" not in case.name:
        return AT_RANDOM
    if operators == {"BatchNormalization"} and "training_mode" in case.name:
        return MOMENTS
    if operators == {"Mod"} and kinds <= {TensorProto.FLOAT, TensorProto.DOUBLE}:
        return REMAINDERS
    return WHOLE_PIXELS if operators == {"MaxPool"} and TensorProto.UINT8 in kinds else None


def run(case):
    """Run a case; its own tolerances hold."""
    prepared = TinynetBackend.prepare(case.model)
    for given, wanted in case.data_sets:
        found = prepared.run([array_of(value) for value in given])
        assert len(found) == len(wanted)
        for y, value in zip(found, wanted, strict=True):
            expected = array_of(value)
            assert y.dtype == expected.dtype
            np.testing.assert_allclose(y, expected, case.rtol, case.atol)


def name_of(case):
    """What is counted: the operator, or what is written in terms of others."""
    nodes = case.model.graph.node
    return kind_of(nodes[0]) if len(nodes) == 1 else "several"


RAN = {
    "Abs": 1, "Add": 8, "And": 8, "ArgMax": 16, "ArgMin": 16, "AveragePool": 14, "BatchNormalization": 2, "Cast": 4,
    "CastLike": 2, "Ceil": 2, "Celu": 1, "Clip": 12, "Concat": 12, "Constant": 1, "ConstantOfShape": 3, "Conv": 6,
    "ConvTranspose": 10, "Cos": 2, "Cosh": 2, "CumSum": 9, "DepthToSpace": 2, "Div": 10, "Dropout": 8, "Einsum": 6,
    "Elu": 3, "Equal": 8, "Erf": 1, "Exp": 2, "Expand": 2, "EyeLike": 3, "Flatten": 9, "Floor": 2, "Gather": 4,
    "GatherElements": 3, "GatherND": 3, "Gelu": 4, "Gemm": 11, "GlobalAveragePool": 2, "GlobalMaxPool": 2,
    "Greater": 8, "GreaterOrEqual": 8, "GroupNormalization": 2, "HardSigmoid": 3, "HardSwish": 1, "Identity": 3,
    "InstanceNormalization": 2, "LRN": 2, "LayerNormalization": 19, "LeakyRelu": 3, "Less": 8, "LessOrEqual": 8,
    "Log": 2, "LogSoftmax": 7, "LpNormalization": 6, "LpPool": 7, "MatMul": 7, "Max": 13, "MaxPool": 14, "Mean": 3,
    "MeanVarianceNormalization": 1, "Min": 13, "Mish": 1, "Mod": 10, "Mul": 9, "Neg": 2, "Not": 3, "OneHot": 5,
    "Or": 8, "PRelu": 2, "Pad": 6, "Pow": 12, "RMSNormalization": 19, "Range": 2, "Reciprocal": 2, "ReduceL1": 9,
    "ReduceL2": 9, "ReduceLogSum": 5, "ReduceLogSumExp": 9, "ReduceMax": 11, "ReduceMean": 8, "ReduceMin": 10,
    "ReduceProd": 9, "ReduceSum": 12, "ReduceSumSquare": 9, "Relu": 1, "Reshape": 10, "Selu": 3, "Shape": 11,
    "Shrink": 2, "Sigmoid": 2, "Sign": 1, "Sin": 2, "Sinh": 2, "Size": 2, "Slice": 8, "Softmax": 7, "Softplus": 2,
    "Softsign": 2, "SpaceToDepth": 4, "Split": 16, "Sqrt": 2, "Squeeze": 2, "Sub": 9, "Sum": 3, "Swish": 1, "Tan": 2,
    "Tanh": 2, "ThresholdedRelu": 3, "Tile": 2, "Transpose": 7, "Trilu": 18, "Unsqueeze": 7, "Where": 2, "Xor": 8,
    "several": 337,
}  # fmt: skip

NOT_RUN = {
    OF_OTHER_KINDS: 200,
    THREE_AXES: 12,
    REMAINDERS: 6,
    AT_RANDOM: 4,
    MOMENTS: 2,
    WHOLE_PIXELS: 1,
}


@pytest.mark.slow
def test_every_case_of_every_operator_that_there_is_runs():
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package's own arithmetic
        cases = load_model_tests(kind="node")
    ran, not_run, failed = Counter(), Counter(), []
    for case in cases:
        if not {kind_of(node) for node in case.model.graph.node} <= set(OPERATORS):
            continue
        why = reason(case)
        if why is not None:
            not_run[why] += 1
            continue
        try:
            run(case)
        except Exception as error:
            failed.append(f"{case.name}: {error!r}"[:300])
        ran[name_of(case)] += 1
    assert failed == []
    assert set(ran) - {"several"} <= set(OPERATORS)
    if onnx.__version__ == COUNTED_WITH:
        assert dict(ran) == RAN
        assert dict(not_run) == NOT_RUN
    else:
        assert set(ran) >= set(RAN)


def test_the_table_counts_each_operator_that_the_package_has_cases_for():
    """But for those whose cases are all of a kind that tinynet does not have."""
    assert sorted(set(OPERATORS) - set(RAN)) == []
