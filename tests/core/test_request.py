"""What a request offers late: args, headers, cookies, text, json, form, read."""

import sys

from webhal.connection import Connection
from webhal.errors import HTTPError
from webhal.http import Request
from webhal.request import MultiDict
from webhal.task import Read
from webhal.text import decode, unquote


def request(target="/", fields=b"", body=b""):
    made = Request("POST", target, "/", b"POST / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")
    if body:
        made.body = body
    return made


def refusal(work, *arguments):
    try:
        work(*arguments)
    except HTTPError as error:
        return error.status, error.message
    raise AssertionError("not refused: %r" % (arguments,))


# -- MultiDict ----------------------------------------------------------------------------------------------


def test_multi_dict():
    values = MultiDict([("a", "1"), ("b", "2"), ("a", "3")])
    assert values["a"] == "1" and values["b"] == "2"
    assert values.get("a") == "1" and values.get("c") is None and values.get("c", "x") == "x"
    assert values.getlist("a") == ["1", "3"] and values.getlist("c") == []
    assert "a" in values and "c" not in values and "A" not in values
    assert len(values) == 3 and list(values) == ["a", "b", "a"]
    assert list(values.items()) == [("a", "1"), ("b", "2"), ("a", "3")]
    try:
        values["c"]
    except KeyError as error:
        assert error.args == ("c",)
    else:
        raise AssertionError("a value from nowhere")


def test_multi_dict_empty():
    values = MultiDict([])
    assert len(values) == 0 and list(values) == [] and "" not in values


def test_multi_dict_of_names_in_any_case():
    values = MultiDict([], b"GET / HTTP/1.1\r\nX-y: 1\r\nx-Y:2\r\n\r\n")
    assert values["X-Y"] == values["x-y"] == values.get("X-y") == "1"
    assert "X-Y" in values and values.getlist("x-Y") == ["1", "2"]


# -- headers ------------------------------------------------------------------------------------------------


def test_headers():
    headers = request("/", b"X-Y: a: b \t\r\nEmpty:\r\nx-y:c\r\n").headers
    assert list(headers.items()) == [("host", "a"), ("x-y", "a: b"), ("empty", ""), ("x-y", "c")]
    assert headers["X-Y"] == "a: b" and headers.getlist("X-Y") == ["a: b", "c"] and headers["Empty"] == ""
    assert "X" not in headers and "Empty" in headers


def test_headers_in_utf8_or_latin1():
    assert request("/", b"X: \xc3\xa9\r\n").headers["X"] == "\xe9"
    assert request("/", b"X: \xe9 \xff\r\n").headers["X"] == "\xe9 \xff"
    printable = [code for code in range(0x21, 0x100) if code != 0x7F]
    assert request("/", b"X: " + bytes(printable) + b"\r\n").headers["X"] == "".join([chr(code) for code in printable])


def test_headers_of_a_refused_request_can_be_looked_at():
    # An error handler gets the request as it came.
    for head in (b"", b"hello\r\n", b"\xff: x\r\n\xff\0: y\r\n", b"\0\r\n: x", b"\r\n" * 3, b"GET / HTTP/1.1\r\nX: y"):
        garbled = Request("", "", "", head)
        assert len(garbled.headers) <= 1
        assert len(garbled.args) == 0 and garbled.cookies == {} and garbled.text == ""
    assert garbled.headers["x"] == "y"


# -- args ---------------------------------------------------------------------------------------------------


def test_args():
    for query, pairs in (
        ("", []),
        ("?", []),
        ("?a", [("a", "")]),
        ("?a=", [("a", "")]),
        ("?=a", [("", "a")]),
        ("?a=b", [("a", "b")]),
        ("?a=b=c", [("a", "b=c")]),
        ("?a=b&a=c&d=e", [("a", "b"), ("a", "c"), ("d", "e")]),
        ("?&&a=b&", [("a", "b")]),
        ("?a?b=c?d/", [("a?b", "c?d/")]),
        ("?a+b=c+d", [("a b", "c d")]),
        ("?a%2Bb=%2b", [("a+b", "+")]),
        ("?a%26b=c%3Dd", [("a&b", "c=d")]),
        ("?%41=%2541", [("A", "%41")]),
        ("?a=%C3%A9%20%e2%82%ac", [("a", "\xe9 \u20ac")]),
        ("?a=%00", [("a", "\0")]),
        ("?a;b=c", [("a;b", "c")]),
    ):
        assert list(request("/x" + query).args.items()) == pairs, query


def test_args_refused():
    for query in ("?%", "?a=%", "?a=%4", "?a=%zz", "?%4g=b", "?a=b&c=%", "?a=%ff", "?%c3=a", "?a=%+1", "?a=%-1"):
        assert refusal(lambda query: request("/" + query).args, query)[0] == 400, query


def test_args_of_other_targets():
    assert request("http://a/b?c=d").args["c"] == "d"
    assert len(request("*").args) == 0


# -- cookies ------------------------------------------------------------------------------------------------


def test_cookies():
    for field, cookies in (
        (b"", {}),
        (b"Cookie:\r\n", {}),
        (b"Cookie: a=1\r\n", {"a": "1"}),
        (b"Cookie: a=1; b=2;c=3 ;  d = 4\r\n", {"a": "1", "b": "2", "c": "3", "d": "4"}),
        (b"Cookie: a=1\r\nCookie: b=2\r\n", {"a": "1", "b": "2"}),
        (b"Cookie: a=1; a=2\r\nCookie: a=3\r\n", {"a": "1"}),
        (b"Cookie: a=b=c\r\n", {"a": "b=c"}),
        (b"Cookie: a=\r\n", {"a": ""}),
        (b'Cookie: a="b c"\r\n', {"a": "b c"}),
        (b"Cookie: abc; =b; ; b=2;\r\n", {"b": "2"}),
        (b"Cookie: a=%41\r\n", {"a": "%41"}),
    ):
        assert request("/", field).cookies == cookies, field


# -- body ---------------------------------------------------------------------------------------------------


def test_text():
    assert request().text == ""
    assert request(body=b"abc").text == "abc"
    assert request(body=b"\xc3\xa9\0").text == "\xe9\0"
    assert refusal(lambda: request(body=b"\xe9").text) == (400, "not UTF-8")


def test_json():
    assert request(body=b'{"a": [1, 2.5, "b", null, true]}').json == {"a": [1, 2.5, "b", None, True]}
    assert request(body=b" 1 ").json == 1
    assert request(body=b'"\xc3\xa9"').json == "\xe9"
    bodies = [b"", b"a", b"}", b"1 2", b"1,", b"[1] x", b'"', b'"\xe9"', b"\xff", b"\xef\xbb\xbf1", b"'a'"]
    if sys.implementation.name == "cpython":  # MicroPython's json takes these
        bodies += [b"{", b"[1,", b"{1: 2}", b"[1 2]", b"01"]
    for body in bodies:
        assert refusal(lambda body: request(body=body).json, body)[0] == 400, body


def test_json_nested_too_deeply():
    # On MicroPython the limit is its heap's: deep nesting is stopped by the limit of a body.
    if sys.implementation.name == "cpython":
        for opening in (b"[", b'{"a":'):
            assert refusal(lambda opening: request(body=opening * 100000).json, opening) == (400, "malformed JSON")


def test_json_number_too_long():
    if sys.implementation.name == "cpython" and sys.version_info >= (3, 11):
        assert refusal(lambda: request(body=b"9" * 5000).json) == (400, "malformed JSON")


def test_form():
    kinds = (b"application/x-www-form-urlencoded", b"Application/X-WWW-Form-URLencoded; charset=utf-8")
    for kind in kinds:
        form = request("/", b"Content-Type: " + kind + b"\r\n", b"a=1&b=%C3%A9+x&a=2").form
        assert list(form.items()) == [("a", "1"), ("b", "\xe9 x"), ("a", "2")]
    assert len(request("/", b"Content-Type: " + kinds[0] + b"\r\n").form) == 0
    for body in (b"a=%", b"a=\xff", b"%zz=1"):
        assert refusal(lambda body: request("/", b"Content-Type: " + kinds[0] + b"\r\n", body).form, body)[0] == 400


def test_form_of_another_type():
    for field in (b"", b"Content-Type:\r\n", b"Content-Type: text/plain\r\n", b"Content-Type: multipart/form-data\r\n"):
        assert refusal(lambda field: request("/", field, b"a=1").form, field)[0] == 415, field


def run(awaitable):
    """(what it yielded, its value)."""
    steps = iter(awaitable)
    yielded = []
    try:
        while True:
            yielded.append(next(steps))
    except StopIteration as stop:
        return yielded, stop.value


def test_read_without_a_body():
    assert run(request().read()) == ([], b"")
    assert run(request().read(5)) == ([], b"")


def test_read():
    connection = Connection("socket", ("a", 1), 0)
    connection.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 600\r\n\r\n" + b"x" * 580)
    made = connection.next_request(1000)
    made.connection = connection
    assert run(made.read()) == ([], b"x" * 512)
    assert run(made.read(10)) == ([], b"x" * 10)
    assert run(made.read(100)) == ([], b"x" * 58)
    steps = iter(made.read(15))
    assert next(steps) is steps and next(steps) is steps  # nothing has come
    connection.feed(b"y" * 20)
    try:
        next(steps)
    except StopIteration as stop:
        assert stop.value == b"y" * 15
    else:
        raise AssertionError("still waiting")
    assert run(made.read(15)) == ([], b"y" * 5)
    assert run(made.read(15)) == ([], b"")


def test_read_is_awaitable():
    async def read():
        return await Read(request(), 1)

    try:
        read().send(None)
    except StopIteration as stop:
        assert stop.value == b""


# -- escapes ------------------------------------------------------------------------------------------------


def test_unquote():
    for text, plain in (
        ("", ""),
        ("abc", "abc"),
        ("%41", "A"),
        ("%41%42c%43", "ABcC"),
        ("%c3%A9", "\xe9"),
        ("\xe9%C3%A9", "\xe9\xe9"),
        ("%2541", "%41"),
        ("a+b", "a+b"),
        ("%00", "\0"),
    ):
        assert unquote(text) == plain, text


def test_unquote_refuses():
    for text in ("%", "a%", "%4", "%4%", "%%", "%g0", "%0g", "% 1", "%1 ", "%0x", "%+1", "%-1", "%_1", "%\xe9"):
        assert refusal(unquote, text) == (400, "malformed percent-escape"), text
    for text in ("%ff", "%80", "%c3", "%e2%82", "%c3x%a9"):
        assert refusal(unquote, text) == (400, "not UTF-8"), text


def test_decode():
    assert decode(b"\xe2\x82\xac") == "\u20ac"
    assert decode(bytearray(b"a")) == "a"
    assert refusal(decode, b"\xff") == (400, "not UTF-8")
