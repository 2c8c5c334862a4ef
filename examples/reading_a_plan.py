"""
Reading a plan
==============

Where the time of a training step goes. ``fit`` traces the whole step once, fuses neighbours, lays out every buffer,
and replays a flat list of kernel calls. You learn to read that list: what each call stands for, what it computes and
saves, how long it takes, and which memory it uses.
"""

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn
from tinynet.fast.compile import Compiled
from tinynet.recipes import RECIPES
from tinynet.report import profile_figure

# %%
# The training step of the reference CNN, as ``fit`` has it: gather the batch, forward, backward, update. The images
# are read where they are, so the argument of the step is the batch's indices. A hundred steps come first, so that the
# network has learned something; they all replay the plan that the first one made.

(x_train, y_train), _ = tn.datasets.mnist(source="sample")
images, labels = tn.Tensor(x_train), tn.Tensor(y_train)
model, optimizer, mode = RECIPES["cnn"].model(seed=0), tn.SGD(0.01), tn.train_mode(seed=0)


def descend(indices):
    """Train on the images at some indices."""
    loss = tn.ops.cross_entropy(model(images[indices]), labels[indices])
    optimizer.minimize(loss, model)
    return loss


step = tn.compile(descend)
rng = np.random.default_rng(0)
for _ in range(100):
    with mode:
        step(rng.choice(len(x_train), 32, replace=False))
with mode:
    plan = step.plan(np.arange(32))
print(f"traced {step.traces} time, {mode.steps - 1} steps made")

# %%
# Before it is timed, the table has what follows from shapes. One line is one call. *fuses*: the ops it stands for.
# *how*: products are made ``in registers``; ``Winograd`` needs fewer of them; ``direct`` takes all places of a small
# window at once, and ``sparse`` the winners of the pooling alone. *MFLOP* is what is computed. *dead* is what no window
# reads, *sparse* what has the gradient 0, *winograd* what that algorithm saves: none is computed. ``all_finite``
# looks at the whole gradient: the update is made only if each number of it is finite.

print(plan.table())

# %%
# Without fusion, the same step is a longer list. ``Compiled`` is what stands behind ``tn.compile``.

with mode:
    unfused = Compiled(descend, "the step", fused=False).find(np.arange(32)).plan
print(f"{len(unfused.calls)} calls without fusion, {len(plan.calls)} with it")

# %%
# ``profile`` replays the plan call by call, on the last batch, and times each. What it updates is put back. Now the
# share of winners that relu has left alive is counted as well, and *of peak* is the share of what matrix products
# reach at best.

rows = plan.profile(100)
print(plan.table(width=110))

# %%
# The same as a picture.

figure = profile_figure(rows, "A training step of the reference CNN, batch 32")
figure  # in a notebook, this shows it

# %%
# Values that do not live at the same time share memory. Each bar is a value, from the call that writes it to the last
# that reads it. A row is a place in memory: where it holds several bars, it is used again.


def place(array):
    """Return the first and the last address of an array."""
    return array.ctypes.data, array.ctypes.data + array.nbytes


def overlap(one, other):
    """Return whether two arrays share memory."""
    (a, b), (c, d) = place(one), place(other)
    return a < d and c < b


lives = []
for i, call in enumerate(plan.calls, 1):
    later = list(enumerate(plan.calls[i:], i + 1))
    for array in call.outputs:
        over = [j for j, other in later if any(overlap(array, out) for out in other.outputs)]
        read = [j for j, other in later if any(overlap(array, x) for x in other.inputs)]
        lives.append((place(array)[0], i, max([i, *(j for j in read if j <= min([*over, j]))]), call.name))
places = sorted({start for start, *_ in lives})

figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
colors = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")
for k, (start, first, last, name) in enumerate(lives):
    axes.barh(places.index(start), last - first + 0.8, left=first - 0.4, color=colors[k % 4])
    crowded = any(
        other == start and last < begun < last + 6 for other, begun, *_ in lives
    )  # a bar is where a name would be
    at, side = (first - 0.5, "right") if crowded else (last + 0.5, "left")
    axes.text(at, places.index(start), name, ha=side, va="center", fontsize=7)
axes.set(xlabel="call", ylabel="place in memory, by address", xlim=(-0.5, len(plan.calls) + 6), yticks=[])
figure.suptitle("How long each value of the training step lives, and where")
plt.show()
