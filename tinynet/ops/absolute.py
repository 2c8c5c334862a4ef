"""The absolute value and the sign."""

from __future__ import annotations

from functools import partial

import numpy as np

from tinynet.ops.pointwise import Elementwise, elementwise, numbers_only, zeros_like

abs: Elementwise = elementwise("abs", np.abs, lambda g, out, x: g * sign(x), formula="|x|", arguments=("x",))
sign: Elementwise = elementwise(
    "sign", np.sign, lambda g, out, x: zeros_like(x), formula="-1, 0 or 1, the sign of x; its derivative is set to 0",
    arguments=("x",), dtype=partial(numbers_only, "sign"),
)  # fmt: skip
