"""The table of the layers of a model."""

from __future__ import annotations

from typing import Any

from tinynet.inspection.shapes import output_shapes
from tinynet.model import Model
from tinynet.train.output import say


def summary(model: Model) -> None:
    """Print the layers with their output shapes and numbers of parameters, also of those that are not trained.

    Not trainable are the parameters of frozen layers, and the states of layers, such as running means.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.Sequential([tn.Input((4,)), tn.Dense(2)]).summary()
    Model: 'sequential'
    Layer (type)        Output shape        Parameters
    --------------------------------------------------
    input (InputLayer)  (None, 4)                    0
    dense (Dense)       (None, 2)                   10
    --------------------------------------------------
    Total parameters: 10 (40 B in float32)
    Trainable: 10, not trainable: 0
    """
    model.build_model()
    rows = [("Layer (type)", "Output shape", "Parameters")]
    rows += [(name, output_shapes(shape), f"{count:,}") for name, shape, count in summary_rows(model)]
    widths = [max(18, *(len(row[i]) for row in rows)) for i in range(2)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>10}" for a, b, c in rows]
    rule = "-" * len(lines[0])
    say("\n".join([f"Model: {model.name!r}", lines[0], rule, *lines[1:], rule, *count_leaves(model)]))


def summary_rows(model: Model) -> list[tuple[str, Any, int]]:
    """Return for each layer its name and type, the shape of its output, and the number of its parameters and states."""
    rows = []
    for layer in [*model.sublayers(), *([model] if model.own_parameters or model.own_states else [])]:
        parts = [model] if layer is model else [part for _, part in layer.walk()]
        counted = {id(p): p.size for part in parts for p in (*part.own_parameters.values(), *part.own_states.values())}
        rows.append((str(layer).replace("'", ""), layer.output_shape, sum(counted.values())))
    return rows


def count_leaves(model: Model) -> tuple[str, str]:
    """Write the number of parameters and states of a model, and how many of them are trained."""
    leaves, trained = model.leaves.values(), sum(span.stop - span.start for span in model.spans())
    total, size = sum(x.size for x in leaves), sum(x.memory.nbytes for x in leaves)
    return (
        f"Total parameters: {total:,} ({_size(size)} in {model.dtype})",
        f"Trainable: {trained:,}, not trainable: {total - trained:,}",
    )


def _size(n: int) -> str:
    """Write a number of bytes."""
    if n < 1024:
        return f"{n} B"
    return f"{n / 1024:,.1f} KiB" if n < 2**20 else f"{n / 2**20:,.1f} MiB"


Model.summary = summary
