"""A board that speaks TLS, with real clients. CPython only, because the stand-in's TLS is."""

import http.client
import socket
import ssl
import threading
from pathlib import Path

import pytest
import standin_tls
from standin import FLAVOURS, Board

FILES = Path(__file__).parent / "tls"
CERTIFICATE, KEY = str(FILES / "cert.pem"), str(FILES / "key.pem")  # of nobody, for tests
PATIENCE_S = 30


class Client(threading.Thread):
    """Somebody who does something while the board serves; `result` is what they return, or the exception."""

    def __init__(self, act, *arguments):
        super().__init__()
        self.act, self.arguments = act, arguments
        self.start()

    def run(self):
        try:
            self.result = self.act(*self.arguments)
        except Exception as error:
            self.result = error


@pytest.fixture(params=FLAVOURS)
def flavour(request):
    return request.param


@pytest.fixture(params=["poll tells all", "poll misses what is decrypted", "no select"])
def serving(request, flavour):
    """(server, its port on this machine)."""
    with Board(flavour, poll=request.param != "no select") as board:
        standin_tls.install(board, request.param == "poll tells all")
        from webhal.app import App
        from webhal.server import Server

        context = board.modules["ssl"].create_default_context()
        context.load_cert_chain(CERTIFICATE, KEY)
        app = App()
        app.get("/")(lambda request: "hello")
        app.get("/long")(lambda request: "x" * 20000)
        app.post("/")(lambda request: str(len(request.body)))
        server = Server(app, board.network(tls=context))
        server.open(443)
        yield server, board.ports[443]
        server.close()


def serve(server, client):
    while client.is_alive():
        server.step(20)
    client.join()
    if isinstance(client.result, Exception):
        raise client.result
    return client.result


def fetch(port, *requests):
    """The bodies of the responses to (method, path, body), on one connection."""
    trusted = ssl.create_default_context(cafile=CERTIFICATE)
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_S, context=trusted)
    bodies = []
    for method, path, body in requests:
        connection.request(method, path, body)
        bodies.append(connection.getresponse().read())
    connection.close()
    return bodies


@pytest.mark.parametrize("row", ["tls-listener"])
def test_requests_are_answered(serving, row):
    server, port = serving
    client = Client(fetch, port, ("GET", "/", None), ("GET", "/long", None), ("GET", "/", None))
    assert serve(server, client) == [b"hello", b"x" * 20000, b"hello"]


@pytest.mark.parametrize("row", ["poll-tls"])
def test_what_came_in_one_record_is_received_whole(serving, row):
    server, port = serving
    assert serve(server, Client(fetch, port, ("POST", "/", b"y" * 10000))) == [b"10000"]


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01"])
def test_a_handshake_that_fails_harms_nobody_else(serving, sent):
    server, port = serving

    def speak():
        with socket.create_connection(("127.0.0.1", port)) as plain:
            plain.sendall(sent)

    serve(server, Client(speak))
    assert serve(server, Client(fetch, port, ("GET", "/", None))) == [b"hello"]
    assert len(server.slots) <= 1


def test_a_client_that_ends_its_connection_is_forgotten(serving):
    server, port = serving
    serve(server, Client(fetch, port, ("GET", "/", None)))
    for _ in range(500):
        if server.slots:
            server.step(20)
    assert not server.slots
