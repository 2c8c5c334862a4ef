"""The step of an optimizer by the gradients of `Tensor.backward`: `Optimizer.step`."""

from __future__ import annotations

from tinynet.core.engine import Tensor
from tinynet.core.transaction import TrainMode, Transaction, train_transaction, training, within
from tinynet.errors import NonFiniteError
from tinynet.nn.network import Network
from tinynet.optim.optimizer import Optimizer, are_finite


def step(optimizer: Optimizer, model: Network) -> None:
    """Move a model's parameters once, by the gradients that ``backward`` has added up so far.

    Within a step of training, it is part of that step, as `minimize` is.

    Parameters
    ----------
    model : Model
        The model. The optimizer keeps vectors for it as long as the model exists.

    Raises
    ------
    NonFiniteError
        If the gradient is not finite. Nothing is changed then.
    """
    gradient = Tensor(model.gradient)
    spans = optimizer.spans_of(model)
    vectors = [gradient[span.start : span.stop] for _, span in spans]
    if not are_finite(vectors):
        raise NonFiniteError("the gradient has NaN or infinite values; nothing was changed by this step")
    if training():
        optimizer.move(train_transaction("Optimizer.step"), spans, vectors)
        return
    transaction = Transaction(TrainMode(seed=0))
    with within(transaction):
        optimizer.move(transaction, spans, vectors)
        transaction.finish()


Optimizer.step = step
