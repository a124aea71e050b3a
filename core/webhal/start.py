"""Starting: the link comes up, a listener is made; loaded for that and, on a board, forgotten again."""

import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.net import Network
    from webhal.server import Server


def connect(
    network: "Network", port: int, host: str, limits: "dict[str, object]", timeout_ms: int = 30000
) -> "tuple[object, memoryview]":
    """Bring the link up; return a listener and the server's receive buffer, while the heap is in one piece.

    Raises OSError when the link cannot come up, or the port cannot be listened on.
    """
    if network.status() != "up":
        network.up(timeout_ms)
    all_limits = dict(getattr(network, "limits", {}))
    all_limits.update(limits)
    listener = network.listen(port, host, all_limits.get("connections", 4))
    gc.collect()
    return listener, memoryview(bytearray(all_limits.get("buffer", 512)))


def adopt(server: "Server", listener: object, port: int, host: str) -> None:
    """Let a server have its listener."""
    port = port or server.network.local_port(listener)
    server.place = (port, host)
    server.listener = listener
    server.network.watch(listener, True, False)
    server.tick()
    if "listen" in server.app.events:
        from webhal.events import emit

        emit(server.app, "listen", server.network.address(), port)


def open(server: "Server", port: int = 80, host: str = "", timeout_ms: int = 30000) -> None:
    """Bring the link up and listen. Raises OSError when either cannot be done."""
    limits = {"connections": server.connections, "buffer": 1}
    adopt(server, connect(server.network, port, host, limits, timeout_ms)[0], port, host)
