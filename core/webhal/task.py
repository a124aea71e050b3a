"""What handlers wait for: a time, or the request's body; events are in topic.py. Loaded with the first that waits.

How long a step of the server takes depends on what is due or was woken, not on what waits.

Rules for whoever edits this file, or adds something to wait for:

* A handler waits by yielding a Wait, from `await` or `yield from`. Whoever runs it (stream.Stream, jobs.Job) calls
  `park` with itself; who then calls its `wake`, once, has taken it out of where it was; `leave` only takes it out.
* A Wait is its own iterator, so that nothing else is allocated: it returns itself while there is to be waited, and
  raises StopIteration with the result when not.
* Where asyncio runs a handler, `host` makes of a Wait something that asyncio can wait for. That is all that an
  awaitable has to know of asyncio.
"""

import sys

import webhal
from webhal.http import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from webhal.http import Request

host: "Callable[[Wait], Any] | None" = None  # what iterates it in a task of asyncio's, and itself elsewhere
_MOST_MS = 1 << 27  # that can be slept at a time, 37 hours: ticks_diff is right for twice as long


class Wait:
    """Something that a handler waits for; it has `__next__`."""

    reads = False  # the request's body
    task: "Any" = None  # who waits
    if sys.implementation.name == "cpython":
        told: "str | None" = None  # as it is written, if not by its class; "": what may be awaited again, or never
        awaited = False

    def __iter__(self) -> "Any":
        if sys.implementation.name == "cpython":
            if self.task and self.told != "":  # it waited, and would do so no more
                raise RuntimeError(self._told() + " is awaited already")
            self.awaited = True
        return host(self) if host else self

    __await__ = __iter__

    if TYPE_CHECKING:

        def park(self, task: "Any") -> None:
            """Let `task.wake` be called when there is no more to be waited for."""

    def leave(self) -> None:
        """It is waited for no more."""

    if sys.implementation.name == "cpython":  # boards never call it

        def __del__(self) -> None:
            if self.awaited or self.told == "" or sys.is_finalizing():
                return
            text = self._told() + " does nothing unless it is awaited"
            frame = sys._getframe(1)  # of the line that forgot it, unless that kept it
            if not frame.f_globals.get("__name__", "").startswith("webhal"):
                code = frame.f_code
                file = code.co_filename.replace("\\", "/").split("/")[-1]
                text += ": in %s (%s:%d)" % (code.co_name, file, frame.f_lineno)
            webhal.log.log(RuntimeError(text))

        def _told(self) -> str:
            return self.told or type(self).__name__ + "(…)"


class sleep_ms(Wait):
    """Awaitable: let others be served for so many milliseconds, an int, at most 37 hours."""

    def __init__(self, ms: int) -> None:
        if not isinstance(ms, int) or ms > _MOST_MS:
            if sys.implementation.name == "cpython":
                self.awaited = True
            raise TypeError("sleep_ms takes milliseconds as an int, at most %d, not %r" % (_MOST_MS, ms))
        self.ms = max(0, ms)  # or it would come before what is due while that is woken

    def __next__(self) -> Wait:
        if self.task:
            raise StopIteration
        return self

    def park(self, task: "Any") -> None:
        """Take its place in the server's clock, which has the latest first."""
        server = task.server
        if server.clock is None:
            server.clock = []
        clock = server.clock
        self.task = task
        self.since = now = server.network.ticks_ms()
        low = 0
        high = len(clock)
        while low < high:
            middle = (low + high) // 2
            if clock[middle].left(now) > self.ms:
                low = middle + 1
            else:
                high = middle
        clock.insert(low, self)

    def left(self, now: int) -> int:
        """Milliseconds until it is due."""
        return self.ms - self.task.server.network.ticks_diff(now, self.since)  # type: ignore[no-any-return]

    def leave(self) -> None:
        """Give its place up."""
        self.task.server.clock.remove(self)


class Read(Wait):
    """Awaitable: the next 1 to `most` bytes of a body, b"" at its end."""

    reads = True
    if sys.implementation.name == "cpython":
        told = "request.read(…)"

    def __init__(self, request: "Request", most: int) -> None:
        self.request = request
        self.most = most

    def __next__(self) -> Wait:
        request = self.request
        connection: "Any" = request.connection
        if connection is None:  # the body was read whole
            body = request.body
            connection = request.connection = Reader()  # type: ignore[assignment]
            connection.feed(body)
            connection.left = len(body)
        piece = connection.read_body(self.most)
        if piece is None:
            if connection.socket:
                return self
            raise OSError("the client has left")
        raise StopIteration(piece)

    def park(self, task: "Any") -> None:
        """From now on the body's deadline runs."""
        connection = task.connection
        connection.phase = "rest"
        connection.since = task.since
        task.grace += task.server.network.ticks_diff(task.server.now, task.resumed)
