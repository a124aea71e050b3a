"""Starting: the link comes up, a listener is made; loaded for that and, on a board, forgotten again."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.net import Network
    from webhal.server import Server


def connect(network: "Network", port: int, host: str, limits: "dict[str, object]", timeout_ms: int = 30000) -> object:
    """Bring the link up and return a listener. Raises OSError when either cannot be done."""
    if network.status() != "up":
        network.up(timeout_ms)
    connections = limits.get("connections") or getattr(network, "limits", {}).get("connections", 4)
    return network.listen(port, host, connections)


def adopt(server: "Server", listener: object, host: str) -> None:
    """Let a server have its listener."""
    port = server.network.local_port(listener)
    server.place = (port, host)
    server.listener = listener
    server.network.watch(listener, True, False)
    server.tick()
    if "listen" in server.app.events:
        from webhal.events import emit

        emit(server.app, "listen", server.network.address(), port)


def open(server: "Server", port: int = 80, host: str = "", timeout_ms: int = 30000) -> None:
    """Bring the link up and listen. Raises OSError when either cannot be done."""
    adopt(server, connect(server.network, port, host, {"connections": server.connections}, timeout_ms), host)
