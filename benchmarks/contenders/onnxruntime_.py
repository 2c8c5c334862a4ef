"""ONNX Runtime: inference only, of a graph built from the same weights."""

from collections.abc import Callable
from functools import partial

import onnxruntime

from benchmarks.contenders.base import Contender, Predictor, Runner
from benchmarks.contenders.onnx_graph import graph, images_channels_first
from benchmarks.workload import Inputs


def predictor(inputs: Inputs, model: str, batch: int, threads: int) -> Predictor:
    """Make a session."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(graph(model, inputs.weights(model)), options, ["CPUExecutionProvider"])
    x = images_channels_first(inputs, model)
    return Predictor(lambda part: session.run(None, {"images": part})[0], x, batch)


class OnnxRuntime(Contender):
    """ONNX Runtime on the CPU."""

    packages = ("onnxruntime", "onnx")

    def predict(self, model: str, batch: int) -> dict[str, Callable[[], Runner]]:
        """Return the ways to predict."""
        return {"session": partial(predictor, self.inputs, model, batch, self.threads)}


CONTENDER = OnnxRuntime
