"""`Tensor.backward`, which adds gradients up in the leaves. See `methods`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.engine import Tensor, ancestors, grad


class Backward:
    """The method of tensors that adds gradients up in the leaves."""

    __slots__ = ()

    def backward(self: Any, cotangent: Tensor | None = None) -> None:
        """Add the gradients of this tensor to the ``grad`` of every leaf from which it was made.

        The graph is kept, so a second call adds the same gradients again.

        Parameters
        ----------
        cotangent : Tensor, optional
            The gradient with respect to this tensor, of its shape; 1 by default if the tensor has one element.

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
