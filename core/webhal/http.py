"""Sans-I/O HTTP/1.1 requests (RFC 9112): received bytes in, requests and pieces of their bodies out.

Here lives the judgement of every byte that a client sends, and nowhere else. No socket, no clock, no
waiting; responses are in response.py, the chunked coding in chunked.py, conveniences of a request
(args, json, cookies …) in request.py.

Rules for whoever edits this file:

* Bad input raises HTTPError with the status to answer: a request line at its end, fields at the end of
  the head, a limit at the first byte that makes it certain. Anything else that escapes is a bug.
  Nothing is repaired.
* How the bytes were cut on their way changes nothing, not even which of two errors is answered.
* `parse_head` is the one reading of a head. CPython tries a compiled expression first (fast_head.py),
  which takes only what `next_request` would take, and gives the same Request.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.app import App
    from webhal.chunked import Chunked

_METHODS = b" GET HEAD POST PUT DELETE PATCH OPTIONS TRACE CONNECT "
# tchar of RFC 9110, 5.6.2, the frequent ones first: strip() searches it from the left.
_TOKEN = b"etaoinsrhldcumfpgwybvkxjqzACHUEOTILSRDNXPMFGKBVWYQJZ-0123456789_!#$%&'*+.^`|~"
# Of a Host in lower case: RFC 3986, 3.2.2, without the comma, and with what IPv6 and the port need.
_HOST = b"etaoinsrhldcumfpgwybvkxjqz.0123456789-:[]_%~!$&'()*+;="
# What no field value and no request line may contain; CR and LF are told apart by their count.
_CONTROLS = b"\0\1\2\3\4\5\6\7\b\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f"
_LENGTH_DIGITS = 15  # in a Content-Length; more would be a petabyte
CHUNKED = -1  # Request.length where the body's length is not known before its end


class HTTPError(Exception):
    """Answer the request with an error: `status`, `message` (text for the client, or "")."""

    def __init__(self, status: int, message: str = "", headers: "dict[str, str] | None" = None) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.headers = headers


class Request:
    """One request. `parse_head` makes it; the server adds `client`, and `body` where it was read whole.

    method   "GET" …; "" when the request was refused before its method was known
    target   the request target as sent, for example "/led/5?on=1"
    path     its path, percent-decoded once, for example "/led/5"
    minor    1 for HTTP/1.1, 0 for HTTP/1.0
    head     the request line and fields as received
    length   bytes of body that follow: 0, a number, or CHUNKED
    keep     the client will use the connection for another request
    waits    the client waits for 100 Continue before it sends the body
    body     the body, as bytes
    client   (address, port) of the peer
    app      the App that answers

    Other attributes (args, headers, cookies, text, json, form, files …) come from request.py when first used.
    """

    app: "App"
    client: "tuple[str, int]"
    minor = 1
    length = 0
    keep = True
    waits = False
    body = b""

    def __init__(self, method: str, target: str, path: str, head: bytes) -> None:
        self.method = method
        self.target = target
        self.path = path
        self.head = head

    def __getattr__(self, name: str) -> "object":
        from webhal import request

        value = request.attribute(self, name)
        setattr(self, name, value)
        return value


def judge_line(data: bytes, start: int, stop: int) -> "tuple[str, str, str, int]":
    """(method, target, path, minor version) of the request line data[start:stop] (RFC 9112, 3)."""
    parts = data[start:stop].split(b" ")
    if len(parts) != 3:
        raise HTTPError(400, "malformed request line")
    method, target, version = parts
    if not method or method.strip(_TOKEN) or not target or len(version) != 8:
        raise HTTPError(400, "malformed request line")
    if min(target) < 33 or max(target) > 126 or b"#" in target:
        raise HTTPError(400, "malformed request target")
    if not (version.startswith(b"HTTP/") and version[6:7] == b"." and (version[5:6] + version[7:]).isdigit()):
        raise HTTPError(400, "malformed request line")
    if version[5:6] != b"1":
        raise HTTPError(505)
    if b" " + method + b" " not in _METHODS:
        raise HTTPError(501)
    verb = method.decode()
    form = target.decode()
    return verb, form, _path(verb, form), 0 if version[7:] == b"0" else 1


def _path(method: str, target: str) -> str:
    """The decoded path of a request target in any of the four forms of RFC 9112, 3.2."""
    path = target
    if method == "CONNECT":
        if not 1 < _port(path.lower().encode()) < len(path):
            raise HTTPError(400, "malformed request target")
        return path
    if path[0] != "/":
        if path == "*" and method == "OPTIONS":
            return path
        start = path.find("://") + 3
        host = path[start:].split("/")[0].split("?")[0]
        if path[:start].lower() not in ("http://", "https://") or host[:1] in ("", ":"):
            raise HTTPError(400, "malformed request target")
        _port(host.lower().encode())
        path = path[start + len(host) :]
        if path[:1] != "/":
            path = "/"
    query = path.find("?")
    if query >= 0:
        path = path[:query]
    if "%" in path:
        from webhal.request import unquote

        path = unquote(path)
        if "\0" in path:  # RFC 3986, 7.3
            raise HTTPError(400, "NUL in the path")
    return path


def _port(host: bytes) -> int:
    """Where the port begins in a Host in lower case (RFC 9110, 7.2), 0 if there is none. Raises HTTPError(400)."""
    port = host.find(b":", host.find(b"]") + 1) + 1
    if host.strip(_HOST) or (port and host[port:].strip(b"0123456789")):
        raise HTTPError(400, "malformed host")
    return port


def parse_head(data: bytes) -> Request:
    """The Request whose head is `data`, which ends with the head's empty line and has no other."""
    stop = data.find(b"\r\n")
    method, target, path, minor = judge_line(data, 0, stop)
    request = Request(method, target, path, data)
    request.minor = minor
    for control in _CONTROLS:
        if control in data:
            raise HTTPError(400, "control character in the head")
    lines = data.count(b"\r\n")
    if data.count(b"\r") != lines or data.count(b"\n") != lines:
        raise HTTPError(400, "CR or LF alone in the head")
    hosts = 0
    length = coding = None
    keep = close = False
    end = len(data) - 2
    while True:
        begin = stop + 2
        if begin == end:
            break
        stop = data.find(b"\r\n", begin)
        colon = data.find(b":", begin, stop)
        # No colon, no name, a space before the colon or a folded line (RFC 9112, 5.1 and 5.2).
        if colon <= begin or data[begin:colon].strip(_TOKEN):
            raise HTTPError(400, "malformed field line")
        if colon - begin not in (4, 6, 10, 14, 17):  # no name below is so long
            continue
        name = data[begin:colon].lower()
        value = data[colon + 1 : stop].strip(b" \t").lower()
        if name == b"host":
            hosts += 1
            _port(value)
        elif name == b"content-length":
            if length is not None or not value.isdigit():
                raise HTTPError(400, "malformed Content-Length")
            if len(value) > _LENGTH_DIGITS:
                raise HTTPError(413)
            length = int(value)
        elif name == b"transfer-encoding":
            if coding is not None or not minor:
                raise HTTPError(400, "malformed Transfer-Encoding")
            coding = value
        elif name == b"connection":
            for option in value.split(b","):
                option = option.strip(b" \t")
                if option == b"close":
                    close = True
                elif option == b"keep-alive":
                    keep = True
        elif name == b"expect" and minor:
            if value != b"100-continue":
                raise HTTPError(417)
            request.waits = True
    if hosts > 1 or (minor and not hosts):
        raise HTTPError(400, "one Host field is needed")
    if coding is not None:
        if length is not None:
            raise HTTPError(400, "Content-Length with Transfer-Encoding")
        if coding != b"chunked":
            raise HTTPError(400 if not coding or coding.startswith(b"chunked") else 501, "transfer coding")
        length = CHUNKED
    request.keep = not close and (keep or minor > 0)
    request.length = length or 0
    return request


def _judge_part(data: "bytes | bytearray", start: int, most: int) -> None:
    """Raise HTTPError if no further byte could make data[start:] a good head that ends before `most`."""
    line = data.find(b"\n", start, most)
    if line < 0:
        # Not even a method: spares a client that speaks TLS, or anything but HTTP, the wait for a deadline.
        if data[start : start + 1].strip(_TOKEN).strip(b"\r"):
            raise HTTPError(400, "malformed request line")
        if len(data) >= most:
            raise HTTPError(414)
        return
    if line == start or data[line - 1] != 13:
        raise HTTPError(400, "line feed without carriage return")
    judge_line(data, start, line - 1)
    if data.find(b"\n\n", start, most) >= 0 or data.find(b"\n\r\n", start, most) >= 0:
        raise HTTPError(400, "line feed without carriage return")
    if len(data) >= most:
        raise HTTPError(431)


class Connection:
    """The input of one connection, consumed in order: head, body, next head …

    `receive` adds input, `next_request` and `read_body` take from it; both return None for "more input
    is needed". The next request can be asked for once the body of this one was read to its end.
    """

    def __init__(self) -> None:
        self.input: "bytes | bytearray" = b""  # received; consumed before `start`
        self.start = 0
        self.left = 0  # bytes of the current body not yet read, or CHUNKED
        self.chunks: "Chunked | None" = None

    def receive(self, data: bytes) -> None:
        """Add what was received, in order."""
        if self.start < len(self.input):
            if type(self.input) is bytes:
                self.input = bytearray(self.input[self.start :])
            elif self.start:
                self.input[: self.start] = b""  # type: ignore[index]
            self.start = 0
            self.input.extend(data)  # type: ignore[attr-defined]
        else:
            self.input = data
            self.start = 0

    def next_request(self, limit: int) -> "Request | None":
        """The next request, whose head must not be larger than `limit` bytes.

        Raises HTTPError: 414 when the request line does not end within the limit, 431 when the fields do not.
        """
        data = self.input
        start = self.start
        while data.startswith(b"\r\n", start):  # RFC 9112, 2.2: empty lines before a request
            start += 2
        self.start = start
        end = data.find(b"\r\n\r\n", start, start + limit) + 4
        if end < 4:
            _judge_part(data, start, start + limit)
            return None
        request = parse_head(bytes(data if start == 0 and end == len(data) else data[start:end]))
        self.start = end
        self.left = request.length
        if request.length < 0:
            from webhal.chunked import Chunked

            self.chunks = Chunked(limit)
        return request

    def read_body(self, most: int) -> "bytes | None":
        """The next 1 to `most` bytes of the body; b"" at its end; None when more input is needed.

        Raises HTTPError(400) for a malformed chunk, 431 for trailers that are too large.
        """
        if self.left == 0:
            return b""
        if self.chunks:
            return self.chunks.read(self, most)
        piece = self.input[self.start : self.start + min(most, self.left)]
        self.start += len(piece)
        self.left -= len(piece)
        return bytes(piece) or None


if sys.implementation.name == "cpython":
    from webhal.fast_head import Connection  # type: ignore[assignment]
