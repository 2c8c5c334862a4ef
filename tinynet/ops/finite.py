"""Whether values are finite."""

from __future__ import annotations

import numpy as np

from tinynet.core.engine import Op
from tinynet.core.spec import Spec

all_finite: Op = Op(
    "all_finite",
    infer=lambda x: Spec((), np.dtype(np.bool_)),
    compute=lambda x: np.isfinite(x).all(),
    formula="whether no value of x is NaN or infinite",
)
