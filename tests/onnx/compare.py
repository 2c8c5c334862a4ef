"""Runs an ONNX file by ONNX Runtime, and compares what comes out with what tinynet computes."""

import numpy as np
import pytest

import tinynet as tn

onnx = pytest.importorskip("onnx", reason="the package onnx is missing, which the extra test brings")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is missing, which the extra test brings")

from tinynet.onnx.exporting import as_onnx  # noqa: E402


def session(made):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])


def outputs(made, x):
    """What a file makes of samples, by ONNX Runtime, once the checker has passed it."""
    onnx.checker.check_model(made, full_check=True)
    (y,) = session(made).run(None, {made.graph.input[0].name: x})
    return y


def distance(found, wanted, scale=0.0):
    """The largest difference, relative to the largest value, or to the size of what it was computed from."""
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    if wanted.dtype.kind != "f":
        return float((found != wanted).any())
    both = np.isfinite(wanted)
    assert np.array_equal(found[~both], wanted[~both], equal_nan=True)
    if not both.any():
        return 0.0
    return np.abs(found[both] - wanted[both]).max() / max(np.abs(wanted[both]).max(), scale, 1e-30)


def check_alike(model, x, rtol=1e-5):
    """The file predicts as the model does, for batches of one, of two, and of all samples; returns the file."""
    made = as_onnx(model)
    onnx.checker.check_model(made, full_check=True)
    run = session(made)
    x = np.asarray(x, np.int64 if model.input.integers else model.dtype)
    for n in sorted({1, 2, len(x)}):
        with tn.reference():
            wanted = model.predict(x[:n])
        (found,) = run.run(None, {made.graph.input[0].name: x[:n]})
        assert distance(found, wanted) <= rtol
    return made


def kinds(made):
    """The operators of a file, in their order."""
    return [node.op_type for node in made.graph.node]
