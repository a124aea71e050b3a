"""Starting: picks the platform's port, brings its link up and makes a listener; serving is in server.py.

To start takes more memory than to serve. So it is done in the order that needs least at once (App.run), and a
board forgets what was loaded for it.
"""

import sys

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal.net import Limits, Network


_LEAST_BUFFER = 32  # bytes: a chunk that is sent from there has up to 12 beside its data


def prepare(network: "Network | None", limits: "Limits") -> "tuple[Network, Limits]":
    """The network, this platform's if there is none, and all limits of a server.

    Raises TypeError or ValueError for limits that are wrong.
    """
    if network is None:
        network = webhal.platform("network").Network()
    # What suits an ESP8266; a refused client may take as long as "linger" to read its answer.
    whole: "Any" = {"connections": 4, "head": 1024, "body": 2048, "buffer": 512}
    deadlines: "dict[str, float]" = {"start": 5, "rest": 10, "idle": 2, "write": 10, "linger": 2}
    own = getattr(network, "limits", {})
    deadlines.update(_deadlines(own.get("deadlines", {})))
    for name in limits:
        value: "Any" = limits[name]  # type: ignore[literal-required]
        if name == "deadlines":
            deadlines.update(_deadlines(value))
        elif name not in ("connections", "head", "body", "buffer"):
            raise TypeError("limits are connections, head, body, deadlines and buffer, not " + repr(name))
        elif not isinstance(value, int) or value < (_LEAST_BUFFER if name == "buffer" else name != "body"):
            raise ValueError("%s is a positive int, a buffer at least %d, not %r" % (name, _LEAST_BUFFER, value))
    whole.update(own)
    whole.update(limits)
    whole["deadlines"] = deadlines
    return network, whole


def _deadlines(value: "Any") -> "dict[str, float]":
    """Seconds by name, from a dict of some, or from all four in order. Raises ValueError for others."""
    names = ("start", "rest", "idle", "write")
    if isinstance(value, (tuple, list)) and len(value) == 4:
        value = dict(zip(names, value))
    good = isinstance(value, dict)
    for name in value if good else ():
        good = good and name in names and isinstance(value[name], (int, float)) and value[name] > 0
    if not good:
        raise ValueError("deadlines are positive seconds of start, rest, idle and write, by name, not " + repr(value))
    return value  # type: ignore[no-any-return]


def listen(
    network: "Network", port: int, host: str, connections: int, timeout_ms: int = 30000
) -> "tuple[Any, int, str]":
    """Bring the link up; return a listener, its port and host.

    Raises OSError when the link cannot come up, or the port cannot be listened on, ValueError for no such port.
    """
    if not isinstance(port, int) or not 0 <= port <= 65535:
        raise ValueError("a port is an int from 0 to 65535, not " + repr(port))
    if sys.implementation.name == "cpython":
        if not isinstance(host, str):
            raise ValueError("a host is str, not " + repr(host))
    if network.status() != "up":
        network.up(timeout_ms)
    listener = network.listen(port, host, connections)
    port = port or network.local_port(listener)
    if sys.implementation.name != "cpython":
        print("webhal: listening at %s, port %d" % (network.address(), port))  # `webhal deploy` waits for it
        # Needed only to come here; the memory is worth more to those who are served.
        for name in ("routes", "registering", "starting"):
            webhal.forget("webhal." + name)
    return listener, port, host
