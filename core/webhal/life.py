"""A server's life around serving: stopping, a lost link; loaded when that happens. Starting is in run.py."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.server import Server

_RETRY_MS = 1000  # first pause before a lost link is tried again; it doubles up to
_RETRY_MOST_MS = 32000


def unlisten(server: "Server") -> None:
    """Close the listener."""
    if server.listener:
        server.network.close(server.listener)
        server.listener = None
    server.full = False


def stop(server: "Server") -> None:
    """Let the next steps accept no more, close what is idle and finish what runs, within 10 seconds.

    May be called from a handler, or from a signal handler.
    """
    server.stopping = True


def close(server: "Server") -> None:
    """Close the listener and all connections, at once. Not for handlers: they call stop."""
    unlisten(server)
    for slot in list(server.slots.values()):
        server.drop(slot)


def relink(server: "Server") -> None:
    """There is no listener, or no link: without a link close all, and try again, each time after a longer pause."""
    network = server.network
    up = network.status() == "up"
    if not up and not server.retry:
        close(server)
        server.retry = _RETRY_MS
        server.tried = server.now
        _tell(server, "down")
    elif not server.stopping:
        try:
            if up:
                port, host = server.place
                server.listener = network.listen(port, host, server.connections)
                network.watch(server.listener, True, False)
                if server.retry:
                    _tell(server, "up")
                server.retry = 0
                return
            if network.ticks_diff(server.now, server.tried) < server.retry:
                return
            network.up(0)
        except (OSError, MemoryError) as error:
            unlisten(server)
            print("webhal:", error)
        server.tried = server.now
        server.retry = min(2 * server.retry, _RETRY_MOST_MS)


def _tell(server: "Server", status: str) -> None:
    if "link" in server.app.events:
        server.app.emit("link", status)
