"""An ESP8266's heap, for long and under stress: afterwards as much is free as before, and in one piece."""

import contextlib
import http.client
import random
import socket
import struct
import time
from pathlib import Path

import pytest

SERVED = Path(__file__).resolve().parent / "served"
LARGE = 200 << 10
PATIENCE_S = 12  # longer than any deadline of the server
SLACK = 512  # bytes, for dicts and lists that have grown once; a thousand of what leaks is more
DEADLINES_S = (0.5, 1.0, 0.5, 1.0)
HALF = b"GET /?q=1 HTTP/1.1\r\nHost: board\r\nX-Half: "


@pytest.fixture
def server(serve_code, compiled, tmp_path):
    (tmp_path / "large.bin").write_bytes(random.Random(1).randbytes(LARGE))
    return serve_code([compiled, SERVED], "import soak_app; soak_app.main(PORT, None)")


@pytest.fixture
def impatient(serve_code, compiled):
    return serve_code([compiled, SERVED], f"import soak_app; soak_app.main(PORT, {DEADLINES_S})")


def ask(server, path="/", method="GET", body=None, connection=None):
    """The body of a 200 response."""
    if not connection:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
            return ask(server, path, method, body, connection)
    connection.request(method, path, body)
    response = connection.getresponse()
    text = response.read()
    assert response.status == 200, (response.status, text)
    return text


def settle(server):
    """The heap in use once all other connections are gone."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    with contextlib.closing(connection):
        used = [int(ask(server, "/memory", connection=connection))]
        for _ in patience():
            used.append(int(ask(server, "/memory", connection=connection)))
            if used[-5:] == 5 * used[-1:]:
                break
        return used[-1]


def patience():
    """Some rounds, with time for a server to drop whoever is at its deadline."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        yield
        time.sleep(0.2)


def assert_as_before(server, used):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    with contextlib.closing(connection):
        after = []
        for _ in patience():
            after.append(int(ask(server, "/memory", connection=connection)))
            if after[-1] <= used + SLACK:
                break
        assert after[-1] <= used + SLACK, f"{used} bytes before, {after} afterwards"
        assert ask(server, "/room/2000", connection=connection) == b"2000"


def test_many_requests(server):
    used = settle(server)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    with contextlib.closing(connection):
        ticks = []
        for _ in range(5):
            before = server.cpu_ticks()
            for _ in range(2_000):
                ask(server, connection=connection)
            ticks.append(server.cpu_ticks() - before)
    assert_as_before(server, used)
    assert ticks[-1] <= 2 * ticks[0] + 2, f"answers became slower: {ticks} ticks for 2,000 each"


def test_connections_that_come_and_go(server):
    come_and_go(server, 50)  # loads what it takes
    used = settle(server)
    come_and_go(server, 1_000)
    assert_as_before(server, used)


def come_and_go(server, count):
    for index in range(count):
        kind = index % 5
        if kind == 0:
            server.connect().close()
        elif kind == 1:
            ask(server)
        elif kind == 2:
            half(server).close()
        elif kind == 3:
            reset(half(server))
        else:
            with server.connect() as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: board\r\nConnection: close\r\n\r\n")


def half(server):
    client = server.connect()
    client.sendall(HALF)
    return client


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_silent_clients(server):
    be_silent(server, 6)
    used = settle(server)
    be_silent(server, 60)
    assert_as_before(server, used)


def be_silent(server, count):
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(server.connect())
            assert ask(server) == b"Hello, world!"


def test_silent_clients_are_let_go(impatient):
    with contextlib.ExitStack() as stack:
        for client in [stack.enter_context(impatient.connect()) for _ in range(8)]:
            assert client.recv(100) == b""
    assert ask(impatient) == b"Hello, world!"


def test_clients_that_drip(impatient):
    """A byte now and then does not extend the time for a request; others are answered meanwhile."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(half(impatient)) for _ in range(8)]
        for client in clients:
            client.settimeout(0.01)
        dripping = list(clients)
        asked = 0
        while dripping and asked < 5_000:
            assert ask(impatient) == b"Hello, world!"
            asked += 1
            for client in list(dripping):
                try:
                    client.sendall(b"x")
                    if client.recv(100).startswith((b"HTTP/1.1 408", b"")):
                        dripping.remove(client)
                except TimeoutError:
                    pass
                except OSError:
                    dripping.remove(client)
        assert not dripping
    assert ask(impatient) == b"Hello, world!"


def test_clients_that_do_not_read(server):
    not_read(server)
    used = settle(server)
    for _ in range(10):
        not_read(server)
    assert_as_before(server, used)


def not_read(server):
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            client.connect(("127.0.0.1", server.port))
            client.sendall(b"GET /file HTTP/1.1\r\nHost: board\r\n\r\n")
            assert ask(server) == b"Hello, world!"


def test_large_file_and_upload(server, tmp_path):
    content = (tmp_path / "large.bin").read_bytes()
    for round in range(4):
        assert ask(server, "/file") == content
        assert ask(server, "/upload", "POST", content) == tally(content)
        if round == 0:
            used = settle(server)
    assert_as_before(server, used)


CHUNKS_TAKE = 8 << 10  # bytes more than an ESP8266 has: what decodes them, beside what streams


def test_large_upload_in_chunks(serve_code, compiled, tmp_path):
    content = random.Random(1).randbytes(LARGE)
    server = serve_code([compiled, SERVED], "import soak_app; soak_app.main(PORT, None)", CHUNKS_TAKE)
    for round in range(4):
        assert ask(server, "/upload", "POST", iter([content])) == tally(content)
        if round == 0:
            used = settle(server)
    assert_as_before(server, used)


def test_upload_in_chunks_that_does_not_fit(server):
    """Many in a row: each costs itself, no more."""
    for _ in range(20):
        with contextlib.suppress(OSError, http.client.HTTPException, AssertionError):
            ask(server, "/upload", "POST", iter([bytes(LARGE)]))
        assert ask(server) == b"Hello, world!"


def tally(content):
    return b"%d %d" % (len(content), sum(content) & 0xFFFFFF)


def test_lack_of_memory(server):
    """A handler that wants more than there is costs its own request."""
    lack(server, 1)
    used = settle(server)
    lack(server, 20)
    assert_as_before(server, used)


def lack(server, count):
    for _ in range(count):
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        client.request("GET", "/room/100000")
        assert client.getresponse().status == 503
        client.close()
        assert ask(server) == b"Hello, world!"
