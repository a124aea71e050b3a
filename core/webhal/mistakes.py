"""A programmer's mistakes in words: whose each is, where that is, and what would be right. Loaded with the first.

What is a mistake is judged where it is made: in routes.py and registering.py when a handler is registered, in
response.py and stream.py when it has answered. What a client does wrong is in errors.py.
"""

import sys

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal.http import Request
    from webhal.response import Response


def name(handler: "Any") -> str:
    """What a handler is called; on CPython also the file and the line at which it begins, decorators included."""
    text = getattr(handler, "__name__", None) or repr(handler)
    if sys.implementation.name == "cpython":
        while hasattr(handler, "__wrapped__"):
            handler = handler.__wrapped__
        code = getattr(handler, "__code__", None)
        if code:
            text += " (%s:%d)" % (code.co_filename.replace("\\", "/").split("/")[-1], code.co_firstlineno)
    return text


def bare(example: str, handler: "Any") -> TypeError:
    """For a decorator without its parentheses."""
    return TypeError("write @app.%s, with the parentheses, above %s" % (example, name(handler)))


def uncallable(handler: "Any") -> TypeError:
    """For what is no function, but registered as one."""
    return TypeError("a handler is a function, not %r; a decorator below must return the function" % (handler,))


def second(what: str, first: "Any", handler: "Any") -> ValueError:
    """For a handler that would never be called, because there is one for the same."""
    return ValueError("%s has a handler already, %s: not %s too" % (what, name(first), name(handler)))


def answer(request: "Request", response: "Response", error: BaseException, fields: str) -> "Response":
    """What is sent instead of a response that HTTP cannot carry, for which it raised `error`."""
    response = webhal.errors.handle(request.app, request, unsendable(request, response, error))
    try:
        webhal.response.serialise(response, request.method, fields)
        return response
    except (MemoryError, KeyboardInterrupt):
        raise
    except BaseException as another:
        webhal.log.log(unsendable(request, response, another))
        return webhal.errors.default(webhal.errors.HTTPError(500))


def unsendable(request: "Request", response: "Any", error: "Any") -> Exception:
    """For a response, and what is wrong with it."""
    body = response.body
    if isinstance(body, tuple):
        error = TypeError("%s; a tuple is (body, status) or (body, status, headers)" % error)
    return _wrong(request, "returned", body, error)


def after(request: "Request", value: object) -> Exception:
    """For something else where a hook's other response should be."""
    return _wrong(request, "returned", value, TypeError("an after_request hook returns a Response or None"))


def piece(request: "Request", value: object) -> Exception:
    """For something else where a piece of a body should be."""
    return _wrong(request, "yielded", value, TypeError("a piece of a body is str or bytes; what takes time is awaited"))


def _wrong(request: "Request", did: str, value: "Any", error: "Any") -> Exception:
    """An exception that says who did what, and why that is wrong."""
    what = type(value).__name__
    if not isinstance(value, (str, bytes, bytearray, dict, list)):
        what += " " + repr(value)[:60]
    handler = _find(request)
    who = name(handler) if handler else request.method + " " + request.path
    kind = TypeError if isinstance(error, TypeError) else ValueError
    wrong = kind("%s %s %s: %s" % (who, did, what, error))
    if sys.implementation.name == "cpython":
        wrong.__cause__ = error if isinstance(error, BaseException) else None
    return wrong


def _find(request: "Request") -> "Any":
    """Who answered: the hook or the error handler that is noted, else the handler of the route, or None."""
    noted = request.__dict__.get("handler")
    if noted:
        return noted
    around: "Any" = request.app
    prefix = ""
    while hasattr(around, "parent"):
        for path, mounted in around.parent.mounts:
            if mounted is around:
                prefix = path + prefix
        around = around.parent
    return webhal.routing.find(request.app, request.method, request.path[len(prefix) :] or "/")[0]
