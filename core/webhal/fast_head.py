"""Reading a request head on CPython, several times faster than http.py and head.py; not sent to boards.

One compiled expression takes the heads that nearly all clients send and whose meaning is plain. Every
other head, so every bad one too, is left to head.py, the only place that refuses.
"""

import re
import sys

from webhal import head
from webhal.http import Connection as Portable
from webhal.http import Request

_ALL = "+" if sys.version_info >= (3, 11) else ""  # makes a repetition keep what it took (possessive)
# The request line in origin form without escapes, and Host as the first field.
# No two neighbours may match the same text: trying all ways to share it takes a client's bytes squared.
_LINE = (
    r"(GET|POST|HEAD|PUT|DELETE|PATCH) ((/[!\x22$&->@-~]*)(?:\?[!\x22$-~]*)?) HTTP/1\.1\r\n"
    r"[Hh]ost:[ \t]*(?:[!$-+\-.0-9;=A-Z_a-z~]+(?::[0-9]*)?[ \t]*)?\r\n"
)
_FIELD = r"[!#-'*+\-.0-9A-Z^-z|~]+" + _ALL + r":[\t -~\x80-\xff]*" + _ALL + r"\r\n"
# How the names begin of fields that say more than where a GET without a body ends, or what HTTP/1.1 does
# anyway: Content-Length, Connection, Expect, Host, Transfer-Encoding, and few others.
_SUSPECT = r"[CcEeHhTt][oOxXrR](?!nnection: keep-alive\r|ntent-[TtEeDd])[nNsSpPaA]"
_PLAIN = f"(?:(?!{_SUSPECT}){_FIELD})*{_ALL}"
_HEAD = re.compile(
    f"{_LINE}{_PLAIN}(?:[Cc]ontent-[Ll]ength: ?([0-9]{{1,15}})\r\n{_PLAIN})?((?={_SUSPECT})(?:{_FIELD})*{_ALL})?\r\n"
)
_TELLING = re.compile(
    r"^(?:host|content-length|transfer-encoding|expect|connection(?!: keep-alive\r)):", re.IGNORECASE | re.MULTILINE
)


class Connection(Portable):
    """http.Connection with a shortcut."""

    def next_request(self, limit: int) -> "Request | None":
        """What http.Connection.next_request promises."""
        data = self.input
        start = self.start
        match = _HEAD.match(data.decode("latin-1"), start)
        if match is None:
            return head.judge(self, limit)
        end = match.end()
        method, target, path, length, suspects = match.groups()
        if end - start > limit or (suspects and _TELLING.search(suspects)):
            return head.judge(self, limit)
        if start or end < len(data) or type(data) is not bytes:
            data = bytes(data[start:end])
        request = Request(method, target, path, data)
        if length:
            request.length = self.left = int(length)
        self.start = end
        return request
