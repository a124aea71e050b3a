"""The network interface over MicroPython's sockets: ESP8266, ESP32, RP2 and the unix port. The hot path only.

What each method promises stands in `webhal.net`. Joining WiFi or Ethernet is in link.py, which `up` loads and forgets
again, for it takes more memory than all of this.
"""

import errno
import select
import socket
import time

# Bytes given to lwIP at once, one segment. Where memory for more is short, it blocks, even a non-blocking socket.
_PIECE = 1460
_FIRST_PORT = 49152  # of those that are free for anyone (RFC 6335, 6), up to 65535


class Network:
    """Sockets and listeners are non-blocking socket objects."""

    ticks_ms = time.ticks_ms
    ticks_diff = time.ticks_diff
    recv_into = staticmethod(socket.socket.readinto)  # None, not EAGAIN, where nothing is there

    def __init__(self):
        self._poller = select.poll()
        self._ready = []
        self._ports = {}

    def up(self, timeout_ms):
        pass

    def status(self):
        return "up"

    def address(self):
        return "127.0.0.1"

    def listen(self, port, host, backlog):
        chosen = port or _FIRST_PORT + time.ticks_us() % (65536 - _FIRST_PORT)
        listener = socket.socket()
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(socket.getaddrinfo(host or "0.0.0.0", chosen)[0][-1])
            listener.listen(backlog)
            listener.setblocking(False)
        except OSError as error:
            listener.close()
            if port or error.errno != errno.EADDRINUSE:
                raise
            return self.listen(port, host, backlog)
        self._ports[listener] = chosen
        return listener

    def local_port(self, listener):
        return self._ports[listener]

    def accept(self, listener):
        try:
            accepted, peer = listener.accept()
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ETIMEDOUT, errno.ECONNABORTED):
                return None
            raise
        accepted.setblocking(False)
        if type(peer) is not tuple:  # the unix port's
            peer = socket.sockaddr(peer)
            peer = socket.inet_ntop(peer[0], peer[1]), peer[2]
        return accepted, peer

    def send(self, socket, data, start):
        return socket.write(data, start, _PIECE)

    def close(self, socket):
        try:
            self._poller.unregister(socket)
            socket.close()
        except OSError:
            pass

    def shut(self, socket):
        pass

    def watch(self, socket, read, write):
        self._poller.register(socket, (select.POLLIN if read else 0) | (select.POLLOUT if write else 0))

    def wait(self, timeout_ms):
        ready = self._ready
        ready.clear()
        for item in self._poller.ipoll(timeout_ms):
            ready.append(item[0])
        return ready
