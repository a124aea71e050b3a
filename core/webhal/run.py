"""Starting: picks the platform's port, brings its link up and makes a listener; serving is in server.py.

To start takes more memory than to serve. So it is done in the order that needs least at once (App.run), and a
board forgets what was loaded for it.
"""

import sys

from webhal import forget

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal.net import Limits, Network
    from webhal.server import Server


def prepare(network: "Network | None", limits: "Limits") -> "tuple[Network, Limits]":
    """The network, this platform's if there is none, and all limits of a server.

    Raises TypeError or ValueError for limits that are wrong.
    """
    if network is None:
        port_of_webhal = "webhal_%s.network" % sys.implementation.name
        network = __import__(port_of_webhal, None, None, ("Network",)).Network()
    for name in limits:
        value: "Any" = limits[name]  # type: ignore[literal-required]
        if name == "deadlines":
            if len(value) != 4 or min(value) <= 0:
                raise ValueError("deadlines are four positive numbers of seconds, not " + repr(value))
        elif name not in ("connections", "head", "body", "buffer"):
            raise TypeError("limits are connections, head, body, deadlines and buffer, not " + repr(name))
        elif not isinstance(value, int) or value < (name != "body"):
            raise ValueError("%s is a positive int, not %r" % (name, value))
    # What suits an ESP8266.
    whole: "Any" = {"connections": 4, "head": 1024, "body": 2048, "deadlines": (5, 10, 2, 10), "buffer": 512}
    whole.update(getattr(network, "limits", {}))
    whole.update(limits)
    return network, whole


def listen(
    network: "Network", port: int, host: str, connections: int, timeout_ms: int = 30000
) -> "tuple[Any, int, str]":
    """Bring the link up; return a listener, its port and host.

    Raises OSError when the link cannot come up, or the port cannot be listened on, ValueError for no such port.
    """
    if not isinstance(port, int) or not 0 <= port <= 65535:
        raise ValueError("a port is an int from 0 to 65535, not " + repr(port))
    if network.status() != "up":
        network.up(timeout_ms)
    listener = network.listen(port, host, connections)
    port = port or network.local_port(listener)
    forget(0)  # all that was needed only to come here: its memory is worth more to those who are served
    return listener, port, host


def open(server: "Server", port: int = 80, host: str = "", timeout_ms: int = 30000) -> None:
    """Bring the link up and listen. Raises what `listen` does."""
    server.adopt(*listen(server.network, port, host, server.connections, timeout_ms))
