"""
Tensors and gradients
=====================

You learn what lies under ``fit``: a tensor remembers how it was made, and ``grad`` walks that history backwards. What
it returns is made of the same ops, so it can be differentiated again.
"""

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn

# %%
# The derivative of the sum of cubes is 3 x^2.

x = tn.Tensor([1.0, 2.0, 3.0], requires_grad=True)
y = (x**3).sum()
(first,) = tn.grad(y, [x], create_graph=True)
print("y = sum x^3 =", y.item())
print("dy/dx = 3 x^2 =", first.data)

# %%
# With ``create_graph=True`` the gradient has a history of its own, so it can be differentiated again.

(second,) = tn.grad(first.sum(), [x])
print("second derivative, 6 x =", second.data)

# %%
# And so on: here four derivatives of the hyperbolic tangent, each the gradient of the one before.

x = tn.Tensor(np.linspace(-3, 3, 201), requires_grad=True)
curves = [tn.ops.tanh(x)]
for _ in range(4):
    (slope,) = tn.grad(curves[-1].sum(), [x], create_graph=True)
    curves.append(slope)

figure, axes = plt.subplots(figsize=(6, 3.8), layout="constrained")
styles = ("-", "--", "-.", ":", (0, (5, 1)))
colors = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7")
for order, (curve, style, color) in enumerate(zip(curves, styles, colors, strict=True)):
    axes.plot(x.data, curve.data, linestyle=style, color=color, label=f"derivative {order}" if order else "tanh x")
axes.set(xlabel="x", title="tanh and its first four derivatives")
axes.legend()
plt.show()
