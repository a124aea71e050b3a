"""One connection of a server: the way of a plain request, from its bytes to those of the answer.

What a plain request does not need is in modules that are loaded when it happens: bodies and responses of every other
kind in exchange.py, answers that are made piece by piece in stream.py, handlers that wait in task.py, refusals and
failures in refusing.py. Which connections there are, and when it is their turn, is server.py's.

Rules for whoever edits this file, or those:

* A connection is in exactly one phase; `since` is when it entered it, or last made progress there if the phase's
  deadline is one for progress ("write").
* What is in phase "handler" is in `server.again` once, to go on or to read more chunks, or its handler waits
  (task.py).
* OSError from an operation on a socket ends that connection and nothing else.
* What takes a connection over is a handler's result that has `begin`. From then on until it hands the connection back,
  by `connection.send(server, out)` without `work`, it is `connection.work`, and is asked this and nothing else
  (stream.Stream is the first):
      begin(server, connection, request)   the connection is its own: put it into `work`
      ready(server, connection)            the socket is readable: receive, once at most; OSError: the client has left
      step(server, connection)             it is its turn, for which it asked by `again`
      taken(server, connection)            what it sent with itself as `work` has been taken
      stop()                               the server stops: end soon; what has none may go on to its end
      cancel()                             the connection is gone, or is answered by others: let go, called once
      request                              what it answers
      grace                                ms of its deadline in phase "rest" beyond the server's
"""

import webhal
from webhal.http import Reader, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal.server import Server


class Connection(Reader):
    """One connection: its input, its socket, and what is still to be sent.

    phase: what it waits for: "start", the first byte of its first request; "rest", the rest of a request;
    "idle", the next request; "write", the client to take what is sent; "linger", the client to close after a
    refusal (RFC 9112, 9.6); "handler", a running handler, or its turn, because its next request is here.
    begun: bytes of an answer that were sent, while it is sent; 0 when all of it was.
    keep: 1 when it serves another request after this one, 0 when it closes, -1 when it lingers first, because the
    client may still be sending.
    out, more: what is being sent, from `sent` on, and what follows that.
    work: who goes on afterwards: the Request whose body is being read, what took the connection over, or None.
    """

    out: "bytes | bytearray | memoryview" = b""
    more: "bytes | bytearray | memoryview" = b""
    sent = 0
    begun = 0
    work: "Any" = None
    keep = 1
    phase = "start"

    def __init__(self, socket: "Any", client: "tuple[str, int]", now: int) -> None:
        self.socket = socket
        self.client = client
        self.since = now

    def ready(self, server: "Server") -> None:
        """The socket may be readable, or writable if that is what the connection waits for."""
        if self.work or self.phase == "write":
            webhal.exchange.ready(self, server)
        elif self.phase != "handler":
            count = server.receive(self.socket, server.view)
            if count:
                if self.phase != "linger":
                    self.feed(bytes(server.view[:count]))
                    self.next(server)
            elif count is not None:
                self.drop(server)

    def step(self, server: "Server") -> None:
        """Its turn, for which it asked by `server.again`: go on with `work`, or with the next request."""
        if not self.socket:
            return
        try:
            if type(self.work) is Request:
                webhal.exchange.read_body(self, server, self.work)
            elif self.work:
                self.work.step(server, self)
            else:
                self.next(server)
        except Exception as error:
            self.failed(server, error)

    def next(self, server: "Server") -> None:
        """Answer the next request, if its head is there."""
        request = self.next_request(server.head)
        if request:
            request.client = self.client
            if not request.length:
                self.dispatch(server, request)
                return
            webhal.exchange.next(self, server, request)
        elif self.phase != "rest" and self.start < len(self.input):
            self.phase = "rest"
            self.since = server.now
        elif self.phase == "handler":
            self.phase = "idle"

    def dispatch(self, server: "Server", request: Request) -> None:
        """Let the application answer."""
        result = server.app.handle(request)
        if type(result) is str and request.minor and len(result) < server.buffer:
            if not (self.left or request.method == "HEAD" or "response" in server.app.events):
                try:
                    body = result.encode()  # what most responses are, made in one go
                except UnicodeError:  # whoever answers then sees it again
                    webhal.exchange.dispatch(self, server, request, result)
                    return
                close = b""
                if not request.keep or server.closes or server.stopping:
                    self.keep = -1 if request.keep else 0
                    if server.closes:
                        server.closes -= 1
                    close = b"Connection: close\r\n"
                self.send(server, b"%s%d\r\n%s\r\n%s" % (server.start, len(body), close, body))
                return
        webhal.exchange.dispatch(self, server, request, result)

    def send(
        self,
        server: "Server",
        out: "bytes | bytearray | memoryview",
        more: "bytes | bytearray | memoryview" = b"",
        work: "Any" = None,
    ) -> None:
        """Send `out`, then `more`, then go on with `work`; without `work` that was the end of an answer."""
        count = server.network.send(self.socket, out, 0) if out else 0
        if count is None or count < len(out) or more or work:
            self.begun += count or 0  # first, for if memory runs out now, no 503 may follow
            webhal.exchange.send(self, server, out, count or 0, more, work)
        else:
            self.done(server)

    def done(self, server: "Server") -> None:
        """The answer is sent: on to the next request, or close."""
        if self.work:  # what has its default is not set: each entry of its own takes memory
            self.work = None
        if self.begun:
            self.begun = 0
        if self.keep > 0 and self.start < len(self.input):
            self.phase = "handler"
            server.turn(self)
        elif self.keep > 0:
            self.phase = "idle"
            self.since = server.now
            self.input = b""  # or an idle connection keeps the last head in memory
            self.start = 0
        elif self.keep:
            self.linger(server)
        else:
            self.drop(server)

    def linger(self, server: "Server") -> None:
        """End our side and read on, so that what is still arriving does not cost the client its answer."""
        self.phase = "linger"
        self.since = server.now
        self.input = b""
        server.network.shut(self.socket)
        server.network.watch(self.socket, True, False)

    def failed(self, server: "Server", error: Exception) -> None:
        """Its work raised: whatever goes wrong costs this connection alone."""
        for _ in range(2):  # where memory runs out for a refusal there is room for a 503
            if not isinstance(error, OSError):
                try:
                    webhal.refusing.failed(self, server, error)
                    return
                except (MemoryError, OSError) as another:
                    error = another
        self.drop(server)

    def drop(self, server: "Server") -> None:
        """Close it; idempotent."""
        if self.socket:
            del server.slots[self.socket]
            server.network.close(self.socket)
            self.socket = None
            self.release()

    def release(self) -> None:
        """Let go of what it holds; a running handler is cancelled.

        What it does not hold is not set: that would take memory, which may be why it has to let go.
        """
        work = self.work
        if work:
            self.work = None
        if self.out:
            self.out = b""
        if self.more:
            self.more = b""
        if self.input:
            self.input = b""
        if hasattr(work, "cancel"):
            try:
                work.cancel()
            except MemoryError:  # for telling what it raised
                pass
