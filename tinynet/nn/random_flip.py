"""Images mirrored at random."""

from __future__ import annotations

from tinynet import ops
from tinynet.core.engine import Tensor
from tinynet.errors import ArgumentError
from tinynet.nn.augmentation import Augmentation
from tinynet.ops import random


class RandomFlip(Augmentation):
    """In training, mirror each image with a probability of one half, in each of the directions asked for.

    Parameters
    ----------
    mode : {"horizontal_and_vertical", "horizontal", "vertical"}
        Exchange left and right, top and bottom, or draw both independently.
    name : str, optional
        As for every layer.

    Raises
    ------
    ArgumentError
        If the mode is not one of these.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> images, layer = np.tile(np.arange(3.0), (4, 1)).reshape(4, 1, 3, 1), tn.RandomFlip("horizontal")
    >>> with tn.train_mode(seed=1):
    ...     flipped = layer(images)
    >>> flipped.data[:, 0, :, 0]
    array([[0., 1., 2.],
           [2., 1., 0.],
           [0., 1., 2.],
           [2., 1., 0.]])
    """

    kind = "random_flip"

    def __init__(self, mode: str = "horizontal_and_vertical", name: str | None = None) -> None:
        super().__init__(name)
        if mode not in ("horizontal_and_vertical", "horizontal", "vertical"):
            raise ArgumentError(
                f'RandomFlip: mode must be "horizontal_and_vertical", "horizontal" or "vertical", but got {mode!r}'
            )
        self.mode = mode

    def places(self, n: int, h: int, w: int, dtype: str) -> tuple[tuple[Tensor | float, ...], ...]:
        """Return the places, counted from one end or from the other."""
        a, t = self._draw(n, h, dtype) if "vertical" in self.mode else (1, 0)
        e, u = self._draw(n, w, dtype) if "horizontal" in self.mode else (1, 0)
        return (a, 0, t), (0, e, u)

    def _draw(self, n: int, length: int, dtype: str) -> tuple[Tensor, Tensor]:
        flipped = ops.cast(random.bernoulli(0.5, (n,)), dtype)
        return 1 - 2 * flipped, flipped * (length - 1)
