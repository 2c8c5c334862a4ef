"""Files that need a package of an extra are left out of the doctests where that is missing."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("onnx") else ["tinynet/onnx/*"]
