"""Models as ONNX files: ONNX Runtime computes from them what tinynet predicts."""

import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinynet as tn
from tests.fast.networks import Apply, networks, rows_reversed
from tests.nn.layer_table import ROWS as LAYERS
from tests.ops.op_table import OF_OPTIMIZERS, OPS, ROWS
from tinynet.errors import ArgumentError, MissingPackageError, WriteError
from tinynet.fast import fusions
from tinynet.recipes import RECIPES

onnx = pytest.importorskip("onnx", reason="the package onnx is missing, which the extra test brings")

from tests.onnx.compare import check_alike, distance, kinds, outputs, session  # noqa: E402
from tinynet.onnx.exporting import IR_VERSION, NOT_WRITTEN, OPSET, WRITTEN, as_onnx  # noqa: E402

# --- every op

# Ops that no forward has: the fused ones are made of a plan's graph, and optimizers have their own.
NEVER_IN_A_FORWARD = [*fusions.STANDS_FOR, *OF_OPTIMIZERS]


@pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
def test_each_op_is_written_or_there_is_a_reason(op):
    homes = [op in WRITTEN, op in NOT_WRITTEN, op in NEVER_IN_A_FORWARD]
    assert homes.count(True) == 1
    assert NOT_WRITTEN.get(op, "a reason")


class Calls(tn.Model):
    """A model that ignores its samples, and applies a function to arrays."""

    def __init__(self, call, arrays, attrs, dtype):
        super().__init__(input_shape=(1,), seed=0, dtype=dtype)
        self.call, self.attrs = call, attrs
        self.tensors = [tn.Tensor(a) for a in arrays]

    def forward(self, x):
        y = self.call(*self.tensors, **self.attrs)
        return y + 0 if y.node is None else y


def op_of(row):
    return OPS.get(row.name)


def writable(row):
    """Whether a row of the table of ops is that of an op that is written, or of a function of such ops."""
    return op_of(row) not in NOT_WRITTEN and op_of(row) not in NEVER_IN_A_FORWARD


@pytest.mark.parametrize("row", [row for row in ROWS.values() if writable(row)], ids=str)
@given(data=st.data())
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
def test_onnx_runtime_computes_each_op_as_tinynet_does(row, data):
    case = data.draw(row.cases)
    arrays = [a.astype(np.float32) if a.dtype == np.float64 else a for a in case.inputs]
    model = Calls(row.call, arrays, case.attrs, "float32")
    with tn.reference():
        wanted = model(np.zeros((1, 1), np.float32)).data
    scale = max((np.abs(a).max(initial=0) for a in arrays if a.dtype.kind == "f"), default=0)
    assert distance(outputs(as_onnx(model), np.zeros((1, 1), np.float32)), wanted, scale) <= 1e-5


# --- every layer, and any network


@pytest.mark.parametrize("row", LAYERS.values(), ids=list(LAYERS))
def test_each_layer_predicts_the_same(row):
    check_alike(row.model(dtype="float32"), row.samples(3))


@pytest.mark.parametrize("name", RECIPES)
def test_the_reference_models_predict_the_same(name):
    model = RECIPES[name].model(seed=0)
    check_alike(model, np.random.default_rng(0).integers(0, 256, (3, *model.input.shape)))


@given(networks(3, (None, "softmax"), ("float32",)), st.integers(0, 100))
@settings(suppress_health_check=list(HealthCheck))
def test_any_network_predicts_the_same(network, seed):
    model = network.make()
    x = np.random.default_rng(seed).normal(size=(4, *model.input.shape))
    if any(part.args == (rows_reversed,) for part in network.layers):
        with pytest.raises(ArgumentError, match="'index'"):
            as_onnx(model)
    else:
        check_alike(model, x)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("stride", [1, 2, (3, 2)])
@pytest.mark.parametrize("kernel", [(3, 3), (2, 4)])
def test_images_that_are_not_square_strides_padding_and_the_order_of_flatten(padding, stride, kernel):
    layers = [
        tn.Conv2D(4, kernel, stride, padding, "relu"),
        tn.Conv2D(5, (2, 1), padding=padding),
        tn.BatchNorm(),
        tn.MaxPool(2, 1, padding=padding),
        tn.AvgPool((1, 2), padding=padding),
        tn.Flatten(),
        tn.Dense(3, "softmax"),
    ]
    model = tn.Sequential([tn.Input((11, 14, 3), shift=0.5, scale=2.0), *layers], seed=0)
    rng = np.random.default_rng(0)
    for name, state in model.states.items():
        state.memory[...] = rng.uniform(0.5, 1.5, state.shape) if name.endswith("variance") else rng.normal(size=5)
    made = check_alike(model, rng.normal(size=(3, 11, 14, 3)))
    assert kinds(made).count("Transpose") == 2  # to N C H W at the start, and back to N H W C for Flatten


def test_float64_is_written_as_such():
    model = tn.Sequential([tn.Input((3,)), tn.Dense(4, "tanh"), tn.Dense(2)], seed=0, dtype="float64")
    check_alike(model, np.random.default_rng(0).normal(size=(5, 3)), rtol=1e-14)


def test_layers_that_act_in_training_only_are_left_out():
    layers = [tn.RandomShift(1), tn.RandomFlip(), tn.GaussianNoise(0.1), tn.Dropout(0.5), tn.Flatten(), tn.Dense(2)]
    made = check_alike(tn.Sequential([tn.Input((4, 5, 1)), *layers], seed=0), np.ones((2, 4, 5, 1)))
    assert kinds(made) == ["Reshape", "MatMul", "Add"]


def test_a_forward_may_take_gradients():
    class Field(tn.Layer):
        def build(self, input_shape, rng):
            self.potential = tn.Dense(1, "tanh")

        def forward(self, x):
            x = x + 0.0
            x.requires_grad = True
            (gradient,) = tn.grad([self.potential(x)], [x], [tn.Tensor(np.ones((x.shape[0], 1), np.float32))])
            return gradient

    check_alike(tn.Sequential([tn.Input((3,)), Field()], seed=0), np.random.default_rng(0).normal(size=(4, 3)))


def test_several_inputs_and_outputs_have_names():
    class Two(tn.Model):
        def __init__(self):
            super().__init__(seed=0)
            self.left, self.right = tn.Input((3,), scale=2.0), tn.Input((2,), integers=True)
            self.embedding, self.dense = tn.Embedding(5, 4), tn.Dense(4)

        def forward(self, image, words):
            both = self.dense(self.left(image)) + self.embedding(self.right(words)).mean(1)
            return {"both": both, "sign": both > 0, "parts": [both, self.left(image)]}

    model = Two()
    made = as_onnx(model)
    onnx.checker.check_model(made, full_check=True)
    image, words = np.random.default_rng(0).normal(size=(6, 3)).astype("f"), np.arange(12).reshape(6, 2) % 5
    both, sign = session(made).run(["both", "sign"], {"image": image, "words": words})
    wanted = model(image, words)
    assert distance(both, wanted["both"].data) < 1e-5
    assert np.array_equal(sign, both > 0)
    assert [port.name for port in made.graph.output] == ["both", "sign", "parts_0", "parts_1"]


# --- what is in the file


def small():
    layers = [tn.Conv2D(3, (2, 3), name="first"), tn.ReLU(), tn.Flatten(), tn.Dense(2, name="last")]
    return tn.Sequential([tn.Input((5, 6, 2), shift=3.0, scale=0.5), *layers], seed=0, name="little")


def test_versions_and_names_are_in_the_file(tmp_path):
    model = small()
    tn.onnx.save(model, tmp_path / "model.onnx")
    made = onnx.load(tmp_path / "model.onnx")
    assert (made.producer_name, made.producer_version, made.ir_version) == ("tinynet", tn.__version__, IR_VERSION)
    assert [(opset.domain, opset.version) for opset in made.opset_import] == [("", OPSET)]
    assert made.graph.name == "little"
    held = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in made.graph.initializer}
    assert set(model.parameters) <= set(held)
    assert np.array_equal(held["first.weight"], model.parameters["first.weight"].data.transpose(3, 2, 0, 1))
    assert np.array_equal(held["last.weight"], model.parameters["last.weight"].data)
    dims = [
        [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*made.graph.input, *made.graph.output)
    ]
    assert dims == [["N", 5, 6, 2], ["N", 2]]
    assert [v.name for v in (*made.graph.input, *made.graph.output)] == ["input", "output"]


def test_the_same_model_makes_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        tn.onnx.save(small(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_convolution_bias_and_relu_stay_in_the_order_of_axes_of_onnx():
    assert kinds(as_onnx(small())) == [
        "Sub",
        "Mul",
        "Transpose",
        "Conv",
        "Relu",
        "Transpose",
        "Reshape",
        "MatMul",
        "Add",
    ]


def test_a_shared_layer_has_its_parameters_once():
    dense = tn.Dense(3)
    made = check_alike(tn.Sequential([tn.Input((3,)), dense, tn.ReLU(), dense], seed=0), np.ones((2, 3)))
    assert len([t for t in made.graph.initializer if t.name.endswith("weight")]) == 1


def test_a_filter_that_two_ops_use_is_right_for_both():
    class Twice(tn.Layer):
        def build(self, input_shape, rng):
            self.weight = self.add_parameter("weight", (2, 2, 3, 3), "he_normal")

        def forward(self, x):
            return tn.ops.conv2d_transpose(tn.ops.conv2d(x, self.weight), self.weight) * self.weight.sum()

    check_alike(
        tn.Sequential([tn.Input((4, 5, 3)), Twice()], seed=0), np.random.default_rng(0).normal(size=(2, 4, 5, 3))
    )


# --- batches of any size


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x - x.mean(0),
        lambda x: x.reshape(-1).reshape(x.shape[0], 1, 4),
        lambda x: tn.ops.broadcast_to(x.reshape(1, x.shape[0], 4), (2, x.shape[0], 4)).transpose(1, 0, 2),
        lambda x: tn.ops.concatenate([x, x])[: x.shape[0]],
        lambda x: x * float(x.shape[0]),
        lambda x: tn.ops.pad(x, [(0, 0), (1, 2)], 7.0),
        lambda x: x[::-1, 1:-1:2],
        lambda x: x[:, None, -1:, ...],
        lambda x: tn.ops.repeat(x, [2, 0, 1, 1], axis=1),
        lambda x: tn.ops.logaddexp(tn.ops.where(x > 0, -np.inf, x), tn.ops.where(x > 0, -np.inf, x)),
    ],
)
def test_what_depends_on_the_size_of_the_batch_is_worked_out_anew(function):
    model = tn.Sequential([tn.Input((4,)), Apply(function)])
    check_alike(model, np.random.default_rng(0).normal(size=(6, 4)))


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x: x[: x.shape[0] // 2 + 1], r"op 'slice' has key"),
        (lambda x: sum([x[i] for i in range(x.shape[0])]), r"uses \d+ ops for a batch of 3"),
        (lambda x: x[np.arange(x.shape[0])], r"op 'index' takes an array of shape \(3,\)"),
        (lambda x: x * tn.Tensor(np.random.default_rng().normal(size=4)), r"op 'multiply' takes an array.*at random"),
        (lambda x: x / (x.shape[0] + 1), r"op 'divide' takes an array"),
        (
            lambda x: tn.ops.matmul(x, x, trans_b=True).reshape(-1),
            r"op 'reshape' has shape = 9 for a batch of 3 and 25",
        ),
    ],
)
def test_what_a_file_cannot_say_of_the_batch_is_refused_by_name(function, says):
    model = tn.Sequential([tn.Input((4,)), Apply(function)])
    with pytest.raises(ArgumentError, match=f"(?s){says}"):
        as_onnx(model)


# --- what is refused


def test_ops_that_cannot_be_written_are_named_all_at_once_and_nothing_is_written(tmp_path):
    odd, even = (tn.Op(name, infer=lambda x: x, compute=lambda x: x + 1) for name in ("odd", "even"))
    model = tn.Sequential([tn.Input((2,)), Apply(lambda x: even(odd(x)))])
    with pytest.raises(ArgumentError, match=r"'odd': it is not one of tinynet's own; .* 'even'"):
        tn.onnx.save(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_model_or_cannot_be_written_is_said(tmp_path):
    with pytest.raises(ArgumentError, match="takes a model"):
        tn.onnx.save(tn.Dense(3), tmp_path / "model.onnx")
    with pytest.raises(WriteError, match="could not write"):
        tn.onnx.save(small(), tmp_path / "no" / "model.onnx")


def test_without_the_package_onnx_there_is_an_error_that_names_the_extra(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "onnx" or name.startswith("tinynet.onnx.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'tinynet-cpu\[onnx\]'"):
        tn.onnx.save  # noqa: B018
