"""The picture of a profile, and the command that draws it."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

import tinynet as tn
from tinynet.cli import main
from tinynet.datasets import load_mnist
from tinynet.errors import ArgumentError
from tinynet.inspection.profiling import profile_step
from tinynet.inspection.table import Cost, Row
from tinynet.recipes import RECIPES
from tinynet.report import profile_figure
from tinynet.report.profile import PHASE_COLORS

PNG = b"\x89PNG\r\n\x1a\n"


def row(name, kind, microseconds, how="kernel"):
    seconds = None if microseconds is None else microseconds / 1e6
    return Row(name, kind, "", (), 0, 0, Cost(0, how=how), seconds, 1e11)


ROWS = [row("gather", "forward", 5.0), row("dense", "forward", 50.0, "BLAS"), row("matmul", "backward", 40.0, "BLAS"),
        row("descend", "update", 5.0)]  # fmt: skip


# --- the figure


def bars(figure):
    """Bars from top to bottom: place, length, colour."""
    found = [bar for container in figure.axes[0].containers for bar in container]
    return sorted((round(b.get_y() + b.get_height() / 2), b.get_width(), to_hex(b.get_facecolor())) for b in found)


def test_there_is_one_bar_for_each_call_in_order_as_long_as_it_takes_in_the_colour_of_its_kind():
    figure = profile_figure(ROWS, "title")
    places, lengths, colors = zip(*bars(figure), strict=True)
    assert places == (0, 1, 2, 3)
    assert lengths == pytest.approx([5, 50, 40, 5])
    assert [color.upper() for color in colors] == [PHASE_COLORS[row.phase] for row in ROWS]
    low, high = figure.axes[0].get_ylim()
    assert low > high  # the first is at the top
    assert figure.axes[0].get_xlabel() == "Time (µs)"
    assert figure.get_suptitle() == "title"


def test_each_bar_says_its_name_and_share_and_how_it_is_computed():
    axes = profile_figure(ROWS).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["gather  1", "dense  2", "matmul  3", "descend  4"]
    assert [t.get_text() for t in axes.texts] == ["5.0%", "50.0%", "BLAS", "40.0%", "BLAS", "5.0%"]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["forward (55%)", "backward (40%)", "update (5%)"]


def test_nothing_is_cut_off_and_no_texts_overlap():
    rows = [row("conv_pool_weight_grad", "backward", 1 + i % 7, "sparse 84%, specialised") for i in range(30)]
    figure = profile_figure(rows, "A training step of the convolutional network: 32 images, 2 threads, 1.71 ms")
    figure.draw_without_rendering()
    width, height = figure.get_size_inches() * figure.dpi
    axes = figure.axes[0]
    boxes = [t.get_window_extent() for t in [*axes.texts, *axes.get_yticklabels(), axes.get_legend(), axes.xaxis.label]]
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
    for i, box in enumerate(boxes):
        assert box.count_overlaps(boxes[i + 1 :]) == 0


def test_the_colours_differ_in_lightness_too():
    weights = np.array([0.2126, 0.7152, 0.0722])  # of red, green and blue in luminance
    light = [weights @ [int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in PHASE_COLORS.values()]
    assert min(abs(a - b) for i, a in enumerate(light) for b in light[i + 1 :]) > 10


@pytest.mark.parametrize("rows", [[], [row("dense", "forward", None)]])
def test_a_figure_needs_times(rows):
    with pytest.raises(ArgumentError, match=r"plan\.profile\(\)"):
        profile_figure(rows)


# --- the profile of a reference model


def test_the_step_of_a_reference_model_is_timed():
    found = profile_step(RECIPES["softmax"], load_mnist("sample"), batch_size=8, repeats=3)
    rows = found.plan.rows()
    assert (found.batch_size, found.threads, len(found.seconds)) == (8, tn.get_num_threads(), 3)
    assert all(row.seconds > 0 for row in rows)
    assert (8, 28, 28, 1) in [row.outputs[0].shape for row in rows]


def test_a_batch_is_no_larger_than_the_set():
    data = load_mnist("sample")
    found = profile_step(RECIPES["softmax"], data, batch_size=10**6, repeats=1)
    assert found.batch_size == len(data.x_train)


@pytest.mark.parametrize("arguments", [{"batch_size": 0}, {"repeats": 0}])
def test_a_profile_refuses_what_makes_no_sense(arguments):
    with pytest.raises(ArgumentError, match="1 or more"):
        profile_step(RECIPES["softmax"], load_mnist("sample"), **arguments)


# --- the command


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run ``tinynet profile softmax`` in an empty directory; returns the exit code and what was printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, width="200"):
        monkeypatch.setenv("COLUMNS", width)
        code = main(["profile", "softmax", "--data", "sample", "--repeats", "3", "--threads", "1", *arguments])
        return code, capsys.readouterr()

    return run


def test_the_command_prints_the_table_and_writes_the_picture(run, tmp_path):
    code, printed = run("--batch-size", "16")
    assert (code, printed.err) == (0, "")
    assert "A training step of the softmax regression (softmax): 16 images, 1 thread\n" in printed.out
    assert "softmax_cross_entropy" in printed.out
    assert "16x28x28x1 f4" in printed.out
    assert "Picture: profile-softmax.png" in printed.out
    assert [path.name for path in tmp_path.iterdir()] == ["profile-softmax.png"]
    assert (tmp_path / "profile-softmax.png").read_bytes().startswith(PNG)


def test_the_table_fits_the_terminal(run):
    _, printed = run(width="80")
    table = printed.out.split("\n\n")[1]
    assert "softmax_cross_entropy" in table
    assert max(map(len, table.splitlines())) <= 80


def test_a_picture_is_not_overwritten_without_force(run, tmp_path):
    path = tmp_path / "profile-softmax.png"
    path.write_bytes(b"mine")
    code, printed = run()
    assert (code, printed.out) == (1, "")
    assert "profile-softmax.png is there already" in printed.err
    assert "--force" in printed.err
    assert path.read_bytes() == b"mine"
    assert run("--force")[0] == 0
    assert path.read_bytes().startswith(PNG)


def test_the_ending_decides_the_format(run, tmp_path):
    assert run("--out", "a.svg")[0] == 0
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()


@pytest.mark.parametrize(
    ("out", "status", "reason"),
    [
        ("a.jpg", 1, "must end in .png"),
        ("no/such/a.png", 1, "no/such, where the picture is to be, is not a directory to write to"),
        ("", 2, "must be the name of a file"),
    ],
)
def test_a_picture_that_cannot_be_written_is_refused_before_anything_is_computed(run, tmp_path, out, status, reason):
    code, printed = run("--out", out)
    assert (code, printed.out) == (status, "")
    assert reason in printed.err
    assert list(tmp_path.iterdir()) == []
