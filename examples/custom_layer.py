"""
Your own layer
==============

Layer normalisation, in a dozen lines. You learn to write a layer that tinynet does not have: create its parameters in
``build``, compute in ``forward`` with ops, and never write a gradient. Then the gradient is checked, the layer is
trained, and it is saved and loaded.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn

# %%
# ``build`` is called once, when the shape of a sample is known. Initial values come from a function of the shape and a
# random generator, or from one that tinynet has by name. ``forward`` computes the output. Operators and methods of
# tensors are ops. Each knows its derivative, so the layer needs none of its own.


class LayerNorm(tn.Layer):
    """Bring the features of each sample to mean 0 and variance 1, then scale and shift them (Ba et al., 2016)."""

    def __init__(self, epsilon=1e-5, name=None):
        super().__init__(name)
        self.epsilon = epsilon

    def build(self, input_shape, rng):
        """Create the parameters."""
        self.gain = self.add_parameter("gain", input_shape[-1:], lambda shape, rng: np.ones(shape))
        self.offset = self.add_parameter("offset", input_shape[-1:], "zeros")

    def forward(self, x):
        """Compute the output."""
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred * centred).mean(axis=-1, keepdims=True)
        return centred * (variance + self.epsilon) ** -0.5 * self.gain + self.offset


# %%
# ``fit`` runs ``forward`` on shapes alone, before it begins, and replays what it did. So ``forward`` may use the
# values of tensors through ops only. If an attribute of the layer is set later, ``fit`` runs ``forward`` once more.
# :doc:`/how/compile` says what else is frozen. A layer that keeps numbers from step to step has a :doc:`state
# <layer_with_state>`; one that draws random numbers takes them from :doc:`tn.random <layer_with_randomness>`.
#
# Yours stands among the others, named after its class.

(x_train, y_train), (x_test, y_test) = tn.datasets.mnist(source="sample")
layers = [tn.Input((28, 28, 1), scale=1 / 255), tn.Flatten(), tn.Dense(64), LayerNorm(), tn.ReLU()]
model = tn.Sequential([*layers, tn.Dense(10, activation="softmax")], seed=0)
model.summary()

# %%
# Is the gradient right? The check compares it with difference quotients of the loss, in float64.

report = tn.check_gradients(model, x_train[:8], y_train[:8], loss="cross_entropy")
print(report)

# %%
# Normalised features bear a learning rate that is ten times as large as usual, and five epochs are enough.

history = model.fit(x_train, y_train, epochs=5, optimizer=tn.SGD(0.1), validation_data=(x_test, y_test), seed=0)

# %%
# What the layer does, on the test images: before it, the features of different images differ in size; after it, they
# do not. It learns the gain and the offset of each feature.

_, flatten, dense, norm, *_ = model.layers
before = dense(flatten(model.input(x_test))).data
after = norm(before).data
figure, row = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")
for axes, values, name in ((row[0], before, "before"), (row[1], after, "after")):
    axes.hist(values.std(axis=1), bins=40, range=(0, 3), color="#0072B2")
    axes.set(xlabel="spread of the features of an image", ylabel="images", title=name)
figure.suptitle("Layer normalisation: how far the 64 features of a test image lie apart")
plt.show()

# %%
# A file names the class of a layer. Loading takes classes that are not tinynet's from you alone.

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "model.safetensors"
    model.save(path)
    loaded = tn.load(path, custom_layers={"LayerNorm": LayerNorm})
accuracy = loaded.evaluate(x_test, y_test)["accuracy"]
print(f"test accuracy of the loaded model {accuracy:.4f}")
