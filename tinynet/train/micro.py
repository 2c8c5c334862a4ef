"""A step cut into micro-batches: it takes less memory, and any process may compute any of them, to the same bits."""

from __future__ import annotations

from typing import Any

from tinynet.core.engine import Tensor
from tinynet.core.spec import Array
from tinynet.nn.layer import nested
from tinynet.ops.shape import _index
from tinynet.optim.optimizer import Optimizer
from tinynet.train.accumulation import Accumulation
from tinynet.train.block import cut
from tinynet.train.step import BatchStep, register_step
from tinynet.train.task import Measures
from tinynet.train.weighing import loss_names, share_of, total_losses


class MicroBatchStep(BatchStep):
    """The step on a batch in micro-batches: their gradients are summed along a tree before the one update.

    Each micro-batch draws random numbers of its own, and batch normalisation takes its moments within it; new values of
    floating states are averaged over the samples.

    References
    ----------
    Hoffer et al., "Train longer, generalize better: closing the generalization gap in large batch training of neural
    networks", NeurIPS 2017 (ghost batch normalisation).
    """

    def __init__(self, *arguments: Any, micro_batches: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.micro_batches = micro_batches
        states = list(self.model.states.values())
        compiled = self.compiled is not None
        self.accumulation = Accumulation(self._forward, self.optimizer, self.model, states, compiled, "fit")
        self.accumulation.measure = self._measure

    def join(self, partners: Any) -> None:
        """Set the partners, which decide the micro-batches that are computed here, and add up all of them."""
        self.accumulation.partners = partners

    def _forward(self, indices: Tensor, factors: Any = None) -> Any:
        """Return the sums of the losses of a micro-batch, and its outputs and labels to measure."""
        samples, labels = nested(self.data, lambda whole: _index(whole, indices, checked=True))
        output = self.model(*samples)
        losses = total_losses(self.task, output, labels, len(indices), factors)
        self.check_loss(losses[0])
        return losses, self.task.to_measure(output, labels)

    def _measure(self, losses: list[Array], kept: Any) -> Measures:
        """Return the measures of a micro-batch: means, which are then added up, weighted by the number of samples."""
        return self.task.measure(self.model.made, losses, *kept)

    def __call__(self, indices: Array) -> Measures:
        """Train on the samples at some indices."""
        share, parts = share_of(self.task, self.labels, indices), list(cut(indices, self.micro_batches))
        sizes, accumulation = [len(part) for part in parts], self.accumulation
        with self.mode:
            block = accumulation.block(self.mode, sizes, lambda number: (parts[number], *share.factors))
            whole = accumulation.partners.total(block)
            losses = accumulation.update(whole, share.weight, len(indices))
        means = {name: total / len(indices) for name, total in whole.measured.items()}
        return means | {name: loss.item() for name, loss in zip(loss_names(self.task), losses, strict=True)}


register_step(Optimizer, MicroBatchStep, micro_batches=True)
