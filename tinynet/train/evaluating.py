"""The loss and the metrics of a model on samples, batch by batch."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

from tinynet.core.apart import apart
from tinynet.core.spec import Array
from tinynet.nn.layer import nested
from tinynet.nn.network import Network
from tinynet.train.block import Whole
from tinynet.train.compound import finish, for_evaluation
from tinynet.train.history import Means
from tinynet.train.kept import runner
from tinynet.train.loop import in_sessions
from tinynet.train.task import Measures, Task
from tinynet.train.weighing import weights_of, with_joint_loss


def slices_of(n: int, size: int) -> Iterator[slice]:
    """Cut n samples into batches; the last may be smaller."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def measure(
    model: Network, task: Task, x: Sequence[Array], y: Any, batch_size: int, compiled: bool, partners: Any = None
) -> Measures:
    """Return the loss and the metrics of a model on samples: means over batches, or computed on all of them.

    If there are partners, each computes some of the batches, and all of them return the measures of all batches.
    """
    task, partners = for_evaluation(task), partners or Whole()
    parts = list(slices_of(len(x[0]), batch_size))
    found = []
    with apart():
        run = runner(model, task, compiled)
        for part in in_sessions(parts[number] for number in partners.share(len(parts))):
            labels, *samples = nested((y, *x), operator.itemgetter(part))
            losses, output = run(labels, *samples)
            found.append((task.measure(model.made, losses, output, labels), weights_of(task, labels)))
    means = Means()
    for part, (measures, weights) in zip(parts, partners.in_order(found), strict=True):
        means.add(measures, part.stop - part.start, weights)
    partners.collect(task)
    of_set: Measures = partners.in_one(lambda: finish(task))
    return with_joint_loss(task, means()) | of_set
