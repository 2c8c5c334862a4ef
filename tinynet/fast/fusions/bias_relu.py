"""Products and convolutions with what follows them: + bias, and relu, while what was made lies in the cache."""

from __future__ import annotations

from typing import Any

from tinynet.core.engine import Node, Op, Tensor
from tinynet.fast.bindings.conv import conv2d_bias
from tinynet.fast.bindings.linear import matmul_bias
from tinynet.fast.implementation import Implementation
from tinynet.fast.match import Fusion, Rewrite, Uses, fits_kernels, fused_op
from tinynet.ops.conv import _conv2d
from tinynet.ops.linear import _matmul
from tinynet.ops.pointwise import add, relu, relu_gradient

_IMPLEMENTATIONS: dict[Op, Implementation] = {_matmul: matmul_bias, _conv2d: conv2d_bias}


def _declare(op: Op, implementation: Implementation) -> Op:
    """Declare an op with a bias for each column of what it makes, and with relu if ``rectified``."""

    def parts(a: Tensor, b: Tensor, bias: Tensor, rectified: bool, **attrs: Any) -> Tensor:
        y: Tensor = op(a, b, **attrs) + bias
        return relu(y) if rectified else y

    def back(g: Tensor, y: Tensor, rectified: bool) -> Any:
        return relu_gradient(g, y) if rectified else g

    assert isinstance(op.vjp, tuple)

    def rule(of_op: Any) -> Any:
        return lambda g, y, a, b, bias, rectified, **attrs: of_op(back(g, y, rectified), y, a, b, **attrs)

    def bias_rule(g: Tensor, y: Tensor, a: Tensor, b: Tensor, bias: Tensor, rectified: bool, **attrs: Any) -> Any:
        return back(g, y, rectified).sum(tuple(range(y.ndim - 1)))

    return fused_op(
        f"{op.name}_bias",
        parts,
        infer=lambda a, b, bias, rectified, **attrs: op.infer(a, b, **attrs),
        implementation=implementation,
        vjp=(*map(rule, op.vjp), bias_rule),
        formula=f"{op.name}(a, b) + bias, and relu of it if rectified",
    )


WITH_BIAS: dict[Op, Op] = {op: _declare(op, made) for op, made in _IMPLEMENTATIONS.items()}


def _match(node: Node, uses: Uses) -> Rewrite | None:
    """Match op(a, b) + bias, or relu of it; a product with one column may be that of bytes."""
    total = uses.sole_producer(node.inputs[0], add) if node.op is relu else node if node.op is add else None
    made = (uses.sole_producer(total.inputs[0], op) for op in WITH_BIAS) if total else ()
    inner = next((found for found in made if found is not None), None)
    if total is None or inner is None:
        return None
    y, bias = total.inputs
    fits = bias.shape == y.shape[-1:] != (1,) and y.dtype == bias.dtype and fits_kernels(y)
    if not fits:
        return None
    attrs = {**inner.attrs, "rectified": node.op is relu}
    return Rewrite(lambda *inputs: WITH_BIAS[inner.op](*inputs, **attrs), (*inner.inputs, bias))


FUSION = Fusion(_match, {made: f"{op.name} + bias (+ relu)" for op, made in WITH_BIAS.items()}, second_derivatives=True)
