"""The table of the layers of a model."""

from __future__ import annotations

from tinynet.model import Model
from tinynet.nn.layer import batch_shape


def summary(model: Model) -> None:
    """Print the layers with their output shapes and numbers of parameters.

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
    for layer in [*model.sublayers(), *([model] if model.own_parameters else [])]:
        parts = [model] if layer is model else [part for _, part in layer.walk()]
        counted = {id(p): p.size for part in parts for p in part.own_parameters.values()}
        shape, count = batch_shape(layer.output_shape), f"{sum(counted.values()):,}"
        rows.append((str(layer).replace("'", ""), shape, count))
    widths = [max(18, *(len(row[i]) for row in rows)) for i in range(2)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>10}" for a, b, c in rows]
    rule = "-" * len(lines[0])
    total = model.theta.size
    print(f"Model: {model.name!r}", lines[0], rule, *lines[1:], rule, sep="\n")
    print(f"Total parameters: {total:,} ({_size(model.theta.nbytes)} in {model.dtype})")
    print(f"Trainable: {total:,}, not trainable: 0")


def _size(n: int) -> str:
    """Write a number of bytes."""
    if n < 1024:
        return f"{n} B"
    return f"{n / 1024:,.1f} KiB" if n < 2**20 else f"{n / 2**20:,.1f} MiB"


Model.summary = summary
