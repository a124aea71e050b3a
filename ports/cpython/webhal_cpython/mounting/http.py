"""Requests to mounted ASGI applications (ASGI's HTTP protocol 2.4).

How an answer reaches its client is in exchange.py, WebSockets are in websocket.py.
"""

import asyncio
from typing import TYPE_CHECKING, Any

from webhal import HTTPError, Request
from webhal.task import Read
from webhal_cpython.mounting.exchange import Exchange, judge

if TYPE_CHECKING:
    from webhal_cpython.mounting.asgi import ASGI

VERSION = {"version": "3.0", "spec_version": "2.4"}
_READ = 65536  # bytes of a body in one message, at most


class HTTP(Exchange):
    """A request, and the task in which the application answers it."""

    whole = False  # the body was read to its end
    ended = False  # the application has sent the last of its answer
    told = False  # it was told that the client has left

    def __init__(self, mounted: "ASGI", request: Request) -> None:
        super().__init__(request)
        self.mounted = mounted
        self.waiters: list[asyncio.Future[None]] = []

    def run(self) -> None:
        """Let the application begin."""
        self.mounted.running.add(self)
        self.task = self.server.host.loop.create_task(self._run())  # type: ignore[union-attr] # it is the PC's

    def room(self) -> None:
        """Whoever waits goes on."""
        for each in self.waiters:
            if not each.done():
                each.set_result(None)

    def abort(self) -> None:
        """End it before the application does."""
        self.task.cancel()
        super().abort()

    async def _run(self) -> None:
        if self.gone:
            self.mounted.running.discard(self)
            return
        try:
            await self.mounted.foreign(self.scope(), self.receive, self.send)
            self.returned()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if not (self.gone and (self.told or isinstance(error, asyncio.CancelledError))):
                self.fail(error)
        finally:
            self.mounted.running.discard(self)

    def returned(self) -> None:
        """The application has returned."""
        if not (self.ended or self.gone):
            raise RuntimeError(f"{self.mounted!r} has not answered to the end")

    def scope(self) -> dict[str, Any]:
        """What the application is told of the request."""
        request = self.request
        path, _, query = request.target.partition("?")
        if path[:1] != "/":  # in absolute form
            path = "/" + path.partition("://")[2].partition("/")[2]
        fields = [line.partition(b":") for line in request.head.split(b"\r\n")[1:-2]]
        scope = {
            "type": "http",
            "asgi": VERSION,
            "http_version": "1.1" if request.minor else "1.0",
            "method": request.method,
            "scheme": request.scheme,
            "path": request.path,
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "root_path": self.mounted.prefix,
            "headers": [(name.lower(), value.strip(b" \t")) for name, _, value in fields],
            "client": request.client,
            "server": self.address,
        }
        if self.mounted.state is not None:
            scope["state"] = self.mounted.state.copy()
        return scope

    async def _wait(self) -> None:
        """Until there is room, or it is over."""
        waiter = self.server.host.loop.create_future()  # type: ignore[union-attr]
        self.waiters.append(waiter)
        try:
            await waiter
        finally:
            self.waiters.remove(waiter)

    async def receive(self) -> dict[str, Any]:
        """The next piece of the body; behind the last, when the client has left or has its answer."""
        connection = self.connection
        if not (self.whole or self.over):
            try:
                piece = await Read(self.request, _READ) if connection.left else b""
                self.whole = not connection.left
                return {"type": "http.request", "body": piece, "more_body": not self.whole}
            except HTTPError as error:  # a malformed chunk
                connection.failed(self.server, error)
            except OSError:  # the client has left
                pass
            finally:
                if not self.over and connection.phase == "rest":  # given up: the body's deadline is none of now
                    connection.phase = "handler"
        if self.deaf and not self.over and connection.phase == "handler" and connection.start == len(connection.input):
            self.listen(True)
        while not self.over:
            await self._wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        """A message of the answer. Raises OSError when the client has left, ValueError for what cannot be sent."""
        kind = message["type"]
        if self.gone:
            self.told = True
            raise OSError("the client has left")
        if self.ended:
            raise RuntimeError(f"a message behind the last one: {kind}")
        if kind == "http.response.body":
            while not self.over and self.connection.phase == "write":
                await self._wait()
            more = message.get("more_body", False)
            self.put(message.get("body", b""), more)
            self.ended = not more
            if more:
                await asyncio.sleep(0)  # the others have their turn
        elif kind == "http.response.start" and self.head is None:
            headers = message.get("headers", ())
            try:
                self.head = judge(message["status"], tuple(headers))
            except TypeError:  # of lists, as they may be
                self.head = judge(message["status"], tuple(map(tuple, headers)))
        else:
            raise RuntimeError(f"not now: {kind}")
