"""Plans of models, with names for their inputs and outputs."""

from tinynet.core.engine import Tensor
from tinynet.core.graph import Graph
from tinynet.core.mode import tracing
from tinynet.core.spec import Spec
from tinynet.core.transaction import TrainMode, Transaction, within
from tinynet.fast.compile import fuse_graph
from tinynet.fast.plan import Plan
from tinynet.ops.loss import scalar_loss


def placeholder(shape, dtype="float64"):
    return Tensor(Spec(tuple(shape), dtype))


def inference_plan(model, spec, fused=True):
    """The plan of a forward pass: takes "x" of that spec, gives "output"."""
    with tracing():
        x = Tensor(spec)
        output = model(x)
        return Plan(*fuse_graph(Graph({"x": x}, {"output": output}), fused))


def evaluation_plan(model, loss, x_spec, y_spec, fused=True):
    """The plan of a forward pass with its loss: takes "x" and "y", gives "output" and "loss"; and the traced output."""
    with tracing():
        x, y = Tensor(x_spec), Tensor(y_spec)
        output = model(x)
        value = scalar_loss(loss, output, y)
        return Plan(*fuse_graph(Graph({"x": x, "y": y}, {"output": output, "loss": value}), fused)), output
