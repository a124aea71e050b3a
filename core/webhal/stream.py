"""Stream: an answer that is made piece by piece, or a handler that outlives the step it began in.

Loaded when a handler returns an iterator or an asynchronous iterator, or is itself `async def`. Each is driven as a
generator here: what it yields is a piece of the body (str or bytes), or what it waits for (task.Wait). That is the only
way that holds on all interpreters, where a coroutine and a generator may be of one type. What handlers wait for is in
task.py, which only those load that wait.

What a Stream is to its connection stands at the head of connection.py.
"""

import sys

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal.connection import Connection
    from webhal.http import Request
    from webhal.response import Response
    from webhal.server import Server
    from webhal.task import Wait

_FRAME = 12  # bytes of a chunk beside its data: up to eight digits, CRLF twice


class Stream:
    """One request's running answer. `response` is None until a handler's first piece, or its end, tells.

    Its head is made with the first piece; that it is on its way tells the connection, by the bytes sent. The next piece
    is asked for when the one before is taken.
    """

    # Class attributes, because a dict of many takes more memory than one of few.
    server: "Server"
    connection: "Connection"
    left: "int | None" = None  # bytes of a Content-Length still to come
    chunked = False
    kind = ""  # of the pieces: the Content-Type if none is set
    piece: "Any" = b""  # what is still to be sent of the last one
    waiting: "Wait | None" = None  # for what the handler waits
    since = 0  # the body's deadline runs from here,
    resumed = 0  # and the handler has had no need to wait for it since then
    grace = 0  # ms that a body has more: what the handler itself took, and one for each byte that came
    deaf = False  # input is not wanted, so only a socket that failed is ready
    short: "int | None" = None  # since when memory is too short to go on

    def __init__(self, request: "Request", source: "Any", response: "Response | None" = None) -> None:
        self.request = request
        self.source = source  # None while it runs, and when it has ended
        self.response = response
        # What came from the handler, until it is made ready to be sent: where memory runs out, nothing of it is lost.
        # Set now, because a new entry may lack memory, too.
        self.value: "Any" = None

    def begin(self, server: "Server", connection: "Connection", request: "Request") -> None:
        """Take the connection over; the next step begins to answer."""
        self.server = server
        self.connection = connection
        if server.host:
            self.source = server.host.run(self.source)
        if hasattr(self.source, "__anext__"):
            self.source = webhal.jobs.flatten(self.source)
        self.since = self.resumed = server.now
        connection.work = self
        self.taken(server, connection)

    def ready(self, server: "Server", connection: "Connection") -> None:
        """The socket may be readable: take what helps to go on, or to see that the client has left."""
        reads = self.waiting and self.waiting.reads
        pending = len(connection.input) - connection.start
        if not pending or (reads and connection.left and pending < server.head):
            count = server.receive(connection.socket, server.view)
            if count is None:
                return
            if count:
                connection.feed(bytes(server.view[:count]))
                self.grace += count
                if reads:
                    self.step(server, connection)
                return
            if self.waiting:
                raise OSError  # the client has left
        elif self.deaf:
            raise OSError  # so is the connection
        self.listen(False)  # the client ended its side and may still read, or is ahead of us

    def listen(self, read: bool) -> None:
        """Take note of the socket's input, or of its failure only."""
        self.deaf = not read
        self.server.network.watch(self.connection.socket, read, False)

    def taken(self, server: "Server", connection: "Connection") -> None:
        """What was sent is taken: the next step goes on."""
        connection.phase = "handler"
        server.turn(connection)

    def wake(self) -> None:
        """What the handler waits for is there."""
        if self.waiting:
            self.taken(self.server, self.connection)  # first, for it may lack memory
            self.waiting = None

    def step(self, server: "Server", connection: "Connection") -> None:
        """Send the next piece, or what is left of one; where memory is short, until the deadline for writing."""
        if self.deaf:  # what has its default is not set: each entry of its own takes memory
            self.deaf = False
        begun = connection.begun
        try:
            if self.piece or self.next(server, connection):
                self.write(server, connection)
            if self.short is not None:
                self.short = None
        except MemoryError:
            if self.source is None or connection.begun != begun:
                raise
            if self.short is None:
                self.short = server.now
            elif server.network.ticks_diff(server.now, self.short) > 1000 * server.deadlines["write"]:
                raise
            server.make_room()
            self.taken(server, connection)
        except (TypeError, ValueError) as error:  # of the head
            self.failed(server, connection, webhal.mistakes.unsendable(self.request, self.response, error))

    def next(self, server: "Server", connection: "Connection") -> bool:
        """Run the handler up to its next piece, and return True; or to where it waits, or to its end."""
        if connection.phase == "rest":
            self.resumed = server.now
            connection.phase = "handler"
        if self.waiting:
            self.waiting = None
        source = self.source
        piece = self.value
        try:
            if piece is not None:
                pass
            elif hasattr(source, "send"):
                self.source = None
                piece = source.send(None)
                self.source = source
            elif hasattr(source, "read"):  # a file
                piece = source.read(server.buffer - _FRAME)
                if not piece:
                    raise StopIteration
            else:
                piece = next(source)
            self.value = piece
            kind, data = self.encode(piece)
            if kind:
                if not connection.begun:
                    self.kind = kind
                    self.prepare()
                elif self.response:  # its head is sent
                    self.response = None
                self.piece = data
                self.value = None
                if self.left is not None:
                    self.left -= len(data)
                    if self.left < 0:
                        raise webhal.mistakes.left(self.request, self.left)
                return True
            if not hasattr(piece, "park"):
                raise webhal.mistakes.piece(self.request, piece)
        except StopIteration as stop:
            self.end(server, connection, stop.value)
        except (MemoryError, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.failed(server, connection, error)
        else:
            self.value = None
            self.waiting = piece
            piece.park(self)
            self.listen(piece.reads or connection.start == len(connection.input))
        return False

    def encode(self, piece: "Any") -> "tuple[str, Any]":
        """(Content-Type, bytes) of a piece; ("", piece) of anything else."""
        return webhal.response.encode(piece)

    def cancel(self) -> None:
        """End the handler: Cancelled is raised where it waits."""
        source = self.source
        self.source = None
        waiting = self.waiting
        self.waiting = None
        try:
            if waiting:
                waiting.leave()
            if hasattr(source, "throw"):
                waiting = source.throw(webhal.errors.Cancelled())
                if hasattr(waiting, "park"):
                    webhal.jobs.unwind(self.server, source, waiting)
            elif hasattr(source, "close"):
                source.close()
        except (StopIteration, webhal.errors.Cancelled):
            pass
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            webhal.log.log(error)

    # -- the response -----------------------------------------------------------------------------------

    def prepare(self) -> None:
        """The response to the first piece; how its end will be told (RFC 9112, 6)."""
        request = self.request
        response = self.response = self.response or webhal.response.finish(request.app, request, b"")
        if response.status == 204 or response.status == 304:
            raise webhal.mistakes.unsendable(request, response, ValueError("bare", response.status))
        promised = webhal.response.find(response.headers, "content-length")
        if sys.implementation.name == "cpython":
            if promised is not None and not str(promised).isdigit():
                raise webhal.mistakes.unsendable(request, response, ValueError("promised", promised))
        if promised is not None:
            self.left = int(promised)
        elif request.minor:
            self.chunked = True
        else:
            request.keep = False

    def start(self, server: "Server", connection: "Connection") -> bytes:
        """The head of the response that was prepared."""
        lines = webhal.exchange.fields(connection, server, self.request)
        if self.chunked:
            lines += "Transfer-Encoding: chunked\r\n"
        return webhal.response.head(self.response, self.kind, None, lines)  # type: ignore[arg-type] # prepared

    def write(self, server: "Server", connection: "Connection") -> None:
        """Send the piece, or as much of it as the receive buffer holds: one write, which needs no memory."""
        start = b""
        if not connection.begun:
            start = self.start(server, connection)
            length = -1 if self.left is None else self.left + len(self.piece)
            server.app.emit("response", self.request, self.response.status, length)  # type: ignore[union-attr] # prepared
            if self.request.method == "HEAD":
                self.cancel()
                self.finish(server, connection, start)
                return
        piece = self.piece
        room = server.buffer - len(start) - _FRAME
        if room <= 0:  # the head fills it
            connection.send(server, start, b"", self)
        elif not piece or not self.chunked:
            if start:
                piece = memoryview(piece)
                webhal.exchange.join(connection, server, (start, piece[:room]), piece[room:], self)
            elif piece:
                connection.send(server, piece, b"", self)
            else:
                self.taken(server, connection)
            self.piece = b""
        else:
            size = min(len(piece), room)
            piece = memoryview(piece)
            rest: "Any" = piece[size:]  # as long as this is kept, all of the piece is
            if len(rest) < size:
                rest = bytes(rest)
            line = start + b"%x\r\n" % size
            webhal.exchange.join(connection, server, (line, piece[:size], b"\r\n"), b"", self)
            self.piece = rest

    def end(self, server: "Server", connection: "Connection", value: object) -> None:
        """The handler has ended: so has the answer, or `value` is it."""
        self.cancel()  # closes a file
        if not connection.begun:
            request = self.request
            response = self.response
            try:
                if response:
                    response.body = b""
                else:
                    response = webhal.response.finish(request.app, request, value)
            except (MemoryError, KeyboardInterrupt):
                raise
            except BaseException as error:
                response = webhal.errors.handle(request.app, request, error)
            self.answer(server, connection, response)
        elif self.left:
            self.failed(server, connection, webhal.mistakes.left(self.request, self.left))
        else:
            self.finish(server, connection, b"0\r\n\r\n" if self.chunked else b"")

    def failed(self, server: "Server", connection: "Connection", error: BaseException) -> None:
        """The handler raised, or what it made is wrong."""
        self.cancel()
        if connection.begun:
            webhal.log.log(error)
            raise OSError  # the answer is cut
        self.answer(server, connection, webhal.errors.handle(self.request.app, self.request, error))

    def answer(self, server: "Server", connection: "Connection", response: "Response") -> None:
        """Answer with something else: nothing is sent yet."""
        server.network.watch(connection.socket, True, False)
        connection.work = None
        webhal.exchange.respond(connection, server, self.request, response)

    def finish(self, server: "Server", connection: "Connection", out: bytes) -> None:
        """Send the last bytes, and hand the connection back."""
        server.network.watch(connection.socket, True, False)
        if connection.left:
            connection.keep = -1
        connection.send(server, out)
