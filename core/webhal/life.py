"""A server's life beyond serving: its limits, shorter waits, a lost link, stopping; loaded when needed."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.server import Server

_CROWDED_MS = 20  # the longest wait while clients wait that cannot be accepted
_RETRY_MS = 1000  # first pause before a lost link is tried again; it doubles up to
_RETRY_MOST_MS = 32000
_STOP_MS = 10000  # what running requests get to finish when the server stops


def judge_limits(limits: "dict[str, object]") -> None:
    """Raise TypeError for a limit that a server does not have, ValueError for one that cannot be."""
    for name in limits:
        value = limits[name]
        if name == "deadlines":
            if len(value) != 4 or min(value) <= 0:
                raise ValueError("deadlines are four positive numbers of seconds, not " + repr(value))
        elif name not in ("connections", "head", "body", "buffer"):
            raise TypeError("limits are connections, head, body, deadlines and buffer, not " + repr(name))
        elif not isinstance(value, int) or value < (name != "body"):
            raise ValueError("%s is a positive int, not %r" % (name, value))


def hurry(server: "Server", timeout_ms: int) -> int:
    """How long a step may wait where more is to be watched than sockets."""
    if server.running:
        from webhal.stream import until_wake

        timeout_ms = until_wake(server, timeout_ms)
    if server.full:
        timeout_ms = min(timeout_ms, _CROWDED_MS)
    if server.stopping:
        _wind_up(server)
    return timeout_ms


def _wind_up(server: "Server") -> None:
    """A server that stops: accept no more, close what is idle; and all, when the time is up."""
    if server.listener:
        server.unlisten()
        server.tried = server.now
    over = server.network.ticks_diff(server.now, server.tried) >= _STOP_MS
    for slot in list(server.slots.values()):
        if over or slot.phase == "idle" or slot.phase == "start":
            server.drop(slot)


def relink(server: "Server") -> None:
    """The link is lost: close everything, and try again, each time after a longer pause."""
    network = server.network
    if server.listener:
        server.close()
        server.retry = _RETRY_MS
        server.tried = server.now
        server.app.emit("link", "down")
    elif not server.stopping:
        try:
            if network.status() == "up":
                server.listen()
                server.retry = 0
                server.app.emit("link", "up")
                return
            if network.ticks_diff(server.now, server.tried) < server.retry:
                return
            network.up(0)
        except OSError as error:
            server.unlisten()
            print("webhal:", error)
        server.tried = server.now
        server.retry = min(2 * server.retry, _RETRY_MOST_MS)
