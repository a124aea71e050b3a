"""Steps in which more is to be done than to serve ready sockets; loaded with the first of them.

Connections that go on without waiting, handlers that sleep or wait, more clients than slots, stopping.
"""

from webhal import forget

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.server import Server
    from webhal.slot import Slot

_CROWDED_MS = 20  # the longest wait while clients wait that cannot be accepted
_STOP_MS = 10000  # what running requests get to finish when the server stops


def step_beside(server: "Server", timeout_ms: int) -> None:
    """What Server.step promises."""
    if server.again:
        timeout_ms = 0
    elif server.running:
        timeout_ms = server.until_wake(timeout_ms)
    if server.full:
        timeout_ms = min(timeout_ms, _CROWDED_MS)
    if server.stopping:
        last = server.listener is not None
        _wind_up(server)
        if last and not server.slots:
            timeout_ms = 0
    again = server.again
    server.again = []
    try:
        server.poll(timeout_ms)
    except (KeyboardInterrupt, MemoryError):  # after which the server goes on with what runs
        server.again += again
        raise
    try:
        for slot in again:
            if slot.socket:
                go_on(server, slot)
        if server.running:
            server.wake()
        if server.full:
            server.accept_crowd()
    except MemoryError:  # as in Server.poll
        forget(int(bool(server.slots)))
    except OSError:
        server.unlisten()


def go_on(server: "Server", slot: "Slot") -> None:
    """Take the next thing from the input, or from what runs."""
    rest = slot.rest
    try:
        if rest is None:
            server.next(slot)
        else:
            rest.step(server, slot)
    except Exception as error:
        server.failed(slot, error)


def _wind_up(server: "Server") -> None:
    """A server that stops: accept no more, close what is idle; and all, when the time is up."""
    if server.listener:
        server.unlisten()
        server.tried = server.now
    over = server.network.ticks_diff(server.now, server.tried) >= _STOP_MS
    for slot in list(server.slots.values()):
        if over or slot.phase == "idle" or slot.phase == "start" or (slot.phase == "rest" and not slot.rest):
            server.drop(slot)  # no request runs there: the head of one that was begun may never be whole
