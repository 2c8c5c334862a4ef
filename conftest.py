"""Files that need a package of an extra are left out of the doctests where that is missing."""

from importlib.util import find_spec

_NEEDED = {"tinynet/onnx/*": "onnx", "tests/ops/freeze_torch.py": "torch"}
collect_ignore_glob = [files for files, package in _NEEDED.items() if not find_spec(package)]
