"""
A step of your own
==================

Two networks that train against each other (Goodfellow et al., 2014): ``fit`` cannot do that. You learn to write a step
of training with two losses and two optimizers as a function of ops, and to compile it, so that it runs like that of
``fit``.

The generator turns noise into points of the plane. The discriminator tells them from given points, which lie near a
circle.
"""

import time

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn


def network(units, seed):
    """Make a network that takes points of the plane."""
    layers = [tn.Input((2,)), tn.Dense(64, "relu"), tn.Dense(64, "relu"), tn.Dense(units)]
    return tn.Sequential(layers, seed=seed), tn.Adam(1e-3, beta1=0.5)


(generator, for_generator), (discriminator, for_discriminator) = network(2, seed=0), network(1, seed=1)

# %%
# The step is an ordinary function. ``minimize`` takes the gradient of a loss and moves the parameters of a model. What
# follows it sees the new parameters: the second loss asks the discriminator as it is after its update. ``tn.random``
# draws new numbers in each step. ``detach`` keeps the first gradient out of the generator.


def descend(given):
    """Train both networks once, on given points."""
    made = generator(tn.random.normal(given.shape))
    loss = (tn.ops.softplus(-discriminator(given)) + tn.ops.softplus(discriminator(made.detach()))).mean()
    for_discriminator.minimize(loss, discriminator)
    for_generator.minimize(tn.ops.softplus(-discriminator(made)).mean(), generator)
    return loss


# %%
# Each ``with mode:`` is one step. If an exception ends it, or a loss or a gradient that is not finite, neither network
# has changed. The compiled function runs ``descend`` once, on shapes alone, and then replays what it computes.

step, mode = tn.compile(descend), tn.train_mode(seed=0)
rng = np.random.default_rng(0)
angles = rng.uniform(0, 2 * np.pi, (3000, 128))
data = np.stack([2 * np.cos(angles), 2 * np.sin(angles)], axis=-1) + rng.normal(0, 0.1, (3000, 128, 2))
data, noise = data.astype(np.float32), rng.normal(size=(500, 2)).astype(np.float32)
pictures, losses = [generator.predict(noise)], []
for batch in data:
    with mode:
        losses.append(step(batch))
    if mode.steps in (300, 3000):
        pictures.append(generator.predict(noise))
print(f"{mode.steps} steps; the function was traced {step.traces} time")
print(f"mean loss of the last 100 steps {np.mean(losses[-100:]):.2f}; who tosses a coin has 2 log 2 = 1.39")
figure, row = plt.subplots(1, 3, figsize=(7, 2.8), sharex=True, sharey=True, layout="constrained")
for axes, points, when in zip(row, pictures, ("before", "after 300 steps", "after 3,000 steps"), strict=True):
    axes.plot(*data[:4].reshape(-1, 2).T, ".", color="0.7", markersize=2, label="given")
    axes.plot(*points.T, ".", color="#D55E00", markersize=2, label="made")
    axes.set(title=when, xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
row[0].legend(loc="upper left", fontsize=7, markerscale=3)
figure.suptitle("Points that the generator makes, beside given ones")
plt.show()

# %%
# Without ``tn.compile`` the same function computes op by op, and draws the same numbers. :doc:`/how/step` says what a
# step writes, and when; :doc:`/how/compile` what a trace freezes.

for name, function in (("op by op", descend), ("compiled", step)):
    started = time.perf_counter()
    for batch in data[:200]:
        with mode:
            function(batch)
    print(f"{name}: {(time.perf_counter() - started) / 200 * 1e3:.2f} ms a step")
