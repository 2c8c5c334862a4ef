"""Tensors and how they are differentiated; nothing here knows a concrete op."""
