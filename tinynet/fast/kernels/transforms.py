"""The transforms of Winograd's algorithm, of tiles that lie in an image or in planes, without an array in between.

They multiply polynomials by their values at 0, 1, -1, for M = 3 also 2, and infinity (Toom and Cook), turned round. For
M = 2 an output is made of nothing but what its filter sees: there, zeros stay zeros and NaN where it is. Each is said
once, along one axis, by a function of numbers. `transform` applies it along columns and rows of tiles, to vectors of
channels, in registers: the tiles are read once and written once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import cgutils

from tinynet.fast.kernels.vectors import Writer, int64, written_by

# --- along one axis


def _inputs_2(a: Any, b: Any, c: Any, d: Any) -> tuple[Any, ...]:
    return a - c, b + c, c - b, d - b


def _inputs_3(a: Any, b: Any, c: Any, d: Any, e: Any) -> tuple[Any, ...]:
    return 2 * (a - c) + (d - b), (d - c) - 2 * b, (d - c) + 2 * (b - c), d - b, 2 * (b - d) + (e - c)


def _taps_2(a: Any, b: Any, c: Any) -> tuple[Any, ...]:
    return a, a + b + c, a - b + c, c


def _taps_3(a: Any, b: Any, c: Any) -> tuple[Any, ...]:
    return a, a + b + c, a - b + c, a + 2 * (b + 2 * c), c


def _outputs_2(a: Any, b: Any, c: Any, d: Any) -> tuple[Any, ...]:
    return a + 0.5 * (b + c), 0.5 * (b - c) + d


def _outputs_3(a: Any, b: Any, c: Any, d: Any, e: Any) -> tuple[Any, ...]:
    """Return 6 times the outputs, in whole numbers; after both ways, they are divided by 36."""
    return 3 * (a - b) + (d - c), (c - 3 * b) + 2 * d, 2 * (2 * d + 3 * e) - 3 * b - c


def _cotangents_2(a: Any, b: Any) -> tuple[Any, ...]:
    """Do the adjoint of the transform of outputs."""
    return a, 0.5 * (a + b), 0.5 * (a - b), b


def _gradients_2(a: Any, b: Any, c: Any, d: Any) -> tuple[Any, ...]:
    """Do the adjoint of the transform of taps."""
    return a + (b + c), b - c, (b + c) + d


_Line = Callable[..., tuple[Any, ...]]
_FROM_IMAGE: dict[str, _Line] = {
    "inputs of 2x2": _inputs_2, "inputs of 3x3": _inputs_3, "taps of 2x2": _taps_2, "taps of 3x3": _taps_3,
    "cotangents of 2x2": _cotangents_2,
}  # fmt: skip
_TO_IMAGE: dict[str, _Line] = {
    "outputs of 2x2": _outputs_2, "outputs of 3x3": _outputs_3, "gradients of 2x2": _gradients_2,
}  # fmt: skip
ALONG = _FROM_IMAGE | _TO_IMAGE


def sides(name: str) -> tuple[int, int]:
    """Return how many rows and columns a tile has in the image and in the planes."""
    along = ALONG[name]
    before = along.__code__.co_argcount
    after = len(along(*range(before)))
    return (after, before) if name in _TO_IMAGE else (before, after)


def _both_ways(name: str, tile: list[Any]) -> list[Any]:
    """Transform the values of a tile, row by row, along its columns, then along its rows."""
    along = ALONG[name]
    side = along.__code__.co_argcount
    columns = [along(*tile[column::side]) for column in range(side)]
    made = [value for row in zip(*columns, strict=True) for value in along(*row)]
    return [value / 36 for value in made] if along is _outputs_3 else made


# --- of a row of tiles


class _Numbers:
    """A vector of numbers, of which sums and multiples are written into the code."""

    def __init__(self, writer: Writer, value: Any) -> None:
        self.writer, self.value = writer, value

    def __add__(self, other: _Numbers) -> _Numbers:
        return _Numbers(self.writer, self.writer.builder.fadd(self.value, other.value, flags=["contract"]))

    def __sub__(self, other: _Numbers) -> _Numbers:
        return _Numbers(self.writer, self.writer.builder.fsub(self.value, other.value, flags=["contract"]))

    def __rmul__(self, factor: float) -> _Numbers:
        return _Numbers(self.writer, self.writer.builder.fmul(self._many(factor), self.value, flags=["contract"]))

    def __truediv__(self, factor: float) -> _Numbers:
        return _Numbers(self.writer, self.writer.builder.fdiv(self.value, self._many(factor)))

    def _many(self, number: float) -> Any:
        return self.writer.spread(self.writer.vector.element(float(number)))


def _write(
    context: Any, builder: Any, kinds: Any, name: str, planes: Any, image: Any, h: Any, w: Any, step: Any
) -> None:
    """Write the loop over tiles, and over vectors of their channels."""
    writer, (side, side_of_planes) = Writer(context, builder, kinds[1].dtype), sides(name)
    height, width, run = (builder.extract_value(image.shape, axis) for axis in range(3))
    rows = [builder.add(h, int64(p)) for p in range(side)]
    high = [builder.icmp_unsigned("<", i, height) for i in rows]
    numbers = [int64(p) for p in range(side_of_planes)]
    with cgutils.for_range(builder, builder.extract_value(planes.shape, 2), intp=int64) as tile:
        left = builder.add(w, builder.mul(tile.index, step))
        columns = [builder.add(left, int64(q)) for q in range(side)]
        wide = [builder.icmp_unsigned("<", j, width) for j in columns]
        whole = builder.and_(builder.and_(high[0], high[-1]), builder.and_(wide[0], wide[-1]))
        with cgutils.for_range(builder, writer.parts(run, writer.lanes), intp=int64) as loop:
            mask = writer.mask(builder.sub(run, builder.mul(loop.index, int64(writer.lanes))))
            of_image = [writer.place(image, i, j, vector=loop.index) for i in rows for j in columns]
            places = [writer.place(planes, p, q, tile.index, vector=loop.index) for p in numbers for q in numbers]
            of_planes = [(place, mask) for place in places]

            def finish(masks: list[Any]) -> None:
                image_side = list(zip(of_image, masks, strict=True))
                source, target = (of_planes, image_side) if name in _TO_IMAGE else (image_side, of_planes)
                made = _both_ways(name, [_Numbers(writer, writer.load(*one)) for one in source])
                for numbers, (place, part) in zip(made, target, strict=True):
                    writer.store(numbers.value, place, part)

            with builder.if_else(whole) as (then, otherwise):
                with then:
                    finish([mask] * side**2)
                with otherwise:
                    finish([builder.and_(mask, writer.spread(builder.and_(i, j))) for i in high for j in wide])


@written_by(_write)
def transform(name, planes, image, h, w, step):
    """Transform a row of tiles of an image to planes, one for each place of a tile, or back; for use in kernels.

    Outputs and gradients go from planes to an image, all else from an image to planes.

    Parameters
    ----------
    name : str
        Of the transform, in ``ALONG``.
    planes : array
        (rows, columns, tiles, C). The channels of a tile lie side by side, all else may lie apart.
    image : array
        (H, W, C), likewise. What of a tile lies outside is read as 0, and not written.
    h, w, step : int
        Where in the image the first tile begins, and how many columns on the next.
    """
    side, tiles = sides(name)[0], planes.shape[2]
    edge = side + abs(h) + abs(w) + step * tiles
    whole = np.pad(image, ((edge, edge), (edge, edge), (0, 0)))
    rows = edge + h + np.arange(side)[:, None, None]
    columns = edge + w + np.arange(side)[:, None] + step * np.arange(tiles)
    tile = planes if name in _TO_IMAGE else whole[rows, columns]
    made = _both_ways(name, list(tile.reshape(-1, *tile.shape[2:])))
    if name in _TO_IMAGE:
        whole[rows, columns] = np.reshape(made, (side, *columns.shape, -1))
        image[:] = whole[edge:-edge, edge:-edge]
    else:
        planes[:] = np.reshape(made, planes.shape)
