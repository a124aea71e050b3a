"""A server in MicroPython's asyncio: what test_hosting.py of the PC asks, as far as it is there."""

import contextlib
import http.client
import json
import threading
from pathlib import Path

import pytest

SERVED = Path(__file__).resolve().parent / "served"
START = "import hosting_app; hosting_app.app.run(port=PORT, host='127.0.0.1')"
ROOM = 64 << 10  # bytes besides: asyncio and its application take more than a small board has


@pytest.fixture
def ask(serve_code, compiled):
    """ask(path, body): (status, body)."""
    server = serve_code([compiled, SERVED], START, ROOM)

    def ask(path, body=None):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
            connection.request("POST" if body else "GET", path, body)
            response = connection.getresponse()
            return response.status, response.read()

    ask.server = server
    return ask


def test_handlers_jobs_and_bodies(ask):
    assert ask("/") == (200, b'{"numbers": [1, 1]}')
    assert ask("/pieces") == (200, b"piece 0 piece 1 piece 2 ")
    assert ask("/plain") == (200, b"plain generator")
    assert ask("/upload", 100_000 * b"x") == (200, b'{"size": 100000}')
    while b"ticks" not in ask("/seen")[1]:
        pass
    assert sorted(json.loads(ask("/seen")[1])) == ["pieces", "start", "ticks"]


def test_what_a_handler_raises_costs_its_request_alone(ask):
    for n in range(3):
        assert ask(f"/fails/{n}")[0] == 500
    assert ask("/plain")[0] == 200


def test_a_client_that_leaves_cancels_its_handler(ask):
    with ask.server.connect() as client:
        client.sendall(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
        assert ask("/plain")[0] == 200
    while b"long" not in ask("/seen")[1]:
        pass


def test_topics(ask):
    answers = []
    readers = [threading.Thread(target=lambda: answers.append(ask("/read"))) for _ in range(2)]
    for reader in readers:
        reader.start()
    while any(reader.is_alive() for reader in readers):
        ask("/publish")
    assert answers == 2 * [(200, b"published")]


def test_many_requests_leave_nothing(ask):
    for _ in range(100):
        with contextlib.suppress(OSError), ask.server.connect() as one:
            one.sendall(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
    for _ in range(100):
        assert ask("/")[0] == 200
