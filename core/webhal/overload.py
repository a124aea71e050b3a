"""More clients than slots: whom to close for a new one; loaded when it happens."""

from webhal.http import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.connection import Connection
    from webhal.server import Server

# How long a connection between requests is safe, and one that is in the middle of one but makes the server
# wait. Long enough for a next request that is on its way, for a round trip over WiFi.
_SAFE_IDLE_MS = 20
_SAFE_BUSY_MS = 1000
_NEVER_MS = 1 << 28
_ACCEPTS = 8  # in one step, and so many answers close their connections for those who still wait


def accept(server: "Server", first: bool = False) -> None:
    """Accept who waits, in the place of whoever can be spared; the busy step calls it until there is room for all."""
    network = server.network
    server.closes = _ACCEPTS
    full = len(server.slots) >= server.connections
    if full and not first and network.ticks_diff(server.now, server.tried) < _SAFE_IDLE_MS:
        return
    server.tried = server.now
    for _ in range(_ACCEPTS):
        full = len(server.slots) >= server.connections
        victim = _victim(server) if full else None
        if full and not victim:
            return
        try:
            pair = network.accept(server.listener)
        except (OSError, MemoryError):  # no socket to spare
            victim = victim or _victim(server)
            if victim:
                victim.drop(server)
            return
        if not pair:
            break
        if victim:
            victim.drop(server)
        server.admit(pair[0], pair[1])
    if not pair or len(server.slots) < server.connections:
        network.watch(server.listener, True, False)
        server.full = False
        server.closes = 0


def _victim(server: "Server") -> "Connection | None":
    """The connection to close for a new one: the longest idle, else the one that keeps us waiting longest."""
    best = None
    oldest = -1
    for connection in server.slots.values():
        phase = connection.phase
        if phase != "handler":
            age = server.network.ticks_diff(server.now, connection.since)
            if phase == "rest" or phase == "write":
                age -= _SAFE_BUSY_MS
                work = connection.work
                if type(work) is Request:
                    age -= len(work.body)  # a millisecond for each byte, as for what is streamed
                elif phase == "rest" and work:
                    age -= work.grace
            else:
                age += _NEVER_MS - _SAFE_IDLE_MS
                if age < _NEVER_MS:
                    continue
            if age > oldest:
                best = connection
                oldest = age
    return best
