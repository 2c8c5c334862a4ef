"""Numba kernels: plain arrays in, plain arrays out; nothing above them is known here."""
