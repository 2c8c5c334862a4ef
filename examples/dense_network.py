"""
Dense network
=============

Why a network needs something between its layers. You learn what hidden layers do, and how to compare two models.

A stack of weighted sums alone is again only a weighted sum, however many layers it has. With relu, max(x, 0), between
them, the layers can build on each other.
"""

import matplotlib.pyplot as plt

import tinynet as tn

(x_train, y_train), test = tn.datasets.mnist(source="sample")


# %%
# The same layers, with or without an activation in the hidden ones. The same seed gives both models the same initial
# weights, bit for bit.


def make(activation):
    """Make the network, with an activation in its hidden layers or with none."""
    return tn.Sequential(
        [
            tn.Input((28, 28, 1), scale=1 / 255),
            tn.Flatten(),
            tn.Dense(128, activation=activation, name="hidden1"),
            tn.Dense(64, activation=activation, name="hidden2"),
            tn.Dense(10, activation="softmax", name="digits"),
        ],
        seed=0,
    )


make("relu").summary()

# %%
# ``validation_data`` is measured after each epoch. Nothing is learned from it: it shows whether what the model learned
# also holds for images that it has not seen.

results = {}
for activation in (None, "relu"):
    model = make(activation)
    results[activation] = model.fit(
        x_train, y_train, epochs=25, optimizer=tn.SGD(0.02), validation_data=test, seed=0, verbose=0
    ).history
    last = {name: values[-1] for name, values in results[activation].items()}
    print(f"activation {activation!s:4}: training accuracy {last['accuracy']:.4f}, test {last['val_accuracy']:.4f}")

# %%
# Linear layers learn quickly, but can only draw straight borders between the digits: relu overtakes them.

figure, axes = plt.subplots(figsize=(6, 3.8), layout="constrained")
for activation, color in ((None, "#0072B2"), ("relu", "#D55E00")):
    history = results[activation]
    epochs = range(1, len(history["loss"]) + 1)
    name = "with relu" if activation else "linear layers"
    axes.plot(epochs, history["accuracy"], color=color, label=f"{name}, training")
    axes.plot(epochs, history["val_accuracy"], "--", color=color, label=f"{name}, test")
axes.set(xlabel="epoch", ylabel="accuracy", ylim=(0.7, 1), title="Accuracy with and without relu between the layers")
axes.legend()
plt.show()
