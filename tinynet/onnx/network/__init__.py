"""Imported models: ONNX graphs in tinynet's ops. Nothing here needs the package onnx."""
