"""
Convolutional network
=====================

Layers that know that pixels have neighbours. You learn what convolution and pooling do to the shape of an image, how to
look at what a network gets wrong, and how to save a model and load it again.
"""

import tempfile
from pathlib import Path

import numpy as np

import tinynet as tn

(x_train, y_train), (x_test, y_test) = tn.datasets.mnist(source="sample")

# %%
# A convolution slides small filters (here 3 x 3 pixels) over the image. Each makes one channel of the output, which
# tells where its pattern was found. Pooling keeps the maximum of each window: the image shrinks, and it matters less
# where exactly the pattern was. A filter is the same for all of the image, so this network has fewer parameters than
# the dense one, and yet reads better.

model = tn.Sequential(
    [
        tn.Input((28, 28, 1), scale=1 / 255),
        tn.Conv2D(32, 3, activation="relu", name="Conv1"),  # (28, 28, 1) to (26, 26, 32): 3 x 3 fits 26 times
        tn.MaxPool(2),  # to (13, 13, 32)
        tn.Conv2D(64, 3, activation="relu", name="Conv2"),  # to (11, 11, 64): patterns of patterns
        tn.MaxPool(3),  # to (3, 3, 64)
        tn.Flatten(),  # to 576 numbers that describe the image
        tn.Dense(128, activation="relu"),
        tn.Dense(10, activation="softmax"),
    ],
    seed=0,
)
model.summary()

# %%
# ``tn.report`` has figures of models, training and predictions. This one shows the shapes.

diagram = tn.report.model_diagram(model)
diagram

# %%
# The first run compiles the kernels, which takes some seconds. Later runs find them on disk.

history = model.fit(x_train, y_train, epochs=8, optimizer=tn.SGD(0.05), validation_data=(x_test, y_test), seed=0)

# %%
# The loss of the training images keeps falling; that of the test images tells what is worth keeping.

curve = tn.report.learning_curve(history)
curve

# %%
# A model file holds the layers and the parameters. Loading executes nothing, so it is safe with files of others.

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "cnn.safetensors"
    model.save(path)
    print(f"saved {path.stat().st_size:,} bytes")
    loaded = tn.load(path)
probabilities = loaded.predict(x_test)
same = np.array_equal(probabilities, model.predict(x_test))
print("the loaded model predicts the same bits:", same)
accuracy = loaded.evaluate(x_test, y_test)["accuracy"]
print(f"test accuracy {accuracy:.4f}")

# %%
# Its mistakes are often digits that people misread as well. Those of which it was most sure come first.

answers, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
mistakes = tn.report.prediction_grid(x_test, y_test, answers, mislabelled=True, confidence=confidence, worst_first=True)
mistakes

# %%
# Which digit is taken for which? Each row of the confusion matrix is a digit, each column an answer.

confusion = tn.report.confusion_heat_map(tn.metrics.confusion_matrix(probabilities, y_test))
confusion

# %%
# How far can its probabilities be believed? Of the answers with a probability of 90 %, about nine in ten should be
# right.

calibration = tn.report.calibration_figure(confidence, answers == y_test)
calibration

# %%
# The 32 filters of the first layer are small images. One that is light on one side and dark on the other reacts to an
# edge in that direction.

filters = tn.report.first_layer_filters(model)
filters
