"""The judge of request heads: every head that http.py's quick reading leaves, so every bad one, and parts of heads.

Loaded when the first such head comes. Here alone a head is refused, and where a body ends is told (RFC 9112,
2 to 7); chunks are in chunked.py.

Rules for whoever edits this file:

* Bad input raises HTTPError with the status to answer: a request line at its end, fields at the end of
  the head, a limit at the first byte that makes it certain. Anything else that escapes is a bug.
  Nothing is repaired.
* How the bytes were cut on their way changes nothing, not even which of two errors is answered, or in which words.
* What was looked at is not looked at again when more has come: a head costs in proportion to its length.
"""

import webhal
from webhal.errors import HTTPError
from webhal.http import Reader, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# tchar of RFC 9110, 5.6.2, the frequent ones first: strip() searches it from the left.
TOKEN = b"etaoinsrhldcumfpgwybvkxjqzACHUEOTILSRDNXPMFGKBVWYQJZ-0123456789_!#$%&'*+.^`|~"
# What no field value may contain; CR and LF are told apart by their count.
CONTROLS = b"\0\1\2\3\4\5\6\7\b\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f"
HEX = b"0123456789abcdefABCDEF"
CHUNKED = -1  # Request.length where chunks tell the body's end
# Of a host's name in lower case: RFC 3986, 3.2.2.
_NAME = b"etaoinsrhldcumfpgwybvkxjqz.0123456789-_%~!$&'()*+,;="
_LENGTH_DIGITS = 15  # in a Content-Length; more would be a petabyte


def judge(reader: Reader, limit: int) -> "Request | None":
    """What Reader.next_request promises."""
    data = reader.input
    start = reader.start
    while data.startswith(b"\r\n", start):  # RFC 9112, 2.2: empty lines before a request
        start += 2
        reader.looked = 0
    reader.start = start
    begin = start + max(0, reader.looked)
    most = start + limit
    end = data.find(b"\r\n\r\n", max(start, begin - 3), most) + 4
    stop = end if end > 3 else min(len(data), most)
    line: "Any" = reader.line
    if not line:
        # Not even a method: spares a client that speaks TLS, or anything but HTTP, the wait for a deadline.
        if data[start : start + 1].strip(TOKEN).strip(b"\r"):
            raise HTTPError(400, "malformed request line")
        feed = data.find(b"\n", begin, stop)
        if feed >= 0:
            if data[feed - 1] != 13:
                raise HTTPError(400, "line feed without carriage return")
            line = judge_line(data, start, feed - 1)
    if end < 4:
        begin = max(start, begin - 2)
        if data.find(b"\n\n", begin, stop) >= 0 or data.find(b"\n\r\n", begin, stop) >= 0:  # of who waits for an answer
            raise HTTPError(400, "line feed without carriage return")
        if len(data) >= most:
            raise HTTPError(431 if line else 414)
        reader.line = line
        reader.looked = stop - start
        return None
    reader.looked = 0
    reader.line = None
    request = parse_head(bytes(data if start == 0 and end == len(data) else data[start:end]), *line)
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
    verb = method.decode()
    form = target.decode()
    return verb, form, _path(verb, form), 0 if version[7:] == b"0" else 1


def _path(method: str, target: str) -> str:
    """The decoded path of a request target in any of the four forms of RFC 9112, 3.2."""
    path = target
    if method == "CONNECT":
        if not 1 < judge_host(path.lower().encode()) < len(path):
            raise HTTPError(400, "malformed request target")
        return path
    if path[:1] != "/":  # not [0], which MicroPython would keep
        if path == "*" and method == "OPTIONS":
            return path
        start = path.find("://") + 3
        host = _host(path)
        if path[:start].lower() not in ("http://", "https://") or host[:1] in ("", ":"):
            raise HTTPError(400, "malformed request target")
        judge_host(host.lower().encode())
        path = path[start + len(host) :]
        if path[:1] != "/":
            path = "/"
    query = path.find("?")
    if query >= 0:
        path = path[:query]
    if "%" in path:
        if not _escapes(path.encode()):
            raise HTTPError(400, "malformed percent-escape")
        path = webhal.text.decode(webhal.text.unquote(path.encode()))
        if "\0" in path:  # RFC 3986, 7.3
            raise HTTPError(400, "NUL in the path")
    return path


def _host(target: str) -> str:
    """The host and port of a target in absolute form, "" of another."""
    start = target.find("://") + 3
    return target[start:].split("/")[0].split("?")[0] if start > 2 and target[:1] != "/" else ""


def _escapes(data: bytes) -> bool:
    """Whether each % begins a percent-escape."""
    place = data.find(b"%")
    while place >= 0:
        digits = data[place + 1 : place + 3]
        if len(digits) < 2 or digits.strip(HEX):
            return False
        place = data.find(b"%", place + 3)
    return True


def judge_host(host: bytes) -> int:
    """Where the port begins in a Host in lower case (RFC 3986, 3.2.2), 0 if there is none. Raises HTTPError(400).

    An address in brackets is one of version 6, with or without a zone (RFC 6874): a later version, which the RFC
    leaves room for, could not be reached anyway.
    """
    port = host.find(b":", host.find(b"]") + 1) + 1
    name = host[: port - 1] if port else host
    good = True
    if name[:1] == b"[":
        parts = name[1:-1].split(b"%25", 1)
        good = name[-1:] == b"]" and _is_ipv6(parts[0]) and parts[-1] != b""
        name = b"".join(parts[1:])
    if not good or name.strip(_NAME) or not _escapes(name) or (port and host[port:].strip(b"0123456789")):
        raise HTTPError(400, "malformed host")
    return port


def _is_ipv6(text: bytes) -> bool:
    """Whether it is an IPv6address of RFC 3986, 3.2.2, in lower case."""
    last = text.rfind(b":") + 1
    octets = text[last:].split(b".")
    if len(octets) == 4:  # an address of version 4 in place of the last two groups
        for octet in octets:
            if not octet.isdigit() or len(octet) > 3 or int(octet) > 255 or b"%d" % int(octet) != octet:
                return False
        text = text[:last] + b"0:0"
    sides = text.split(b"::")  # which stands for one group of zeros or more
    groups = b":".join([side for side in sides if side]).split(b":")
    for group in groups:
        if len(group) > 4 or group.strip(HEX) or not (group or text == b"::"):
            return False
    return len(groups) == 8 if len(sides) == 1 else len(sides) == 2 and len(groups) < 8


def parse_head(data: bytes, method: str, target: str, path: str, minor: int) -> Request:
    """The Request whose head is `data`, which ends with the head's empty line and has no other; its line is judged."""
    lines = data.count(b"\r\n")
    if data.count(b"\n") != lines:
        raise HTTPError(400, "line feed without carriage return")
    if data.count(b"\r") != lines:
        raise HTTPError(400, "carriage return without line feed")
    for control in CONTROLS:
        if control in data:
            raise HTTPError(400, "control character in the head")
    request = Request(method, target, path, data)
    request.minor = minor
    first = stop = data.find(b"\r\n")
    host = None  # the field line's begin and end
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
            if host:
                raise HTTPError(400, "one Host field is needed")
            host = begin, stop
            judge_host(value)
        elif name == b"content-length":
            if length is not None or not value.isdigit():
                raise HTTPError(400, "malformed Content-Length")
            value = value.lstrip(b"0")
            if len(value) > _LENGTH_DIGITS:
                raise HTTPError(413)
            length = int(value or b"0")
        elif name == b"transfer-encoding":
            if coding is not None or not minor:
                raise HTTPError(400, "malformed Transfer-Encoding")
            coding = value
        elif name == b"connection" or name == b"expect":
            for option in value.split(b","):
                option = option.strip(b" \t")
                if name == b"expect":
                    if option == b"100-continue":
                        request.waits = minor > 0
                    elif option and minor:
                        raise HTTPError(417)
                elif option == b"close":
                    close = True
                elif option == b"keep-alive":
                    keep = True
    if minor and not host:
        raise HTTPError(400, "one Host field is needed")
    if coding is not None:
        if length is not None:
            raise HTTPError(400, "Content-Length with Transfer-Encoding")
        if coding != b"chunked":
            raise HTTPError(400 if not coding or coding.startswith(b"chunked") else 501, "transfer coding")
        length = CHUNKED
    request.keep = not close and (keep or minor > 0)
    request.length = length or 0
    authority = _host(target)
    if authority:  # RFC 9112, 3.2.2: it counts, not Host
        begin, stop = host or (first + 2, first)
        request.head = data[:first] + b"\r\nHost: " + authority.encode() + data[first : begin - 2] + data[stop:]
    return request
