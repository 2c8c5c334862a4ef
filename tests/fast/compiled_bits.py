"""Train the reference models, compiled, for a few steps, and print a hash of every bit, by name, as JSON.

Run by test_compiled_fit.py in processes that differ in their threads alone.
"""

import hashlib
import json
import sys

import numpy as np

import tinynet as tn
from tinynet.recipes import RECIPES


def digest(array):
    """A hash of values that are worth comparing."""
    assert np.isfinite(array).all()
    assert np.any(array)
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()


def main():
    for n in map(int, sys.argv[1:] or [tn.get_num_threads()]):
        tn.set_num_threads(n, fixed=True)
    (x, y), _ = tn.datasets.mnist(source="sample")
    found = {}
    for name in ("cnn", "dense"):
        model = RECIPES[name].model(seed=0)
        optimizer = tn.SGD(0.05, momentum=0.9)
        # The last batch is smaller.
        history = model.fit(x[:110], y[:110], epochs=1, optimizer=optimizer, seed=0, verbose=0)
        found[f"{name}: theta"] = digest(model.theta)
        found[f"{name}: loss"] = digest(np.array(history.history["loss"]))
        found[f"{name}: output"] = digest(model.predict(x[:50]))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
