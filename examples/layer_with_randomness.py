"""
A layer with randomness
=======================

Gaussian noise, in training only. You learn to draw random numbers in a layer with ``tn.random``, so that they are new
in each step and yet decided by the seed. Does noise in training help with noisy images?
"""

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn

# %%
# ``tn.random.normal`` draws normal numbers. A draw is part of a step of training, so ask ``tn.training()`` first. In
# inference, the layer lets its input pass.


class GaussianNoise(tn.Layer):
    """In training, add normal numbers of mean 0."""

    def __init__(self, stddev, name=None):
        super().__init__(name)
        self.stddev = stddev

    def forward(self, x):
        """Add the noise."""
        return x + tn.random.normal(x.shape, stddev=self.stddev, dtype=x.dtype) if tn.training() else x


# %%
# A number is decided by the seed of the mode, the number of the step, the layer, the number of the draw in it, and its
# place. So each step draws others, and a new mode with the same seed begins with the same ones again. No state of a
# generator has to be kept.

layer, zeros = GaussianNoise(1.0), np.zeros(4, np.float32)
for seed in (0, 0, 1):
    mode = tn.train_mode(seed=seed)
    for _ in range(2):
        with mode:
            print(f"seed {seed}, step {mode.steps}: {layer(zeros).data.round(2)}")
print(f"inference: {layer(zeros).data}")

# %%
# ``fit`` compiles the layer with the rest; its ``seed`` decides the noise as well as the order of the samples. Random
# numbers of another kind, such as NumPy's, would be the same in each step of a compiled function. It refuses them.

(x_train, y_train), (x_test, y_test) = tn.datasets.mnist(source="sample")


def train(stddev):
    """Train a network with noise on its images."""
    layers = [tn.Input((28, 28, 1), scale=1 / 255), GaussianNoise(stddev), tn.Flatten(), tn.Dense(128, "relu")]
    model = tn.Sequential([*layers, tn.Dense(10, "softmax")], seed=0)
    model.fit(x_train, y_train, epochs=10, optimizer=tn.Adam(), seed=0, verbose=0)
    return model


models = {stddev: train(stddev) for stddev in (0.0, 0.25, 0.5)}

# %%
# Test images with more and more noise. Who has been trained with noise reads noisy digits better.

levels = np.linspace(0, 1, 9)
noise = 255 * np.random.default_rng(0).normal(size=x_test.shape)
accuracies = {s: [m.evaluate(x_test + a * noise, y_test)["accuracy"] for a in levels] for s, m in models.items()}
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for (stddev, curve), style in zip(accuracies.items(), ("o-", "s--", "^:"), strict=True):
    axes.plot(levels, curve, style, label=f"trained with {stddev}")
axes.set(xlabel="standard deviation of the noise on the test images", ylabel="accuracy", ylim=(0, 1))
axes.legend()
figure.suptitle("Noise in training, and digits read through noise")
plt.show()
