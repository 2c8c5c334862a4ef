"""Schedules of the learning rate, by step."""

from __future__ import annotations

from collections.abc import Callable

from tinynet.checks import check_positive
from tinynet.core.showing import recorded
from tinynet.errors import ArgumentError
from tinynet.train.callbacks.rates import half_cosine
from tinynet.train.callbacks.schedule import LearningRateSchedule
from tinynet.train.run import Run


class StepSchedule(LearningRateSchedule):
    """Sets the learning rate before each step, as `LearningRateSchedule` does before each epoch.

    Time is counted in epochs here too, so that a schedule fits batches of any size: after 3 of the 10 steps of the
    second epoch it is 1.3. The history shows the rate of the last step of each epoch. A compiled step reads the rate
    anew each time, so a change costs nothing.

    Parameters
    ----------
    rate : callable
        A function of the number of epochs so far, with a fraction within an epoch, and of the learning rate that the
        run began with. `warm_up`, `cosine` and `one_cycle` make the usual schedules, as do the methods of
        `LearningRateSchedule` except `plateau`. In a loop of your own, call ``schedule.rate(epochs, first)``.
    momentum : callable, optional
        The same for the momentum, if the optimizer has one above 0.

    Raises
    ------
    ArgumentError
        If one is not a function, or returns no rate, or no momentum from 0 to below 1; once a run begins, if its
        optimizer has no learning rate.

    Examples
    --------
    >>> import tinynet as tn
    >>> (x, y), _ = tn.datasets.mnist(source="sample")
    >>> model = tn.Sequential([tn.Input((28, 28), scale=1 / 255), tn.Flatten(), tn.Dense(10, "softmax")], seed=0)
    >>> schedule = tn.StepSchedule(lambda epochs, first: first / (1 + epochs))
    >>> history = model.fit(x[:96], y[:96], epochs=2, optimizer=tn.SGD(0.1), callbacks=[schedule], verbose=0)
    >>> [round(rate, 4) for rate in history.learning_rates]  # after 2 of 3 steps, and after 1 epoch and 2 of 3 steps
    [0.06, 0.0375]
    """

    def __init__(
        self, rate: Callable[[float, float], float], momentum: Callable[[float, float], float] | None = None
    ) -> None:
        super().__init__(rate)
        if momentum is not None and not callable(momentum):
            raise ArgumentError(f"StepSchedule: momentum must be a function of (epochs, first), but got {momentum!r}")
        self.momentum = momentum

    def on_train_begin(self, run: Run) -> None:
        """Note the rate and the momentum that the run begins with."""
        super().on_train_begin(run)
        self.first_momentum = float(getattr(run.optimizer, "momentum", 0.0))

    def on_epoch_begin(self, run: Run) -> None:
        """Set the rate of the first step of an epoch."""
        self._set(run, run.epoch)

    def on_batch_end(self, run: Run) -> None:
        """Set the rate of the next step, if it is in the same epoch."""
        if run.batch < run.batches:
            self._set(run, run.epoch + run.batch / run.batches)

    def _set(self, run: Run, epochs: float) -> None:
        rate = check_positive("StepSchedule", "the learning rate", self.rate(epochs, self.first), zero=True)
        run.optimizer.learning_rate = rate
        if self.momentum is not None and self.first_momentum:
            momentum = self.momentum(epochs, self.first_momentum)
            if not 0 <= momentum < 1:
                raise ArgumentError(f"StepSchedule: the momentum must be from 0 to below 1, but got {momentum!r}")
            run.optimizer.momentum = float(momentum)

    @classmethod
    @recorded
    def warm_up(cls, epochs: float) -> StepSchedule:
        """Rise evenly from 0 to the first rate in so many epochs, which need not be whole, and stay there.

        Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017, section 2.2.
        """
        epochs = check_positive("warm_up", "epochs", epochs)

        def rate(now: float, first: float) -> float:
            return first * min(now / epochs, 1)

        return cls(rate)

    @classmethod
    @recorded
    def cosine(cls, epochs: float, least: float = 0.0, warm_up: float = 0.0) -> StepSchedule:
        """Go from the first rate to the least one in so many epochs, along half a period of a cosine.

        With ``warm_up``, the rate rises evenly from 0 to the first one in so many of these epochs before.

        Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, eq. 5.
        """
        epochs = check_positive("cosine", "epochs", epochs)
        least = check_positive("cosine", "least", least, zero=True)
        warm_up = check_positive("cosine", "warm_up", warm_up, zero=True)
        if warm_up >= epochs:
            raise ArgumentError(f"cosine: warm_up must be fewer than the {epochs:g} epochs, but got {warm_up:g}")

        def rate(now: float, first: float) -> float:
            if now < warm_up:
                return first * now / warm_up
            return half_cosine(first, least, (now - warm_up) / (epochs - warm_up))

        return cls(rate)

    @classmethod
    @recorded
    def one_cycle(
        cls,
        epochs: float,
        rise: float = 0.3,
        start: float = 0.04,
        end: float = 4e-6,
        momentum: tuple[float, float] | None = (0.95, 0.85),
    ) -> StepSchedule:
        """Rise to the rate of the optimizer, which is the highest, and fall far below it, in so many epochs.

        The rate begins at ``start`` of the highest one, reaches that after a share ``rise`` of the epochs, and ends at
        ``end`` of it; each part is half a period of a cosine. The momentum of the optimizer, if it has one, goes from
        the first number of ``momentum`` to the second and back. With None it does not change. Adam's beta1 never does.

        Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates", 2017,
        with the defaults of PyTorch.
        """
        epochs = check_positive("one_cycle", "epochs", epochs)
        start = check_positive("one_cycle", "start", start, zero=True)
        end = check_positive("one_cycle", "end", end, zero=True)
        if not 0 < rise < 1:
            raise ArgumentError(f"one_cycle: rise must be above 0 and below 1, but got {rise!r}")

        def cycle(now: float, low: float, high: float, last: float) -> float:
            part = now / epochs
            return (
                half_cosine(low, high, part / rise)
                if part < rise
                else half_cosine(high, last, (part - rise) / (1 - rise))
            )

        def rate(now: float, first: float) -> float:
            return first * cycle(now, start, 1.0, end)

        if momentum is None:
            return cls(rate)
        most, least = (check_positive("one_cycle", "momentum", m, zero=True) for m in momentum)
        return cls(rate, lambda now, first: cycle(now, most, least, most))
