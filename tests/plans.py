"""Plans of models, with names for their inputs and outputs."""

import numpy as np

from tinynet.core.engine import Tensor
from tinynet.core.graph import Graph
from tinynet.core.mode import tracing
from tinynet.core.spec import Spec
from tinynet.core.transaction import TrainMode, Transaction, within
from tinynet.fast.compile import fuse_graph, graph_of
from tinynet.fast.plan import Plan
from tinynet.ops.loss import scalar_loss
from tinynet.ops.shape import _index


def placeholder(shape, dtype="float64"):
    return Tensor(Spec(tuple(shape), np.dtype(dtype)))


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


def training_plan(model, loss, optimizer, x, y, batch, fused=True):
    """The plan of a training step: takes "indices" and what is live; gives "loss", "output" and "labels"."""
    data = [Tensor(np.ascontiguousarray(a)) for a in (x, y)]
    optimizer.state_of(model)
    step = Transaction(TrainMode(seed=0))
    with tracing():
        indices = placeholder((batch,), np.intp)
        with within(step):
            output = model(_index(data[0], indices, checked=True))
            labels = _index(data[1], indices, checked=True)
            value = scalar_loss(loss, output, labels)
            optimizer.minimize(value, model)
        graph = graph_of(step, [indices], [value, output, labels])
        names = ("learning_rate", *(name for name in optimizer.live if getattr(optimizer, name)))
        live = {name: symbol for name, (symbol, _) in zip(names, step.live, strict=True)}
        outputs = dict(zip(("loss", "output", "labels", "check 0", "check 1"), graph.outputs.values(), strict=True))
        graph = graph._replace(inputs={"indices": indices, **live}, outputs=outputs)
        return Plan(*fuse_graph(graph, fused))
