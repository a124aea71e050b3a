"""What a network does once or seldom: the methods of Network that are not worth a place in the heap meanwhile.

Called, they forget what was loaded for them, this module included.
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


def late(port: "Network", name: str) -> "Callable[..., Any]":
    """The method `name` of the network."""
    function = globals()[name]

    def method(*arguments: "Any") -> "Any":
        try:
            return function(port, *arguments)
        except MemoryError:
            raise OSError(errno.ENOMEM)
        finally:
            package = sys.modules["webhal_micropython"]
            for module in list(sys.modules):
                name = module[len("webhal_micropython.") :]
                if module.startswith("webhal_micropython.") and name != "network":
                    sys.modules.pop(module)
                    if hasattr(package, name):
                        delattr(package, name)
            gc.collect()
            # Bytes. Where there is less, garbage is collected each time that an eighth of it was allocated, not only
            # when all is full: so what stays lies together. That is worth 4 KB of 36, and takes a third of the speed.
            small_heap = 65536
            whole = gc.mem_alloc() + gc.mem_free()  # type: ignore[attr-defined]
            if whole < small_heap and gc.threshold() < 0:  # type: ignore[attr-defined]
                gc.threshold(whole // 8)  # type: ignore[attr-defined]

    return method


def up(port: "Network", timeout_ms: int) -> None:
    if port.status() == "up":
        return
    try:
        import network as board
    except ImportError:  # the unix port: the system looks after it
        from webhal_micropython import unix

        port.nic = unix
        return
    from webhal_micropython.link import join

    join(port, board, timeout_ms)


def retry(port: "Network") -> None:
    """Begin to join the station's network once more."""
    import network as board

    from webhal_micropython.link import retry

    retry(port, board)


def down(port: "Network") -> None:
    nic = port.nic
    port.nic = None
    try:
        if nic:
            nic.active(False)
    except OSError:
        pass


def address(port: "Network") -> "str | None":
    return port.nic.ifconfig()[0] if port.status() == "up" else None


def listen(network: "Network", port: int, host: str, backlog: int) -> "Any":
    first = 49152  # of those that are free for anyone (RFC 6335, 6), up to 65535
    chosen = port or first + time.ticks_us() % (65536 - first)  # type: ignore[attr-defined]
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
    network.port[listener] = chosen
    return listener


def local_port(network: "Network", listener: "Any") -> int:
    return network.port[listener]
