"""Softmax regression: the smallest network that reads digits.

You learn how data, a model and training go together in tinynet: load arrays, stack layers, fit, evaluate, predict.
The model has no hidden layer: each digit has one weight per pixel, and the digit with the largest weighted sum wins.
"""

import numpy as np

import tinynet as tn


def main(source="auto", epochs=10):
    # Images are uint8 arrays (n, 28, 28), labels are the digits (n,). "auto" takes the full MNIST if it is to be had,
    # else a sample that comes with tinynet; pass "sample" to try things out quickly.
    (x_train, y_train), (x_test, y_test) = tn.datasets.mnist(source)
    print(f"{len(x_train):,} training and {len(x_test):,} test images")

    # The model itself turns bytes into numbers from 0 to 1, so that it is fed with raw images, now and when it is used.
    # Flatten lays the pixels of an image in a row; Dense makes a weighted sum of them for each of ten digits; softmax
    # turns the ten sums into probabilities. The seed decides the initial weights.
    model = tn.Sequential(
        [
            tn.Input((28, 28, 1), scale=1 / 255),
            tn.Flatten(),
            tn.Dense(10, activation="softmax"),
        ],
        seed=0,
    )
    model.summary()  # 784 x 10 weights and 10 biases: 7,850 parameters

    # Each step takes 32 images and moves the weights a little against the gradient of their mean loss. The loss is the
    # cross-entropy: minus the logarithm of the probability that the model gives to the right digit.
    model.fit(x_train, y_train, epochs=epochs, batch_size=32, optimizer=tn.SGD(0.01), loss="cross_entropy", seed=0)

    # What counts is how it does on images that it has never seen.
    figures = model.evaluate(x_test, y_test)
    print(f"test loss {figures['loss']:.4f}, test accuracy {figures['accuracy']:.4f}")

    # predict gives the ten probabilities of each image; the largest is the model's answer.
    probabilities = model.predict(x_test)
    answers = probabilities.argmax(axis=1)
    for digit in range(10):
        mine = y_test == digit
        wrong = answers[mine & (answers != digit)]
        taken_for = f", most often wrongly taken for a {np.bincount(wrong).argmax()}" if len(wrong) else ""
        print(f"digit {digit}: {np.mean(answers[mine] == digit):6.1%} right{taken_for}")
    return figures["accuracy"]


if __name__ == "__main__":
    main()
