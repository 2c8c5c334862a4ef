"""
Choosing a learning rate
========================

The learning rate decides more than any other number how well a training goes. You learn to find one in a second, to see
how it compares with others, and to let it rise and fall.
"""

import matplotlib.pyplot as plt

import tinynet as tn

(x_train, y_train), test = tn.datasets.mnist(source="sample")


def network():
    """Make the network anew, always with the same parameters."""
    return tn.Sequential(
        [tn.Input((28, 28), scale=1 / 255), tn.Flatten(), tn.Dense(64, activation="relu"), tn.Dense(10, "softmax")],
        seed=0,
    )


# %%
# A ``LearningRateFinder`` trains a copy of a model for a hundred steps, each with a higher rate than the one before.
# While the rate is too small, the loss stays where it is. Then it falls, and where the rate is too large, it rises
# again. The rate at which it falls fastest is a good one to begin with (Smith, 2017).

finder = tn.LearningRateFinder()
rate = finder.find(network(), x_train, y_train, optimizer=tn.SGD(momentum=0.9), seed=0)
print(f"suggested: {rate:.2g}")

figure = tn.report.learning_rate_curve(finder)
figure

# %%
# Is it any good? Here it is beside rates that are ten times smaller and ten times larger. The former needs more epochs,
# the latter learns nothing.

epochs = 8
losses = {}
for factor in (0.1, 1, 10):
    optimizer = tn.SGD(factor * rate, momentum=0.9)
    history = network().fit(x_train, y_train, epochs, optimizer=optimizer, validation_data=test, seed=0, verbose=0)
    losses[f"rate {factor * rate:.2g}"] = history.history["val_loss"]

# %%
# A rate need not stay what it is. ``one_cycle`` rises to it and falls far below it, step by step, while the momentum
# goes the other way. At the end the steps are so small that the loss settles.

cycle = tn.StepSchedule.one_cycle(epochs)
optimizer = tn.SGD(rate, momentum=0.9)
history = network().fit(
    x_train, y_train, epochs, optimizer=optimizer, validation_data=test, seed=0, verbose=0, callbacks=[cycle]
)
losses[f"one cycle up to {rate:.2g}"] = history.history["val_loss"]

axes = plt.figure(figsize=(6, 3.6), layout="constrained").subplots()
for (name, values), color in zip(losses.items(), ("#56B4E9", "#0072B2", "#D55E00", "#009E73"), strict=True):
    axes.semilogy(range(1, epochs + 1), values, color=color, marker="o", markersize=4, label=name)
    print(f"{name}: test loss {values[-1]:.3f}")
axes.set(xlabel="epoch", ylabel="test loss")
axes.legend(frameon=False)
axes.figure.suptitle("The same network with four learning rates")
plt.show()

# %%
# Other schedules are by epoch, ``tn.LearningRateSchedule.cosine(8)``, or wait until the loss no longer improves,
# ``tn.LearningRateSchedule.plateau()``. Any function of the time is one, too:
# ``tn.StepSchedule(lambda epochs, first: first / (1 + epochs))``.
