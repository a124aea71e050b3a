"""What a request offers late: args, headers, cookies, text, json, form, read."""

import sys

from webhal.connection import Connection
from webhal.errors import HTTPError
from webhal.http import Request
from webhal.request import MultiDict, fields
from webhal.task import Read
from webhal.text import decode, unquote
from webhal.unicode import join_surrogates, latin1, repaired, replace

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
JSON = b"Content-Type: application/json\r\n"


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
    assert refusal(lambda: values["c"]) == (400, "c is missing")


def test_multi_dict_is_a_mapping():
    values = MultiDict([("a", "1"), ("bc", "2"), ("a", "3")])
    assert list(values.keys()) == list(values) == ["a", "bc", "a"]
    if sys.implementation.name == "cpython":  # MicroPython's dict looks for pairs, not for keys
        assert dict(values) == {"a": "1", "bc": "2"}
        assert dict(request("/?ab=1&ab=2&c").args) == {"ab": "1", "c": ""}
        assert dict(request("/", b"X-Y: a\r\nx-y: b\r\n").headers) == {"host": "a", "x-y": "a, b"}


def test_multi_dict_of_many_names():
    few = 33 if sys.implementation.name != "cpython" else 10000
    pairs = [("%d" % number, "a%d" % number) for number in range(few)] + [("7", "b")]
    head = "".join(["%s: %s\r\n" % pair for pair in pairs])
    head = b"GET / HTTP/1.1\r\n%s\r\n" % head.encode()
    for values, joined in ((MultiDict(pairs), "a7"), (MultiDict([], head), "a7, b")):
        for number in range(few):
            assert values.getlist("%d" % number)[0] == "a%d" % number
        assert values["7"] == joined and values.getlist("7") == ["a7", "b"]
        values.getlist("7").append("c")
        assert values.getlist("7") == ["a7", "b"]
        assert "x" not in values and values.getlist("x") == [] and values.get("x") is None
        assert refusal(lambda values=values: values["x"]) == (400, "x is missing")
        assert len(values) == few + 1 and values.items()[-1] == ("7", "b")


def test_multi_dict_empty():
    values = MultiDict([])
    assert len(values) == 0 and list(values) == [] and "" not in values


def test_multi_dict_of_names_in_any_case():
    values = MultiDict([], b"GET / HTTP/1.1\r\nX-y: 1\r\nx-Y:2\r\n\r\n")
    assert values["X-Y"] == values["x-y"] == values.get("X-y") == "1, 2"
    assert "X-Y" in values and values.getlist("x-Y") == ["1", "2"]


# -- headers ------------------------------------------------------------------------------------------------


def test_headers():
    headers = request("/", b"X-Y: a: b \t\r\nEmpty:\r\nx-y:c\r\n").headers
    assert list(headers.items()) == [("host", "a"), ("x-y", "a: b"), ("empty", ""), ("x-y", "c")]
    assert headers["X-Y"] == "a: b, c" and headers.getlist("X-Y") == ["a: b", "c"] and headers["Empty"] == ""
    assert "X" not in headers and "Empty" in headers


def test_several_fields_of_a_name_are_one():
    # So that what a proxy adds is not hidden behind what its client sent.
    headers = request("/", b"X-Forwarded-For: a\r\nX: y\r\nx-forwarded-for: b\r\nX-Forwarded-For:\r\n").headers
    assert headers.get("X-Forwarded-For") == headers["x-forwarded-for"] == "a, b, "
    assert headers.getlist("X-Forwarded-For") == ["a", "b", ""]
    assert request("/", b"Cookie: a=1\r\nCookie: b=2\r\n").headers["Cookie"] == "a=1; b=2"


def test_fields():
    head = b"GET / HTTP/1.1\r\nX-y: 1\r\nA:b\r\nx-Y: \t\r\nX-yz: 2\r\nX-: 3\r\n\r\n"
    assert fields(head) == [("x-y", "1"), ("a", "b"), ("x-y", ""), ("x-yz", "2"), ("x-", "3")]
    assert fields(head, "x-y") == [("x-y", "1"), ("x-y", "")] and fields(head, "a") == [("a", "b")]
    assert fields(head, "y") == fields(head, "x-y: 1\r\na") == fields(head, "/ http/1.1\r\nx-y") == []
    assert fields(b"") == fields(b"a: b") == fields(b"\r\n") == fields(b"x\r\n: b\r\nc") == []
    assert fields(b"\r\na:") == [("a", "")]


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
        assert len(garbled.args) == 0 and len(garbled.cookies) == 0 and garbled.text == ""
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


def test_queries_and_forms_are_read_as_browsers_do():
    for text, pairs in (
        (b"q=100%", [("q", "100%")]),
        (b"ssid=%E4", [("ssid", "\ufffd")]),
        (b"password=50%ig", [("password", "50%ig")]),
        (b"%", [("%", "")]),
        (b"%%41", [("%A", "")]),
        (b"a=%4", [("a", "%4")]),
        (b"a=%zz&%4g=b", [("a", "%zz"), ("%4g", "b")]),
        (b"a=%+1&b=%-1&c=%_1&d=%0x", [("a", "% 1"), ("b", "%-1"), ("c", "%_1"), ("d", "%0x")]),
        (b"%c3=%a9", [("\ufffd", "\ufffd")]),
        (b"a=%c3%28", [("a", "\ufffd(")]),
        (b"a=%ff%00", [("a", "\ufffd\0")]),
        (b"a=%f0%9f%98b", [("a", "\ufffdb")]),
        (b"a=%ef%bb%bfb", [("a", "\ufeffb")]),
    ):
        assert list(request("/?" + text.decode()).args.items()) == pairs, text
        assert list(request("/", FORM, text).form.items()) == pairs, text
    assert list(request("/", FORM, b"a=\xe4&\xc3\xa9=b").form.items()) == [("a", "\ufffd"), ("\xe9", "b")]


def test_pairs_are_bounded():
    for many, most in ((1000, None), (3, 3)) if sys.implementation.name == "cpython" else ((3, 3),):
        for pieces in (("a", "&"), ("a=b", "&&")):
            text = pieces[1].join([pieces[0]] * many) + "&"
            for one, values in (
                (request("/?" + text), "args"),
                (request("/?" + text + "c"), "args"),
                (request("/", FORM, text.encode()), "form"),
                (request("/", FORM, text.encode() + b"c=d&"), "form"),
            ):
                if most:
                    one.pairs = most
                if one.target.endswith("c") or one.text.endswith("d&"):
                    assert refusal(getattr, one, values) == (413, "too many names")
                else:
                    assert len(getattr(one, values)) == many


def test_a_class_of_requests_may_bound_pairs():
    class Other(Request):
        pairs = 2

    assert len(Other("GET", "/?" + "a&" * 2, "/", b"").args) == 2
    assert refusal(lambda: Other("GET", "/?" + "a&" * 3, "/", b"").args)[0] == 413


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
        (b"Cookie: a=b=c\r\n", {"a": "b=c"}),
        (b"Cookie: a=\r\n", {"a": ""}),
        (b'Cookie: a="b c"\r\n', {"a": "b c"}),
        (b'Cookie: a=27"; b="; c=""; d="x\r\n', {"a": '27"', "b": '"', "c": "", "d": '"x'}),
        (b'Cookie: a=""x""; b= "y" \r\n', {"a": '"x"', "b": "y"}),
        (b"Cookie: \xe2\x80\x80__Host-a=evil; __Host-a=good\r\n", {"\u2000__Host-a": "evil", "__Host-a": "good"}),
        (b"Cookie: \xa0a=1; a=\xa02\r\n", {"\xa0a": "1", "a": "\xa02"}),
        (b"Cookie: \ta\t=\t1\t;\tb=2\r\n", {"a": "1", "b": "2"}),
        (b"Cookie: abc; =b; ; b=2;\r\n", {"b": "2"}),
        (b"Cookie: a=%41\r\n", {"a": "%41"}),
    ):
        found = request("/", field).cookies
        assert len(found) == len(cookies) and dict(found.items()) == cookies, field


def test_cookies_of_one_name_and_of_none():
    cookies = request("/", b"Cookie: a=1; a=2\r\nCookie: a=3\r\n").cookies
    assert cookies["a"] == cookies.get("a") == "1" and cookies.getlist("a") == ["1", "2", "3"]
    assert "b" not in cookies and cookies.get("b") is None
    assert refusal(lambda: cookies["b"]) == (400, "b is missing")


# -- body ---------------------------------------------------------------------------------------------------


def test_text():
    assert request().text == ""
    assert request(body=b"abc").text == "abc"
    assert request(body=b"\xc3\xa9\0").text == "\xe9\0"
    assert refusal(lambda: request(body=b"\xe9").text) == (400, "not UTF-8")


def posted(body, fields=JSON):
    return request("/", fields, body)


def test_json():
    assert posted(b'{"a": [1, 2.5, "b", null, true]}').json == {"a": [1, 2.5, "b", None, True]}
    assert posted(b" 1 ").json == 1
    assert posted(b'"\xc3\xa9"').json == "\xe9"
    assert posted(b"[1e30, -1e-400]").json == [1e30, 0]
    bodies = [b"", b"a", b"}", b"1 2", b"1,", b"[1] x", b'"', b'"\xe9"', b"\xff", b"'a'"]
    bodies += [b"NaN", b"[NaN]", b"Infinity", b'{"a": -Infinity}', b"-NaN", b"nan", b"inf", b'"\\ud8"', b"\\ud83d"]
    bodies += [b"1e400", b"-1e400", b'[{"a": 1e999}]', b"1" + b"0" * 400 + b".0"]  # Infinity, once they are read
    if sys.implementation.name == "cpython":  # MicroPython's json takes these
        bodies += [b"{", b"[1,", b"{1: 2}", b"[1 2]", b"01"]
    for body in bodies:
        assert refusal(lambda body: posted(body).json, body)[0] == 400, body
    assert posted(b'"NaN"').json == "NaN"


def test_json_after_a_byte_order_mark():
    assert posted(b"\xef\xbb\xbf[1]").json == [1]
    assert posted(b'"\xef\xbb\xbf"').json == "\ufeff"
    for body in (b"\xef\xbb\xbf\xef\xbb\xbf1", b"\xef\xbb\xbf", b"\xff\xfe1\0"):
        assert refusal(lambda body: posted(body).json, body)[0] == 400, body


def test_json_of_characters_beyond_the_basic_plane():
    for body, value in (
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'["\\uD83D\\uDE00x", "a\\uDBFF\\uDFFF"]', ["\U0001f600x", "a\U0010ffff"]),
        (b'"\\ud800\\udc00"', "\U00010000"),
        (b'"\\ud83d"', "\ufffd"),
        (b'"\\ude00\\ud83d"', "\ufffd\ufffd"),
        (b'"\\ud83d\\ud83d\\ude00"', "\ufffd\U0001f600"),
        (b'"\\ud83d \\ude00"', "\ufffd \ufffd"),
        (b'"\\ud83d\\u0041"', "\ufffdA"),
        (b'"\\ud83d\\n\\ude00"', "\ufffd\n\ufffd"),
        (b'"\\\\ud83d\\\\ude00"', "\\ud83d\\ude00"),
        (b'"\\\\\\ud83d\\ude00"', "\\\U0001f600"),
        (b'{"\\ud83d\\ude00": "\\u00e9"}', {"\U0001f600": "\xe9"}),
        (b'"\xf0\x9f\x98\x80\\ud7ff\\ue000"', "\U0001f600\ud7ff\ue000"),
    ):
        assert posted(body).json == value, body
    assert join_surrogates(b"") == b"" and join_surrogates(b"\\") == b"\\" and join_surrogates(b"\\ud83") == b"\\ud83"
    assert join_surrogates(b"\\ud_3d \\ud83d\\ude") == b"\\ud_3d \xef\xbf\xbd\\ude"


def test_json_is_told_as_such():
    # Pages of other sites can send text/plain, or nothing, and the browser's cookies with it.
    for kind in (
        b"application/json",
        b"Application/JSON ;charset=utf-8",
        b"application/ld+json",
        b"application/problem+json; a=b",
    ):
        assert posted(b"[1]", b"content-TYPE: " + kind + b"\r\n").json == [1], kind
        assert posted(b"[1]", b"Content-type:" + kind + b"\t\r\nX: y\r\n").json == [1], kind
    for field in (
        b"",
        b"Content-Type:\r\n",
        b"Content-Type: text/plain\r\n",
        b"Content-Type: text/plain; application/json\r\n",
        b"Content-Type: application/jsonx\r\n",
        b"Content-Type: application/x-www-form-urlencoded\r\n",
        b"Content-Type: \xa0application/json\r\n",
        b"Content-Type: application/json, text/plain\r\n",
        b"X-Content-Type: application/json\r\n",
        JSON + FORM,
        JSON + JSON,
    ):
        assert refusal(lambda field: posted(b"[1]", field).json, field) == (415, "JSON is application/json"), field
        assert posted(b"[1]", field).text == "[1]"


def test_json_nested_too_deeply():
    # On MicroPython the limit is its heap's: deep nesting is stopped by the limit of a body.
    if sys.implementation.name == "cpython":
        for opening in (b"[", b'{"a":'):
            assert refusal(lambda opening: posted(opening * 100000).json, opening) == (400, "malformed JSON")


def test_json_number_too_long():
    if sys.implementation.name == "cpython" and sys.version_info >= (3, 11):
        assert refusal(lambda: posted(b"9" * 5000).json) == (400, "malformed JSON")


def test_form():
    for kind in (b"application/x-www-form-urlencoded", b"Application/X-WWW-Form-URLencoded ; charset=utf-8"):
        form = request("/", b"Content-Type: " + kind + b"\r\n", b"a=1&b=%C3%A9+x&a=2").form
        assert list(form.items()) == [("a", "1"), ("b", "\xe9 x"), ("a", "2")]
        assert form["a"] == "1"
        assert refusal(lambda form=form: form["c"]) == (400, "c is missing")


def test_form_of_nothing_is_empty():
    for field in (b"", FORM, JSON):
        form = request("/", field).form
        assert len(form) == 0 and form.get("a") is None and refusal(lambda form=form: form["a"])[0] == 400


def test_form_of_another_type():
    others = (b"Content-Type:\r\n", b"Content-Type: text/plain\r\n", b"Content-Type: multipart/mixed\r\n")
    for field in (b"", FORM + FORM) + others:
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
        (b"", b""),
        (b"abc", b"abc"),
        (b"%41", b"A"),
        (b"%41%42c%43", b"ABcC"),
        (b"%c3%A9", b"\xc3\xa9"),
        (b"\xe9%C3", b"\xe9\xc3"),
        (b"%2541", b"%41"),
        (b"a+b", b"a+b"),
        (b"%00%ff", b"\0\xff"),
    ):
        assert unquote(text) == plain, text
    for text in b"% a% %4 %4% %% %g0 %0g %0x %+1 %-1 %_1 %\xe9".split() + [b"% 1", b"%1 "]:
        assert unquote(text) == text, text


def test_many_escapes_take_little_memory():
    # In a board's heap: a list of thousands of pieces takes 16 times their bytes.
    assert unquote(b"%41" * 1300) == b"A" * 1300
    form = request("/", FORM, b"%41&" * 1300)
    form.pairs = 9
    assert refusal(lambda: form.form)[0] == 413


def test_decode():
    assert decode(b"\xe2\x82\xac") == "\u20ac"
    assert refusal(decode, b"\xff") == (400, "not UTF-8")


# -- text that is not UTF-8 -----------------------------------------------------------------------------------


def test_what_is_not_utf8_is_replaced_as_browsers_do():
    for data, text in (
        (b"", ""),
        (b"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "a\xe9\u20ac\U0001f600"),
        (b"\x80\xbf\xff", "???"),
        (b"\xc0\x80\xc1\xbf", "????"),
        (b"\xc3", "?"),
        (b"\xc3a", "?a"),
        (b"\xe0\x9f\x80", "???"),
        (b"\xe0\xa0", "?"),
        (b"\xe1\x80a", "?a"),
        (b"\xed\xa0\x80\xed\x9f\xbf", "???\ud7ff"),
        (b"\xef\xbf\xbf", "\uffff"),
        (b"\xf0\x8f\xbf\xbf", "????"),
        (b"\xf0\x90\x80", "?"),
        (b"\xf0\x90\x80\xc3\xa9", "?\xe9"),
        (b"\xf4\x8f\xbf\xbf\xf4\x90\x80\x80", "\U0010ffff????"),
        (b"\xf5\x80", "??"),
    ):
        text = text.replace("?", "\ufffd")
        assert str(repaired(data), "utf-8") == replace(data) == text, data
        escaped = "".join(["%%%02x" % byte for byte in data])
        assert request("/?a=" + escaped).args["a"] == text
        assert request("/", FORM, b"a=" + data).form["a"] == text
        if "\ufffd" in text:
            assert refusal(decode, data) == (400, "not UTF-8")
            assert refusal(lambda data: posted(b'"' + data + b'"').json, data)[0] == 400
            assert request("/", b"X: \xe9" + data + b"\r\n").headers["x"] == latin1(b"\xe9" + data)
        else:
            assert decode(data) == text
    assert replace(b"a\xff\xc3b") == "a\ufffd\ufffdb"


def test_latin1():
    assert latin1(b"") == "" and latin1(b"a\x7f\x80\xe9\xff") == "a\x7f\x80\xe9\xff"
