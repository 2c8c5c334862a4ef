"""The error of the processes of a world."""

from __future__ import annotations

from tinynet.errors import TinynetError


class WorldError(TinynetError, RuntimeError):
    """The processes of a world cannot work together: one has failed or does not answer, or they differ.

    Attributes
    ----------
    elsewhere : bool
        Whether another process failed, which reports the reason itself.
    """

    def __init__(self, message: str, elsewhere: bool = False) -> None:
        super().__init__(message)
        self.elsewhere = elsewhere
