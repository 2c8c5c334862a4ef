"""Train the reference CNN on 64 images for 2 epochs, and print the losses of both and the last outputs, as JSON.

Run by test_reference.py: with ``without`` in a process that cannot import the engine room, nor Numba.
"""

import json
import sys


class Refusing:
    """Finds no engine room and no Numba."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("numba", "llvmlite") or name.startswith("tinynet.fast"):
            raise ImportError(f"{name} is not to be imported here")


def main():
    if "without" in sys.argv:
        sys.meta_path.insert(0, Refusing())
    import tinynet as tn
    from tinynet.recipes import RECIPES

    (x, y), _ = tn.datasets.mnist(source="sample")
    model = RECIPES["cnn"].model(seed=0)
    history = model.fit(x[:64], y[:64], epochs=2, optimizer=tn.SGD(0.05), seed=0, verbose=0)
    found = {
        "losses": history.history["loss"],
        "outputs": model.predict(x[64:72]).tolist(),
        "evaluated": model.evaluate(x[64:96], y[64:96]),
        "theta": float(abs(model.theta).sum()),
        "engine room": sorted(name for name in sys.modules if name.startswith(("tinynet.fast", "numba"))),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
