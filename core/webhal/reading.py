"""Reading a streamed body: request.read(n); loaded with the first one."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from webhal.http import Connection, Request


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
