"""What no list of vectors can show: that all readings of a head agree on whatever a client sends, that it does not
matter how it was cut, and that nothing but HTTPError comes of it.
"""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import webhal.head as head
import webhal.http as http
from webhal.errors import HTTPError
from webhal_cpython.serving import Reader as CPython

LIMIT = 300
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


class Judged(http.Reader):
    """Without any quick reading."""

    def next_request(self, limit):
        return head.judge(self, limit)


Board = CPython.__bases__[0]
CONNECTIONS = (CPython, Board, Judged)
searching = settings(max_examples=400, deadline=None)


def read(connection, pieces, limit=LIMIT, most=50):
    """Everything that comes of the pieces: what each request says, with its body, and the refusal that ended it."""
    connection = connection()
    out = []
    reading = False
    for piece in pieces:
        connection.feed(piece)
        try:
            while True:
                if not reading:
                    request = connection.next_request(limit)
                    if request is None:
                        break
                    said = {name: getattr(request, name) for name in ("minor", "length", "keep", "waits", "body")}
                    out.append([request.method, request.target, request.path, request.head, said, b""])
                    assert type(request.head) is bytes
                    reading = True
                body = connection.read_body(most)
                if body is None:
                    break
                out[-1][-1] += body
                reading = body != b""
        except HTTPError as error:
            return [*out, error.status, error.message]
    return [*out, reading, bytes(connection.input[connection.start :])]


def cut(data, places):
    borders = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:stop] for start, stop in zip(borders, borders[1:], strict=False)] or [b""]


# -- what clients send, and nearly ----------------------------------------------------------------------------


def mostly(good, *others):
    """One of `good`, or, one time in twenty, of `others`."""
    return st.integers(0, 19).flatmap(lambda number: st.one_of(others) if number == 7 else st.sampled_from(good))


octets = st.binary(max_size=8)
spaces = mostly([b" "], st.sampled_from([b"", b"  ", b"\t", b" \t ", b"\n", b"\x0b"]))
line_ends = mostly(
    [b"\r\n"], st.sampled_from([b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n ", b"\r\n\t", b"\r\n\r\n", b"\n\n"])
)
methods = mostly(
    [b"GET", b"POST", b"HEAD", b"PUT", b"DELETE"],
    st.sampled_from([b"PATCH", b"OPTIONS", b"CONNECT", b"get", b"G(T", b"FOO", b""]),
    octets,
)
targets = mostly(
    [b"/", b"/a/b", b"/a?b=c", b"/%41", b"/?%41", b"//"],
    st.sampled_from(
        [
            b"*",
            b"a:80",
            b"http://a",
            b"http://a:1/b?c",
            b"http://a?b",
            b"http://[::1]:80/b",
            b"http://[a]",
            b"http://a%zz",
            b"https",
            b"/%",
            b"/%00",
            b"/%ff",
            b"/#",
            b"/\x7f",
            b"?",
        ]
    ),
    octets.map(lambda data: b"/" + data),
    octets,
)
versions = mostly(
    [b"HTTP/1.1"],
    st.sampled_from([b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/1.10", b"http/1.1", b"HTTP/1.\xb2"]),
    octets,
)
host_values = mostly(
    [b"a", b"a.example:80", b"[::1]:80"],
    st.sampled_from(
        b"a: a:b a:1:2 :1 a,b A \xe9 % %4 %41 [ ] [] a] a]:1 [a]".split()
        + b"[::] [::1]x [1:2:3:4:5:6:7:8] [::1.2.3.4] [::1%25a]".split()
    ),
    st.text("[]:.%12afg", max_size=12).map(str.encode),
    octets,
)
fields = st.one_of(
    st.tuples(st.sampled_from([b"Host", b"host", b"HOST"]), host_values),
    st.tuples(
        st.sampled_from([b"Content-Length", b"content-length", b"CONTENT-LENGTH"]),
        mostly(
            [b"0", b"5", b"17"],
            st.sampled_from(b"+5 5,5 05 \xb2".split() + [b"", b"5 5", b"9" * 15, b"9" * 16, b"0" * 16 + b"5"]),
            octets,
        ),
    ),
    st.tuples(
        st.sampled_from([b"Transfer-Encoding", b"TRANSFER-ENCODING"]),
        mostly([b"chunked", b"Chunked"], st.sampled_from([b"gzip", b"", b"chunked, chunked", b"\x0bchunked"]), octets),
    ),
    st.tuples(
        st.sampled_from([b"Connection", b"connection"]),
        st.sampled_from(
            [
                b"keep-alive",
                b"Keep-Alive",
                b"close",
                b"CLOSE",
                b"",
                b"a, close",
                b"keep-alive, a",
                b"Keep-alive",
                b"keep-Alive",
                b"KEEP-ALIVE",
                b"keep-alive\t",
                b"keep-alivee",
            ]
        ),
    ),
    st.tuples(
        st.sampled_from([b"Expect", b"expect"]),
        st.sampled_from([b"100-continue", b"100-Continue", b"", b"a", b"100-continue, 100-continue", b",", b"a, b"]),
    ),
    # Names that begin as those above do, and others.
    st.tuples(
        mostly(
            b"X Accept Cookie Content-Type content-encoding Content-Location Cost Exp Expires Hos Hosts Trailer".split()
            + b"Transfer Content-Lengths Content-Lengt Connections Connectio hoSTING CONTENT-LANGUAGE".split(),
            octets,
            st.sampled_from([b"X ", b"", b" X", b"X\t", b"X:", b"Hos\xc5\xbf", b"Transfer-Encod\xc4\xb1ng"]),
        ),
        mostly([b"y", b"", b"a: b", b"host: b", b"keep-alive", b"5", b"\xc3\xa9", b"\xe9"], octets),
    ),
)
field_lines = st.tuples(
    fields,
    mostly([b": "], st.sampled_from([b":", b":\t", b": \t ", b" :", b""])),
    st.sampled_from([b"", b"", b" ", b" \t"]),
    line_ends,
).map(lambda part: part[0][0] + part[1] + part[0][1] + part[2] + part[3])
request_lines = st.tuples(methods, spaces, targets, spaces, versions, line_ends).map(b"".join)
heads = st.tuples(
    mostly([b""], st.sampled_from([b"\r\n", b"\r\n\r\n", b"\n", b" "])),
    request_lines,
    st.tuples(mostly([b"Host: a\r\n"], st.just(b"")), st.lists(field_lines, max_size=4), st.integers(0, 4)).map(
        lambda part: b"".join(part[1][: part[2]] + [part[0]] + part[1][part[2] :])
    ),
    line_ends,
).map(b"".join)
chunk_sizes = mostly(
    [b"1", b"3", b"0", b"0"],
    st.sampled_from(
        [b"", b"+1", b"00000001", b"000000001", b"1 ", b"1;a", b"1;", b"g", b"ffffffff", b"0" * 60 + b"1"]
        + [b"1;a=%s" % (b"x" * size) for size in (10, 40, 90)]
    ),
)
chunks = st.lists(
    st.tuples(chunk_sizes, line_ends, mostly([b"", b"a", b"abc"], octets), line_ends).map(b"".join), max_size=3
).map(b"".join)
bodies = st.one_of(
    st.just(b""),
    octets,
    chunks,
    st.tuples(chunks, st.just(b"0\r\n"), st.lists(field_lines, max_size=2).map(b"".join), line_ends).map(b"".join),
)
streams = st.lists(st.tuples(heads, bodies).map(b"".join), min_size=1, max_size=3).map(b"".join)


@searching
@given(heads)
@example(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")
def test_all_readings_of_a_head_agree(data):
    assert read(CPython, [data]) == read(Board, [data]) == read(Judged, [data])


@searching
@given(streams, st.integers(20, 120))
def test_all_readings_of_a_stream_agree_at_any_limit(data, limit):
    assert read(CPython, [data], limit) == read(Board, [data], limit) == read(Judged, [data], limit)


@searching
@given(
    streams,
    st.lists(st.integers(0, 1000), max_size=6),
    st.sampled_from(CONNECTIONS),
    st.integers(20, 120),
    st.integers(1, 9),
)
@example(b"GET / HTTP/2.0\r\n" + b"X: y\r\n" * 20, [50], Judged, 60, 1)
@example(b"GET / HTTP/1.1\r\nExpect: x\r\nHost: a\n\nX: y\r\n\r\n", [42], Judged, 100, 1)
@example(b"GET /" + b"a" * 40 + b"\r\n\r\n", [42], Judged, 45, 1)
def test_how_input_was_cut_changes_nothing(data, places, connection, limit, most):
    assert read(connection, cut(data, places), limit, most) == read(connection, [data], limit)


@searching
@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=4), st.sampled_from(CONNECTIONS))
def test_nothing_but_refusals_comes_of_random_bytes(data, places, connection):
    read(connection, cut(data, places))


@searching
@given(heads)
def test_nothing_but_refusals_comes_of_late_attributes(data):
    refused = http.Request("", "", "", data)
    request = http.Reader()
    request.feed(data)
    try:
        request = request.next_request(LIMIT) or refused
    except HTTPError:
        request = refused
    request.body = data
    for name in ("headers", "cookies", "args", "text", "json", "form"):
        try:
            getattr(request, name)
        except HTTPError as error:
            assert error.status in (400, 415)
    assert len(refused.headers) >= 0 and refused.cookies is not None


# -- what is well-formed is read as it was meant --------------------------------------------------------------

token = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=8)
visible = st.text([chr(code) for code in range(33, 127)] + ["\t", " ", "\xe9", "\xff"], max_size=12)
segments = st.lists(st.text("abc/._~-!$&'()*+,;=:@\xe9\u20ac ?#%&\x01", max_size=8), min_size=1, max_size=4)
known = ("host", "content-length", "transfer-encoding", "connection", "expect")


def escape(text):
    return "".join(chr(byte) if chr(byte) in "abc/._~-!$&'()*+,;=:@" else "%%%02x" % byte for byte in text.encode())


@searching
@given(
    st.sampled_from("GET HEAD POST PUT DELETE PATCH OPTIONS TRACE".split()),
    segments,
    st.text("abc=&+%/?:@", max_size=8),
    st.lists(st.tuples(token, visible).filter(lambda field: field[0].lower() not in known), max_size=5),
    st.sampled_from(["", "close", "keep-alive", "Upgrade"]),
    st.integers(0, 1),
    st.binary(max_size=40),
    st.lists(st.integers(1, 9), max_size=5),
    st.booleans(),
    st.sampled_from(CONNECTIONS),
)
def test_what_is_well_formed_is_read(method, path, query, others, option, minor, body, sizes, chunked, connection):
    path = "/" + "/".join(path)
    target = escape(path) + ("?" + query if query else "")
    chunked = chunked and minor == 1
    lines = ["%s %s HTTP/1.%d" % (method, target, minor), "Host: a.example"]
    lines += ["%s:%s" % field for field in others]
    if option:
        lines.append("Connection: " + option)
    if chunked:
        lines.append("Transfer-Encoding: chunked")
        rest = body
        sent = b""
        for size in [*sizes, len(body)]:
            if rest[:size]:
                sent += b"%x;x\r\n%b\r\n" % (len(rest[:size]), rest[:size])
                rest = rest[size:]
        sent += b"0\r\nX: y\r\n\r\n"
    else:
        sent = body
        if body:
            lines.append("Content-Length: %d" % len(body))
    made = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    said = {
        "minor": minor,
        "length": head.CHUNKED if chunked else len(body),
        "keep": option == "keep-alive" or (minor == 1 and option != "close"),
        "waits": False,
        "body": b"",
    }
    wanted = [method, target, path, made, said, body]
    assert read(connection, [made + sent + made + sent], 1000) == [wanted, wanted, False, b""]
    headers = http.Request(method, target, path, made).headers
    for name, _ in others:
        values = [value.strip(" \t") for other, value in others if other.lower() == name.lower()]
        assert headers.getlist(name) == values


# -- time -----------------------------------------------------------------------------------------------------


class Counting(bytearray):
    """Counts the bytes that are looked at."""

    looked = 0

    def _see(self, start, stop):
        Counting.looked += max(0, min(stop, len(self)) - start)

    def find(self, what, start=0, stop=1 << 30):
        found = super().find(what, start, stop)
        self._see(start, stop if found < 0 else found + len(what))
        return found

    def count(self, what, start=0, stop=1 << 30):
        self._see(start, stop)
        return super().count(what, start, stop)

    def decode(self, coding):
        self._see(0, len(self))
        return super().decode(coding)

    def __getitem__(self, place):
        if isinstance(place, slice):
            self._see(*place.indices(len(self))[:2])
        return super().__getitem__(place)


LONG = 3000
DRIPPED = {  # a long one of everything, as it comes: (before it, a piece, after it)
    "escapes": (b"GET /", b"%41" * LONG, b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    "queries": (b"GET /?", b"a&" * LONG, b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    "methods": (b"", b"G" * LONG, b" / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "fields": (b"GET / HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n" * LONG, b"\r\n"),
    "values": (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"y" * LONG, b"\r\n\r\n"),
    "names": (b"GET / HTTP/1.1\r\nHost: a\r\n", b"X" * LONG, b":\r\n\r\n"),
    "lines": (b"", b"\r\n" * LONG, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "requests": (b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * (LONG // 10), b""),
    "chunks": (CHUNKED, b"1\r\na\r\n" * LONG, b"0\r\n\r\n"),
    "sizes": (CHUNKED, (b"0" * 200 + b"c8\r\n" + b"a" * 200 + b"\r\n") * 30, b"0\r\n\r\n"),
    "extensions": (CHUNKED, (b"c8;" + b"a" * 200 + b"\r\n" + b"a" * 200 + b"\r\n") * 30, b"0\r\n\r\n"),
    "trailer": (CHUNKED + b"0\r\nX: ", b"y" * LONG, b"\r\n\r\n"),
    "trailers": (CHUNKED + b"0\r\n", b"X: y\r\n" * LONG, b"\r\n"),
}


@pytest.mark.parametrize("reader", CONNECTIONS)
@pytest.mark.parametrize("name", DRIPPED)
def test_what_was_looked_at_is_not_looked_at_again(reader, name):
    class Counted(reader):
        def feed(self, data):
            self.input = Counting(b"".join((memoryview(self.input)[self.start :], data)))
            self.start = 0

    data = b"".join(DRIPPED[name])
    for size in (1, len(data)):
        Counting.looked = 0
        out = read(Counted, [data[place : place + size] for place in range(0, len(data), size)], 10 * LONG, 10 * LONG)
        assert out[-2:] == [False, b""]
        assert Counting.looked < 20 * len(data)


def test_no_head_costs_its_length_squared():
    # Each takes milliseconds where time is in proportion to length, else minutes.
    many = 300_000
    for data in (
        b"GET / HTTP/1.1\r\nHost:" + b" " * many,
        b"GET / HTTP/1.1\r\nHost: a" + b" " * many + b"\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: " + b"a" * many + b"\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a:" + b"1" * many + b"x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length:" + b" " * many + b"x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"1" * many + b"x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"Content-Length:\r\n" * (many // 17) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * (many // 6) + b"X\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"Cost: y\r\n" * (many // 9) + b"X\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"Cost: y\r\nX: y\r\n" * (many // 15) + b"X\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\nContent-Length: 1\r\n" * (many // 25) + b"X\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n" + b"X: y\r\n" * (many // 6) + b"Cost: y\r\nX\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX:" + b" " * many,
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X" * many,
        b"GET /" + b"?" * many,
        b"GET /" + b"/" * many + b" \r\n\r\n",
        b"\r\n" * many + b"GET",
    ):
        for connection in CONNECTIONS:
            read(connection, [data], 2 * many)
