"""A server on a board whose WiFi goes and comes back, on a virtual clock. Runs on MicroPython."""

import errno
import socket

import network as board
from virtual import start

from webhal.app import App
from webhal.server import Server

HOME = {"ssid": "home", "password": "secret 12"}
REQUEST = b"GET /large HTTP/1.1\r\nHost: board\r\n\r\n"
SHORT = b"GET / HTTP/1.1\r\nHost: board\r\n\r\n"

told = []


def make_app():
    app = App()

    @app.get("/")
    def small(request):
        return "small"

    @app.get("/large")
    def large(request):
        return pieces()

    @app.on("link")
    def link(state):
        told.append(state)

    return app


def pieces():
    while True:
        yield b"x" * 1000


class Client:
    """A client of its own, over the loopback of the machine under the board."""

    def __init__(self, port):
        self.socket = socket.socket()
        self.socket.connect(socket.getaddrinfo("127.0.0.1", port)[0][-1])
        self.socket.setblocking(False)
        self.received = 0
        self.open = True

    def read(self):
        try:
            data = self.socket.read(4096)
        except OSError:
            data = b""
        if data is not None:
            self.received += len(data)
            self.open = bool(data)
        return data


def lose_and_come_back(chip, away_ms, busy_ms=0):
    """The server serves, loses the network for so long, then its address is in use for so long; it serves again."""
    told.clear()
    port = start(chip, **HOME)
    server = Server(make_app(), port)
    server.open(0)
    tcp_port = server.place[0]
    client = Client(tcp_port)
    client.socket.write(REQUEST)
    while client.received < 10_000:
        server.step(100)
        client.read()
    home = board.air.pop("home")
    while not told:  # nobody reads meanwhile, so that the clock goes on
        server.step(100)
    assert not server.slots and not server.listener
    while client.open:
        client.read()
    assert told == ["down"], told
    assert port.address() is None
    gone = port.ahead
    while port.ahead - gone < away_ms:
        server.step(500)
    assert told == ["down"] and not server.slots
    board.air["home"] = home
    back = port.ahead
    listen = port.listen

    def listen_later(*arguments):
        if port.ahead - back < busy_ms:
            raise OSError(errno.EADDRINUSE)
        return listen(*arguments)

    port.listen = listen_later
    while told != ["down", "up"]:
        server.step(500)
        assert port.ahead - back < 60_000 + busy_ms, (chip, told)
    assert port.ahead - back >= busy_ms
    client = Client(tcp_port)
    client.socket.write(SHORT)
    answer = b""
    while not answer.endswith(b"small"):
        server.step(100)
        answer += client.read() or b""
        assert client.open
    server.close()


def test_lost_amid_a_response_and_back_after_30_seconds():
    for chip in ("esp8266", "esp32", "rp2"):
        lose_and_come_back(chip, 30_000)


def test_back_at_once_and_back_after_ten_minutes():
    for chip in ("esp8266", "esp32", "rp2"):
        for away_ms in (0, 600_000):
            lose_and_come_back(chip, away_ms)


def test_an_address_that_is_in_use_for_two_minutes():
    """ESP8266's lwIP does not know SO_REUSEADDR, and old connections linger in it."""
    lose_and_come_back("esp8266", 30_000, 120_000)


def test_an_access_point_is_served_while_the_other_network_is_lost():
    port = start("esp32", ap_ssid="robot", **HOME)
    server = Server(make_app(), port)
    server.open(0)
    told.clear()
    del board.air["home"]
    for _ in range(100):
        server.step(500)
    assert told == [] and server.listener
    client = Client(server.place[0])
    client.socket.write(SHORT)
    answer = b""
    while not answer.endswith(b"small"):
        server.step(100)
        answer += client.read() or b""
    server.close()
