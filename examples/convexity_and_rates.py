"""Convexity and rates of logistic regression as experiments: three figures and a table, beside what theory says.

You learn that the Hessian is X^T D X / n, semidefinite but not definite; that gradient descent with backtracking closes
the gap to any comparator at least like 1/k; and that with an L2 term the gap falls by a factor each step. Why this is
so is derived in docs/convexity.md.
"""

from pathlib import Path

import numpy as np

import tinynet as tn
from tinynet.recipes import logistic_model
from tinynet.report import gap_figure, linear_rate_figure, spectrum_figure

ALPHA, BETA, L2 = 0.01, 0.5, 0.05


def main(source="sample", n=1000, steps=2000, folder="."):
    (images, digits), _ = tn.datasets.mnist(source)
    images, five, folder = images[:n], digits[:n] == 5, Path(folder)
    model, start = logistic_model(images), np.zeros(784)
    x = ((images - model.input.shift) * model.input.scale).reshape(n, -1)
    free, tiny, ridge = (tn.Objective(model, images, five, "binary_cross_entropy", l2) for l2 in (0, 1e-6, L2))
    descent = tn.GradientDescent(tn.Backtracking(ALPHA, BETA))

    # Without L2: the gap to a comparator u, the minimum at a tiny L2, under a bound that falls like 1/k. Each step must
    # satisfy the Armijo inequality, and none is smaller than t_min.
    u, _ = tn.Newton(tolerance=1e-7).minimize(tiny, start)
    w, records = descent.minimize(free, start, steps)
    lipschitz = np.linalg.eigvalsh(x.T @ x)[-1] / (4 * n)  # of the gradient, anywhere
    t_min = min(1, 2 * BETA * (1 - ALPHA) / lipschitz)
    gaps, k = np.array([r.loss for r in records]) - free.value(u), np.arange(1, len(records) + 1)
    bounds = (u @ u + (free.value(start) - free.value(u)) / ALPHA) / (2 * k * t_min)
    gap_figure(gaps, bounds).savefig(folder / "gap.png", dpi=150)

    # The Hessian where that run ends, by differentiating twice, and by hand.
    hessian = tn.hessian(lambda w: tn.ops.binary_cross_entropy(tn.ops.matmul(x, w), five), w).data
    q = 1 / (1 + np.exp(-x @ w))
    eigenvalues = np.linalg.eigvalsh(hessian)
    spectrum_figure(eigenvalues).savefig(folder / "spectrum.png", dpi=150)

    # With L2: a straight line on a logarithmic scale, from the first loss down to where rounding begins.
    best, _ = tn.Newton(tolerance=1e-12).minimize(ridge, start)
    _, ridge_records = descent.minimize(ridge, start, steps)
    falls = np.array([ridge.value(start), *(r.loss for r in ridge_records)]) - ridge.value(best)
    falls = falls[: np.argmax(falls < 1e-12) or None]
    last = np.arange(len(falls) // 2, len(falls))
    fitted = np.exp(np.polyfit(last, np.log(falls[last]), 1)[0])
    promised = 1 - 2 * L2 * ALPHA * min(1, 2 * BETA * (1 - ALPHA) / (lipschitz + L2))
    linear_rate_figure(falls, fitted, promised).savefig(folder / "linear_rate.png", dpi=150)

    table = {
        "Hessian: largest difference to X^T D X / n": np.abs(hessian - (x.T * (q - q * q)) @ x / n).max(),
        "Hessian: smallest eigenvalue": eigenvalues[0],
        "Hessian: largest eigenvalue": eigenvalues[-1],
        "without L2: largest gap / bound": (gaps / bounds).max(),
        "without L2: smallest step / t_min": min(r.step_size for r in records) / t_min,
        "smallest Armijo margin of both runs": min(r.margin for r in records + ridge_records if not r.stopped),
        "with L2: factor a step, fitted": fitted,
        "with L2: factor a step, promised": promised,
    }
    print("\n".join(f"{name:<45}{value: .6e}" for name, value in table.items()))
    return table


if __name__ == "__main__":
    main()
