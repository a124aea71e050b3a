"""Which handler answers: fixed paths, parameters, methods, 405 and Allow, HEAD, OPTIONS, mounted applications."""

from serving import raises

from webhal import App
from webhal.routing import match
from webhal.testing import TestClient


def handler(request):
    return request.method


def answer(app, method, path, **options):
    """The text that is answered, or the status if it is not 200."""
    response = TestClient(app).request(method, path, **options)
    return response.text if response.status == 200 else response.status


def test_fixed_paths_match_whole_and_case_sensitive():
    app = App()
    app.get("/a")(lambda request: "a")
    app.get("/a/b")(lambda request: "ab")
    assert answer(app, "GET", "/a") == "a"
    assert answer(app, "GET", "/a/b") == "ab"
    for path in ("/", "/a/", "/A", "/a/b/c", "//a", "/a%2Fb/"):
        assert answer(app, "GET", path) == 404, path


def test_converters():
    app = App()
    app.get("/led/<int:pin>")(lambda request, pin: "int %d" % pin)
    app.get("/user/<name>")(lambda request, name: "str " + name)
    app.get("/files/<path:rest>")(lambda request, rest: "path " + rest)
    app.get("/<a>/x/<int:b>")(lambda request, a, b: "%s %d" % (a, b))
    cases = {
        "/led/5": "int 5",
        "/led/007": "int 7",
        "/led/-5": 404,
        "/led/+5": 404,
        "/led/5x": 404,
        "/led/": 404,
        "/led/%D9%A3": 404,  # a digit to Python, not to a client
        "/led/5/": 404,
        "/user/ann": "str ann",
        "/user/5": "str 5",
        "/user/a%20b": "str a b",
        "/user/%2541": "str %41",  # decoded once
        "/user/": 404,
        "/user/a/b": 404,
        "/files/": "path ",
        "/files/a": "path a",
        "/files/a/b//c/": "path a/b//c/",
        "/files": 404,
        "/q/x/9": "q 9",
        "/q/y/9": 404,
        "//x/9": 404,
    }
    for path in cases:
        assert answer(app, "GET", path) == cases[path], path


def test_a_number_of_more_digits_than_cpython_reads_is_not_found():
    assert match([("int",)], [4300 * "1"])[0] % 100 == 11
    assert match([("int",)], [4301 * "1"]) is None


def test_the_first_route_that_matches_wins_and_a_fixed_one_before_all():
    app = App()
    app.get("/<path:a>")(lambda request, a: "first")
    app.get("/<b>")(lambda request, b: "second")
    app.get("/fixed")(lambda request: "fixed")
    assert answer(app, "GET", "/any") == "first"
    assert answer(app, "GET", "/fixed") == "fixed"


def test_paths_that_cannot_match_are_refused_when_they_are_registered():
    for path in (
        "a", "", "<a>", "/<>", "/<int:>", "/<:a>", "/<a", "/a>/<b>", "/x<a>", "/<a>x", "/<a><b>", "/<float:a>",
        "/<int:a:b>", "/<path:a>/b", "/<<a>>",
    ):  # fmt: skip
        error = raises(ValueError, lambda path=path: App().get(path)(handler))
        assert "path" in str(error), path


def test_methods_that_cannot_match_are_refused():
    for methods in ("GET", ("get",), ("GET", "Post"), [""], ("GET POST",), ["A/B"]):
        error = raises(ValueError, lambda methods=methods: App().route("/", methods)(handler))
        assert "methods" in str(error) and repr(methods) in str(error)


def test_each_method_has_a_decorator_which_returns_the_handler():
    app = App()
    for method in ("get", "post", "put", "patch", "delete"):
        assert getattr(app, method)("/" + method)(handler) is handler
        assert answer(app, method.upper(), "/" + method) == method.upper()
        other = "PUT" if method == "delete" else "DELETE"
        assert answer(app, other, "/" + method) == 405
    assert app.route("/many", methods=["GET", "TRACE"])(handler) is handler
    assert answer(app, "TRACE", "/many") == "TRACE"
    assert answer(app, "POST", "/many") == 405


def test_other_methods_than_those_of_http_have_routes_too():
    app = App()
    app.route("/events", methods=["SUBSCRIBE", "M-SEARCH"])(handler)
    app.route("/<x>/y", methods=["LINK"])(lambda request, x: x)
    assert answer(app, "SUBSCRIBE", "/events") == "SUBSCRIBE"
    assert answer(app, "M-SEARCH", "/events", body="x") == "M-SEARCH"
    assert answer(app, "LINK", "/a/y") == "a"
    response = TestClient(app).get("/events")
    assert response.status == 405
    assert sorted(response.headers["allow"].split(", ")) == ["M-SEARCH", "OPTIONS", "SUBSCRIBE"]
    assert answer(app, "LINK", "/events") == 405
    assert answer(app, "LINK", "/") == 404
    for method in ("UNSUBSCRIBE", "subscribe", "SUB", "E"):
        assert answer(app, method, "/events") == answer(app, method, "/") == 501


def test_a_hook_sees_what_is_not_implemented():
    app = App()
    app.before_request(lambda request: ("who?", 401) if request.method == "BREW" else None)
    assert answer(app, "BREW", "/") == 401


def test_wrong_method_is_told_which_are_right():
    app = App()
    app.get("/a")(handler)
    app.put("/<x>")(lambda request, x: "")
    app.delete("/b")(handler)
    client = TestClient(app)
    response = client.post("/a")
    assert (response.status, response.headers["allow"]) == (405, "GET, HEAD, PUT, OPTIONS")
    assert client.get("/b").headers["allow"] == "PUT, DELETE, OPTIONS"
    assert client.get("/c/d").headers.get("allow") is None


def test_head_is_answered_by_get_unless_it_has_a_route():
    seen = []
    app = App()
    app.get("/a")(lambda request: seen.append("get") or "12345")
    app.get("/<int:n>")(lambda request, n: seen.append(n) or "")
    app.post("/p")(handler)
    app.route("/own", ("HEAD", "GET"))(lambda request: seen.append(request.method) or "")
    client = TestClient(app)
    response = client.head("/a")
    assert (response.status, response.headers["content-length"], response.body) == (200, "5", b"")
    assert client.head("/7").status == client.head("/own").status == 200
    assert seen == ["get", 7, "HEAD"]
    assert client.head("/p").status == 405
    assert client.head("/none").status == 404


def test_options():
    app = App()
    app.post("/a")(handler)
    app.route("/own", ("OPTIONS",))(handler)
    client = TestClient(app)
    response = client.options("/a")
    assert (response.status, response.headers["allow"], response.body) == (204, "POST, OPTIONS", b"")
    assert client.options("/own").text == "OPTIONS"
    assert client.options("/none").status == 404
    response = client.options("*")
    assert response.status == 204 and "allow" not in response.headers  # what each path allows is told by itself


def test_mounted_applications():
    inner = App()
    inner.get("/")(lambda request: "root of " + request.app.name)
    inner.get("/x/<int:n>")(lambda request, n: "%s %d" % (request.path, n))
    outer = App()
    outer.get("/")(lambda request: "outer")
    outer.get("/in/fixed")(lambda request: "outer's own")
    deep = App()
    deep.get("/d")(lambda request: "deep")
    inner.mount("/deep", deep)
    outer.mount("/in", inner)
    inner.name = "inner"
    assert answer(outer, "GET", "/") == "outer"
    assert answer(outer, "GET", "/in") == answer(outer, "GET", "/in/") == "root of inner"
    assert answer(outer, "GET", "/in/x/3") == "/in/x/3 3"
    assert answer(outer, "GET", "/in/deep/d") == "deep"
    assert answer(outer, "GET", "/in/fixed") == "outer's own"
    for path in ("/inner", "/x/3", "/in/y", "/deep/d", "/in/deep", "/in/deep/e"):
        assert answer(outer, "GET", path) == 404, path
    assert answer(outer, "POST", "/in/x/3") == 405
    assert TestClient(outer).options("/in/x/3").headers["allow"] == "GET, HEAD, OPTIONS"


def test_wrong_mounts_are_refused():
    outer, inner = App(), App()
    for prefix in ("", "/", "a", "/a/", "a/b"):
        assert repr(prefix) in str(raises(ValueError, lambda prefix=prefix: outer.mount(prefix, inner)))
    raises(ValueError, lambda: outer.mount("/a", outer))
    outer.mount("/a", inner)
    raises(ValueError, lambda: outer.mount("/b", inner))
    raises(ValueError, lambda: App().mount("/b", inner))
    raises(ValueError, lambda: inner.mount("/c", outer))


def test_what_nothing_will_ever_call_is_refused():
    for cause in (399, 600, "404", ValueError("x"), None):
        assert repr(cause) in str(raises(ValueError, lambda cause=cause: App().error(cause)))
    for event in ("lissten", "", "listen connect", 1):
        assert repr(event) in str(raises(ValueError, lambda event=event: App().on(event)))


def test_hooks_before_answer_in_order_outer_first():
    seen = []
    outer, inner = App(), App()
    outer.mount("/in", inner)

    @inner.get("/")
    def handler(request):
        seen.append("handler")
        return "handler"

    @outer.before_request
    def first(request):
        seen.append("outer")

    @inner.before_request
    def second(request):
        seen.append("inner")
        return "stop" if request.method == "PUT" else None

    @inner.before_request
    def third(request):
        seen.append("third")

    assert answer(outer, "GET", "/in") == "handler"
    assert seen == ["outer", "inner", "third", "handler"]
    seen.clear()
    assert answer(outer, "PUT", "/in") == "stop"
    assert seen == ["outer", "inner"]
    seen.clear()
    assert answer(outer, "GET", "/other") == 404
    assert seen == ["outer"]


def test_which_handlers_stream():
    def large(request, *values):
        return "streamed"

    app, inner = App(), App()
    app.post("/up", stream=True)(large)
    app.route("/up", ("PUT",))(lambda request: "put")
    app.post("/<int:n>", stream=True)(large)
    app.post("/in/own", stream=True)(large)
    app.post("/in/plain")(lambda request: "plain")
    inner.post("/up", stream=True)(large)
    inner.post("/plain", stream=True)(large)
    app.mount("/in", inner)
    cases = {
        ("POST", "/up"): "streamed",
        ("PUT", "/up"): 413,
        ("POST", "/7"): "streamed",
        ("POST", "/x"): 413,
        ("POST", "/in/up"): "streamed",
        ("POST", "/in/own"): "streamed",  # beside the mounted application, as for answering
        ("POST", "/in/plain"): 413,
        ("POST", "/in"): 413,
    }
    client = TestClient(app, body=10)
    for method, path in cases:
        response = client.request(method, path, body="longer than ten")
        assert (response.text if response.status == 200 else response.status) == cases[method, path], path
    assert answer(App(), "POST", "/", body="") == 404
