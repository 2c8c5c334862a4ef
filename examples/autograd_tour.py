"""A tour of the engine: tensors, gradients, gradients of gradients, an op of your own, and training by hand.

You learn what lies under ``fit``: everything there is made of the few things that are shown here.
"""

import numpy as np

import tinynet as tn

# An op is declared once: the shape of its result, its values, and its gradient rule, which is itself written in ops.
# ``g`` is the gradient with respect to the result; the rule brings it back to the argument. softplus(x) = log(1 + e^x).
softplus = tn.Op(
    "softplus",
    infer=lambda x: x,  # the result has the shape and dtype of x
    compute=lambda out, x: np.logaddexp(x, 0, out=out),  # writes into an array that is there already
    vjp=(lambda g, out, x: g * tn.ops.sigmoid(x),),
)


def derivatives():
    # A tensor is an array that remembers how it was made. grad walks that history backwards.
    x = tn.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = (x**3).sum()
    (first,) = tn.grad(y, [x], create_graph=True)
    print("y = sum x^3 =", y.item(), " dy/dx = 3 x^2 =", first.data)

    # The gradient is made of ops as well, so it can be differentiated again.
    (second,) = tn.grad(first.sum(), [x])
    print("second derivative, 6 x =", second.data)

    # A gradient rule that is wrong shows at once: the check compares it with difference quotients.
    report = tn.check_gradients(softplus, np.linspace(-3, 3, 7))
    print(report)
    return bool(np.array_equal(second.data, [6.0, 12.0, 18.0]) and report.ok)


def train(source, epochs, batch_size=32):
    (x, y), test = tn.datasets.mnist(source)
    # An op fits wherever an activation does.
    layers = [tn.Input((28, 28, 1), scale=1 / 255), tn.Flatten(), tn.Dense(32, activation=softplus), tn.Dense(10)]
    model = tn.Sequential(layers, seed=0)
    optimizer, rng = tn.SGD(0.05), np.random.default_rng(0)
    for epoch in range(epochs):
        total = 0.0
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            batch = order[start : start + batch_size]
            loss = tn.ops.cross_entropy(model(x[batch]), y[batch])  # forward: the graph grows
            model.zero_grad()  # backward adds to what is there, so begin with zero
            loss.backward()  # fills the gradient of every parameter
            optimizer.step(model)  # theta = theta - 0.05 gradient
            total += loss.item() * len(batch)
        print(f"epoch {epoch + 1}/{epochs}: mean loss {total / len(x):.4f}")
    return model.evaluate(*test)["accuracy"]


def main(source="auto", epochs=5):
    return derivatives(), train(source, epochs)


if __name__ == "__main__":
    print("derivatives right: {}, test accuracy {:.4f}".format(*main()))
