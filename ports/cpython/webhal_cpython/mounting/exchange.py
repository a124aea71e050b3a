"""One request that a mounted application answers: the connection from when it is taken over until it is handed back.

Here live the response's framing, what its fields may be, and what becomes of an answer that fails. Who asks for it, and
in which thread the application runs, is in asgi.py and wsgi.py; all of this but `judge` is for the loop's thread.
"""

import contextlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import webhal.errors
import webhal.exchange
import webhal.log
import webhal.response
from webhal import HTTPError, Request, Response
from webhal.stream import Stream

if TYPE_CHECKING:
    from webhal.connection import Connection
    from webhal.server import Server

Fields = tuple[tuple[bytes, bytes], ...]

# Of the ten seconds in which a server stops: who still answers then is ended, so that what stops has the others.
GRACE_MS = 7000
_JOINED = 65536  # bytes of a piece that is copied behind its head, to be one write with it
# A field's name and value (RFC 9110, 5.1 and 5.5).
_FIELD = re.compile(rb"[!#-'*+\-.0-9A-Z^-z|~]+: [^\x00-\x08\x0a-\x1f\x7f]*")


class Head(NamedTuple):
    """A response's status line and fields, judged."""

    status: int
    fields: Fields  # as the application gave them
    lines: bytes
    length: int | None  # its Content-Length
    dated: bool  # it has a Date
    closes: bool  # it has Connection: close


@lru_cache(256)
def judge(status: int, fields: Fields, phrase: str | None = None) -> Head:
    """The head of a response. Raises ValueError for what HTTP cannot carry, TypeError for fields that are not bytes.

    Connection and Transfer-Encoding are between server and client: of an application's they are left out.
    """
    if not 200 <= status <= 599:
        raise ValueError(f"a status is an int from 200 to 599, not {status!r}")
    if phrase is None:
        phrase = webhal.response.phrase(status)
    if not phrase.isprintable():
        raise ValueError(f"not a reason phrase: {phrase!r}")
    lines = [b"HTTP/1.1 %d %s" % (status, phrase.encode("latin-1"))]
    length: int | None = None
    dated = closes = False
    for name, value in fields:
        line = b"%b: %b" % (name, value)
        if not _FIELD.fullmatch(line):
            raise ValueError(f"not a response field: {name!r}: {value!r}")
        lower = name.lower()
        if lower == b"connection":
            closes = closes or b"close" in value.lower()
            continue
        if lower == b"transfer-encoding":
            continue
        if lower == b"content-length":
            if not value.isdigit() or length is not None:
                raise ValueError(f"Content-Length is one number of bytes, not {value!r}")
            length = int(value)
            if status == 204:  # RFC 9110, 8.6
                continue
        dated = dated or lower == b"date"
        lines.append(line)
    return Head(status, fields, b"\r\n".join(lines) + b"\r\n", length, dated, closes)


class Exchange(Stream):
    """A request, and the answer that a mounted application makes to it, piece by piece.

    It is what takes the connection over (connection.py); the request's body is had by `await request.read(n)`.
    """

    head: Head | None = None  # that the application gave
    opened = False  # it is on its way
    over = False  # so is all of the answer, or nobody waits for it: nothing more is done with the connection
    gone = False  # nobody does
    bare = False  # no body is sent
    # `left` counts what is still to come of a body whose length is known.

    def __init__(self, request: Request) -> None:
        super().__init__(request, None)

    @property
    def waiting(self) -> Any:  # type: ignore[override]
        """What it waits for, as any Stream that is to hear of input: always, and `reads` says what for."""
        return self

    @property
    def reads(self) -> bool:
        """Whether the body is being waited for."""
        return self.connection in self.readers

    @property
    def address(self) -> tuple[str, int | None]:
        """(address, port) at which the client has connected; of a unix socket its path, and None."""
        name = self.connection.socket.getsockname()
        if isinstance(name, str):
            return name, None
        return name[0].removeprefix("::ffff:"), name[1]  # an IPv4 address of a listener for both

    @property
    def readers(self) -> "dict[Any, Any]":
        """Who waits for a body, by connection."""
        return self.server.host.readers  # type: ignore[union-attr,no-any-return] # it is the PC's

    # -- what a connection asks ---------------------------------------------------------------------------

    def begin(self, server: "Server", connection: "Connection", request: Request) -> None:
        """Take the connection over, and let the application begin."""
        if not server.host:
            raise RuntimeError("a mounted application is served in asyncio, which needs epoll or kqueue, and sockets")
        self.server = server
        self.connection = connection
        self.since = self.resumed = server.now
        connection.work = self
        connection.phase = "handler"
        self.run()

    def step(self, server: "Server", connection: "Connection") -> None:
        """More of the body has come: whoever waits for it goes on."""
        self.resumed = server.now
        connection.phase = "handler"
        self.readers[connection].wake()

    def taken(self, server: "Server", connection: "Connection") -> None:
        """What was sent is taken."""
        connection.phase = "handler"
        self.room()

    def stop(self) -> None:
        """The server stops: the application has some time, and is ended then."""
        if self.server.network.ticks_diff(self.server.now, self.server.tried) >= GRACE_MS:
            self.abort()

    def cancel(self) -> None:
        """The connection is gone, or is answered by others."""
        self.gone = True
        self._leave()

    def _leave(self) -> None:
        """Let go of the connection."""
        self.over = True
        reader = self.readers.get(self.connection)
        if reader and not reader.woken.done():
            reader.woken.set_exception(OSError("the request is over"))
        self.room()

    # -- a subclass's -------------------------------------------------------------------------------------

    def run(self) -> None:
        """Let the application begin."""
        raise NotImplementedError

    def room(self) -> None:
        """There is room for more of the answer, or it is over."""
        raise NotImplementedError

    def abort(self) -> None:
        """End it before the application does."""
        self.connection.drop(self.server)

    # -- the answer ---------------------------------------------------------------------------------------

    def put(self, data: bytes, more: bool) -> None:
        """Send a piece of the body, the head in front of the first; nothing where nobody waits for it any more.

        Not to be called in phase "write". It is over when nothing more comes, or its length is reached. Raises
        ValueError for a body of another length than its Content-Length, or one where none may be.
        """
        if self.over:
            if data and self.left == 0:
                raise ValueError("the body is longer than its Content-Length")
            return
        connection = self.connection
        server = self.server
        start = b""
        if not self.opened:
            start = self._open(data, more)
            if not start:  # a hook has answered
                return
        count = 0 if self.bare else -1 if self.left is None else self.left  # of the body, for whoever logs it
        if self.bare:
            data = b""
            more = False
        elif self.left is not None:
            if self.left < len(data) or (self.left > len(data) and not more):
                raise ValueError(f"{len(data)} bytes of a body of which {self.left} were to come")
            self.left -= len(data)
            more = self.left > 0
        elif self.chunked:
            if data:
                data = b"%x\r\n%b\r\n" % (len(data), data)
            if not more:
                data += b"0\r\n\r\n"
        if start:
            self.opened = True
            if "response" in server.app.events:
                server.app.emit("response", self.request, self.head.status, count)  # type: ignore[union-attr] # opened
        if len(data) < _JOINED:
            start += data
            data = b""
        if not more:
            self._drain()
            if connection.left:
                connection.keep = -1
            if self.deaf:
                server.network.watch(connection.socket, True, False)
            self._leave()
        elif not (start or data):
            return
        try:
            connection.send(server, start or data, data if start else b"", self if more else None)
        except OSError:
            connection.drop(server)

    def _open(self, data: bytes, more: bool) -> bytes:
        """The head, and how the body's end will be told (RFC 9112, 6); b"" where a hook has answered."""
        request = self.request
        head = self.head
        if head is None:
            raise RuntimeError("a body before its status")
        app: Any = request.app
        while app:
            if hasattr(app, "after"):
                head = self._show(head)
                break
            app = getattr(app, "parent", None)
        if head is None:
            return b""
        self.head = head
        framing = b""
        if head.status == 204 or head.status == 304:
            self.bare = True
            if data and request.method != "HEAD":
                raise ValueError(f"a response of status {head.status} has no body")
        elif head.length is not None:
            self.left = head.length
        elif not more and (data or request.method != "HEAD"):
            self.left = len(data)
            framing = b"Content-Length: %d\r\n" % self.left
        elif request.method == "HEAD":
            pass
        elif request.minor:
            self.chunked = True
            framing = b"Transfer-Encoding: chunked\r\n"
        else:
            request.keep = False
        if request.method == "HEAD":
            self.bare = True
        if not more:
            self._drain()
            request.keep = request.keep and not self.connection.left
        request.keep = request.keep and not head.closes
        own = webhal.exchange.fields(self.connection, self.server, request)
        if head.dated and own[:6] == "Date: ":
            own = own[own.find("\r\n") + 2 :]
        return head.lines + framing + own.encode() + b"\r\n"

    def _show(self, head: Head) -> Head | None:
        """The head as after_request hooks leave it; None where one of them has given an answer of its own."""
        values: dict[str, Any] = {}
        for field in head.fields:
            name, value = (part.decode("latin-1") for part in field)
            values.setdefault(name, []).append(value)
        response = Response(b"", head.status, {name: each if each[1:] else each[0] for name, each in values.items()})
        shown = webhal.response.finish(self.request.app, self.request, response)
        if shown is not response or shown.body:
            self._answer(shown)
            return None
        fields = []
        for name, each in shown.headers.items():
            for value in each if isinstance(each, (list, tuple)) else (each,):
                fields.append((name.encode("latin-1"), str(value).encode("latin-1")))
        return judge(shown.status, tuple(fields))

    def _drain(self) -> None:
        """Pass over what is here of a body that nobody has read: where that is all, the connection can be kept."""
        connection = self.connection
        with contextlib.suppress(HTTPError):  # of a malformed chunk: its end is not known, so the connection has one
            while connection.left and connection.read_body(_JOINED):
                pass

    def fail(self, error: BaseException) -> None:
        """The application raised: answer for it, or cut the answer."""
        if self.over or self.opened:
            webhal.log.log(error)
            if not self.over:
                self.connection.drop(self.server)
        else:
            self._answer(webhal.errors.handle(self.request.app, self.request, error))

    def _answer(self, response: Response) -> None:
        """Answer in the application's place."""
        self._leave()
        try:
            self.answer(self.server, self.connection, response)
        except OSError:
            self.connection.drop(self.server)
