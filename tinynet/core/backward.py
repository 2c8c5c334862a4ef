"""Gradients that add up in the leaves: `Tensor.backward`. See `methods`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.engine import Tensor, ancestors, grad


class Backward:
    """The method of tensors that adds gradients into leaves."""

    __slots__ = ()

    def backward(self: Any, cotangent: Tensor | None = None) -> None:
        """Add the gradients of this tensor into ``.grad`` of every leaf it was made from.

        The graph stays, so that a second call adds the same gradients once more, as is right for a sum.

        Parameters
        ----------
        cotangent : Tensor, optional
            The gradient that flows into this tensor, of its shape; 1 where the tensor has one element.

        Raises
        ------
        GradientError
            If no leaf requires a gradient, or a leaf was changed in place since it was used.
        """
        leaves = list(
            {id(x): x for node in ancestors([self], recorded=True) for x in node.inputs if _is_leaf(x)}.values()
        )
        if _is_leaf(self):
            leaves = [self]
        cotangents = None if cotangent is None else [cotangent]
        for leaf, g in zip(leaves, grad([self], leaves, cotangents), strict=True):
            if leaf.grad is None:
                leaf.grad = Tensor(np.array(g.data))
            else:
                leaf.grad.data[...] += g.data


def _is_leaf(x: Tensor) -> bool:
    return x.requires_grad and x.node is None
