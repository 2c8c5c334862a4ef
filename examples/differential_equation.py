"""
A differential equation
=======================

A network that is trained without data: its loss is a differential equation that it does not fulfil yet (Lagaris, Likas
and Fotiadis, 1998). You learn to take derivatives of a network with respect to its input, to put them into a loss, and
to compile the whole step.

The equation is u'' = -u, with u(0) = 0 and u'(0) = 1. Its solution is the sine; here is one period of it.
"""

import matplotlib.pyplot as plt
import numpy as np

import tinynet as tn

# %%
# Near 0, g is t, and g squared is nearly 0. So u(0) and u'(0) are right, whatever the network computes.

END = 2 * np.pi
hidden = [tn.Dense(32, "tanh"), tn.Dense(32, "tanh")]
network = tn.Sequential([tn.Input((1,), shift=END / 2, scale=2 / END), *hidden, tn.Dense(1)], seed=0)


def u(t):
    """Return the solution so far at times t, (n, 1)."""
    g = 1 - tn.ops.exp(-t)
    return g + g**2 * network(t)


# %%
# ``create_graph=True`` makes the derivative a tensor like any other. It can be differentiated again: here by time once
# more, and by the parameters in ``minimize``.


def slope(values, t):
    """Return the derivative of each value with respect to its time."""
    return tn.grad(values.sum(), [t], create_graph=True)[0]


optimizer, schedule, mode = tn.Adam(0.01), tn.StepSchedule.cosine(2000), tn.train_mode(seed=0)


@tn.compile
def step():
    """Bring u'' + u closer to 0 at 32 random times."""
    t = tn.random.uniform((32, 1), high=END)
    t.requires_grad = True
    loss = ((slope(slope(u(t), t), t) + u(t)) ** 2).mean()
    optimizer.minimize(loss, network)
    return loss


# %%
# The whole step is traced once. A loop of your own asks a schedule for the rate of each step.

times = np.linspace(0, END, 200, dtype=np.float32)[:, None]
solutions = {}
for i in range(2001):
    if i in (0, 200, 2000):
        solutions[f"after {i:,} steps"] = u(tn.Tensor(times)).data
    optimizer.learning_rate = schedule.rate(i, 0.01)
    with mode:
        loss = step()
errors = {when: np.abs(values - np.sin(times)) for when, values in solutions.items()}
print({when: f"largest error {error.max():.1e}" for when, error in errors.items()})

# %%
# A small error at one time moves the solution at all later ones. So the error grows from left to right.

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
left.plot(times, np.sin(times), color="0.75", linewidth=4, label="sine")
for (when, values), style in zip(solutions.items(), (":", "--", "-"), strict=True):
    left.plot(times, values, style, label=when)
    right.semilogy(times, errors[when], style, color=left.lines[-1].get_color(), label=when)
left.set(xlabel="t", ylabel="u(t)", title="Solution")
right.set(xlabel="t", ylabel="|u(t) - sin t|", title="Error")
left.legend(fontsize=8)
figure.suptitle("u'' = -u, solved by a network")
plt.show()
