"""A world: the processes that train one model together. They add along a binary tree, to the same result in all."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinynet.checks import check_positive
from tinynet.core.spec import Array
from tinynet.distributed.combining import Both, combined
from tinynet.distributed.errors import WorldError
from tinynet.distributed.host import Host
from tinynet.distributed.message import Facts, Message, decode, encode
from tinynet.errors import ArgumentError

_TAG = 1  # of all messages
_SPINS = 50  # times that a wait looks before it sleeps
_SLEEPS = 50e-6, 1e-3  # seconds, at first and at most
_PRECEDENCE = 0.5  # seconds that another process has to say what is wrong, and to end all
_FORWARDING = 0.2  # seconds that mpiexec has to forward what is printed, before it is ended


class World:
    """The processes that train together; see `world`. A world of one needs no MPI.

    Attributes
    ----------
    rank : int
        The number of this process, from 0.
    size : int
        The number of processes.
    timeout : float
        Seconds that this process waits for another one.
    """

    def __init__(self, mpi: Any = None, timeout: float = 300.0) -> None:
        self.mpi = mpi
        self.timeout = check_positive("world", "timeout", timeout)
        self.rank: int = mpi.COMM_WORLD.rank if mpi else 0
        self.size: int = mpi.COMM_WORLD.size if mpi else 1
        self._sent = 0  # in messages
        self.broken = ""  # why the processes cannot talk any longer
        self.host: Host | None = None  # those of this host, if they share memory

    @property
    def sent(self) -> int:
        """Bytes that this process has sent so far, or written for others of its host."""
        return self._sent + (0 if self.host is None else self.host.sent)

    def __repr__(self) -> str:
        return f"<World: process {self.rank} of {self.size}>"

    def share(self, value: Any) -> Any:
        """Return the value that process 0 has passed, in all processes, each of which must call this.

        Parameters
        ----------
        value : object
            Made of numbers, texts, lists and dicts.

        Returns
        -------
        object
            The value of process 0.

        Raises
        ------
        WorldError
            If another process has failed, does something else, or does not answer in time.

        Examples
        --------
        >>> import tinynet as tn
        >>> tn.distributed.world().share("runs/a")
        'runs/a'
        """
        return self.gather("share", {"value": value}, lambda left, right: left).facts["value"]

    def gather(
        self,
        kind: str,
        facts: Facts,
        both: Both,
        sums: list[Array] | None = None,
        failed: BaseException | None = None,
    ) -> Message:
        """Combine the arguments of all processes along a binary tree over their numbers; each returns the same.

        Parameters
        ----------
        kind : str
            The kind of work; it must be the same in all processes.
        facts : dict
            The facts of this process.
        both : callable
            Combines the facts of neighbours, the lower one first.
        sums : list of ndarray, optional
            The arrays to add up, which may be overwritten; without, this process has nothing to add.
        failed : Exception, optional
            The error that has ended the work of this process, which then takes part only to end all others.

        Raises
        ------
        WorldError
            In all processes if one of them has failed, or they do not do the same; and in those that waited too long.
        """
        facts = {"kind": kind, **facts} | ({} if failed is None else {"error": _named(self.rank, failed)})
        message = Message.of(facts, None if failed or sums is None else [np.asarray(a, order="C") for a in sums])
        if self.size == 1:
            return message
        with self._talking():
            whole = self._exchanged(message, both)
        if "error" in whole.facts and failed is None:
            rank, text = whole.facts["error"]
            if whole.facts.get("left"):
                self.broken = text
            raise WorldError(text if rank < 0 else f"process {rank} of {self.size} has ended: {text}", rank >= 0)
        return whole

    def collect(self, arrays: list[Array]) -> list[list[Array]]:
        """Return the arrays that each process has passed, in the order of their numbers, in process 0; none in others.

        Raises
        ------
        WorldError
            As from `gather`.
        """
        self.gather("collect", {}, lambda left, right: left)  # all are there, or know why not
        with self._talking():
            if self.rank:
                self._send(Message.of({}, arrays), 0)
                return []
            return [arrays, *(self._receive(rank).sums or [] for rank in range(1, self.size))]

    @contextmanager
    def _talking(self) -> Iterator[None]:
        """Exchange messages; an error ends this for good, since nobody knows which messages have arrived."""
        if self.broken:
            raise WorldError(f"the processes cannot go on together: {self.broken}")
        try:
            yield
        except BaseException as error:
            self.broken = str(error) or type(error).__name__
            raise

    def _exchanged(self, message: Message, both: Both) -> Message:
        """Combine messages within each host, if it has shared memory, then between the first processes of hosts."""
        if self.host is None:
            return self._down(self._up(message, both))
        block = self.host.total(message, both)
        if self.host.count == self.size:
            return block
        return self.host.told(block if self.host.number else self._down(self._up(block, both)))

    @property
    def _block(self) -> int:
        """The number of neighbours in the tree that combine their messages in shared memory."""
        return 1 if self.host is None else self.host.count

    def _up(self, message: Message, both: Both) -> Message:
        """Add the sums of the processes above to those of this one, and send them to the one below, if there is one."""
        step = self._block
        while step < self.size:
            if self.rank & step:
                self._send(message, self.rank - step)
                return message
            if self.rank + step < self.size:
                message = combined(message, self._receive(self.rank + step), both, self.rank, self.rank + step)
            step *= 2
        return message

    def _down(self, message: Message) -> Message:
        """Receive the result from the process below, and send it to those above."""
        step = self._block
        while step < self.size and not self.rank & step:
            step *= 2
        if self.rank:
            message = self._receive(self.rank - step)
        while step > self._block:
            step //= 2
            if self.rank + step < self.size:
                self._send(message, self.rank + step)
        return message

    def _send(self, message: Message, to: int) -> None:
        whole = encode(message)
        self._sent += whole.nbytes
        request = self.mpi.COMM_WORLD.Isend([whole, self.mpi.BYTE], to, _TAG)
        self.wait(request.Test, lambda: to)

    def _receive(self, source: int) -> Message:
        comm, status = self.mpi.COMM_WORLD, self.mpi.Status()
        found = self.wait(lambda: comm.Improbe(source, _TAG, status), lambda: source)
        whole = np.empty(status.Get_count(self.mpi.BYTE), np.uint8)
        self.wait(found.Irecv([whole, self.mpi.BYTE]).Test, lambda: source)
        return decode(whole)

    def wait(self, poll: Callable[[], Any], whom: Callable[[], int]) -> Any:
        """Wait for another process; a wait that sleeps leaves the cores to those that compute."""
        until, looks, pause = time.monotonic() + self.timeout, 0, _SLEEPS[0]
        while not (found := poll()):
            looks += 1
            if looks <= _SPINS:
                os.sched_yield()
            else:
                time.sleep(pause)
                pause = min(2 * pause, _SLEEPS[1])
            if time.monotonic() > until:
                raise WorldError(
                    f"process {self.rank} of {self.size} has waited {self.timeout:g} s for process {whom()}, which is "
                    "slow, hangs or has left the work; tn.distributed.world(timeout=...) lets it wait longer"
                )
        return found

    # --- the end

    def end_all(self, code: int) -> None:
        """End all processes, also this one; do nothing if there is only one."""
        if self.size > 1:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            time.sleep(_FORWARDING)
            self.mpi.COMM_WORLD.Abort(code)

    def let_speak(self, error: BaseException) -> None:
        """Wait before this process reports its end: process 0 may report the same, and another one the reason."""
        if self.size > 1 and isinstance(error, WorldError) and error.elsewhere:
            time.sleep(4 * _PRECEDENCE)
        elif self.rank:
            time.sleep(_PRECEDENCE)


def check_world(world: Any) -> None:
    """Check that an argument is a world."""
    if not isinstance(world, World):
        raise ArgumentError(f"world must be what tn.distributed.world() returns, but got {world!r}")


def _named(rank: int, error: BaseException) -> tuple[int, str]:
    return rank, f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
