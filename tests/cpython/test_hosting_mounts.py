"""ASGI and WSGI applications under webhal's server, over real sockets: what each interface promises, and frameworks."""

import asyncio
import contextlib
import json
import re
import signal
import socket
import sys
import threading
from pathlib import Path
from wsgiref.validate import validator

import pytest
from hosted import PATIENCE_S, run, serving
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from webhal import App, Response
from webhal.testing import TestClient
from webhal_cpython import mounting
from webhal_cpython.mounting import asgi, exchange
from webhal_cpython.mounting.asgi import ASGI
from webhal_cpython.mounting.wsgi import WSGI
from webhal_cpython.network import ListenError
from webhal_cpython.threads import Threads

pytestmark = pytest.mark.usefixtures("logged")
MEGABYTE = 1 << 20


def mounted(foreign):
    app = App()
    app.mount("/in", foreign)
    return app


class Client:
    """A connection, of which every byte is seen."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    def send(self, method, path, fields="", body=b"", version="1.1"):
        if body and "Transfer-Encoding" not in fields:
            fields += f"Content-Length: {len(body)}\r\n"
        self.writer.write(f"{method} {path} HTTP/{version}\r\nHost: x\r\n{fields}\r\n".encode("latin-1") + body)

    async def head(self):
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE_S)).decode("latin-1")
        lines = head.split("\r\n")
        self.pairs = [tuple(line.split(": ", 1)) for line in lines[1:-2]]
        return lines[0].split(" ", 1)[1], {name.lower(): value for name, value in self.pairs}

    async def piece(self):
        size = int(await asyncio.wait_for(self.reader.readline(), PATIENCE_S), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def answer(self, bare=False):
        """(status line, fields, body): what ends it is what its fields say."""
        status, fields = await self.head()
        body = b""
        if bare or status[:3] in ("204", "304"):
            pass
        elif "content-length" in fields:
            body = await self.reader.readexactly(int(fields["content-length"]))
        elif "transfer-encoding" in fields:
            while piece := await self.piece():
                body += piece
        else:
            body = await self.reader.read()
        return status, fields, body

    async def ask(self, method, path, fields="", body=b"", version="1.1"):
        self.send(method, path, fields, body, version)
        return await self.answer(method == "HEAD")

    async def end(self):
        """What comes until the server closes."""
        return await asyncio.wait_for(self.reader.read(), PATIENCE_S)


def beside(app, main, **limits):
    """Run main(connect) beside a server; connect() is a Client."""

    async def all():
        async with serving(app, **limits) as port:
            clients = []

            async def connect():
                clients.append(Client(*await asyncio.open_connection("127.0.0.1", port)))
                return clients[-1]

            connect.port = port
            try:
                await main(connect)
            finally:
                for client in clients:
                    client.writer.close()

    run(all())


async def until(condition):
    """Wait for it."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.001)


def answering(body=b"", status=200, headers=()):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        await send({"type": "http.response.body", "body": body})

    return app


# -- what is mounted -------------------------------------------------------------------------------------


def test_an_application_is_recognised():
    class Called:
        async def __call__(self, scope, receive, send): ...

    class Delegates:
        def __call__(self, scope, receive, send): ...

    class Old:
        def __init__(self, environ, start_response): ...

    async def anything(*values): ...

    for foreign in (answering(), Called(), Delegates(), anything):
        assert type(mounting.application(foreign)) is ASGI
    for foreign in (lambda environ, start_response: [], Old, lambda *values: []):
        assert type(mounting.application(foreign)) is WSGI
    for wrong in (App, object(), "app", None, lambda scope: None):
        with pytest.raises(TypeError, match="an App, an ASGI"):
            App().mount("/x", wrong)
    mounted(ASGI(lambda *values: None))  # which says what it is


def test_a_prefix_and_hooks_are_those_of_every_mounted_application():
    outer = App()
    app = App()
    outer.mount("/out", app)
    app.mount("/in", answering(b"in", headers=[(b"x-a", b"1"), (b"x-a", b"2"), (b"x-b", b"\xe9")]))

    @outer.before_request
    def guard(request):
        if request.args.get("stop"):
            return "stopped"

    @outer.after_request
    def after(request, response):
        response.headers["X-After"] = "é"
        if request.args.get("other"):
            return Response("other", 201)

    async def main(connect):
        client = await connect()
        status, fields, body = await client.ask("GET", "/out/in/x")
        assert (status, body, fields["x-after"], fields["x-b"]) == ("200 OK", b"in", "é", "é")
        assert [value for name, value in client.pairs if name == "x-a"] == ["1", "2"]
        assert (await client.ask("GET", "/out/in?stop=1"))[2] == b"stopped"
        assert (await client.ask("GET", "/out/in?other=1"))[::2] == ("201 Created", b"other")
        assert (await client.ask("GET", "/out/inside"))[0] == "404 Not Found"

    beside(outer, main)


def test_it_is_not_for_test_clients(logged):
    app = mounted(answering())
    app.get("/own")(lambda request: "own")
    client = TestClient(app)
    assert client.get("/own").text == "own"
    with pytest.raises(RuntimeError, match="asyncio"):
        client.get("/in")


# -- ASGI: requests --------------------------------------------------------------------------------------


def test_what_an_asgi_application_is_told_of_a_request():
    told = []

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            raise ValueError("it has none")
        told.append(scope)
        await answering(b"ok")(scope, receive, send)

    async def main(connect):
        client = await connect()
        fields = "X-Twice: 1\r\nx-twice:  \xe9 \r\nCookie: a=b\r\n"
        await client.ask("GET", "/in/caf%C3%A9%2Fx/?q=%20&r", fields)
        scope = told.pop()
        assert scope.pop("client") == client.writer.get_extra_info("sockname")
        assert scope == {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/in/café/x/",
            "raw_path": b"/in/caf%C3%A9%2Fx/",
            "query_string": b"q=%20&r",
            "root_path": "/in",
            "headers": [(b"host", b"x"), (b"x-twice", b"1"), (b"x-twice", b"\xe9"), (b"cookie", b"a=b")],
            "server": ("127.0.0.1", connect.port),
        }
        await client.ask("PROPFIND", "http://x/in/y?z", version="1.0")
        scope = told.pop()
        assert [scope[name] for name in ("method", "path", "raw_path", "query_string", "http_version")] == [
            "PROPFIND", "/in/y", b"/in/y", b"z", "1.0",
        ]  # fmt: skip

    beside(mounted(app), main)


def test_an_asgi_body_is_streamed_both_ways():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        more = True
        while more:
            event = await receive()
            more = event["more_body"]
            turns = []
            asyncio.get_running_loop().call_soon(turns.append, "others")
            await send({"type": "http.response.body", "body": event["body"], "more_body": more})
            assert turns or not more
        with contextlib.suppress(OSError):
            await receive()

    async def main(connect):
        client = await connect()
        client.send("POST", "/in", "Transfer-Encoding: chunked\r\n")
        for piece in (b"one", b"two", MEGABYTE * b"x"):  # each comes back before the next is sent
            client.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if piece == b"one":
                assert (await client.head())[1]["transfer-encoding"] == "chunked"
            back = b""
            while len(back) < len(piece):
                back += await client.piece()
            assert back == piece
        client.writer.write(b"0\r\n\r\n")
        assert await client.piece() == b""
        client.send("POST", "/in", "Expect: 100-continue\r\nContent-Length: 5\r\n")
        assert await client.head() == ("100 Continue", {})
        client.writer.write(b"whole")
        assert (await client.answer())[2] == b"whole"
        client.send("POST", "/in", "", b"to the end", "1.0")
        status, fields, body = await client.answer()
        assert body == b"to the end" and fields["connection"] == "close"
        assert await client.end() == b""

    beside(mounted(app), main)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_how_the_end_of_an_answer_is_told(method):
    cases = {
        "counted": (200, [(b"Content-Length", b"4")], [b"bo", b"dy", b""]),
        "whole": (200, [], [b"body"]),
        "pieces": (200, [(b"transfer-encoding", b"chunked")], [b"", b"bo", b"dy"]),
        "empty": (404, [], [b""]),
        "bare": (204, [(b"content-length", b"0")], [b""]),
        "same": (304, [(b"content-length", b"4"), (b"etag", b"1")], [b""]),
        "last": (200, [(b"Connection", b"close"), (b"date", b"mine")], [b"body"]),
    }

    async def app(scope, receive, send):
        status, headers, pieces = cases[scope["path"][4:]]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for n, piece in enumerate(pieces):
            await send({"type": "http.response.body", "body": piece, "more_body": n < len(pieces) - 1})

    async def main(connect):
        client = await connect()
        for name, (status, _, pieces) in cases.items():
            line, fields, body = await client.ask(method, "/in/" + name)
            assert line[:3] == str(status)
            assert body == (b"".join(pieces) if method == "GET" else b"")
            length = {"counted": "4", "whole": "4", "empty": "0" if method == "GET" else None, "same": "4", "last": "4"}
            assert fields.get("content-length") == length.get(name)
            assert fields.get("transfer-encoding") == ("chunked" if (name, method) == ("pieces", "GET") else None)
            assert fields.get("connection") == ("close" if name == "last" else None)
        assert fields["date"] == "mine"
        assert await client.end() == b""

    beside(mounted(app), main)


def test_an_application_that_fails(logged):
    """Before anything is sent a 500, by the error handler around it; then the answer is cut."""

    async def app(scope, receive, send):
        def start(**more):
            return send({"type": "http.response.start", "status": 200, "headers": [], **more})

        def body(data, more=False):
            return send({"type": "http.response.body", "body": data, "more_body": more})

        kind = scope["path"][4:]
        if kind == "raise":
            raise ZeroDivisionError
        if kind == "exit":
            raise SystemExit
        if kind == "cancel":
            raise asyncio.CancelledError
        if kind == "field":
            await start(headers=[(b"x", b"a\r\nb: c")])
        if kind == "text":
            await start(headers=[("x", "y")])
        if kind == "status":
            await start(status=100)
        if kind == "twice":
            await start(headers=[(b"content-length", b"1"), (b"content-length", b"2")])
        if kind == "late":
            await body(b"")
        if kind == "short":
            await start(headers=[(b"content-length", b"5")])
            await body(b"four")
        if kind == "long":
            await start(headers=[(b"content-length", b"3")])
            await body(b"four")
        if kind == "bare":
            await start(status=204)
            await body(b"body")
        if kind == "started":
            await start()
            raise ZeroDivisionError
        if kind == "cut":
            await start()
            await body(b"begin", True)
            raise ZeroDivisionError
        if kind == "cut short":
            await start(headers=[(b"content-length", b"9")])
            await body(b"begin", True)
        if kind == "behind":
            await start()
            await body(b"whole")
            await body(b"more")

    outer = mounted(app)
    outer.error(500)(lambda request, error: ("sorry", 500))

    async def main(connect):
        client = await connect()
        kinds = "raise exit cancel field text status twice late short long bare started nothing".split()
        for kind in kinds:
            assert (await client.ask("GET", "/in/" + kind))[::2] == ("500 Internal Server Error", b"sorry")
        assert len(logged) == len(kinds)
        assert (await client.ask("GET", "/in/behind"))[2] == b"whole"
        for kind in ("cut", "cut%20short"):
            client = await connect()
            client.send("GET", "/in/" + kind)
            assert b"begin" in await client.end()
        await until(lambda: len(logged) == len(kinds) + 3)
        logged.clear()

    beside(outer, main)


def test_a_client_that_leaves_an_asgi_application():
    seen = []

    async def app(scope, receive, send):
        if scope["path"] == "/in/upload":
            while (event := await receive())["type"] == "http.request":
                seen.append(event["type"])
            seen.append(event["type"])
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begin", "more_body": True})
        seen.append((await receive())["type"])
        if scope["path"] == "/in/receives":
            seen.append((await receive())["type"])
        try:
            await send({"type": "http.response.body", "body": b"end"})
        except OSError:
            seen.append("told")
            raise

    async def main(connect):
        for path, wanted in (
            ("/in/receives", ["http.request", "http.disconnect", "told"]),
            ("/in/upload", ["http.request", "http.disconnect"]),
        ):
            client = await connect()
            if path == "/in/upload":
                client.send("POST", path, "Content-Length: 10\r\n")
                client.writer.write(b"begin")
            else:
                client.send("GET", path)
                await client.head()
            await until(lambda: seen)
            client.writer.close()
            await until(lambda wanted=wanted: seen == wanted)
            seen.clear()

    beside(mounted(app), main)


def test_a_receive_that_is_given_up():
    """As by asyncio.wait_for, or by frameworks that ask whether the client has left."""
    seen = []
    go = asyncio.Event()

    async def app(scope, receive, send):
        assert scope["type"] == "http"
        body = b""
        with contextlib.suppress(asyncio.TimeoutError):
            body = (await asyncio.wait_for(receive(), 0.001))["body"]
        seen.append("given up")
        await go.wait()
        while len(body) < 100_000:
            body += (await receive())["body"]
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(receive(), 0.001)
        seen.append(len(body))
        seen.append((await receive())["type"])

    async def main(connect):
        client = await connect()
        client.send("POST", "/in", "Content-Length: 100000\r\n")
        await until(lambda: seen)
        (request,) = outer.mounts[0][1].running
        assert request.connection.phase == "handler"  # the deadline of a body that is awaited is over
        for _ in range(9):
            client.writer.write(10_000 * b"x")
            await asyncio.sleep(0.001)
        await until(lambda: request.deaf)  # more than the server receives ahead
        go.set()
        client.writer.write(10_000 * b"x")
        await until(lambda: len(seen) == 2)
        client.writer.close()
        await until(lambda: seen == ["given up", 100_000, "http.disconnect"])

        seen.clear()
        go.clear()
        client = await connect()
        client.send("POST", "/in", "", 100_000 * b"x")
        await until(lambda: seen)
        (request,) = outer.mounts[0][1].running
        client.writer.close()  # before any of the body is read
        await until(lambda: request.deaf)
        go.set()
        await until(lambda: seen == ["given up", 100_000, "http.disconnect"])

    outer = mounted(app)
    beside(outer, main)


def test_who_is_behind_makes_an_asgi_application_wait():
    sent = []
    received = []
    go = asyncio.Event()

    async def app(scope, receive, send):
        if scope["method"] == "POST":
            await go.wait()
            while (event := await receive())["more_body"]:
                received.append(len(event["body"]))
            received.append(len(event["body"]))
            await answering(b"%d" % sum(received))(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(64):
            await send({"type": "http.response.body", "body": MEGABYTE * b"x", "more_body": True})
            sent.append(MEGABYTE)
        await send({"type": "http.response.body"})

    async def main(connect):
        client = await connect()
        client.send("GET", "/in")
        await client.head()
        other = await connect()
        other.send("POST", "/in", f"Content-Length: {64 * MEGABYTE}\r\n")
        uploading = asyncio.create_task(upload(other))
        third = await connect()
        for _ in range(20):  # whom they do not hold up
            assert (await third.ask("GET", "/"))[0] == "404 Not Found"
        assert sum(sent) < 32 * MEGABYTE  # what buffers of the system's take
        assert not uploading.done()
        go.set()
        total = 0
        while piece := await client.piece():
            total += len(piece)
        assert total == 64 * MEGABYTE
        await uploading
        assert (await other.answer())[2] == b"%d" % (64 * MEGABYTE)
        assert max(received) <= 65536

    async def upload(client):
        for _ in range(64):
            client.writer.write(MEGABYTE * b"x")
            await client.writer.drain()

    beside(mounted(app), main)


def test_what_is_left_of_a_body_that_was_not_read():
    async def main(connect):
        client = await connect()
        for fields in ("", "Transfer-Encoding: chunked\r\n"):
            body = b"5\r\nsmall\r\n0\r\n\r\n" if fields else b"small"
            for _ in range(2):
                assert (await client.ask("POST", "/in", fields, body))[2] == b"ok"
        client.send("POST", "/in", "Content-Length: 1000\r\n")
        status, fields, body = await client.answer()
        assert (status, fields["connection"], body) == ("200 OK", "close", b"ok")
        assert await client.end() == b""
        client = await connect()
        client.writer.write(2 * b"POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")  # at once
        for _ in range(2):
            assert (await client.answer())[2] == b"ok"

    beside(mounted(answering(b"ok")), main)


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_a_malformed_chunk_is_the_clients_fault(interface):
    async def asynchronous(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        with contextlib.suppress(OSError):
            await answering(b"ok")(scope, receive, send)

    def plain(environ, start_response):
        with contextlib.suppress(OSError):
            environ["wsgi.input"].read()
        start_response("200 OK", [])
        return [b"ok"]

    async def main(connect):
        client = await connect()
        client.send("POST", "/in", "Transfer-Encoding: chunked\r\n")
        client.writer.write(b"10000\r\n" + 65536 * b"x" + b"\r\nzz\r\n")
        status, fields, _ = await client.answer()
        assert (status, fields["connection"]) == ("400 Bad Request", "close")

    beside(mounted(asynchronous if interface == "asgi" else plain), main)


# -- ASGI: lifespan --------------------------------------------------------------------------------------


def test_the_lifespan_is_the_servers():
    seen = []

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            assert (await receive())["type"] == "lifespan.startup"
            await asyncio.sleep(0.01)
            scope["state"]["pool"] = seen
            seen.append("started")
            await send({"type": "lifespan.startup.complete"})
            assert (await receive())["type"] == "lifespan.shutdown"
            seen.append("stopped")
            await send({"type": "lifespan.shutdown.complete"})
            return
        scope["state"]["pool"].append("request")
        scope["state"]["own"] = 1
        assert list(scope["state"]) == ["pool", "own"]
        await answering(b"ok")(scope, receive, send)
        await asyncio.sleep(0.01)
        seen.append("behind the answer")

    async def main(connect):
        client = await connect()
        assert (await client.ask("GET", "/in"))[2] == b"ok"

    beside(mounted(app), main)
    assert seen == ["started", "request", "behind the answer", "stopped"]


def test_an_application_that_cannot_start(logged):
    async def app(scope, receive, send):
        try:
            raise ValueError("no database")
        except ValueError:
            await send({"type": "lifespan.startup.failed", "message": "Traceback:\n ...\nValueError: no database\n"})
            raise

    with pytest.raises(ListenError) as caught:
        beside(mounted(app), None)
    assert caught.value.strerror == "the application at /in cannot start: ValueError: no database"
    assert "Traceback" in str(logged.pop())


def test_an_application_that_cannot_start_is_told_in_one_line(start, tmp_path):
    file = tmp_path / "app.py"
    file.write_text(
        "from webhal import App\n"
        "async def foreign(scope, receive, send):\n"
        "    await send({'type': 'lifespan.startup.failed', 'message': 'no database'})\n"
        "app = App()\n"
        "app.mount('/shop', foreign)\n"
        "if __name__ == '__main__':\n"
        "    app.run(port=0, host='127.0.0.1')\n"
    )
    told = "webhal: the application at /shop cannot start: no database\n"
    assert start.webhal("run", str(file), "--port", "0").end() == (1, told)
    assert start(str(file)).end() == (1, told)


def test_what_never_ends_is_ended_when_the_server_stops(monkeypatch):
    for module in (asgi, exchange):
        monkeypatch.setattr(module, "GRACE_MS", 50)
    seen = []
    never = threading.Event()

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            seen.append("stopped")
            await send({"type": "lifespan.shutdown.complete"})
            return
        try:
            seen.append("began")
            await asyncio.sleep(1000)
        finally:
            seen.append("cancelled")

    def wsgi(environ, start_response):
        seen.append("began")
        never.wait()
        start_response("200 OK", [])
        return []

    outer = mounted(app)
    outer.mount("/wsgi", wsgi)

    clients = []

    async def main(connect):
        for path in ("/in", "/wsgi", "/in"):
            clients.append(socket.create_connection(("127.0.0.1", connect.port)))
            clients[-1].sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await until(lambda: seen == 3 * ["began"])
        clients.pop().close()  # of an application that does not ask whether it has left

    beside(outer, main)
    assert seen == 3 * ["began"] + 2 * ["cancelled"] + ["stopped"]
    never.set()
    for client in clients:
        client.close()


# -- ASGI: WebSockets ------------------------------------------------------------------------------------


async def chat(scope, receive, send):
    if scope["type"] != "websocket":
        return await answering(b"http")(scope, receive, send)
    chat.scope = scope
    assert await receive() == {"type": "websocket.connect"}
    kind = scope["path"].rpartition("/")[2]
    if kind == "refused":
        return await send({"type": "websocket.close"})
    if kind == "denied":
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-why", b"key")]})
        return await send({"type": "websocket.http.response.body", "body": b"a key"})
    if kind == "early":
        raise ZeroDivisionError
    if kind == "split":
        await send({"type": "websocket.accept", "subprotocol": "a\r\nb: c"})
    protocol = "b" if scope["subprotocols"] else None
    await send({"type": "websocket.accept", "subprotocol": protocol, "headers": [(b"x-own", b"1")]})
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            chat.left = event
            await send({"type": "websocket.send", "text": "too late"})  # raises OSError, which nobody needs to read
        if event.get("text") == "raise":
            raise ZeroDivisionError
        if event.get("text") == "return":
            return
        if event.get("text") == "close":
            await send({"type": "websocket.close", "code": 4000, "reason": "enough"})
            return
        await send({**event, "type": "websocket.send"})


def test_websockets(logged):
    async def main(server):
        url = f"ws://127.0.0.1:{server.port}/in/"

        async with connect(url + "talk?x", subprotocols=["a", "b"], proxy=None) as client:
            assert client.subprotocol == "b" and client.response.headers["X-Own"] == "1"
            for message in ("text é", b"bytes", 100_000 * "long"):
                await client.send(message)
                assert await client.recv() == message
            assert chat.scope["scheme"] == "ws" and chat.scope["subprotocols"] == ["a", "b"]
            assert chat.scope["query_string"] == b"x" and "method" not in chat.scope
            await client.close(4001, "bye")
        await until(lambda: hasattr(chat, "left"))
        assert chat.left == {"type": "websocket.disconnect", "code": 4001, "reason": "bye"}
        for text, code, reason in (("return", 1000, ""), ("close", 4000, "enough"), ("raise", 1011, "")):
            async with connect(url, proxy=None) as client:
                await client.send(text)
                with pytest.raises(ConnectionClosed):
                    await client.recv()
                assert (client.close_code, client.close_reason) == (code, reason)
        for path, status, body in (
            ("refused", 403, b"Forbidden\n"),
            ("denied", 401, b"a key"),
            ("early", 500, None),
            ("split", 500, None),
        ):
            with pytest.raises(InvalidStatus) as caught:
                async with connect(url + path, proxy=None):
                    pass
            assert caught.value.response.status_code == status
            assert body in (caught.value.response.body, None)
        client = await server()
        assert (await client.ask("GET", "/in", "Upgrade: websocket\r\n"))[0] == "426 Upgrade Required"
        assert (await (await server()).ask("GET", "/in"))[2] == b"http"
        assert [type(error) for error in logged] == 2 * [ZeroDivisionError] + [ValueError]
        logged.clear()

    beside(mounted(chat), main)


def test_a_websocket_ends_with_the_server():
    chat.left = None

    async def main(server):
        client = await connect(f"ws://127.0.0.1:{server.port}/in/", proxy=None).__aenter__()
        clients.append(client)
        await client.send("x")
        assert await client.recv() == "x"

    clients = []
    beside(mounted(chat), main)
    assert chat.left["type"] == "websocket.disconnect"


# -- WSGI ------------------------------------------------------------------------------------------------


def test_what_a_wsgi_application_is_told_of_a_request():
    told = []

    def app(environ, start_response):
        told.append(environ)
        start_response("200 OK", [])
        return [environ["wsgi.input"].read()]

    async def main(connect):
        client = await connect()
        fields = "X-Twice: 1\r\nx-twice:  \xe9 \r\nX_Twice: 3\r\nContent-Type: a/b\r\nCookie: a=b\r\nCookie: c=d\r\n"
        assert (await client.ask("POST", "/in/caf%C3%A9/?q=%20&r", fields, b"body"))[2] == b"body"
        environ = told.pop()
        address, port = client.writer.get_extra_info("sockname")
        assert {name: value for name, value in environ.items() if isinstance(value, (str, bool, tuple))} == {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "/in",
            "PATH_INFO": "/cafÃ©/",
            "QUERY_STRING": "q=%20&r",
            "REQUEST_URI": "/in/caf%C3%A9/?q=%20&r",
            "CONTENT_TYPE": "a/b",
            "CONTENT_LENGTH": "4",
            "HTTP_HOST": "x",
            "HTTP_X_TWICE": "1, \xe9",
            "HTTP_COOKIE": "a=b; c=d",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(connect.port),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": address,
            "REMOTE_PORT": str(port),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input_terminated": True,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        await client.ask("GET", "/in")
        assert told.pop()["PATH_INFO"] == ""

    beside(mounted(app), main)


def test_a_wsgi_validator_is_content(capsys):
    def app(environ, start_response):
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"written ")
        return iter([environ["wsgi.input"].read(3), environ["wsgi.input"].readline(100), b"", b" end"])

    async def main(connect):
        client = await connect()
        assert (await client.ask("GET", "/in/x?y"))[2] == b"written  end"
        assert (await client.ask("POST", "/in/", "", b"a body\nof two lines"))[2] == b"written a body\n end"
        assert (await client.ask("HEAD", "/in/"))[2] == b""
        assert (await client.ask("GET", "/in/"))[2] == b"written  end"

    beside(mounted(validator(app)), main)
    assert capsys.readouterr().err == ""


def test_how_the_end_of_a_wsgi_answer_is_told():
    """By the application's Content-Length, by that of a list, else by chunks."""

    def app(environ, start_response):
        kind = environ["PATH_INFO"][1:]
        if kind == "late":  # as a generator does
            return late(start_response)
        start_response("200 Fine", [("Content-Length", "4")] if kind == "counted" else [])
        return {"counted": iter([b"bo", b"dy"]), "list": [b"bo", b"dy"], "slow": slow(), "empty": ()}[kind]

    def slow():
        yield b"bo"
        assert go.wait(PATIENCE_S)
        yield b"dy"

    def late(start_response):
        start_response("200 Fine", [])
        yield b""
        yield b"body"

    go = threading.Event()

    async def main(connect):
        client = await connect()
        for kind in ("counted", "list", "late", "slow", "empty"):
            for method in ("GET", "HEAD"):
                client.send(method, "/in/" + kind)
                if kind == "slow" and method == "GET":
                    assert (await client.head())[1]["transfer-encoding"] == "chunked"
                    assert await client.piece() == b"bo"  # before the next is there
                    go.set()
                    assert await client.piece() == b"dy" and await client.piece() == b""
                    continue
                status, fields, body = await client.answer(method == "HEAD")
                assert status == "200 Fine"
                assert body == (b"body" if method == "GET" and kind != "empty" else b"")
                if kind == "counted" or method == "GET" and kind == "list":
                    assert fields["content-length"] == "4"

    beside(mounted(app), main)


def test_a_wsgi_body_is_read_as_it_comes():
    size = 8 * MEGABYTE
    read = []

    def app(environ, start_response):
        body = environ["wsgi.input"]
        start_response("200 OK", [])
        yield body.readline()
        while piece := body.read(100_000):
            read.append(len(piece))
        yield b"%d" % sum(read)

    async def main(connect):
        for fields in ("", "Transfer-Encoding: chunked\r\n"):
            client = await connect()
            client.send("POST", "/in", fields or f"Content-Length: {6 + size}\r\n")
            client.writer.write(b"10006\r\n" * bool(fields) + b"first\n" + 65536 * b"x" + b"\r\n" * bool(fields))
            await client.head()
            assert await client.piece() == b"first\n"  # long before the end is sent
            for _ in range(size // 65536 - 1):
                client.writer.write(b"10000\r\n" * bool(fields) + 65536 * b"x" + b"\r\n" * bool(fields))
                await client.writer.drain()
            client.writer.write(b"0\r\n\r\n" * bool(fields))
            assert await client.piece() == b"%d" % size
            assert max(read) <= 100_000
            read.clear()

    beside(mounted(app), main)


def test_start_response_and_what_a_wsgi_application_may_not(logged):
    closed = []

    class Answer(list):
        def __iter__(self):
            for each in super().__iter__():
                if isinstance(each, Exception):
                    raise each
                yield each

        def close(self):
            closed.append(self)

    def app(environ, start_response):
        kind = environ["PATH_INFO"][1:]
        if kind == "replaced":
            start_response("200 OK", [("X", "1")])
            try:
                raise ValueError
            except ValueError:
                start_response("503 Sorry", [("X", "2")], sys.exc_info())
            return Answer([b"sorry"])
        if kind == "too-late":
            start_response("200 OK", [])(b"begin")
            try:
                raise ValueError
            except ValueError:
                start_response("500 Sorry", [], sys.exc_info())
        if kind == "twice":
            start_response("200 OK", [])
        if kind == "without":
            return Answer([b"body"])
        status = {"status": "OK", "early": "100 Continue"}.get(kind, "200 OK")
        fields = {
            "hop": [("Transfer-Encoding", "chunked")],
            "field": [("X", "a\r\nb: c")],
            "number": [("X", 1)],
            "short": [("Content-Length", "9")],
            "long": [("Content-Length", "1")],
        }
        start_response(status, fields.get(kind, []))
        pieces = {"raises": [ValueError()], "text": ["text"], "cut": [b"body", ValueError()]}
        return Answer(pieces.get(kind, [b"body"]))

    async def main(connect):
        client = await connect()
        status, fields, body = await client.ask("GET", "/in/replaced")
        assert (status, fields["x"], body) == ("503 Sorry", "2", b"sorry")
        kinds = "twice without status early hop field number long raises text".split()
        for kind in kinds:
            assert (kind, (await client.ask("GET", "/in/" + kind))[0]) == (kind, "500 Internal Server Error")
        for kind, begin in (("too-late", b"begin"), ("short", b"body"), ("cut", b"body")):
            client = await connect()
            client.send("GET", "/in/" + kind, "Connection: close\r\n")
            came = await client.end()
            assert begin in came or (kind == "short" and b" 500 " in came)  # all of it was here before any was sent
        await until(lambda: len(logged) == len(kinds) + 3)
        logged.clear()
        await until(lambda: len(closed) == 7)  # all that it has returned

    beside(mounted(app), main)


def test_a_client_that_leaves_a_wsgi_application():
    seen = []

    class Endless:
        def __iter__(self):
            return self

        def __next__(self):
            return MEGABYTE * b"x"

        def close(self):
            seen.append("closed")

    def app(environ, start_response):
        if environ["REQUEST_METHOD"] == "POST":
            try:
                environ["wsgi.input"].read()
            except OSError:
                seen.append("told")
                raise
        start_response("200 OK", [])
        seen.append("began")
        return Endless()

    async def main(connect):
        client = await connect()
        client.send("GET", "/in")
        await client.head()
        client.writer.transport.abort()
        await until(lambda: seen == ["began", "closed"])
        seen.clear()
        client = await connect()
        client.send("POST", "/in", "Content-Length: 100000\r\n")
        client.writer.write(70000 * b"x")  # of more than is read before there is a thread for it
        await asyncio.sleep(0)
        client.writer.close()
        await until(lambda: seen == ["told"])

    beside(mounted(app), main)


def test_who_is_behind_makes_a_wsgi_application_wait():
    sent = []

    def app(environ, start_response):
        start_response("200 OK", [])
        for _ in range(64):
            yield MEGABYTE * b"x"
            sent.append(MEGABYTE)

    async def main(connect):
        client = await connect()
        client.send("GET", "/in")
        await client.head()
        other = await connect()
        for _ in range(20):
            assert (await other.ask("GET", "/"))[0] == "404 Not Found"
        assert sum(sent) < 32 * MEGABYTE
        total = 0
        while piece := await client.piece():
            total += len(piece)
        assert total == 64 * MEGABYTE

    beside(mounted(app), main)


def test_files_of_wsgi_applications(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(MEGABYTE * b"x")

    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", str(MEGABYTE))])
        files.append(path.open("rb"))
        return environ["wsgi.file_wrapper"](files[-1])

    files = []

    async def main(connect):
        client = await connect()
        assert (await client.ask("GET", "/in"))[2] == MEGABYTE * b"x"
        assert (await client.ask("HEAD", "/in"))[2] == b""
        await until(lambda: len(files) == 2 and all(file.closed for file in files))

    beside(mounted(app), main)


def test_threads_are_as_many_as_are_needed_and_bounded():
    threads = Threads(2)
    go = threading.Event()
    both = threading.Barrier(3, timeout=PATIENCE_S)
    seen = [threads.submit(both.wait) for _ in range(2)]
    both.wait()
    assert [each.result() in range(3) for each in seen] == [True, True]
    seen = [threads.submit(lambda: (go.wait(PATIENCE_S), threading.current_thread().daemon)) for _ in range(5)]
    go.set()
    assert [each.result() for each in seen] == 5 * [(True, True)]
    assert threads.count == 2
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 / 0).result()


# -- frameworks ------------------------------------------------------------------------------------------


def test_starlette():
    starlette = pytest.importorskip("starlette.applications")
    from starlette.background import BackgroundTask
    from starlette.requests import Request
    from starlette.responses import JSONResponse, StreamingResponse
    from starlette.routing import Route, WebSocketRoute

    seen = []

    @contextlib.asynccontextmanager
    async def lifespan(app):
        yield {"name": "state"}
        seen.append("stopped")

    async def index(request: Request):
        answer = {"name": request.state.name, "url": str(request.url_for("item", n=1)), "form": await request.json()}
        return JSONResponse(answer, background=BackgroundTask(seen.append, "background"))

    async def item(request):
        async def pieces():
            for n in range(3):
                yield f"{n} "
                await asyncio.sleep(0)

        return StreamingResponse(pieces())

    async def echo(ws):
        await ws.accept()
        async for text in ws.iter_text():
            await ws.send_text(text)

    routes = [
        Route("/", index, methods=["POST"]),
        Route("/items/{n:int}", item, name="item"),
        WebSocketRoute("/ws", echo),
    ]

    async def main(connect_client):
        client = await connect_client()
        body = (await client.ask("POST", "/in/", "", b'{"a": 1}'))[2]
        assert json.loads(body) == {"name": "state", "url": "http://x/in/items/1", "form": {"a": 1}}
        assert (await client.ask("GET", "/in/items/3"))[2] == b"0 1 2 "
        async with connect(f"ws://127.0.0.1:{connect_client.port}/in/ws", proxy=None) as ws:
            await ws.send("echo")
            assert await ws.recv() == "echo"

    beside(mounted(starlette.Starlette(routes=routes, lifespan=lifespan)), main)
    assert seen == ["background", "stopped"]


def test_fastapi():
    fastapi = pytest.importorskip("fastapi")
    app = fastapi.FastAPI()

    @app.get("/items/{n}")
    def item(n: int, q: str = ""):
        return {"n": n, "q": q}

    async def main(connect):
        client = await connect()
        assert (await client.ask("GET", "/in/items/3?q=x"))[2] == b'{"n":3,"q":"x"}'
        assert (await client.ask("GET", "/in/items/x"))[0] == "422 Unprocessable Content"
        assert b"/in/openapi.json" in (await client.ask("GET", "/in/docs"))[2]

    beside(mounted(app), main)


def test_flask():
    flask = pytest.importorskip("flask")
    app = flask.Flask("shop")

    @app.post("/form")
    def form():
        return {"form": flask.request.form, "url": flask.url_for("stream", n=2)}

    @app.get("/stream/<int:n>")
    def stream(n):
        return flask.Response(f"{each} " for each in range(n))

    @app.get("/fails")
    def fails():
        raise ZeroDivisionError

    async def main(connect):
        client = await connect()
        kind = "Content-Type: application/x-www-form-urlencoded\r\n"
        body = b"a=1&b=2"
        chunks = b"7\r\n" + body + b"\r\n0\r\n\r\n"
        for fields, sent in ((kind, body), (kind + "Transfer-Encoding: chunked\r\n", chunks)):
            answer = (await client.ask("POST", "/in/form", fields, sent))[2]
            assert json.loads(answer) == {"form": {"a": "1", "b": "2"}, "url": "/in/stream/2"}
        assert (await client.ask("GET", "/in/stream/3"))[2] == b"0 1 2 "
        app.logger.disabled = True
        assert (await client.ask("GET", "/in/fails"))[0] == "500 INTERNAL SERVER ERROR"
        assert (await client.ask("GET", "/in/none"))[0] == "404 NOT FOUND"

    beside(mounted(app), main)


def test_django():
    django = pytest.importorskip("django")
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application
    from django.http import JsonResponse, StreamingHttpResponse
    from django.urls import path, reverse

    def form(request):
        return JsonResponse({"form": request.POST.dict(), "url": reverse("stream", args=[2])})

    def stream(request, n):
        return StreamingHttpResponse(f"{each} " for each in range(n))

    async def pieces(request, n):
        async def generator():
            for each in range(n):
                yield f"{each} "

        return StreamingHttpResponse(generator())

    routes = (path("form", form), path("stream/<int:n>", stream, name="stream"), path("pieces/<int:n>", pieces))
    settings.configure(ROOT_URLCONF=routes)
    django.setup()

    async def main(connect):
        client = await connect()
        for prefix, streams in (("/asgi", "/pieces/3"), ("/wsgi", "/stream/3")):
            kind = "Content-Type: application/x-www-form-urlencoded\r\n"
            answer = (await client.ask("POST", prefix + "/form", kind, b"a=1&b=2"))[2]
            assert json.loads(answer) == {"form": {"a": "1", "b": "2"}, "url": prefix + "/stream/2"}
            assert (await client.ask("GET", prefix + streams))[2] == b"0 1 2 "

    app = App()
    app.mount("/asgi", get_asgi_application())
    app.mount("/wsgi", get_wsgi_application())
    beside(app, main)


def test_the_example_of_the_guide(start, curl, tmp_path):
    pytest.importorskip("fastapi")
    pytest.importorskip("flask")
    guide = Path(__file__).resolve().parents[2] / "docs/mounting.md"
    (tmp_path / "app.py").write_text(re.search(r"(?ms)^```python app.py\n(.*?)^```$", guide.read_text("utf-8"))[1])
    process = start.webhal("run", "app.py", "--port", "0", "--host", "127.0.0.1", cwd=tmp_path)
    url = process.line(r"(http://.*/) ")[1]
    answers = {"": b"from webhal", "shop/items/5": b'{"number":5}', "old/hello": b"from Flask"}
    for path, answer in answers.items():
        assert curl(url + path) == answer
    assert b"/shop/openapi.json" in curl(url + "shop/docs")
    assert process.stop(signal.SIGTERM) == (0, "")
    routes = [line.split() for line in start.webhal("routes", "app.py", cwd=tmp_path).rest()]
    assert routes[1:] == [["*", "/shop/…", "FastAPI"], ["*", "/old/…", "Flask"]]
