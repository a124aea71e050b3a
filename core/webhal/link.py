"""A lost link, or listener: trying again; loaded when that happens."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.server import Server

_RETRY_MS = 1000  # first pause before a lost link is tried again; it doubles up to
_RETRY_MOST_MS = 32000


def tick(server: "Server") -> None:
    """There is no listener, or no link: without a link close all, and try again, each time after a longer pause."""
    network = server.network
    up = network.status() == "up"
    if not up and not server.retry:
        server.unlisten()
        for connection in list(server.slots.values()):
            connection.drop(server)
        server.retry = _RETRY_MS
        server.tried = server.now
        _tell(server, "down")
    elif server.place and not server.stopping:  # it serves, or did
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
            server.unlisten()
            print("webhal:", error)
        server.tried = server.now
        server.retry = min(2 * server.retry, _RETRY_MOST_MS)


def _tell(server: "Server", status: str) -> None:
    server.app.emit("link", status)
