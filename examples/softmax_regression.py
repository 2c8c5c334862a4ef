"""
Softmax regression
==================

The smallest network that reads digits. You learn how data, a model and training go together: load arrays, stack layers,
fit, evaluate, predict.
"""

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn

# %%
# Images are uint8 arrays (n, 28, 28), labels are the digits (n,).

(x_train, y_train), (x_test, y_test) = tn.datasets.mnist(source="sample")
print(f"{len(x_train):,} training and {len(x_test):,} test images")

# %%
# The model itself turns bytes into numbers from 0 to 1, so it is fed with raw images, now and when it is used.
# Flatten lays the pixels of an image in a row. Dense makes a weighted sum of them for each of ten digits. Softmax
# turns the ten sums into probabilities. The seed decides the initial weights.

model = tn.Sequential(
    [
        tn.Input((28, 28, 1), scale=1 / 255),
        tn.Flatten(),
        tn.Dense(10, activation="softmax"),
    ],
    seed=0,
)
model.summary()

# %%
# There are 784 x 10 weights and 10 biases. Each step takes 32 images and moves the weights a little against the
# gradient of their mean loss. The loss is the cross-entropy: minus the logarithm of the probability that the model
# assigns to the right digit. A model that guesses has a loss of log 10 = 2.30.

history = model.fit(
    x_train, y_train, epochs=12, batch_size=32, optimizer=tn.SGD(0.05), validation_data=(x_test, y_test), seed=0
).history

# %%
# What counts is how it does on images that it has never seen: the validation loss, here that of the test images.

epochs = range(1, len(history["loss"]) + 1)
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
axes.plot(epochs, history["loss"], "o-", color="#0072B2", label="training")
axes.plot(epochs, history["val_loss"], "s--", color="#E69F00", label="test")
axes.set(xlabel="epoch", ylabel="cross-entropy", title="Loss of softmax regression by epoch")
axes.legend()
plt.show()

# %%
# ``predict`` returns the ten probabilities of each image. The largest is the model's answer.

scores = model.evaluate(x_test, y_test)
print(f"test loss {scores['loss']:.4f}, test accuracy {scores['accuracy']:.4f}")
answers = model.predict(x_test).argmax(axis=1)
for digit in range(10):
    mine = y_test == digit
    wrong = answers[mine & (answers != digit)]
    taken_for = f", most often wrongly taken for a {np.bincount(wrong).argmax()}" if len(wrong) else ""
    print(f"digit {digit}: {np.mean(answers[mine] == digit):6.1%} right{taken_for}")

# %%
# The weights of a digit are an image too: blue where ink speaks for the digit, red where it speaks against it.

weights = model.parameters["dense.weight"].data.reshape(28, 28, 10)
most = np.abs(weights).max()
figure, grid = plt.subplots(2, 5, figsize=(7, 3.2), layout="constrained")
for digit, axes in enumerate(grid.flat):
    shown = axes.imshow(weights[:, :, digit], cmap="RdBu", vmin=-most, vmax=most)
    axes.set_title(str(digit), fontsize=9)
    axes.axis("off")
figure.colorbar(shown, ax=grid, label="weight", shrink=0.8)
figure.suptitle("The weights of each digit, laid out as an image")
plt.show()
