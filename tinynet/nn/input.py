"""The layer through which data enter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tinynet.checks import check_count, check_numbers, defined_in
from tinynet.core.engine import Tensor, constant
from tinynet.core.spec import Shape
from tinynet.errors import ArgumentError, ShapeError
from tinynet.nn.layer import Layer
from tinynet.ops.dtypes import cast
from tinynet.ops.shape import reshape


class Input(Layer):
    """The input of a network, scaled as part of the model: ``(x - shift) * scale``.

    Parameters
    ----------
    shape : sequence of int
        The shape of one sample, such as (28, 28, 1). If it ends in one channel, samples without that axis are taken,
        too.
    shift, scale : array_like
        Numbers, or arrays that broadcast over ``shape``; `adapt` computes both from data.
    name : str, optional
        As for every layer.
    integers : bool
        Whether samples are whole numbers, such as those of words for an `Embedding`, and keep their dtype. Otherwise
        they are converted to the dtype of the model.

    Raises
    ------
    ArgumentError, ShapeError
        If a length is not 1 or more, or shift or scale is not finite, does not broadcast over the shape, or is given
        for integers.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.Input((2,), scale=1 / 255)(np.array([[0, 255]], dtype=np.uint8))
    Tensor([[0., 1.]], dtype=float32)
    """

    kind = "input"
    title = "InputLayer"

    adapt: ClassVar[Callable[..., Any]] = defined_in("tinynet.nn.adapt")
    keep_integers: ClassVar[Callable[[Input, Tensor], Tensor]] = defined_in("tinynet.nn.integers")

    def __init__(
        self,
        shape: Sequence[int],
        shift: npt.ArrayLike = 0.0,
        scale: npt.ArrayLike = 1.0,
        name: str | None = None,
        integers: bool = False,
    ) -> None:
        super().__init__(name)
        if not isinstance(shape, Iterable) or isinstance(shape, str):
            raise ArgumentError(f"Input: shape must be a sequence of integers, such as ({shape!r},), but got {shape!r}")
        self.shape = tuple(check_count("Input: each length of the shape", n) for n in shape)
        self.shift = self._constant("shift", shift)
        self.scale = self._constant("scale", scale)
        self.integers = bool(integers)

    def _constant(self, argument: str, value: npt.ArrayLike) -> npt.NDArray[np.float64]:
        array = np.array(check_numbers(f"Input: {argument}", value), dtype=np.float64)
        array.flags.writeable = False  # since a plan may hold its values
        if not np.isfinite(array).all():
            raise ArgumentError(f"Input: {argument} must be finite, but has NaN or infinite values")
        try:
            fits = np.broadcast_shapes(array.shape, self.shape) == self.shape
        except ValueError:
            fits = False
        if not fits:
            raise ShapeError(f"Input: {argument} of shape {array.shape} does not broadcast over {self.shape}")
        return array

    def check(self, shape: Shape, name: str = "x") -> None:
        """Raise a ShapeError if a batch, called ``name`` in the error, does not have the shape of this input."""
        fits = shape[1:] == self.shape or (self.shape[-1:] == (1,) and shape[1:] == self.shape[:-1])
        if not fits or not shape:
            short = f" or {('n', *self.shape[:-1])}" if self.shape[-1:] == (1,) else ""
            raise ShapeError(
                f"layer {self} takes samples of shape {self.shape}, so {name} must have shape "
                f"{('n', *self.shape)}{short}, but has {shape}".replace("'n'", "n"),
                located=True,
            )

    def forward(self, x: Tensor) -> Tensor:
        """Shift and scale, in the dtype of the model; the shift comes first if the conversion would lose digits."""
        self.check(x.shape)
        assert self.building is not None
        x = reshape(x, (x.shape[0], *self.shape))
        if self.integers:
            return self.keep_integers(x)
        if self.shift.ndim or self.shift != 0:
            exact = np.promote_types(x.dtype, self.building.dtype)
            x = cast(x, exact) - constant(self.shift.astype(exact))
        x = cast(x, self.building.dtype)
        if self.scale.ndim or self.scale != 1:
            x = x * constant(self.scale.astype(x.dtype))
        return x
