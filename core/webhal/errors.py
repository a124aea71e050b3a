"""HTTPError, and what answers errors: error handlers and their default text; loaded at the first error."""

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from webhal.app import App
    from webhal.http import Request
    from webhal.response import Response


class HTTPError(Exception):
    """Answer the request with an error: `status`, `message` (text for the client, or "")."""

    def __init__(self, status: int, message: str = "", headers: "dict[str, str] | None" = None) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.headers = headers


def abort(status: int, message: str = "", headers: "dict[str, str] | None" = None) -> "NoReturn":
    """Answer with an error status (400 to 599), by the application's error handler if it has one."""
    if not 400 <= status <= 599:
        raise ValueError("abort takes a status from 400 to 599, not " + repr(status))
    raise HTTPError(status, message, headers)


def handle(app: "App", request: "Request", error: BaseException) -> "Response":
    """The Response to send for what a handler or the parser raised; raises MemoryError and KeyboardInterrupt only."""
    try:
        return webhal.response.finish(app, request, _explain(app, error, request))
    except (MemoryError, KeyboardInterrupt):
        raise
    except BaseException as second:
        webhal.log.log(second)
        return webhal.response.Response("Internal Server Error\n", 500)


def _explain(app: "App", error: "Any", request: "Request") -> "Response":
    """What the error handler says that fits best, here or in the applications around; else the default."""
    refused = isinstance(error, HTTPError)
    status = error.status if refused else 500
    around: "App | None" = app
    while around:
        errors = getattr(around, "errors", {})
        handler = errors.get(status) if refused else None
        if not handler:
            best: "Any" = None
            for cause in errors:
                if isinstance(cause, type) and isinstance(error, cause) and (not best or issubclass(cause, best)):
                    best = cause
            handler = errors.get(best)
        if not handler and not refused and 500 in errors:
            webhal.log.log(error)
            handler = errors[500]
        if handler:
            result = handler(request, error)
            if isinstance(result, (tuple, webhal.response.Response)):
                return webhal.response.to_response(result)
            return webhal.response.Response(result, status)
        around = getattr(around, "parent", None)
    if not refused:
        webhal.log.log(error)
        return webhal.response.Response("Internal Server Error\n", 500)
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    if error.headers:
        headers.update(error.headers)
    text = error.message
    if not text:
        text = webhal.response.phrase(status)
    return webhal.response.Response(text + "\n", status, headers)
