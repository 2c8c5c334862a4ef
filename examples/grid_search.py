"""
A convolutional network in scikit-learn
=======================================

``NetClassifier`` is a network in the form that scikit-learn knows: with ``fit``, ``predict`` and ``predict_proba``. You
learn to put a convolutional network into a pipeline, and to search for a good learning rate and number of filters by
cross-validation. It needs ``pip install 'tinynet-cpu[sklearn]'``.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import tinynet as tn
from tinynet.sklearn import NetClassifier

# %%
# The samples are 1,797 digits of 8 x 8 pixels, in rows of 64 numbers from 0 to 16, as scikit-learn ships them.

x, y = load_digits(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, stratify=y, random_state=0)
print(f"{len(x_train)} digits to train on, {len(x_test)} to test on, each of {x.shape[1]} numbers")

# %%
# The estimator makes a dense network by itself. For any other, ``model`` is a function of the shape of a sample and of
# the number of outputs.


def narrow(input_shape, outputs, filters=4):
    """Make a network of one convolution; the outputs are logits."""
    convolution = [tn.Input(input_shape), tn.Conv2D(filters, 3, activation="relu"), tn.MaxPool(2), tn.Flatten()]
    return tn.Sequential([*convolution, tn.Dense(outputs)])


def wide(input_shape, outputs):
    """Make the same with more filters."""
    return narrow(input_shape, outputs, filters=16)


# %%
# In front of the network, a step of the pipeline turns rows into images (n, 8, 8, 1). The search trains each network
# three times, each time on two thirds of the digits. ``random_state`` decides all that is random.


def to_images(rows):
    """Return images (n, 8, 8, 1) with pixels from 0 to 1."""
    return rows.reshape(-1, 8, 8, 1) / 16


pipeline = make_pipeline(FunctionTransformer(to_images), NetClassifier(epochs=15, batch_size=32, random_state=0))
rates, models = [0.0003, 0.003, 0.03], [narrow, wide]
grid = {"netclassifier__optimizer": [tn.Adam(rate) for rate in rates], "netclassifier__model": models}
search = GridSearchCV(pipeline, grid, cv=3).fit(x_train, y_train)
best = search.best_params_
print(f"best: {best['netclassifier__model'].__name__}, learning rate {best['netclassifier__optimizer'].learning_rate}")

# %%
# The search ends with the best network, trained on all digits of the training set. Beside it, a linear model.

linear = LogisticRegression(max_iter=1000).fit(x_train / 16, y_train)
accuracy, of_linear = search.score(x_test, y_test), linear.score(x_test / 16, y_test)
print(f"test accuracy {accuracy:.3f}; of logistic regression {of_linear:.3f}")

# %%
# With a rate that is too small, fifteen epochs are too few. More filters help at each rate.

scores = search.cv_results_["mean_test_score"].reshape(len(models), len(rates))
figure, axes = plt.subplots(figsize=(6, 2.6), layout="constrained")
image = axes.imshow(scores, vmin=np.floor(10 * scores.min()) / 10, vmax=1, cmap="viridis", aspect="auto")
for (row, column), score in np.ndenumerate(scores):
    axes.text(column, row, f"{score:.3f}", ha="center", va="center", color="white" if score < 0.9 else "black")
axes.set_xticks(range(len(rates)), rates)
axes.set_yticks(range(len(models)), ["narrow: 4 filters", "wide: 16 filters"])
axes.set(xlabel="learning rate of Adam", title="Accuracy in cross-validation, three parts")
figure.colorbar(image, label="accuracy")
plt.show()
