"""What a connection gets when its work fails: refusals, deadlines that passed, 503 for lack of memory.

Nothing is imported at once here but what is there anyway: it is loaded when memory has run out, too.
"""

import gc

import webhal
from webhal.http import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.connection import Connection
    from webhal.errors import HTTPError
    from webhal.server import Server

_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def failed(connection: "Connection", server: "Server", error: Exception) -> None:
    """Refuse a request for an HTTPError; lack of memory is a 503, anything else is logged, and a 500.

    Raises OSError to close, MemoryError.
    """
    if isinstance(error, MemoryError):
        connection.release()
        webhal.make_room()
        gc.collect()
        _may_answer(connection)
        connection.keep = -1
        connection.send(server, _BUSY)
        return
    if not isinstance(error, webhal.errors.HTTPError):
        webhal.log.log(error)
        error = webhal.errors.HTTPError(500)
    _may_answer(connection)
    try:
        _refuse(connection, server, error)
    except (OSError, MemoryError):
        raise
    except Exception as second:  # a bug
        webhal.log.log(second)
        raise OSError("no answer")


def _refuse(connection: "Connection", server: "Server", error: "HTTPError") -> None:
    """Answer a request that no handler answers, and close."""
    request = connection.work
    connection.work = None
    if request is None:
        request = Request("", "", "", bytes(connection.input[connection.start :]))
        request.client = connection.client
    elif type(request) is not Request:  # a handler that reads the body
        request.cancel()
        request = request.request
    else:
        request.body = b""  # what has come of it: it is not whole
    connection.left = -1
    request.app = server.app
    webhal.exchange.respond(connection, server, request, webhal.errors.handle(server.app, request, error))


def tick(connection: "Connection", server: "Server") -> None:
    """A request is not whole by its deadline; a streamed body has a millisecond more for each byte."""
    work = connection.work
    if work and type(work) is not Request:
        age = server.network.ticks_diff(server.now, connection.since)
        if age <= 1000 * server.deadlines["rest"] + work.grace:
            return
    connection.failed(server, webhal.errors.HTTPError(408))


def _may_answer(connection: "Connection") -> None:
    """Raise OSError where part of an answer is sent."""
    if connection.begun or connection.phase == "linger":
        raise OSError("too late to answer")
