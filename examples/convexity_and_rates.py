"""
Convexity and rates
===================

Theory as an experiment. You learn that the Hessian of logistic regression is X^T D X / n, semidefinite but not
definite; that gradient descent with backtracking closes the gap to any comparator at least like 1/k; and that with an
L2 term the gap falls by a factor each step. :doc:`The theory </theory/descent>` derives why.
"""

import numpy as np

import tinynet as tn
from tinynet.recipes import logistic_model
from tinynet.report import gap_figure, linear_rate_figure, spectrum_figure

n, steps, alpha, beta, l2 = 200, 300, 0.01, 0.5, 0.05
(images, digits), _ = tn.datasets.mnist(source="sample")
images, five = images[:: len(images) // n], digits[:: len(images) // n] == 5
model, start = logistic_model(images), np.zeros(784)
x = ((images - model.input.shift) * model.input.scale).reshape(n, -1)
free, tiny, ridge = (tn.Objective(model, images, five, "binary_cross_entropy", penalty) for penalty in (0, 1e-6, l2))
descent = tn.GradientDescent(tn.Backtracking(alpha, beta))

# %%
# Without an L2 term, 784 weights can separate 200 images, and there is no minimum. Compare with the point u that is
# the minimum with a tiny L2 term. The gap to it stays under a bound that falls like 1/k. M is a Lipschitz constant of
# the gradient.

u, _ = tn.Newton(tolerance=1e-7).minimize(tiny, start)
w, records = descent.minimize(free, start, steps)
M = np.linalg.eigvalsh(x.T @ x)[-1] / (4 * n)
t_min = min(1, 2 * beta * (1 - alpha) / M)
gaps, k = np.array([r.loss for r in records]) - free.value(u), np.arange(1, len(records) + 1)
bounds = (u @ u + (free.value(start) - free.value(u)) / alpha) / (2 * k * t_min)
print(f"largest gap / bound: {(gaps / bounds).max():.2e}")
print(f"smallest step / t_min: {min(r.step_size for r in records) / t_min:.2f}")

gap = gap_figure(gaps, bounds)
gap

# %%
# The Hessian where that run ends, once by differentiating twice, once by the formula. Its eigenvalues are not
# negative. Many are 0: a pixel that is always black has no influence, and there are more pixels than images.

hessian = tn.hessian(lambda w: tn.ops.binary_cross_entropy(tn.ops.matmul(x, w), five), w).data
q = 1 / (1 + np.exp(-x @ w))
difference = np.abs(hessian - (x.T * (q - q * q)) @ x / n).max()
print(f"largest difference to X^T D X / n: {difference:.1e}")
eigenvalues = np.linalg.eigvalsh(hessian)

spectrum = spectrum_figure(eigenvalues)
spectrum

# %%
# With an L2 term, the gap falls on a straight line of a logarithmic scale. The promise of the theory is far weaker
# than what is measured, but it holds at each step.

best, _ = tn.Newton(tolerance=1e-12).minimize(ridge, start)
_, ridge_records = descent.minimize(ridge, start, steps)
falls = np.array([ridge.value(start), *(r.loss for r in ridge_records)]) - ridge.value(best)
falls = falls[: np.argmax(falls < 1e-12) or None]
last = np.arange(len(falls) // 2, len(falls))
fitted = np.exp(np.polyfit(last, np.log(falls[last]), 1)[0])
promised = 1 - 2 * l2 * alpha * min(1, 2 * beta * (1 - alpha) / (M + l2))
print(f"factor a step: measured {fitted:.4f}, promised {promised:.6f}")

rate = linear_rate_figure(falls, fitted, promised)
rate
