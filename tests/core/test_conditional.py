"""Conditional requests and ranges (RFC 9110, 13 and 14), of files over the fake network."""

from files import folder, mounted
from serving import raises

from webhal import HTTPError, Request
from webhal.conditional import matches, parse_date, parse_ranges, respond
from webhal.testing import TestClient


def test_dates_have_three_forms():
    expected = (1994, 11, 6, 8, 49, 37)
    for text in (
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        " Sun, 6 nov 1994 08:49:37 GMT ",
    ):
        assert parse_date(text) == expected, text
    assert parse_date("Fri, 27 Nov 2026 00:22:45 GMT") > expected
    for text in ("", "0", "Sun, 06 Nov 1994", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET"):
        assert parse_date(text) == (), text
    for day, month, year, clock in (
        ("0", "Nov", "1994", "08:49:37"),
        ("32", "Nov", "1994", "08:49:37"),
        ("6", "ovD", "1994", "08:49:37"),
        ("6", "No", "1994", "08:49:37"),
        ("6", "November", "1994", "08:49:37"),
        ("6", "Nov", "x", "08:49:37"),
        ("6", "Nov", "1994", "24:49:37"),
        ("6", "Nov", "1994", "08:60:37"),
        ("6", "Nov", "1994", "08:49:61"),
        ("6", "Nov", "1994", "08:49"),
        ("6", "Nov", "1994", "8.49.37"),
        ("six", "Nov", "1994", "08:49:37"),
    ):
        assert parse_date("Sun, %s %s %s %s GMT" % (day, month, year, clock)) == (), (day, month, year, clock)


def test_entity_tags():
    for tags, strong, weak in (
        ('"a"', True, True),
        ('W/"a"', False, True),
        ("*", True, True),
        (" * ", True, True),
        ('"b", "a"', True, True),
        ('"b",W/"a" , "c"', False, True),
        ('"x,y", "a"', True, True),
        ('"b"', False, False),
        ("a", False, False),
        ('"a', False, False),
        ("", False, False),
        ('"b", *', False, False),
        ('"xa"', False, False),
    ):
        assert (matches(tags, '"a"', False), matches(tags, '"a"', True)) == (strong, weak), tags
    assert not matches('""', "", True)


def test_ranges():
    whole = None
    for text, expected in (
        ("bytes=0-0", [(0, 1)]),
        ("bytes=2-4", [(2, 5)]),
        ("bytes=7-", [(7, 10)]),
        ("bytes=-3", [(7, 10)]),
        ("bytes=-30", [(0, 10)]),
        ("bytes=0-99999999999999999", [(0, 10)]),
        ("BYTES = 1 - 2", [(1, 3)]),
        ("bytes=0-1,3-4, -1", [(0, 2), (3, 5), (9, 10)]),
        ("bytes=,0-1,,3-4,", [(0, 2), (3, 5)]),
        ("bytes=20-30,0-1", [(0, 2)]),
        ("bytes=10-", []),
        ("bytes=-0", []),
        ("bytes=20-30,40-", []),
        ("bytes=4-2", whole),
        ("bytes=0-1,4-2", whole),
        ("bytes=a-b", whole),
        ("bytes=--1", whole),
        ("bytes=1--", whole),
        ("bytes=-", whole),
        ("bytes=5", whole),
        ("bytes=\xb2-", whole),
        ("bytes=+1-2", whole),
        ("bytes=0-" + "9" * 5000, whole),
        ("items=0-1", whole),
        ("bytes 0-1", whole),
        ("bytes", whole),
        ("", whole),
        ("bytes=0-9,0-9", whole),  # together more than the file
        ("bytes=" + ",".join(["%d-%d" % (n, n) for n in [0, 2, 4, 6, 8] * 5]), whole),
    ):
        assert parse_ranges(text, 10) == expected, text
    many = ",".join(["%d-%d" % (2 * n, 2 * n) for n in range(17)])
    assert parse_ranges("bytes=" + many, 100) is None
    assert len(parse_ranges("bytes=" + many[: many.rfind(",")], 100)) == 16


# -- over the fake network ----------------------------------------------------------------------------------

BODY = bytes(range(100))
OLD = "Sun, 06 Nov 1994 08:49:37 GMT"
NEW = "Fri, 31 Dec 2100 23:59:59 GMT"


def test_precedence_of_conditions():
    """RFC 9110, 13.2.2, step by step."""
    with folder({"a.bin": BODY}) as path:
        client = TestClient(mounted(path, cache="max-age=5"))
        whole = client.get("/static/a.bin")
        tag = whole.headers["ETag"]
        date = whole.headers["Last-Modified"]
        for fields, get, head in (
            ({"If-Match": tag}, 200, 200),
            ({"If-Match": "*"}, 200, 200),
            ({"If-Match": '"x", ' + tag}, 200, 200),
            ({"If-Match": '"x"'}, 412, 412),
            ({"If-Match": "W/" + tag}, 412, 412),
            ({"If-Match": tag, "If-Unmodified-Since": OLD}, 200, 200),  # which If-Match makes of no account
            ({"If-Match": '"x"', "If-Unmodified-Since": NEW}, 412, 412),
            ({"If-Unmodified-Since": NEW}, 200, 200),
            ({"If-Unmodified-Since": date}, 200, 200),
            ({"If-Unmodified-Since": OLD}, 412, 412),
            ({"If-Unmodified-Since": "yesterday"}, 200, 200),
            ({"If-Match": tag, "If-None-Match": tag}, 304, 304),
            ({"If-Match": '"x"', "If-None-Match": tag}, 412, 412),
            ({"If-Unmodified-Since": OLD, "If-None-Match": tag}, 412, 412),
            ({"If-None-Match": tag}, 304, 304),
            ({"If-None-Match": "W/" + tag}, 304, 304),
            ({"If-None-Match": "*"}, 304, 304),
            ({"If-None-Match": '"x", "y" ,' + tag}, 304, 304),
            ({"If-None-Match": '"x"'}, 200, 200),
            ({"If-None-Match": "x"}, 200, 200),
            ({"If-None-Match": '"x"', "If-Modified-Since": NEW}, 200, 200),  # of no account either
            ({"If-None-Match": tag, "If-Modified-Since": OLD}, 304, 304),
            ({"If-Modified-Since": date}, 304, 304),
            ({"If-Modified-Since": NEW}, 304, 304),
            ({"If-Modified-Since": OLD}, 200, 200),
            ({"If-Modified-Since": "today"}, 200, 200),
            ({"Range": "bytes=0-1"}, 206, 200),
            ({"Range": "bytes=200-"}, 416, 200),
            ({"If-Match": '"x"', "Range": "bytes=0-1"}, 412, 412),
            ({"If-None-Match": tag, "Range": "bytes=0-1"}, 304, 304),
            ({"If-Range": tag, "Range": "bytes=0-1"}, 206, 200),
            ({"If-Range": date, "Range": "bytes=0-1"}, 206, 200),
            ({"If-Range": '"x"', "Range": "bytes=0-1"}, 200, 200),
            ({"If-Range": "W/" + tag, "Range": "bytes=0-1"}, 200, 200),
            ({"If-Range": OLD, "Range": "bytes=0-1"}, 200, 200),
            ({"If-Range": NEW, "Range": "bytes=0-1"}, 200, 200),
            ({"If-Range": "x", "Range": "bytes=0-1"}, 200, 200),
            ({"If-Range": '"x"', "Range": "bytes=200-"}, 200, 200),
            ({"If-Range": tag, "Range": "bytes=200-"}, 416, 200),
            ({"If-Range": tag}, 200, 200),
        ):
            answer = client.get("/static/a.bin", headers=fields)
            assert answer.status == get, (fields, answer)
            assert client.head("/static/a.bin", headers=fields).status == head, fields
            if get == 200:
                assert answer.body == BODY
            if get == 206:
                assert answer.body == BODY[:2]
                assert answer.headers["ETag"] == tag
            if get == 304:
                names = sorted(answer.headers.keys())
                assert names == ["cache-control", "connection", "etag", "vary"] and answer.headers["ETag"] == tag
        twice = client.get("/static/a.bin", headers={"If-None-Match": '"x"\r\nIf-None-Match: ' + tag})
        assert twice.status == 304


def test_one_range():
    with folder({"a.bin": BODY, "empty": b""}) as path:
        client = TestClient(mounted(path))
        for value, body, told in (
            ("bytes=0-9", BODY[:10], "bytes 0-9/100"),
            ("bytes=90-", BODY[90:], "bytes 90-99/100"),
            ("bytes=-1", BODY[99:], "bytes 99-99/100"),
            ("bytes=0-", BODY, "bytes 0-99/100"),
            ("bytes=50-1000", BODY[50:], "bytes 50-99/100"),
            ("bytes=200-300,5-5", BODY[5:6], "bytes 5-5/100"),
        ):
            answer = client.get("/static/a.bin", headers={"Range": value})
            assert (answer.status, answer.body, answer.headers["Content-Range"]) == (206, body, told), value
            assert answer.headers["Content-Type"] == "application/octet-stream"
        answer = client.get("/static/a.bin", headers={"Range": "bytes=100-"})
        assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */100")
        for value in ("items=0-1", "bytes=2-1", "bytes=x"):
            answer = client.get("/static/a.bin", headers={"Range": value})
            assert (answer.status, answer.body) == (200, BODY)
        for value in ("bytes=0-1", "bytes=-1"):  # of nothing there is no part
            assert client.get("/static/empty", headers={"Range": value}).status == 200


def test_several_ranges():
    with folder({"a.txt": BODY}) as path:
        client = TestClient(mounted(path))
        for value, parts in (
            ("bytes=0-9,20-29", ((0, 10), (20, 30))),
            ("bytes=-5,0-0", ((95, 100), (0, 1))),
            ("bytes=1-1, 3-3 ,5-5,300-", ((1, 2), (3, 4), (5, 6))),
        ):
            answer = client.get("/static/a.txt", headers={"Range": value})
            kind = answer.headers["Content-Type"]
            assert answer.status == 206 and kind.startswith("multipart/byteranges; boundary=")
            assert answer.headers.get("Content-Range") is None
            boundary = kind[kind.find("=") + 1 :].encode()
            expected = b""
            for start, end in parts:
                expected += b"\r\n--%s\r\nContent-Type: text/plain; charset=utf-8\r\n" % boundary
                expected += b"Content-Range: bytes %d-%d/100\r\n\r\n%s" % (start, end - 1, BODY[start:end])
            assert answer.body == expected + b"\r\n--%s--\r\n" % boundary


def test_ranges_of_what_is_compressed_are_of_the_compressed_bytes():
    with folder({"a.css": BODY, "a.css.gz": BODY[50:]}) as path:
        client = TestClient(mounted(path))
        answer = client.get("/static/a.css", headers={"Range": "bytes=0-1", "Accept-Encoding": "gzip"})
        assert (answer.status, answer.body) == (206, BODY[50:52])
        assert (answer.headers["Content-Encoding"], answer.headers["Content-Range"]) == ("gzip", "bytes 0-1/50")


def test_a_file_without_a_time_has_ranges_but_no_conditions():
    request = Request(
        "GET", "/", "/", b'GET / HTTP/1.1\r\nIf-None-Match: ""\r\nIf-Modified-Since: %s\r\n\r\n' % NEW.encode()
    )
    assert respond(None, request, 10, {}) is None
    request = Request("GET", "/", "/", b'GET / HTTP/1.1\r\nIf-Match: "a"\r\n\r\n')
    assert raises(HTTPError, respond, None, request, 10, {}).status == 412
    request = Request("GET", "/", "/", b"GET / HTTP/1.1\r\nRange: bytes=0-1\r\nIf-Range: %s\r\n\r\n" % NEW.encode())
    assert respond(None, request, 10, {}) is None
