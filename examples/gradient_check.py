"""Gradients checked: what is right, what is wrong by a thousandth, what has a kink, what rounding hides.

You learn how to check a function or a model, of first and of second order, and how to read the table and its verdicts.

    python examples/gradient_check.py
"""

import numpy as np

import tinynet as tn

# An op of one's own: its value is right, but its gradient is 0.1 % too large.
swish = tn.Op(
    "swish",
    infer=lambda x: x,
    compute=lambda y, x: np.divide(x, 1 + np.exp(-x), out=y),
    vjp=(lambda g, y, x: 1.001 * g * (tn.ops.sigmoid(x) + y * (1 - tn.ops.sigmoid(x))),),
)


# One whose gradient is right, but is cut off from x, so that the gradient of the gradient is wrong.
def halved(g, y, x):
    return g * 2 * x.detach()


square = tn.Op("square", infer=lambda x: x, compute=lambda y, x: np.multiply(x, x, out=y), vjp=(halved,))


def main(source="sample"):
    (images, labels), _ = tn.datasets.mnist(source)
    rng = np.random.default_rng(0)
    x = rng.normal(size=4)
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
    reports = {
        "A network, through convolution, pooling and cross-entropy: right, twice": tn.check_gradients(
            model, images[:5], labels[:5].astype(int), loss="cross_entropy", order=2
        ),
        "An op whose gradient is 0.1 % too large": tn.check_gradients(swish, x, names=["x"]),
        "An op whose second derivative is lost": tn.check_gradients(square, x, names=["x"], order=2),
        "relu where one of its inputs is 0": tn.check_gradients(tn.ops.relu, np.array([1.5, 0.0, -2.0]), names=["x"]),
        "A slope that drowns in a large constant": tn.check_gradients(lambda x: 1e9 + 1e-9 * tn.ops.tanh(x), x),
    }
    for title, report in reports.items():
        print(f"{title}\n{report}\n")
    return [{row.verdict for row in report.rows} for report in reports.values()]


if __name__ == "__main__":
    main()
