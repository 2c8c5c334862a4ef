"""Images moved at random."""

from __future__ import annotations

from tinynet import ops
from tinynet.core.engine import Tensor
from tinynet.errors import ArgumentError
from tinynet.nn.augmentation import Augmentation
from tinynet.ops import random


class RandomShift(Augmentation):
    """In training, move each image by whole pixels, up or down, left or right; new pixels at the edge are 0.

    All distances up to the largest are equally likely. This is RandomTranslation of Keras with fill_mode="constant",
    but pixels are not interpolated.

    Parameters
    ----------
    height, width : int or float
        The largest distance, vertically and horizontally: an int counts pixels, a float from 0 to 1 is the share of the
        image's height or width, rounded to pixels. ``width`` is ``height`` by default.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If a distance is below 0, or a float above 1.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> image, layer = np.arange(1.0, 10.0).reshape(1, 3, 3, 1), tn.RandomShift(1)
    >>> np.array_equal(layer(image).data, image)
    True
    >>> with tn.train_mode(seed=1):
    ...     moved = layer(image)
    >>> moved.data[0, :, :, 0]
    array([[5., 6., 0.],
           [8., 9., 0.],
           [0., 0., 0.]])
    """

    kind = "random_shift"

    def __init__(self, height: float, width: float | None = None, name: str | None = None) -> None:
        super().__init__(name)
        self.height = self._distance("height", height)
        self.width = self.height if width is None else self._distance("width", width)

    def _distance(self, argument: str, given: float) -> float:
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        if not is_number or given < 0 or not (isinstance(given, int) or given <= 1):
            raise ArgumentError(
                f"RandomShift: {argument} must be an integer of 0 or more, in pixels, or a float from 0 to 1, the "
                f"share of the image, but got {given!r}"
            )
        return given

    def places(self, n: int, h: int, w: int, dtype: str) -> tuple[tuple[Tensor | float, ...], ...]:
        """Return the places, moved."""
        t, u = (self._draw(n, most, length, dtype) for most, length in ((self.height, h), (self.width, w)))
        return (1, 0, t), (0, 1, u)

    def _draw(self, n: int, most: float, length: int, dtype: str) -> Tensor:
        """Draw whole numbers from -most to most."""
        pixels = most if isinstance(most, int) else round(most * length)
        parts = random.uniform((n,), high=2 * pixels + 1)  # rounding does not lead to the upper end
        return ops.cast(ops.cast(parts, "int64"), dtype) - pixels
