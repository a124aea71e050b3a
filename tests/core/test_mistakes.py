"""A programmer's mistakes: told with the handler's name, file and line, and answered like any other exception."""

import sys

from serving import CLOSE, get, serve

from webhal import App, HTTPError, Response, abort
from webhal.sse import EventStream
from webhal.testing import TestClient
from webhal.websocket import websocket

CPYTHON = sys.implementation.name == "cpython"


def raises(kind, act, *arguments):
    try:
        act(*arguments)
    except kind as error:
        return str(error)
    raise AssertionError("nothing raised")


def hello(request, *values):
    return "hello"


def names(handler, text):
    """Whether the text has the handler's name, and file and line where the interpreter knows them."""
    place = ""
    if CPYTHON:
        place = " (test_mistakes.py:%d)" % handler.__code__.co_firstlineno
    return handler.__name__ + place in text


# -- registering --------------------------------------------------------------------------------------------


def test_two_handlers_of_one_route():
    def other(request, *values):
        return "other"

    for path, same in (("/", "/"), ("/a/<x>", "/a/<y>"), ("/<int:n>/b", "/<int:m>/b"), ("/<path:p>", "/<path:q>")):
        app = App()
        app.get(path)(hello)
        app.post(same)(other)  # another method
        text = raises(ValueError, app.get(same), other)
        assert "GET " + same in text and names(hello, text) and names(other, text), text
        assert TestClient(app).get(path.replace("<int:n>", "5")).text == "hello"
    app = App()
    for path in ("/a/<x>", "/a/<int:y>", "/a/<path:z>", "/a/b", "/<x>/b", "/a/<x>/"):
        app.get(path)(hello)
    text = raises(ValueError, app.route("/a/b", ("PUT", "GET")), other)
    assert "GET /a/b" in text


def test_two_handlers_of_one_error_and_two_applications_in_one_place():
    def other(request, error):
        return "other"

    for cause in (404, KeyError):
        app = App()
        app.error(cause)(hello)
        text = raises(ValueError, app.error(cause), other)
        assert names(hello, text) and names(other, text), text
    app = App()
    app.mount("/in", App())
    assert "'/in'" in raises(ValueError, app.mount, "/in", App())
    app.mount("/in/deep", App())


def test_decorators_without_their_parentheses():
    app = App()
    for decorator in (app.get, app.post, app.put, app.patch, app.delete, app.route, app.error, app.on):
        text = raises(TypeError, decorator, hello)
        assert "parentheses" in text and names(hello, text), text


def test_what_is_no_function():
    app = App()
    registers = [app.get("/"), app.error(404), app.on("listen"), app.before_request, app.after_request]
    for register in registers:
        for value in (None, "text", 5, Response()):
            text = raises(TypeError, register, value)
            assert "a handler is a function, not " + repr(value) in text, text
    assert TestClient(app).get("/").status == 404


def test_routes_that_no_request_would_find():
    app = App()
    for path in (5, None, b"/", "", "a", ["/"]):
        for decorator in (app.get, app.delete, app.route):
            assert raises((TypeError, ValueError), decorator, path) == "a path starts with /, not " + repr(path)
    for methods in (None, (), [], 5, "GET", ("GET", 5), ("get",), ("GET", "GET"), ("",), [["GET"]]):
        text = "methods are a tuple such as ('GET', 'POST'), each once, in capital letters, not " + repr(methods)
        assert raises(ValueError, app.route, "/", methods) == text
    if CPYTHON:
        for path in ("/a?b=1", "/?", "/gr%C3%B6", "/a%2fb", "/a#b", "/<x>/%20"):
            text = raises(ValueError, app.get, path)
            assert text == "a path has no query, no fragment and no percent-escapes, not " + repr(path)
            raises(ValueError, app.mount, path, App())
    for path, sent in (("/gr\xf6", "/gr%C3%B6"), ("/100%", "/100%25"), ("/a b", "/a%20b"), ("/%zz", "/%25zz")):
        app.get(path)(hello)
        assert TestClient(app).get(sent).text == "hello"


def test_what_cannot_be_mounted():
    app = App()
    for prefix in (5, None, "", "/", "in", "/in/"):
        text = raises(ValueError, app.mount, prefix, App())
        assert text == "a prefix starts with / and does not end with it: " + repr(prefix)
    what = "an App, an ASGI (3.0) or a WSGI application is mounted, not " if CPYTHON else "a board mounts an App, not "
    for value in (None, "app", 5, App):
        assert raises(TypeError, app.mount, "/in", value) == what + repr(value)


def test_a_route_is_registered_for_all_its_methods_or_none():
    app = App()
    app.get("/x")(hello)
    app.put("/<x>")(hello)
    raises(ValueError, app.route("/x", ("POST", "GET")), lambda request: "other")
    raises(ValueError, app.route("/<y>", ("POST", "PUT")), lambda request: "other")
    assert TestClient(app).post("/x").status == 405


if CPYTHON:

    def test_hooks_that_nobody_would_await():
        async def waits(*values):
            return "waited"

        app = App()
        for register in (app.error(404), app.on("listen"), app.before_request, app.after_request):
            text = raises(TypeError, register, waits)
            assert names(waits, text) and "async" in text
        app.get("/")(waits)
        assert TestClient(app).get("/").text == "waited"


# -- answers ------------------------------------------------------------------------------------------------


def wrong(value):
    """An application whose handlers all return what `value()` does, and these by path."""
    app = App()

    @app.get("/plain")
    def plain(request):
        return value()

    @app.get("/pattern/<x>/<int:y>")
    def pattern(request, x, y):
        return value()

    @app.get("/async")
    async def asynchronous(request):
        return value()

    return app, {"/plain": plain, "/pattern/a/5": pattern, "/async": asynchronous}


def test_a_wrong_value_is_told_with_the_handler_that_returned_it():
    body = "a body is str, bytes, dict, list, None or an iterator"
    pair = "; a tuple is (body, status) or (body, status, headers)"
    cases = [
        (5, TypeError, "returned int 5: " + body),
        (True, TypeError, "returned bool True: " + body),
        ((), TypeError, "returned tuple (): " + body + pair),
        (("a",), TypeError, "returned tuple ('a',): " + body + pair),
        (("a", 200, {}, "x"), TypeError, body + pair),
        (Response(5.5), TypeError, "returned float 5.5: " + body),
        (("a", "b"), ValueError, "returned str: a status is an int from 200 to 599, not 'b'"),
        (("a", 200, {"X": "a\nb"}), ValueError, "not a response field: 'X': 'a\\nb'"),
        (("a", 200, {"X": None}), TypeError, "the value of X is str, a number, or a list of them, not None"),
        (("a", 200, {5: "a"}), ValueError, "object has no attribute 'lower'"),
        (({"a": 1}, 204), ValueError, "returned dict: a response of status 204 has no body"),
        (("abc", 200, {"Content-Length": 5}), ValueError, "Content-Length is 5, but the body has 3 bytes"),
        (("a", 200, {"Connection": "close"}), ValueError, "Connection is written by webhal itself"),
        (([1, float("nan")], 201), (TypeError, ValueError), "returned list: "),
        (lambda: (iter("ab"), 99), ValueError, "a status is an int from 200 to 599, not 99"),
        (lambda: (iter("ab"), 200, {"X Y": "a"}), ValueError, "not a response field: 'X Y'"),
        (lambda: (iter("ab"), 204), ValueError, "a response of status 204 has no body"),
        (lambda: iter([5]), TypeError, "yielded int 5: a piece of a body is str or bytes; what takes time is awaited"),
        (lambda: iter([None]), TypeError, "yielded None: a piece"),
    ]
    if CPYTHON:
        cases.append(({"now": hello}, TypeError, "returned dict: Object of type function is not JSON serializable"))
        for promised in ("abc", -5, 1.5, ["2", "2"], ""):
            words = "Content-Length is a number of bytes, not %r" % (promised,)
            cases.append((("ab", 200, {"Content-Length": promised}), ValueError, words))
            cases.append((lambda it=promised: (iter("ab"), 200, {"Content-Length": it}), ValueError, words))
        cases.append(("\ud800", ValueError, "returned str: 'utf-8' codec can't encode"))
    for value, kind, words in cases:
        app, handlers = wrong(value if callable(value) else lambda value=value: value)
        prefix = ""
        for mount in ("", "/in", "/out"):
            if mount:
                inner, app = app, App()
                app.mount(mount, inner)
                prefix = mount + prefix
            with serve(app) as bench:
                for path in handlers:
                    answer = bench.ask(get(prefix + path, CLOSE))
                    assert answer.startswith(b"HTTP/1.1 500 ") and answer.endswith(b"\r\n\r\nInternal Server Error\n")
                    (error,) = bench.logged
                    bench.take_log()
                    assert isinstance(error, kind) and words in str(error), (words, error)
                    assert names(handlers[path], str(error)), error


def test_generators_that_yield_what_cannot_be_sent():
    app = App()

    @app.get("/<int:first>")
    def counts(request, first):
        if first:
            yield "a"
        yield 5

    @app.get("/async/<int:first>")
    async def waits(request, first):
        if first:
            yield "a"
        yield None

    with serve(app) as bench:
        for path, handler, what in (("/", counts, "int 5"), ("/async/", waits, "None")):
            assert bench.ask(get(path + "0", CLOSE)).startswith(b"HTTP/1.1 500 ")
            assert bench.ask(get(path + "1", CLOSE)).endswith(b"1\r\na\r\n")
            first, second = bench.logged
            assert str(first) == str(second) and names(handler, str(first)) and "yielded %s: " % what in str(first)
            assert bench.take_log() == ["TypeError"] * 2


def test_what_is_no_event():
    app = App()

    @app.get("/<int:n>")
    def events(request, n):
        return EventStream([(b"bytes", 5, None, ("alone",), (), ("a", "b", "c", "d"))[n]])

    client = TestClient(app)
    for n, what in enumerate(("bytes", "int", "None", "tuple ('alone',)", "tuple ()", "tuple ('a', ")):
        text = raises(TypeError, client.get, "/%d" % n)
        assert names(events, text) and " yielded " + what in text and "(event, data)" in text, text


def test_websockets_that_could_not_be():
    app = App()

    async def talk(request, ws):
        pass

    def yields(request, ws):
        yield "text"

    assert "'chat'" in raises(TypeError, websocket, "chat")
    if CPYTHON:  # boards do not look
        app.get("/wrong/order")(talk)
        text = raises(TypeError, websocket, talk)
        assert names(talk, text) and "below" in text, text
        scope = {}
        exec("async def talk(request, ws):\n    yield await ws.receive()", scope)
        text = raises(TypeError, websocket, scope["talk"])
        assert "talk (" in text and "ws.send" in text, text
    app.get("/yields")(websocket(yields))
    assert "'text'" in raises(TypeError, TestClient(app).websocket("/yields").receive)


def test_an_async_function_that_nobody_would_await():
    app = App()

    async def called(message):
        pass

    @app.get("/message")
    @websocket
    def on_message(request, ws):
        ws.on_message = called

    @app.get("/close")
    @websocket
    def on_close(request, ws):
        ws.on_close = called

    for path, code in (("/message", 1011), ("/close", 1000)):
        client = TestClient(app)
        ws = client.websocket(path)
        client.run(10)
        if path == "/message":
            ws.send("a")
        text = raises(TypeError, ws.receive if path == "/message" else ws.close)
        assert names(called, text) and "async" in text, text
        assert ws.receive() is None and ws.code == code


def test_a_stream_that_is_longer_or_shorter_than_was_promised():
    app = App()

    def pieces(request, length):
        return iter(["a", "b"]), 200, {"Content-Length": length}

    app.get("/<int:length>")(pieces)
    with serve(app) as bench:
        for length, left in ((0, -1), (1, -1), (3, 1)):
            bench.ask(get("/%d" % length, CLOSE))
            (error,) = bench.logged
            words = ": Content-Length less the body's length is %d bytes" % left
            assert names(pieces, str(error)) and str(error).endswith(words), error
            bench.take_log()


def test_who_is_named_is_who_answered():
    app, mounted = App(), App()
    app.mount("/in", mounted)
    app.get("/")(hello)
    mounted.get("/")(lambda request: abort(409))

    @mounted.error(409)
    def answers_error(request, error):
        return 5

    @app.before_request
    def answers_before(request):
        if "before" in request.args:
            return 5

    @app.after_request
    def answers_after(request, response):
        if "after" in request.args:
            return 5
        if "spoilt" in request.args:
            return Response("spoilt", 99)

    with serve(app) as bench:
        for target, handler, count in (
            ("/in", answers_error, 1),
            ("/?before", answers_before, 1),
            ("/?after", answers_after, 2),  # for the hook sees the 500, too
            ("/?spoilt", answers_after, 2),
            ("/none?spoilt", answers_after, 1),  # and what a hook makes of an error has no second chance
        ):
            assert bench.ask(get(target, CLOSE)).startswith(b"HTTP/1.1 500 ")
            assert all(names(handler, str(error)) for error in bench.logged), (target, bench.logged)
            assert len(bench.take_log()) == count
    app = App()

    @app.after_request
    def spoils(request, response):
        response.headers["X"] = "\n"

    with serve(app) as bench:
        assert bench.ask(get("/none", CLOSE)).startswith(b"HTTP/1.1 500 ")
        assert str(bench.logged[0]).startswith("GET /none returned str: not a response field")  # no handler of its own
        if CPYTHON:
            assert "; unless it became so in a hook: " in str(bench.logged[0]) and names(spoils, str(bench.logged[0]))
        assert bench.take_log() == ["ValueError"]


def test_handlers_of_all_kinds_have_a_name():
    from webhal.mistakes import name

    class Called:
        def __call__(self, request):
            return 5

        def method(self, request):
            return 5

    assert "Called" in name(Called())
    if CPYTHON:
        import functools

        @functools.wraps(hello)
        def wrapper(request):
            return 5

        assert names(hello, name(wrapper))
        assert name(Called().method).startswith("method (test_mistakes.py:")
        assert "hello" in name(functools.partial(hello, 1))
        assert name(len) == "len"


# -- the way to a 500 ---------------------------------------------------------------------------------------


def test_what_cannot_be_sent_is_answered_like_an_exception():
    values = {
        "number": 5,
        "status": ("a", "b"),
        "field": ("a", 200, {"X": "\r"}),
        "stream": (iter("ab"), 200, {"X": "\r"}),
        "long": ("a" * 10000, 99),
        "nested": {"a": {1, 2, 3}} if CPYTHON else 5,
    }
    if CPYTHON:
        values["text"] = "\ud800"
        values["long text"] = "\ud800" * 1000
        values["json"] = ["\udc00"], 200, {"X": "\ud800"}
    for hooks in (False, True):
        for name in values:
            if name == "stream":
                values[name] = iter("ab"), 200, {"X": "\r"}
            app = App()
            app.get("/x")(lambda request, name=name: values[name])
            app.error(ValueError)(lambda request, error, name=name: ("not " + name, 422))
            app.error(TypeError)(lambda request, error, name=name: ("not " + name, 422))
            if hooks:
                app.after_request(lambda request, response: response.headers.update({"X-Hook": request.path}))
            with serve(app) as bench:
                for method in ("GET", "HEAD"):
                    if name == "stream":
                        values[name] = iter("ab"), 200, {"X": "\r"}
                    answer = bench.ask(get("/x", CLOSE, method))
                    assert answer.startswith(b"HTTP/1.1 422 "), (name, answer)
                    assert answer.endswith(b"not " + name.encode()) == (method == "GET")
                    assert (b"X-Hook: /x\r\n" in answer) == hooks
                assert not bench.logged


def test_an_error_handler_gets_one_chance():
    def streams(request, error):
        yield from ()
        raise KeyError("in the error handler")

    answers = {
        "raises": lambda request, error: {}["x"],
        "streams": streams,
        "number": lambda request, error: 5,
        "field": lambda request, error: ("a", 500, {"X": "\n"}),
        "field of a stream": lambda request, error: (iter("ab"), 500, {"X": "\n"}),
        "aborts": lambda request, error: abort(500),
    }
    for name in answers:
        for cause in (500, HTTPError, Exception):
            app = App()
            app.get("/")(lambda request: {}["y"])
            app.get("/abort")(lambda request: abort(500))
            app.get("/number")(lambda request: 5)
            app.error(cause)(answers[name])
            with serve(app) as bench:
                for path in ("/", "/abort", "/number"):
                    answer = bench.ask(get(path, CLOSE))
                    assert answer.startswith(b"HTTP/1.1 500 "), (name, cause, answer)
                    assert answer.endswith(b"\r\n\r\nInternal Server Error\n"), (name, cause, answer)
                    assert len(bench.take_log()) <= 2


def test_an_error_handler_may_abort():
    app = App()
    app.error(404)(lambda request, error: abort(403, "not for you"))
    response = TestClient(app).get("/")
    assert (response.status, response.text) == (403, "not for you\n")
