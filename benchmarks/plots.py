"""Pictures of a run: ratios as bars, and the cost of a sample by the size of the batch."""

import statistics
from pathlib import Path
from typing import Any

from benchmarks.contenders import ENTRIES
from benchmarks.measure import BASELINE, Result, quartiles, ratios
from benchmarks.report import group, workload_title
from benchmarks.workload import MODELS

# The colours of Okabe and Ito, which people with any kind of colour vision can tell apart; and one hatch for each.
COLOURS = {
    "tinynet": "#000000",
    "torch": "#D55E00",
    "keras": "#E69F00",
    "jax": "#0072B2",
    "sklearn": "#009E73",
    "onnxruntime": "#CC79A7",
    "openvino": "#56B4E9",
}
HATCHES = {"torch": "", "keras": "//", "jax": "..", "sklearn": "xx", "onnxruntime": "\\\\", "openvino": "++"}
MARKS = {"tinynet": "o", "torch": "s"}


def draw(results: dict[str, Result], out: Path) -> list[str]:
    """Draw what there is; returns the names of the files."""
    import matplotlib

    matplotlib.use("agg")
    steps = {workload_title(*key).replace(", ", ",\n"): found for key, found in group(results, "step").items()}
    inference = {
        f"{MODELS[model].title},\nbatch {batch}".replace(", ", ",\n"): found
        for (model, batch), found in group(results, "inference").items()
    }
    convs = {case.replace(", ", "\n"): found for (case,), found in group(results, "conv").items()}
    drawn = [
        _bars(steps, "A training step", out / "training_steps.png"),
        _bars(inference, "Inference", out / "inference.png"),
        _bars(convs, "Convolution with both gradients, batch 32", out / "convolutions.png"),
        _growth(group(results, "scaling"), out / "cost_by_batch_size.png"),
    ]
    return [path.name for path in drawn if path is not None]


def _two_and_five(value: float, _: int) -> str:
    """Label the ticks of a logarithmic axis between powers of ten, but not all of them."""
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""


def _bars(found: dict[str, Result], title: str, path: Path) -> Path | None:
    """Draw the ratio of each peer to tinynet, with its quartiles."""
    from matplotlib import pyplot as plt

    values: dict[str, list[tuple[int, tuple[float, float, float]]]] = {}
    for place, result in enumerate(found.values()):
        contenders = result["contenders"]
        for name, of in contenders.items():
            if name != BASELINE and of["best"] is not None:
                values.setdefault(name, []).append((place, quartiles(ratios(contenders, name, of["best"]))))
    if not values:
        return None
    figure, axes = plt.subplots(figsize=(max(6.0, 1.6 * len(found) + 1.5), 4.2), layout="constrained")
    width = 0.8 / len(values)
    for i, (name, bars) in enumerate(values.items()):
        x = [place + (i - (len(values) - 1) / 2) * width for place, _ in bars]
        middle = [v[0] for _, v in bars]
        errors = [[v[0] - v[1] for _, v in bars], [v[2] - v[0] for _, v in bars]]
        drawn = axes.bar(
            x, middle, width, yerr=errors, label=ENTRIES[name].title, color=COLOURS[name], hatch=HATCHES[name],
            edgecolor="white", linewidth=0.5, error_kw={"elinewidth": 1, "capsize": 2, "ecolor": "0.3"},
        )  # fmt: skip
        behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # where the line at 1 passes
        axes.bar_label(drawn, [f"{value:.2g}" for value in middle], fontsize=7, padding=2, bbox=behind, zorder=5)
    axes.axhline(1, color=COLOURS[BASELINE], linewidth=1.5, label="tinynet = 1")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(_two_and_five)
    axes.margins(y=0.12)
    axes.set_xticks(range(len(found)), list(found), fontsize=8)
    axes.set_ylabel("time as a multiple of tinynet's")
    axes.set_title(f"{title}\nmedian of paired ratios, with quartiles; above 1 tinynet is faster", fontsize=10)
    figure.legend(fontsize=8, ncols=3, loc="outside lower center")  # the bars may be anywhere
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return path


def _growth(found: dict[tuple[str, ...], Result], path: Path) -> Path | None:
    """Draw the cost of a sample by the size of the batch, a line for each contender and number of threads."""
    from matplotlib import pyplot as plt

    lines: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for (_, batch, threads), result in found.items():
        for name, of in result["contenders"].items():
            if of["best"] is not None:
                cost = 1e6 * statistics.median(of["seconds"][of["best"]]) / int(batch)
                lines.setdefault((name, threads), []).append((int(batch), cost))
    if not lines:
        return None
    figure, axes = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    for (name, threads), points in sorted(lines.items()):
        style: dict[str, Any] = {"color": COLOURS[name], "marker": MARKS.get(name, "^"), "markersize": 4}
        label = f"{ENTRIES[name].title}, {threads} thread{'s' if threads != '1' else ''}"
        axes.plot(*zip(*sorted(points), strict=True), "--" if threads == "1" else "-", label=label, **style)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(_two_and_five)
    axes.set_xlabel("batch size (samples)")
    axes.set_ylabel("time a sample (microseconds)")
    axes.set_title("A training step of the CNN: cost of a sample", fontsize=10)
    axes.grid(True, which="major", color="0.9")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return path
