"""What a notebook shows: a bar within an epoch, pictures from the first cell on, and tables of HTML."""

import sys
import types

import numpy as np
import pytest

import tinynet as tn
from tests.train.test_fit import run
from tinynet.inspection.gradcheck import check_gradients
from tinynet.train import History, notebook
from tinynet.train.metrics import Metric


class Kernel:
    """The standard output of a kernel, and the displays that were made in it."""

    def __init__(self, monkeypatch):
        self.shown, self.printed = [], ""
        display = types.ModuleType("IPython.display")
        display.display = self.display
        monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
        monkeypatch.setitem(sys.modules, "IPython.display", display)
        stream = type("OutStream", (), {"__module__": "ipykernel.iostream", "flush": lambda _: None})()
        stream.write = self.write
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(notebook, "_REFRESH", 0.0)

    def write(self, text):
        self.printed += text

    def display(self, content, raw, display_id):
        self.shown.append(content)
        return self

    def update(self, content, raw):
        self.shown.append(content)


def test_a_bar_moves_within_an_epoch_and_the_epochs_are_printed(monkeypatch):
    kernel = Kernel(monkeypatch)
    _, history = run(verbose=1, metrics=[Metric(lambda output, y: 1.0, "<b>odd</b>", mean=True)])
    texts = [content["text/plain"] for content in kernel.shown]
    monkeypatch.undo()
    assert history.epochs == 2
    assert texts[0] == "starting"
    assert texts[-1].startswith("2 of 2 epochs in ")
    assert sum(text.startswith("Epoch 1/2, 1 of ") for text in texts) == 1
    assert kernel.printed.count("\n") == kernel.printed.count("Epoch ") == 2
    bars = [content["text/html"] for content in kernel.shown]
    assert not any("<b>" in bar for bar in bars)
    assert any("&lt;b&gt;odd&lt;/b&gt; 1" in bar for bar in bars)


@pytest.mark.parametrize("verbose", [0, 2])
def test_who_asks_for_no_bar_has_none(verbose, monkeypatch):
    kernel = Kernel(monkeypatch)
    run(verbose=verbose)
    monkeypatch.undo()
    assert kernel.shown == []


# --- tables


def test_a_model_is_shown_with_its_layers_and_names_are_escaped():
    model = tn.Sequential([tn.Input((4,)), tn.Dense(2, name="<script>")], seed=0)
    found = model._repr_html_()
    assert "&lt;script&gt; (Dense)" in found
    assert "<script>" not in found
    assert ">(None, 2)</td>" in found
    assert "Total parameters: 10 (40 B in float32)" in found
    assert "background: none; color: inherit" in found
    assert tn.Sequential([tn.Dense(2)])._repr_html_() is None


def test_a_long_history_is_shown_by_its_ends_and_its_best():
    losses = [1 / (1 + epoch) for epoch in range(30)]
    losses[11] = 0.001
    history = History({"loss": losses, "a<b": [2.0] * 30}, [0.5] * 30, stopped="why > not")
    found = history._repr_html_()
    assert "History: 30 epochs, 15.0 s" in found
    assert ">12 (best)</td>" in found
    assert ">0.0010</td>" in found
    assert found.count("…") == 2
    assert "21 of 30 epochs are left out" in found
    assert ">a&lt;b</th>" in found
    assert "stopped: why &gt; not" in found
    assert "0 epochs" in History()._repr_html_()


def test_a_report_of_gradients_and_a_plan_are_tables():
    with tn.reference():
        right = check_gradients(tn.ops.tanh, np.array([0.5]), names=["<x>"], order=2)._repr_html_()
    assert "&lt;x&gt;, second order" in right
    assert right.count(">ok</td>") == 3
    assert "no gradient is wrong" in right
    cube = tn.Op("cube", infer=lambda x: x, compute=lambda x: x**3, vjp=(lambda g, y, x: 2 * g * x**2,))
    with tn.reference():
        wrong = check_gradients(cube, np.array([1.0]), names=["x"])._repr_html_()
    assert "wrong: x" in wrong
    plan = tn.compile(tn.Sequential([tn.Input((4,)), tn.Dense(2)], seed=0)).plan(np.zeros((3, 4), np.float32))
    found = plan._repr_html_()
    assert "Plan of 1 call" in found
    assert all(f">{text}</td>" in found for text in ("matmul_bias", "3x2 f4", "total"))


def test_a_figure_is_a_png_as_wide_as_it_says():
    data, size = tn.report.class_distribution(np.array([0, 1, 1]), np.array([0, 1]))._repr_png_()
    assert data.startswith(b"\x89PNG")
    assert size == {"width": 538}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:::(zmq|traitlets|jupyter_client|nbclient|nbformat)")
def test_a_kernel_of_jupyter_shows_all_of_it(monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.setenv("TINYNET_REFERENCE", "1")
    cells = [
        "import numpy as np, tinynet as tn\ntn.report.class_distribution(np.array([0, 1, 1]), np.array([0, 1]))",
        "from tinynet.train import notebook\nnotebook._REFRESH = 0",  # a fast machine ends an epoch before it is due
        "(x, y), _ = tn.datasets.spirals(300)\n"
        "model = tn.Sequential([tn.Input((2,)), tn.Dense(2, 'softmax')], seed=0)\nmodel",
        "model.fit(x, y, epochs=2, batch_size=1, seed=0)",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    updates = []

    class Client(nbclient.NotebookClient):
        def process_message(self, msg, cell, cell_index):
            if msg["msg_type"] == "update_display_data":
                updates.append(msg["content"]["data"]["text/plain"])
            return super().process_message(msg, cell, cell_index)

    Client(book, timeout=100).execute()
    first, _, second, third = (cell.outputs for cell in book.cells)
    assert "image/png" in first[-1]["data"]
    assert "dense (Dense)" in second[-1]["data"]["text/html"]
    assert any(text.startswith("Epoch 1/2, ") and " of 300 batches" in text for text in updates)
    assert third[0]["data"]["text/plain"].startswith("2 of 2 epochs")
    assert "".join(output["text"] for output in third[1:-1]).count("Epoch ") == 2
    assert " (best)" in third[-1]["data"]["text/html"]
