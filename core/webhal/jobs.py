"""Job: what runs beside serving, without a connection. Today that is the `finally` of a handler whose client has left.

What handlers wait for is in task.py, handlers that answer are in stream.py. `flatten` is for a few of
those, and here so that the others have the memory of it.
"""

import webhal
from webhal.stream import Cancelled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from webhal.server import Server
    from webhal.task import Wait

_UNWIND_MS = 10000  # what a cancelled handler has to end in


class Job:
    """Runs a generator, or coroutine, to its end."""

    def __init__(self, server: "Server", source: "Any") -> None:
        self.server = server
        self.source = source
        self.waiting: "Wait | None" = None
        self.since = server.now
        server.jobs = (server.jobs or []) + [self]

    def wait(self, waiting: "Wait") -> None:
        """It yielded what it waits for."""
        self.waiting = waiting
        waiting.park(self)

    def wake(self) -> None:
        """What it waits for is there."""
        if self.waiting:
            self.server.again.append(self)
            self.waiting = None

    def step(self, server: "Server") -> None:
        """Run it up to where it waits next, or to its end."""
        try:
            piece = self.source.send(None)
            if hasattr(piece, "park"):
                self.wait(piece)
                return
        except (StopIteration, Cancelled):
            pass
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            webhal.log.log(error)
        self.drop(server)

    def drop(self, server: "Server") -> None:
        """End it where it is; idempotent."""
        if self in server.jobs:  # type: ignore[operator] # there is one
            server.jobs.remove(self)  # type: ignore[union-attr]
            if self.waiting:
                self.waiting.leave()
                self.waiting = None
            try:
                self.source.close()
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                webhal.log.log(error)


def tick(server: "Server") -> None:
    """End those that had their time."""
    for job in list(server.jobs or ()):
        if server.network.ticks_diff(server.now, job.since) >= _UNWIND_MS:
            job.drop(server)


def flatten(source: "Any") -> "Generator[Any, Any, None]":
    """An asynchronous iterator as a generator of its pieces and of what it waits for."""
    try:
        while True:
            step: "Any" = source.__anext__()
            try:
                piece = yield from (step.__await__() if hasattr(step, "__await__") else step)
            except StopAsyncIteration:
                return
            yield piece
    finally:
        if hasattr(source, "aclose"):
            yield from source.aclose().__await__()
