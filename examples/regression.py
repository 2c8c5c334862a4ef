"""
Regression on a table
=====================

Numbers in, a number out. You learn to bring the columns of a table to one scale, to stop where the network is best on
samples that are kept apart, and to choose a loss that does not believe every number. It needs scikit-learn, which has
the table and a linear model beside the network.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

import tinynet as tn

# %%
# For 442 patients: age, sex, body mass index, blood pressure and six values of blood, and how far diabetes has gone on
# a year later, a number from 25 to 346. In a second table, the decimal point has slipped in a twentieth of the numbers.

x_train, x_test, y_train, y_test = train_test_split(*load_diabetes(return_X_y=True, scaled=False), random_state=0)
slipped = np.random.default_rng(0).random(len(y_train)) < 0.05
tables = {"right": y_train, "slipped": np.where(slipped, 10 * y_train, y_train)}
print(f"{len(x_train)} patients to train on, of which {slipped.sum()} have a slipped number; {len(x_test)} to test on")

# %%
# ``adapt`` finds the shift and the scale of each column; they are saved with the model. A fifth of the patients is kept
# apart to validate on. Once that loss has not fallen for 20 epochs, training ends, and the best network is back.


def scaled(y):
    """Return numbers with a mean near 0."""
    return (y - 150) / 100


def train(y, loss):
    """Train a network on a column of numbers."""
    layers = [tn.Input((10,)).adapt(x_train), tn.Dense(32, "gelu"), tn.Dense(32, "gelu"), tn.Dense(1)]
    model, best = tn.Sequential(layers, seed=0), tn.EarlyStopping(patience=20, restore_best=True)
    options = {"epochs": 200, "optimizer": tn.Adam(1e-3), "validation_split": 0.2, "callbacks": [best]}
    history = model.fit(x_train, scaled(y), batch_size=16, loss=loss, seed=0, verbose=0, **options)
    print(f"{loss}: {history.stopped}")
    return model


models = {(name, loss): train(y, loss) for name, y in tables.items() for loss in ("mse", "huber")}

# %%
# R2 is 1 for perfect predictions, and 0 for the mean in place of each. Squared errors follow the few wrong numbers, in
# the linear model too. Huber's loss grows evenly where an error is large, so it cares less about them. On the right
# table, a network is no better than the linear model: there are few samples, and not much to bend a line for.

scores = {key: m.evaluate(x_test, scaled(y_test), metrics=["r2"])["r2"] for key, m in models.items()}
for name, y in tables.items():
    scores[name, "linear"] = LinearRegression().fit(x_train, y).score(x_test, y_test)
    print(f"{name}:", {loss: round(scores[name, loss], 2) for loss in ("mse", "huber", "linear")})

# %%
# Predictions of the two networks that have learned from the slipped table.

figure, row = plt.subplots(1, 2, figsize=(7, 3.7), sharex=True, sharey=True, layout="constrained")
for axes, loss in zip(row, ("mse", "huber"), strict=True):
    predicted = 150 + 100 * models["slipped", loss].predict(x_test)[:, 0]
    axes.plot(y_test, predicted, ".", label="patients of the test set")
    axes.plot([25, 346], [25, 346], "--", color="0.5", label="perfect")
    axes.set(title=f'loss="{loss}", R2 {scores["slipped", loss]:.2f}', xlabel="true progression", aspect="equal")
row[0].set_ylabel("predicted progression")
row[0].legend(fontsize=8)
figure.suptitle("Predictions after training on a table with wrong numbers")
plt.show()
