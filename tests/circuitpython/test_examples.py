"""The examples run unchanged as a board's code.py."""

import json

from standin import FLAVOURS, Board

from webhal.testing.fake import FakeNetwork
from webhal.testing.live import frame, handshake

EXAMPLES = __file__[: -len("tests/circuitpython/test_examples.py")] + "examples/"


class Run:
    """A board that runs an example as code.py, until all requests are answered; then somebody presses Ctrl-C."""

    def __init__(self, flavour, example, port, requests, **options):
        self.printed = []
        self.received = []
        with Board(flavour, FakeNetwork(harsh=False), **options) as board:
            for number in range(len(requests)):
                board.wire.at(100 + 50 * number, self._visit(board, port, requests[number]))
            board.wire.at(5000, self._interrupt)
            with open(EXAMPLES + example) as file:
                code = compile(file.read(), "code.py", "exec")
            exec(code, {"__name__": "__main__", "print": self._print})
            assert not board.sockets

    def _visit(self, board, port, request):
        def visit():
            client = board.client(port)
            client.send(request)
            board.wire.at(2000, lambda: self.received.append(client.received))

        return visit

    def _interrupt(self):
        raise KeyboardInterrupt

    def _print(self, *values):
        self.printed.append(" ".join([str(value) for value in values]))


def request(method, path, body=b"", fields=""):
    head = "%s %s HTTP/1.1\r\nHost: board\r\nContent-Length: %d\r\n%s\r\n" % (method, path, len(body), fields)
    return head.encode() + body


def on_each_flavour(test):
    for flavour in FLAVOURS:
        for poll in (True, False):
            test(flavour, poll)


def test_hello_world():
    def check(flavour, poll):
        run = Run(flavour, "hello_world.py", 80, [request("GET", "/"), request("GET", "/nothing")], poll=poll)
        assert run.received[0][:15] == b"HTTP/1.1 200 OK" and b"<h1>The Hello World! HTML page</h1>" in run.received[0]
        assert run.received[1][:12] == b"HTTP/1.1 404"
        assert run.printed[0] == "Starting the Hello World WEB server on IP address 192.0.2.1 port 80"
        assert run.printed[1][:22] == "GOT a connection from " and len(run.printed) == 5
        assert run.printed[2][:27] == "The content of the request:"

    on_each_flavour(check)


def test_hello_world_where_the_web_workflow_has_its_port():
    def check(flavour, poll):
        run = Run(flavour, "hello_world.py", 80, [], poll=poll, settings={"CIRCUITPY_WEB_API_PASSWORD": "secret"})
        assert run.printed == ["Socket is already bound, please reset the machine"]

    on_each_flavour(check)


def test_any_request():
    def check(flavour, poll):
        requests = [request("GET", "/a"), b"hello?\r\n", request("PUT", "/", b"x")]
        run = Run(flavour, "any_request.py", 8888, requests, poll=poll)
        for received in run.received:
            assert b"\r\n\r\nThis is the server respose! :)" in received, received
        assert run.printed[0] == "The server is listening on 192.0.2.1 port 8888"
        assert len(run.printed) == 4

    on_each_flavour(check)


def test_api():
    def check(flavour, poll):
        upload = bytes(range(256)) * 40
        run = Run(
            flavour,
            "api.py",
            8000,
            [
                request("GET", "/lamps/1"),
                request("PUT", "/lamps/1", b'{"on": true}', "Content-Type: application/json\r\n"),
                request("GET", "/lamps/1"),
                request("GET", "/lamps/9"),
                request("POST", "/echo", upload),
            ],
            poll=poll,
        )
        bodies = [received[received.find(b"\r\n\r\n") + 4 :] for received in run.received]
        assert json.loads(bodies[0].decode()) == {"lamp": 1, "on": False}
        assert json.loads(bodies[1].decode()) == json.loads(bodies[2].decode()) == {"lamp": 1, "on": True}
        assert json.loads(bodies[3].decode())["status"] == 404
        assert unchunk(bodies[4]) == upload

    on_each_flavour(check)


def test_dashboard():
    def check(flavour, poll):
        switch = handshake("/light") + frame(1, b"switch")
        requests = [request("GET", "/"), request("GET", "/temperature"), switch, handshake("/light")]
        run = Run(flavour, "dashboard.py", 8000, requests, poll=poll)
        page, events, first, second = run.received
        assert b'new EventSource("/temperature")' in page
        assert events.count(b"data: ") > 1 and b'data: {"celsius": ' in events, events
        for window in (first, second):
            assert window.endswith(b"\r\n\r\n\x81\x02on"), window

    on_each_flavour(check)


def unchunk(data):
    """The content of a chunked body (RFC 9112, 7.1)."""
    content = b""
    while data:
        end = data.find(b"\r\n")
        size = int(data[:end].decode(), 16)
        content += data[end + 2 : end + 2 + size]
        data = data[end + 4 + size :]
    return content
