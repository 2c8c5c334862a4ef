import keras
import numpy as np

import tinynet as tn

(x_train, y_train), (x_test, y_test) = tn.datasets.mnist(source="sample")
x_train, x_test = (x[..., None].astype("float32") for x in (x_train, x_test))  # N, H, W, C, as Keras has them

# Trained there: one epoch.
keras.utils.set_random_seed(0)
theirs = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="first"),
        keras.layers.MaxPooling2D(2, name="pool"),
        keras.layers.Flatten(name="flatten"),
        keras.layers.Dense(10, activation="softmax", name="last"),
    ]
)
theirs.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
theirs.fit(x_train, y_train, epochs=1, batch_size=32, verbose=0)
theirs.export("digits.onnx", format="onnx", verbose=False)

# Here it predicts the same, and goes on. The scaling of the samples is a constant of the file.
ours = tn.onnx.load("digits.onnx", name="digits")
there, here = theirs.predict(x_test, verbose=0), ours.predict(x_test)
print("largest difference below 1e-4:", bool(np.abs(here - there).max() < 1e-4))
print("accuracy there:", round(float((there.argmax(1) == y_test).mean()), 3))
print("sizes of parameters:", sorted(p.size for p in ours.parameters.values()))
ours.fit(x_train, y_train, epochs=2, optimizer=tn.SGD(0.05), seed=0, verbose=0)
print("accuracy after two more epochs here:", round(ours.evaluate(x_test, y_test)["accuracy"], 3))

# And back: parameters by their sizes, which are all different here, in the order in which Keras has them.
ours.save("digits.safetensors")
by_size = {p.size: p.data for p in ours.parameters.values()}
theirs.set_weights([by_size[w.size].reshape(w.shape) for w in theirs.get_weights()])
again = theirs.predict(x_test, verbose=0)
print("largest difference below 1e-4:", bool(np.abs(ours.predict(x_test) - again).max() < 1e-4))
