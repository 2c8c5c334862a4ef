"""
Your own op
===========

An op in twenty lines, with its gradient checked. You learn what a declaration holds, and that from then on your op does
all that tinynet's own do: it is differentiated, compiled, and can be the activation of a layer.

The op is softplus, log(1 + e^x), a relu without a corner. Its derivative is the sigmoid.
"""

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn

# %%
# A declaration says three things. ``infer``: which shape and dtype comes out; here those that go in. ``compute``: the
# values, in NumPy. ``vjp``: the gradient rule. It takes the cotangent ``g``, which is the derivative of the loss by the
# output, and returns the derivative of the loss by the input: ``g`` times the derivative of the op. It is written in
# ops, so it can be differentiated again.


def softplus_compute(x):
    """Return log(1 + e^x), without overflow."""
    return np.logaddexp(x, x.dtype.type(0))


softplus = tn.Op(
    "softplus",
    infer=lambda x: x,
    compute=softplus_compute,
    vjp=(lambda g, out, x: g * tn.ops.sigmoid(x),),
    formula="log(1 + e^x)",
)

# %%
# Is the rule right? The check compares it with difference quotients, in a few random directions.

report = tn.check_gradients(softplus, np.linspace(-3, 3, 7))
print(report)

# %%
# A rule that is wrong by a thousandth is found. This one is.

wrong = tn.Op(
    "wrong",
    infer=lambda x: x,
    compute=softplus_compute,
    vjp=(lambda g, out, x: 1.001 * g * tn.ops.sigmoid(x),),
)
caught = tn.check_gradients(wrong, np.linspace(-3, 3, 7))
print(caught)

# %%
# The op and its first two derivatives: relu is the limit far from 0.

x = tn.Tensor(np.linspace(-5, 5, 201), requires_grad=True)
y = softplus(x)
(first,) = tn.grad(y.sum(), [x], create_graph=True)
(second,) = tn.grad(first.sum(), [x])
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
axes.plot(x.data, np.maximum(x.data, 0), color="0.6", linewidth=3, label="relu")
for curve, style, name in ((y, "-", "softplus"), (first, "--", "its derivative"), (second, ":", "the second one")):
    axes.plot(x.data, curve.data, style, color="#0072B2", label=name)
axes.set(xlabel="x", title="softplus beside relu, and its derivatives")
axes.legend()
plt.show()

# %%
# An op fits wherever an activation does, and is compiled with the rest.

(x_train, y_train), test = tn.datasets.mnist(source="sample")
layers = [tn.Input((28, 28, 1), scale=1 / 255), tn.Flatten(), tn.Dense(32, activation=softplus)]
model = tn.Sequential([*layers, tn.Dense(10, activation="softmax")], seed=0)
history = model.fit(x_train, y_train, epochs=5, optimizer=tn.SGD(0.05), validation_data=test, seed=0)
accuracy = model.evaluate(*test)["accuracy"]

# %%
# A file of this model names the op, and ``tn.load(path, custom_layers={"softplus": softplus})`` takes it from you.
#
# An op of several inputs has a rule for each. What is not an array is an attribute: it is passed by keyword, and all
# functions get it. Here the width of the round bottom of an absolute value.

smooth_abs = tn.Op(
    "smooth_abs",
    infer=lambda x, width: x,
    compute=lambda x, width: np.sqrt(x * x + width * width),
    vjp=(lambda g, out, x, width: g * x / out,),
    formula="sqrt(x^2 + width^2)",
)
print(tn.check_gradients(lambda x: smooth_abs(x, width=0.5), np.linspace(-2, 2, 9)))
