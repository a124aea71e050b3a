"""Reading a request head on CPython, several times faster than `http.parse_head`; not sent to boards.

One compiled expression takes the heads that nearly all clients send and whose meaning is plain. Every
other head, so every bad one too, goes to `parse_head`, which is the only place that refuses.
"""

import re

from webhal.http import Request, parse_head

# The request line in origin form without escapes, Host as the first field, then well-formed fields.
_HEAD = re.compile(
    r"(GET|POST|HEAD|PUT|DELETE|PATCH) ((/[!\x22$&->@-~]*)(?:\?[!\x22$-~]*)?) HTTP/1\.1\r\n"
    r"[Hh]ost:[ \t]*[!$-+.0-;=A-Z\[\]_a-z~-]*[ \t]*"
    r"(\r\n(?:[!#-'*+\-.0-9A-Z^-z|~]+:[\t -~\x80-\xff]*\r\n)*)\r\n"
)
_LENGTH = re.compile(r"\ncontent-length:[ \t]*([0-9]{1,15})[ \t]*\r")


def read_head(data: bytes) -> Request:
    """The same Request, or the same HTTPError, as `parse_head(data)`."""
    match = _HEAD.fullmatch(data.decode("latin-1"))
    if match is None:
        return parse_head(data)
    method, target, path, fields = match.groups()
    request = Request(method, target, path, data)
    if len(fields) > 2:
        fields = fields.lower()
        if "\nhost:" in fields or "\nexpect:" in fields or "\ntransfer-encoding:" in fields:
            return parse_head(data)
        if fields.count("\nconnection: keep-alive\r") != fields.count("\nconnection:"):
            return parse_head(data)
        if "\ncontent-length:" in fields:
            length = _LENGTH.search(fields)
            if length is None or fields.count("\ncontent-length:") != 1:
                return parse_head(data)
            request.length = int(length[1])
    return request
