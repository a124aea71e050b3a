"""Files that the network sends itself; of CPython, over the fake network."""

import os
import sys

from files import folder, mounted
from serving import CLOSE, body_of, get, serve

CPYTHON = sys.implementation.name == "cpython"
LARGE = bytes(range(251)) * (300 if CPYTHON else 0)  # more than is read into memory whole
FILES = {"large.bin": LARGE, "small.txt": b"small"}


class sending(serve):
    """A server over a fake network that sends files; `sent` counts the calls."""

    def __enter__(self):
        super().__enter__()
        self.sent = 0
        self.net.sendfile = self.sendfile
        return self

    def sendfile(self, socket, file, start, most):
        self.sent += 1
        data = os.pread(file.fileno(), most, start)
        return self.net.send(socket, data, 0) if data else 0


def test_a_large_file_is_sent_by_the_network():
    if not CPYTHON:
        return
    with folder(FILES) as path:
        for seed in (1, 2, 3):
            with sending(mounted(path), seed) as bench:
                answer = bench.ask(get("/static/large.bin", CLOSE))
                assert body_of(answer) == LARGE and bench.sent
                assert b"\r\nContent-Length: %d\r\n" % len(LARGE) in answer
                for value, body in (("100-70000", LARGE[100:70001]), ("-70000", LARGE[-70000:])):
                    bench.sent = 0
                    assert body_of(bench.ask(get("/static/large.bin", CLOSE + "Range: bytes=%s\r\n" % value))) == body
                    assert bench.sent
                two = bench.ask(get("/static/large.bin") + get("/static/small.txt", CLOSE))
                assert body_of(two)[: len(LARGE)] == LARGE
                assert body_of(body_of(two)[len(LARGE) :]) == b"small"


def test_what_is_no_plain_file_is_sent_as_ever():
    if not CPYTHON:
        return
    with folder(FILES) as path:
        with sending(mounted(path)) as bench:
            for target, fields, method, body in (
                ("small.txt", "", "GET", b"small"),
                ("large.bin", "", "HEAD", b""),
                ("large.bin", "Range: bytes=0-3\r\n", "GET", LARGE[:4]),
            ):
                assert body_of(bench.ask(get("/static/" + target, CLOSE + fields, method))) == body
            several = bench.ask(get("/static/large.bin", CLOSE + "Range: bytes=0-9,100-\r\n"))
            assert b"multipart/byteranges" in several and LARGE[100:] in several
            assert not bench.sent


def begun(bench):
    client = bench.connect(get("/static/large.bin", CLOSE))
    bench.until(lambda: len(client.received) > 2000)
    return client


def test_a_file_that_shrinks_ends_that_connection_only():
    if not CPYTHON:
        return
    with folder(FILES) as path:
        with sending(mounted(path)) as bench:
            client = begun(bench)
            os.truncate(path + "/large.bin", 1000)
            bench.until(lambda: client.state not in ("connecting", "open"))
            assert len(client.received) < len(LARGE)
            assert bench.take_log() == ["ValueError"]
            client.close()
            assert body_of(bench.ask(get("/static/small.txt", CLOSE))) == b"small"


def test_who_does_not_read_is_given_up_and_others_are_served():
    if not CPYTHON:
        return
    with folder(FILES) as path:
        with sending(mounted(path)) as bench:
            silent = bench.net.connect()
            silent.window = 3000
            silent.send(get("/static/large.bin"))
            bench.until(lambda: silent.socket and bench.server.slots and bench.sent > 3)
            assert body_of(bench.ask(get("/static/small.txt", CLOSE))) == b"small"
            bench.run(12_000)  # the deadline for writing is ten seconds
            assert silent.state == "reset" or silent.socket not in bench.net.sockets
            assert not bench.server.slots
            silent.close()


def test_who_leaves_closes_the_file():
    if not CPYTHON:
        return
    with folder(FILES) as path:
        with sending(mounted(path)) as bench:
            begun(bench).close()
            bench.quiet()
