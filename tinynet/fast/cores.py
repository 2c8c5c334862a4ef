"""The cores that this process may use: what the system grants it, and what other programs leave of that."""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path, PurePosixPath
from typing import NamedTuple

_SECONDS = 0.1  # between two looks: the system counts idle time in hundredths of a second
_COST = 0.01  # the largest part of the time that looks may take; a look takes long on machines of many cores


def quota(root: Path = Path("/")) -> int | None:
    """Return the number of cores that the quotas of Linux's control groups grant, as containers set them.

    Parameters
    ----------
    root : Path
        Where the pseudo file systems ``proc`` and ``sys`` are.

    Returns
    -------
    int or None
        The least of the process's own group and the groups above it, rounded down, at least 1; None without a quota.

    References
    ----------
    Linux, Documentation/admin-guide/cgroup-v2.rst (cpu.max) and scheduler/sched-bwc.rst (cpu.cfs_quota_us).
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    mounts = root / "sys/fs/cgroup"
    found: list[float] = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers:  # version 2
            found += _quotas((mounts, mounts / "unified"), group)
        elif "cpu" in controllers.split(","):
            found += _quotas((mounts / controllers, mounts / "cpu"), group)
    return max(1, int(min(found))) if found else None


def granted_cores() -> int:
    """Return the number of cores that this process may run on, by its affinity."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_cores() -> int:
    """Return the number of cores that this process may use, by its affinity and by the quotas of its container."""
    granted = granted_cores()
    return min(granted, quota() or granted)


def _quotas(mounts: tuple[Path, ...], group: str) -> list[float]:
    """Return the quotas of a group and of those above it, in cores."""
    # In a container the path may be that of the host; the group of the container is then at the root.
    path = PurePosixPath(*(part for part in PurePosixPath(group).parts if part not in ("/", "..")))
    groups = [mount / above for mount in mounts for above in (path, *path.parents)]
    return [cores for folder in groups if (cores := _quota_of(folder)) is not None]


def _quota_of(folder: Path) -> float | None:
    """Return the quota that one group sets, in cores."""
    try:
        if (folder / "cpu.max").exists():
            time_given, period = (folder / "cpu.max").read_text().split()
        else:
            time_given, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return float(time_given) / float(period) if float(time_given) > 0 else None
    except (OSError, ValueError):  # there is no such file; "max" and -1 mean no quota
        return None


class Reading(NamedTuple):
    """What was read at one moment: times in seconds since some start, and on which cores the process may run."""

    wall: float
    own: float  # CPU time of all threads of this process
    idle: float  # summed over these cores
    cores: frozenset[int]


class FreeCores:
    """How many cores other programs leave to this process: as many as it used, and those that were idle.

    Of the last two intervals of about 0.1 s, the one with more free cores counts, so that a short disturbance changes
    nothing. Where the system does not tell (there is no /proc/stat, or not of these cores), all are free.

    Parameters
    ----------
    root : Path
        Where the pseudo file system ``proc`` is.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self.stat = root / "proc/stat"
        self.restart()

    def restart(self) -> None:
        """Forget what was read: in a forked child, whose CPU time starts at zero."""
        self.count = self._latest = sys.maxsize  # free cores, at least 1
        self.next_look = 0.0
        self._before: Reading | None = None

    def look(self) -> None:
        """Count the free cores; to be called when `time.perf_counter` has reached ``next_look``."""
        started = time.perf_counter()
        now, before = self.read(), self._before
        if now is None:
            self.restart()
            self.next_look = math.inf
            return
        if before is not None and before.cores == now.cores and now.wall > before.wall:
            free = (now.idle - before.idle + now.own - before.own) / (now.wall - before.wall)
            previous, self._latest = self._latest, max(1, round(free))
            self.count = max(previous, self._latest)
        self._before = now
        self.next_look = started + max(_SECONDS, (time.perf_counter() - started) / _COST)

    def read(self) -> Reading | None:
        """Read the clocks, or return None where they cannot be known."""
        idle = {}
        try:
            with self.stat.open("rb") as lines:
                cores = frozenset(os.sched_getaffinity(0))
                for line in lines:
                    name, *ticks = line.split()
                    if not name.startswith(b"cpu"):
                        break
                    if name != b"cpu" and int(name[3:]) in cores:
                        idle[int(name[3:])] = int(ticks[3]) + int(ticks[4])  # idle, and idle while a disk is awaited
            per_second = os.sysconf("SC_CLK_TCK")
        except (OSError, AttributeError, ValueError, IndexError):
            return None
        if len(idle) < len(cores) or not all(idle.values()):  # sandboxes show other cores, or zeros
            return None
        return Reading(time.perf_counter(), time.process_time(), sum(idle.values()) / per_second, cores)
