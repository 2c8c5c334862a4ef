"""Measurements of tinynet: `compare` sets it beside its peers, `test_kernels.py` times each op."""
