"""
Checking gradients
==================

What is right, what is wrong by a thousandth, what has a kink, what rounding hides. You learn how to check a function
or a model, of first and of second order, and how to read the table and its verdicts.
"""

import numpy as np

import tinynet as tn

(images, labels), _ = tn.datasets.mnist(source="sample")
x = np.random.default_rng(0).normal(size=4)

# %%
# A network, through convolution, pooling and cross-entropy, is right: its gradient, and the gradient of its gradient.

model = tn.Sequential(
    [
        tn.Input((28, 28, 1), scale=1 / 255),
        tn.Conv2D(4, 5, stride=3, activation="tanh"),
        tn.MaxPool(2),
        tn.Flatten(),
        tn.Dense(10, "softmax"),
    ],
    seed=0,
)
right = tn.check_gradients(model, images[:5], labels[:5].astype(int), loss="cross_entropy", order=2)
print(right)

# %%
# An op whose gradient is 0.1 % too large is wrong.

swish = tn.Op(
    "swish",
    infer=lambda x: x,
    compute=lambda x: x / (1 + np.exp(-x)),
    vjp=(lambda g, y, x: 1.001 * g * (tn.ops.sigmoid(x) + y * (1 - tn.ops.sigmoid(x))),),
)
wrong = tn.check_gradients(swish, x, names=["x"])
print(wrong)

# %%
# This one has the right gradient, but it is cut off from x, so that the second derivative is lost. Only a check of
# second order sees that.

square = tn.Op(
    "square",
    infer=lambda x: x,
    compute=lambda x: x * x,
    vjp=(lambda g, y, x: g * 2 * x.detach(),),
)
cut = tn.check_gradients(square, x, names=["x"], order=2)
print(cut)

# %%
# relu has a kink at 0. There is no derivative there, and so nothing to compare with.

kink = tn.check_gradients(tn.ops.relu, np.array([1.5, 0.0, -2.0]), names=["x"])
print(kink)

# %%
# A slope that drowns in a large constant: rounding hides it, and the check says so.

hidden = tn.check_gradients(lambda x: 1e9 + 1e-9 * tn.ops.tanh(x), x)
print(hidden)
