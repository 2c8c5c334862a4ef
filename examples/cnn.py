"""Convolutional network: layers that know that pixels have neighbours.

You learn what convolution and pooling do to the shape of an image, and how to save a model and load it again.
"""

import tempfile
from pathlib import Path

import numpy as np

import tinynet as tn


def main(source="auto", epochs=10, folder=None):
    (x_train, y_train), (x_test, y_test) = tn.datasets.mnist(source)

    # A convolution slides small filters (here 3 x 3 pixels) over the image; each gives one channel of the output, which
    # tells where its pattern was found. Pooling keeps the maximum of each window: the image shrinks, and it matters
    # less where exactly the pattern was. A filter is the same for all of the image, so this network has fewer
    # parameters than the dense one, and yet reads better.
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

    # The first run compiles the kernels, which takes some seconds; later runs find them on disk.
    model.fit(x_train, y_train, epochs=epochs, optimizer=tn.SGD(0.01), validation_data=(x_test, y_test), seed=0)

    # A model file holds the layers and the parameters. Loading executes nothing, so it is safe with files of others.
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(folder or temporary) / "cnn.safetensors"
        model.save(path)
        print(f"saved {path.stat().st_size:,} bytes")
        loaded = tn.load(path)
    probabilities = loaded.predict(x_test)
    print("the loaded model gives the same bits:", np.array_equal(probabilities, model.predict(x_test)))

    # The mistakes of which it is most sure are often digits that people misread as well.
    answers = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(answers != y_test)
    surest = wrong[np.argsort(-probabilities[wrong].max(axis=1))][:5]
    for i in surest:
        print(f"test image {i}: a {y_test[i]}, read as {answers[i]} with probability {probabilities[i].max():.2f}")
    return loaded.evaluate(x_test, y_test)["accuracy"]


if __name__ == "__main__":
    print(f"test accuracy {main():.4f}")
