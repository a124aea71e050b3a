"""The judge of request heads: every head that http.py's quick reading leaves, so every bad one, and parts of heads.

Loaded when the first such head comes. Here alone a head is refused, and where a body ends is told (RFC 9112,
2 to 7); chunks are in chunked.py.

Rules for whoever edits this file:

* Bad input raises HTTPError with the status to answer: a request line at its end, fields at the end of
  the head, a limit at the first byte that makes it certain. Anything else that escapes is a bug.
  Nothing is repaired.
* How the bytes were cut on their way changes nothing, not even which of two errors is answered.
"""

import webhal
from webhal.errors import HTTPError
from webhal.http import Reader, Request

# tchar of RFC 9110, 5.6.2, the frequent ones first: strip() searches it from the left.
TOKEN = b"etaoinsrhldcumfpgwybvkxjqzACHUEOTILSRDNXPMFGKBVWYQJZ-0123456789_!#$%&'*+.^`|~"
# What no field value and no request line may contain; CR and LF are told apart by their count.
CONTROLS = b"\0\1\2\3\4\5\6\7\b\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f"
# Of a Host in lower case: RFC 3986, 3.2.2, without the comma, and with what IPv6 and the port need.
HOST = b"etaoinsrhldcumfpgwybvkxjqz.0123456789-:[]_%~!$&'()*+;="
DIGITS = b"0123456789"
CHUNKED = -1  # Request.length where chunks tell the body's end
_METHODS = b" GET HEAD POST PUT DELETE PATCH OPTIONS TRACE CONNECT "
_LENGTH_DIGITS = 15  # in a Content-Length; more would be a petabyte


def judge(reader: Reader, limit: int) -> "Request | None":
    """What Reader.next_request promises."""
    data = reader.input
    start = reader.start
    while data.startswith(b"\r\n", start):  # RFC 9112, 2.2: empty lines before a request
        start += 2
    reader.start = start
    end = data.find(b"\r\n\r\n", start, start + limit) + 4
    if end < 4:
        _judge_part(data, start, start + limit)
        return None
    request = parse_head(bytes(data if start == 0 and end == len(data) else data[start:end]))
    reader.start = end
    reader.left = request.length
    if request.length < 0:
        reader.chunks = webhal.chunked.Chunked(limit)
    return request


def judge_line(data: "bytes | bytearray", start: int, stop: int) -> "tuple[str, str, str, int]":
    """(method, target, path, minor version) of the request line data[start:stop] (RFC 9112, 3)."""
    parts = data[start:stop].split(b" ")
    if len(parts) != 3:
        raise HTTPError(400, "malformed request line")
    method, target, version = parts
    if not method or method.strip(TOKEN) or not target or len(version) != 8:
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
    if path[:1] != "/":  # not [0], which MicroPython would keep
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
        path = webhal.text.unquote(path)
        if "\0" in path:  # RFC 3986, 7.3
            raise HTTPError(400, "NUL in the path")
    return path


def _port(host: bytes) -> int:
    """Where the port begins in a Host in lower case (RFC 9110, 7.2), 0 if there is none. Raises HTTPError(400)."""
    port = host.find(b":", host.find(b"]") + 1) + 1
    if host.strip(HOST) or (port and host[port:].strip(DIGITS)):
        raise HTTPError(400, "malformed host")
    return port


def parse_head(data: bytes) -> Request:
    """The Request whose head is `data`, which ends with the head's empty line and has no other."""
    stop = data.find(b"\r\n")
    method, target, path, minor = judge_line(data, 0, stop)
    request = Request(method, target, path, data)
    request.minor = minor
    for control in CONTROLS:
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
        if colon <= begin or data[begin:colon].strip(TOKEN):
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
        if data[start : start + 1].strip(TOKEN).strip(b"\r"):
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
