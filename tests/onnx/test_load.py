"""ONNX files as models: they compute what the program that wrote them computed, and are trained, saved and frozen."""

import copy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinynet as tn
from tests.fast.networks import networks, rows_reversed
from tests.nn.layer_table import ROWS as LAYERS
from tinynet.errors import ArgumentError, CheckpointError, MissingFileError

onnx = pytest.importorskip("onnx", reason="the package onnx is missing, which the extra test brings")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from tests.onnx.compare import check_alike, distance, session  # noqa: E402
from tinynet.core.engine import ancestors  # noqa: E402

# --- files of tinynet's own come back


def check_comes_back(model, x, path, rtol=1e-5):
    """A model that was written and read predicts the same, for batches of two sizes; returns it."""
    tn.onnx.save(model, path)
    same = tn.onnx.load(path)
    x = np.asarray(x, model.dtype)
    for n in (1, len(x)):
        with tn.reference():
            assert distance(same.predict(x[:n]), model.predict(x[:n])) <= rtol
    return same


@pytest.mark.parametrize("row", LAYERS.values(), ids=list(LAYERS))
@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_each_layer_comes_back(row, dtype, tmp_path):
    model = row.model(dtype=dtype)
    same = check_comes_back(model, row.samples(3), tmp_path / "m.onnx", 1e-5 if dtype == "float32" else 1e-12)
    assert same.dtype == dtype
    assert same.theta.size == model.theta.size


@given(networks(3, (None, "softmax"), ("float32",)), st.integers(0, 100))
@settings(suppress_health_check=list(HealthCheck))
def test_any_network_comes_back(tmp_path_factory, network, seed):
    if any(part.args == (rows_reversed,) for part in network.layers):
        return
    model = network.make()
    x = np.random.default_rng(seed).normal(size=(4, *model.input.shape))
    check_comes_back(model, x, tmp_path_factory.mktemp("files") / "m.onnx")


# --- files that other programs wrote

FILES = sorted((Path(__file__).parent / "files").glob("*.onnx"))
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)

FEW = ("keras_network", "sklearn_logistic", "torch_separable", "torch_training")
each_file_later = pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=() if path.stem in FEW else pytest.mark.slow) for path in FILES],
    ids=lambda path: path.stem,
)


def data_of(path):
    with np.load(path.with_suffix(".npz")) as held:
        return held["x"], held["y"]


@each_file
def test_a_file_of_another_program_computes_what_that_computed(path):
    x, y = data_of(path)
    model = tn.onnx.load(path)
    assert np.ptp(y) > 0.01
    for n in (1, 2, len(x)):
        with tn.reference():
            assert distance(model.predict(x[:n]), y[:n]) < 1e-5


@each_file_later
def test_it_is_trained_saved_copied_and_written_again(path, tmp_path):
    x, y = data_of(path)
    model = tn.onnx.load(path)
    target = y[:, ::-1].copy() if y.shape[1] > 1 else y + 1
    with tn.reference():
        before = model.evaluate(x, target, loss="mse", metrics=[])["loss"]
        model.fit(x, target, epochs=3, batch_size=2, loss="mse", metrics=[], optimizer=tn.Adam(1e-3), seed=0, verbose=0)
        assert model.evaluate(x, target, loss="mse", metrics=[])["loss"] < before
        trained = model.predict(x)
        model.save(tmp_path / "model.safetensors")
        tn.onnx.save(model, tmp_path / "again.onnx")
        others = [
            tn.load(tmp_path / "model.safetensors"),
            copy.deepcopy(model),
            model.astype("float64"),
            tn.onnx.load(tmp_path / "again.onnx"),
        ]
        for other in others:
            assert np.abs(other.predict(x) - trained).max() < 1e-5
        assert np.array_equal(others[0].predict(x), trained)
        assert list(others[0].leaves) == list(model.leaves)


@each_file_later
def test_onnx_runtime_reads_what_is_written_again(path):
    model = tn.onnx.load(path)
    x, _ = data_of(path)
    check_alike(model, x)


@pytest.mark.parametrize(("name", "most"), [("torch_residual", 1), ("torch_training", 1), ("keras_network", 0)])
def test_transposes_cancel(name, most):
    """But for that of the samples to N H W C, in a file that has N C H W."""
    model = tn.onnx.load(next(path for path in FILES if path.stem == name))
    found = [node.op.name for node in ancestors([model.made])]
    assert found.count("transpose") == most
    assert found.count("conv2d") >= 3


def test_parameters_keep_their_names_and_lie_as_ops_take_them(capsys):
    model = tn.onnx.load(FILES[0].with_name("torch_training.onnx"))
    assert model.parameters["layer1.conv1.weight"].shape == (3, 3, 4, 4)
    assert model.parameters["fc.weight"].shape == (6, 3)
    assert list(model.layers) == ["stem", "norm", "layer1", "layer2", "fc"]
    assert list(model.layers["layer1"].layers) == ["conv1", "bn1", "conv2", "bn2"]
    assert {name for name in model.states if name.startswith("norm")} == {"norm.running_mean", "norm.running_var"}
    model.summary()
    assert "fc (Group)          (None, 3)                   21" in capsys.readouterr().out


def test_running_means_follow_the_batches_unless_they_are_frozen():
    path = FILES[0].with_name("torch_training.onnx")
    x, y = data_of(path)
    for frozen in (False, True):
        model = tn.onnx.load(path)
        model.layers["layer1"].trainable = not frozen
        before = {name: leaf.data.copy() for name, leaf in model.leaves.items()}
        with tn.reference():
            model.fit(x, y, epochs=1, loss="mse", metrics=[], optimizer=tn.SGD(0.1), seed=0, verbose=0)
        same = {name for name, leaf in model.leaves.items() if np.array_equal(leaf.data, before[name])}
        within = {name for name in before if name.startswith("layer1.")}
        assert same - {"stem.bias"} == (within if frozen else set())  # which the means of batches take off again


def test_the_head_of_a_network_is_replaced_and_the_rest_frozen():
    path = FILES[0].with_name("torch_residual.onnx")
    x, _ = data_of(path)
    names = [node.output[0] for node in onnx.load(path).graph.node]
    body = tn.onnx.load(path, output=names[-2])
    body.trainable = False
    model = tn.Sequential([body, tn.Dense(2, "softmax")], input_shape=(3, 20, 28), seed=0)
    with tn.reference():
        features = body(x).data
        assert features.shape == (3, 6)
        losses = model.fit(x, [0, 1, 0], epochs=9, optimizer=tn.Adam(0.05), seed=0, verbose=0).history["loss"]
        assert losses[-1] < losses[0]
        assert np.array_equal(body(x).data, features)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torch_residual", "torch_separable", "keras_network", "sklearn_mlp"])
def test_a_compiled_fit_goes_the_way_of_an_eager_one(name):
    path = FILES[0].with_name(f"{name}.onnx")
    x, y = data_of(path)
    thetas = []
    for compiled in (True, False):
        model = tn.onnx.load(path)
        model.fit(
            x, y[::-1].copy(), epochs=2, batch_size=2, loss="mse", metrics=[], seed=0, verbose=0, compiled=compiled,
            optimizer=tn.SGD(0.1),
        )  # fmt: skip
        thetas.append(model.theta.copy())
        assert np.abs(model.predict(x, compiled=compiled) - model.predict(x, compiled=not compiled)).max() < 1e-5
    assert np.abs(thetas[0] - thetas[1]).max() < 1e-5


# --- files made here


def write(path, nodes, inputs, outputs, arrays=(), opset=18, **rest):
    """Write a graph: inputs and outputs by name with the shape, arrays by name."""
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs],
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in outputs],
        [numpy_helper.from_array(array, name) for name, array in dict(arrays).items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, **rest)
    path.write_bytes(made.SerializeToString())
    return path


FLOAT = TensorProto.FLOAT
IN, OUT = [("x", FLOAT, ["n", 4])], [("y", FLOAT, None)]
node = helper.make_node


def test_operators_that_there_are_not_are_all_named_with_their_nodes_before_anything_is_built(tmp_path):
    nodes = [
        node("Resize", ["x"], ["a"], name="first"),
        node("Relu", ["a"], ["b"]),
        node("Resize", ["b"], ["c"], name="second"),
        node("Fused", ["c"], ["y"], name="third", domain="com.example"),
    ]
    path = write(tmp_path / "m.onnx", nodes, IN, OUT)
    with pytest.raises(CheckpointError, match=r"Resize, in 'first', 'second'; com\.example\.Fused, in 'third'$"):
        tn.onnx.load(path)


def test_what_is_not_needed_for_the_output_may_be_unknown(tmp_path):
    nodes = [node("Relu", ["x"], ["y"]), node("Fused", ["x"], ["other"], domain="com.example")]
    path = write(tmp_path / "m.onnx", nodes, IN, [*OUT, ("other", TensorProto.INT64, None)])
    assert tn.onnx.load(path).predict(-np.ones((1, 4))).max() == 0


def test_one_of_several_outputs_is_named(tmp_path):
    nodes = [node("Relu", ["x"], ["y"]), node("Neg", ["x"], ["z"])]
    path = write(tmp_path / "m.onnx", nodes, IN, [*OUT, ("z", FLOAT, None)])
    with pytest.raises(ArgumentError, match=r"2 outputs of floats.*'y' of float32, 'z' of float32"):
        tn.onnx.load(path)
    with pytest.raises(ArgumentError, match="no value 'w'; its outputs are 'y', 'z'"):
        tn.onnx.load(path, output="w")
    assert tn.onnx.load(path, output="z").predict(np.ones((1, 4))).tolist() == [[-1] * 4]


def test_a_shape_that_is_open_is_given(tmp_path):
    path = write(tmp_path / "m.onnx", [node("Relu", ["x"], ["y"])], [("x", FLOAT, ["n", 3, "h", "w"])], OUT)
    with pytest.raises(ArgumentError, match=r"leaves open.*\(3, 'h', 'w'\).*input_shape="):
        tn.onnx.load(path)
    with pytest.raises(ArgumentError, match=r"samples of shape \(3, 'h', 'w'\), not \(4, 5, 6\)"):
        tn.onnx.load(path, input_shape=(4, 5, 6))
    assert tn.onnx.load(path, input_shape=(3, 5, 6)).predict(np.ones((2, 3, 5, 6))).shape == (2, 3, 5, 6)


def test_a_graph_that_fits_one_size_of_batch_alone_says_so(tmp_path):
    fixed = {"shape": np.array([8])}
    path = write(tmp_path / "m.onnx", [node("Reshape", ["x", "shape"], ["y"])], [("x", FLOAT, [2, 4])], OUT, fixed)
    tn.onnx.load(path)  # for it is built with two samples
    path = write(tmp_path / "m.onnx", [node("Reshape", ["x", "shape"], ["y"])], [("x", FLOAT, [3, 4])], OUT, fixed)
    write(path, [node("Expand", ["x", "shape"], ["y"])], [("x", FLOAT, [3, 4])], OUT, {"shape": np.array([3, 4])})
    with pytest.raises(CheckpointError, match=r"exported for batches of 3: .*dynamic_axes"):
        tn.onnx.load(path)


@pytest.mark.parametrize(
    ("opset", "nodes", "arrays", "shape"),
    [
        (9, [node("Unsqueeze", ["x"], ["a"], axes=[1]), node("Squeeze", ["a"], ["y"], axes=[1])], {}, (2, 4)),
        (9, [node("ReduceSum", ["x"], ["y"], axes=[1], keepdims=0)], {}, (2,)),
        (9, [node("Clip", ["x"], ["y"], min=0.0, max=1.0)], {}, (2, 4)),
        (9, [node("Slice", ["x"], ["y"], starts=[1], ends=[3], axes=[1])], {}, (2, 2)),
        (9, [node("Pad", ["x"], ["y"], pads=[0, 1, 0, 2], value=5.0)], {}, (2, 7)),
        (11, [node("Softmax", ["x"], ["y"])], {}, (2, 4)),
        (11, [node("Split", ["x"], ["y", "z"], axis=1, split=[1, 3])], {}, (2, 1)),
        (11, [node("Dropout", ["x"], ["y"], ratio=0.9)], {}, (2, 4)),
        (13, [node("ReduceMax", ["x"], ["y"], axes=[-1])], {}, (2, 1)),
        (18, [node("ReduceMax", ["x", "axes"], ["y"])], {"axes": np.array([-1])}, (2, 1)),
    ],
    ids=lambda value: value[0].op_type if isinstance(value, list) else None,
)
def test_operators_of_older_opsets_have_their_settings_elsewhere(opset, nodes, arrays, shape, tmp_path):
    path = write(tmp_path / "m.onnx", nodes, IN, OUT, arrays, opset)
    x = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    found = tn.onnx.load(path).predict(x, compiled=False)
    assert found.shape == shape
    assert distance(found, session(onnx.load(path)).run(None, {"x": x})[0]) < 1e-6


def test_dropout_drops_in_training_only(tmp_path):
    path = write(tmp_path / "m.onnx", [node("Dropout", ["x", "ratio"], ["y"])], IN, OUT, {"ratio": np.float32(0.5)})
    model = tn.onnx.load(path)
    x = np.ones((50, 4), np.float32)
    assert np.array_equal(model(x).data, x)
    with tn.train_mode(seed=0):
        assert set(np.unique(model(x).data)) == {0.0, 2.0}


def test_an_extra_input_and_no_axis_for_samples_are_refused(tmp_path):
    two = [("x", FLOAT, ["n", 4]), ("z", FLOAT, ["n", 4])]
    path = write(tmp_path / "m.onnx", [node("Add", ["x", "z"], ["y"])], two, OUT)
    with pytest.raises(ArgumentError, match="takes 2 inputs, 'x', 'z'"):
        tn.onnx.load(path)
    path = write(tmp_path / "m.onnx", [node("Relu", ["x"], ["y"])], [("x", FLOAT, [])], OUT)
    with pytest.raises(ArgumentError, match="no axes"):
        tn.onnx.load(path)


def test_an_error_of_shapes_names_the_node(tmp_path):
    path = write(
        tmp_path / "m.onnx", [node("MatMul", ["x", "w"], ["y"], name="product")], IN, OUT, {"w": np.ones((3, 2), "f")}
    )
    with pytest.raises(CheckpointError, match=r"node 'product' \(MatMul\): matmul: a has shape \(2, 4\)"):
        tn.onnx.load(path)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(MissingFileError, match="is not a file"):
        tn.onnx.load(tmp_path / "none.onnx")
    with pytest.raises(MissingFileError, match="is a directory"):
        tn.onnx.load(tmp_path)


def test_a_model_file_of_an_imported_model_needs_no_package_onnx(tmp_path):
    tn.onnx.load(FILES[0].with_name("sklearn_mlp.onnx")).save(tmp_path / "m")
    script = (
        "import sys; sys.modules['onnx'] = None\n"
        f"import tinynet as tn; print(tn.load({str(tmp_path / 'm')!r}).theta.size)"
    )
    assert int(subprocess.check_output([sys.executable, "-c", script], text=True)) > 40
