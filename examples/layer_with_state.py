"""
A layer with state
==================

A layer that remembers what it has seen. You learn to give a layer a state: numbers that it keeps from step to step and
that no optimizer trains. The layer here subtracts from each image the mean of all images seen in training.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn

# %%
# ``add_state`` creates a state, as ``add_parameter`` creates a parameter; it may have integers, too. ``assign`` gives
# it a new value, within a step of training only. ``tn.training()`` says whether one is under way. The mean of n
# batches moves by 1 / n of the way to the n-th one.


class Centre(tn.Layer):
    """Subtract the mean of the samples seen in training."""

    def build(self, input_shape, rng):
        """Create the states: the mean, and how many batches it is of."""
        self.mean = self.add_state("mean", input_shape)
        self.batches = self.add_state("batches", (), dtype="int64")

    def forward(self, x):
        """In training, take note of the batch; then subtract the mean."""
        if tn.training():
            self.batches.assign(self.batches + 1)
            self.mean.assign(self.mean + (x.mean(axis=0) - self.mean) / self.batches.astype(x.dtype))
        return x - self.mean  # the new mean: what is assigned is seen at once


# %%
# The layer is used as any other, and ``fit`` compiles it with the rest. Between two steps the state can be read, as
# this callback does.

pictures = {}


class Watch:
    """Keep some of the means."""

    def on_batch_end(self, run):
        """Look at the state after a batch."""
        if int(centre.batches) in (1, 8, 375):
            pictures[int(centre.batches)] = centre.mean.data[..., 0].copy()


(x_train, y_train), test = tn.datasets.mnist(source="sample")
centre = Centre()
layers = [tn.Input((28, 28, 1), scale=1 / 255), centre, tn.Flatten(), tn.Dense(10, activation="softmax")]
model = tn.Sequential(layers, seed=0)
model.summary()
history = model.fit(x_train, y_train, 3, optimizer=tn.SGD(0.05), validation_data=test, seed=0, callbacks=[Watch()])

figure, row = plt.subplots(1, 3, figsize=(7, 2.8), layout="constrained")
for axes, (batches, mean) in zip(row, pictures.items(), strict=True):
    axes.imshow(mean, cmap="gray_r", vmin=0, vmax=0.6)
    axes.set(title=f"batches: {batches}", xticks=[], yticks=[])
figure.suptitle("The mean that the layer keeps")
plt.show()

# %%
# ``predict`` and ``evaluate`` are no training: they read the states, and leave them as they are. A state is saved with
# the model, copied with it, and is part of each checkpoint.

accuracy = model.evaluate(*test)["accuracy"]
print(f"{int(centre.batches)} batches after the test, too; accuracy {accuracy:.3f}")
with tempfile.TemporaryDirectory() as folder:
    model.save(Path(folder) / "model.safetensors")
    loaded = tn.load(Path(folder) / "model.safetensors", custom_layers={"Centre": Centre})
print({name: state.shape for name, state in loaded.states.items()})
same = np.array_equal(loaded.states["centre.mean"].data, centre.mean.data)
print("the same mean:", same)
