"""What clients send, judged by webhal.http: the vectors of tests/vectors (their README tells the format), and
what vectors cannot say. Everything is read in every way there is: by the judge of heads alone (head.py), with the
quick reading of boards before it (http.py), and with CPython's (serving.py of its port).
"""

import json
import sys

import webhal.head as head
import webhal.http as http
from webhal.errors import HTTPError

VECTORS = __file__[: -len("core/test_http.py")] + "vectors/"
LIMIT = 1024
NEXT = b"GET /n HTTP/1.1\r\nHost: a\r\n\r\n"  # no longer than any limit
READ_NEXT = {"target": "/n"}


class Judged(http.Reader):
    """Without any quick reading."""

    def next_request(self, limit):
        return head.judge(self, limit)


CONNECTIONS = [http.Reader, Judged]
if sys.implementation.name == "cpython":
    from webhal_cpython.serving import Reader as CPythons

    CONNECTIONS = [CPythons, http.Reader, Judged]


class Reader:
    """Takes what a Reader gives, until it wants more input or has refused."""

    def __init__(self, connection, limit, most):
        self.connection = connection
        self.limit = limit
        self.most = most  # bytes of body at once
        self.out = []  # [request, body, status of a refusal in the body]; or the status of a refused request
        self.reading = False  # a body
        self.refused = False

    def feed(self, data):
        self.connection.feed(data)
        try:
            while self._take():
                pass
        except HTTPError as error:
            self.refused = True
            if self.reading:
                self.out[-1][2] = error.status
            else:
                self.out.append(error.status)

    def _take(self):
        if not self.reading:
            request = self.connection.next_request(self.limit)
            if request is None:
                return False
            self.out.append([request, b"", None])
            self.reading = True
        piece = self.connection.read_body(self.most)
        if piece is None:
            return False
        assert type(piece) is bytes and len(piece) <= self.most
        self.reading = bool(piece)
        if piece:
            self.out[-1][1] += piece
        return True

    def wants_more(self):
        return not self.refused and (self.reading or self.connection.start < len(self.connection.input))


def octets(text):
    return bytes([ord(character) for character in text])


def check_request(wanted, seen):
    request, body, refused = seen
    assert request.method == wanted.get("method", "GET"), request.method
    assert request.target == wanted["target"], request.target
    assert request.path == wanted.get("path", wanted["target"]), request.path
    assert request.minor == wanted.get("minor", 1), request.minor
    assert request.keep is wanted.get("keep", True), request.keep
    assert request.waits is wanted.get("waits", False), request.waits
    assert body == octets(wanted.get("body", "")), body
    assert refused == wanted.get("refused"), refused
    assert type(request.head) is bytes and request.head.find(b"\r\n\r\n") == len(request.head) - 4, request.head
    fields = wanted.get("fields", {})
    for name in fields:
        values = fields[name] if isinstance(fields[name], list) else [fields[name]]
        assert request.headers.getlist(name) == values, request.headers.getlist(name)


def check(vector, reader, then=()):
    """Compare what a reader has with what the vector wants, and `then`."""
    wanted = vector["out"] + list(then)
    more = bool(wanted) and (wanted[-1] is None or isinstance(wanted[-1], dict) and wanted[-1].get("more", False))
    assert reader.wants_more() == more, "wants more"
    if wanted and wanted[-1] is None:
        wanted.pop()
    assert len(reader.out) == len(wanted), reader.out
    for index, want in enumerate(wanted):
        seen = reader.out[index]
        if isinstance(want, dict) and isinstance(seen, list):
            check_request(want, seen)
        else:
            assert want == seen, seen


def run_vector(vector):
    data = octets(vector["in"])
    limit = vector.get("limit", LIMIT)
    for connection in CONNECTIONS:
        whole = Reader(connection(), limit, LIMIT)
        whole.feed(data)
        check(vector, whole)

        bytewise = Reader(connection(), limit, 3)
        count = 0
        while count < len(data) and not bytewise.refused:
            bytewise.feed(data[count : count + 1])
            count += 1
        check(vector, bytewise)
        if "at" in vector:
            assert count == vector["at"], "refused at byte %d" % count

        if not whole.wants_more():
            followed = Reader(connection(), limit, 7)
            followed.feed(data + NEXT)
            check(vector, followed, () if whole.refused else (READ_NEXT,))


def run_file(name):
    failed = []
    count = 0
    with open(VECTORS + name + ".jsonl") as lines:
        for line in lines:
            vector = json.loads(line)
            count += 1
            try:
                run_vector(vector)
            except Exception as error:
                failed.append(vector["name"])
                print("%s: %s: %r wanted %s" % (name, vector["name"], error, vector["out"]))
    assert not failed, "%d of %d: %s" % (len(failed), count, failed)
    return count


def test_request_line():
    run_file("request_line")


def test_target():
    run_file("target")


def test_fields():
    run_file("fields")


def test_host():
    run_file("host")


def test_length():
    run_file("length")


def test_coding():
    run_file("coding")


def test_chunked():
    run_file("chunked")


def test_connection():
    run_file("connection")


def test_pipelining():
    run_file("pipelining")


def test_limits():
    run_file("limits")


def test_not_http():
    run_file("not_http")


def test_smuggling():
    run_file("smuggling")


def refusal(connection, limit=LIMIT):
    try:
        connection.next_request(limit)
    except HTTPError as error:
        return error
    raise AssertionError("not refused")


def test_input_does_not_pile_up():
    # Neither pipelined requests nor chunks whose borders are never those of what is received at once.
    chunk = b"3\r\nabc\r\n"
    for connection in CONNECTIONS:
        one = connection()
        one.feed(NEXT[:5])
        for _ in range(50):
            one.feed(NEXT[5:] + NEXT[:5])
            assert one.next_request(LIMIT).target == "/n" and one.next_request(LIMIT) is None
            assert len(one.input) < 3 * len(NEXT)
        one.feed(b"/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk[:7])
        one.next_request(LIMIT)
        for _ in range(50):
            assert one.read_body(9) == b"abc" and one.read_body(9) is None
            assert len(one.input) < 3 * len(NEXT) + 30
            one.feed(chunk[7:] + chunk[:7])


def test_body_is_read_in_pieces():
    for connection in CONNECTIONS:
        connection = connection()
        connection.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234567")
        assert connection.next_request(LIMIT).length == 10
        assert connection.read_body(3) == b"012"
        assert connection.read_body(3) == b"345"
        assert connection.read_body(3) == b"67"
        assert connection.read_body(3) is None
        connection.feed(b"89GET")
        assert connection.left == 2
        assert connection.read_body(3) == b"89"
        assert connection.read_body(3) == b""
        assert connection.read_body(3) == b""
        assert connection.next_request(LIMIT) is None
        connection.feed(b" /n HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.next_request(LIMIT).target == "/n"
        assert connection.read_body(3) == b""


def test_length_of_a_request():
    for connection in CONNECTIONS:
        for field, length in ((b"X: y", 0), (b"Content-Length: 12", 12), (b"Transfer-Encoding: chunked", head.CHUNKED)):
            one = connection()
            one.feed(b"POST / HTTP/1.1\r\nHost: a\r\n" + field + b"\r\n\r\n")
            request = one.next_request(LIMIT)
            assert request.length == one.left == length
            assert request.body == b""


def test_head_is_what_was_received():
    first = b"GET /1 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"
    second = b"GET /%32 HTTP/1.1\r\nhost: b\r\n\r\n"
    for connection in CONNECTIONS:
        one = connection()
        one.feed(b"\r\n" + first + second + b"GET")
        assert one.next_request(LIMIT).head == first
        assert one.next_request(LIMIT).head == second
        assert one.next_request(LIMIT) is None


def test_what_most_clients_send_is_read_quickly():
    def slow(connection, limit):
        raise AssertionError("left to the judge of heads: %r" % connection.input)

    browser = (
        b"GET /a?b=c HTTP/1.1\r\nHost: 192.168.4.1:8080\r\nConnection: keep-alive\r\nUser-Agent: Mozilla/5.0 (X11)\r\n"
        b"Accept: text/html,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate\r\nCookie: a=b; c=d\r\n\r\n"
    )
    curl = b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\n\r\n"
    node = (
        b"POST /a HTTP/1.1\r\nAccept: */*\r\nContent-Type: application/json\r\nUser-Agent: axios/1.6\r\n"
        b"Content-Length: 0\r\nAccept-Encoding: gzip, br\r\nHost: localhost:3000\r\nConnection: keep-alive\r\n\r\n"
    )
    fetch = b"GET / HTTP/1.1\r\nconnection: Keep-Alive\r\naccept: */*\r\nhost: a-b.example\r\n\r\n"
    last = b"HEAD /a HTTP/1.1\r\nHost: a:80\r\nConnection: close\r\n\r\n"
    judge = head.judge
    head.judge = slow
    try:
        for connection in CONNECTIONS:
            if connection is not Judged:
                for sent in (browser, curl, node, fetch, NEXT, last if connection is http.Reader else NEXT):
                    one = connection()
                    one.feed(sent[:9])
                    one.feed(sent[9:] + sent + sent)
                    for _ in range(3):
                        assert one.next_request(LIMIT).head == sent
    finally:
        head.judge = judge


def test_half_a_head_is_looked_at_in_passing_each_time():
    def slow(connection, limit):
        raise AssertionError("left to the judge of heads: %r" % connection.input)

    judge = head.judge
    head.judge = slow
    try:
        one = http.Reader()
        for _ in range(3):
            one.feed(NEXT[:-5])
            assert one.next_request(LIMIT) is None
            one.feed(NEXT[-5:])
            assert one.next_request(LIMIT).head == NEXT
    finally:
        head.judge = judge


def test_received_input_is_left_as_it_is():
    # The server receives into one buffer, but hands on bytes of their own; these are never written to.
    data = NEXT + b"GET"
    for connection in CONNECTIONS:
        one = connection()
        one.feed(data)
        one.next_request(LIMIT)
        one.feed(b" /")
        assert data == NEXT + b"GET"


def test_error_tells_status_and_message():
    for connection in CONNECTIONS:
        one = connection()
        one.feed(b"GET / HTTP/1.1\r\n\r\n")
        error = refusal(one)
        assert error.status == 400 and error.message == "one Host field is needed" and error.headers is None
        assert error.args == (400, "one Host field is needed")
    error = HTTPError(405, headers={"Allow": "GET"})
    assert error.status == 405 and error.message == "Method Not Allowed" and error.headers == {"Allow": "GET"}


def test_late_attribute_is_made_once():
    request = http.Request("GET", "/?a=b", "/", b"")
    assert request.args is request.args
    assert request.args["a"] == "b" and request.text == ""
    assert not hasattr(request, "nothing")
    try:
        getattr(request, "nothing" + "ness")
    except AttributeError as error:
        assert "nothingness" in str(error)
    else:
        raise AssertionError("an attribute from nowhere")


def test_one_fault_has_one_message():
    for data, message in (
        (b"\nGET / HTTP/1.1\r\n\r\n", "malformed request line"),
        (b"GET / HTTP/1.1\nHost: a\r\n\r\n", "line feed without carriage return"),
        (b"GET / HTTP/1.1\r\nHost: a\nX: \0\r\n\r\n", "line feed without carriage return"),
        (b"GET / HTTP/1.1\r\nX y\r\nHost: a\n\n\r\n\r\n", "line feed without carriage return"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\rZ: \0\r\n\r\n", "carriage return without line feed"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\nX\r\n\r\n", "control character in the head"),
        (b"GET /% HTTP/1.1\r\nHost: a\n\r\n", "malformed percent-escape"),
    ):
        for connection in CONNECTIONS:
            for size in (1, 3, len(data)):
                one = connection()
                said = None
                for place in range(0, len(data), size):
                    one.feed(data[place : place + size])
                    try:
                        one.next_request(LIMIT)
                    except HTTPError as error:
                        said = error.message
                        break
                assert said == message, (data, size, said)
