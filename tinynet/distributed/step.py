"""A training step of your own, cut into micro-batches that several processes compute."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tinynet.checks import check_count
from tinynet.compiled import _argument
from tinynet.core.engine import Tensor, can_compile
from tinynet.core.mode import _tracing
from tinynet.core.spec import Array
from tinynet.core.transaction import TrainMode, train_transaction
from tinynet.distributed.blocks import added, block_in, check_division, facts_of, numbers_of
from tinynet.distributed.draws import Draws, apart
from tinynet.distributed.errors import WorldError
from tinynet.distributed.facts import compare, digest_of
from tinynet.distributed.message import Facts, Message
from tinynet.distributed.processes import World, check_world
from tinynet.errors import ArgumentError, ShapeError, TraceError
from tinynet.nn.layer import nested
from tinynet.nn.network import Network
from tinynet.optim.optimizer import Optimizer, hyperparameters
from tinynet.train.accumulation import Accumulation
from tinynet.train.block import Block, slices
from tinynet.train.nests import leaves


class Step:
    """A step down a loss of your own, which several processes compute together, with the bits of one.

    Within ``with mode:``, it does the same as ``loss`` followed by `Optimizer.minimize`, but a micro-batch at a time:
    the gradients are added along a binary tree, and all processes make the same update. Each process passes the same
    batch, and uses its own part of it. With one process, it adds up the gradients of the parts, which takes less
    memory. `fit` uses the same step.

    Parameters
    ----------
    loss : callable
        A function of ops, of a micro-batch, that returns its mean loss as one number. It is compiled.
    models : Model or sequence of Model
        The models whose parameters move.
    optimizer : Optimizer
        Makes the update.
    micro_batches : int
        The number of parts into which a batch is cut, 1 or more; with several processes, a power of two.
    world : World, optional
        From `world`: the processes that share the work; by default this one alone.
    others : sequence of Model
        Further models that the loss calls and whose layers keep states, such as batch normalisation.
    compiled : bool
        Trace the loss and the update once, and replay them. Otherwise each op is computed when it is called.

    Raises
    ------
    ArgumentError
        If an argument is not one of these, the micro-batches cannot be divided among the processes, or no parameter of
        the models is trainable.

    Notes
    -----
    Each micro-batch draws random numbers of its own, and batch normalisation takes its moments within it. The loss of
    the batch is the mean of those of the micro-batches, weighted by their numbers of samples; so are new values of
    floating states. One ``with mode:`` may have several steps; later ones see the values that earlier ones have
    written.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> model = tn.Sequential([tn.Input((2,)), tn.Dense(1, kernel_init="zeros")])
    >>> def loss(x, y):
    ...     return ((model(x) - y) ** 2).mean()
    >>> step = tn.distributed.Step(loss, model, tn.SGD(0.1), micro_batches=2, world=tn.distributed.world())
    >>> mode = tn.train_mode(seed=0)
    >>> for _ in range(100):
    ...     with mode:
    ...         value = step(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([[1.0], [2.0]]))
    >>> float(value) < 1e-3
    True
    """

    def __init__(
        self,
        loss: Callable[..., Tensor],
        models: Network | Sequence[Network],
        optimizer: Optimizer,
        micro_batches: int = 1,
        world: World | None = None,
        others: Sequence[Network] = (),
        compiled: bool = True,
    ) -> None:
        _check(loss, optimizer, world, others)
        self.loss, self.optimizer = loss, optimizer
        self.name = getattr(loss, "__name__", "the loss")
        self.micro_batches = check_count("Step: micro_batches", micro_batches)
        self.world = World() if world is None else world
        if self.world.size > 1:
            check_division(self.world.size, self.micro_batches)
        optimizer.spans_of(models)
        self.trained: Sequence[Any] = models if isinstance(models, list | tuple) else [models]
        self.called = list(dict.fromkeys([*self.trained, *others]))
        states = [state for model in self.called for state in model.build_model().states.values()]
        compiled = bool(compiled) and can_compile()
        self.accumulation = Accumulation(self._forward, optimizer, models, states, compiled, self.name)
        self.accumulation.partners = self
        self._place: dict[str, Any] = {}  # the progress, which must be the same in all processes
        self._compared = self.world.size == 1

    def __repr__(self) -> str:
        return f"<Step: {self.name} in {self.micro_batches} micro-batches, {self.world!r}>"

    def __call__(self, *batch: Any) -> Any:
        """Make the step on a batch; returns the mean loss from before the update.

        Parameters
        ----------
        *batch
            The arguments of the loss: arrays with an entry for each sample, also in tuples, lists and dicts, which are
            cut; numbers, texts and None, which are passed on.

        Returns
        -------
        number
            In the dtype of the loss.

        Raises
        ------
        ArgumentError
            Outside of ``with mode:``, or if the loss returns anything else than one number, or assigns a state of a
            model that is neither in ``models`` nor in ``others``.
        ShapeError
            If the arrays have no samples, or not the same number.
        TraceError
            If it is called within a function that is compiled, or the loss reads values of tensors.
        NonFiniteError
            If the loss or its gradient is not finite in any process. Nothing is changed then.
        WorldError
            If another process has failed, hangs, or differs from this one.
        """
        if _tracing.get():
            raise TraceError(
                "a Step talks to other processes, which a compiled function cannot; call it outside of tn.compile: it "
                "compiles its loss by itself"
            )
        transaction = train_transaction("a call of a Step")
        transaction.flush()  # so that what a micro-batch writes is told from what the step has written before
        try:
            n = _samples(batch)
            self._begin(transaction.mode, n, batch)
            with apart(transaction) as draws:
                block = self._block(transaction.mode, n, batch)
        except BaseException as error:
            if not (self.world.broken or isinstance(error, WorldError)):  # which all know
                self._gather({}, failed=error)
            raise
        whole = self._gather({**facts_of(block), "drawn": draws.end}, block.sums)
        transaction.draws = Draws(whole.facts["drawn"])  # for what the rest of the step draws, in all processes
        (loss,) = self.accumulation.update(block_in(whole), n, n)
        return loss[()]

    # --- computation in this process

    def _forward(self, *part: Any) -> Any:
        """Return the sum of the loss over the samples of a micro-batch."""
        loss = self.loss(*nested(part, _argument))
        if not isinstance(loss, Tensor) or loss.shape != () or loss.dtype.kind != "f":
            came = f"of shape {loss.shape} and {loss.dtype}" if isinstance(loss, Tensor) else repr(loss)
            raise ArgumentError(
                f"{self.name} must return the mean loss of a micro-batch, a Tensor of one floating number, but it "
                f"returned {came}; of numbers for each sample, return their mean()"
            )
        written = [variable for variable, _ in train_transaction("the loss of a Step").updates]
        known = set(map(id, self.accumulation.states))
        if any(id(variable) not in known for variable in written):
            raise ArgumentError(
                f"{self.name} makes an update, or assigns a state of a model that the Step does not know; the Step "
                "calls the optimizer by itself, and takes in others=[...] the models of which only states change"
            )
        return [loss * float(_samples(part))], ()

    def _block(self, mode: TrainMode, n: int, batch: Any) -> Block:
        """Compute the micro-batches that are computed here; of the batch, only their rows are read."""
        parts = slices(n, self.micro_batches)

        def part(number: int) -> Any:
            return nested(batch, lambda given: _values(given[parts[number]]) if _is_cut(given) else given)

        return self.accumulation.block(mode, [rows.stop - rows.start for rows in parts], part)

    # --- messages between processes

    def numbers(self, count: int) -> range:
        """Return the numbers of the micro-batches that are computed here."""
        return numbers_of(self.world.size, self.world.rank, count)

    def _gather(self, facts: Facts, sums: list[Array] | None = None, failed: BaseException | None = None) -> Message:
        return self.world.gather(f"step of {self.name}", {"place": self._place, **facts}, _both, sums, failed)

    def _begin(self, mode: TrainMode, n: int, batch: Any) -> None:
        """Note the facts that must be the same in all processes; before the first step, compare all of them."""
        if self.world.size == 1:
            return
        self._place = {**mode.state(), "the batch": _digest(batch, n), **hyperparameters(self.optimizer)}
        if self._compared:
            return
        carried = _numbered(self.optimizer.state_of(model) for model in self.trained)
        values = _numbered({name: leaf.memory for name, leaf in model.leaves.items()} for model in self.called)
        facts = {"micro_batches": self.micro_batches, "the optimizer": type(self.optimizer).__name__, **self._place}
        facts |= {"the models' values": digest_of(values), "the optimizer's values": digest_of(carried)}
        compare(self.world, facts)
        self._compared = True


def _both(left: Facts, right: Facts) -> Facts:
    """Combine the facts about the blocks of neighbours, and the ends of their draws."""
    return {**added(left, right), "drawn": max(left["drawn"], right["drawn"])}


def _check(loss: Any, optimizer: Any, world: Any, others: Any) -> None:
    """Check the arguments of a step."""
    if not callable(loss) or isinstance(loss, Network):
        raise ArgumentError(f"Step takes a function that returns the mean loss of a micro-batch, but got {loss!r}")
    if not isinstance(optimizer, Optimizer):
        raise ArgumentError(f"Step: optimizer must be an Optimizer, such as tn.SGD(0.01), but got {optimizer!r}")
    if world is not None:
        check_world(world)
    if not isinstance(others, list | tuple) or not all(isinstance(model, Network) for model in others):
        raise ArgumentError(f"Step: others must be a list of models, but got {others!r}")


def _is_cut(given: Any) -> bool:
    """Return whether an argument has an entry for each sample."""
    return getattr(given, "ndim", 0) > 0


def _values(given: Any) -> Any:
    return given.data if isinstance(given, Tensor) else np.asarray(given)


def _digest(batch: Any, n: int) -> str:
    """Return a digest of a batch of n samples, of its first and last ones, since no process reads all of them."""
    ends = slice(0, 1), slice(n - 1, n)
    found = [[_values(given[end]) for end in ends] if _is_cut(given) else str(given) for given in leaves(batch)]
    return digest_of({f"{i} of {n}": np.asarray(array) for i, array in enumerate(leaves(found))})


def _numbered(dicts: Iterable[dict[str, Array]]) -> dict[str, Array]:
    return {f"{i} {name}": array for i, arrays in enumerate(dicts) for name, array in arrays.items()}


def _samples(batch: Any) -> int:
    """Return the number of samples in the arrays of a batch.

    Raises
    ------
    ShapeError
        If there are none, or they do not agree.
    """
    lengths = [given.shape[0] for given in leaves(batch) if _is_cut(given)]
    if not lengths or not lengths[0] or len(set(lengths)) > 1:
        raise ShapeError(
            "a Step takes arrays with an entry for each sample, of which there is at least one, but the first axes of "
            f"those that came have the lengths {lengths}; pass numbers as numbers, and let the loss reach other arrays "
            "from outside"
        )
    return int(lengths[0])
