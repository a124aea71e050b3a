"""Chunked bodies, what chunked.jsonl cannot say: how pieces are cut, where a reader stands, who waits."""

from serving import get, serve

from webhal import App
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


def test_small_chunks_that_are_there_are_one_piece():
    connection = begin(b"1\r\na\r\n2\r\nbc\r\n1\r\nd\r\n100\r\n" + b"x" * 256 + b"\r\n1\r\ne\r\n0\r\n\r\n")
    assert connection.read_body(2) == b"a"
    assert connection.read_body(3) == b"bcd"
    assert connection.read_body(300) == b"x" * 256
    assert connection.read_body(300) == b"e"
    assert connection.read_body(300) == b""


def test_a_piece_has_no_more_chunks_than_can_be_read_in_no_time():
    connection = begin(b"1\r\na\r\n" * 300)
    size = len(connection.read_body(300))
    assert size < 100
    while size < 300:
        piece = connection.read_body(300)
        assert 0 < len(piece) < 100
        size += len(piece)
    assert connection.read_body(300) is None


def test_who_sends_many_chunks_at_once_takes_turns_with_others():
    app = App()
    app.post("/")(lambda request: "%d bytes" % len(request.body))
    app.get("/")(lambda request: "served")
    data = HEAD + b"1\r\na\r\n" * 600 + b"0\r\n\r\n"
    with serve(app, harsh=False, body=600, buffer=len(data)) as bench:
        many = bench.connect(data)
        other = bench.connect(get())
        bench.until(lambda: other.received.endswith(b"served"))
        assert not many.received
        work = [connection.work for connection in bench.server.slots.values() if connection.work]
        assert 0 < len(work[0].body) < 600
        many.send(get())  # is received when that is done
        bench.until(lambda: many.received.endswith(b"served"))
        assert many.received.count(b"\r\n\r\n600 bytes") == many.received.count(b"HTTP/1.1 ") - 1 == 1
        many.close()
        other.close()


def test_who_sends_many_chunks_for_too_long_is_refused():
    app = App()
    app.post("/")(lambda request: "")
    with serve(app, harsh=False, body=1000, buffer=4000) as bench:
        client = bench.connect(HEAD + b"1\r\na\r\n" * 600)
        bench.until(lambda: client.state == "ended")
        assert client.received.startswith(b"HTTP/1.1 408 ")
        client.close()


def test_small_chunks_that_are_here_are_one_piece():
    sizes = (1, 15, 16, 255, 32, 2)
    data = b"".join([b"%x\r\n" % size + bytes([65 + size % 26]) * size + b"\r\n" for size in sizes])
    whole = b"".join([bytes([65 + size % 26]) * size for size in sizes])
    connection = begin(data + b"0\r\n\r\n")
    assert connection.read_body(1000) == whole and connection.read_body(1000) == b""
    connection = begin(data + b"100\r\n" + b"x" * 256 + b"\r\n0\r\n\r\n")  # which is not small
    assert connection.read_body(1000) == whole and connection.read_body(1000) == b"x" * 256
    connection = begin(data)
    assert connection.read_body(16) == whole[:16] and connection.read_body(300) == whole[16 : 16 + 271]


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


def test_a_size_that_was_cut_is_forgotten_with_its_chunk():
    connection = begin(b"1")
    assert connection.read_body(9) is None
    connection.feed(b"\r\na\r\n\n1\r\nb\r\n")
    assert connection.read_body(9) == b"a" and refusal(connection) == 400


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
