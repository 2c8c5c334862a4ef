"""The Python in the README runs, in its order, as a reader would run it."""

import re
from pathlib import Path

import numpy as np

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def test_the_python_blocks_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL):
        exec(compile(block, "README.md", "exec"), names)
    assert names["history"].history["val_accuracy"][-1] > 0.85
    assert (tmp_path / "model.safetensors").is_file()
    x = np.linspace(-2, 2, 5)
    np.testing.assert_allclose(names["second"].data, -2 * np.tanh(x) / np.cosh(x) ** 2, atol=1e-15)
    assert "ok" in capsys.readouterr().out
