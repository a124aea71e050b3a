"""What an application returns and what hooks see: every kind of return value, hooks, events, mounted applications."""

from serving import get, serve

from webhal import App, Response, abort
from webhal.testing import TestClient


def test_every_kind_of_return_value():
    app = App()
    values = {
        "str": ("grüß", 200, "text/html; charset=utf-8", "grüß".encode()),
        "bytes": (b"\x00\xff", 200, "application/octet-stream", b"\x00\xff"),
        "bytearray": (bytearray(b"ab"), 200, "application/octet-stream", b"ab"),
        "memoryview": (memoryview(b"abc")[1:], 200, "application/octet-stream", b"bc"),
        "dict": ({"a": [1, None, True]}, 200, "application/json", b'{"a": [1, null, true]}'),
        "list": ([1, "x"], 200, "application/json", b'[1, "x"]'),
        "none": (None, 204, None, b""),
        "empty": ("", 200, "text/html; charset=utf-8", b""),
        "empty elsewhere": (("", 201), 201, None, b""),
        "iterator": (iter(["a", b"b"]), 200, "text/html; charset=utf-8", b"ab"),
        "generator": ((piece for piece in (b"x", "y")), 200, "application/octet-stream", b"xy"),
        "pair": (("made", 201), 201, "text/html; charset=utf-8", b"made"),
        "triple": (("t", 418, {"Content-Type": "text/plain", "X-A": "b"}), 418, "text/plain", b"t"),
        "response": (Response({"a": 1}, 202), 202, "application/json", b'{"a": 1}'),
        "response none": (Response(None), 204, None, b""),
        "none with status": ((None, 404), 404, None, b""),
        "none with 304": ((None, 304), 304, None, b""),
    }
    app.get("/<name>")(lambda request, name: values[name][0])
    client = TestClient(app)
    for name in values:
        response = client.get("/" + name.replace(" ", "%20"))
        kind = response.headers.get("content-type")
        assert (response.status, kind, response.body) == values[name][1:], name


def test_a_field_with_several_values_is_sent_so():
    app = App()
    app.get("/")(lambda request: Response("", 200, {"Link": ["<a>", "<b>"], "X-N": 5}))
    headers = TestClient(app).get("/").headers
    assert headers.getlist("link") == ["<a>", "<b>"] and headers["x-n"] == "5"


def test_what_http_cannot_carry_is_a_500_and_logged():
    app = App()
    values = {
        "number": 5,
        "object": object(),
        "tuple of 4": ("a", 200, {}, "x"),
        "tuple of 1": ("a",),
        "status 99": ("a", 99),
        "status 100": ("a", 100),
        "status 600": ("a", 600),
        "status str": ("a", "200"),
        "body with 204": ("a", 204),
        "body with 304": ("a", 304),
        "cr lf": ("a", 200, {"X": "a\r\nSet-Cookie: b"}),
        "lf": ("a", 200, {"X": "a\nb"}),
        "nul": ("a", 200, {"X": "a\0b"}),
        "in a list": ("a", 200, {"X": ["good", "bad\r\n"]}),
        "name": ("a", 200, {"X Y": "a"}),
        "name with colon": ("a", 200, {"X:": "a"}),
        "empty name": ("a", 200, {"": "a"}),
        "content-length": ("abc", 200, {"Content-Length": "2"}),
        "transfer-encoding": ("abc", 200, {"Transfer-Encoding": "chunked"}),
        "connection": ("abc", 200, {"connection": "close"}),
        "set": {1, 2},
    }
    app.get("/<name>")(lambda request, name: values[name])
    for name in values:
        with serve(app) as bench:
            answer = bench.ask(get("/" + name.replace(" ", "%20"), "Connection: close\r\n"))
            assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n"), name
            assert answer.endswith(b"\r\n\r\nInternal Server Error\n"), name
            assert b"Set-Cookie" not in answer, name
            assert len(bench.take_log()) == 1, name


def test_text_that_is_no_utf_8():
    import sys

    if sys.implementation.name != "cpython":
        return  # there is no such text on boards
    app = App()
    app.get("/")(lambda request: "\ud800")
    app.get("/long")(lambda request: "\udfff" + "x" * 10000)
    for path in ("/", "/long"):
        with serve(app) as bench:
            assert b" 500 " in bench.ask(get(path, "Connection: close\r\n"))
            assert b" 500 " in bench.ask(get(path, version="1.0"))
            client = bench.connect(get(path))
            bench.until(lambda client=client: b"Error\n" in client.received)
            assert bench.take_log() == ["ValueError"] * 3


def test_a_handler_of_an_error_is_not_given_a_second_chance_by_its_own_error():
    app = App()

    @app.error(404)
    def broken(request, error):
        raise KeyError("in the error handler")

    with serve(app) as bench:
        assert b"\r\n\r\nInternal Server Error\n" in bench.ask(get("/", "Connection: close\r\n"))
        assert bench.take_log() == ["KeyError"]


def test_hooks_after_may_change_or_replace_the_response_inner_first():
    outer, inner = App(), App()
    outer.mount("/in", inner)
    inner.get("/")(lambda request: "body")

    @inner.after_request
    def first(request, response):
        response.headers["X-Order"] = "first"

    @inner.after_request
    def second(request, response):
        return Response(response.body + "!", 203, {"X-Order": response.headers["X-Order"] + " second"})

    @outer.after_request
    def third(request, response):
        response.headers["X-Order"] = response.headers.get("X-Order", "") + " third"

    client = TestClient(outer)
    response = client.get("/in")
    assert (response.status, response.text, response.headers["x-order"]) == (203, "body!", "first second third")
    assert client.get("/in/none").headers["x-order"] == "first second third"
    response = client.get("/none")
    assert (response.status, response.headers["x-order"]) == (404, "third")


def test_a_hook_before_may_answer_or_refuse():
    app = App()
    seen = []
    app.get("/")(lambda request: seen.append("handler") or "handler")

    @app.before_request
    def guard(request):
        if request.args.get("who") is None:
            abort(401, "who?", {"WWW-Authenticate": "Basic"})
        if request.args["who"] == "cache":
            return {"from": "cache"}

    client = TestClient(app)
    response = client.get("/")
    assert (response.status, response.text, response.headers["www-authenticate"]) == (401, "who?\n", "Basic")
    assert client.get("/?who=cache").json() == {"from": "cache"}
    assert seen == []
    assert client.get("/?who=me").text == "handler"


def test_hooks_that_raise():
    app = App()
    app.get("/")(lambda request: "fine")

    @app.after_request
    def broken(request, response):
        raise ValueError("in the hook")

    with serve(app) as bench:
        assert b" 500 " in bench.ask(get("/", "Connection: close\r\n"))
        assert set(bench.take_log()) == {"ValueError"}
    app = App()
    app.get("/")(lambda request: "fine")

    @app.before_request
    def also_broken(request):
        raise ValueError("in the hook")

    with serve(app) as bench:
        assert b" 500 " in bench.ask(get("/", "Connection: close\r\n"))
        assert bench.take_log() == ["ValueError"]


def test_requests_have_what_the_client_sent():
    app = App()
    found = {}

    @app.post("/a/b")
    def handler(request):
        found["facts"] = (request.method, request.path, request.target, request.args["q"], request.body)
        found["header"] = request.headers["X-A"]
        found["client"] = request.client
        found["app"] = request.app
        return ""

    with serve(app) as bench:
        bench.ask(get("/a%2fb?q=1", "X-A: y\r\nConnection: close\r\n", "POST", body=b"data"))
        assert found["facts"] == ("POST", "/a/b", "/a%2fb?q=1", "1", b"data")
        assert found["header"] == "y" and found["app"] is app
        assert found["client"] == ("192.0.2.3", 49153)


def test_the_address_listened_on_is_told():
    for host, address in (("", "192.0.2.1"), ("127.0.0.1", "127.0.0.1")):
        app = App()
        told = []
        app.on("listen")(lambda address, port, told=told: told.append((address, port)))
        with serve(app) as bench:
            bench.server.close()
            told.clear()
            bench.server.open(8080, host)
        assert told == [(address, 8080)]


def test_events():
    app = App()
    seen = []
    app.on("listen")(lambda address, port: seen.append(("listen", address, port)))
    app.on("connect")(lambda client: seen.append(("connect", client[0])))
    app.on("response")(lambda request, status, length: seen.append((request.path, status, length)))
    app.on("response")(lambda request, status, length: seen.append("again"))
    app.get("/")(lambda request: "hello")
    app.get("/empty")(lambda request: None)
    app.get("/stream")(lambda request: iter(["a"]))
    with serve(app) as bench:
        for path in ("/", "/none", "/empty", "/stream"):
            bench.ask(get(path, "Connection: close\r\n"))
        bench.ask(get("/", "Connection: close\r\n", "HEAD"))
        bench.ask(b"bad\r\n\r\n")
    assert seen[0] == ("listen", "192.0.2.1", 80)
    seen = [event for event in seen if event != "again" and event[0] not in ("listen", "connect")]
    assert seen == [("/", 200, 5), ("/none", 404, 10), ("/empty", 204, 0), ("/stream", 200, -1), ("/", 200, 0),
                    ("", 400, len("malformed request line\n"))]  # fmt: skip


def test_events_do_not_hurt_the_server():
    app = App()
    app.get("/")(lambda request: "fine")

    @app.on("connect")
    @app.on("response")
    @app.on("listen")
    def broken(*values):
        raise ValueError("in the listener")

    with serve(app) as bench:
        assert b"fine" in bench.ask(get("/", "Connection: close\r\n"))
        assert bench.take_log() == ["ValueError"] * 3


def test_an_application_may_be_a_subclass():
    class Counting(App):
        def __init__(self, name):
            super().__init__()
            self.name = name
            self.count = 0

        def handle(self, request):
            self.count += 1
            return super().handle(request)

        def get(self, path, stream=False):
            return super().get("/" + self.name + path, stream)

    app = Counting("led")
    app.get("/on")(lambda request: request.app.name)
    client = TestClient(app)
    assert client.get("/led/on").text == "led"
    assert client.get("/on").status == 404
    assert app.count == 2


def test_a_request_has_a_state_of_the_application_s_own():
    app, inner = App(), App()
    app.mount("/in", inner)
    inner.get("/")(lambda request: request.state.user)

    @app.before_request
    def before(request):
        assert not hasattr(request.state, "user")
        request.state.user = request.args.get("user")

    @app.after_request
    def after(request, response):
        response.headers["X-User"] = request.state.user

    client = TestClient(app)
    for user in ("ada", "bob"):
        response = client.get("/in?user=" + user)
        assert response.text == response.headers["x-user"] == user


def test_applications_do_not_share_what_is_registered():
    first, second = App(), App()
    first.get("/<x>")(lambda request, x: x)
    first.error(404)(lambda request, error: "first's")
    first.before_request(lambda request: None)
    first.after_request(lambda request, response: None)
    first.on("connect")(lambda client: None)
    first.post("/s", stream=True)(lambda request: "")
    first.mount("/m", App())
    assert TestClient(second).get("/x").text == "Not Found\n"
    assert TestClient(first).get("/a/b").text == "first's"
