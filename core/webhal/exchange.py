"""Requests and responses beyond the plain ones that slot.py serves itself; loaded with the first of them.

Bodies that are read whole, Responses, what a client does not take at once. What runs longer than a step is
in stream.py.
"""

from webhal.http import Request
from webhal.httperror import HTTPError
from webhal.log import log
from webhal.response import Response, serialise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal.app import App
    from webhal.server import Server
    from webhal.slot import Slot

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def begin_body(server: "Server", slot: "Slot", request: Request) -> None:
    """The head of a request with a body is there."""
    slot.rest = request
    if slot.phase != "rest":
        slot.phase = "rest"
        slot.since = server.now
    if request.length > server.body and not _streams(server.app, request):
        raise HTTPError(413)
    if request.waits and slot.start == len(slot.input):
        server.send(slot, _CONTINUE, request)
    else:
        read_body(server, slot, request)


def read_body(server: "Server", slot: "Slot", request: Request) -> None:
    """Read the body whole, then dispatch; or let a handler that streams do the reading."""
    while not _streams(server.app, request):
        piece = slot.read_body(server.body + 1)
        if piece is None:
            return
        if not piece:
            break
        if len(request.body) + len(piece) > server.body:
            raise HTTPError(413)
        if not request.body:
            request.body = piece
        else:
            if type(request.body) is bytes:
                request.body = bytearray(request.body)  # type: ignore[assignment] # until it is whole
            request.body.extend(piece)  # type: ignore[attr-defined]
    else:
        slot.lend(request)
    request.body = bytes(request.body)
    server.dispatch(slot, request)


def _streams(app: "App", request: Request) -> bool:
    """Whether the handler for a request reads its body itself."""
    return bool(app.streamed or not app.plain) and app.streams(request)


def answer(server: "Server", slot: "Slot", request: Request, result: "Any") -> None:
    """Send what the application made of a request."""
    if isinstance(result, (str, Response)):
        slot.rest = None
        respond(server, slot, request, result if isinstance(result, Response) else Response(result))
    else:
        server.stream(slot, request, result, None)


def respond(server: "Server", slot: "Slot", request: Request, response: Response) -> None:
    """Send a response that ends the request."""
    if slot.left:
        request.keep = False
    fields = connection_fields(server, slot, request)
    if slot.left:
        slot.keep = -1
    try:
        head, body = serialise(response, request.method, fields)
    except MemoryError:
        raise
    except Exception as error:
        log(error)
        response = Response("Internal Server Error\n", 500)
        head, body = serialise(response, request.method, fields)
    if head is None:
        server.stream(slot, request, body, response)
        return
    if "response" in server.app.events:
        server.app.emit("response", request, response.status, len(body))
    if not body:
        server.send(slot, head)
    elif len(head) + len(body) <= len(server.view):
        server.send(slot, head + body)
    else:
        server.send(slot, head, body)


def connection_fields(server: "Server", slot: "Slot", request: Request) -> str:
    """Decide whether the connection stays open; the field lines that every response has."""
    if not request.keep or server.full or server.stopping:
        slot.keep = -1 if request.keep else 0
        return server.fields + "Connection: close\r\n"
    slot.keep = 1
    return server.fields if request.minor else server.fields + "Connection: keep-alive\r\n"


def sent(server: "Server", slot: "Slot", out: "bytes | bytearray | memoryview", count: int, rest: "Any") -> None:
    """The platform took `count` bytes of `out`: see to the others, and then to `rest`."""
    slot.rest = rest
    if count < len(out):
        slot.out = out
        slot.sent = count
        slot.phase = "write"
        slot.since = server.now
        server.network.watch(slot.socket, False, True)
    else:
        _taken(server, slot)


def proceed(server: "Server", slot: "Slot") -> None:
    """The socket of a connection that has something to go on with may be ready for it."""
    rest = slot.rest
    if slot.phase == "write":
        _flush(server, slot)
    elif type(rest) is not Request:
        rest.ready(server, slot)
    else:
        count = server.receive(slot.socket, server.view)
        if count:
            slot.receive(bytes(server.view[:count]))
            read_body(server, slot, rest)
        elif count is not None:
            server.drop(slot)


def _flush(server: "Server", slot: "Slot") -> None:
    """Send more of what the client did not take at once."""
    count = server.network.send(slot.socket, slot.out, slot.sent)
    if count:
        slot.since = server.now
        slot.sent += count
        if slot.sent == len(slot.out):
            server.network.watch(slot.socket, True, False)
            _taken(server, slot)


def _taken(server: "Server", slot: "Slot") -> None:
    """`out` is sent: on to `rest`, or to the next request."""
    rest = slot.rest
    slot.out = b""
    slot.since = server.now
    if isinstance(rest, (bytes, bytearray, memoryview)):
        slot.phase = "write"
        server.send(slot, rest)
    elif type(rest) is Request:
        slot.phase = "rest"
        read_body(server, slot, rest)
    elif rest is not None:
        slot.phase = "handler"
        server.again.append(slot)
    elif slot.keep < 0:
        server.linger(slot)
    elif not slot.keep:
        server.drop(slot)
    elif slot.start < len(slot.input):
        slot.phase = "handler"
        server.again.append(slot)
    else:
        slot.phase = "idle"
        slot.input = b""
        slot.start = 0
