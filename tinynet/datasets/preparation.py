"""How an image of the user's becomes a sample of a dataset: as data, which the record of a run keeps."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tinynet.errors import FileFormatError


@dataclass(frozen=True)
class Preparation:
    """How an image becomes a sample.

    Attributes
    ----------
    shape : (int, int, int)
        Height, width and channels of a sample.
    box : int
        Of drawings, light on dark: the longer side of the ink in a sample. 0 for photographs, which are scaled and
        cut to the shape.
    by_mass : bool
        Of drawings: whether the centre of mass is put into the middle, instead of the ink as a whole.
    """

    shape: tuple[int, int, int]
    box: int = 0
    by_mass: bool = False

    @property
    def drawn(self) -> bool:
        """Whether the samples are drawings, light on dark."""
        return self.box > 0

    def record(self) -> dict[str, Any]:
        """Return all of it in values that JSON has words for; `of_record` is the inverse."""
        return {**asdict(self), "shape": list(self.shape)}

    @staticmethod
    def of_record(record: Any) -> Preparation:
        """Read what `record` returned, from a file; a FileFormatError says that it is damaged."""
        try:
            shape, box, by_mass = record["shape"], record["box"], record["by_mass"]
            whole = all(type(n) is int and 0 <= n <= 4096 for n in (*shape, box))
            if not whole or len(shape) != 3 or 0 in shape or shape[2] not in (1, 3) or type(by_mass) is not bool:
                raise ValueError
        except (TypeError, KeyError, ValueError):
            raise FileFormatError(f"{str(record)[:80]} does not say how an image becomes a sample") from None
        return Preparation((shape[0], shape[1], shape[2]), box, by_mass)
