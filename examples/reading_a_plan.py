"""
Reading a plan
==============

Where the time of a training step goes. ``fit`` traces the whole step once, fuses neighbours, lays out every buffer, and
replays a flat list of kernel calls. You learn to read that list: what each call stands for, what it computes and saves,
how long it takes, and which memory it uses.
"""

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn
from tinynet.fast.trace import training_plan
from tinynet.recipes import RECIPES
from tinynet.report import profile_figure

# %%
# A plan of the training step of the reference CNN, made as ``fit`` makes it: gather the batch, forward, backward,
# update.

(x_train, y_train), _ = tn.datasets.mnist(source="sample")
model, optimizer = RECIPES["cnn"].model(seed=0), tn.SGD(0.01)
state = optimizer.initial_state(model.theta)
plan, _ = training_plan(model, tn.ops.cross_entropy, optimizer, state, x_train, y_train, 32)

# %%
# Before it is timed, the table has what follows from shapes. One line is one call. *fuses*: the ops it stands for.
# *how*: ``direct`` makes products in registers, ``Winograd`` needs fewer of them, ``sparse`` takes the winners of the
# pooling alone. *MFLOP* is what is computed. *dead* is what no window reads and so is never computed, *sparse* what is
# left out because the gradient there is 0, *winograd* what that algorithm saves.

print(plan.table())

# %%
# Without fusion, the same step is a longer list.

arguments = model, tn.ops.cross_entropy, optimizer, state, x_train, y_train, 32
unfused, _ = training_plan(*arguments, fused=False)
print(f"{len(unfused.steps)} calls without fusion, {len(plan.steps)} with it")

# %%
# ``profile`` replays the plan call by call and times each. What it updates is put back. Now the share of winners that
# relu has left alive is counted as well, and *of peak* is the share of what matrix products reach at best.

rng = np.random.default_rng(0)
for _ in range(100):
    plan.run(indices=rng.choice(len(x_train), 32, replace=False), learning_rate=0.01)
rows = plan.profile(100, indices=np.arange(32), learning_rate=0.01)
print(plan.table(width=110))

# %%
# The same as a picture.

figure = profile_figure(rows, "A training step of the reference CNN, batch 32")
figure  # in a notebook, this shows it

# %%
# Values that do not live at the same time share memory. Each bar is a value, from the call that writes it to the last
# that reads it. A row is a place in memory: where it holds several bars, it is used again.


def place(array):
    """Give the first and the last address of an array."""
    return array.ctypes.data, array.ctypes.data + array.nbytes


def overlap(one, other):
    """Tell whether two arrays share memory."""
    (a, b), (c, d) = place(one), place(other)
    return a < d and c < b


lives = []
for i, step in enumerate(plan.steps, 1):
    later = list(enumerate(plan.steps[i:], i + 1))
    for array in step.outputs:
        over = [j for j, other in later if any(overlap(array, out) for out in other.outputs)]
        read = [j for j, other in later if any(overlap(array, x) for x in other.inputs)]
        lives.append((place(array)[0], i, max([i, *(j for j in read if j <= min([*over, j]))]), step.name))
places = sorted({start for start, *_ in lives})

figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
colors = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")
for k, (start, first, last, name) in enumerate(lives):
    axes.barh(places.index(start), last - first + 0.8, left=first - 0.4, color=colors[k % 4])
    axes.text(last + 0.5, places.index(start), name, va="center", fontsize=7)
axes.set(xlabel="call", ylabel="place in memory, by address", xlim=(0, 23), yticks=[])
figure.suptitle("How long each value of the training step lives, and where")
plt.show()
