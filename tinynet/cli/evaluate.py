"""``tinynet evaluate``: how well the model of a run does on the test images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinynet.cli.arguments import add_command, add_run, add_threads
from tinynet.cli.data import add_own_data, load_data
from tinynet.cli.logistic_run import evaluate, is_logistic, open_any
from tinynet.cli.options import labels_for, metrics_for
from tinynet.cli.run_directory import BEST, LAST
from tinynet.cli.told import describe_result
from tinynet.cli.train import classify

if TYPE_CHECKING:
    import argparse

EXAMPLES = """\
  tinynet evaluate runs/cnn                        loss, accuracy, and the scores of each class
  tinynet evaluate runs/cnn --data ~/mnist         on other images than those of the run
  tinynet evaluate runs/model --code model.py      a model with layers of yours, which the file defines
"""


def declare(commands: Any) -> None:
    """Add the command to those of ``tinynet``."""
    parser = add_command(
        commands,
        "evaluate",
        "test the model of a run",
        "Test the model of a run on the test images: loss, accuracy, precision, recall and F1 of each class.",
        EXAMPLES,
        run,
    )
    add_run(parser)
    add_own_data(parser)
    add_threads(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run ``tinynet evaluate``."""
    found = open_any(arguments.run_directory, arguments.code)
    data = load_data(found, arguments.data, same=False)
    logistic = is_logistic(found.directory)
    title = found.record.get("title", f"logistic regression: is it {found.record.get('class')}?")
    print(f"Model: {title}, {found.directory / (LAST if logistic else BEST)}")
    print(f"Data: {data.source}; {len(data.x_test):,} test images")
    if logistic:
        evaluate(found, data)
        return
    loss = found.record["hyper_parameters"]["loss"]
    labels = labels_for(loss, data.y_test, len(data.classes))
    measures = found.model.evaluate(data.x_test, labels, loss=loss, metrics=metrics_for(loss))
    describe_result(measures, *classify(found.model, data))
