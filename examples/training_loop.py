"""
Your own training loop
======================

What ``fit`` does, by hand. You learn the four steps of training (forward, zero, backward, update) and where to put
what ``fit`` does not have: here a learning rate that falls, and a limit on the length of the gradient.
"""

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn

(x_train, y_train), test = tn.datasets.mnist(source="sample")
model = tn.Sequential(
    [tn.Input((28, 28, 1), scale=1 / 255), tn.Flatten(), tn.Dense(64, activation="relu"), tn.Dense(10)], seed=0
)

# %%
# ``model(x)`` computes the outputs and records how. ``backward`` adds the gradient of the loss to what is there, so
# begin with zero. All gradients lie in one vector, ``model.gradient``, and all parameters in another, ``model.theta``:
# what concerns them all is one line. Here a gradient longer than 1 is cut to length 1 (Pascanu et al., 2013).

optimizer = tn.SGD(0.2)
rng = np.random.default_rng(0)
batch_size, epochs = 32, 6
lengths, losses = [], []
for epoch in range(epochs):
    optimizer.learning_rate = 0.2 * 0.7**epoch
    order = rng.permutation(len(x_train))
    for start in range(0, len(x_train), batch_size):
        batch = order[start : start + batch_size]
        loss = tn.ops.cross_entropy(model(x_train[batch]), y_train[batch])  # forward
        model.zero_grad()
        loss.backward()
        length = np.linalg.norm(model.gradient)
        model.gradient[...] /= max(1.0, length)
        optimizer.step(model)  # theta = theta - rate gradient
        losses.append(loss.item())
        lengths.append(length)
    print(f"epoch {epoch + 1}/{epochs}: mean loss {np.mean(losses[-125:]):.4f}")

# %%
# The model ends without a softmax: its outputs are logits, which ``cross_entropy`` takes as such.

accuracy = model.evaluate(*test)["accuracy"]
print(f"test accuracy {accuracy:.4f}")

# %%
# What the loop saw: the first gradients were the longest.

figure, axes = plt.subplots(2, 1, figsize=(6, 4.4), sharex=True, layout="constrained")
axes[0].plot(losses, color="#0072B2", linewidth=0.8)
axes[0].set(ylabel="loss of the batch")
axes[1].plot(lengths, color="#D55E00", linewidth=0.8)
axes[1].axhline(1, color="black", linestyle="--", linewidth=1, label="limit")
axes[1].set(xlabel="step", ylabel="length of the gradient")
axes[1].legend()
figure.suptitle("Loss and length of the gradient, step by step")
plt.show()

# %%
# This loop computes each op as it is called. ``fit`` replays a plan instead, which is faster. A step of your own can
# be compiled, too: :doc:`own_step` does so.
