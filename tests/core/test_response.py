"""Responses: what handlers return, and the bytes that it becomes. What is told of one that cannot: test_mistakes.py."""

import json
import sys

from webhal.response import Response, find, head, serialise, to_response


def raised(kind, work, *arguments):
    try:
        work(*arguments)
    except kind as error:
        return str(error)
    raise AssertionError("nothing raised for %r" % (arguments,))


def split(response, method="GET", extra=""):
    """(status line, sorted field lines, body)."""
    made, body = serialise(response, method, extra)
    assert type(made) is bytes and made.endswith(b"\r\n\r\n") and made.count(b"\r\n\r\n") == 1
    lines = made.decode().split("\r\n")[:-2]
    return lines[0], sorted(lines[1:]), bytes(body)


def fields(response, method="GET"):
    return split(response, method)[1]


# -- bodies -------------------------------------------------------------------------------------------------


def test_kinds_of_bodies():
    html = "text/html; charset=utf-8"
    octets = "application/octet-stream"
    for body, kind, sent in (
        ("hello", html, b"hello"),
        ("\xe9\u20ac", html, b"\xc3\xa9\xe2\x82\xac"),
        (b"he\0lo", octets, b"he\0lo"),
        (bytearray(b"abc"), octets, b"abc"),
        (memoryview(b"abc"), octets, b"abc"),
        ({"a": 1}, "application/json", b'{"a": 1}'),
        ([1, None, True], "application/json", b"[1, null, true]"),
        ({}, "application/json", b"{}"),
    ):
        # The first is made in one go, the others line by line.
        for response in (Response(body), Response(body, 200, {}), Response(body, 201), Response(body, 200, {"X": "y"})):
            line, lines, got = split(response)
            assert line == ("HTTP/1.1 201 Created" if response.status == 201 else "HTTP/1.1 200 OK")
            assert got == sent
            wanted = ["Content-Length: %d" % len(sent), "Content-Type: " + kind]
            assert lines == wanted + (["X: y"] if response.headers else []), lines


def test_json_has_no_nan_and_no_infinity():
    nan, infinity = float("nan"), float("inf")
    for wrong in (nan, infinity, -infinity):
        for body in ({"a": wrong}, [wrong], [{"a": [1, (wrong,)]}], {"a": {"b": {"c": wrong}}}):
            raised(ValueError, serialise, Response(body), "GET", "")
    for body in ({"nan": "Infinity"}, [1e300, -0.0, 10**30], [True, False, None, (), {}, "", "\t\u20ac"], [[]] * 9):
        assert json.loads(split(Response(body))[2].decode()) == json.loads(json.dumps(body))


def test_json_has_no_objects():
    def function():
        yield

    for wrong in (object(), function, function(), {1, 2}, len, range(3), Response, json):
        for body in ({"a": wrong}, [wrong], [1, {"a": [wrong]}]):
            try:
                serialise(Response(body), "GET", "")
            except (TypeError, ValueError):
                continue
            raise AssertionError("written: %r" % (body,))


def test_keys_of_json():
    keys = {"a": 1, 2: [3], None: 4, 1.5: 5}
    assert json.loads(split(Response(keys))[2].decode()) == {"a": 1, "2": [3], "null": 4, "1.5": 5}
    if sys.implementation.name == "cpython":  # on boards these are a str, too
        for wrong in ((1, 2), b"a", len, ()):
            raised(TypeError, serialise, Response([{wrong: 1}]), "GET", "")


def test_none_is_no_content():
    response = Response(None)
    assert split(response) == ("HTTP/1.1 204 No Content", [], b"")
    assert response.status == 204
    assert split(Response(None, 200, {"X": "y"})) == ("HTTP/1.1 204 No Content", ["X: y"], b"")
    assert split(Response(None, 201)) == ("HTTP/1.1 201 Created", ["Content-Length: 0"], b"")
    assert split(Response(None, 302, {"Location": "/"}))[1] == ["Content-Length: 0", "Location: /"]


def test_empty_bodies():
    assert split(Response("")) == (
        "HTTP/1.1 200 OK",
        ["Content-Length: 0", "Content-Type: text/html; charset=utf-8"],
        b"",
    )
    assert split(Response(b"", 404)) == ("HTTP/1.1 404 Not Found", ["Content-Length: 0"], b"")


def test_streamed_bodies_are_left_to_stream():
    class Asynchronous:
        def __anext__(self):
            pass

    class Running:
        def send(self, value):
            pass

    for body in (iter([b"a"]), (piece for piece in "ab"), map(str, [1]), Asynchronous(), Running()):
        for response in (Response(body), Response(body, 201, {"X": "y"})):
            assert serialise(response, "GET", "") == (None, body)


def test_other_bodies_raise():
    for body in (1, 1.5, True, object(), ("a", "b", 3), {1, 2}, len, range(3)):
        message = raised(TypeError, serialise, Response(body), "GET", "")
        assert message == "body"


# -- what a handler returns ---------------------------------------------------------------------------------


def test_to_response():
    response = Response("x")
    assert to_response(response) is response
    for result, body, status, headers in (
        ("x", "x", 200, {}),
        (None, None, 200, {}),
        ({"a": 1}, {"a": 1}, 200, {}),
        (("x", 201), "x", 201, {}),
        (("x", 201, {"X": "y"}), "x", 201, {"X": "y"}),
        (("x", 201, None), "x", 201, {}),
    ):
        made = to_response(result)
        assert (made.body, made.status, made.headers) == (body, status, headers), result


def test_other_tuples_are_no_body():
    for result in ((), ("x",), ("x", 200, {}, 1)):
        assert to_response(result).body == result
        assert raised(TypeError, serialise, to_response(result), "GET", "") == "body"


def test_headers_are_a_copy():
    common = {"X": "y"}
    response = Response("x", 200, common)
    response.headers["Z"] = "1"
    assert common == {"X": "y"}
    assert Response().headers is not Response().headers


# -- HEAD, 204, 304 -----------------------------------------------------------------------------------------


def test_head_has_the_fields_of_get_and_no_body():
    for made in (
        lambda: Response("hello"),
        lambda: Response(b"", 200),
        lambda: Response("hello", 404),
        lambda: Response({"a": 1}, 200, {"X": "y"}),
        lambda: Response("hello", 200, {"content-length": "5", "Content-Type": "a/b"}),
        lambda: Response(None),
        lambda: Response(None, 304, {"ETag": '"a"'}),
    ):
        line, lines, _ = split(made())
        assert split(made(), "HEAD") == (line, lines, b"")


def test_head_may_tell_the_length_of_what_it_did_not_make():
    assert fields(Response(b"", 200, {"Content-Length": 1000, "Content-Type": "a/b"}), "HEAD") == [
        "Content-Length: 1000",
        "Content-Type: a/b",
    ]


def test_no_content_and_not_modified_have_no_body():
    for status in (204, 205, 304):
        for method in ("GET", "HEAD"):
            assert str(status) in raised(ValueError, serialise, Response("x", status), method, "")
    for body in (None, "", b""):
        assert split(Response(body, 204, {"X": "y"})) == ("HTTP/1.1 204 No Content", ["X: y"], b"")
        assert split(Response(body, 304, {"X": "y"})) == ("HTTP/1.1 304 Not Modified", ["X: y"], b"")
        assert split(Response(body, 205)) == ("HTTP/1.1 205 Reset Content", ["Content-Length: 0"], b"")


def test_content_length_of_no_content_is_never_sent():
    # RFC 9110, 8.6; of a 304 it is that of the 200.
    for method in ("GET", "HEAD"):
        assert fields(Response(None, 204, {"Content-Length": "0"}), method) == []
        assert fields(Response(None, 304, {"Content-Length": "100"}), method) == ["Content-Length: 100"]


# -- Content-Length -----------------------------------------------------------------------------------------


def test_kept_promise_of_a_length():
    for name in ("Content-Length", "content-length", "CONTENT-LENGTH"):
        for value in (5, "5"):
            assert "Content-Length: 5" in fields(Response("hello", 200, {name: value, "Content-Type": "a/b"}))
            assert len(fields(Response("hello", 200, {name: value}))) == 2


def test_broken_promise_of_a_length_raises():
    for value in (4, 6, "4", 0):
        message = raised(ValueError, serialise, Response("hello", 200, {"Content-Length": value}), "GET", "")
        assert "length" in message and repr(value) in message and "5" in message
    for value in ("x", "", "5, 5", "5\r\nX: y"):
        for method in ("GET", "HEAD"):
            raised(ValueError, serialise, Response("hello", 200, {"Content-Length": value}), method, "")


# -- fields -------------------------------------------------------------------------------------------------


def test_fields_of_all_kinds():
    headers = {"A": "b", "Number": 7, "Float": 1.5, "List": ["x", "y"], "Tuple": ("z", 1), "Empty": "", "None": []}
    assert fields(Response(None, 204, headers)) == [
        "A: b",
        "Empty: ",
        "Float: 1.5",
        "List: x",
        "List: y",
        "Number: 7",
        "Tuple: 1",
        "Tuple: z",
    ]
    assert b"\r\nX: \xc3\xa9\r\n" in serialise(Response("x", 200, {"X": "\xe9"}), "GET", "")[0]


def test_fields_of_the_server_come_first():
    for response in (Response("x"), Response("x", 200, {"X": "y"}), Response(None), Response("x", 299)):
        made = serialise(response, "GET", "Date: today\r\nConnection: close\r\n")[0].decode()
        assert made.split("\r\n")[1:3] == ["Date: today", "Connection: close"], made


def test_a_date_of_the_application_s_is_the_only_one():
    for extra in ("Date: today\r\nConnection: close\r\n", "Connection: close\r\n"):
        made = serialise(Response("x", 200, {"date": "yesterday"}), "GET", extra)[0].decode().split("\r\n")
        assert made[1:3] == ["Connection: close", "date: yesterday"], made


def test_content_type_of_the_application_wins():
    for name in ("Content-Type", "content-type", "CONTENT-TYPE"):
        for body in ("x", b"x", {"a": 1}, ""):
            lines = fields(Response(body, 200, {name: "a/b"}))
            assert name + ": a/b" in lines and len(lines) == 2, lines


def test_injection_raises():
    for text in ("\r\nX: y", "a\rb", "a\nb", "\n", "\r", "a\0b", "\0", "a\r\n\r\n<script>"):
        for headers in ({"X": text}, {"X": ["a", text]}, {"X": (text,)}, {"X": "/" + text}, {"Content-Type": text}):
            assert repr(text)[1:-1] in raised(ValueError, serialise, Response("x", 200, headers), "GET", "")
        for headers in ({text: "a"}, {"X" + text: "a"}, {text + "X": "a"}):
            raised(ValueError, serialise, Response("x", 200, headers), "GET", "")


def test_control_characters_raise():
    for code in list(range(32)) + [127]:
        character = chr(code)
        for text in (character, "a" + character, character + "b", "a" + character + "\xe9"):
            for headers in ({"X": text}, {"X": ["a", text]}):
                if character == "\t":
                    assert text.encode() in serialise(Response("x", 200, headers), "GET", "")[0]
                else:
                    assert "headers" in raised(ValueError, serialise, Response("x", 200, headers), "GET", "")
    # obs-text of RFC 9110, 5.5: what is not ASCII is sent as UTF-8
    assert "X: \x80 gr\xfc\xdfe" in fields(Response("x", 200, {"X": "\x80 gr\xfc\xdfe"}))


def test_malformed_names_raise():
    for name in ("", " ", "X Y", "X:", "X ", " X", "X\t", "(X)", "X,Y", "\xe9", "X\x7f", "X\x01", '"X"', "X/Y"):
        assert "headers" in raised(ValueError, serialise, Response("x", 200, {name: "a"}), "GET", "")
    assert "!#$%&'*+-.^_`|~aZ9: a" in fields(Response("x", 201, {"!#$%&'*+-.^_`|~aZ9": "a"}))


def test_other_values_raise():
    for value in (None, b"x", bytearray(b"x"), {}, object(), [None], [["x"]]):
        assert "value" in raised(TypeError, serialise, Response("x", 200, {"X": value}), "GET", "")


def test_fields_that_webhal_writes_raise():
    for name in ("Connection", "connection", "Transfer-Encoding", "TRANSFER-ENCODING"):
        assert name in raised(ValueError, serialise, Response("x", 200, {name: "close"}), "GET", "")


# -- status -------------------------------------------------------------------------------------------------


def test_status_lines():
    assert split(Response("x", 404))[0] == "HTTP/1.1 404 Not Found"
    assert split(Response("x", 599))[0] == "HTTP/1.1 599 "
    assert split(Response("x", 200, {"X": "y"}))[0] == "HTTP/1.1 200 OK"


def test_other_status_raises():
    for status in (0, 99, 100, 101, 199, 600, 1000, -200, "200", "404 Not Found", 200.5, True):
        assert repr(status) in raised(ValueError, serialise, Response("x", status), "GET", ""), status


# -- for streams --------------------------------------------------------------------------------------------


def test_head_for_a_stream():
    assert head(Response(), "a/b", None, "E: f\r\n") == b"HTTP/1.1 200 OK\r\nE: f\r\nContent-Type: a/b\r\n\r\n"
    made = head(Response(b"", 201, {"Content-Length": 7}), "a/b", None, "")
    assert made == b"HTTP/1.1 201 Created\r\nContent-Length: 7\r\nContent-Type: a/b\r\n\r\n"


def test_find():
    assert find({}, "a") is None
    assert find({"X": 1, "Content-Length": 2}, "content-length") == 2
    assert find({"content-length": 2}, "content-length") == 2
