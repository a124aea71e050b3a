"""The network interface over MicroPython's sockets: ESP8266, ESP32, RP2 and the unix port. The hot path only.

What each method promises stands in `webhal.net`, what the platforms do differently in this port's README. Joining WiFi
or Ethernet is in link.py, settings.py and wifi.py, which are loaded for that and forgotten again.
"""

import errno
import gc
import select
import socket as bsd
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FIRST_PORT = 49152  # of those that are free for anyone (RFC 6335, 6), up to 65535
_PIECE = 1460  # bytes given to lwIP at once, one segment: where memory for more is short, it blocks for seconds
_REJOIN_MS = 60_000  # between two tries to join a network while the board offers one of its own


class Network:
    """Sockets and listeners are non-blocking socket objects.

    The settings are those that link.py lists, by name. `station` and `access_point` are the interfaces once `up` was
    called: objects of the module `network`, or None.
    """

    if sys.platform not in ("esp8266", "linux"):  # the unix port passes for the smallest board
        limits = {"connections": 6, "head": 4096, "body": 16384, "deadlines": (5, 10, 2, 10), "buffer": 1024}

    ticks_ms = time.ticks_ms  # type: ignore[attr-defined]
    ticks_diff = time.ticks_diff  # type: ignore[attr-defined]
    recv_into = staticmethod(bsd.socket.readinto)  # type: ignore[attr-defined] # None where nothing is there

    def __init__(self, **settings: "Any") -> None:
        self.station: "Any" = None
        self.access_point: "Any" = None
        self._settings = settings
        self.tried = 0  # when joining was begun
        self._poller: "Any" = select.poll()
        self._ready: "list[Any]" = []
        self._ports: "dict[Any, int]" = {}  # of the open listeners: nothing tells the port of a socket

    # -- link ---------------------------------------------------------------------------------------

    def up(self, timeout_ms: int) -> None:
        if self.status() != "up":
            self._join(timeout_ms)

    def _join(self, timeout_ms: int) -> None:
        try:
            from webhal_micropython.link import join

            join(self, self._settings, timeout_ms)
        except MemoryError:
            raise OSError(errno.ENOMEM)
        finally:
            # Its heap is worth more to those who are served.
            join = None  # type: ignore[assignment]
            package = sys.modules["webhal_micropython"]
            for name in ("link", "settings", "wifi"):
                sys.modules.pop("webhal_micropython." + name, None)
                if hasattr(package, name):
                    delattr(package, name)
            gc.collect()

    def down(self) -> None:
        for nic in (self.station, self.access_point):
            try:
                if nic:
                    nic.active(False)
            except OSError:
                pass
        self.station = self.access_point = None

    def status(self) -> str:
        station = self.station
        joined = station and station.isconnected()
        if self.access_point and self.access_point.active():
            if station and not joined and self.ticks_diff(self.ticks_ms(), self.tried) > _REJOIN_MS:
                self._join(0)
            return "up"
        if joined:
            return "up"
        return "connecting" if station else "down"

    def address(self) -> "str | None":
        if self.status() != "up":
            return None
        station = self.station
        nic = station if station and station.isconnected() else self.access_point
        address: str = nic.ifconfig()[0]
        return address

    # -- sockets ------------------------------------------------------------------------------------

    def listen(self, port: int, host: str, backlog: int) -> "Any":
        chosen = port or _FIRST_PORT + time.ticks_us() % (65536 - _FIRST_PORT)  # type: ignore[attr-defined]
        listener = bsd.socket()
        try:
            listener.setsockopt(bsd.SOL_SOCKET, bsd.SO_REUSEADDR, 1)
            listener.bind(bsd.getaddrinfo(host or "0.0.0.0", chosen)[0][-1])
            listener.listen(backlog)
        except OSError as error:
            listener.close()
            if port or error.errno != errno.EADDRINUSE:
                raise
            return self.listen(port, host, backlog)
        listener.setblocking(False)
        self._ports[listener] = chosen
        return listener

    def local_port(self, listener: "Any") -> int:
        return self._ports[listener]

    def accept(self, listener: "Any") -> "tuple[Any, tuple[str, int]] | None":
        try:
            socket, peer = listener.accept()
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ETIMEDOUT, errno.ECONNABORTED):
                return None
            raise
        except MemoryError:
            gc.collect()
            raise OSError(errno.ENOMEM)
        socket.setblocking(False)
        if hasattr(bsd, "TCP_NODELAY"):
            socket.setsockopt(bsd.IPPROTO_TCP, bsd.TCP_NODELAY, 1)
        if type(peer) is not tuple:  # the unix port's
            peer = bsd.sockaddr(peer)  # type: ignore[attr-defined]
            peer = bsd.inet_ntop(peer[0], peer[1]), peer[2]
        return socket, peer

    def send(self, socket: "Any", data: "bytes | bytearray | memoryview", start: int) -> "int | None":
        count: "int | None" = socket.write(data, start, _PIECE)
        return count

    def close(self, socket: "Any") -> None:
        self._poller.unregister(socket)
        self._ports.pop(socket, None)
        try:
            socket.close()
        except OSError:
            pass
        gc.collect()

    def shut(self, socket: "Any") -> None:
        """Nothing: MicroPython's sockets have no shutdown."""

    # -- readiness ----------------------------------------------------------------------------------

    def watch(self, socket: "Any", read: bool, write: bool) -> None:
        self._poller.register(socket, (select.POLLIN if read else 0) | (select.POLLOUT if write else 0))

    def wait(self, timeout_ms: int) -> "list[Any]":
        ready = self._ready
        ready.clear()
        for pair in self._poller.ipoll(timeout_ms):
            ready.append(pair[0])
        return ready
