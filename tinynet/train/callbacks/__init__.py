"""The callbacks that come with tinynet. Training knows none of them; what a callback is stands in `Run`."""

from tinynet.train.callbacks.checkpoint import Checkpoint
from tinynet.train.callbacks.csv_logger import CSVLogger
from tinynet.train.callbacks.early_stopping import EarlyStopping
from tinynet.train.callbacks.schedule import LearningRateSchedule
from tinynet.train.callbacks.step_schedule import StepSchedule

__all__ = ["CSVLogger", "Checkpoint", "EarlyStopping", "LearningRateSchedule", "StepSchedule"]
