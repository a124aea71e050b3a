"""Handlers that outlive a step: what they return, how long they sleep, what becomes of their exceptions."""

import sys

from serving import CLOSE, get, serve

from webhal import App, HTTPError, Response, sleep_ms
from webhal.testing import TestClient


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
