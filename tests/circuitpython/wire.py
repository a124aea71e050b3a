"""This machine's sockets as a network of webhal, under CPython and MicroPython: what lies beneath the stand-in.

Only what the stand-in calls; what the operations promise stands in `webhal.net`. It is not one of the ports, because
those import as they go, and would meet the stand-in's modules.
"""

import errno
import os
import select
import socket as bsd
import sys
import time

_MICROPYTHON = sys.implementation.name == "micropython"  # its sockets cannot tell their address


class Wire:
    def __init__(self):
        self._poller = select.poll()
        self._sockets = {}  # the open ones, by descriptor
        self._ports = {}  # of the listeners, likewise

    def listen(self, port, host, backlog):
        assert port == 0
        listener = bsd.socket()
        listener.setsockopt(bsd.SOL_SOCKET, bsd.SO_REUSEADDR, 1)
        if _MICROPYTHON:
            port = 32768 + int.from_bytes(os.urandom(2), "big") % 28000
        try:
            listener.bind(bsd.getaddrinfo(host, port)[0][-1])
            listener.listen(backlog)
        except OSError as error:
            listener.close()
            if not _MICROPYTHON or error.errno != errno.EADDRINUSE:
                raise
            return self.listen(0, host, backlog)
        self._ports[listener.fileno()] = port or listener.getsockname()[1]
        return self._add(listener)

    def local_port(self, listener):
        return self._ports[listener.fileno()]

    def accept(self, listener):
        try:
            socket, peer = listener.accept()
        except OSError:
            return None
        if _MICROPYTHON:
            family, host, port = bsd.sockaddr(peer)[:3]
            peer = bsd.inet_ntop(family, host), port
        return self._add(socket), peer

    def recv_into(self, socket, buffer):
        try:
            data = socket.recv(len(buffer))
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return None
            raise
        buffer[: len(data)] = data
        return len(data)

    def send(self, socket, data, start):
        try:
            return socket.send(memoryview(data)[start:])
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return None
            raise

    def close(self, socket):
        descriptor = socket.fileno()
        if descriptor in self._sockets:
            self._poller.unregister(socket)
            del self._sockets[descriptor]
            socket.close()

    def watch(self, socket, read, write):
        self._poller.register(socket, (select.POLLIN if read else 0) | (select.POLLOUT if write else 0))

    def wait(self, timeout_ms):
        # CPython's poll tells descriptors, MicroPython's tells sockets.
        return [self._sockets.get(entry[0], entry[0]) for entry in self._poller.poll(timeout_ms)]

    def rest(self, ms):
        time.sleep(ms / 1000)

    def ticks_ms(self):
        return time.ticks_ms() if _MICROPYTHON else time.monotonic_ns() // 1_000_000

    def ticks_diff(self, later, earlier):
        return time.ticks_diff(later, earlier) if _MICROPYTHON else later - earlier

    def _add(self, socket):
        socket.setblocking(False)
        self._sockets[socket.fileno()] = socket
        self._poller.register(socket, 0)
        return socket
