"""Requests and responses beyond the plain ones that connection.py serves itself; loaded with the first of them.

Bodies that are read whole, Responses, what a client does not take at once. Answers that are made piece by piece are in
stream.py.
"""

import sys

import webhal
from webhal.http import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal.app import App
    from webhal.connection import Connection
    from webhal.response import Response
    from webhal.server import Server

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_AT_ONCE = 8  # pieces of a body that are taken in one step


def next(connection: "Connection", server: "Server", request: Request) -> None:
    """The head of a request with a body is there."""
    connection.work = request
    request.body = b""
    if connection.phase != "rest":
        connection.phase = "rest"
        connection.since = server.now
    if request.length > server.body and not streams(server.app, request):
        raise webhal.errors.HTTPError(413)
    if request.waits and connection.start == len(connection.input):
        connection.send(server, _CONTINUE, b"", request)
    else:
        read_body(connection, server, request)


def read_body(connection: "Connection", server: "Server", request: Request) -> None:
    """Read the body whole, then dispatch; or let a handler that streams do the reading."""
    if streams(server.app, request):
        del request.body
        request.connection = connection
        request.limit = server.body
    else:
        connection.phase = "rest"
        for _ in range(_AT_ONCE):
            piece = connection.read_body(server.body + 1)
            if piece is None:
                return
            if not piece:
                break
            if len(request.body) + len(piece) > server.body:
                raise webhal.errors.HTTPError(413)
            if not request.body:
                request.body = piece
            else:
                if type(request.body) is bytes:
                    request.body = bytearray(request.body)  # type: ignore[assignment] # until it is whole
                request.body.extend(piece)  # type: ignore[attr-defined]
        else:  # of chunks there can be many: others have their turn
            connection.phase = "handler"
            server.turn(connection)
            return
        request.body = bytes(request.body)
    connection.dispatch(server, request)


def streams(app: "App", request: Request) -> bool:
    """Whether the handler for a request reads its body itself."""
    if app.plain and not app.streamed:
        return False
    return webhal.routing.streams(app, request)


def dispatch(connection: "Connection", server: "Server", request: Request, result: "Any") -> None:
    """Send what the application made of a request."""
    response = webhal.response.Response
    if isinstance(result, (str, dict, bytes)):
        result = response(result)
    if isinstance(result, response):
        connection.work = None
        respond(connection, server, request, result)
    elif hasattr(result, "begin"):
        result.begin(server, connection, request)
    else:
        webhal.stream.Stream(request, result).begin(server, connection, request)


def respond(connection: "Connection", server: "Server", request: Request, response: "Response") -> None:
    """Send a response that ends the request."""
    if connection.left:
        request.keep = False
    lines = fields(connection, server, request)
    try:
        head, body = webhal.response.serialise(response, request.method, lines)
    except (MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:
        response = webhal.mistakes.answer(request, response, error, lines)
        head, body = webhal.response.serialise(response, request.method, lines)
    if head is None:
        kind: "Any" = webhal.stream.Stream
        if sys.implementation.name == "cpython":
            kind = webhal.sendfile.stream(server, response, body)
        if hasattr(response, "stream"):  # of events
            kind = response.stream
        kind(request, body, response).begin(server, connection, request)
        return
    server.app.emit("response", request, response.status, len(body))
    room = server.buffer - len(head)
    if room < len(body):
        body = memoryview(body)
    if room < 0:
        connection.send(server, head, body)
    else:
        join(connection, server, (head, body[:room]), body[room:], None)


def fields(connection: "Connection", server: "Server", request: Request) -> str:
    """Decide whether the connection stays open; the field lines that every response has."""
    lines = server.fields
    if sys.implementation.name == "cpython":
        lines += request.lines
    if not request.keep or connection.keep < 1 or server.closes or server.stopping:
        connection.keep = -1 if request.keep or connection.left else 0
        if server.closes:
            server.closes -= 1
        return lines + "Connection: close\r\n"
    if sys.implementation.name == "cpython":
        lines += server.keep_alive
    return lines if request.minor else lines + "Connection: keep-alive\r\n"


def join(
    connection: "Connection", server: "Server", parts: "Any", more: "bytes | memoryview", work: "Any"
) -> None:
    """Send the parts, which the receive buffer has room for, in one write from there; then `more`; go on with `work`.

    For where TCP_NODELAY is not, a small write waits until the one before has been acknowledged (RFC 1122, 4.2.3.4);
    and it takes no memory, but for what the platform does not take.
    """
    view = server.view
    end = 0
    for part in parts:
        start = end
        end += len(part)
        view[start:end] = part
    count = server.network.send(connection.socket, view[:end], 0) or 0
    connection.begun += count
    try:
        out = bytes(view[count:end])  # the buffer is needed for others
    except MemoryError:
        raise OSError
    send(connection, server, out, 0, more, work)


def send(
    connection: "Connection",
    server: "Server",
    out: "bytes | bytearray | memoryview",
    count: int,
    more: "bytes | bytearray | memoryview",
    work: "Any",
) -> None:
    """The platform took `count` bytes of `out`: see to the others, then to `more`, then to `work`."""
    if more:
        connection.more = more
    connection.work = work
    if count < len(out):
        connection.out = out
        connection.sent = count
        connection.phase = "write"
        connection.since = server.now
        server.network.watch(connection.socket, False, True)
    else:
        taken(connection, server)


def ready(connection: "Connection", server: "Server") -> None:
    """The socket of a connection that has something to go on with may be ready for it."""
    work = connection.work
    if connection.out:
        count = server.network.send(connection.socket, connection.out, connection.sent)
        if count:
            connection.since = server.now
            connection.begun += count
            connection.sent += count
            if connection.sent == len(connection.out):
                server.network.watch(connection.socket, True, False)
                taken(connection, server)
    elif type(work) is not Request:
        work.ready(server, connection)
    elif connection.phase == "rest":
        count = server.receive(connection.socket, server.view)
        if count:
            connection.feed(bytes(server.view[:count]))
            read_body(connection, server, work)
        elif count is not None:
            connection.drop(server)


def taken(connection: "Connection", server: "Server") -> None:
    """`out` is sent: on to `more`, `work`, or the next request."""
    work = connection.work
    more = connection.more
    if connection.out:
        connection.out = b""
    connection.since = server.now
    if more:
        connection.more = b""
        connection.phase = "write"
        connection.send(server, more, b"", work)
    elif type(work) is Request:  # after 100 Continue
        connection.begun = 0
        read_body(connection, server, work)
    elif work:
        work.taken(server, connection)
    else:
        connection.done(server)
