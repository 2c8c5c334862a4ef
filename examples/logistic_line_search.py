"""Is it a 5? Logistic regression on all images at once, each step found by a line search.

You learn how to train with full batches, what a step leaves on record, how an objective is asked for its value, its
gradient and its values along a line, and what Newton's method makes of the same problem once an L2 term is there.

    python examples/logistic_line_search.py            # the full MNIST if it is at hand, or else the embedded sample
    python examples/logistic_line_search.py ~/mnist    # mnist_all.mat, mnist.npz or IDX files
"""

import sys
import time
from pathlib import Path

import numpy as np

import tinynet as tn
from tinynet.recipes import standardisation
from tinynet.report import step_curves


def main(source="auto", steps=200, folder="."):
    (x_train, y_train), (x_test, y_test) = tn.datasets.mnist(source)
    five, test_five = y_train == 5, y_test == 5

    # The model sees standardised pixels; in memory they stay the bytes that they are.
    shift, scale = standardisation(x_train)
    model = tn.Sequential(
        [
            tn.Input((28, 28), shift=shift, scale=scale),
            tn.Flatten(),
            tn.Dense(1, "sigmoid", use_bias=False, kernel_init="zeros"),
        ],
        dtype="float64",
    )
    optimizer = tn.GradientDescent(line_search=tn.Backtracking(alpha=0.01, beta=0.5, initial_step=1.0))
    started = time.perf_counter()
    run = model.fit(x_train, five, epochs=steps, batch_size=None, optimizer=optimizer, loss="binary_cross_entropy",
                    validation_data=(x_test, test_five), verbose=0)  # fmt: skip
    seconds, history = time.perf_counter() - started, run.history
    history["val_error"] = [1 - accuracy for accuracy in history["val_accuracy"]]
    print(f"{run.epochs} steps in {seconds:.2f} s")
    print("step  training loss  |gradient|  accepted t  trials  test error")
    for k in sorted({1, 2, 5, 10, 50, 100, run.epochs}):
        if k <= run.epochs:
            row = [history[name][k - 1] for name in ("loss", "gradient_norm", "step_size", "trials", "val_error")]
            print("{:4}  {:13.9f}  {:10.6f}  {:10g}  {:6.0f}  {:10.4f}".format(k, *row))
    for name, figure in step_curves(history).items():
        figure.savefig(Path(folder) / f"{name}.pdf")

    # Every step kept what the line search asks for: L(w) - L(w - t g) >= alpha t |g|^2.
    print(f"least Armijo margin: {min(history['margin']):.2e}")

    # The same loss as a function of the weights. With an L2 term it has one minimum, and Newton's method finds it.
    objective = tn.Objective(model, x_train, five, loss="binary_cross_entropy", l2=1e-3)
    print(f"affine in the weights but for the loss: {objective.affine}")
    weights, records = tn.Newton().minimize(objective, np.zeros(784))
    print("Newton, |gradient| before each step:", ", ".join(f"{r.gradient_norm:.0e}" for r in records))
    return history, float(np.linalg.norm(objective.value_and_gradient(weights)[1]))


if __name__ == "__main__":
    main(*sys.argv[1:2])
