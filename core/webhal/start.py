"""Starting: the link comes up, a listener is made; loaded for that and, on a board, forgotten again."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.net import Network
    from webhal.server import Server


def connect(
    network: "Network | None", port: int, host: str, limits: "dict[str, object]", timeout_ms: int = 30000
) -> "tuple[Network, object, memoryview]":
    """Bring the link up; return network, listener and receive buffer, while the heap is in one piece.

    Raises OSError when the link cannot come up, or the port cannot be listened on.
    """
    if network is None:
        port_of = "webhal_" + sys.implementation.name + ".network"
        network = __import__(port_of, None, None, ("Network",)).Network()
    if network.status() != "up":
        network.up(timeout_ms)
    all_limits = dict(getattr(network, "limits", {}))
    all_limits.update(limits)
    listener = network.listen(port, host, all_limits.get("connections", 4))
    return network, listener, memoryview(bytearray(all_limits.get("buffer", 512)))


def open(server: "Server", port: int = 80, host: str = "", timeout_ms: int = 30000) -> None:
    """Bring the link up and listen. Raises OSError when either cannot be done."""
    limits = {"connections": server.connections, "buffer": 1}
    server.adopt(connect(server.network, port, host, limits, timeout_ms)[1], port, host)
