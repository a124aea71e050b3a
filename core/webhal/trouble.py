"""What a connection gets when something is wrong with it: refusals; loaded when that happens."""

from webhal.exchange import respond
from webhal.http import Request
from webhal.httperror import HTTPError
from webhal.log import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.server import Server
    from webhal.slot import Slot


def refuse(server: "Server", slot: "Slot", error: Exception) -> None:
    """Refuse a request for an HTTPError; anything else is logged, and a 500. Raises OSError to close, MemoryError."""
    if not isinstance(error, HTTPError):
        log(error)
        if slot.phase == "write" or slot.phase == "linger":
            raise OSError("too late to answer")
        error = HTTPError(500)
    try:
        _refuse(server, slot, error)
    except (OSError, MemoryError):
        raise
    except Exception as second:  # a bug
        log(second)
        raise OSError("no answer")


def _refuse(server: "Server", slot: "Slot", error: HTTPError) -> None:
    """Answer a request that no handler answers, and close."""
    request = slot.rest
    if request is None:
        request = Request("", "", "", bytes(slot.input[slot.start :]))
        request.client = slot.peer
    elif type(request) is not Request:  # a handler that reads the body
        stream = request
        request = stream.request
        stream.close()
        if stream.started:
            raise OSError("too late to refuse")
    request.app = server.app
    slot.rest = None
    slot.left = -1
    respond(server, slot, request, server.app.fail(request, error))


def overdue(server: "Server", slot: "Slot") -> None:
    """A request is not whole by its deadline; a streamed body has a millisecond more for each byte."""
    if slot.rest and type(slot.rest) is not Request:
        age = server.network.ticks_diff(server.now, slot.since)
        if age <= 1000 * server.deadlines[1] + slot.rest.grace:
            return
    server.failed(slot, HTTPError(408))
