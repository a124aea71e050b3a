"""Error handlers by status and by exception, in mounted applications too; the default text; the log."""

import sys

from serving import get, raises, serve

from webhal import App, HTTPError, Response, abort
from webhal.log import log
from webhal.testing import TestClient


class Base(Exception):
    pass


class Derived(Base):
    pass


def raiser(error):
    def handler(request):
        raise error

    return handler


def test_abort():
    error = raises(HTTPError, lambda: abort(404))
    assert (error.status, error.message, error.headers) == (404, "Not Found", None)
    error = raises(HTTPError, lambda: abort(599, "text", {"A": "b"}))
    assert (error.status, error.message, error.headers) == (599, "text", {"A": "b"})
    for status in (399, 600, 200, 0, -1, "404", None, 404.5):
        for act in (abort, HTTPError):
            text = str(raises(ValueError, lambda act=act, status=status: act(status)))
            assert text == "an error's status is an int from 400 to 599, not " + repr(status)
    if sys.implementation.name == "cpython":
        for message in (5, None, b"a"):
            text = str(raises(ValueError, lambda message=message: abort(404, message)))
            assert text == "an error's message is str, not " + repr(message)


def test_default_texts():
    app = App()
    app.get("/teapot")(lambda request: abort(418))
    app.get("/said")(lambda request: abort(409, "already there", {"Retry-After": "5"}))
    client = TestClient(app)
    response = client.get("/none")
    assert (response.status, response.text) == (404, "Not Found\n")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert client.post("/said", body="").text == "Method Not Allowed\n"
    response = client.get("/said")
    assert (response.status, response.text, response.headers["retry-after"]) == (409, "already there\n", "5")
    assert client.get("/teapot").text == "418\n"


def test_a_handler_s_exception_is_a_500_that_tells_the_client_nothing():
    app = App()
    app.get("/")(raiser(KeyError("secret")))
    app.post("/")(raiser(OSError("secret")))
    with serve(app) as bench:
        for method in ("GET", "POST", "HEAD"):
            answer = bench.ask(get("/", "Connection: close\r\n", method))
            assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n") and b"secret" not in answer
            assert answer.endswith(b"\r\n\r\n" if method == "HEAD" else b"\r\n\r\nInternal Server Error\n")
        assert bench.take_log() == ["KeyError", "OSError", "KeyError"]
        client = bench.connect(get() * 2)  # it does not cost the connection
        bench.until(lambda: client.received.count(b" 500 ") == 2)
        bench.take_log()


def test_the_log_has_the_traceback():
    class Stream:
        text = ""

        def write(self, text):
            Stream.text += text if isinstance(text, str) else str(text, "utf-8")
            return len(text)

    def inside():
        raise ValueError("of inside")

    try:
        inside()
    except ValueError as error:
        caught = error
    if sys.implementation.name == "cpython":
        sys.stderr, saved = Stream(), sys.stderr
        try:
            log(caught)
        finally:
            sys.stderr = saved
        assert "in inside\n" in Stream.text and Stream.text.endswith("ValueError: of inside\n")
        calls = []
        sys.print_exception = lambda error, stream: calls.append(error)  # as boards have it
        try:
            log(caught)
        finally:
            del sys.print_exception
        assert calls == [caught]
    else:
        log(caught)


def test_handlers_by_status():
    app = App()
    seen = []

    @app.error(404)
    def missing(request, error):
        seen.append((request.path, type(error).__name__, error.status))
        return "nothing at " + request.path

    app.error(405)(lambda request, error: {"allow": error.headers["Allow"]})
    app.error(418)(lambda request, error: ("said", 200, {"X-A": "b"}))
    app.error(409)(lambda request, error: Response("a", 201))
    app.error(410)(lambda request, error: None)
    app.get("/418")(lambda request: abort(418))
    app.get("/409")(lambda request: abort(409))
    app.get("/410")(lambda request: abort(410))
    client = TestClient(app)
    response = client.get("/x")
    assert (response.status, response.text) == (404, "nothing at /x") and seen == [("/x", "HTTPError", 404)]
    response = client.post("/418", body="")
    assert (response.status, response.json()) == (405, {"allow": "GET, HEAD, OPTIONS"})
    response = client.get("/418")
    assert (response.status, response.text, response.headers["x-a"]) == (200, "said", "b")
    assert client.get("/409").status == 201
    assert (client.get("/410").status, client.get("/410").body) == (410, b"")


def test_handlers_by_exception():
    app = App()
    app.get("/base")(raiser(Base("b")))
    app.get("/derived")(raiser(Derived("d")))
    app.get("/other")(raiser(ValueError("v")))
    app.get("/key")(raiser(KeyError("k")))
    app.get("/http")(raiser(HTTPError(418)))
    app.error(Base)(lambda request, error: "base %s" % error)
    app.error(Derived)(lambda request, error: ("derived %s" % error, 400))
    app.error(LookupError)(lambda request, error: "lookup")
    app.error(HTTPError)(lambda request, error: "http %d" % error.status)
    with serve(app) as bench:
        expected = {
            "/base": (500, "base b"),
            "/derived": (400, "derived d"),
            "/key": (500, "lookup"),
            "/http": (418, "http 418"),
            "/none": (404, "http 404"),
        }
        for path in expected:
            answer = bench.ask(get(path, "Connection: close\r\n"))
            status, text = expected[path]
            assert answer.startswith(b"HTTP/1.1 %d " % status) and answer.endswith(b"\r\n\r\n" + text.encode()), path
        assert bench.take_log() == []  # they are expected
        assert b" 500 " in bench.ask(get("/other", "Connection: close\r\n"))
        assert bench.take_log() == ["ValueError"]


def test_a_response_has_the_status_of_the_error_unless_it_names_one():
    kept = Response("kept")
    set_later = Response("set")
    set_later.status = 203
    made = {
        "/kept": kept,
        "/named": Response("named", 200),
        "/later": set_later,
        "/fields": Response("fields", headers={"X-A": "b"}),
        "/none": Response(None),
        "/tuple": ("tuple", None, {"X-A": "b"}),
        "/stream": Response(iter(["stre", "am"])),
    }
    app = App()
    app.error(404)(lambda request, error: made[request.path])
    app.error(405)(lambda request, error: kept)
    app.error(Base)(lambda request, error: kept)
    app.get("/base")(raiser(Base()))
    app.get("/200")(lambda request: kept)
    client = TestClient(app)
    for path in made:
        response = client.get(path)
        text = "" if path == "/none" else path[1:] if path != "/later" else "set"
        assert (response.status, response.text) == ({"/named": 200, "/later": 203}.get(path, 404), text), path
        assert response.headers.get("x-a") == ("b" if path in ("/fields", "/tuple") else None)
    assert client.post("/200").status == 405
    assert client.get("/base").status == 500
    assert client.get("/kept").status == 404
    assert client.get("/200").status == kept.status == Response().status == 200


def test_a_status_wins_over_a_type():
    app = App()
    app.error(HTTPError)(lambda request, error: "type")
    app.error(404)(lambda request, error: "status")
    client = TestClient(app)
    assert client.get("/").text == "status"
    assert client.request("BREW", "/").text == "type"


def test_a_handler_for_exception_takes_no_refusal_and_hides_no_traceback():
    class Refused(HTTPError):
        pass

    app, around = App(), App()
    around.mount("/in", app)
    app.get("/key")(raiser(KeyError("k")))
    app.get("/exit")(raiser(SystemExit()))
    app.get("/base")(raiser(Base()))
    app.get("/abort")(lambda request: abort(409, "mine"))
    app.get("/refused")(raiser(Refused(410)))
    app.error(Exception)(lambda request, error: "any")
    app.error(500)(lambda request, error: "500")
    app.error(Base)(lambda request, error: "expected")
    around.error(Refused)(lambda request, error: "around")
    with serve(around) as bench:
        expected = {
            "/key": (500, "any", ["KeyError"]),
            "/exit": (500, "500", ["SystemExit"]),
            "/base": (500, "expected", []),
            "/abort": (409, "mine\n", []),
            "/none": (404, "Not Found\n", []),
            "/refused": (410, "around", []),
        }
        for path in expected:
            answer = bench.ask(get("/in" + path, "Connection: close\r\n"))
            status, text, logged = expected[path]
            assert answer.startswith(b"HTTP/1.1 %d " % status) and answer.endswith(b"\r\n\r\n" + text.encode()), path
            assert bench.take_log() == logged, path
    app.error(BaseException)(lambda request, error: "base")
    with serve(around) as bench:
        assert bench.ask(get("/in/exit", "Connection: close\r\n")).endswith(b"base")
        assert bench.take_log() == ["SystemExit"]


def test_the_message_of_an_error_is_never_empty():
    app = App()
    app.get("/<int:status>")(lambda request, status: abort(status))
    app.error(HTTPError)(lambda request, error: error.message)
    client = TestClient(app)
    assert client.get("/x").text == "Not Found"
    assert client.get("/403").text == "Forbidden"
    assert client.get("/599").text == "599"


def test_the_handler_for_500_answers_for_exceptions_which_are_logged():
    app = App()
    app.get("/key")(raiser(KeyError("k")))
    app.get("/abort")(lambda request: abort(500, "said"))
    app.error(500)(lambda request, error: "sorry for " + type(error).__name__)
    with serve(app) as bench:
        answer = bench.ask(get("/key", "Connection: close\r\n"))
        assert answer.startswith(b"HTTP/1.1 500 ") and answer.endswith(b"sorry for KeyError")
        assert bench.take_log() == ["KeyError"]
        assert bench.ask(get("/abort", "Connection: close\r\n")).endswith(b"sorry for HTTPError")


def test_mounted_applications_answer_first_then_those_around():
    outer, inner, deep = App(), App(), App()
    outer.mount("/in", inner)
    inner.mount("/deep", deep)
    outer.error(404)(lambda request, error: "outer")
    inner.error(404)(lambda request, error: "inner")
    outer.error(Base)(lambda request, error: "outer base")
    deep.error(Derived)(lambda request, error: "deep derived")
    deep.get("/base")(raiser(Base()))
    deep.get("/derived")(raiser(Derived()))
    client = TestClient(outer)
    assert client.get("/x").text == "outer"
    assert client.get("/in/x").text == client.get("/in/deep/x").text == "inner"
    assert client.get("/in/deep/base").text == "outer base"
    assert client.get("/in/deep/derived").text == "deep derived"


def test_what_ends_a_program_ends_a_request_only():
    class Cancelled(BaseException):  # as asyncio's
        pass

    app = App()
    for kind in (SystemExit, Cancelled, GeneratorExit):

        @app.get("/" + kind.__name__)
        def plain(request, kind=kind):
            raise kind("secret")

        @app.get("/async/" + kind.__name__)
        async def waits(request, kind=kind):
            raise kind("secret")

        @app.get("/stream/" + kind.__name__)
        def streams(request, kind=kind):
            raise kind("secret")
            yield

    guarded = App()
    app.mount("/guarded", guarded)
    app.get("/")(lambda request: "served")
    raises_exit = raiser(SystemExit(1))
    guarded.before_request(raises_exit)
    spoiled = App()
    app.mount("/spoiled", spoiled)
    spoiled.get("/plain")(lambda request: "plain")
    spoiled.after_request(lambda request, response: raises_exit(request))
    spoiled.get("/stream")(lambda request: iter("ab"))

    @spoiled.get("/async")
    async def returns(request):
        return "spoiled"

    answering = App()
    app.mount("/answering", answering)
    answering.error(404)(lambda request, error: raises_exit(request))
    with serve(app) as bench:
        app.on("response")(lambda request, status, length: raises_exit(request))
        for kind in ("SystemExit", "Cancelled", "GeneratorExit"):
            for path in ("/", "/async/", "/stream/"):
                answer = bench.ask(get(path + kind, "Connection: close\r\n"))
                assert answer.startswith(b"HTTP/1.1 500 ") and b"secret" not in answer, path + kind
                assert bench.take_log() == [kind, "SystemExit"], path + kind
        for path in ("/guarded/x", "/spoiled/plain", "/spoiled/stream", "/spoiled/async", "/answering/x"):
            assert bench.ask(get(path, "Connection: close\r\n")).startswith(b"HTTP/1.1 500 "), path
            assert set(bench.take_log()) == {"SystemExit"}, path
        client = bench.connect(get("/SystemExit") + get("/"))
        bench.until(lambda: client.received.endswith(b"served"))
        assert client.received.count(b" 500 ") == 1
        bench.take_log()
