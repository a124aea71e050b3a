"""More clients than slots: whom to close for a new one; loaded when it happens."""

from webhal.http import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.server import Server
    from webhal.slot import Slot

# How long a connection between requests is safe, and one that is in the middle of one but makes the server
# wait. Long enough for a next request that is on its way, for a round trip over WiFi.
_SAFE_IDLE_MS = 20
_SAFE_BUSY_MS = 1000
_NEVER_MS = 1 << 28
_ACCEPTS = 8  # in one step


def crowd(server: "Server") -> None:
    """Slots or sockets have run out: until nobody waits any more, accepting is tried in each step.

    Raises OSError when that is so already, for then a listener that is not watched is ready: it failed.
    """
    if server.full:
        raise OSError("the listener failed")
    server.network.watch(server.listener, False, False)
    server.full = True
    accept_crowd(server, True)


def accept_crowd(server: "Server", first: bool = False) -> None:
    """Accept who waits, in the place of whoever can be spared."""
    network = server.network
    full = len(server.slots) >= server.connections
    if full and not first and network.ticks_diff(server.now, server.tried) < _SAFE_IDLE_MS:
        return
    server.tried = server.now
    for _ in range(_ACCEPTS):
        victim = _victim(server) if len(server.slots) >= server.connections else None
        if not victim and len(server.slots) >= server.connections:
            return
        try:
            pair = network.accept(server.listener)
        except (OSError, MemoryError):  # no socket to spare
            victim = victim or _victim(server)
            if victim:
                server.drop(victim)
            return
        if not pair:
            network.watch(server.listener, True, False)
            server.full = False
            return
        if victim:
            server.drop(victim)
        server.admit(pair[0], pair[1])


def _victim(server: "Server") -> "Slot | None":
    """The connection to close for a new one: the longest idle, else the one that keeps us waiting longest."""
    best = None
    oldest = -1
    for slot in server.slots.values():
        phase = slot.phase
        if phase != "handler":
            age = server.network.ticks_diff(server.now, slot.since)
            if phase == "rest" or phase == "write":
                age -= _SAFE_BUSY_MS
                if type(slot.rest) is Request:
                    age -= len(slot.rest.body)  # a millisecond for each byte, as for what is streamed
                elif phase == "rest" and slot.rest:
                    age -= slot.rest.grace
            else:
                age += _NEVER_MS - _SAFE_IDLE_MS
                if age < _NEVER_MS:
                    continue
            if age > oldest:
                best = slot
                oldest = age
    return best
