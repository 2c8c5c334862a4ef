"""Write down what PyTorch's optimizers and schedules do in float64, for tests that run without PyTorch.

Run as ``python -m tests.optim.freeze_torch`` where PyTorch is installed; it writes `torch.json` beside this file. With
``--check`` it writes nothing, and compares what PyTorch does now with that file.
"""

import json
import sys
from pathlib import Path

import numpy as np

PLACE = Path(__file__).with_name("torch.json")
STEPS, EPOCHS, BATCHES = 8, 6, 4  # of optimizers; of schedules
RATE = 0.05

# A network 2 -> 2 -> 1 without a last bias, with tanh between, and six samples: numbers that any version makes alike.
THETA = [0.3, -0.8, 0.5, 0.9, -0.1, 0.2, 1.1, -0.7]
X = [[np.sin(i), np.cos(3 * i)] for i in range(6)]
Y = [[np.sin(2 * i + 1)] for i in range(6)]

# The class in tinynet, its arguments, the class in PyTorch, its arguments.
OPTIMIZERS = {
    "sgd": ("SGD", {}, "SGD", {}),
    "sgd with all": ("SGD", {"momentum": 0.9, "weight_decay": 0.1}, "SGD", {"momentum": 0.9, "weight_decay": 0.1}),
    "nesterov": ("SGD", {"momentum": 0.8, "weight_decay": 0.1, "nesterov": True},
                 "SGD", {"momentum": 0.8, "weight_decay": 0.1, "nesterov": True}),
    "adam": ("Adam", {}, "Adam", {}),
    "adam with all": ("Adam", {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3, "weight_decay": 0.2},
                      "Adam", {"betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.2}),
    "adamw": ("AdamW", {}, "AdamW", {}),
    "adamw with all": ("AdamW", {"beta1": 0.7, "beta2": 0.9, "weight_decay": 0.4},
                       "AdamW", {"betas": (0.7, 0.9), "weight_decay": 0.4}),
    "rmsprop": ("RMSprop", {}, "RMSprop", {"alpha": 0.9}),
    "rmsprop with all": ("RMSprop", {"rho": 0.8, "momentum": 0.7, "epsilon": 1e-2, "weight_decay": 0.2},
                         "RMSprop", {"alpha": 0.8, "momentum": 0.7, "eps": 1e-2, "weight_decay": 0.2}),
    "clip_value": ("SGD", {"momentum": 0.5, "clip_value": 0.1}, "SGD", {"momentum": 0.5}),
    "clip_norm": ("Adam", {"clip_norm": 0.2}, "Adam", {}),
}  # fmt: skip

_CYCLE = EPOCHS * BATCHES
# By step, whether it is of StepSchedule, the schedule and its arguments; the class in PyTorch, and its arguments.
SCHEDULES = {
    "step": (False, "step", {"every": 2, "factor": 0.5}, "StepLR", {"step_size": 2, "gamma": 0.5}),
    "milestones": (False, "milestones", {"epochs": [1, 4]}, "MultiStepLR", {"milestones": [1, 4]}),
    "exponential": (True, "exponential", {"factor": 0.5}, "ExponentialLR", {"gamma": 0.5 ** (1 / BATCHES)}),
    "linear": (True, "polynomial", {"epochs": 4, "least": 0.01},
               "LinearLR", {"start_factor": 1.0, "end_factor": 0.01 / RATE, "total_iters": 4 * BATCHES}),
    "polynomial": (True, "polynomial", {"epochs": 5, "power": 2.0},
                   "PolynomialLR", {"total_iters": 5 * BATCHES, "power": 2.0}),
    "cosine": (True, "cosine", {"epochs": EPOCHS, "least": 0.002},
               "CosineAnnealingLR", {"T_max": _CYCLE, "eta_min": 0.002}),
    "restarts": (True, "cosine_restarts", {"epochs": 1, "growth": 2, "least": 0.002},
                 "CosineAnnealingWarmRestarts", {"T_0": BATCHES, "T_mult": 2, "eta_min": 0.002}),
    # In PyTorch a cycle ends with its last step, here after it; and it takes one off the share of the rise.
    "one cycle": (True, "one_cycle", {"epochs": EPOCHS},
                  "OneCycleLR", {"max_lr": RATE, "total_steps": _CYCLE + 1,
                                 "pct_start": (0.3 * _CYCLE + 1) / (_CYCLE + 1)}),
}  # fmt: skip


def steps_of(kind, options, clip_value=None, clip_norm=None):
    """Return the parameters after each step of an optimizer of PyTorch, in the order of a network of tinynet."""
    import torch

    w, b, v = (torch.tensor(a, dtype=torch.float64, requires_grad=True)
               for a in (np.reshape(THETA[:4], (2, 2)), THETA[4:6], np.reshape(THETA[6:], (2, 1))))  # fmt: skip
    x, y = (torch.tensor(np.array(a), dtype=torch.float64) for a in (X, Y))
    optimizer = getattr(torch.optim, kind)([w, b, v], lr=RATE, **options)
    found = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(torch.tanh(x @ w + b) @ v, y).backward()
        if clip_value is not None:
            torch.nn.utils.clip_grad_value_([w, b, v], clip_value)
        if clip_norm is not None:  # clip_grad_norm_ adds 1e-6 to the norm
            norm = torch.sqrt(sum((p.grad**2).sum() for p in (w, b, v)))
            for p in (w, b, v):
                p.grad *= clip_norm / max(norm, clip_norm)
        optimizer.step()
        found.append(torch.cat([p.detach().reshape(-1) for p in (w, b, v)]).tolist())
    return found


def rates_of(by_step, kind, options):
    """Return the learning rate, and the momentum, of each step under a schedule of PyTorch."""
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE, momentum=0.9)
    schedule = getattr(torch.optim.lr_scheduler, kind)(optimizer, **options)
    found = []
    for _ in range(EPOCHS):
        for _ in range(BATCHES):
            found.append([optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]])
            optimizer.step()
            if by_step:
                schedule.step()
        if not by_step:
            schedule.step()
    return found


def compute():
    """Return all that is written down."""
    clips = ("clip_value", "clip_norm")
    return {
        "optimizers": {
            name: steps_of(kind, options, **{c: ours[c] for c in clips if c in ours})
            for name, (_, ours, kind, options) in OPTIMIZERS.items()
        },
        "schedules": {name: rates_of(by_step, *theirs) for name, (by_step, _, _, *theirs) in SCHEDULES.items()},
    }


if __name__ == "__main__":
    found = compute()
    if "--check" in sys.argv:
        before = json.loads(PLACE.read_text())
        for part, cases in found.items():
            for name, values in cases.items():
                np.testing.assert_allclose(values, before[part][name], rtol=1e-12, err_msg=name)
        print("PyTorch does what is written down")
    else:
        PLACE.write_text(json.dumps(found) + "\n")
