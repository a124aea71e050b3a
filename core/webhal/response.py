"""Responses (RFC 9110, RFC 9112): what a handler returned, made into bytes.

Bodies that are streamed are in stream.py. What a response's fields may contain is judged here and nowhere else.
"""

import sys

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from webhal.app import App
    from webhal.http import Request

# tchar of RFC 9110, 5.6.2. As str, which takes a third of the heap of constant bytes; head.py judges bytes.
TOKEN = "etaoinsrhldcumfpgwybvkxjqzACHUEOTILSRDNXPMFGKBVWYQJZ-0123456789_!#$%&'*+.^`|~"
# Reason phrases (RFC 9110, 15) of what most applications answer; those of other statuses are in phrases.py.
_PHRASES = (
    "200 OK\n201 Created\n204 No Content\n302 Found\n303 See Other\n304 Not Modified\n400 Bad Request\n"
    "401 Unauthorized\n403 Forbidden\n404 Not Found\n405 Method Not Allowed\n413 Content Too Large\n"
    "415 Unsupported Media Type\n422 Unprocessable Content\n500 Internal Server Error\n503 Service Unavailable\n"
)
try:  # text as bytes: the same memory, where it is UTF-8 there
    memoryview("")  # type: ignore[arg-type]
    utf8: "Callable[[str], bytes | memoryview]" = memoryview  # type: ignore[assignment]
except TypeError:
    utf8 = str.encode
if sys.implementation.name == "cpython":
    from json import JSONEncoder

    _encoder = JSONEncoder(allow_nan=False)  # which json.dumps would make anew each time
_HTML = "text/html; charset=utf-8"
_BYTES = "application/octet-stream"


class Response:
    """A response: `body`, `status` (200 to 599) and `headers`, a dict of field values by name.

    The body is str (text/html, UTF-8), bytes (application/octet-stream), dict or list (JSON), None (204), or
    an iterator or asynchronous iterator of str and bytes; a Content-Type in `headers` wins. A field that
    occurs several times has a list of values. An iterator's length may be promised by a Content-Length in
    `headers`; without one it is sent in chunks. Without a status it is 200, or, of an error handler, the error's.
    """

    status = 200

    def __init__(
        self, body: "Any" = b"", status: "int | None" = None, headers: "dict[str, Any] | None" = None
    ) -> None:
        self.body = body
        if status is not None:
            self.status = status
        # A copy, lest a cookie set for one client stays in a dict that the application uses for all.
        self.headers = dict(headers) if headers else {}

    if sys.implementation.name == "cpython":

        def __repr__(self) -> str:
            return "<Response %s %s>" % (self.status, repr(self.body)[:60])

    def set_cookie(self, name: str, value: str, **attributes: "Any") -> None:
        """Add a Set-Cookie field; for the attributes see fields.set_cookie."""
        webhal.fields.set_cookie(self, name, value, **attributes)


def to_response(result: "Any", request: "Request | None" = None) -> Response:
    """The Response meant by what a handler returned: one, what makes one, a body, or (body, status[, headers])."""
    if hasattr(result, "respond"):
        result = result.respond(request)
    if isinstance(result, Response):
        return result
    if isinstance(result, tuple) and 2 <= len(result) <= 3:
        return Response(*result)
    return Response(result)


def finish(app: "App", request: "Request", answer: object) -> Response:
    """The Response to send for what a handler returned, once the hooks have seen it."""
    response = to_response(answer, request)
    if not app.plain:
        for hook in getattr(app, "after", ()):
            changed = hook(request, response)
            if changed:
                request.handler = hook
                if not isinstance(changed, Response):
                    raise webhal.mistakes.after(request, changed)
                response = changed
        around: "App | None" = getattr(app, "parent", None)
        if around:
            return finish(around, request, response)
    return response


def serialise(response: Response, method: str, fields: str) -> "tuple[bytes | None, Any]":
    """(head, body) of the response to a request of this `method`; `fields` are field lines for the head.

    (None, body) for a body that is streamed: stream.py makes its head when the first piece is there.
    Raises ValueError or TypeError for a response that HTTP cannot carry: what is wrong, by its word in mistakes.py.
    """
    kind, body = encode(response.body)
    if kind:
        pass
    elif body is None:
        body = b""
        if response.status == 200:
            response.status = 204
    elif isinstance(body, (dict, list)):
        body = utf8(dumps(body))
        kind = "application/json"
    elif hasattr(body, "__next__") or hasattr(body, "send") or hasattr(body, "__anext__"):
        return None, body
    else:
        raise TypeError("body")
    length = len(body)
    if response.status == 200 and not response.headers:
        start = "HTTP/1.1 200 OK\r\n%sContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (fields, kind, length)
        return start.encode(), b"" if method == "HEAD" else body
    bare = response.status == 204 or response.status == 304
    if length and (bare or response.status == 205):
        raise ValueError("bare", response.status)
    promised = find(response.headers, "content-length")
    if sys.implementation.name == "cpython":
        if promised is not None and not str(promised).isdigit():
            raise ValueError("promised", promised)
    if promised is None:
        promised = length
    if method == "HEAD" or response.status == 304:  # RFC 9110, 8.6: the length that a GET, or a 200, would have
        length = int(promised)
        body = b""
    elif int(promised) != length:
        raise ValueError("length", promised, length)
    return head(response, kind, None if bare else length, fields), body


def dumps(value: "Any") -> str:
    """JSON text. Raises ValueError for NaN and Infinity, TypeError for other values that JSON does not have."""
    if sys.implementation.name == "cpython":
        return _encoder.encode(value)
    import json

    judge_json(value)
    return json.dumps(value)


def judge_json(value: "Any") -> None:
    """Raise ValueError for what MicroPython would write, or read, though it is no JSON; it makes a str of any key."""
    if isinstance(value, (dict, list, tuple)):
        for each in value.values() if isinstance(value, dict) else value:
            judge_json(each)
    elif not (value is None or isinstance(value, (str, int, bool)) or isinstance(value, float) and value - value == 0):
        raise ValueError("json", value)


def encode(body: "Any") -> "tuple[str, Any]":
    """(Content-Type, bytes) of text or bytes; ("", body) of anything else."""
    if isinstance(body, str):
        return _HTML, utf8(body)
    return _BYTES if isinstance(body, (bytes, bytearray, memoryview)) else "", body


def find(headers: "dict[str, Any]", lower: str) -> "Any":
    """The value of the field whose name is `lower` in lower case, or None."""
    for name in headers:
        if name.lower() == lower:
            return headers[name]
    return None


def head(response: Response, kind: str, length: "int | None", fields: str) -> bytes:
    """The status line and fields; `kind` is the Content-Type if none is set."""
    status = response.status
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise ValueError("status", status)
    lines = ""
    for name in response.headers:
        lower = name.lower()
        if lower == "connection" or lower == "transfer-encoding":
            raise ValueError("name", name)
        if lower == "content-type":
            kind = ""
        if lower == "date" and fields[:6] == "Date: ":  # the application knows better
            fields = fields[fields.find("\r\n") + 2 :]
        if lower != "content-length" or (length is None and status != 204):
            values = response.headers[name]
            for value in values if isinstance(values, (list, tuple)) else (values,):
                if not isinstance(value, (str, int, float)):
                    raise TypeError("value", name, value)
                lines += _field(name, str(value))
    if kind and length != 0 and status != 204 and status != 304:
        lines += "Content-Type: %s\r\n" % kind
    if length is not None:
        lines += "Content-Length: %d\r\n" % length
    return ("HTTP/1.1 %d %s\r\n%s%s\r\n" % (status, phrase(status), fields, lines)).encode()


if sys.implementation.name == "cpython":
    from functools import lru_cache

    @lru_cache(256, typed=True)
    def _head(status: int, items: "tuple[tuple[str, str], ...]", kind: str, length: "int | None", fields: str) -> bytes:
        return _write(Response(b"", status, dict(items)), kind, length, fields)

    _write = head

    def head(response: Response, kind: str, length: "int | None", fields: str) -> bytes:
        """The same, remembered where all values are str: a thousand responses in a row may have the same fields."""
        try:
            "".join(response.headers.values())
            return _head(response.status, tuple(response.headers.items()), kind, length, fields)
        except TypeError:
            return _write(response, kind, length, fields)


def phrase(status: int) -> str:
    """The reason phrase of `status`, "" for one without (a client must not mind: RFC 9112, 4)."""
    known = _PHRASES
    start = known.find("%d " % status)
    if start < 0:
        known = webhal.phrases.PHRASES
        start = known.find("%d " % status)
    return "" if start < 0 else known[start + 4 : known.find("\n", start)]


def _field(name: str, value: str) -> str:
    """One field line. Raises ValueError where it could be read as more, or as something else."""
    text = value.replace("\t", " ")
    if sys.implementation.name == "cpython":
        if text.isprintable():  # asked quickly
            text = ""
    raw = text.encode()
    if not name or name.strip(TOKEN) or raw and (min(raw) < 32 or 127 in raw):
        raise ValueError("headers", name, value)
    return "%s: %s\r\n" % (name, value)
