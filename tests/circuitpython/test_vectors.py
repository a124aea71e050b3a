"""The core's vectors (tests/vectors) as requests that clients send to a board: what the application gets, and what
the client gets, through the port and the server on it.
"""

import json

from standin import Board

from webhal.testing.fake import FakeNetwork

VECTORS = __file__[: -len("circuitpython/test_vectors.py")] + "vectors/"
NAMES = (
    "request_line target fields host length coding chunked connection pipelining limits not_http smuggling".split(" ")
)
LIMIT = 1024  # of a head, where a vector does not say
MOST = 1 << 20  # of a body
MORE = "more"  # of a body is awaited, or it is refused as too long
NEXT = b"GET /n HTTP/1.1\r\nHost: a\r\n\r\n"


def octets(text):
    return bytes([ord(character) for character in text])


class Served:
    """A board's application that remembers the requests it gets, and a client of it."""

    def __init__(self, board, network, limit):
        from webhal.app import App
        from webhal.server import Server

        app = App()
        app.before_request(self.remember)
        self.server = Server(app, network, head=limit, body=MOST)
        self.server.open(0)
        self._board = board

    def begin(self):
        """A new client, and nothing remembered."""
        for connection in list(self.server.slots.values()):
            connection.drop(self.server)
        self.requests = []
        self.client = self._board.client(self.server.network.local_port(self.server.listener))

    def remember(self, request):
        self.requests.append(request)
        return "ok"

    def send(self, data):
        """Let the client send, and the server do all that there is to do."""
        self.client.send(data)
        before = None
        quiet = 0
        while quiet < 3:  # not every step can be seen from here
            self.server.step()
            now = len(self.requests), len(self.client.received), self.client.state
            quiet = quiet + 1 if now == before else 0
            before = now

    def statuses(self):
        """Of the responses so far, without interim ones."""
        lines = [line for line in self.client.received.split(b"\r\n") if line.find(b"HTTP/1.1 ") >= 0]
        return [status for status in [int(line[line.find(b"HTTP/1.1 ") + 9 :][:3]) for line in lines] if status >= 200]


def wanted(vector):
    """What a server makes of a vector: (the requests that the application gets, the status of a refusal or 0)."""
    requests = []
    for want in vector["out"]:
        if isinstance(want, int):
            return requests, want
        if want is None:
            break
        if want.get("more"):
            return requests, MORE
        if "refused" in want:
            return requests, want["refused"]
        requests.append(want)
        if not want.get("keep", True):
            break
    return requests, 0


def check(served, requests, refusal):
    assert len(served.requests) == len(requests), "%d requests" % len(served.requests)
    for i in range(len(requests)):
        want, request = requests[i], served.requests[i]
        assert request.method == want.get("method", "GET"), request.method
        assert request.target == want["target"], request.target
        assert request.path == want.get("path", want["target"]), request.path
        assert request.minor == want.get("minor", 1), request.minor
        assert request.body == octets(want.get("body", "")), request.body
        fields = want.get("fields", {})
        for name in fields:
            values = fields[name] if isinstance(fields[name], list) else [fields[name]]
            assert request.headers.getlist(name) == values, request.headers.getlist(name)
    statuses = [200] * len(requests)
    if refusal == MORE:
        assert served.statuses() in (statuses, statuses + [413]), served.statuses()
    else:
        assert served.statuses() == statuses + [refusal] * bool(refusal), served.statuses()


def run(served, vector, cut):
    """Send the vector in pieces of `cut` bytes, and another request after it."""
    served.begin()
    data = octets(vector["in"])
    for start in range(0, len(data), cut):
        served.send(data[start : start + cut])
    requests, refusal = wanted(vector)
    check(served, requests, refusal)
    if len(requests) == len(vector["out"]) and served.client.state == "open":
        served.send(NEXT)
        check(served, requests + [{"target": "/n"}], 0)


def run_file(board, name):
    failed = []
    count = 0
    network = board.network()
    served = None
    with open(VECTORS + name + ".jsonl") as lines:
        for line in lines:
            vector = json.loads(line)
            count += 1
            limit = vector.get("limit", LIMIT)
            if not served or served.server.head != limit:
                if served:
                    served.server.close()
                served = Served(board, network, limit)
            try:
                for cut in (len(vector["in"]) or 1, 7):
                    run(served, vector, cut)
            except Exception as error:
                failed.append(vector["name"])
                print("%s: %s: %r wanted %s" % (name, vector["name"], error, vector["out"]))
    served.server.close()
    assert not failed, "%d of %d: %s" % (len(failed), count, failed)


def run_all(flavour, poll):
    with Board(flavour, FakeNetwork(harsh=False), poll=poll) as board:
        for name in NAMES:
            run_file(board, name)


def test_espressif():
    run_all("espressif", True)


def test_espressif_without_select():
    run_all("espressif", False)


def test_raspberrypi():
    run_all("raspberrypi", True)


def test_raspberrypi_without_select():
    run_all("raspberrypi", False)
