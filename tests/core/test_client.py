"""TestClient: what it sends, what it makes of an answer, virtual time, cookies, and what it says of broken answers."""

import sys

from serving import raises

import webhal.log
from webhal import App, Response, abort, sleep_ms
from webhal.testing import TestClient
from webhal.testing.client import _joined, _parse


def mirror():
    """An application that answers with what it was asked."""
    app = App()

    @app.route("/mirror", ("GET", "POST", "PUT", "PATCH", "DELETE"))
    def answer(request):
        fields = {name: value for name, value in request.headers.items() if name not in ("host", "connection")}
        return {"method": request.method, "target": request.target, "fields": fields, "text": request.text}

    @app.post("/form")
    def form(request):
        return {name: request.form[name] for name in request.form}

    @app.post("/json")
    def json(request):
        return {"got": request.json}

    return app


def test_methods():
    client = TestClient(mirror())
    for method in ("get", "post", "put", "patch", "delete"):
        assert getattr(client, method)("/mirror?a=%20b").json()["method"] == method.upper()
    assert client.get("/mirror?a=%20b").json()["target"] == "/mirror?a=%20b"
    assert (client.head("/mirror").status, client.head("/mirror").body) == (200, b"")
    assert client.options("/mirror").headers["allow"] == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


def test_bodies():
    client = TestClient(mirror())
    seen = client.post("/mirror", body="grüß").json()
    assert seen["text"] == "grüß" and seen["fields"] == {"content-length": "6"}
    assert client.post("/mirror", body=b"ab").json()["text"] == "ab"
    assert client.post("/mirror", body="").json()["fields"] == {"content-length": "0"}
    assert client.post("/mirror").json()["fields"] == {}
    seen = client.post("/mirror", body=iter(["a", b"bc", ""])).json()
    assert seen["text"] == "abc" and seen["fields"] == {"transfer-encoding": "chunked"}
    assert client.post("/json", json={"a": [1, None]}).json() == {"got": {"a": [1, None]}}
    assert client.post("/json", json=[]).json() == {"got": []}
    pairs = {"a b": "1&2", "ü": "=+%", "n": 5}
    assert client.post("/form", form=pairs).json() == {"a b": "1&2", "ü": "=+%", "n": "5"}


def test_headers_replace_the_usual_ones():
    client = TestClient(mirror())
    seen = client.post("/mirror", headers={"X-A": "b", "content-type": "text/x"}, json=1).json()["fields"]
    assert seen["x-a"] == "b" and seen["content-type"] == "text/x"
    app = App()
    app.get("/")(lambda request: request.headers["host"])
    assert TestClient(app).get("/", headers={"Host": "example.org"}).text == "example.org"


def test_errors_are_answers():
    app = App()

    @app.get("/broken")
    def broken(request):
        raise ValueError("see the log")

    client = TestClient(app, raise_errors=False)
    assert client.get("/broken").status == 500
    assert client.get("/none").status == 404
    assert client.get("/a b").status == 400
    assert client.request("BREW", "/").status == 501
    assert TestClient(app, body=3).post("/", body="1234").status == 413
    assert client.get("/none").status == 404


def failing():
    """An application, each of whose routes but /good fails in another place, by a ValueError that says where."""
    app = App()

    def fail(where):
        raise ValueError(where)

    async def waits(request):
        await sleep_ms(10)
        fail("/async")

    def streams(request):
        yield "begun"
        fail("/stream")

    app.get("/good")(lambda request: "good")
    app.get("/plain")(lambda request: fail("/plain"))
    app.get("/async")(waits)
    app.get("/stream")(streams)
    app.get("/field")(lambda request: ("", 200, {"X": "\r/field"}))
    app.get("/hook")(lambda request: "")
    app.before_request(lambda request: fail("/hook") if request.path == "/hook" else None)
    app.get("/event")(lambda request: "")
    app.on("response")(lambda request, status, length: fail("/event") if request.path == "/event" else None)
    return app


def test_what_an_application_raises_is_raised_in_the_test():
    client = TestClient(failing())
    for path in ("/plain", "/async", "/stream", "/field", "/hook", "/event"):
        assert path in str(raises(ValueError, lambda path=path: client.get(path)))
        assert client.get("/good").text == "good"
    app = failing()
    app.error(500)(lambda request, error: "an answer, and a traceback")
    assert "/plain" in str(raises(ValueError, lambda: TestClient(app).get("/plain")))
    assert webhal.log.report is None


def test_what_an_application_answers_itself_is_an_answer():
    app = failing()
    app.get("/abort")(lambda request: abort(500))
    app.error(ValueError)(lambda request, error: (str(error), 422))
    client = TestClient(app)
    assert client.get("/abort").status == 500
    assert (client.get("/plain").status, client.get("/plain").text) == (422, "/plain")


def test_responses():
    app = App()
    app.get("/")(lambda request: Response("grüß", 200, {"X-A": ["1", "2"]}))
    app.get("/bytes")(lambda request: b"\xff")
    response = TestClient(app).get("/")
    assert response.text == "grüß" and response.body == "grüß".encode() and response.headers["X-a"] == "1, 2"
    assert response.headers.getlist("X-A") == ["1", "2"]
    raises(ValueError, response.json)
    raises(UnicodeError, lambda: TestClient(app).get("/bytes").text)


def test_a_response_shows_what_it_is():
    app = App()
    app.get("/")(lambda request: ("tea\n", 418))
    app.get("/long")(lambda request: b"x" * 1000)
    client = TestClient(app)
    assert repr(client.get("/")) == "<TestResponse 418, 4 bytes: b'tea\\n'>"
    assert repr(client.get("/long")) == "<TestResponse 200, 1000 bytes: %r>" % (b"x" * 60)


def reader():
    """An application that answers with the sizes of the pieces in which it read the body."""
    app = App()

    @app.post("/<int:most>", stream=True)
    async def read(request, most):
        sizes = []
        while not sizes or sizes[-1]:
            sizes.append(len(await request.read(most)))
        return sizes

    return app


def test_a_handler_reads_as_much_as_it_asks_for():
    client = TestClient(reader())
    for most, sizes in ((600, [600, 600, 300, 0]), (750, [750, 750, 0]), (1500, [1500, 0]), (2000, [1500, 0])):
        assert client.post("/%d" % most, body=b"x" * 1500).json() == sizes
    assert client.post("/2000", body=iter([b"x" * 1100, b"y" * 100])).json() == [1100, 100, 0]
    assert client.post("/2000", body="").json() == [0]


def test_a_buffer_cuts_what_a_handler_reads():
    sizes = TestClient(reader(), buffer=100).post("/70", body="x" * 200).json()
    assert sum(sizes) == 200 and max(sizes) <= 70 and len(sizes) > 4


def test_a_large_upload_is_received_at_once():
    client = TestClient(reader())
    client.post("/1500", body=b"x" * 1500)
    few = client.network.calls["recv_into"]
    client.post("/1500", body=b"x")
    assert client.network.calls["recv_into"] == 2 * few


def test_time_is_virtual():
    app = App()

    @app.get("/")
    async def handler(request):
        await sleep_ms(300_000)
        return "slept"

    @app.get("/ticks")
    async def ticks(request):
        try:
            while True:
                yield "tick "
                await sleep_ms(1000)
        finally:
            ended.append(True)

    @app.get("/fast")
    def fast(request):
        while True:
            yield "x"

    ended = []
    client = TestClient(app)
    assert client.get("/").text == "slept"
    assert 300_000 <= client.network.now < 301_000
    assert client.get("/ticks", ms=3500).text == "tick " * 4
    assert ended == [True]  # the client left
    assert 30 < len(client.get("/fast", ms=100).text) < 120
    assert client.get("/", ms=300_100).text == "slept"
    assert "no answer" in str(raises(OSError, lambda: client.get("/", ms=1000)))


def test_cookies_are_kept():
    app = App()

    @app.get("/set/<name>/<value>")
    def store(request, name, value):
        response = Response("")
        response.set_cookie(name, value)
        return response

    @app.get("/delete/<name>")
    def delete(request, name):
        response = Response("")
        response.set_cookie(name, "", max_age=0)
        return response

    app.get("/")(lambda request: dict(request.cookies.items()))
    client = TestClient(app)
    assert client.get("/").json() == {}
    client.get("/set/a/1")
    client.get("/set/b/2=3")
    assert client.get("/").json() == {"a": "1", "b": "2=3"} == client.cookies
    client.get("/set/a/4")
    client.get("/delete/b")
    client.get("/delete/none")
    assert client.get("/").json() == {"a": "4"}
    assert client.get("/", headers={"Cookie": "c=5"}).json() == {"c": "5"}
    client.cookies["d"] = "6"
    assert client.get("/").json() == {"a": "4", "d": "6"}
    assert TestClient(app).cookies == {}


def test_100_continue_is_passed_over():
    client = TestClient(mirror())
    data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok"
    response = _parse("POST", data, True)
    assert (response.status, response.body) == (201, b"ok")
    assert client.post("/mirror", headers={"Expect": "100-continue"}, body="x").json()["text"] == "x"


def test_broken_answers_are_told():
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for method, data in (
        ("GET", b""),
        ("GET", b"HTTP/1.1 200 OK\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\nabc"),
        ("GET", chunked + b"1\r\na\r\n"),
        ("GET", chunked + b"3\r\nab"),
        ("GET", chunked),
        ("GET", chunked + b"1\r\na\r\n0\r\n\r\nmore"),
    ):
        raises(OSError, lambda method=method, data=data: _parse(method, data, True))
    assert _parse("GET", chunked + b"3\r\nab", False).body == b"ab"
    assert _parse("GET", b"HTTP/1.0 200 OK\r\n\r\nto the end", True).body == b"to the end"


if sys.implementation.name == "cpython":  # where a class of one's own can be bytes

    def test_chunks_are_copied_once():
        class Counted(bytes):
            copied = 0

            def __getitem__(self, index):
                piece = Counted(bytes.__getitem__(self, index))
                Counted.copied += len(piece)
                return piece

        data = Counted(b"3\r\nabc\r\n" * 500 + b"0\r\n\r\n")
        assert _joined(data) == (b"abc" * 500, True)
        assert Counted.copied <= len(data)


def test_a_server_that_closes_or_stops():
    app = App()

    @app.get("/cut")
    def cut(request):
        yield "a"
        raise ValueError("see the log")

    @app.get("/stop")
    def stop(request):
        client.server.stop()
        return "bye"

    client = TestClient(app, raise_errors=False)
    assert "not whole" in str(raises(OSError, lambda: client.get("/cut")))
    assert client.get("/stop").text == "bye"
    assert client.get("/stop").text == "bye"  # who had come before it stopped listening
    assert "does not listen" in str(raises(OSError, lambda: client.get("/stop")))


def test_there_is_more_for_who_needs_it():
    app = App()
    app.get("/")(lambda request: "hello")
    client = TestClient(app, connections=2, deadlines=(1, 1, 1, 1))
    raw = client.network.connect()
    raw.send(b"GET / HTTP/1.0\r\n\r\n")
    client.server.step(10)
    client.server.step(10)
    assert raw.received.endswith(b"hello")
    assert client.server.connections == 2


def test_what_runs_beside_serving():
    app = App()
    runs = []
    app.every(5)(lambda: runs.append(1))

    @app.get("/spawn")
    def spawn(request):
        async def job():
            runs.append("begun")
            await sleep_ms(1000)
            raise ValueError("see the log")

        app.spawn(job())
        return ""

    client = TestClient(app)
    client.get("/spawn")
    assert runs == [1, "begun"]
    raises(ValueError, client.run, 2000)
    client.run(10000)
    assert runs == [1, "begun", 1, 1]
