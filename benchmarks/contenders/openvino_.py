"""OpenVINO: inference only, of the same graph as ONNX Runtime's."""

from collections.abc import Callable
from functools import partial
from io import BytesIO

import numpy as np
import openvino

from benchmarks.contenders.base import Contender, Predictor, Runner
from benchmarks.contenders.onnx_graph import graph, images_channels_first
from benchmarks.workload import Inputs


def predictor(inputs: Inputs, model: str, batch: int, threads: int) -> Predictor:
    """Compile the graph for the latency of one batch, in float32 as all others compute."""
    core = openvino.Core()
    read = core.read_model(BytesIO(graph(model, inputs.weights(model))))
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(read, "CPU", settings)
    request = compiled.create_infer_request()

    def predict(part: np.ndarray) -> np.ndarray:
        return np.array(request.infer([part])[0])

    return Predictor(predict, images_channels_first(inputs, model), batch)


class OpenVINO(Contender):
    """OpenVINO on the CPU."""

    packages = ("openvino",)

    def predict(self, model: str, batch: int) -> dict[str, Callable[[], Runner]]:
        """Return the ways to predict."""
        return {"compiled": partial(predictor, self.inputs, model, batch, self.threads)}


CONTENDER = OpenVINO
