"""The callbacks that come with tinynet. Training imports none of them; see `Run` for what a callback is.

Every run has the callbacks of the functions below, in this order, and among them those that the user passes. Some of
the functions only change the task or the data. Samples to validate on are split off early. The loss is smoothed before
the validation is prepared, since a validation uses the smoothed loss, and weighted afterwards, since it does not use
the weights. Data that are not in memory pass through a window last.
"""

from tinynet.distributed.member import join_world
from tinynet.train.callbacks.checkpoint import Checkpoint
from tinynet.train.callbacks.csv_logger import CSVLogger
from tinynet.train.callbacks.early_stopping import EarlyStopping
from tinynet.train.callbacks.epoch_metrics import measure_epochs
from tinynet.train.callbacks.gradient_norm import GradientNorm
from tinynet.train.callbacks.schedule import LearningRateSchedule
from tinynet.train.callbacks.step_losses import StepLosses
from tinynet.train.callbacks.step_schedule import StepSchedule
from tinynet.train.given import given_callbacks
from tinynet.train.interrupts import listen
from tinynet.train.progress import choose_display
from tinynet.train.run import add_to_every_run
from tinynet.train.several import weigh_outputs
from tinynet.train.smoothing import smooth_labels
from tinynet.train.split import split_off
from tinynet.train.validation import validate
from tinynet.train.weights import weigh_samples
from tinynet.train.window import read_in_batches

for _make in (
    join_world,
    choose_display,
    weigh_outputs,
    split_off,
    smooth_labels,
    measure_epochs,
    validate,
    weigh_samples,
    listen,
    given_callbacks,
    read_in_batches,
):
    add_to_every_run(_make)

__all__ = [
    "CSVLogger",
    "Checkpoint",
    "EarlyStopping",
    "GradientNorm",
    "LearningRateSchedule",
    "StepLosses",
    "StepSchedule",
]
