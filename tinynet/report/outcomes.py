"""The sections of a report that tell what came of the test, for each task."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from tinynet.report.answers import Answers
from tinynet.report.calibration import calibration_figure
from tinynet.report.confusion import confused_pairs, confusion_heat_map
from tinynet.report.data import choice, chosen_images
from tinynet.report.html import number, paragraph, table
from tinynet.report.predictions import confused_pairs_grid, prediction_grid
from tinynet.report.regression import regression_figure
from tinynet.report.subject import Drawing, Element, Pair, Subject
from tinynet.report.thresholds import threshold_figure
from tinynet.train.metrics import (
    Scores,
    average_precision,
    classification_scores,
    confusion_matrix,
    f1,
    mean_absolute_error,
    precision,
    r2,
    recall,
    roc_auc,
    root_mean_squared_error,
)

_MOST_WORST = 10  # of the samples that are farthest off


def scores_of(answers: Answers) -> Scores:
    """Return precision, recall and F1 of each class."""
    matrix = confusion_matrix(answers.predicted, answers.truth, len(answers.names))
    return classification_scores(matrix, answers.names)


def classes(subject: Subject, answers: Answers) -> Sequence[Element]:
    """Tell how well classes are told apart: the scores of each, and which is taken for which."""
    matrix = confusion_matrix(answers.predicted, answers.truth, len(answers.names))
    scores = classification_scores(matrix, answers.names)
    columns = zip(scores.names, scores.precision, scores.recall, scores.f1, scores.support, strict=True)
    rows = [(name, *map(number, (p, r, f)), f"{n:,}") for name, p, r, f, n in columns]
    total = f"{scores.support.sum():,}"
    foot = [
        ("accuracy", "", "", number(scores.accuracy), total),
        ("macro average", *map(number, scores.macro), total),
        ("weighted average", *map(number, scores.weighted), total),
    ]
    noun = subject.noun
    right = ", ".join(f"{name}: {share:.1%}" for name, share in zip(scores.names, scores.recall, strict=True))
    drawing = Drawing(
        f"{_prefix(answers)}confusion",
        lambda: confusion_heat_map(matrix, answers.names),
        f"Heat map: how many percent of the test samples of each {noun} were taken for which {noun}. On the diagonal: "
        f"{right}.",
    )
    pairs = [
        (f"{answers.names[pair.true]} → {answers.names[pair.predicted]}", f"{pair.count:,}", f"{pair.share:.1%}")
        for pair in confused_pairs(matrix)
    ]
    head = (noun.capitalize(), "Precision", "Recall", "F1", "Support")
    confused = table(pairs, ("Actual → predicted", "Samples", f"Share of the {noun}")) if pairs else ""
    told = f"<h3>What is confused most</h3>{confused}" if pairs else paragraph("No test sample is mislabelled.")
    return [*_heading(answers), Pair([table(rows, head, foot=foot)], [drawing, told])]


def images(subject: Subject, answers: Answers) -> Sequence[Element]:
    """Show test images with what they were taken for: some of all, and the mistakes."""
    if subject.images is None or len(subject.images) != len(answers.truth):
        return []
    shown, labels, predicted, sure = subject.images, answers.truth, answers.predicted, answers.confidence
    wrong, names, ink, start = int((labels != predicted).sum()), answers.names, subject.ink, _prefix(answers)
    some = chosen_images(labels)
    pairs = ", ".join(f"{names[a]} → {names[p]}" for a, p in zip(labels[some], predicted[some], strict=True))
    first = Drawing(
        f"{start}predictions",
        lambda: prediction_grid(shown, labels, predicted, names=names, ink=ink),
        f"{choice(labels)} of the test images, titled actual → predicted: {pairs}.",
    )
    mistakes = Drawing(
        f"{start}mislabelled",
        lambda: prediction_grid(shown, labels, predicted, True, names, ink=ink, confidence=sure),
        f"The first of {wrong:,} mislabelled test images, titled actual → predicted, with the model's confidence.",
    )
    if not wrong:
        return [Pair([first], [mistakes])]
    worst = Drawing(
        f"{start}worst_mistakes",
        lambda: prediction_grid(shown, labels, predicted, True, names, ink=ink, confidence=sure, worst_first=True),
        f"Of {wrong:,} mislabelled test images those of which the model was most sure, titled actual → predicted.",
    )
    by_pair = Drawing(
        f"{start}confused_pairs",
        lambda: confused_pairs_grid(shown, labels, predicted, sure, names, ink=ink),
        f"Mislabelled test images of the pairs of {subject.plural} that are confused most, a row for each pair.",
    )
    return [*_heading(answers), Pair([first, worst], [mistakes, by_pair])]


def labels(subject: Subject, answers: Answers) -> Sequence[Element]:
    """Tell how well each label is found, where a sample may have several."""
    taken = (answers.given > 0.5).astype(np.int64)
    rows = []
    for k, name in enumerate(answers.names):
        yes, true, score = taken[:, k], answers.truth[:, k], answers.given[:, k]
        both = f1(yes.astype(bool), true), precision(yes.astype(bool), true), recall(yes.astype(bool), true)
        ranked = roc_auc(score, true), average_precision(score, true)
        rows.append((name, *(number(float(value)) for value in (*both[1:], both[0], *ranked)), f"{true.sum():,}"))
    exact = float((taken == answers.truth).all(axis=1).mean())
    head = ("Label", "Precision", "Recall", "F1", "Area under ROC", "Average precision", "Support")
    told = (
        f"A label counts as found where its probability is above a half. Of {len(taken):,} samples {exact:.1%} have "
        "all their labels and no other."
    )
    return [*_heading(answers), paragraph(told), table(rows, head)]


def belief(subject: Subject, answers: Answers) -> Sequence[Element]:
    """Tell what the probabilities are worth: their calibration, and what a threshold makes of them."""
    if answers.task == "classes":
        probability, right = answers.confidence, answers.predicted == answers.truth
        of = "of the class that the model took each sample for"
    else:
        probability, right = answers.given.reshape(-1), answers.truth.reshape(-1)
        of = "of each label"
    outputs, truth, names = answers.given, answers.indicators, answers.names
    if answers.task == "classes" and len(names) == 2:  # the curve of the one is that of the other
        outputs, truth, names = outputs[:, 1:], truth[:, 1:], names[1:]
    return [
        *_heading(answers),
        Pair(
            [
                Drawing(
                    f"{_prefix(answers)}calibration",
                    lambda: calibration_figure(probability, right),
                    f"Share of right answers by the probability {of}, and how many answers there are of each.",
                    f"The probability is that {of}. Below the dotted line the model is too sure of itself.",
                )
            ],
            [
                Drawing(
                    f"{_prefix(answers)}thresholds",
                    lambda: threshold_figure(outputs, truth, names),
                    f"ROC curves, and precision against recall, of each {subject.noun} against all others.",
                    "Left: ROC. Right: precision against recall. Each curve is of one against all others.",
                )
            ],
        ),
    ]


def values(subject: Subject, answers: Answers) -> Sequence[Element]:
    """Tell how far predicted numbers are off."""
    drawings: list[Element] = []
    rows = []
    for k, name in enumerate(answers.names):
        made, true = answers.given[:, k], answers.truth[:, k]
        measures = mean_absolute_error(made, true), root_mean_squared_error(made, true), r2(made, true)
        spread = float(np.std(true))
        rows.append((name, *map(number, (*measures, spread))))
        drawings.append(
            Drawing(
                f"{_prefix(answers)}regression" + (f"_{k}" if len(answers.names) > 1 else ""),
                lambda made=made, true=true, name=name: regression_figure(made, true, name),  # type: ignore[misc]
                f"Predicted against true {name}, and the residuals; R² is {measures[2]:.4f}.",
            )
        )
    head = ("Value", "Mean absolute error", "Root mean squared error", "R²", "Standard deviation of the true ones")
    half = (len(drawings) + 1) // 2
    right = drawings[half:] or [_farthest(answers)]
    rest = [_farthest(answers)] if drawings[half:] else []
    return [*_heading(answers), table(rows, head), Pair(drawings[:half], right), *rest]


def _farthest(answers: Answers) -> str:
    """Tell which samples are farthest off."""
    off = answers.given - answers.truth
    order = np.argsort(-np.abs(off).reshape(-1), kind="stable")[:_MOST_WORST]
    rows = []
    for place in order:
        i, k = divmod(int(place), off.shape[1])
        number_of = f"{i}" if off.shape[1] == 1 else f"{i}, {answers.names[k]}"
        rows.append((number_of, *(f"{value:.4g}" for value in (answers.truth[i, k], answers.given[i, k], off[i, k]))))
    return f"<h3>The farthest off</h3>{table(rows, ('Sample', 'True', 'Predicted', 'Predicted - true'))}"


def _prefix(answers: Answers) -> str:
    """Return how the names of files begin: with the name of the output, where there are several."""
    safe = "".join(sign if sign.isalnum() or sign in "-_" else "-" for sign in answers.output)
    return f"{safe}_" if safe else ""


def _heading(answers: Answers) -> list[Element]:
    return [f"<h3>Output {escape(answers.output)}</h3>"] if answers.output else []
