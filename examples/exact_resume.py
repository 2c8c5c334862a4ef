"""
Exact resume
============

A run that was stopped, and goes on as if it had not been. You learn to save a run while it is under way, to take it up
again in a new process, and to see that the result has the same bits.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn

(x_train, y_train), test = tn.datasets.mnist(source="sample")
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "run.safetensors"


def train(epochs, **options):
    """Train a small network with momentum, from the same seeds each time."""
    layers = [tn.Input((28, 28, 1), scale=1 / 255), tn.Flatten(), tn.Dense(32, "relu"), tn.Dense(10, "softmax")]
    model = tn.Sequential(layers, seed=0)
    optimizer = tn.SGD(0.02, momentum=0.9)
    history = model.fit(
        x_train, y_train, epochs, optimizer=optimizer, validation_data=test, seed=0, verbose=0, **options
    )
    return model, history


# %%
# This is the run as it should be: six epochs, without a break.

whole, whole_history = train(6)

# %%
# The same run, but something happens in the middle of the third epoch. A callback is called after each batch; this one
# raises an error. ``Checkpoint`` saves the run every 50 batches: parameters, the optimizer's velocity, the generators
# of random numbers, the order of the epoch, and where it was.


class PowerCut:
    """Raises an error after some batches."""

    def on_batch_end(self, run):
        """End the run in the middle of an epoch."""
        if run.epoch == 2 and run.batch == 70:
            raise RuntimeError("the lights went out")


try:
    train(6, callbacks=[tn.Checkpoint(path, every_batches=50), PowerCut()])
except RuntimeError as error:
    print(f"{error}; {path.name} has {path.stat().st_size:,} bytes")

# %%
# What the file holds is from batch 50 of that epoch. The last 20 batches are lost, and are trained again.

resumed, history = train(6, callbacks=[tn.Checkpoint(path)], resume=path)
same = np.array_equal(resumed.theta, whole.theta)
print(f"same parameters, bit for bit: {same}; same history: {history.history == whole_history.history}")

# %%
# The file is written whole or not at all, so a run that is killed while it saves leaves the checkpoint before. It is a
# model file as well: ``tn.load(path)`` returns the model. On the command line, ``tinynet train cnn --resume`` does the
# same.

figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
epochs = range(1, 7)
axes.plot(epochs, whole_history.history["val_loss"], color="0.6", linewidth=5, label="without a break")
axes.plot(epochs, history.history["val_loss"], "o-", color="#0072B2", label="stopped and resumed")
axes.axvline(2 + 70 / 125, color="black", linestyle="--", label="stopped")
axes.set(xlabel="epoch", ylabel="test loss", title="Test loss of a run with and without a break")
axes.legend()
plt.show()
folder.cleanup()
