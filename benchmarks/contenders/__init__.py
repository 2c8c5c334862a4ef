"""The frameworks that are compared: what each is called, where it is from, and how its own process is set up."""

import importlib
import os
from dataclasses import dataclass, field

from benchmarks.contenders.base import Contender


@dataclass(frozen=True)
class Entry:
    """A contender: its title in tables, the module that it is imported by, and the environment of its process."""

    title: str
    module: str
    environment: dict[str, str] = field(default_factory=dict)


ENTRIES: dict[str, Entry] = {
    "tinynet": Entry("tinynet", "tinynet"),
    "torch": Entry("PyTorch", "torch"),
    "keras": Entry(
        "Keras (TensorFlow)",
        "keras",
        {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
    ),
    "jax": Entry("JAX", "jax", {"JAX_PLATFORMS": "cpu"}),
    "sklearn": Entry("scikit-learn", "sklearn"),
    "onnxruntime": Entry("ONNX Runtime", "onnxruntime"),
    "openvino": Entry("OpenVINO", "openvino"),
}
INSTALL = "pip install 'tinynet-cpu[bench]'"

# Every way in which one of the libraries learns how many threads it may use; NPROC is XLA's.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NPROC")
_THREADS += ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def environment(name: str, threads: int) -> dict[str, str]:
    """Return the environment of a contender's process; compiled modules are kept, as they are for users."""
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return inherited | dict.fromkeys(_THREADS, str(threads)) | ENTRIES[name].environment


def load(name: str) -> type[Contender]:
    """Import a contender, and with it its framework; an ImportError says that it is not installed."""
    return importlib.import_module(f"benchmarks.contenders.{name}_").CONTENDER
