"""What a run found, as tables: on the terminal, in Markdown, and as JSON."""

import json
import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.contenders import ENTRIES
from benchmarks.measure import APART, BASELINE, Result, median_interval, quartiles, ratios
from benchmarks.workload import MODELS

DATA_TITLES = {"digits": "digits", "random": "random images", "colour": "random images"}


def workload_title(model: str, data: str, batch: str) -> str:
    """Say what is trained on what."""
    return f"{MODELS[model].title}, {DATA_TITLES[data]}, batch {batch}"


@dataclass(frozen=True)
class Table:
    """A table with a title, and a sentence on how to read it."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    words: int = 3  # columns of words, aligned to the left; the others hold numbers


def group(results: dict[str, Result], section: str) -> dict[tuple[str, ...], Result]:
    """Return the results of a section, by the rest of their names."""
    return {tuple(name.split("/")[1:]): found for name, found in results.items() if name.split("/")[0] == section}


def chosen(contenders: Result) -> Iterator[tuple[str, str, bool]]:
    """Return each contender that has a figure, with its best mode, and modes that stand apart."""
    for name, found in contenders.items():
        if found["best"] is not None:
            yield name, found["best"], True
        for mode in APART:
            if found["seconds"].get(mode):
                yield name, mode, False


def milliseconds(seconds: float) -> str:
    """Write milliseconds with three digits that count."""
    value = 1000 * seconds
    return f"{value:.{3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0}f}"


def spread(values: list[float], write: Any) -> tuple[str, str]:
    """Write the median, and the quartiles."""
    middle, low, high = quartiles(values)
    return write(middle), f"{write(low)} to {write(high)}"


def ratio_cells(values: list[float]) -> tuple[str, str]:
    """Write the median of ratios, and its 90 % interval where there are enough rounds."""
    middle, low, high = median_interval(values)
    return f"{middle:.2f}", "" if math.isnan(low) else f"{low:.2f} to {high:.2f}"


def compared(results: dict[str, Result], section: str, title: str, note: str, head: str, label: Any) -> Iterator[Table]:
    """Make the table of a section in which contenders are compared with tinynet."""
    rows: list[tuple[str, ...]] = []
    for key, result in group(results, section).items():
        contenders = result["contenders"]
        first = label(key)
        for name, mode, _ in chosen(contenders):
            against = ratios(contenders, name, mode)
            mine = name == BASELINE and mode == contenders[BASELINE]["best"]
            ratio = ("1", "") if mine else ratio_cells(against)
            times = spread(contenders[name]["seconds"][mode], milliseconds)
            rows.append((first, ENTRIES[name].title, mode, *times, *ratio))
            first = ""
    if rows:
        columns = head, "library", "mode", "ms", "quartiles", "ratio", "90 % interval"
        yield Table(title, note, columns, rows)


def scaling(results: dict[str, Result]) -> Iterator[Table]:
    """Make the table of the growth with the batch."""
    rows = []
    for (_, batch, threads), result in group(results, "scaling").items():
        for name, mode, best in chosen(result["contenders"]):
            if best:
                each = [1e6 * t / int(batch) for t in result["contenders"][name]["seconds"][mode]]
                ratio = ratio_cells(ratios(result["contenders"], name, mode))
                rows.append((batch, threads, ENTRIES[name].title, mode, f"{statistics.median(each):.1f}", *ratio))
    if rows:
        columns = "batch", "threads", "library", "mode", "us a sample", "ratio", "90 % interval"
        note = "A training step of the CNN on digits, divided by the number of its samples."
        yield Table("Cost of a sample by batch size and threads", note, columns, rows, 4)


def others(results: dict[str, Result]) -> Iterator[Table]:
    """Make the tables of start-up and memory."""
    if "startup/import" in results:
        seconds = results["startup/import"]["seconds"]
        rows = []
        for module, found in seconds.items():
            ratio = statistics.median(a / b for a, b in zip(found, seconds["numba"], strict=True))
            rows.append((module, *spread(found, milliseconds), f"{ratio:.2f}"))
        note = "In fresh processes, the files being in memory already. tinynet rests on numba."
        yield Table("Import", note, ("module", "ms", "quartiles", "ratio to numba"), rows, 1)
    if "startup/first" in results:
        found = results["startup/first"]["seconds"]
        rows = [(key, f"{statistics.median(times):.2f}", str(len(times))) for key, times in found.items()]
        note = (
            "From the start of a process to the end of its first training step of the CNN. Compiled code is kept on "
            "disk: with an empty cache, all of it is compiled first."
        )
        yield Table("First step", note, ("library, cache", "s", "runs"), rows, 1)
    if "memory/cnn" in results:
        result = results["memory/cnn"]
        rows = [
            (
                ENTRIES[name].title,
                found["mode"] or "",
                f"{found['imported'] / 2**20:.0f}",
                f"{found['bytes'] / 2**20:.0f}",
            )
            for name, found in result["processes"].items()
            if "bytes" in found
        ]
        note = f"The most resident memory of a process that makes {result['steps']} training steps of the CNN."
        yield Table("Peak of memory", note, ("library", "mode", "MiB after import", "MiB in all"), rows, 2)


def tables(results: dict[str, Result]) -> list[Table]:
    """Make all tables."""
    read = (
        "Mode: the fastest way that the library has. Ms: the median of the rounds, and quartiles, between which half "
        "of them lie. Ratio: how many times as long as tinynet, taken within each round; the median, and its 90 % "
        "confidence interval (by order statistics)."
    )
    return [
        *compared(
            results, "step", "A training step",
            f"{read} A step is gather, forward, backward, update, loss. tinynet's `step` also measures the accuracy; "
            "its `fit` is the whole loop. The random images have no black pixels.",
            "network, images", lambda key: workload_title(*key),
        ),
        *compared(
            results, "inference", "Inference", read, "network", lambda key: f"{MODELS[key[0]].title}, batch {key[1]}",
        ),
        *compared(
            results, "conv", "Convolutions alone, batch 32",
            f"{read} The forward pass, the gradient of the images and that of the filters.",
            "convolution", lambda key: key[0],
        ),
        *scaling(results),
        *others(results),
    ]  # fmt: skip


def largest_differences(results: dict[str, Result]) -> dict[str, float]:
    """Return the largest difference between any contender and tinynet, by what was compared."""
    most: dict[str, float] = {}
    for result in results.values():
        for found in result.get("contenders", {}).values():
            for differences in found["differences"].values():
                for what, value in differences.items():
                    most[what] = max(most.get(what, 0.0), value)
    return most


def problems(results: dict[str, Result]) -> list[str]:
    """List the modes that failed or computed something else."""
    return [
        f"{measurement}: {ENTRIES[name].title}, {mode}: {error}"
        for measurement, result in results.items()
        for name, found in result.get("contenders", {}).items()
        for mode, error in found["errors"].items()
    ]


def show(found: list[Table], console: Console) -> None:
    """Print tables."""
    for table in found:
        shown = RichTable(title=table.title, caption=table.note, title_justify="left", caption_justify="left")
        for i, column in enumerate(table.columns):
            shown.add_column(column, justify="left" if i < table.words else "right")
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)


def markdown(found: list[Table], facts: dict[str, Any], results: dict[str, Result], pictures: list[str]) -> str:
    """Write the summary."""
    lines = ["# tinynet beside its peers", "", f"Made by `{facts['command']}` on {facts['date']}.", ""]
    lines += [f"- {key}: {value}" for key, value in facts["machine"].items()]
    lines += [f"- {ENTRIES[name].title}: {', '.join(f'{k} {v}' for k, v in of.items())}"
              for name, of in facts["versions"].items()]  # fmt: skip
    differences = ", ".join(f"{what} {value:.1g}" for what, value in largest_differences(results).items())
    lines += [
        "",
        f"Each framework ran in its own process with {facts['threads']} threads, measured in turn for "
        f"{facts['rounds']} rounds, in time {facts['time']}; each in the fastest of its modes. All start from the same "
        "weights and take the same batches; before anything is timed, what they compute is compared with tinynet: "
        "outputs to 1e-4, losses of ten training steps to 1e-3, convolutions to 1e-4 of their largest value. Largest "
        "differences: "
        f"{differences}. Ratios are taken within a round; above 1, tinynet is the faster one.",
        "",
    ]
    for table in found:
        lines += [f"## {table.title}", "", table.note, "", "| " + " | ".join(table.columns) + " |"]
        lines += ["|" + "|".join("---" if i < table.words else "---:" for i in range(len(table.columns))) + "|"]
        lines += ["| " + " | ".join(row) + " |" for row in table.rows]
        lines += [""]
    lines += [line for picture in pictures for line in (f"![{Path(picture).stem.replace('_', ' ')}]({picture})", "")]
    failed = problems(results)
    if failed:
        lines += ["## What failed", "", *(f"- {line}" for line in failed), ""]
    return "\n".join(lines)


def write(out: Path, facts: dict[str, Any], results: dict[str, Result], pictures: list[str]) -> None:
    """Write the figures and the summary."""
    out.joinpath("results.json").write_text(json.dumps(facts | {"results": results}, indent=1) + "\n")
    out.joinpath("README.md").write_text(markdown(tables(results), facts, results, pictures))
