"""
Two inputs
==========

An image and a number go in: does the image show this digit? You learn to write a model of two inputs, to give it pairs,
and to let it compare what it makes of them. Models that match words with pictures, or users with films, are made so.
"""

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn

(x_train, y_train), (x_test, y_test) = tn.datasets.mnist(source="sample")

# %%
# ``forward`` has an argument for each input, and the model an ``Input`` for each, in the same order. Each input becomes
# a vector of 32 numbers; the answer is yes where the product of the two is large. ``integers=True`` leaves the numbers
# as they are, for ``Embedding``, which has a vector for each.


class Matching(tn.Model):
    """The probability that an image shows a digit."""

    def __init__(self):
        super().__init__(seed=0)
        self.image, self.digit = tn.Input((28, 28, 1), scale=1 / 255), tn.Input((1,), integers=True)
        convolutions = [tn.Conv2D(16, 3, activation="relu"), tn.MaxPool(2), tn.Conv2D(32, 3, activation="relu")]
        self.look = tn.Sequential([*convolutions, tn.MaxPool(3), tn.Flatten(), tn.Dense(32)])
        self.vectors = tn.Sequential([tn.Embedding(10, 32), tn.Flatten()])
        self.yes = tn.Sigmoid()

    def forward(self, image, digit):
        """Compare the two."""
        seen, asked = self.look(self.image(image)), self.vectors(self.digit(digit))
        return self.yes((seen * asked).sum(axis=1, keepdims=True))


model = Matching()
model.summary()

# %%
# Half of the questions have the answer yes. For the others, a wrong digit is drawn.

rng = np.random.default_rng(0)


def questions(digits):
    """Return a digit to ask for with each image, (n, 1), and the answers."""
    answers = rng.integers(0, 2, len(digits))
    return ((digits + (1 - answers) * rng.integers(1, 10, len(digits))) % 10)[:, None], answers


(asked, answers), (test_asked, test_answers) = questions(y_train), questions(y_test)
options = {"epochs": 8, "optimizer": tn.Adam(2e-3), "loss": "binary_cross_entropy", "seed": 0}
model.fit((x_train, asked), answers, validation_data=((x_test, test_asked), test_answers), **options)

# %%
# The model was asked yes or no. Asked for each digit in turn, it tells which one it is.

every = [model.predict((x_test, np.full((len(x_test), 1), digit)))[:, 0] for digit in range(10)]
probabilities = np.stack(every, axis=1)
accuracy = (probabilities.argmax(axis=1) == y_test).mean()
print(f"the digit with the largest probability is right for {accuracy:.3f} of the test images")
figure, (top, bottom) = plt.subplots(2, 1, figsize=(7, 4.6), height_ratios=(1, 4), layout="constrained")
top.imshow(np.hstack(x_test[:12]), cmap="gray_r")
top.set(xticks=[], yticks=[], title="Does this image show ...")
shades = bottom.imshow(probabilities[:12].T, cmap="viridis", vmin=0, vmax=1, aspect="auto")
bottom.set(xticks=[], yticks=range(10), ylabel="... this digit?")
figure.colorbar(shades, ax=bottom, label="probability")
plt.show()
