"""Dense network: why a network needs something between its layers.

You learn what hidden layers do, and how to compare two models. A stack of weighted sums alone is again only a weighted
sum, however many layers it has. With relu, max(x, 0), between them, the layers can build on each other.
"""

import tinynet as tn


def make(activation):
    """Make the network with or without an activation in its hidden layers; the parameters are as many."""
    return tn.Sequential(
        [
            tn.Input((28, 28, 1), scale=1 / 255),
            tn.Flatten(),
            tn.Dense(128, activation=activation, name="hidden1"),
            tn.Dense(64, activation=activation, name="hidden2"),
            tn.Dense(10, activation="softmax", name="digits"),
        ],
        seed=0,  # the same seed gives both models the same initial weights, bit for bit
    )


def main(source="auto", epochs=20):
    (x_train, y_train), test = tn.datasets.mnist(source)

    results = {}
    for activation in (None, "relu"):
        model = make(activation)
        if not results:
            model.summary()
        # validation_data is measured after each epoch. Nothing is learned from it: it shows whether what the model
        # learned also holds for images that it has not seen.
        history = model.fit(
            x_train, y_train, epochs=epochs, optimizer=tn.SGD(0.02), validation_data=test, seed=0, verbose=0
        ).history
        results[activation] = history
        print(f"activation {activation}: trained for {epochs} epochs")

    # Linear layers learn quickly, but can only draw straight borders between the digits: relu overtakes them.
    print("         linear layers               with relu")
    print("epoch    training   test accuracy    training   test accuracy")
    for epoch in range(epochs):
        row = [results[a][figure][epoch] for a in (None, "relu") for figure in ("accuracy", "val_accuracy")]
        print("{:5}    {:8.4f}   {:13.4f}    {:8.4f}   {:13.4f}".format(epoch + 1, *row))
    return results["relu"]["val_accuracy"][-1]


if __name__ == "__main__":
    main()
