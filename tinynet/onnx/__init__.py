"""Models as ONNX files, and ONNX files as models. It needs the package onnx: ``pip install 'tinynet-cpu[onnx]'``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tinynet.errors import MissingPackageError

if TYPE_CHECKING:
    from tinynet.onnx.exporting import save
    from tinynet.onnx.importing import load

__all__ = ["load", "save"]

_WHERE = {"load": "tinynet.onnx.importing", "save": "tinynet.onnx.exporting"}


def __getattr__(name: str) -> Any:
    """Import what is asked for, and with it the package onnx."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_WHERE[name]), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "onnx":
            raise
        raise MissingPackageError(
            f"tn.onnx.{name} needs the package onnx, which is missing; install it with pip install 'tinynet-cpu[onnx]'"
        ) from error
