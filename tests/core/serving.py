"""An application served over the fake network, for tests of the core: virtual time, and nothing hidden.

    with serve(app) as bench:
        client = bench.connect(b"GET / HTTP/1.1\r\n…")
        bench.until(lambda: b"hello" in client.received)

At its end the server must be back where it began, without anything logged that the test has not taken.
"""

import webhal.log
from webhal.server import Server
from webhal.testing.fake import FakeNetwork

MOST_STEPS = 20_000  # a server that needs more is busy with nothing


def get(path="/", fields="", method="GET", version="1.1", body=b""):
    """The bytes of a request; a body has its Content-Length."""
    if body:
        fields += "Content-Length: %d\r\n" % len(body)
    return ("%s %s HTTP/%s\r\nHost: a\r\n%s\r\n" % (method, path, version, fields)).encode() + body


class serve:
    def __init__(self, app, seed=1, harsh=True, sockets=1_000_000, **limits):
        self.net = FakeNetwork(seed, harsh, sockets)
        self.server = Server(app, self.net, **limits)
        self.logged = []

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
        if data:
            client.send(data)
        return client

    def run(self, ms):
        """Step until so much virtual time has passed."""
        end = self.net.now + ms
        self.until(lambda: self.net.now >= end, end)

    def until(self, done, end=None):
        """Step until `done()`."""
        for _ in range(MOST_STEPS):
            if done():
                return
            self.server.step(500 if end is None else min(500, end - self.net.now))
        raise AssertionError("the server works and works")

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
        assert not self.net.sockets and not self.server.again and not self.server.clock and not self.server.jobs
        assert len(self.net.listeners) == 1 and self.net.listeners[0].read or self.server.stopping
        assert not self.net.misuse, self.net.misuse
        assert not self.logged, self.logged
