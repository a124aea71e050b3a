"""ASGI(app) asked directly, message by message: what no engine that is at hand does, or does when a test wants it."""

import asyncio
import contextlib
import sys

import pytest

import webhal.log
from webhal import App, Response, sleep_ms
from webhal.static import send_file
from webhal.websocket import websocket
from webhal_cpython.asgi import ASGI

PATIENCE_S = 30


def run(main):
    return asyncio.run(asyncio.wait_for(main, PATIENCE_S))


class Engine:
    """One request as an engine makes it; `sent` is what the application sends."""

    def __init__(self, application, path="/", messages=(), **scope):
        self.application = application
        self.scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"x")],
            "client": ("192.0.2.7", 1234),
            **scope,
        }
        self.messages = asyncio.Queue()
        for message in messages:
            self.messages.put_nowait(message)
        self.sent = []
        self.changed = asyncio.Event()
        self.asked = 0

    async def receive(self):
        self.asked += 1
        return await self.messages.get()

    async def send(self, message):
        self.sent.append(message)
        self.changed.set()

    async def run(self):
        await self.application(self.scope, self.receive, self.send)
        return self

    async def until(self, condition):
        while not condition():
            self.changed.clear()
            await self.changed.wait()

    async def until_sent(self, count):
        await self.until(lambda: len(self.sent) == count)

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def headers(self):
        return dict(self.sent[0]["headers"])

    @property
    def body(self):
        assert [message.get("more_body") for message in self.sent[1:]] == (len(self.sent) - 2) * [True] + [False]
        return b"".join(message["body"] for message in self.sent[1:])


def part(body=b"", more=False):
    return {"type": "http.request", "body": body, "more_body": more}


@contextlib.asynccontextmanager
async def living(application):
    """The engine's lifespan around."""
    engine = Engine(application, messages=[{"type": "lifespan.startup"}], type="lifespan")
    task = asyncio.create_task(engine.run())
    await engine.until(lambda: engine.sent)
    assert engine.sent == [{"type": "lifespan.startup.complete"}]
    yield
    engine.messages.put_nowait({"type": "lifespan.shutdown"})
    await task
    assert engine.sent[1:] == [{"type": "lifespan.shutdown.complete"}]


def make(**limits):
    app = App()

    @app.get("/")
    def home(request):
        return {
            "client": request.client[0],
            "scheme": request.scheme,
            "root": request.root,
            "target": request.target,
        }

    @app.post("/echo")
    def echo(request):
        return request.body

    return app, ASGI(app, **limits)


def test_a_plain_request_is_answered_without_waiting():
    _, application = make()

    async def main():
        engine = await Engine(application).run()
        assert engine.status == 200
        assert engine.body == b'{"client": "192.0.2.7", "scheme": "http", "root": "", "target": "/"}'
        assert engine.asked == 0 and len(engine.sent) == 2
        assert b"date" not in engine.headers and b"connection" not in engine.headers

    run(main())


def test_a_root_path_is_not_the_applications_and_escapes_stay():
    _, application = make()

    async def main():
        for path, raw in (("/api/", b"/api/"), ("/api", b"/api")):
            engine = await Engine(application, path, root_path="/api", raw_path=raw, scheme="https").run()
            assert engine.body == b'{"client": "192.0.2.7", "scheme": "https", "root": "/api", "target": "/"}'
        # Some engines leave it out of the path.
        engine = await Engine(application, "/", root_path="/api", query_string=b"a=%20").run()
        assert b'"target": "/?a=%20"' in engine.body
        assert (await Engine(application, "/apis", root_path="/api").run()).status == 404
        assert (await Engine(application, "/ä/", root_path="/ä", raw_path=None).run()).status == 200

    run(main())


def test_a_client_without_an_address():
    _, application = make()

    async def main():
        assert b'"client": ""' in (await Engine(application, client=None).run()).body
        assert b'"client": "::1"' in (await Engine(application, client=["::1", "80"]).run()).body

    run(main())


def test_a_body_of_http_2_without_a_length():
    _, application = make(body=10)

    async def main():
        async def post(messages, headers=()):
            fields = [(b"host", b"x"), *headers]
            return await Engine(application, "/echo", messages, method="POST", http_version="2", headers=fields).run()

        assert (await post([part(b"one ", True), part(b"two")])).body == b"one two"
        assert (await post([part(b"", True), part(b"late")])).body == b"late"
        assert (await post([part()])).body == b""
        assert (await post([part(b"01234", True), part(b"56789", True), part(b"0")])).status == 413
        assert (await post([part(b"0123", True), part()], [(b"content-length", b"4")])).body == b"0123"
        engine = await Engine(application, http_version="3", messages=[part()]).run()
        assert engine.status == 200

    run(main())


def test_messages_that_are_larger_than_the_servers_buffer():
    _, application = make(buffer=64)

    async def main():
        fields = [(b"host", b"x"), (b"content-length", b"20000")]
        messages = [part(10_000 * b"a", True), part(10_000 * b"b")]
        engine = await Engine(application, "/echo", messages, method="POST", headers=fields).run()
        assert engine.body == 10_000 * b"a" + 10_000 * b"b"

    run(main())


def test_a_body_that_comes_late():
    _, application = make()

    async def main():
        fields = [(b"host", b"x"), (b"content-length", b"4")]
        engine = Engine(application, "/echo", method="POST", headers=fields)
        task = asyncio.create_task(engine.run())
        while not engine.asked:
            await asyncio.sleep(0)
        engine.messages.put_nowait(part(b"late"))
        await task
        assert engine.body == b"late"

    run(main())


def test_a_body_that_nobody_reads_is_not_asked_for():
    app, application = make()

    @app.post("/waits", stream=True)
    async def waits(request):
        await sleep_ms(20)
        return "unread"

    async def main():
        fields = [(b"host", b"x"), (b"content-length", b"100000")]
        messages = [part(1000 * b"a", True) for _ in range(100)]
        engine = await Engine(application, "/waits", messages, method="POST", headers=fields).run()
        assert engine.body == b"unread" and engine.asked < 5

    run(main())


def test_a_line_break_in_a_field_or_a_path_is_no_second_field():
    _, application = make()

    async def main():
        for fields in ([(b"x", b"1\r\nContent-Length: 5")], [(b"x", b"1\n")], [(b"a\r\nb", b"1")]):
            engine = Engine(application, headers=[(b"host", b"x"), *fields], http_version="2", messages=[part()])
            assert (await engine.run()).status == 400
        assert (await Engine(application, raw_path=b"/ HTTP/1.1\r\nX: y").run()).status == 400
        for fields in ([(b"x", b"1\r2")], [(b"x", b"\0")], [(b"", b"1")]):
            assert (await Engine(application, headers=[(b"host", b"x"), *fields]).run()).status == 400, fields
        engine = web_socket(make_web_socket()[1], headers=[(b"host", b"x"), (b"x", b"1\r\nOrigin: null")])
        assert (await engine.run()).sent[0]["type"] == "websocket.close"

    run(main())


def test_a_body_that_is_not_asked_for_is_not_continued():
    _, application = make(body=10)

    async def main():
        fields = [(b"host", b"x"), (b"expect", b"100-continue"), (b"content-length", b"11")]
        engine = await Engine(application, "/echo", method="POST", headers=fields).run()
        assert engine.status == 413 and engine.asked == 0

    run(main())


def test_a_body_that_does_not_come_is_408():
    _, application = make(deadlines={"rest": 0.01})

    async def main():
        fields = [(b"host", b"x"), (b"content-length", b"2")]
        engine = await Engine(application, "/echo", [part(b"1", True)], method="POST", headers=fields).run()
        assert engine.status == 408
        engine = await Engine(application, "/echo", method="POST", headers=fields).run()
        assert engine.status == 408

    run(main())


def test_a_client_that_leaves_within_its_body():
    _, application = make()

    async def main():
        fields = [(b"host", b"x"), (b"content-length", b"2")]
        for messages in ([{"type": "http.disconnect"}], [part(b"1", True), {"type": "http.disconnect"}]):
            engine = await Engine(application, "/echo", messages, method="POST", headers=fields).run()
            assert engine.sent == []
        assert application.server.slots == {}

    run(main())


def test_an_engine_that_cancels_or_cannot_send_cancels_the_handler():
    app, application = make()
    ended = []

    @app.get("/long")
    async def long(request):
        try:
            yield "begun"
            await sleep_ms(100_000)
        finally:
            ended.append(1)

    async def main():
        engine = Engine(application, "/long")
        task = asyncio.create_task(engine.run())
        await engine.until_sent(2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while not ended:
            await asyncio.sleep(0)

        engine = Engine(application, "/long")

        async def send(message):
            raise OSError("the client has left")

        engine.send = send
        await engine.run()
        while len(ended) < 2:
            await asyncio.sleep(0)
        assert application.server.slots == {}

    run(main())


def test_an_engine_that_takes_no_more_holds_the_handler_up():
    app, application = make()
    made = []

    @app.get("/endless")
    def endless(request):
        while True:
            made.append(1)
            yield 1000 * b"x"

    async def main():
        engine = Engine(application, "/endless")
        room = asyncio.Semaphore(5)
        send = engine.send

        async def slow(message):
            await room.acquire()
            await send(message)

        engine.send = slow
        task = asyncio.create_task(engine.run())
        for _ in range(1000):
            await asyncio.sleep(0)
        assert len(engine.sent) == 5 and len(made) < 10
        room.release()
        await engine.until_sent(6)
        engine.messages.put_nowait({"type": "http.disconnect"})
        room.release()
        await task

    run(main())


def test_an_answer_that_is_cut_is_told_to_the_engine(monkeypatch):
    app, application = make()
    logged = []
    monkeypatch.setattr(webhal.log, "report", logged.append)

    @app.get("/cut")
    def cut(request):
        yield "begun"
        raise RuntimeError("as the test wants it")

    async def main():
        engine = Engine(application, "/cut")
        with pytest.raises(OSError, match="cut"):
            await engine.run()
        assert engine.sent[-1] == {"type": "http.response.body", "body": b"begun", "more_body": True}

    run(main())
    assert [str(error) for error in logged] == ["as the test wants it"]


@pytest.mark.skipif(sys.platform != "linux", reason="the path of an open file is Linux's to tell")
def test_files_are_left_to_an_engine_that_can_send_them(tmp_path):
    app, application = make()
    path = tmp_path / "file.bin"
    path.write_bytes(200_000 * b"f")

    @app.get("/file")
    def file(request):
        return send_file(str(path))

    async def main():
        extensions = {"http.response.pathsend": {}}
        engine = await Engine(application, "/file", extensions=extensions).run()
        assert engine.headers[b"content-length"] == b"200000"
        assert engine.sent[1:] == [{"type": "http.response.pathsend", "path": str(path)}]
        assert (await Engine(application, "/file").run()).body == path.read_bytes()
        fields = [(b"host", b"x"), (b"range", b"bytes=5-100004")]
        engine = await Engine(application, "/file", extensions=extensions, headers=fields).run()
        assert (engine.status, engine.body) == (206, 100_000 * b"f")
        engine = await Engine(application, "/file", extensions=extensions, method="HEAD").run()
        assert engine.headers[b"content-length"] == b"200000" and engine.body == b""

    run(main())


def test_start_and_stop():
    app, application = make()
    happened = []

    @app.on("start")
    async def start():
        await sleep_ms(1)
        happened.append("start")

    @app.every(0.001)
    async def tick():
        happened.append("tick")

    @app.on("stop")
    async def stop():
        await sleep_ms(1)
        happened.append("stop")

    async def main():
        for _ in range(2):  # an engine may start anew
            happened.clear()
            async with living(application):
                assert happened[0] == "start"
                while "tick" not in happened:
                    await asyncio.sleep(0.001)
                assert (await Engine(application).run()).status == 200
            assert happened[-1] == "stop" and happened.count("start") == happened.count("stop") == 1

    run(main())


def test_without_a_lifespan_it_starts_once_with_the_first_request():
    app, application = make()
    happened = []

    @app.on("start")
    async def start():
        await sleep_ms(5)
        happened.append("start")

    async def main():
        engines = await asyncio.gather(*[Engine(application).run() for _ in range(3)])
        assert [engine.status for engine in engines] == 3 * [200] and happened == ["start"]

    run(main())


def test_a_start_that_fails_is_told():
    app, application = make()

    @app.on("start")
    async def start():
        raise ValueError("no sensor")

    async def main():
        engine = await Engine(application, messages=[{"type": "lifespan.startup"}], type="lifespan").run()
        assert engine.sent[0]["type"] == "lifespan.startup.failed"
        assert engine.sent[0]["message"].endswith("ValueError: no sensor\n")
        with pytest.raises(ValueError, match="no sensor"):
            await Engine(application).run()

    run(main())


def test_another_kind_of_scope():
    _, application = make()
    with pytest.raises(ValueError, match="not 'radio'"):
        run(Engine(application, type="radio").run())


def web_socket(application, messages=(), **scope):
    return Engine(
        application, "/ws", [{"type": "websocket.connect"}, *messages], **{"type": "websocket", "scheme": "ws", **scope}
    )


def make_web_socket(**options):
    app = App()
    heard = []

    @app.get("/ws")
    @websocket(**options)
    async def talk(request, ws):
        heard.append(request.scheme)
        async for message in ws:
            heard.append(message)
            await ws.send(message)
        heard.append((ws.code, ws.reason))

    return heard, ASGI(app, body=1000)


def test_a_websocket_and_how_it_is_closed():
    heard, application = make_web_socket(protocols=["second"])

    async def main():
        for end, expected in (
            ({"code": 1000}, (1000, "")),
            ({"code": 3999, "reason": "so"}, (3999, "so")),
            ({"code": 1005, "reason": None}, (1005, "")),
            ({}, (1005, "")),
            ({"code": 1006}, (1006, "")),
        ):
            heard.clear()
            engine = web_socket(
                application,
                [
                    {"type": "websocket.receive", "text": "a", "bytes": None},
                    {"type": "websocket.receive", "bytes": 200 * b"b"},
                ],
                scheme="wss",
                headers=[(b"host", b"x"), (b"sec-websocket-protocol", b"first, second")],
            )
            task = asyncio.create_task(engine.run())
            await engine.until_sent(3)
            engine.messages.put_nowait({"type": "websocket.disconnect", **end})
            await task
            assert heard == ["https", "a", 200 * b"b", expected]
            assert engine.sent[0] == {"type": "websocket.accept", "subprotocol": "second"}
            assert engine.sent[1:3] == [
                {"type": "websocket.send", "text": "a"},
                {"type": "websocket.send", "bytes": 200 * b"b"},
            ]
        assert application.server.slots == {}

    run(main())


def test_a_websocket_that_is_refused():
    _, application = make_web_socket(origins=["https://example.org"])

    async def main():
        fields = [(b"host", b"x"), (b"origin", b"https://example.com")]
        engine = await web_socket(application, headers=fields).run()
        assert engine.sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]
        engine = await web_socket(application, headers=fields, extensions={"websocket.http.response": {}}).run()
        assert [message["type"] for message in engine.sent] == [
            "websocket.http.response.start",
            "websocket.http.response.body",
        ]
        assert engine.status == 403 and engine.body == b"this page may not connect\n"

    run(main())


def test_a_websocket_is_pinged_by_its_engine_alone():
    heard, application = make_web_socket(ping=0.001)

    async def main():
        engine = web_socket(application)
        task = asyncio.create_task(engine.run())
        await engine.until(lambda: engine.sent)
        await asyncio.sleep(0.02)  # for pings, were there any
        engine.messages.put_nowait({"type": "websocket.receive", "text": "still here"})
        await engine.until(lambda: {"type": "websocket.send", "text": "still here"} in engine.sent)
        engine.messages.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await task
        assert len(engine.sent) == 2, engine.sent

    run(main())


def test_a_message_that_is_too_large():
    _, application = make_web_socket()

    async def main():
        engine = await web_socket(application, [{"type": "websocket.receive", "text": 1001 * "x"}]).run()
        assert engine.sent[-1] == {"type": "websocket.close", "code": 1009, "reason": ""}

    run(main())


def test_fields_of_the_connection_stay_behind():
    app, application = make()

    @app.get("/pieces")
    def pieces(request):
        return Response(iter(["a"]), 200, {"X-Y": ["1", "2"]})

    async def main():
        fields = [(b"host", b"x"), (b"connection", b"close")]
        engine = await Engine(application, "/pieces", headers=fields).run()
        assert engine.body == b"a"
        assert engine.sent[0]["headers"] == [
            (b"x-y", b"1"),
            (b"x-y", b"2"),
            (b"content-type", b"text/html; charset=utf-8"),
        ]

    run(main())
