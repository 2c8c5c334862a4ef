"""Sine and cosine."""

from __future__ import annotations

import numpy as np

from tinynet.ops.pointwise import Elementwise, unary

sin: Elementwise = unary("sin", np.sin, lambda g, out, x: g * cos(x), formula="sin x, for x in radians")
cos: Elementwise = unary("cos", np.cos, lambda g, out, x: -g * sin(x), formula="cos x, for x in radians")
