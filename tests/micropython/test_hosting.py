"""A server in MicroPython's asyncio: what test_hosting.py of the PC asks, as far as it is there."""

import contextlib
import http.client
import json
import threading
from pathlib import Path

import pytest

from webhal.testing.live import frame, handshake

SERVED = Path(__file__).resolve().parent / "served"
START = "import hosting_app; hosting_app.app.run(port=PORT, host='127.0.0.1')"
ROOM = 96 << 10  # bytes besides: asyncio and its application take more than a small board has


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


def test_what_is_neither_a_piece_nor_waited_for_is_told(ask):
    assert ask("/bare/sleeps") == (200, b"slept")
    assert ask("/bare/nothing")[0] == ask("/bare/number")[0] == 500
    told = json.loads(ask("/told")[1])
    assert len(told) == 2 and all(text.startswith("TypeError('bare yielded ") for text in told)
    assert ask("/values") == (200, b':\n\ndata: {"n": 1}\n\nevent: tick\ndata: [2]\n\n')


def test_a_handler_ends_with_its_websocket_wherever_it_waits(ask):
    for name in ("waits", "gathers", "receives", "closes"):
        for way in ("leaves", "others close"):
            with ask.server.connect() as client:
                client.sendall(handshake("/ws/" + name))
                while not client.recv(1000).endswith(b"\r\n\r\n"):
                    pass
                while name.encode() not in ask("/talking")[1]:
                    pass
                if name == "closes":
                    client.sendall(frame(1, b"text"))
                elif way == "others close":
                    ask("/close/" + name)
                else:
                    client.close()
                goes_on = [name + " goes on"] if name in ("receives", "closes") else []
                while (name + " ends").encode() not in ask("/seen")[1]:
                    pass
                seen = json.loads(ask("/seen")[1])
                assert [each for each in seen if name in each] == [*goes_on, name + " ends"]
                ask("/forget/" + name)


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
    for n in range(100):
        with contextlib.suppress(OSError), ask.server.connect() as one:
            one.sendall(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
        if n % 3 == 0:  # as many as the listener has room for
            assert ask("/")[0] == 200
    for _ in range(100):
        assert ask("/")[0] == 200
