"""
A character model
=================

A network that continues a text, character by character, by attention to those before (Vaswani et al., 2017). You learn
to put a transformer together from layers, to train it on all places of a text at once, and to draw new text from it.
"""

from pydoc_data.topics import topics

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn

# %%
# The text comes with Python: it is what ``help()`` says about topics such as statements. It is cut into windows; with
# each goes the same window moved by one character, which is what is to be predicted. Every tenth is kept for testing.
# The simplest model is a table of pairs: how often does each character follow each other one?

LENGTH, WIDTH = 32, 64
names = ("compound", "specialnames", "types", "string-methods")
text = " ".join(" ".join(topics[name] for name in names).encode("ascii", "ignore").decode().split())
alphabet, codes = np.unique(list(text), return_inverse=True)
n = (len(codes) - 1) // LENGTH
x, y = (codes[i : i + n * LENGTH].reshape(n, LENGTH) for i in (0, 1))
test = np.arange(n) % 10 == 9
print(f"{len(text):,} characters, {len(alphabet)} different ones: {text[:75]} ...")

pairs = np.full((len(alphabet), len(alphabet)), 0.1)
np.add.at(pairs, (x[~test], y[~test]), 1)
of_pairs = -np.log(pairs / pairs.sum(axis=1, keepdims=True))[x[test], y[test]].mean()

# %%
# The layers of a transformer do not know where in the text they are; this one adds a vector for each place. ``causal``
# lets no place see those after it. So one pass predicts the next character at all places of a window.


class Places(tn.Layer):
    """Add a vector for each place."""

    def build(self, input_shape, rng):
        """Create the vectors."""
        self.vectors = self.add_parameter("vectors", input_shape, "uniform")

    def forward(self, x):
        """Add them."""
        return x + self.vectors


layers = [tn.Input((LENGTH,)), tn.Embedding(len(alphabet), WIDTH), Places()]
for _ in range(2):
    layers.append(tn.Residual([tn.LayerNorm(), tn.MultiHeadAttention(4, causal=True)]))
    layers.append(tn.Residual([tn.LayerNorm(), tn.Dense(2 * WIDTH, "gelu"), tn.Dense(WIDTH)]))
model = tn.Sequential([*layers, tn.LayerNorm(), tn.Dense(len(alphabet))], seed=0)

schedule = tn.StepSchedule.cosine(epochs=4, warm_up=0.2)
options = {"epochs": 4, "batch_size": 16, "optimizer": tn.Adam(5e-3), "callbacks": [schedule], "seed": 0}
model.fit(x[~test], y[~test], validation_data=(x[test], y[test]), **options)
losses = tn.ops.cross_entropy(model(x[test]), y[test], reduction="none").data.mean(axis=0)
print(f"loss {losses.mean():.2f}; of the table of pairs {of_pairs:.2f}")

# %%
# To continue a text, draw a character by the probabilities at the last place, and move the window on. The largest of
# the logits plus Gumbel's noise is such a draw; dividing them by 0.7 makes what is likely more likely.

line, rng, predict = list(x[test][0]), np.random.default_rng(0), tn.compile(model, freeze=True)
for _ in range(300):
    logits = predict(np.array([line[-LENGTH:]]))[0, -1]
    line.append(np.argmax(logits / 0.7 + rng.gumbel(size=logits.size)))
print("".join(alphabet[line]))

# %%
# From one character, the network knows what the table knows. The more it sees, the better it predicts.

_, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
axes.plot(np.arange(1, LENGTH + 1), losses, "o-", markersize=3, label="transformer")
axes.axhline(of_pairs, color="0.5", linestyle="--", label="table of pairs")
axes.set(xlabel="characters seen", ylabel="loss on the test text (nats)", ylim=0, title="The next character")
axes.legend()
plt.show()
