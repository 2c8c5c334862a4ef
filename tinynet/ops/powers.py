"""Powers and the logarithm."""

from __future__ import annotations

from functools import partial

import numpy as np

from tinynet.ops.compare import where
from tinynet.ops.dtypes import check_floating
from tinynet.ops.pointwise import Elementwise, elementwise, unary

log: Elementwise = unary("log", np.log, lambda g, out, x: g / x, formula="the natural logarithm of x")
# At x = 0 the factors x**(y - 1) and log(x) are replaced where they meet a factor of zero, which is to win.
power: Elementwise = elementwise(
    "power",
    np.power,
    lambda g, out, x, y: g * y * x ** where(x == 0, where(y == 0, 1.0, y - 1), y - 1),
    lambda g, out, x, y: g * out * log(where(x == 0, 1.0, x)),
    formula="x^y",
    dtype=partial(check_floating, "power"),
)
