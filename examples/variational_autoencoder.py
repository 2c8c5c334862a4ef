"""
A variational autoencoder
=========================

Digits as points of a plane, and points of the plane as digits (Kingma and Welling, 2014). You learn to make a model of
several networks, with a layer that draws random numbers, and to train it by a loss of two terms.
"""

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn

(x_train, _), (x_test, y_test) = (((x / 255).astype(np.float32), y) for x, y in tn.datasets.mnist(source="sample"))

# %%
# The encoder turns an image into a cloud of points: a mean and a variance for each of two coordinates. ``Draw`` is a
# layer of two tensors that draws a point of it; in inference it takes the middle. The decoder makes it an image.


class Draw(tn.Layer):
    """Draw normal numbers with given means and logarithms of variances."""

    def forward(self, mean, log_variance):
        """Add noise to the mean, in training."""
        return mean + tn.random.normal(mean.shape) * tn.ops.exp(log_variance / 2) if tn.training() else mean


class Autoencoder(tn.Model):
    """Images to clouds, to points, and back to images."""

    def __init__(self):
        super().__init__(input_shape=(28, 28), seed=0)
        self.encoder = tn.Sequential([tn.Flatten(), tn.Dense(128, "relu"), tn.Dense(4)])
        self.draw = Draw()
        self.decoder = tn.Sequential([tn.Dense(128, "relu"), tn.Dense(784), tn.Reshape((28, 28)), tn.Sigmoid()])

    def clouds(self, x):
        """Return the means and the logarithms of the variances, each (n, 2)."""
        return tn.ops.split(self.encoder(x), 2, axis=1)

    def forward(self, x):
        """Return the image of a point of each cloud."""
        return self.decoder(self.draw(*self.clouds(x)))


# %%
# The loss asks for images like the given ones, and for clouds like the standard normal one: the second term is the
# Kullback-Leibler divergence from it. Without it the clouds would lie far apart, with nothing in between.

model, optimizer, mode, rng = Autoencoder(), tn.Adam(4e-3), tn.train_mode(seed=0), np.random.default_rng(0)


@tn.compile
def step(x):
    """Train on images with pixels from 0 to 1."""
    mean, log_variance = model.clouds(x)
    likeness = tn.ops.binary_cross_entropy(model.decoder(model.draw(mean, log_variance)), x)
    divergence = (mean**2 + tn.ops.exp(log_variance) - log_variance - 1).sum() / (2 * len(x))
    optimizer.minimize(784 * likeness + divergence, model)
    return likeness, divergence


for batch in rng.permuted(np.tile(np.arange(4000), (15, 1)), axis=1).reshape(-1, 50):  # 15 epochs
    with mode:
        step(x_train[batch])

# %%
# Left, the middles of the clouds of test images. Right, what the decoder makes of points of the same plane.

points, ticks = model.clouds(x_test)[0].data, np.linspace(-4.2, 4.2, 15, dtype=np.float32)
plane = np.stack(np.meshgrid(ticks, -ticks), axis=-1).reshape(-1, 2)
tiles = model.decoder(plane).data.reshape(15, 15, 28, 28).transpose(0, 2, 1, 3).reshape(420, 420)
figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 4), sharex=True, sharey=True, layout="constrained")
dots = left.scatter(*points.T, c=y_test, cmap="tab10", vmin=-0.5, vmax=9.5, s=6)
figure.colorbar(dots, ax=left, label="digit", ticks=range(10))
right.imshow(tiles, cmap="gray_r", extent=(-4.5, 4.5, -4.5, 4.5))
left.set(title="Test images in the plane", xlabel="first coordinate", ylabel="second coordinate", aspect="equal")
right.set(title="Images of points of the plane", xlabel="first coordinate")
plt.show()
