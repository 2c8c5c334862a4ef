"""Jacobians, Hessians and products with them: exact derivatives of gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.core import decorator as _decorator  # noqa: F401 - by which blocks are decorators, as here
from tinynet.core.engine import Tensor, as_tensor, grad
from tinynet.core.mode import recording
from tinynet.errors import ArgumentError, ShapeError

Function = Callable[[Tensor], Tensor]


@recording()
def hvp(f: Function, x: Any, v: Any) -> Tensor:
    """Multiply the Hessian of a function by a vector, without making it, at the cost of a few gradients.

    Parameters
    ----------
    f : callable
        A function of one Tensor, made of ops, that returns one number.
    x : Tensor or array_like
        Floating, any shape: the point.
    v : Tensor or array_like
        Of the shape of ``x``.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``: the derivative of the gradient at ``x`` in the direction ``v``. If second
        derivatives are not continuous (relu, max), they are those of the piece that contains ``x``.

    Raises
    ------
    ArgumentError, ShapeError, DTypeError
        If ``f`` returns anything but one number, ``v`` has another shape, or ``x`` is not floating.
    GradientError
        If an op has no second derivative.

    References
    ----------
    Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6, 1994; here by reverse mode twice.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.hvp(lambda x: (x**3).sum(), np.array([1.0, 2.0]), np.array([1.0, 10.0]))
    Tensor([  6., 120.])
    """
    x, v = _leaf(x), as_tensor(v)
    if v.shape != x.shape:
        raise ShapeError(f"hvp: v must have the shape of x, {x.shape}, but has {v.shape}")
    first = _gradient("hvp", f, x)
    if not first.requires_grad:  # f is linear
        return 0 * first
    return grad(first, [x], [v])[0]


@recording()
def jacobian(f: Function, x: Any) -> Tensor:
    """Differentiate each value of a function with respect to each value of its input, one output value at a time.

    Parameters
    ----------
    f : callable
        A function of one Tensor, made of ops, that returns a Tensor.
    x : Tensor or array_like
        Floating, any shape: the point.

    Returns
    -------
    Tensor
        Of the shape of ``f(x)`` followed by that of ``x``.

    Raises
    ------
    ArgumentError, DTypeError
        If ``f`` returns no floating Tensor, or ``x`` is not floating.
    GradientError
        If an op has no derivative.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.jacobian(lambda x: tn.ops.concatenate([x**2, x[:1] * x[1:]]), np.array([1.0, 3.0]))
    Tensor([[2., 0.],
            [0., 6.],
            [3., 1.]])
    """
    x = _leaf(x)
    return _rows(_value("jacobian", f, x), x)


@recording()
def hessian(f: Function, x: Any) -> Tensor:
    """Return all second derivatives of a function of n values, at the cost of n gradients of its gradient.

    Parameters
    ----------
    f : callable
        A function of one Tensor, made of ops, that returns one number.
    x : Tensor or array_like
        Floating, any shape: the point.

    Returns
    -------
    Tensor
        Of the shape of ``x`` followed by that of ``x``.

    Raises
    ------
    ArgumentError, DTypeError
        If ``f`` returns anything but one number, or ``x`` is not floating.
    GradientError
        If an op has no second derivative.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> tn.hessian(lambda x: x[0] ** 2 * x[1], np.array([1.0, 3.0]))
    Tensor([[6., 2.],
            [2., 0.]])
    """
    x = _leaf(x)
    return _rows(_gradient("hessian", f, x), x)


def _leaf(x: Any) -> Tensor:
    return Tensor(np.array(as_tensor(x).data), requires_grad=True)


def _value(name: str, f: Function, x: Tensor) -> Tensor:
    if not callable(f):
        raise ArgumentError(f"{name}: takes a function of a tensor, but got {f!r}")
    y = f(x)
    if not isinstance(y, Tensor) or y.dtype.kind != "f":
        came = f"a Tensor of dtype {y.dtype}" if isinstance(y, Tensor) else f"a {type(y).__name__}"
        raise ArgumentError(f"{name}: the function must return a floating Tensor, but returned {came}")
    return y


def _gradient(name: str, f: Function, x: Tensor) -> Tensor:
    y = _value(name, f, x)
    if y.size != 1:
        raise ArgumentError(f"{name}: the function must return one number, but returned shape {y.shape}; take a .sum()")
    if not y.requires_grad:  # f is constant
        return Tensor(np.zeros(x.shape, x.dtype))
    return grad(y, [x], create_graph=True)[0]


def _rows(y: Tensor, x: Tensor) -> Tensor:
    """Return the gradient of each value of y with respect to x."""
    rows = np.zeros((y.size, *x.shape), x.dtype)
    unit = np.zeros(y.size, y.dtype)
    for i in range(y.size if y.requires_grad else 0):
        unit[:] = 0
        unit[i] = 1
        rows[i] = grad(y, [x], [Tensor(unit.reshape(y.shape))])[0].data
    return Tensor(rows.reshape((*y.shape, *x.shape)))
