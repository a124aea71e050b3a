"""Text that a client sent as bytes: UTF-8, JSON, and percent-escapes; loaded when a client, or a handler, uses one.

What is not plain UTF-8 is in unicode.py.
"""

import sys

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.http import Request

_HEX = b"0123456789abcdefABCDEF"

if sys.implementation.name == "cpython":
    from json import JSONDecoder

    def _finite(text: str) -> float:
        value = float(text)
        if value - value:  # infinite
            raise ValueError
        return value

    # int raises ValueError for NaN and Infinity, as boards do.
    _strictly = JSONDecoder(parse_constant=int, parse_float=_finite).decode


def attribute(request: "Request", name: str) -> object:
    """request.text, or request.json. Raises HTTPError: 400 where the body is no such, 415 where it is told as other."""
    body = request.body
    if name == "json":
        kind = media_type(request)
        # So that no page of another site can send it: it could, unasked, if any type were taken (WHATWG Fetch, 2.2.2).
        if kind != b"application/json" and kind[-5:] != b"+json":
            raise webhal.errors.HTTPError(415, "JSON is application/json")
        if b"\\ud" in body or b"\\uD" in body:
            body = webhal.unicode.join_surrogates(body)
    text = decode(body)
    if name == "text":
        return text
    import json

    loads = json.loads
    if sys.implementation.name == "cpython":
        loads = _strictly  # type: ignore[assignment]
    try:
        value = loads(text[1:] if text[:1] == "\ufeff" else text)
        if sys.implementation.name != "cpython":
            webhal.response.judge_json(value)  # of a number that is too large they make Infinity
        return value
    except (ValueError, RuntimeError):  # RuntimeError: nested too deeply
        raise webhal.errors.HTTPError(400, "malformed JSON") from None


def decode(data: bytes) -> str:
    """UTF-8 text. Raises HTTPError(400) for anything else."""
    try:
        text = str(data, "utf-8")
        if sys.implementation.name != "cpython" and len(text) < len(data):  # ASCII needs no look, which takes its time
            import re

            # What boards' str takes for UTF-8: longer than it need be, surrogates, beyond Unicode (RFC 3629, 3).
            bad = b"[\xc0\xc1\xf5-\xf7]|\xe0[\x80-\x9f]|\xed[\xa0-\xbf]|\xf0[\x80-\x8f]|\xf4[\x90-\xbf]"
            if re.search(bad, data):
                raise UnicodeError
        return text
    except UnicodeError:
        raise webhal.errors.HTTPError(400, "not UTF-8") from None


def unquote(data: bytes) -> bytes:
    """`data` with percent-escapes decoded, once (RFC 3986, 2.1); a % that begins none stays."""
    out = bytearray()
    start = 0
    place = data.find(b"%")
    while place >= 0:
        digits = data[place + 1 : place + 3]
        if len(digits) > 1 and not digits.strip(_HEX):
            out.extend(data[start:place])
            out.append(int(digits, 16))
            start = place + 3
        place = data.find(b"%", place + 1)
    out.extend(data[start:])
    return bytes(out)


def media_type(request: "Request") -> bytes:
    """What the body is, without parameters, in lower case; b"" where the client does not say, or does so twice."""
    head = request.head
    kind = b""
    begin = head.find(b"\r\n") + 2
    while begin > 1:  # a line at a time, because a copy of the whole is what a board has no room for
        stop = head.find(b"\r\n", begin)
        if head[begin : begin + 13].lower() == b"content-type:":
            if kind:
                return b""
            kind = head[begin + 13 : stop].split(b";")[0].strip().lower()
        begin = stop + 2
    return kind
