"""WebSockets and event streams on MicroPython, in the heap of a board, over real sockets."""

import contextlib
import socket
from pathlib import Path

import pytest

from webhal.testing.live import frame, handshake

SERVED = Path(__file__).resolve().parent / "served"
START = "import live_app; live_app.app.run(port=PORT, host='127.0.0.1')"
ROOM = 64 << 10  # bytes besides: from .mpy in the heap it takes an ESP32's
LIMIT = 2048  # bytes of a message, as of a body
MESSAGES = 2000
NOISE = 300  # bytes that come and go


@pytest.fixture
def server(serve_code, compiled):
    return serve_code([compiled, SERVED], START, ROOM)


class Client:
    def __init__(self, stack, server, request):
        self.socket = stack.enter_context(server.connect())
        self.stream = stack.enter_context(self.socket.makefile("rb"))
        self.socket.sendall(request)
        self.head = b"".join(iter(self.stream.readline, b"\r\n"))

    def echo(self, payload):
        self.socket.sendall(frame(2, payload))
        head = self.stream.read(2)
        size = head[1]
        if size == 126:
            size = int.from_bytes(self.stream.read(2), "big")
        assert head[0] == 0x82 and self.stream.read(size) == payload


def used(server):
    with contextlib.ExitStack() as stack:
        request = b"GET /used HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        return int(Client(stack, server, request).stream.read())


def test_echoes_of_every_size_to_several_clients_leave_nothing(server):
    with contextlib.ExitStack() as stack:
        clients = [Client(stack, server, handshake("/ws")) for _ in range(3)]

        def all_sizes():
            for size in (0, 1, 125, 126, 500, LIMIT, 4):  # at the end a short one, for handlers hold the last
                for client in clients:
                    client.echo(size * b"x")
            return used(server)

        before = all_sizes()
        for n in range(MESSAGES):
            clients[n % 3].echo(b"%d" % n)
        assert all_sizes() - before < NOISE


def test_clients_that_end_their_side_leave_nothing(server):
    with contextlib.ExitStack() as stack:
        other = Client(stack, server, handshake("/ws"))
        before = None
        for n in range(60):
            with contextlib.ExitStack() as its:
                client = Client(its, server, handshake("/ws"))
                client.echo(b"%d" % n)
                if n % 2:  # within a frame
                    client.socket.sendall(frame(2, b"never whole")[:8])
                client.socket.shutdown(socket.SHUT_WR)
                assert client.stream.read() == b""
            other.echo(b"%d" % n)
            if n == 10:
                before = used(server)
        for _ in range(100):  # the last may not have been seen to leave
            if used(server) - before < NOISE:
                break
        else:
            raise AssertionError(used(server) - before)


def test_an_event_reaches_all(server):
    with contextlib.ExitStack() as stack:
        request = b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n"
        clients = [Client(stack, server, request) for _ in range(3)]
        for client in clients:
            assert b"text/event-stream" in client.head and client.stream.read(8) == b"3\r\n:\n\n\r\n"
        for n in range(20):
            Client(stack, server, b"GET /publish/%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % n)
            event = b"id: %d\ndata: %d\n\n" % (n + 1, n)
            chunk = b"%x\r\n%s\r\n" % (len(event), event)
            for client in clients:
                assert client.stream.read(len(chunk)) == chunk
