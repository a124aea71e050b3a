"""Reading bodies of requests, chunks apart (chunked.py); loaded with the first one."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from webhal.http import Connection, Request


def read_body(connection: "Connection", most: int) -> "bytes | None":
    """The next 1 to `most` bytes of a body; b"" at its end; None when more input is needed.

    Raises HTTPError(400) for a malformed chunk, 431 for trailers that are too large.
    """
    if connection.left == 0:
        return b""
    if connection.left < 0:
        return connection.chunks.read(connection, most)
    start = connection.start
    piece = connection.input[start : start + min(most, connection.left)]
    connection.start += len(piece)
    connection.left -= len(piece)
    return bytes(piece) or None


def lend(connection: "Connection", request: "Request") -> None:
    """Let the request's handler read the body from its connection."""
    request.connection = connection
    request.read = lambda most=512: Read(request, most)  # type: ignore[method-assign]


class Read:
    """Awaitable: the next 1 to `most` bytes of a streamed body, b"" at its end."""

    def __init__(self, request: "Request", most: int) -> None:
        self.request = request
        self.most = most

    def __iter__(self) -> "Generator[None, None, bytes]":
        connection: "Connection | None" = getattr(self.request, "connection", None)
        while connection:
            piece = connection.read_body(self.most)
            if piece is not None:
                return piece
            yield None
        return b""

    __await__ = __iter__
