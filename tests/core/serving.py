"""What the tests of the core share: an application served over the fake network, in virtual time, with nothing hidden.

    with serve(app) as bench:
        client = bench.connect(b"GET / HTTP/1.1\r\n…")
        bench.until(lambda: b"hello" in client.received)

At its end the server must be back where it began, without anything logged that the test has not taken.
"""

try:
    import linecache
except ImportError:  # boards
    linecache = None

import webhal.log
from webhal import App, sleep_ms
from webhal.server import Server
from webhal.testing.fake import FakeNetwork

CLOSE = "Connection: close\r\n"
MOST_STEPS = 20_000  # a server that needs more is busy with nothing


def hello():
    """The application that most tests begin with: short answers, and one that is larger than the buffer."""
    app = App()
    app.get("/")(lambda request: "hello")
    app.get("/big")(lambda request: "~" * 1500)
    app.get("/<int:n>")(lambda request, n: "<%d>" % n)
    return app


def lasting():
    """The same, with an echo and handlers that take their time; `ended` tells which of those have ended."""
    app = hello()
    app.post("/")(lambda request: request.body)
    app.ended = []

    @app.get("/sleep")
    async def slow(request):
        try:
            await sleep_ms(3000)
            return "slept"
        finally:
            app.ended.append("sleep")

    @app.get("/pieces")
    async def pieces(request):
        try:
            while True:
                yield "piece"
                await sleep_ms(100)
        finally:
            app.ended.append("pieces")

    return app


def get(path="/", fields="", method="GET", version="1.1", body=b""):
    """The bytes of a request; a body has its Content-Length."""
    if body:
        fields += "Content-Length: %d\r\n" % len(body)
    return ("%s %s HTTP/%s\r\nHost: a\r\n%s\r\n" % (method, path, version, fields)).encode() + body


def numbered(count):
    """So many requests in a row, for /0, /1 …"""
    return b"".join([get("/%d" % n) for n in range(count)])


def follow(client):
    """A function that tells which <n> were answered so far, to requests for /n,, and holds none of the rest."""
    found = []
    rest = [b""]

    def numbers():
        parts = (rest[0] + client.read()).split(b">")
        rest[0] = parts.pop()
        found.extend([int(part.split(b"<")[1]) for part in parts])
        return found

    return numbers


def body_of(answer):
    return answer[answer.find(b"\r\n\r\n") + 4 :]


def chunks(*pieces):
    """The body that carries the pieces (RFC 9112, 7.1)."""
    return b"".join([b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]) + b"0\r\n\r\n"


def raises(kind, act, *arguments):
    """The exception that `act(*arguments)` raises."""
    try:
        act(*arguments)
    except kind as error:
        return error
    raise AssertionError("nothing raised")


class serve:
    def __init__(self, app, seed=1, harsh=True, sockets=1_000_000, **limits):
        self.net = FakeNetwork(seed, harsh, sockets)
        self.server = Server(app, self.net, **limits)
        self.logged = []
        self.clients = []  # the last that connected, for `story`

    def __enter__(self):
        webhal.log.report = self.logged.append
        self.server.open()
        return self

    def __exit__(self, kind, error, trace):
        webhal.log.report = None
        if kind is None:
            self.quiet()
            self.server.close()
            assert not self.net.sockets and not self.net.listeners and not self.server.slots

    def take_log(self):
        """The exceptions logged so far, by their types' names."""
        names = [type(error).__name__ for error in self.logged]
        self.logged.clear()
        return names

    def connect(self, data=b""):
        client = self.net.connect()
        self.clients = self.clients[-3:] + [client]
        if data:
            client.send(data)
        return client

    def run(self, ms):
        """Step until so much virtual time has passed."""
        end = self.net.now + ms
        self.until(lambda: self.net.now >= end, end)

    def until(self, done, end=None):
        """Step until `done()`; raises AssertionError with the story where that takes too long."""
        for _ in range(MOST_STEPS):
            if done():
                return
            self.server.step(500 if end is None else min(500, end - self.net.now))
        raise AssertionError("the server works and works, waiting for " + self.story(done))

    def story(self, done):
        """What was waited for, where the source tells; what came of the last clients, and what the server is at."""
        server = self.server
        code = linecache and done.__code__
        lines = [linecache.getline(code.co_filename, code.co_firstlineno).strip() if code else repr(done)]
        for client in self.clients:
            got = client.received
            lines.append("client is %s and got %d bytes: … %r" % (client.state, len(got), got[-200:]))
        for connection in server.slots.values():
            age = self.net.ticks_diff(server.now, connection.since)
            what = (connection.phase, age, len(connection.input) - connection.start, connection.work)
            lines.append("connection in phase %r for %d ms, %d bytes of input ahead, work %r" % what)
        lines.append("at %d ms: %d listeners" % (self.net.now, len(self.net.listeners)))
        for name in ("again", "clock", "jobs", "full", "closes", "stopping", "retry"):
            if getattr(server, name):
                lines.append("server.%s = %r" % (name, getattr(server, name)))
        return "\n  ".join(lines + [repr(error) for error in self.logged])

    def ask(self, data):
        """All that the server answers on a connection of its own, until it ends it."""
        client = self.connect(data)
        self.until(lambda: client.state not in ("connecting", "open"))
        answer = client.received
        client.close()
        self.until(lambda: client.socket not in self.net.sockets)
        return answer

    def quiet(self):
        """Wait until no connection is left, then nothing else may be."""
        self.until(lambda: not self.server.slots)
        self.run(600)
        assert not self.net.sockets
        assert self.server.app.work or not (self.server.again or self.server.clock or self.server.jobs)
        (listener,) = self.net.listeners or [None]
        assert listener and (listener.read, listener.write) == (True, False) or self.server.stopping
        assert not self.net.misuse, self.net.misuse
        assert not self.logged, self.logged
