"""Layer normalisation and its gradient: rows get mean 0 and variance 1, and are then scaled and shifted."""

from __future__ import annotations

import numpy as np

from tinynet.core.engine import Op, Tensor, filled
from tinynet.core.spec import Array, Spec, Value
from tinynet.errors import ShapeError
from tinynet.ops.dtypes import check_floating
from tinynet.ops.pointwise import zeros_like
from tinynet.ops.reduce import mean, sum, sum_to

_Three = tuple[Tensor, Tensor, Tensor]


def _infer(x: Value, gamma: Value, beta: Value, epsilon: float) -> tuple[Spec, Spec, Spec]:
    check_floating("layer_norm", x.dtype)
    if 0 in x.shape[-1:] or not gamma.shape == beta.shape == x.shape[-1:] != ():
        raise ShapeError(
            "layer_norm: x must have a last axis of one value or more, gamma and beta its length, but the shapes are "
            f"{x.shape}, {gamma.shape} and {beta.shape}"
        )
    return Spec(x.shape, x.dtype), Spec(x.shape, x.dtype), Spec((*x.shape[:-1], 1), x.dtype)


def _compute(x: Array, gamma: Array, beta: Array, epsilon: float) -> tuple[Array, Array, Array]:
    away = x - x.mean(-1, keepdims=True)
    scale = 1 / np.sqrt((away * away).mean(-1, keepdims=True) + x.dtype.type(epsilon))
    normal = away * scale
    return normal * gamma + beta, normal, scale


def _x_vjp(g: tuple[Tensor | None, ...], out: _Three, x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float) -> Tensor:
    """Return the sum of the gradients through y, through the normalised rows, and through their scales."""
    _, normal, scale = out
    dx = zeros_like(x) if g[0] is None else layer_norm_gradient(g[0], gamma, normal, scale)
    dx = dx if g[1] is None else dx + _centred(g[1], normal, scale)
    return dx if g[2] is None else dx - normal * (g[2] * scale * scale / x.shape[-1])


def _gamma_vjp(
    g: tuple[Tensor | None, ...], out: _Three, x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float
) -> Tensor:
    return zeros_like(gamma) if g[0] is None else sum_to(g[0] * out[1], gamma.shape)


def _beta_vjp(
    g: tuple[Tensor | None, ...], out: _Three, x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float
) -> Tensor:
    return zeros_like(beta) if g[0] is None else sum_to(g[0], beta.shape)


layer_norm: Op = Op(
    "layer_norm",
    infer=_infer,
    compute=_compute,
    vjp=(_x_vjp, _gamma_vjp, _beta_vjp),
    formula="(x - mean) scale gamma + beta; (x - mean) scale; scale = 1 / sqrt(variance + epsilon); of the last axis",
    source="Ba, Kiros and Hinton, arXiv:1607.06450, eq. 4",
)


def _gradient_infer(g: Value, gamma: Value, normal: Value, scale: Value) -> Value:
    if not g.shape == normal.shape or g.shape[-1:] != gamma.shape or scale.shape != (*g.shape[:-1], 1):
        raise ShapeError(
            f"layer_norm_gradient: g {g.shape}, gamma {gamma.shape}, normal {normal.shape} and scale {scale.shape} "
            "do not belong to one layer_norm"
        )
    return g


def _gradient_compute(g: Array, gamma: Array, normal: Array, scale: Array) -> Array:
    h = g * gamma
    return scale * (h - h.mean(-1, keepdims=True) - normal * (h * normal).mean(-1, keepdims=True))


def _centred(h: Tensor, normal: Tensor, scale: Tensor) -> Tensor:
    """Apply the gradient with a gamma of 1: it is its own adjoint."""
    one = filled(Spec(h.shape[-1:], h.dtype), 1)
    return layer_norm_gradient(h, one, normal, scale)


def _normal_vjp(u: Tensor, out: Tensor, g: Tensor, gamma: Tensor, normal: Tensor, scale: Tensor) -> Tensor:
    h = g * gamma
    return -scale * (u * mean(h * normal, -1, keepdims=True) + h * mean(u * normal, -1, keepdims=True))


layer_norm_gradient: Op = Op(
    "layer_norm_gradient",
    infer=_gradient_infer,
    compute=_gradient_compute,
    vjp=(
        lambda u, out, g, gamma, normal, scale: _centred(u, normal, scale) * gamma,
        lambda u, out, g, gamma, normal, scale: sum_to(_centred(u, normal, scale) * g, gamma.shape),
        _normal_vjp,
        lambda u, out, g, gamma, normal, scale: sum(u * out, -1, keepdims=True) / scale,
    ),
    formula="scale (h - mean(h) - normal mean(h normal)) with h = g gamma: the gradient of x in layer_norm",
)
