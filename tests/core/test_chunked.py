"""Chunked bodies: what the vectors of chunked.jsonl cannot say. How pieces are cut, and where a reader stands."""

from webhal.errors import HTTPError
from webhal.head import CHUNKED
from webhal.http import Reader

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def begin(body, limit=1024):
    connection = Reader()
    connection.feed(HEAD + body)
    assert connection.next_request(limit).length == CHUNKED
    return connection


def refusal(connection):
    try:
        while connection.read_body(100):
            pass
    except HTTPError as error:
        return error.status
    return None


def test_piece_is_as_large_as_asked_for_at_most():
    connection = begin(b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n")
    assert connection.read_body(2) == b"he"
    assert connection.read_body(2) == b"ll"
    assert connection.read_body(2) == b"o"
    assert connection.read_body(2) == b"!"
    assert connection.read_body(2) == b""


def test_piece_is_what_has_come():
    connection = begin(b"5\r\nhel")
    assert connection.read_body(100) == b"hel"
    assert connection.read_body(100) is None
    connection.feed(b"lo")
    assert connection.read_body(100) == b"lo"
    assert connection.read_body(100) is None
    connection.feed(b"\r\n0\r\n")
    assert connection.read_body(100) is None
    connection.feed(b"\r\n")
    assert connection.read_body(100) == b""


def test_end_stays_the_end_and_the_next_request_follows():
    connection = begin(b"0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert connection.left == CHUNKED
    assert connection.read_body(1) == b""
    assert connection.left == 0 and not hasattr(connection, "chunks")
    assert connection.read_body(1) == b""
    assert connection.next_request(1024).method == "GET"


def test_two_chunked_bodies_on_one_connection():
    connection = begin(b"1\r\na\r\n0\r\n\r\n" + HEAD + b"1\r\nb\r\n0\r\n\r\n")
    assert connection.read_body(9) == b"a" and connection.read_body(9) == b""
    connection.next_request(1024)
    assert connection.read_body(9) == b"b" and connection.read_body(9) == b""


def test_limit_is_that_of_all_trailers_together():
    def trailers(sizes, limit):
        connection = begin(b"0\r\n", 100)
        connection.chunks.limit = limit
        connection.feed(b"".join([b"A:" + b"x" * (size - 4) + b"\r\n" for size in sizes]) + b"\r\n")
        return refusal(connection)

    assert trailers((), 0) is None
    for over in (1, 2, 3, 30):
        assert trailers((30,), 30) is None
        assert trailers((30 + over,), 30) == 431
        assert trailers((10, 10, 10), 30) is None
        assert trailers((10, 10, 10 + over), 30) == 431
    assert trailers((4,) * 8, 30) == 431


def test_size_line_is_bounded_before_it_ends():
    connection = begin(b"1;" + b"x" * 254)
    assert connection.read_body(1) is None
    connection.feed(b"\r\n")
    assert connection.read_body(1) is None
    connection = begin(b"1;" + b"x" * 256)
    assert refusal(connection) == 400


def test_sizes_of_all_digits():
    for digits in ("10", "a", "A", "1f", "1F", "0a", "00ff"):
        size = int(digits, 16)
        connection = begin(digits.encode() + b"\r\n" + b"x" * size + b"\r\n0\r\n\r\n")
        assert connection.read_body(300) == b"x" * size
        assert connection.read_body(300) == b""
