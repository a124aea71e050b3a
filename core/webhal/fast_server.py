"""Serving a plain request on CPython in one function, for there a call costs more than most of what is called does.

Not sent to boards. What is not plain goes on in server.py and exchange.py, from where it turns out not to be.
"""

from webhal.exchange import answer, begin_body, sent
from webhal.server import _TEXT, Server, Slot

_ready = Server.ready


def ready(server: Server, slot: Slot) -> None:
    """What Server.ready promises."""
    if slot.input or slot.rest is not None or not (slot.phase == "idle" or slot.phase == "start"):
        _ready(server, slot)
        return
    view = server.view
    count = server.receive(slot.socket, view)
    if not count:
        if count is not None:
            server.drop(slot)
        return
    slot.input = bytes(view[:count])
    request = slot.next_request(server.head)
    if request is None:
        if slot.start < count:
            slot.phase = "rest"
            slot.since = server.now
        return
    request.client = slot.peer
    if request.length:
        begin_body(server, slot, request)
        return
    app = server.app
    result = app.handle(request)
    if (
        type(result) is not str
        or slot.start < count  # another request
        or not (request.keep and request.minor)
        or request.method == "HEAD"
        or server.full
        or server.stopping
        or len(result) >= server.buffer
        or "response" in app.events
    ):
        answer(server, slot, request, result)
        return
    body = result.encode()
    out = _TEXT % (server.start, len(body), body)
    count = server.network.send(slot.socket, out, 0)
    slot.keep = 1
    if count == len(out):
        slot.phase = "idle"
        slot.since = server.now
        slot.input = b""
        slot.start = 0
    else:
        sent(server, slot, out, count or 0, None)
