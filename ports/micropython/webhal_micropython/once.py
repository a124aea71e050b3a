"""What a network does once or seldom: the methods of Network that are not worth a place in the heap meanwhile.

`bound` makes one of them, which loads nothing before it is called and forgets what it has loaded.
"""

import errno
import gc
import socket
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from webhal_micropython.network import Network

_FIRST_PORT = 49152  # of those that are free for anyone (RFC 6335, 6), up to 65535
_FORGET = ("once", "link", "settings", "wifi")


def bound(network: "Network", name: str) -> "Callable[..., Any]":
    """The method `name` of the network; the functions below are these methods."""
    method = globals()[name]

    def call(*arguments: "Any") -> "Any":
        try:
            return method(network, *arguments)
        except MemoryError:
            raise OSError(errno.ENOMEM)
        finally:
            package = sys.modules["webhal_micropython"]
            for module in _FORGET:
                sys.modules.pop("webhal_micropython." + module, None)
                if hasattr(package, module):
                    delattr(package, module)
            gc.collect()

    return call


def up(network: "Network", timeout_ms: int) -> None:
    if network.status() != "up":
        rejoin(network, timeout_ms)


def rejoin(network: "Network", timeout_ms: int = 0) -> None:
    """Join, or begin to, whatever is up already."""
    try:
        import network as board  # type: ignore[import-not-found]
    except ImportError:  # the unix port: the system looks after it
        from webhal_micropython.unix import System

        network.access_point = System()
        return
    from webhal_micropython.link import join

    join(network, board, timeout_ms)


def down(network: "Network") -> None:
    for nic in (network.station, network.access_point):
        try:
            if nic:
                nic.active(False)
        except OSError:
            pass
    network.station = network.access_point = None


def address(network: "Network") -> "str | None":
    if network.status() != "up":
        return None
    station = network.station
    nic = station if station and station.isconnected() else network.access_point
    own: str = nic.ifconfig()[0]
    return own


def listen(network: "Network", port: int, host: str, backlog: int) -> "Any":
    chosen = port or _FIRST_PORT + time.ticks_us() % (65536 - _FIRST_PORT)  # type: ignore[attr-defined]
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # ESP8266: without effect
        listener.bind(socket.getaddrinfo(host or "0.0.0.0", chosen)[0][-1])
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        if port or error.errno != errno.EADDRINUSE:
            raise
        return listen(network, port, host, backlog)
    listener.setblocking(False)
    network.ports[listener] = chosen
    return listener


def local_port(network: "Network", listener: "Any") -> int:
    return network.ports[listener]
