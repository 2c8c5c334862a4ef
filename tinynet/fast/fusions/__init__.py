"""The fusions, one file each, in the order in which they are tried."""

from tinynet.core.engine import Op
from tinynet.fast.fusions import (
    bias_relu,
    conv_pool,
    cross_entropy,
    descend,
    gather,
    in_place,
    standardised_matvec,
)
from tinynet.fast.match import Fusion

FUSIONS: tuple[Fusion, ...] = (
    gather.FUSION,
    standardised_matvec.FUSION,
    conv_pool.FUSION,
    bias_relu.FUSION,
    cross_entropy.FUSION,
    descend.FUSION,
    in_place.FUSION,
)

STANDS_FOR: dict[Op, str] = {op: parts for fusion in FUSIONS for op, parts in fusion.ops.items()}
