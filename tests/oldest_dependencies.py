"""Print the lower bounds of pyproject.toml as constraints, with which pip installs the oldest versions.

Use them in an environment of their own: ``python tests/oldest_dependencies.py > oldest.txt``, then
``pip install -c oldest.txt '.[test]'``.
"""

import re
import tomllib
from pathlib import Path

PROJECT = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text("utf-8"))["project"]


def constraints(extras=("test",)):
    """The lower bound of each dependency, with those of some extras, as the only version."""
    wanted = PROJECT["dependencies"] + [one for extra in extras for one in PROJECT["optional-dependencies"][extra]]
    return sorted({re.sub(r"\s*>=\s*", "==", one) for one in wanted})


if __name__ == "__main__":
    print("\n".join(constraints()))
