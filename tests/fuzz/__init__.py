"""Fuzzing guided by coverage: any bytes that a reader is given are read well, or raise an error of tinynet's."""
