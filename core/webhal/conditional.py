"""Conditional requests and ranges (RFC 9110, 13 and 14) of a file; loaded when a client sends the first of either."""

import os
import sys

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from webhal.http import Request
    from webhal.response import Response

_MOST_RANGES = 16  # that are answered each for itself; a request for more gets the whole, as it may (RFC 9110, 14.2)
_MOST_DIGITS = 18  # of a position
_PIECE = 512  # bytes of several ranges that are in memory at a time
if sys.implementation.name == "cpython":
    _PIECE = 65536
_MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"


class Part:
    """A file from where it stands on, for so many bytes; read as a file is."""

    def __init__(self, file: "Any", left: int) -> None:
        self.file = file
        self.left = left
        self.close = file.close

    def __next__(self) -> bytes:
        return self.read(_PIECE)

    def read(self, most: int) -> bytes:
        """The next 1 to `most` bytes; b"" at the end."""
        piece: bytes = self.file.read(min(most, self.left))
        self.left -= len(piece)
        return piece


def respond(file: "Any", request: "Request", size: int, headers: "dict[str, Any]") -> "Response | None":
    """The answer to what the request's fields ask of a static.File with these headers; None: all of it.

    Raises HTTPError: 412, 416; 404 where the file is gone.
    """
    asked = request.headers
    tag = headers.get("ETag", "")
    changed = parse_date(headers.get("Last-Modified", ""))
    # The precedence of RFC 9110, 13.2.2.
    tags = asked.get("if-match")
    date = parse_date(asked.get("if-unmodified-since", ""))
    if tags is not None:
        if not matches(tags, tag, False):
            raise webhal.errors.HTTPError(412)
    elif date and changed > date:
        raise webhal.errors.HTTPError(412)
    tags = asked.get("if-none-match")
    date = parse_date(asked.get("if-modified-since", ""))
    if matches(tags, tag, True) if tags is not None else date and () < changed <= date:
        # RFC 9110, 15.4.5: what a cache needs to know of what it has.
        kept = {name: headers[name] for name in headers if name in ("ETag", "Cache-Control", "Vary")}
        return webhal.response.Response(b"", 304, kept)
    wanted = asked.get("range")
    validator = asked.get("if-range")
    if wanted is None or request.method != "GET" or not size:
        return None
    if validator is not None:
        validator = validator.strip()
        if validator != tag if '"' in validator else not changed or parse_date(validator) != changed:
            return None
    ranges = parse_ranges(wanted, size)
    if ranges is None:
        return None
    if not ranges:
        raise webhal.errors.HTTPError(416, "", {"Content-Range": "bytes */%d" % size})
    if len(ranges) == 1:
        return single(file, size, headers, ranges[0])
    return several(file, size, headers, ranges)


def matches(tags: str, tag: str, weakly: bool) -> bool:
    """Whether a list of entity tags has `tag`, or is "*" (RFC 9110, 13.1.1 and 13.1.2)."""
    if tags.strip() == "*":
        return True
    start = tags.find('"')
    while start >= 0:
        end = tags.find('"', start + 1) + 1
        if not end:
            break
        if tags[start:end] == tag and (weakly or tags[max(0, start - 2) : start] != "W/"):
            return True
        start = tags.find('"', end)
    return False


def parse_date(text: str) -> "tuple[int, ...]":
    """(year, month, day, hour, minute, second) of a date in any of the three forms of RFC 9110, 5.6.7; else ()."""
    words = text.strip().replace("-", " ").split()
    if len(words) == 5:  # asctime's: Sun Nov  6 08:49:37 1994
        words = [words[0], words[2], words[1], words[4], words[3], "GMT"]
    clock = words[4].split(":") if len(words) == 6 and words[5] == "GMT" else []
    month = _MONTHS.find(words[2].lower()) if len(clock) == 3 and len(words[2]) == 3 else 1
    if month % 3:
        return ()
    try:
        year = int(words[3])
        if len(words[3]) == 2:
            year += 1900 if year >= 70 else 2000
        day, hour, minute, second = [int(word) for word in [words[1]] + clock]
    except ValueError:
        return ()
    valid = 0 < day < 32 and hour < 24 and minute < 60 and second < 61
    return (year, month // 3 + 1, day, hour, minute, second) if valid else ()


def parse_ranges(text: str, size: int) -> "list[tuple[int, int]] | None":
    """(start, end) of each range of bytes that a file of this size has; None for what is not to be answered in ranges.

    That is another unit, a malformed list, or more than is sensible: overlapping, or too many.
    """
    equals = text.find("=")
    if text[:equals].strip().lower() != "bytes":
        return None
    ranges = []
    total = 0
    for part in text[equals + 1 :].split(","):
        part = part.strip()
        if not part:
            continue
        dash = part.find("-")
        first = part[:dash].strip()
        last = part[dash + 1 :].strip()
        if dash < 0 or not first + last or (first + last).strip("0123456789") or len(part) > 2 * _MOST_DIGITS:
            return None
        start = int(first) if first else max(0, size - int(last))
        end = min(size, int(last) + 1) if first and last else size
        if first and last and int(last) < start:
            return None
        if start < end:
            ranges.append((start, end))
            total += end - start
    if len(ranges) > _MOST_RANGES or len(ranges) > 1 and total > size:
        return None
    return ranges


def single(file: "Any", size: int, headers: "dict[str, Any]", wanted: "tuple[int, int]") -> "Response":
    """The Response with one range."""
    start, end = wanted
    body = file.read(start, end - start)
    if hasattr(body, "read"):
        body = Part(body, end - start)
        headers["Content-Length"] = end - start
    headers["Content-Range"] = "bytes %d-%d/%d" % (start, end - 1, size)
    return webhal.response.Response(body, 206, headers)


def several(file: "Any", size: int, headers: "dict[str, Any]", ranges: "list[tuple[int, int]]") -> "Response":
    """The Response with several: multipart/byteranges (RFC 9110, 14.6)."""
    boundary = "".join(["%02x" % byte for byte in os.urandom(12)])
    kind = headers["Content-Type"]
    heads = []
    length = 0
    for start, end in ranges:
        text = "\r\n--%s\r\nContent-Type: %s\r\n" % (boundary, kind)
        text += "Content-Range: bytes %d-%d/%d\r\n\r\n" % (start, end - 1, size)
        heads.append(text)
        length += len(text) + end - start
    last = "\r\n--%s--\r\n" % boundary
    headers["Content-Type"] = "multipart/byteranges; boundary=" + boundary
    headers["Content-Length"] = length + len(last)
    return webhal.response.Response(pieces(file.open(), ranges, heads, last), 206, headers)


def pieces(file: "Any", ranges: "list[tuple[int, int]]", heads: "list[str]", last: str) -> "Iterator[bytes]":
    """The body of several ranges of an open file, which is closed. Raises OSError where it has become shorter."""
    try:
        for wanted, head in zip(ranges, heads):
            start, end = wanted
            file.seek(start)
            piece = head.encode()
            while start < end:
                data = file.read(min(_PIECE, end - start))
                if not data:
                    raise OSError("a file has become shorter")
                start += len(data)
                yield piece + data
                piece = b""
        yield last.encode()
    finally:
        file.close()
