"""The largest outputs of a convolution in windows, and which they are, compared in registers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import cgutils

from tinynet.fast.kernels.vectors import Writer, int64, written_by

DEAD = 255  # in place of a winner, where relu cut it


def _write(context: Any, builder: Any, kinds: Any, y: Any, index: Any, outputs: Any, bias: Any) -> None:
    """Write the loop over windows, over vectors of filters, and over the places of a window."""
    writer = Writer(context, builder, kinds[0].dtype)
    bytes_ = Writer(context, builder, kinds[1].dtype, writer.lanes)
    lowest, dead = (w.spread(w.vector.element(v)) for w, v in ((writer, float("-inf")), (bytes_, DEAD)))
    kh, windows, kw, run = (builder.extract_value(outputs.shape, axis) for axis in range(4))
    best, winner = (cgutils.alloca_once(builder, w.vector) for w in (writer, bytes_))
    with cgutils.loop_nest(builder, (writer.parts(run, writer.lanes), windows), int64) as (vector, window):
        mask = writer.mask(builder.sub(run, builder.mul(vector, int64(writer.lanes))))
        added = writer.load(writer.place(bias, vector=vector), mask)
        builder.store(lowest, best)
        builder.store(bytes_.zeros, winner)
        with cgutils.loop_nest(builder, (kh, kw), int64) as (a, b):
            value = writer.load(writer.place(outputs, a, window, b, vector=vector), mask)
            value, before = builder.fadd(value, added), builder.load(best)
            wins = builder.or_(builder.fcmp_ordered(">", value, before), builder.fcmp_unordered("uno", value, value))
            number = builder.trunc(builder.add(builder.mul(a, kw), b), bytes_.vector.element)
            builder.store(builder.select(wins, value, before), best)
            builder.store(builder.select(wins, bytes_.spread(number), builder.load(winner)), winner)
        largest = builder.load(best)
        cut = builder.fcmp_ordered("<=", largest, writer.zeros)
        writer.store(builder.select(cut, writer.zeros, largest), writer.place(y, window, vector=vector), mask)
        bytes_.store(builder.select(cut, dead, builder.load(winner)), bytes_.place(index, window, vector=vector), mask)


@written_by(_write)
def find_winners(y, index, outputs, bias):
    """Write the largest output of each window, with the bias and cut at 0, and its place; for use in kernels.

    Parameters
    ----------
    y, index : array
        (windows, F); index of uint8. The first of equal outputs wins; the last NaN wins over all.
    outputs : array
        (KH, windows, KW, F). The filters lie side by side, all else may lie apart.
    bias : array
        (F,).
    """
    places = outputs.transpose(0, 2, 1, 3).reshape(-1, *y.shape) + bias
    index[:] = np.where(
        np.isnan(places).any(axis=0),
        len(places) - 1 - np.isnan(places[::-1]).argmax(axis=0),
        places.argmax(axis=0),
    )
    y[:] = np.max(places, axis=0)
    index[y <= 0] = DEAD
    y[y <= 0] = 0
