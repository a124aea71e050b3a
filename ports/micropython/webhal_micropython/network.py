"""The network interface over MicroPython's sockets: ESP8266, ESP32, RP2 and the unix port. The hot path only.

What each method promises stands in `webhal.net`, what the platforms do differently in this port's README. What is
called seldom goes on in link.py, to be forgotten afterwards: its heap is worth more to those who are served.
"""

import errno
import select
import socket
import sys
import time

import webhal_micropython

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Network:
    """Sockets and listeners are non-blocking socket objects.

    The settings are those that link.py lists, by name. `nic` is what carries the sockets, once `up` was called: a
    network.WLAN or LAN, or an AccessPoint, which has both WLANs as `station` and `access_point`.
    """

    if sys.platform not in "esp8266 linux".split():  # the unix port passes for the smallest board
        limits = webhal_micropython.limits.limits
        unix_time = webhal_micropython.limits.unix_time

    hosting = "webhal_micropython.hosting"
    ticks_ms = time.ticks_ms  # type: ignore[attr-defined]
    ticks_diff = time.ticks_diff  # type: ignore[attr-defined]
    recv_into = staticmethod(socket.socket.readinto)  # type: ignore[attr-defined] # None where nothing is there
    tried: int  # ticks_ms when joining was begun last

    def __init__(self, **settings: "Any") -> None:
        self.settings = settings
        self.nic: "Any" = None
        self.poller: "Any" = select.poll()
        self.ready: "list[Any]" = []
        self.port: "dict[Any, int]" = {}  # of each open listener, because nothing tells the port of a socket
        self.local_port: "Any" = self.port.get

    # -- link ---------------------------------------------------------------------------------------

    def up(self, timeout_ms: int) -> None:
        if self.status() != "up":
            webhal_micropython.link.up(self, timeout_ms)

    def down(self) -> None:
        webhal_micropython.link.down(self)

    def status(self) -> str:
        nic = self.nic
        return "down" if nic is None else "up" if nic.isconnected() else "connecting"

    def address(self) -> "str | None":
        return self.nic.ifconfig()[0] if self.status() == "up" else None

    # -- sockets ------------------------------------------------------------------------------------

    def listen(self, port: int, host: str, backlog: int) -> "Any":
        return webhal_micropython.link.listen(self, port, host, backlog)

    def accept(self, listener: "Any") -> "tuple[Any, tuple[str, int]] | None":
        # More than what follows takes: who cannot be accepted for lack of memory shall go on waiting. A clear() gives
        # it back at once; what is dropped stays until garbage is collected, or longer if the C stack points to it.
        ([None] * 32).clear()
        try:
            accepted, peer = listener.accept()
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ECONNABORTED):
                return None
            raise
        try:
            accepted.setblocking(False)
            if type(peer) is not tuple:  # the unix port's
                peer = socket.sockaddr(peer)  # type: ignore[attr-defined] # dialect: the unix port has it
                peer = socket.inet_ntop(peer[0], peer[1]), peer[2]  # dialect: the unix port has it
            try:
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except (AttributeError, OSError):  # older firmware, the unix port; reset already
                pass
            return accepted, peer
        except MemoryError:
            accepted.close()  # which the unix port would not do, and the client would wait
            raise

    def send(self, socket: "Any", data: "bytes | bytearray | memoryview", start: int) -> "int | None":
        # At most 1460 bytes, one segment, at once: where memory for more is short, lwIP blocks for seconds.
        count: "int | None" = socket.write(data, start, 1460)
        return count

    def close(self, socket: "Any") -> None:
        self.poller.unregister(socket)
        self.port.pop(socket, None)
        try:
            socket.close()
        except OSError:
            pass

    def shut(self, socket: "Any") -> None:
        """Nothing: MicroPython's sockets have no shutdown."""

    # -- readiness ----------------------------------------------------------------------------------

    def watch(self, socket: "Any", read: bool, write: bool) -> None:
        self.poller.register(socket, (select.POLLIN if read else 0) | (select.POLLOUT if write else 0))

    def wait(self, timeout_ms: int) -> "list[Any]":
        ready = self.ready
        ready.clear()
        for pair in self.poller.ipoll(timeout_ms):
            ready.append(pair[0])
        return ready
