"""Models and runs in files: written whole or not at all, checked when they are read, and nothing in them executed.

Importing this lets `Model.save`, `fit(resume=...)` and `Run.save` do their work.
"""

from tinynet.saving.checkpoint import resume_run, save_run
from tinynet.saving.model import load, save_model
from tinynet.train.storage import Storage, use_storage

use_storage(Storage(save_model, save_run, resume_run))

__all__ = ["load"]
