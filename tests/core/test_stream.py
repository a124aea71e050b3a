"""Answers in pieces, handlers that outlive a step, bodies that are read piece by piece; who leaves ends them."""

import sys

from serving import get, serve

from webhal import App, HTTPError, Response, sleep_ms
from webhal.testing import TestClient

CLOSE = "Connection: close\r\n"


def chunks(*pieces):
    return b"".join([b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]) + b"0\r\n\r\n"


def body_of(answer):
    return answer[answer.find(b"\r\n\r\n") + 4 :]


class Pieces:
    """An iterator that is no generator; `close` is called at the end, as a file's is."""

    def __init__(self, pieces):
        self.pieces = list(pieces)
        self.closed = 0

    def __iter__(self):
        return self

    def __next__(self):
        if not self.pieces:
            raise StopIteration
        return self.pieces.pop(0)

    def close(self):
        self.closed += 1


class Waiting:
    """An asynchronous iterator that is no generator; one of its awaitables is none that could be thrown into."""

    def __init__(self, count):
        self.count = count
        self.slept = False

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        self.slept = not self.slept
        if self.slept:
            return 10
        raise StopIteration

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.count:
            raise StopAsyncIteration
        self.count -= 1
        await self
        return "x"


def generator(request):
    yield "a"
    yield b"\x00\xff"
    yield ""
    yield bytearray(b"b")
    yield memoryview(b"cd")
    yield "ü"


async def asynchronous(request):
    yield "a"
    await sleep_ms(5)
    yield b"b" * 300
    await sleep_ms(0)


def test_pieces_are_sent_in_chunks():
    app = App()
    app.get("/generator")(generator)
    app.get("/async")(asynchronous)
    app.get("/iterator")(lambda request: Pieces(["a", b"b"]))
    app.get("/aiter")(lambda request: Waiting(3))
    app.get("/nested")(lambda request: Response(generator(request), 201, {"X-A": "b"}))
    app.get("/empty")(lambda request: iter([]))
    expected = {
        "/generator": chunks(b"a", b"\x00\xff", b"b", b"cd", "ü".encode()),
        "/async": chunks(b"a", b"b" * 300),
        "/iterator": chunks(b"a", b"b"),
        "/aiter": chunks(b"x", b"x", b"x"),
        "/nested": chunks(b"a", b"\x00\xff", b"b", b"cd", "ü".encode()),
        "/empty": b"",
    }
    for seed in (1, 2, 3):
        for path in expected:
            with serve(app, seed) as bench:
                answer = bench.ask(get(path, CLOSE))
                head = answer[: answer.find(b"\r\n\r\n")]
                assert body_of(answer) == expected[path], path
                assert (b"\r\nTransfer-Encoding: chunked" in head) == (path != "/empty")
                assert b"\r\nContent-Length" not in head or path == "/empty"
                assert head.startswith(b"HTTP/1.1 201 Created\r\n" if path == "/nested" else b"HTTP/1.1 200 OK\r\n")
                assert (b"\r\nX-A: b" in head) == (path == "/nested")


def test_the_kind_is_that_of_the_first_piece_unless_it_is_said():
    app = App()
    app.get("/text")(lambda request: iter(["a", b"b"]))
    app.get("/bytes")(lambda request: iter([b"a", "b"]))
    app.get("/said")(lambda request: Response(iter([b"a"]), 200, {"content-type": "text/plain"}))
    client = TestClient(app)
    assert client.get("/text").headers["content-type"] == "text/html; charset=utf-8"
    assert client.get("/bytes").headers["content-type"] == "application/octet-stream"
    assert client.get("/said").headers.getlist("content-type") == ["text/plain"]


def test_the_connection_is_kept_after_a_stream():
    app = App()
    app.get("/")(generator)
    app.get("/async")(asynchronous)
    for seed in range(5):
        with serve(app, seed) as bench:
            client = bench.connect(get() + get("/async") + get())
            bench.until(lambda client=client: client.received.count(b"\r\n0\r\n\r\n") == 3)
            bench.run(100)
            assert client.state == "open" and client.received.count(b"200 OK") == 3


def test_1_0_gets_the_stream_until_the_end_of_the_connection():
    app = App()
    app.get("/")(generator)
    for fields in ("", "Connection: keep-alive\r\n"):
        for seed in (1, 2):
            with serve(app, seed) as bench:
                answer = bench.ask(get("/", fields, version="1.0"))
                assert body_of(answer) == b"a\x00\xffbcd" + "ü".encode()
                assert b"Transfer-Encoding" not in answer and b"Connection: close\r\n" in answer


def test_a_promised_length_is_kept():
    app = App()
    app.get("/")(lambda request: Response(iter(["ab", "c"]), 200, {"Content-Length": "3"}))
    for version in ("1.0", "1.1"):
        with serve(app) as bench:
            client = bench.connect(get("/", "Connection: keep-alive\r\n", version=version) * 2)
            bench.until(lambda client=client: client.received.count(b"\r\n\r\nabc") == 2)
            assert b"Transfer-Encoding" not in client.received and client.received.count(b"Content-Length: 3\r\n") == 2
            bench.run(100)
            assert client.state == "open"


def test_a_promise_that_is_broken():
    app = App()
    values = {
        "short": (["ab"], "3"),
        "long": (["ab", "cd"], "3"),
        "empty": ([], "3"),
        "first": (["abcd"], "3"),
        "none": (["a"], "many"),
        "negative": (["a"], "-1"),
    }
    app.get("/<name>")(lambda request, name: Response(iter(values[name][0]), 200, {"Content-Length": values[name][1]}))
    for name in values:
        with serve(app) as bench:
            answer = bench.ask(get("/" + name))
            assert bench.take_log() == ["ValueError"], name
            if name in ("short", "long"):  # the client sees that its connection ends too early
                assert answer.endswith(b"\r\n\r\nab") and answer.count(b"HTTP/1.1") == 1
            else:
                assert answer.startswith(b"HTTP/1.1 500 ") and answer.count(b"HTTP/1.1") == 1, name


def test_head_of_a_stream_runs_it_to_its_first_piece():
    app = App()
    ended = []

    def pieces(request):
        try:
            yield "first"
            ended.append("went on")
            yield "second"
        finally:
            ended.append("end")

    async def late(request):
        await sleep_ms(50)
        for piece in pieces(request):
            yield piece

    app.get("/")(pieces)
    app.get("/late")(late)
    app.get("/promise")(lambda request: Response(iter(["ab"]), 200, {"Content-Length": "2"}))
    app.get("/empty")(lambda request: iter([]))
    for seed in (1, 2, 3):
        with serve(app, seed) as bench:
            client = bench.connect()
            for path in ("/", "/late", "/promise", "/empty"):
                client.send(get(path, method="HEAD"))
                bench.until(lambda client=client: client.received.endswith(b"\r\n\r\n"))
                answer = client.read()
                assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.count(b"\r\n\r\n") == 1
                assert (b"Transfer-Encoding: chunked" in answer) == (path in ("/", "/late"))
                assert (b"Content-Length: 2\r\n" in answer) == (path == "/promise")
            assert "went on" not in ended


def test_back_pressure():
    app = App()
    made = []

    @app.get("/")
    def pieces(request):
        for n in range(20):
            made.append(n)
            yield b"x" * 50

    for seed in range(3):
        with serve(app, seed) as bench:
            made.clear()
            client = bench.connect(get())
            client.window = 200
            bench.run(3000)
            assert len(made) <= 3
            client.window += 150
            bench.run(100)
            assert 3 <= len(made) <= 6
            client.window = None
            bench.until(lambda client=client: client.received.endswith(b"\r\n0\r\n\r\n"))
            assert client.received.count(b"x") == 1000


def test_a_stream_does_not_starve_others():
    app = App()

    @app.get("/endless")
    def endless(request):
        while True:
            yield "x"

    app.get("/")(lambda request: "hello")
    with serve(app) as bench:
        client = bench.connect(get("/endless"))
        bench.until(lambda: len(client.received) > 200)
        client.read()
        assert bench.ask(get("/", CLOSE)).endswith(b"hello")
        assert len(client.received) < 2000
        client.close()


# -- handlers -----------------------------------------------------------------------------------------------


def test_asynchronous_handlers_return_what_others_do():
    app = App()
    values = {
        "str": "ü",
        "dict": {"a": 1},
        "none": None,
        "tuple": ("x", 201, {"X-A": "b"}),
        "response": Response("r", 202),
    }

    @app.get("/<name>")
    async def handler(request, name):
        await sleep_ms(20)
        return values[name]

    @app.get("/generator")
    async def returns_generator(request):
        await sleep_ms(1)
        return generator(request)

    @app.get("/at-once")
    async def at_once(request):
        return "now"

    client = TestClient(app)
    assert client.get("/str").body == "ü".encode()
    assert client.get("/dict").json() == {"a": 1}
    assert client.get("/none").status == 204
    response = client.get("/tuple")
    assert (response.status, response.body, response.headers["x-a"]) == (201, b"x", "b")
    assert client.get("/response").status == 202
    assert client.get("/generator").body == b"a\x00\xffbcd" + "ü".encode()
    assert client.get("/at-once").text == "now"


def test_sleep_is_as_long_as_it_is_and_not_shortened_by_input():
    app = App()
    woke = []

    @app.get("/sleep/<int:ms>")
    async def handler(request, ms):
        bench.net.advance(30)  # work before it sleeps is no sleep
        start = bench.net.now
        await sleep_ms(ms)
        woke.append(bench.net.now - start)
        return "slept"

    app.get("/")(lambda request: "hello")
    for harsh in (False, True):
        with serve(app, harsh=harsh) as bench:
            client = bench.connect(get("/sleep/400"))
            client.send_later(100, get("/sleep/50") + get("/sleep/0"))
            client.send_later(200, get())
            bench.until(lambda client=client: client.received.endswith(b"hello"))
            assert client.received.count(b"slept") == 3
            for ms, took in zip([400, 50, 0], woke):  # noqa: B905
                assert ms <= took <= ms + (0 if not harsh else 20), woke
            woke.clear()


def test_many_sleepers_wake_each_in_its_time():
    app = App()
    woke = []

    @app.get("/<int:ms>")
    async def handler(request, ms):
        await sleep_ms(ms)
        woke.append(ms)
        await sleep_ms(ms)
        return "slept"

    with serve(app, connections=10) as bench:
        order = [700, 100, 500, 300, 900, 200]
        for ms in order:
            bench.connect(get("/%d" % ms, CLOSE))
        bench.until(lambda: len(woke) == 6)
        assert woke == sorted(order)
        bench.run(1000)


def test_sleep_takes_int_only():
    for wrong in ("10", 1.5, None):
        try:
            sleep_ms(wrong)
        except TypeError as error:
            assert "int" in str(error) and repr(wrong) in str(error)
        else:
            raise AssertionError("took " + repr(wrong))


def test_exceptions_of_handlers_that_run():
    app = App()

    class Mine(Exception):
        pass

    @app.error(Mine)
    def mine(request, error):
        return "mine", 409

    @app.get("/<name>")
    async def handler(request, name):
        await sleep_ms(5)
        if name == "mine":
            raise Mine("x")
        if name == "http":
            raise HTTPError(418, "teapot")
        raise KeyError("x")

    @app.get("/first")
    def first(request):
        raise Mine("before the first piece")
        yield

    for seed in (1, 2, 3):
        with serve(app, seed) as bench:
            assert bench.ask(get("/mine", CLOSE)).endswith(b"\r\n\r\nmine")
            assert bench.ask(get("/first", CLOSE)).endswith(b"\r\n\r\nmine")
            assert bench.ask(get("/http", CLOSE)).startswith(b"HTTP/1.1 418 ")
            assert not bench.logged
            client = bench.connect(get("/other") + get("/mine"))
            bench.until(lambda client=client: client.received.endswith(b"mine"))
            assert client.received.startswith(b"HTTP/1.1 500 ") and bench.take_log() == ["KeyError"]


def test_exceptions_after_the_first_piece_end_the_connection():
    app = App()

    @app.get("/")
    def broken(request):
        yield "a"
        raise KeyError("x")

    @app.get("/wrong")
    async def wrong(request):
        yield "a"
        await sleep_ms(1)
        yield {"not": "a piece"}

    @app.get("/http")
    def late(request):
        yield "a"
        raise HTTPError(404)

    for seed in (1, 2, 3):
        with serve(app, seed) as bench:
            for path, name in (("/", "KeyError"), ("/wrong", "TypeError"), ("/http", "HTTPError")):
                answer = bench.ask(get(path))
                assert answer.endswith(b"\r\n\r\n1\r\na\r\n") and answer.count(b"HTTP/1.1") == 1
                assert bench.take_log() == [name]


def test_wrong_first_pieces_and_statuses_are_500():
    app = App()
    app.get("/piece")(lambda request: iter([3.5]))
    app.get("/204")(lambda request: Response(iter(["a"]), 204))
    app.get("/304")(lambda request: (iter(["a"]), 304))
    app.get("/field")(lambda request: Response(iter(["a"]), 200, {"X": "a\nb"}))

    @app.get("/tuple")
    async def wrong(request):
        return ("a",)

    for path in ("/piece", "/204", "/304", "/field", "/tuple"):
        with serve(app) as bench:
            answer = bench.ask(get(path, CLOSE))
            assert answer.startswith(b"HTTP/1.1 500 ") and len(bench.take_log()) == 1, path


def test_hooks_see_streams():
    app = App()
    app.get("/")(generator)
    app.get("/async")(asynchronous)

    @app.after_request
    def hook(request, response):
        response.headers["X-Hook"] = "seen"
        return Response(response.body, 206, response.headers)

    client = TestClient(app)
    for path in ("/", "/async"):
        response = client.get(path)
        assert response.status == 206 and response.headers.getlist("x-hook") == ["seen"]


class Bare(Waiting):
    def __anext__(self):
        return self


def test_an_asynchronous_iterator_that_cannot_be_thrown_into():
    app = App()
    app.get("/")(lambda request: Bare(1))
    with serve(app) as bench:
        client = bench.connect(get())
        bench.until(lambda: bench.server.running)
        client.close()
        bench.run(100)
        assert not bench.server.slots


if sys.implementation.name == "cpython":

    def test_asyncio_is_not_silently_misused():
        import asyncio

        app = App()

        @app.get("/")
        async def handler(request):
            await asyncio.sleep(1)

        with serve(app) as bench:
            assert bench.ask(get("/", CLOSE)).startswith(b"HTTP/1.1 500 ")
            assert bench.take_log() == ["RuntimeError"]
