"""HTTPError, and what answers errors: error handlers and their default text.

Loaded at the first error, or with head.py.
"""

import sys

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from webhal.app import App
    from webhal.http import Request
    from webhal.response import Response


class HTTPError(Exception):
    """Answer the request with an error: `status`, and `message`, text for the client, or "" for the status's phrase.

    Raises ValueError for a status that is no error's.
    """

    def __init__(self, status: int, message: str = "", headers: "dict[str, str] | None" = None) -> None:
        if not isinstance(status, int) or not 400 <= status <= 599:
            raise webhal.mistakes.value("abort", status)
        if sys.implementation.name == "cpython":
            if not isinstance(message, str):
                raise webhal.mistakes.value("message", message)
        super().__init__(status, message)
        self.status = status
        self.message = message or webhal.response.phrase(status) or str(status)
        self.headers = headers


class Cancelled(BaseException):
    """Raised where a handler or a job waits when its client has left, or it is ended; its `finally` runs to its end."""


def abort(status: int, message: str = "", headers: "dict[str, str] | None" = None) -> "NoReturn":
    """Answer with an error status (400 to 599), by the application's error handler if it has one."""
    raise HTTPError(status, message, headers)


def handle(app: "App", request: "Request", error: BaseException) -> "Response":
    """The Response to send for what a handler or the parser raised; raises MemoryError and KeyboardInterrupt only."""
    try:
        if "error" in request.__dict__:  # what answered that has failed, and would do so again
            raise error
        request.error = error
        return webhal.response.finish(app, request, _explain(app, error, request))
    except (MemoryError, KeyboardInterrupt):
        raise
    except HTTPError as second:
        return default(second)
    except BaseException as second:
        webhal.log.log(second)
        return default(HTTPError(500))


def _explain(app: "App", error: "Any", request: "Request") -> "Response":
    """What the error handler says that fits best, here or in the applications around; else the default.

    Only a handler for HTTPError, or for a type derived from it, is for refusals of any status. An exception that the
    application did not expect, for it has no handler of a narrower type than Exception, is logged.
    """
    refused = isinstance(error, HTTPError)
    status: "Any" = error.status if refused else 500
    around: "App | None" = app
    while around:
        errors = getattr(around, "errors", {})
        best = status
        if not refused or status not in errors:
            for cause in errors:
                if isinstance(cause, type) and isinstance(error, cause) and (best is status or issubclass(cause, best)):
                    if not refused or issubclass(cause, HTTPError):
                        best = cause
        if best in errors:
            if not refused and best in (500, Exception, BaseException):
                webhal.log.log(error)
            request.handler = errors[best]
            response = webhal.response.to_response(errors[best](request, error), request)
            if "status" not in response.__dict__:  # another, lest one that the application keeps has it for good
                response = webhal.response.Response(response.body, status, response.headers)
            return response
        around = getattr(around, "parent", None)
    if not refused:
        webhal.log.log(error)
        error = HTTPError(500)
    return default(error)


def default(error: "HTTPError") -> "Response":
    """The error's message as text."""
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    if error.headers:
        headers.update(error.headers)
    return webhal.response.Response(error.message + "\n", error.status, headers)
