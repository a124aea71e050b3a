"""Sans-I/O HTTP/1.1 requests (RFC 9112): received bytes in, requests out.

Here live a request, the input of a connection, and the quick reading of the heads that nearly all clients
send. What it leaves, head.py judges: every byte that a client sends is judged there or here, and nowhere
else. No socket, no clock, no waiting; responses are in response.py, conveniences of a
request (args, json, cookies ...) in request.py.

The quick reading never refuses and never repairs: it takes a head only if head.py would take it, and then
makes the same Request. CPython has another one, a compiled expression, in the Reader of its port (serving.py).
"""

import sys

import webhal

TYPE_CHECKING = bool()  # False; see webhal/__init__.py
if TYPE_CHECKING:
    from typing import Any

    from webhal.app import App, Handler
    from webhal.chunked import Chunked
    from webhal.connection import Connection
    from webhal.multipart import Files
    from webhal.request import MultiDict
    from webhal.task import Read


_METHODS = " GET POST HEAD PUT DELETE PATCH OPTIONS "
# Fields that tell where a request ends, or what becomes of its connection.
_TELLING = " host connection content-length transfer-encoding expect "


class Request:
    """One request. The server adds `client`, and `body` where it was read whole.

    method   "GET" …; "" when the request was refused before its method was known
    target   the request target as sent, for example "/led/5?on=1"
    path     its path, percent-decoded once, for example "/led/5"
    minor    1 for HTTP/1.1, 0 for HTTP/1.0
    head     the request line and fields as received; with the target's host for Host where the target has one
    length   bytes of body that follow: 0, a number, or -1 where chunks tell its end
    keep     the client will use the connection for another request
    waits    the client waits for 100 Continue before it sends the body
    body     the body, as bytes
    client   (address, port) of the peer
    scheme   "http" or "https"; on a PC only
    root     the prefix where an ASGI server has put the application, which is in neither target nor path; on a PC only
    certificate   the one that the client showed over TLS, as ssl.SSLSocket.getpeercert has it, or None; on a PC only
    app      the App that answers
    limit    bytes that a body may have to be read whole; of a body that its handler reads itself
    pairs    most names that args and form take, 1000; of all requests: Request.pairs = 5000

    Other attributes come when first used: text and json from text.py; args, headers, cookies, form … from request.py.
    """

    app: "App"
    handler: "Handler"  # the hook or the error handler that answered, if one did
    error: BaseException  # the first that was answered
    client: "tuple[str, int]"
    connection: "Connection | None" = None  # of a body that is streamed
    minor = 1
    length = 0
    keep = True
    waits = False

    def __init__(self, method: str, target: str, path: str, head: bytes) -> None:
        self.method = method
        self.target = target
        self.path = path
        self.head = head

    if TYPE_CHECKING:  # request.py has these; __getattr__ loads it
        args: MultiDict
        body: bytes
        cookies: MultiDict
        files: Files
        form: MultiDict
        headers: MultiDict
        json: Any
        last_event_id: str
        limit: int
        pairs: int
        state: Any  # the application's own
        text: str

        def read(self, most: int = 512) -> Read:
            """Awaitable: the next 1 to `most` bytes of the body, b"" at its end; ValueError for no such `most`."""

    if sys.implementation.name == "cpython":
        lines = ""  # the field lines that its answer has besides those of every answer
        scheme = "http"
        root = ""
        certificate: "dict[str, Any] | None" = None

        def __repr__(self) -> str:
            return "<Request %s %s>" % (self.method, self.target)

    def __getattr__(self, name: str) -> object:
        value = (webhal.text if name == "json" or name == "text" else webhal.request).attribute(self, name)
        setattr(self, name, value)
        return value


class Reader:
    """The input of one connection, consumed in order: head, body, next head ...

    `feed` adds input, `next_request` and `read_body` take from it; both return None for "more input
    is needed". The next request can be asked for once the body of this one was read to its end.
    """

    input: "bytes | bytearray" = b""  # received; consumed before `start`
    start = 0
    left = 0  # bytes of the current body not yet read, or -1 where `chunks` know
    chunks: "Chunked"
    # Bytes of a head, or of a line in chunks, that were looked at before all of it was there; -1: only in passing.
    looked = 0
    line: "tuple[str, str, str, int] | None" = None  # what the request line of such a head says, once it is there

    def feed(self, data: bytes) -> None:
        """Add what was received, in order."""
        if self.start < len(self.input):
            if type(self.input) is bytes:
                self.input = bytearray(self.input[self.start :])
            elif self.start:
                self.input[: self.start] = b""  # type: ignore[index]
            self.start = 0
            self.input.extend(data)  # type: ignore[union-attr]
        else:
            self.input = data
            self.start = 0

    def next_request(self, limit: int) -> "Request | None":
        """The next request, whose head must not be larger than `limit` bytes.

        Raises HTTPError: 414 when the request line does not end within the limit, 431 when the fields do not.
        """
        data = self.input
        start = self.start
        end = 0 if self.looked > 0 else data.find(b"\r\n\r\n", start, start + limit) + 4
        if end > 3:
            request = _plain_head(bytes(data if start == 0 and end == len(data) else data[start:end]))
            if request:
                if self.looked:
                    self.looked = 0
                self.start = end
                if request.length:
                    self.left = request.length
                return request
        elif not self.looked and len(data) < start + limit and data.count(b"\n", start) == data.count(b"\r\n", start):
            stop = data.find(b"\r\n", start)
            if stop > start and _plain_line(bytes(data[start:stop])):
                self.looked = -1  # most heads are whole when more has come; judging costs a board memory
                return None
        return webhal.head.judge(self, limit)

    def read_body(self, limit: int) -> "bytes | None":
        """The next 1 to `limit` bytes of the body; b"" at its end.

        Raises HTTPError: 400 for a malformed chunk, 431 for trailers that are too large.
        """
        if self.left < 0:
            return self.chunks.read(self, limit)
        if self.left == 0:
            return b""
        start = self.start
        piece = self.input[start : start + min(limit, self.left)]
        self.start += len(piece)
        self.left -= len(piece)
        return bytes(piece) or None


def _plain_head(data: bytes) -> "Request | None":
    """The Request of a whole head, if it is one of HTTP/1.1 in origin form, of a body without a coding; else None.

    It looks at a line at a time: copies of a whole head are what a board's heap has no room for.
    """
    # Of what most fields' names and most hosts are made, the frequent ones first: strip() searches it from the left.
    common = "etaoinsrhldcumfpgwybvkxjqz-.0123456789"
    stop = data.find(b"\r\n")
    request = _plain_line(data[:stop]) if stop else None
    if not request:
        return None
    request.head = data
    host = length = None
    while True:
        begin = stop + 2
        stop = data.find(b"\r\n", begin)
        if stop == begin:
            break
        piece = data[begin:stop]
        if min(piece) < 32 or max(piece) > 126:  # not ASCII, a control character, or CR or LF alone
            return None
        line = str(piece, "utf-8")
        colon = line.find(":")
        name = line[:colon].lower()
        if colon < 1 or name.strip(common):
            return None
        if colon not in (4, 6, 10, 14, 17):  # no name below is so long
            continue
        value = line[colon + 1 :].strip().lower()
        if name == "host" and not host:
            host = value.split(":")
            if host[0].strip(common) or len(host) > 2 or host[1:] and host[1] and not host[1].isdigit():
                return None
        elif name == "connection" and (value == "keep-alive" or value == "close"):
            request.keep = request.keep and value != "close"
        elif name == "content-length" and not length and len(value) < 16 and value.isdigit():
            length = value
        elif " " + name + " " in _TELLING:
            return None
    if not host:
        return None
    if length:
        request.length = int(length)
    return request


def _plain_line(data: bytes) -> "Request | None":
    """The Request of a request line, if it is one of HTTP/1.1 in origin form; else None."""
    if min(data) < 32 or max(data) > 126:
        return None
    parts = str(data, "utf-8").split(" ")
    if len(parts) != 3 or parts[2] != "HTTP/1.1" or " " + parts[0] + " " not in _METHODS:
        return None
    path = target = parts[1]
    query = target.find("?")
    if query >= 0:
        path = target[:query]
    # As numbers, for a board keeps short texts by name.
    if target[:1] != "/" or 35 in target.encode() or 37 in path.encode():  # #, %
        return None
    return Request(parts[0], target, path, data)
