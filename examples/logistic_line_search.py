"""
Line search
===========

Is it a 5? Logistic regression on all images at once, each step found by a line search. You learn how to train with
full batches, what a step leaves on record, how to ask an objective for its values, and what Newton's method makes of
the same problem.
"""

import numpy as np

import tinynet as tn
from tinynet.recipes import standardisation
from tinynet.report import step_curves

(x_train, y_train), (x_test, y_test) = tn.datasets.mnist(source="sample")
five, test_five = y_train == 5, y_test == 5

# %%
# The model sees standardised pixels: each with mean 0 and standard deviation 1. In memory they stay the bytes that
# they are. There is one weight for each pixel, no bias, and all of them begin at 0.

shift, scale = standardisation(x_train)
model = tn.Sequential(
    [
        tn.Input((28, 28), shift=shift, scale=scale),
        tn.Flatten(),
        tn.Dense(1, "sigmoid", use_bias=False, kernel_init="zeros"),
    ],
    dtype="float64",
)

# %%
# ``batch_size=None`` takes all images in each step, so an epoch is a step. Each step begins with t = 1 and halves it
# until the loss falls by at least ``alpha t |g|^2`` (Armijo's condition). What it found is in the history.

optimizer = tn.GradientDescent(line_search=tn.Backtracking(alpha=0.01, beta=0.5, initial_step=1.0))
run = model.fit(
    x_train,
    five,
    epochs=200,
    batch_size=None,
    optimizer=optimizer,
    loss="binary_cross_entropy",
    validation_data=(x_test, test_five),
    verbose=0,
)
history = run.history
history["val_error"] = [1 - accuracy for accuracy in history["val_accuracy"]]
print("step  training loss  |gradient|  accepted t  trials  test error")
for k in (1, 2, 5, 10, 50, 100, 200):
    row = [history[name][k - 1] for name in ("loss", "gradient_norm", "step_size", "trials", "val_error")]
    print("{:4}  {:13.9f}  {:10.6f}  {:10g}  {:6.0f}  {:10.4f}".format(k, *row))
print(f"least margin of Armijo's condition: {min(history['margin']):.2e}")

# %%
# The training loss falls with every step: the line search sees to that. The test loss need not, and goes down in a
# zigzag.

curves = step_curves(history)
loss_curve = curves["training_loss"]
loss_curve

# %%

test_curve = curves["test_loss"]
test_curve

# %%
# The steps that were taken. No step is ever smaller than a bound that
# :doc:`the theory </theory/descent>` gives.

step_curve = curves["step_size"]
step_curve

# %%
# The same loss, as a function of the weights. With an L2 term it has one minimum, and Newton's method finds it in a
# few steps: near the minimum, each squares the size of the gradient.

objective = tn.Objective(model, x_train, five, loss="binary_cross_entropy", l2=1e-3)
weights, records = tn.Newton().minimize(objective, np.zeros(784))
for record in records:
    print(f"|gradient| before the step {record.gradient_norm:.1e}")
gradient_norm = float(np.linalg.norm(objective.value_and_gradient(weights)[1]))
print(f"|gradient| at the end {gradient_norm:.1e}")
