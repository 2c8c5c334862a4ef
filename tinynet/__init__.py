"""tinynet: a deep-learning framework small enough to read in an afternoon, and fast on a CPU."""

__version__ = "0.1.0"
