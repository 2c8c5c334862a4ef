"""Files that are damaged or made to harm: each is refused by an error of tinynet's, in little memory and time."""

import contextlib
import copy
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import CheckpointError, TinynetError
from tinynet.saving.modelfile import encoded

onnx = pytest.importorskip("onnx", reason="the package onnx is missing, which the extra test brings")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

FILES = Path(__file__).parent / "files"
node = helper.make_node


def made(nodes, arrays=(), shape=("n", 4), kind=TensorProto.FLOAT):
    """A graph of nodes from x to y, with tensors."""
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        list(arrays),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def refused(path, says=None):
    """Check that loading a file raises an error of tinynet's, in little memory and time."""
    tracemalloc.start()
    start = time.perf_counter()
    try:
        with pytest.raises(TinynetError, match=says):
            tn.onnx.load(path)
        assert tracemalloc.get_traced_memory()[1] < 300 * 2**20
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - start < 10


def tensor(dims, kind=TensorProto.FLOAT, raw=b"", **rest):
    return TensorProto(name="w", data_type=kind, dims=dims, raw_data=raw, **rest)


def integers(name, *values):
    return numpy_helper.from_array(np.array(values, np.int64), name)


PRODUCT = [node("MatMul", ["x", "w"], ["y"])]
BIG = 2**31
CASES = {
    "huge": (PRODUCT, [tensor([2**20, 2**20])], "would take"),
    "longer than any memory": (PRODUCT, [tensor([2**62, 2**62])], "would take"),
    "nothing of great length": (PRODUCT, [tensor([0, 2**62])], "would take"),
    "a length below 0": (PRODUCT, [tensor([4, -2], raw=bytes(32))], "below 0"),
    "too few bytes": (PRODUCT, [tensor([4, 2], raw=bytes(31))], "would take"),
    "too many bytes": (PRODUCT, [tensor([4, 2], raw=bytes(33))], "would take"),
    "too few numbers": (
        PRODUCT, [TensorProto(name="w", data_type=1, dims=[4, 2], float_data=[1.0] * 7)], "would take"
    ),
    "numbers of another kind": (
        PRODUCT, [TensorProto(name="w", data_type=1, dims=[4, 2], int64_data=[1] * 8)], "damaged"
    ),
    "texts": (PRODUCT, [TensorProto(name="w", data_type=8, dims=[1], string_data=[b"a"])], "STRING"),
    "an unknown kind": (PRODUCT, [tensor([4, 2], 999, bytes(32))], "data type"),
    "half precision": (PRODUCT, [tensor([4, 2], TensorProto.FLOAT16, bytes(16))], "FLOAT16"),
    "integers in a product": (PRODUCT, [integers("w", 1, 2, 3, 4)], "float32, int64"),
    "a circle": ([node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Neg", ["b"], ["y"])], [], "circle"),
    "twice the same": ([node("Relu", ["x"], ["y"]), node("Neg", ["x"], ["y"])], [], "there already"),
    "nothing before it": ([node("Relu", ["z"], ["y"])], [], "no node before it"),
    "a huge constant": (
        [node("ConstantOfShape", ["s"], ["c"]), node("Add", ["x", "c"], ["y"])], [integers("s", BIG, BIG)], "more than"
    ),
    "many large constants": (
        [
            *(node("ConstantOfShape", ["s"], [f"c{i}"]) for i in range(99)),
            node("Sum", ["x", *(f"c{i}" for i in range(99))], ["y"]),
        ],
        [integers("s", 2**22)],
        "works out more than",
    ),
    "a huge expansion": ([node("Expand", ["x", "s"], ["y"])], [integers("s", BIG, 2, 4)], "more than"),
    "a constant, expanded": (
        [node("Expand", ["c", "s"], ["e"]), node("Add", ["x", "e"], ["y"])],
        [integers("c", 1), integers("s", 2**15, 2**15)],
        "more than",
    ),
    "a huge range": (
        [node("Range", ["a", "b", "c"], ["r"]), node("Add", ["x", "r"], ["y"])],
        [numpy_helper.from_array(np.array(v, np.int64), k) for k, v in {"a": 0, "b": 2**60, "c": 1}.items()],
        "more than",
    ),
    "many copies": ([node("Tile", ["x", "s"], ["y"])], [integers("s", 1, BIG)], "more than"),
    "wide pads": ([node("Pad", ["x", "s"], ["y"])], [integers("s", 0, BIG, 0, BIG)], "more than"),
    "doubling": (
        [node("Concat", [f"v{i}"] * 2, [f"v{i + 1}"], axis=1) for i in range(60)], [], "more than"
    ),
    "a shape of two unknowns": ([node("Reshape", ["x", "s"], ["y"])], [integers("s", -1, -1)], "one -1"),
    "an axis that is not there": ([node("Concat", ["x", "x"], ["y"], axis=7)], [], "axis 7"),
    "an attribute of another kind": ([node("Concat", ["x", "x"], ["y"], axis=[1, 2])], [], "damaged"),
    "an attribute too few": ([node("Cast", ["x"], ["y"])], [], "data type None"),
    "an input too few": ([node("MatMul", ["x"], ["y"])], [], "missing"),
    "an input that is left out": ([node("MatMul", ["x", ""], ["y"])], [], "missing"),
    "a step of 0": (
        [node("Slice", ["x", "a", "b", "c", "d"], ["y"])],
        [integers(name, n) for name, n in zip("abcd", (0, 9, 1, 0), strict=True)],
        "do not fit",
    ),
    "a part of a graph": ([node("If", ["x"], ["y"], then_branch=made([]).graph, else_branch=made([]).graph)], [], "If"),
    "axes that samples decide": (
        [node("Cast", ["x"], ["i"], to=7), node("ReduceSum", ["x", "i"], ["y"])], [], "computed from samples"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_graph_is_refused_in_little_memory_and_time(name, tmp_path):
    nodes, arrays, says = CASES[name]
    if name == "doubling":
        nodes = [node("Identity", ["x"], ["v0"]), *nodes, node("Identity", ["v60"], ["y"])]
    path = tmp_path / "m.onnx"
    path.write_bytes(made(nodes, arrays).SerializeToString())
    refused(path, says)


WINDOWS = {
    "huge windows": {"kernel_shape": [BIG, BIG], "pads": [BIG] * 4},
    "huge pads": {"kernel_shape": [2, 2], "pads": [BIG] * 4},
    "many taps that lie apart": {"kernel_shape": [200, 200], "dilations": [2, 2], "pads": [400] * 4},
    "windows larger than the image": {"kernel_shape": [9, 9]},
    "steps of 0": {"kernel_shape": [2, 2], "strides": [0, 1]},
    "windows of nothing": {"kernel_shape": [0, 2]},
    "pads below 0": {"kernel_shape": [2, 2], "pads": [-1, 0, 0, 0]},
    "three axes": {"kernel_shape": [2, 2, 2]},
    "texts for numbers": {"kernel_shape": "ab"},
    "an unknown padding": {"kernel_shape": [2, 2], "auto_pad": "LEFT"},
}


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
def test_windows_that_make_no_sense_are_refused(kind, name, tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(made([node(kind, ["x"], ["y"], **WINDOWS[name])], shape=("n", 3, 5, 6)).SerializeToString())
    refused(path)


@pytest.mark.parametrize("shape", [("n", 1, 2**27, 1), ("n", 1, 2**13, 2**13)])
@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
def test_more_windows_than_there_is_memory_for_are_refused(kind, shape, tmp_path):
    """What each window sees, or where its winner is, is worked out beforehand."""
    path = tmp_path / "m.onnx"
    outputs = ["y", "places"] if kind == "MaxPool" else ["y"]
    path.write_bytes(made([node(kind, ["x"], outputs, kernel_shape=[1, 1])], shape=shape).SerializeToString())
    refused(path, "more than 16,777,216")


LONG = 2**26
AS_INTEGERS = node("Cast", ["x"], ["i"], to=7)


@pytest.mark.parametrize(
    ("nodes", "shape"),
    [
        ([node("Pad", ["x", "pads"], ["y"], mode="edge")], ("n", LONG)),
        ([AS_INTEGERS, node("OneHot", ["i", "depth", "ends"], ["y"])], ("n", 1)),
        ([AS_INTEGERS, node("GatherElements", ["x", "i"], ["y"], axis=0)], ("n", LONG)),
        ([AS_INTEGERS, node("GatherND", ["x", "i"], ["y"], batch_dims=2)], ("n", LONG, 1)),
    ],
    ids=lambda case: case[-1].op_type if isinstance(case, list) else "",
)
def test_places_along_an_axis_beyond_memory_are_refused(nodes, shape, tmp_path):
    path = tmp_path / "m.onnx"
    ends = numpy_helper.from_array(np.zeros(2, np.float32), "ends")
    arrays = [integers("pads", 0, 0, 0, 2), integers("depth", LONG), ends]
    path.write_bytes(made(nodes, arrays, shape).SerializeToString())
    refused(path, "more than 16,777,216")


@pytest.mark.parametrize("settings", [{"group": 0}, {"group": 3}, {"dilations": [BIG, BIG]}, {"strides": [-1, 1]}])
def test_convolutions_that_make_no_sense_are_refused(settings, tmp_path):
    weights = numpy_helper.from_array(np.zeros((4, 2, 3, 3), np.float32), "w")
    for kind in ("Conv", "ConvTranspose"):
        path = tmp_path / "m.onnx"
        nodes = [node(kind, ["x", "w"], ["y"], **settings)]
        path.write_bytes(made(nodes, [weights], ("n", 2 if kind == "Conv" else 4, 5, 6)).SerializeToString())
        refused(path)


@pytest.mark.parametrize("shape", [("n", -4), ("n", 0)])
def test_samples_of_no_size_are_refused(shape, tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(made([node("Relu", ["x"], ["y"])], shape=shape).SerializeToString())
    refused(path, "damaged")


def outside(tmp_path, location, **facts):
    """A model whose weights are said to be in another file."""
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(32))
    (folder / "beside").write_bytes(bytes(64))
    (folder / "link").symlink_to(tmp_path / "secret")
    weights = tensor([4, 2])
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in {"location": str(location).replace("TMP", str(tmp_path)), **facts}.items():
        weights.external_data.add(key=key, value=str(value))
    path = folder / "m.onnx"
    path.write_bytes(made(PRODUCT, [weights]).SerializeToString())
    return path


@pytest.mark.parametrize("location", ["../secret", "TMP/secret", "link", "", ".", "beside/../../secret", "none", "\0"])
def test_values_outside_of_the_directory_are_not_read(location, tmp_path):
    refused(outside(tmp_path, location), "not in the directory|damaged")


@pytest.mark.parametrize(
    "facts", [{"offset": -8}, {"offset": 40}, {"length": 2**40}, {"length": 31}, {"offset": "one"}]
)
def test_values_that_are_not_in_the_file_beside_are_refused(facts, tmp_path):
    refused(outside(tmp_path, "beside", **facts), "damaged")


def test_values_in_a_file_beside_are_read(tmp_path):
    assert tn.onnx.load(outside(tmp_path, "beside", offset=32, length=32)).theta.tolist() == [0] * 8


def test_a_file_that_ends_early_or_is_something_else_is_refused(tmp_path):
    whole = (FILES / "sklearn_mlp.onnx").read_bytes()
    path = tmp_path / "m.onnx"
    for length in [*range(0, len(whole) - 80, 37), 1, 2, 3]:
        path.write_bytes(whole[:length])
        refused(path)
    for other in (b"\x89PNG\r\n", b"{}", bytes(1000), b"\xff" * 1000, np.random.default_rng(0).bytes(1000)):
        path.write_bytes(other)
        refused(path, "not an ONNX file")


def test_a_file_whose_bits_are_flipped_is_read_or_refused(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "m.onnx"
    for name in ("sklearn_mlp", "sklearn_logistic", "torch_separable_script"):
        whole = np.frombuffer((FILES / f"{name}.onnx").read_bytes(), np.uint8)
        for _ in range(40):
            flipped = whole.copy()
            flipped[rng.integers(0, len(whole), 3)] ^= rng.integers(1, 256, 3).astype(np.uint8)
            path.write_bytes(flipped.tobytes())
            with contextlib.suppress(TinynetError):
                tn.onnx.load(path)


def test_graphs_within_graphs_are_refused_however_deep(tmp_path):
    path = tmp_path / "m.onnx"
    for depth in (3, 1000):
        graph = made([node("Relu", ["x"], ["y"])]).graph.SerializeToString()
        for _ in range(depth):  # by hand, for the package would not nest so deep
            attribute = field(1, b"body") + field(6, graph) + bytes([20 << 3 & 0x7F | 0x80, 1, 5])
            graph = field(1, field(2, b"y") + field(4, b"Loop") + field(5, attribute)) + field(12, field(1, b"y"))
        path.write_bytes(bytes([8, 8]) + field(8, bytes([16, 18])) + field(7, graph))
        refused(path)


def field(number, content):
    """A field of protobuf that is bytes."""
    length, size = b"", len(content)
    while True:
        length += bytes([size & 0x7F | (0x80 if size > 0x7F else 0)])
        size >>= 7
        if not size:
            return bytes([number << 3 | 2]) + length + content


# --- what a model file of tinynet's says of a graph


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: graph["nodes"][0].update(kind="Loop"),
        lambda graph: graph["nodes"][0].update(inputs=["none"]),
        lambda graph: graph["nodes"][-1].update(outputs=[]),
        lambda graph: graph.update(output="none"),
        lambda graph: graph.update(opset="x"),
        lambda graph: graph.update(leaves={}),
        lambda graph: graph.update(nodes=3),
        lambda graph: graph.pop("constants"),
        lambda graph: graph.update(dtype="int8"),
    ],
)
def test_a_model_file_with_a_graph_that_makes_no_sense_is_refused(change, tmp_path):
    model = tn.onnx.load(FILES / "sklearn_mlp.onnx")
    leaves = {name: leaf.data.copy() for name, leaf in model.leaves.items()}
    graph = copy.deepcopy(model.arguments[0][0])
    model.arguments = ((graph,), {})
    path = tmp_path / "m"
    path.write_bytes(encoded(model, leaves))
    assert np.array_equal(tn.load(path).theta, model.theta)
    change(graph)
    path.write_bytes(encoded(model, leaves))
    with pytest.raises(CheckpointError):
        tn.load(path)
