"""Answers to what went wrong: error handlers and their default text; loaded at the first error."""

from webhal.http import Request
from webhal.httperror import HTTPError
from webhal.log import log
from webhal.response import Response, to_response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal.app import App


def fail(app: "App", request: Request, error: Exception) -> Response:
    """The Response to send for what a handler or the parser raised; raises MemoryError only."""
    try:
        return app.finish(request, _explain(app, error, request))
    except MemoryError:
        raise
    except Exception as second:
        log(second)
        return Response("Internal Server Error\n", 500)


def _explain(app: "App", error: "Any", request: Request) -> Response:
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
            log(error)
            handler = errors[500]
        if handler:
            result = handler(request, error)
            if isinstance(result, (tuple, Response)):
                return to_response(result)
            return Response(result, status)
        around = getattr(around, "parent", None)
    if not refused:
        log(error)
        return Response("Internal Server Error\n", 500)
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    if error.headers:
        headers.update(error.headers)
    text = error.message
    if not text:
        from webhal.status import phrase

        text = phrase(status)
    return Response(text + "\n", status, headers)
