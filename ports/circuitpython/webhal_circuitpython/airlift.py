"""Sockets of the AirLift (adafruit_esp32spi) made to behave as those of the firmware; loaded for its pool only.

The AirLift says 0 for "nothing there" and for "the peer has ended", ECONNRESET for "nobody waits", and may offer a
connection again that was accepted already.
"""

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Pool:
    """A SocketPool around the AirLift's."""

    def __init__(self, pool: "Any") -> None:
        self.AF_INET = pool.AF_INET
        self.SOCK_STREAM = pool.SOCK_STREAM
        self.live: "set[int]" = set()  # numbers of the connections that were accepted
        self._pool = pool

    def socket(self, family: int, type: int) -> "Socket":
        try:
            return Socket(self, self._pool.socket(family, type))
        except OSError as error:
            raise RuntimeError(str(error))


class Socket:
    """A listener or a connection; `number` is the AirLift's for a connection."""

    def __init__(self, pool: Pool, socket: "Any", number: int = -1) -> None:
        self._pool = pool
        self._socket = socket
        self._number = number
        self.settimeout = socket.settimeout
        self.bind = socket.bind
        self.listen = socket.listen
        self.send = socket.send

    def accept(self) -> "tuple[Socket, tuple[str, int]] | None":
        socket, peer = self._socket.accept()
        number = socket._socknum
        if number in self._pool.live:
            return None
        self._pool.live.add(number)
        return Socket(self._pool, socket, number), peer

    def recv_into(self, buffer: "bytearray | memoryview") -> int:
        count: int = self._socket.recv_into(buffer)
        if not count:
            if self._socket._connected():
                raise OSError(errno.EAGAIN, "no data")
            self._pool.live.discard(self._number)  # that closed it, and its number is free
            self._number = -1
            raise OSError(errno.ENOTCONN, "ended")
        return count

    def close(self) -> None:
        self._pool.live.discard(self._number)
        self._socket.close()
