"""The sections of a report, in their order; each says for which tasks it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tinynet.inspection.shapes import output_shapes
from tinynet.report import outcomes
from tinynet.report.answers import CLASSES, LABELS, VALUES
from tinynet.report.convergence import step_curves
from tinynet.report.curves import learning_curve
from tinynet.report.data import choice, chosen_images, class_distribution, data_grid
from tinynet.report.html import command, folded, named, number, paragraph, table, words
from tinynet.report.model import first_layer_filters, has_filters, model_diagram
from tinynet.report.steps import loss_by_step
from tinynet.report.subject import Drawing, Element, Pair, Section, Subject
from tinynet.train import History
from tinynet.train.callbacks.step_losses import FEW_EPOCHS

_MOST_STEPS = 25  # of a full-batch run that a table shows


def _model(subject: Subject) -> Sequence[Element]:
    rows = []
    for layer in subject.model.sublayers():
        counted = {id(p): p.size for _, part in layer.walk() for p in part.own_parameters.values()}
        name = f"{layer.name} ({layer.title or type(layer).__name__})"
        rows.append((name, output_shapes(layer.output_shape), f"{sum(counted.values()):,}"))
    size = f"{subject.model.theta.size:,}"
    summary = table(rows, ("Layer (type)", "Output shape", "Parameters"), foot=[("Total", "", size)])
    title = (
        f"{subject.record['title'].capitalize()}, {size} parameters"
        if subject.record and "title" in subject.record
        else None
    )
    diagram = Drawing(
        "model_diagram",
        lambda: model_diagram(subject.model, title=title),
        "The layers of the model from input to output, with the shapes between them; the table has the same.",
    )
    settings = f"<h3>Settings</h3>{words(subject.settings)}" if subject.settings else ""
    return [Pair([f"{summary}{settings}"], [diagram])]


def _data(subject: Subject) -> Sequence[Element]:
    data = subject.data
    if data is None:
        return []
    names, ink, n_train, n_test = data.classes, subject.ink, len(data.y_train), len(data.y_test)
    first = chosen_images(data.y_train)
    grid = Drawing(
        "data_grid",
        lambda: data_grid(
            data.x_train, data.y_train, names, f"{choice(data.y_train)} of {n_train:,} training images", ink=ink
        ),
        f"{choice(data.y_train)} of the training images with their labels: "
        f"{', '.join(names[label] for label in data.y_train[first])}.",
    )
    bars = Drawing(
        "class_distribution",
        lambda: class_distribution(
            data.y_train, data.y_test, names, title=f"Training and test samples of each {data.noun}"
        ),
        f"Stacked bars: how many of {n_train:,} training and {n_test:,} test samples each {data.noun} has.",
    )
    arrays = subject.record["data"].get("arrays", {}) if subject.record else {}
    rows = [
        (name, _shape(array["shape"]), array["dtype"], str(array["min"]), str(array["max"]))
        for name, array in arrays.items()
    ]
    shapes = table(rows, ("Array", "Shape", "Type", "Least", "Largest")) if rows else ""
    source = subject.record["data"]["source"] if subject.record else data.source
    return [paragraph(source), Pair([grid], [shapes, bars])]


def _shape(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _training(subject: Subject) -> Sequence[Element]:
    history = subject.history
    if history is None or not history.epochs:
        return []
    if "step_size" in history.history:
        return _steps(history)
    measured = {name: values for name, values in history.history.items() if len(values) == history.epochs}
    rows = [
        (str(i + 1), *(number(values[i]) for values in measured.values()), f"{time:.1f}")
        for i, time in enumerate(history.seconds)
    ]
    validated = f"{subject.validation} {{}}".capitalize()
    names = {n: n.removeprefix("val_").replace("_", " ") for n in measured}
    heads = (validated.format(word) if n.startswith("val_") else f"Training {word}" for n, word in names.items())
    epochs = table(rows, ("Epoch", *heads, "Time (s)"), best=history.best_epoch - 1)
    told = "validation" if subject.validation == "validation" else f"the {subject.validation} set"
    in_training = "in training" + (f" and on {told}" if "val_loss" in measured else "")
    curve = Drawing(
        "learning_curve",
        lambda: learning_curve(history, validation=subject.validation),
        f"What was measured {in_training} by epoch, each in a panel; the best epoch is {history.best_epoch}. The table "
        "has the same figures.",
        f"Figures of training are means over the epoch, while the parameters change; those of {told} are from its end.",
    )
    return [*_by_step(subject, history), curve, folded("Epoch by epoch; the best one is marked", epochs)]


def _by_step(subject: Subject, history: History) -> list[Element]:
    """Show the loss by step of a run of few epochs, of which figures by epoch say little."""
    if history.epochs > FEW_EPOCHS or len(history.by_step.get("step", [])) <= history.epochs:
        return []
    drawing = Drawing(
        "loss_by_step",
        lambda: loss_by_step(history, validation=subject.validation),
        f"The training loss by step, with marks at the ends of {history.epochs} epochs.",
    )
    return [drawing]


def _steps(history: History) -> Sequence[Element]:
    """Show a run of full-batch steps: its curves, and some of its steps."""
    figures = step_curves(history.history)
    told = {
        "training_loss": "The training loss after each step.",
        "test_loss": "The test loss after each step.",
        "test_error": "The share of test samples that were told wrongly after each step.",
        "step_size": "How far each step went; the line search halves a step until it is short enough.",
    }
    drawings = [Drawing(name, lambda name=name: figures[name], alt) for name, alt in told.items()]  # type: ignore[misc]
    every = -(-history.epochs // _MOST_STEPS)
    chosen = [*range(0, history.epochs - 1, every), history.epochs - 1]
    names = list(history.history)
    rows = [(str(i + 1), *(f"{history.history[name][i]:.4g}" for name in names)) for i in chosen]
    heads = (f"Test {n[4:]}" if n.startswith("val_") else named(n) for n in names)
    steps = table(rows, ("Step", *heads))
    summary = "Step by step" if every == 1 else f"One of every {every} steps, and the last"
    return [Pair(drawings[:2], drawings[2:]), folded(summary, steps)]


def _picked(subject: Subject) -> Sequence[Element]:
    """Say which parameters are tested, and which set has picked them."""
    history = subject.history
    measures = [(named(name), number(value)) for name, value in subject.measures.items()]
    shown: list[Element] = []
    if subject.record is None:
        shown.append(table(measures, ("Measure", "On the test set")))
    if subject.record is not None and "class" in subject.record:
        shown.append(paragraph("Tested with the parameters of the last step."))
    elif subject.record is not None and history is not None:
        picked = "test loss. So the test set has picked them"
        picked += ", as in the course text that the model comes from." if _is_documented(subject.record) else "."
        share = float(subject.record["hyper_parameters"].get("validation_split", 0))
        if share:
            picked = (
                f"validation loss: on {100 * share:g} % of the training images, which were kept apart for that. The "
                "test set was used once."
            )
        told = f"Tested with the parameters of epoch {history.best_epoch}, which has the least {picked}"
        shown.append(paragraph(told))
    return shown


def _is_documented(record: Mapping[str, Any]) -> bool:
    return bool(record.get("documented", True) and record["data"].get("title", "MNIST") == "MNIST")


def _filters(subject: Subject) -> Sequence[Element]:
    if not has_filters(subject.model):
        return []
    drawing = Drawing(
        "filters",
        lambda: first_layer_filters(subject.model),
        "The weights of the first layer with parameters, as images.",
        "Each image is what one output of the layer weighs; all are on one scale.",
    )
    return [drawing]


def _reproduction(subject: Subject) -> Sequence[Element]:
    record = subject.record
    if record is None:
        return []
    machine = record["machine"]
    facts = {
        **{name: str(version) for name, version in record["versions"].items()},
        "Machine": machine["platform"] + (f", {machine['cpus']} processors" if machine["cpus"] else ""),
        "Threads": f"{machine['threads']}; results do not depend on them",
        "SHA-256 of the data": record["data"]["sha256"],
    }
    digest = record["parameters"].get("sha256")
    facts |= {"SHA-256 of the parameters": digest} if digest else {}
    again = record.get("reproduce")
    spelled = f"<p>The same with every default spelled out:</p>{command(again)}" if again else ""
    return [
        f"<p>The command that was typed:</p>{command(record['command'])}{spelled}"
        "<p>On the same kind of machine, with the same versions and data, it ends in the same bits.</p>" + words(facts)
    ]


SECTIONS = (
    Section("Model and settings", (), _model),
    Section("Data", (), _data),
    Section("Training", (), _training),
    Section("Test", (), _picked),
    Section("Test", (CLASSES,), outcomes.classes),
    Section("Test", (LABELS,), outcomes.labels),
    Section("Test", (VALUES,), outcomes.values),
    Section("Predictions and mistakes", (CLASSES,), outcomes.images),
    Section("How sure it is", (CLASSES, LABELS), outcomes.belief),
    Section("First layer", (), _filters),
    Section("How to reproduce", (), _reproduction),
)


def made_sections(subject: Subject, sections: Sequence[Section] = SECTIONS) -> dict[str, list[Element]]:
    """Make the sections that apply to a subject: the parts of each by its title."""
    made: dict[str, list[Element]] = {}
    for section in sections:
        tasks = [answers for answers in subject.answers if answers.task in section.tasks]
        found = [part for answers in tasks for part in section.make(subject, answers)]
        found = found if section.tasks else list(section.make(subject))
        if found:
            made.setdefault(section.title, []).extend(found)
    return made
