"""Training by several processes, on one machine or many: they share the micro-batches of each step."""

from tinynet.distributed import objective  # noqa: F401 - which lets objectives have a world
from tinynet.distributed.errors import WorldError
from tinynet.distributed.processes import World
from tinynet.distributed.starting import world
from tinynet.distributed.step import Step

__all__ = ["Step", "World", "WorldError", "world"]
