"""Reading a request head on CPython, several times faster than http.py and head.py; not sent to boards.

One compiled expression takes the heads that nearly all clients send and whose meaning is plain. Every
other head, so every bad one too, is left to head.py, the only place that refuses.
"""

import re

from webhal import head
from webhal.http import Connection as Portable
from webhal.http import Request

# The request line in origin form without escapes, Host as the first field, then well-formed fields.
# No two neighbours may match the same text: trying all ways to share it takes a client's bytes squared.
_HEAD = re.compile(
    r"(GET|POST|HEAD|PUT|DELETE|PATCH) ((/[!\x22$&->@-~]*)(?:\?[!\x22$-~]*)?) HTTP/1\.1\r\n"
    r"[Hh]ost:[ \t]*(?:[!$-+\-.0-9;=A-Z_a-z~]+(?::[0-9]*)?[ \t]*)?"
    r"(\r\n(?:[!#-'*+\-.0-9A-Z^-z|~]+:[\t -~\x80-\xff]*\r\n)*)\r\n"
)
# Fields that say more than where a GET without a body ends, or what HTTP/1.1 does anyway.
_TELLING = re.compile(
    r"\n(?:host|content-length|transfer-encoding|expect|connection(?!: keep-alive\r)):", re.IGNORECASE
)
_LENGTH = re.compile(r"\ncontent-length:[ \t]*([0-9]{1,15})[ \t]*\r", re.IGNORECASE)


class Connection(Portable):
    """http.Connection with a shortcut."""

    def next_request(self, limit: int) -> "Request | None":
        """What http.Connection.next_request promises."""
        data = self.input
        start = self.start
        match = _HEAD.match(data.decode("latin-1"), start)
        if match is None:
            return head.next_request(self, limit)
        end = match.end()
        method, target, path, fields = match.groups()
        length = 0
        if len(fields) > 2:
            telling = _TELLING.findall(fields)
            if telling:
                found = _LENGTH.search(fields)
                if found is None or len(telling) > 1:
                    return head.next_request(self, limit)
                length = int(found[1])
        if end - start > limit:
            return head.next_request(self, limit)
        if start or end < len(data) or type(data) is not bytes:
            data = bytes(data[start:end])
        request = Request(method, target, path, data)
        if length:
            request.length = self.left = length
        self.start = end
        return request
