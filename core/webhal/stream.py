"""Stream: a response that is made piece by piece, or a handler that outlives the step it began in.

Loaded when a handler returns an iterator or an asynchronous iterator, or is itself `async def`. Each is
driven as a generator here: what it yields is a piece of the body (str or bytes), None ("go on when
something has happened"), or a number of milliseconds to sleep. That is the only way that holds on all
interpreters, where a coroutine and a generator may be of one type.

The server knows a Stream in a slot's `rest` by `ready`, `step`, `close`, `waiting`, `started`, `grace`, and in
its list `running` by `queued`, `slot`, `left_ms` besides.
"""

from webhal.beside import go_on
from webhal.exchange import connection_fields, respond
from webhal.http import Request
from webhal.log import log
from webhal.response import _BYTES, _HTML, Response, find, head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from webhal.net import Network
    from webhal.server import Server
    from webhal.slot import Slot


class Stream:
    """One request's running answer. `response` is None until a handler's first piece, or its end, tells."""

    # Class attributes, because a dict of many takes more memory than one of few.
    started = False  # the head is sent
    promised: "int | None" = None  # bytes of a Content-Length still to come
    chunked = False
    waiting = False  # for something to happen, or
    sleep: "int | None" = None  # for so many ms to pass
    reading = False  # it waits for more of the request's body, whose deadline runs from `begun`, but with
    grace = 0  # ms more: what the handler itself took, and one for each byte that came
    queued = False  # in Server.running
    deaf = False  # input is not wanted, so only a socket that failed is ready

    def __init__(
        self, slot: "Slot", request: Request, source: "Any", response: "Response | None", now: int
    ) -> None:
        self.slot = slot
        self.request = request
        self.source = _as_generator(source)
        self.response = response
        self.since = now  # when waiting began
        self.begun = now
        self.resumed = now  # when the handler last had no need to wait for the body

    def ready(self, server: "Server", slot: "Slot") -> None:
        """The socket may be readable: take what helps to go on, or to see that the client has left."""
        if not self._wants(server):
            if self.deaf:
                raise OSError("connection lost")
            self._listen(server, False)
            return
        count = server.receive(slot.socket, server.view)
        if count:
            slot.receive(bytes(server.view[:count]))
            self.grace += count
            if self.waiting and self.sleep is None:
                self.step(server, slot)
        elif count is not None:
            if self.waiting:
                raise OSError("the client has left")
            self._listen(server, False)  # it ended its side, and may still read

    def step(self, server: "Server", slot: "Slot") -> None:
        """Run the handler up to its next piece, and send that."""
        self.waiting = self.deaf = False
        if self.reading:
            self.reading = False
            self.resumed = server.now
        try:
            piece: "Any" = self.source.send(None)
            if piece is None or isinstance(piece, int):
                kind = ""  # no piece: it waits
            elif isinstance(piece, str):
                piece = piece.encode()
                kind = _HTML
            elif isinstance(piece, (bytes, bytearray, memoryview)):
                piece = bytes(piece)
                kind = _BYTES
            else:
                raise TypeError("a piece of a body is str or bytes, not " + type(piece).__name__)
            start = self._start(server, slot, kind) if kind and not self.started else b""
            if kind and self.promised is not None:
                self.promised -= len(piece)
                if self.promised < 0:
                    raise ValueError("the body is longer than its Content-Length")
        except StopIteration as stop:
            self._end(server, slot, stop.value)
            return
        except MemoryError:
            raise
        except Exception as error:
            self._fail(server, slot, error)
            return
        if not kind:
            self._wait(server, slot, piece)
            return
        if not self.started:
            self.started = True
            if "response" in server.app.events:
                server.app.emit("response", self.request, self.response.status, -1)  # type: ignore[union-attr] # by _start
        if self.request.method == "HEAD":
            self.close()
            self._finish(server, slot, start)
            return
        if piece and self.chunked:
            piece = b"%x\r\n%s\r\n" % (len(piece), piece)
        if start or piece:
            server.send(slot, start + piece if start else piece, self)
        else:
            server.again.append(slot)

    def close(self) -> None:
        """End the handler: GeneratorExit is raised where it waits."""
        try:
            self.source.close()
        except Exception as error:
            log(error)

    # -- waiting ----------------------------------------------------------------------------------------

    def _wants(self, server: "Server") -> bool:
        """Whether more input helps."""
        slot = self.slot
        pending = len(slot.input) - slot.start
        return not pending or bool(self.waiting and self.sleep is None and slot.left and pending < server.head)

    def _listen(self, server: "Server", read: bool) -> None:
        self.deaf = not read
        server.network.watch(self.slot.socket, read, False)

    def left_ms(self, network: "Network", now: int) -> "int | None":
        """Until the handler has slept enough; None if it does not sleep."""
        return None if self.sleep is None else max(0, self.sleep - network.ticks_diff(now, self.since))

    def queue(self, server: "Server") -> None:
        """Let the server step this when it is due."""
        if not self.queued:
            self.queued = True
            server.running.append(self)

    def _wait(self, server: "Server", slot: "Slot", sleep: "int | None") -> None:
        self.waiting = True
        self.sleep = sleep
        self.since = server.network.ticks_ms()
        self.reading = sleep is None and slot.left != 0
        if self.reading:
            self.grace += server.network.ticks_diff(server.now, self.resumed)
        if self.reading:
            slot.phase = "rest"
            slot.since = self.begun
        else:
            slot.phase = "handler"
        self._listen(server, self._wants(server))
        self.queue(server)

    # -- the response -----------------------------------------------------------------------------------

    def _start(self, server: "Server", slot: "Slot", kind: str) -> bytes:
        """The head of the response; sets how its end will be told (RFC 9112, 6)."""
        request = self.request
        response = self.response = self.response or request.app.finish(request, self.source)
        if response.status == 204 or response.status == 304:
            raise ValueError("a response of status %d has no body" % response.status)
        promised = find(response.headers, "content-length")
        if promised is not None:
            self.promised = int(promised)
        elif request.minor:
            self.chunked = True
        else:
            request.keep = False
        lines = head(response, kind, None, connection_fields(server, slot, request))
        return lines + (b"Transfer-Encoding: chunked\r\n\r\n" if self.chunked else b"\r\n")

    def _end(self, server: "Server", slot: "Slot", value: object) -> None:
        request = self.request
        if self.started:
            if self.promised:
                log(ValueError("the body is shorter than its Content-Length"))
                raise OSError("body cut short")
            self._finish(server, slot, b"0\r\n\r\n" if self.chunked else b"")
            return
        try:
            if self.response is None:
                response = request.app.finish(request, value)
            else:
                response = self.response
                response.body = b""
        except MemoryError:
            raise
        except Exception as error:
            response = request.app.fail(request, error)
        self._answer(server, slot, response)

    def _fail(self, server: "Server", slot: "Slot", error: Exception) -> None:
        self.close()
        if self.started:
            log(error)
            raise OSError("body cut short")
        self._answer(server, slot, self.request.app.fail(self.request, error))

    def _answer(self, server: "Server", slot: "Slot", response: Response) -> None:
        server.network.watch(slot.socket, True, False)
        slot.rest = None
        respond(server, slot, self.request, response)

    def _finish(self, server: "Server", slot: "Slot", out: bytes) -> None:
        server.network.watch(slot.socket, True, False)
        if slot.left:
            slot.keep = -1
        server.send(slot, out, None)


def stream(server: "Server", slot: "Slot", request: Request, source: "Any", response: "Response | None") -> None:
    """Let the next step begin to answer with what `source` yields."""
    slot.rest = Stream(slot, request, source, response, server.now)
    slot.phase = "handler"
    server.again.append(slot)


def _as_generator(source: "Any") -> "Generator[Any, None, Any]":
    if hasattr(source, "__anext__"):
        from webhal.flatten import flatten

        return flatten(source)
    return source if hasattr(source, "send") else _pieces(source)


def _pieces(source: "Any") -> "Generator[Any, None, None]":
    try:
        for piece in source:
            yield piece
    finally:
        if hasattr(source, "close"):  # a file
            source.close()


def until_wake(server: "Server", timeout_ms: int) -> int:
    """`timeout_ms`, or less if a sleeping handler is due before."""
    now = server.network.ticks_ms()
    for stream in server.running:
        left = stream.left_ms(server.network, now)
        if left is not None:
            timeout_ms = min(timeout_ms, left)
    return timeout_ms


def wake(server: "Server") -> None:
    """Step the handlers whose time has come, and those that wait for anything to happen."""
    running = server.running
    server.running = []
    for stream in running:
        stream.queued = False
        if stream.waiting and stream.slot.rest is stream:
            if stream.left_ms(server.network, server.now):
                try:
                    stream.queue(server)
                except MemoryError:
                    server.drop(stream.slot)  # nothing would ever step it
            else:
                go_on(server, stream.slot)
