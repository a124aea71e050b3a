"""Serving plain requests on CPython in one function, for there a call costs more than most of what is called does.

Not sent to boards. What is not plain goes on in slot.py and exchange.py, from where it turns out not to be.
"""

from typing import Any

from webhal.exchange import answer, begin_body, sent
from webhal.server import Server


def serve_ready(server: Server, ready: "list[Any]") -> bool:
    """What Server.serve_ready promises."""
    slots = server.slots
    listener = server.listener
    receive = server.receive
    send = server.network.send
    view = server.view
    limit = server.head
    now = server.now
    app = server.app
    handle = app.handle
    accept = False
    for socket in ready:
        slot = slots.get(socket)
        if slot is None:
            accept = accept or socket is listener
            continue
        try:
            phase = slot.phase
            if (phase != "idle" and phase != "start") or slot.input:  # which an empty line may have left there
                server.ready(slot)
                continue
            count = receive(socket, view)
            if not count:
                if count is not None:
                    server.drop(slot)
                continue
            slot.input = bytes(view[:count])
            request = slot.next_request(limit)
            if request is None:
                if slot.start < count:
                    slot.phase = "rest"
                    slot.since = now
                continue
            request.client = slot.peer
            if request.length:
                begin_body(server, slot, request)
                continue
            result = handle(request)
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
                continue
            body = result.encode()
            out = b"%s%d\r\n\r\n%s" % (server.start, len(body), body)
            count = send(socket, out, 0)
            if count == len(out):
                slot.phase = "idle"
                slot.since = now
                slot.input = b""
                slot.start = 0
            else:
                sent(server, slot, out, count or 0, None)
        except Exception as error:
            server.failed(slot, error)
    return accept
