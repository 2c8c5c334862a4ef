"""Getting one URL, with bounds on the time without data and on the size, and with progress on a terminal."""

import io
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tinynet.errors import FileFormatError

_CHUNK = 8192


@dataclass
class _Transfer:
    """What pooch takes for a progress bar: it counts, and stops a transfer that is too long or no longer wanted."""

    limit: int
    total: int = 0
    received: int = 0
    stopped: bool = False

    def update(self, size: int) -> None:
        self.received += size
        if self.stopped or self.received > self.limit:
            raise FileFormatError(f"it sends more than {self.limit:,} bytes")

    def reset(self) -> None:
        self.received = 0

    def close(self) -> None:
        pass


Show = Callable[[str, _Transfer], None]


def get(url: str, limit: int, patience: float, timeout: float, show: Show) -> bytes:
    """Get at most about `limit` bytes from a URL; wait `patience` seconds for the first, `timeout` for any further.

    The work is done in a thread, since neither the look-up of a host name nor a server that sends a byte now and
    then can be bounded otherwise. A thread that is given up ends at its own time-out, or with the program.

    Raises
    ------
    Exception
        Any; `explain` puts it into words.
    """
    import pooch
    import requests

    body = io.BytesIO()
    transfer = _Transfer(limit + 2 * _CHUNK)  # pooch counts whole chunks
    responses: list[requests.Response] = []
    failures: list[Exception] = []
    hooks = {"response": lambda response, **_: responses.append(response)}
    # Its own time-out only ends a thread that was given up; a second more, so that it never comes first.
    downloader = pooch.HTTPDownloader(progressbar=transfer, chunk_size=_CHUNK, timeout=timeout + 1, hooks=hooks)

    def work() -> None:
        try:
            downloader(url, body, None)
        except Exception as error:
            failures.append(error)
        finally:
            for response in responses:  # pooch leaves those that it does not read to the end open
                response.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    received, since, allowed = 0, time.monotonic(), patience
    try:
        while thread.is_alive():
            thread.join(0.05)
            if transfer.received != received:
                received, since, allowed = transfer.received, time.monotonic(), timeout
                show(url, transfer)
            elif time.monotonic() - since > allowed:
                raise TimeoutError(f"no data for {allowed:.1f} seconds")
    finally:
        transfer.stopped = True
    if failures:
        raise failures[0]
    return body.getvalue()


def explain(error: Exception) -> tuple[str, bool]:
    """Say in a line why a URL could not be got, and whether its server gave no answer at all."""
    import requests

    if isinstance(error, requests.HTTPError):
        return f"HTTP status {str(error).split(' for url')[0]}", False
    if isinstance(error, TimeoutError):
        return str(error), True
    if isinstance(error, requests.Timeout):
        return "no answer in time", True
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off", False
    if isinstance(error, requests.ConnectionError):
        cause = getattr(error.args[0], "reason", error) if error.args else error
        return f"no connection: {str(cause).rsplit(': ', 1)[-1]}", True
    return str(error) if isinstance(error, FileFormatError) else f"{type(error).__name__}: {error}", False


@contextmanager
def progress(title: str) -> Iterator[Show]:
    """Show a bar on stderr while the context lasts, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda url, transfer: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)

        def show(url: str, transfer: _Transfer) -> None:
            name = url.rsplit("/", 1)[-1]
            bar.update(task, description=name, completed=transfer.received, total=transfer.total or None)

        yield show
