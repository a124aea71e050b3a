"""Small functions for handlers: abort, redirect, sleep_ms; loaded when used."""

from webhal.httperror import HTTPError
from webhal.response import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import NoReturn


def abort(status: int, message: str = "", headers: "dict[str, str] | None" = None) -> "NoReturn":
    """Answer with an error status (400 to 599), by the application's error handler if it has one."""
    if not 400 <= status <= 599:
        raise ValueError("abort takes a status from 400 to 599, not " + repr(status))
    raise HTTPError(status, message, headers)


def redirect(url: str, status: int = 302) -> Response:
    """A response that sends the client to `url`: 301, 302, 303, 307 or 308."""
    if status not in (301, 302, 303, 307, 308):
        raise ValueError("redirect takes 301, 302, 303, 307 or 308, not " + repr(status))
    return Response(b"", status, {"Location": url})


class sleep_ms:
    """Awaitable in an asynchronous handler: let others be served for so many milliseconds, an int."""

    def __init__(self, ms: int) -> None:
        if not isinstance(ms, int):
            raise TypeError("sleep_ms takes milliseconds as an int, not " + repr(ms))
        self.ms = ms

    def __iter__(self) -> "Generator[int, None, None]":
        yield self.ms

    __await__ = __iter__
