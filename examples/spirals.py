"""
The first minute
================

You learn what a network does where you can see all of it: on points of the plane. They lie on two spirals, which no
straight line tells apart. It needs no images and no files, and takes about a second once the kernels are built.
"""

import tinynet as tn

(x, y), (x_test, y_test) = tn.datasets.spirals(400, noise=0.03)
model = tn.Sequential(
    [tn.Input((2,)), tn.Dense(32, "tanh"), tn.Dense(32, "tanh"), tn.Dense(2, "softmax")],
    seed=0,
)
history = model.fit(x, y, epochs=100, batch_size=40, optimizer=tn.Adam(0.02), seed=0, verbose=0)
scores = model.evaluate(x_test, y_test)
print(f"{scores['accuracy']:.1%} of the test points are right")

# %%
# The colour of a place is the class that the network predicts there, the paler the less sure it is. The points are test
# points, which it has never learned from.

boundary = tn.report.decision_boundary(model, x_test, y_test)
boundary

# %%
# **How it learns.** A network is an expression, and learning needs to know how its value changes with each number in
# it. Here is one neuron: two inputs, two weights, a bias and the hyperbolic tangent.

x1, x2 = tn.Tensor(2.0, requires_grad=True), tn.Tensor(0.0, requires_grad=True)
w1, w2 = tn.Tensor(-3.0, requires_grad=True), tn.Tensor(1.0, requires_grad=True)
b = tn.Tensor(6.88, requires_grad=True)
n = x1 * w1 + x2 * w2 + b
out = tn.ops.tanh(n)

graph = tn.report.graph(out, x1=x1, w1=w1, x2=x2, w2=w2, b=b, n=n, out=out)
graph

# %%
# Each box holds a value, and below it its gradient: how many times as much as the value ``out`` changes, if the value
# changes a little. Read the gradients from right to left. A sum hands on what it gets. A product hands on what it gets
# times the other factor: so ``w2`` has the gradient 0, since ``x2`` is 0.
