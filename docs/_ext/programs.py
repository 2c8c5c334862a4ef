"""Programs with other libraries: run where these are installed, and shown with their output; elsewhere with a kept one.

``python docs/_ext/programs.py`` runs those that can be run, and keeps their output in docs/programs.
"""

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parents[1] / "programs"
NEEDS = {"from_pytorch": ("torch", "onnx"), "from_keras": ("keras", "onnx")}  # by the name of the file


def missing(name):
    """Return the libraries that a program needs and that are not installed."""
    return [library for library in NEEDS[name] if find_spec(library) is None]


def run(name):
    """Run a program in an empty directory; returns what it prints."""
    environment = {**os.environ, "TINYNET_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parents[1]), environment.get("PYTHONPATH", "")])
    if find_spec("tensorflow") is None:
        environment["KERAS_BACKEND"] = "torch"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(HERE / f"{name}.py")]
        done = subprocess.run(
            command, cwd=folder, env=environment, text=True, timeout=900, check=False, capture_output=True
        )
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout.rstrip()


def kept(name):
    """Return what a program printed when its output was kept."""
    return (HERE / f"{name}.txt").read_text("utf-8").rstrip()


if __name__ == "__main__":
    for program in NEEDS:
        if not missing(program):
            (HERE / f"{program}.txt").write_text(run(program) + "\n", "utf-8")
