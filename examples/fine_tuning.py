"""
Fine-tuning
===========

What a network has learned from many images of some classes helps with few images of others. You learn to take layers
of a trained model into a new one and to freeze them. What is that worth, beside training from scratch?
"""

import copy

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn

(x_train, y_train), (x_test, y_test) = tn.datasets.mnist(source="sample")

# %%
# The base learns the digits 0 to 4 from 2,000 images.


def convolutions():
    """Make the layers that turn an image into 288 numbers."""
    first, second = tn.Conv2D(16, 3, activation="relu"), tn.Conv2D(32, 3, activation="relu")
    return [tn.Input((28, 28, 1), scale=1 / 255), first, tn.MaxPool(2), second, tn.MaxPool(3), tn.Flatten()]


low, test_low = y_train < 5, y_test < 5
base = tn.Sequential([*convolutions(), tn.Dense(64, "relu"), tn.Dense(5, "softmax")], seed=0)
base.fit(x_train[low], y_train[low], epochs=5, optimizer=tn.Adam(2e-3), seed=0, verbose=0)
print(f"digits 0 to 4: test accuracy {base.evaluate(x_test[test_low], y_test[test_low])['accuracy']:.3f}")

# %%
# Copies of its convolutions go into a new model, with their values. A layer with ``trainable = False`` keeps every bit.


def with_frozen_layers():
    """Make a model for five other classes that trains its last layer alone."""
    layers = copy.deepcopy(base.layers[:-2])
    for layer in layers:
        layer.trainable = False
    return tn.Sequential([*layers, tn.Dense(5, "softmax", name="head")], seed=1)


def from_scratch():
    """Make the same with new values, all of them trained."""
    return tn.Sequential([*convolutions(), tn.Dense(5, "softmax", name="head")], seed=1)


with_frozen_layers().summary()

# %%
# Both learn the digits 5 to 9 in 100 steps, from a few images of each, drawn three times.

x_high, y_high, rng = x_train[~low], y_train[~low] - 5, np.random.default_rng(0)
numbers = [2, 5, 10, 20, 50]
accuracies = {with_frozen_layers: np.empty((5, 3)), from_scratch: np.empty((5, 3))}
for i, draw in np.ndindex(5, 3):
    few = np.concatenate([rng.choice(np.flatnonzero(y_high == label), numbers[i], replace=False) for label in range(5)])
    for make, found in accuracies.items():
        model, batch = make(), min(len(few), 25)
        options = {"batch_size": batch, "epochs": 100 * batch // len(few), "optimizer": tn.Adam(2e-3), "verbose": 0}
        model.fit(x_high[few], y_high[few], seed=0, **options)
        found[i, draw] = model.evaluate(x_test[~test_low], y_test[~test_low] - 5)["accuracy"]

# %%
# The fewer images there are, the more the frozen layers are worth. With many, what they keep out of reach is missing.

figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for (make, found), style in zip(accuracies.items(), ("o-", "s--"), strict=True):
    name, middle = make.__name__.replace("_", " "), found.mean(axis=1)
    print(f"{name}: {dict(zip(numbers, middle.round(3).tolist(), strict=True))}")
    axes.errorbar(numbers, middle, (middle - found.min(1), found.max(1) - middle), fmt=style, capsize=3, label=name)
axes.set(xscale="log", xlabel="training images of each digit", ylabel="test accuracy")
axes.set_xticks(numbers, numbers)
axes.minorticks_off()
axes.legend(title="mean, least and largest of three draws")
figure.suptitle("The digits 5 to 9, for a network that knows 0 to 4")
plt.show()
