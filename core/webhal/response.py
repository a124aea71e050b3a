"""Responses (RFC 9110, RFC 9112): what a handler returned, made into bytes.

Bodies that are streamed are in stream.py and reason phrases other than OK in status.py, both loaded when
needed. What a response's fields may contain is judged here and nowhere else.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# tchar of RFC 9110, 5.6.2. As str, which takes a third of the heap of constant bytes; head.py judges bytes.
TOKEN = "etaoinsrhldcumfpgwybvkxjqzACHUEOTILSRDNXPMFGKBVWYQJZ-0123456789_!#$%&'*+.^`|~"
_HTML = "text/html; charset=utf-8"
_BYTES = "application/octet-stream"


class Response:
    """A response: `body`, `status` (200 to 599) and `headers`, a dict of field values by name.

    The body is str (text/html, UTF-8), bytes (application/octet-stream), dict or list (JSON), None (204), or
    an iterator or asynchronous iterator of str and bytes; a Content-Type in `headers` wins. A field that
    occurs several times has a list of values. An iterator's length may be promised by a Content-Length in
    `headers`; without one it is sent in chunks.
    """

    def __init__(self, body: "Any" = b"", status: int = 200, headers: "dict[str, Any] | None" = None) -> None:
        self.body = body
        self.status = status
        # A copy, lest a cookie set for one client stays in a dict that the application uses for all.
        self.headers = dict(headers) if headers else {}

    def set_cookie(self, name: str, value: str, **attributes: "Any") -> None:
        """Add a Set-Cookie field; for the attributes see cookies.set_cookie."""
        from webhal.cookies import set_cookie

        set_cookie(self, name, value, **attributes)


def to_response(result: "Any") -> Response:
    """The Response meant by what a handler returned: one, a body, or (body, status[, headers])."""
    if isinstance(result, Response):
        return result
    if isinstance(result, tuple):
        if not 2 <= len(result) <= 3:
            raise TypeError("a handler returns a body, (body, status) or (body, status, headers)")
        return Response(*result)
    return Response(result)


def serialise(response: Response, method: str, extra: str) -> "tuple[bytes | None, Any]":
    """(head, body) of the response to a request of this `method`; `extra` are field lines for the head.

    (None, body) for a body that is streamed: stream.py makes its head when the first piece is there.
    Raises ValueError or TypeError for a response that HTTP cannot carry.
    """
    body = response.body
    kind = _HTML
    if isinstance(body, str):
        body = body.encode()
    elif isinstance(body, (bytes, bytearray, memoryview)):
        kind = _BYTES
    elif body is None:
        body = b""
        kind = ""
        if response.status == 200:
            response.status = 204
    elif isinstance(body, (dict, list)):
        import json

        body = json.dumps(body).encode()
        kind = "application/json"
    elif hasattr(body, "__next__") or hasattr(body, "send") or hasattr(body, "__anext__"):
        return None, body
    else:
        raise TypeError("a body is str, bytes, dict, list, None or an iterator, not " + type(body).__name__)
    length = len(body)
    if response.status == 200 and not response.headers:
        start = "HTTP/1.1 200 OK\r\n%sContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (extra, kind, length)
        return start.encode(), b"" if method == "HEAD" else body
    bare = response.status == 204 or response.status == 304
    if length and (bare or response.status == 205):
        raise ValueError("a response of status %d has no body" % response.status)
    promised = find(response.headers, "content-length")
    if promised is None:
        promised = length
    if method == "HEAD" or response.status == 304:  # RFC 9110, 8.6: the length that a GET, or a 200, would have
        length = int(promised)
        body = b""
    elif int(promised) != length:
        raise ValueError("Content-Length %s, but the body has %d bytes" % (promised, length))
    return head(response, kind, None if bare else length, extra) + b"\r\n", body


def find(headers: "dict[str, Any]", lower: str) -> "Any":
    """The value of the field whose name is `lower` in lower case, or None."""
    for name in headers:
        if name.lower() == lower:
            return headers[name]
    return None


def head(response: Response, kind: str, length: "int | None", extra: str) -> bytes:
    """The status line and fields, without the empty line; `kind` is the Content-Type if none is set."""
    status = response.status
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise ValueError("a status is an int from 200 to 599, not " + repr(status))
    if status == 200:
        reason = "OK"
    else:
        from webhal.status import phrase

        reason = phrase(status)
    lines = [""]
    for name in response.headers:
        lower = name.lower()
        if lower == "connection" or lower == "transfer-encoding":
            raise ValueError(name + " is written by webhal itself")
        if lower == "content-type":
            kind = ""
        if lower == "date" and extra[:6] == "Date: ":  # the application knows better
            extra = extra[extra.find("\r\n") + 2 :]
        if lower != "content-length" or (length is None and status != 204):
            values = response.headers[name]
            for value in values if isinstance(values, (list, tuple)) else (values,):
                if not isinstance(value, (str, int, float)):
                    raise TypeError("a field's value is str, a number, or a list of them, not " + repr(value))
                lines.append(_field(name, str(value)))
    lines[0] = "HTTP/1.1 %d %s\r\n%s" % (status, reason, extra)
    if kind and length != 0 and status != 204 and status != 304:
        lines.append("Content-Type: %s\r\n" % kind)
    if length is not None:
        lines.append("Content-Length: %d\r\n" % length)
    return "".join(lines).encode()


def _field(name: str, value: str) -> str:
    """One field line. Raises ValueError where it could be read as more, or as something else."""
    if not name or name.strip(TOKEN) or "\r" in value or "\n" in value or "\0" in value:
        raise ValueError("not a response field: %r: %r" % (name, value))
    return "%s: %s\r\n" % (name, value)
