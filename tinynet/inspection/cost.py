"""What one use of an op costs, as numbers; `tinynet.inspection.costs` has those of each op."""

from typing import NamedTuple


class Cost(NamedTuple):
    """What one use of an op costs."""

    flops: int  # of products, a multiply-add being two; without products, one for each value of the output
    dead: int = 0  # more that would be spent on outputs that nothing reads
    sparse: int = 0  # and on gradients that are 0
    winograd: int = 0  # and on products that Winograd's algorithm does without
    how: str = ""  # the way it is computed, if not by a plain kernel or by NumPy
    reads: int | None = None  # bytes of the inputs, where that is not all of them
