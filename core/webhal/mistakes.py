"""A programmer's mistakes in words: whose each is, where that is, and what would be right. Loaded with the first.

What is a mistake is judged where it is made: in routes.py and registering.py when a handler is registered, in
fields.py, errors.py and request.py when it calls them, in response.py and stream.py when it has answered. Those name
what is wrong by a word; a board has the others in memory when there is a mistake. What a client does wrong is in
errors.py.
"""

import sys

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal.http import Request
    from webhal.response import Response


# What would be right, by what is wrong.
_WORDS = {
    "abort": "an error's status is an int from 400 to 599, not %r",
    "redirect": "redirect takes 301, 302, 303, 307 or 308, not %r",
    "cookies": "not a cookie's name: %r",
    "set_cookie": "not to be put in a cookie: %r",
    "same_site": 'same_site is Lax, Strict, "", or, of a secure cookie, None, not %r',
    "body": "a body is str, bytes, dict, list, None or an iterator",
    "bare": "a response of status %d has no body",
    "length": "Content-Length is %s, but the body has %d bytes",
    "status": "a status is an int from 200 to 599, not %r",
    "name": "%s is written by webhal itself",
    "value": "the value of %s is str, a number, or a list of them, not %r",
    "headers": "not a response field: %r: %r",
    "json": "JSON has no %r",
    "read": "read takes a number of bytes, at least 1, not %r",
    "event": "an event's name and id are str, of one line, not %r",
}
if sys.implementation.name == "cpython":  # boards do not look
    _WORDS["promised"] = "Content-Length is a number of bytes, not %r"
    _WORDS["message"] = "an error's message is str, not %r"
    _WORDS["url"] = "redirect takes a URL as str, not %r"
    _WORDS["max_age"] = "max_age is an int or None, not %r"


def value(what: str, value: object) -> ValueError:
    """For a value that a function of webhal's cannot take."""
    return ValueError(_WORDS[what] % (value,))


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


def asynchronous(handler: "Any") -> TypeError:
    """For a hook, an error handler or a listener that nobody would await."""
    return TypeError("%s is async, which only the handler of a route may be" % name(handler))


if sys.implementation.name == "cpython":

    def judge_websocket(handler: "Any") -> None:
        """Raise TypeError for one that could not be a WebSocket's: routed as it is, or an asynchronous generator."""
        if getattr(handler, "routed", False):
            raise TypeError("@websocket is written below the route's decorator, right above " + name(handler))
        if getattr(getattr(handler, "__code__", None), "co_flags", 0) & 0x200:
            raise TypeError("%s yields: what a WebSocket sends it sends by await ws.send(…)" % name(handler))


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


def unsendable(request: "Request", response: "Any", error: BaseException) -> Exception:
    """For a response that raised `error` when it was to be sent."""
    what = str(error.args[0]) if error.args else ""
    words = _WORDS[what] % error.args[1:] if what in _WORDS else str(error)
    if isinstance(response.body, tuple):
        words += "; a tuple is (body, status) or (body, status, headers)"
    if sys.implementation.name == "cpython":
        hooks: "list[Any]" = []
        around: "Any" = request.app
        while around:
            hooks += getattr(around, "after", ())
            around = getattr(around, "parent", None)
        if hooks and _find(request) not in hooks:
            words += "; unless it became so in a hook: " + ", ".join(name(hook) for hook in hooks)
    kind = TypeError if isinstance(error, TypeError) else ValueError
    told = kind(_told(request, "returned", response.body, words))
    if sys.implementation.name == "cpython":
        told.__cause__ = None if isinstance(error, (TypeError, ValueError)) else error  # whose traceback tells more
    return told


def read(request: "Request") -> RuntimeError:
    """For request.body where the handler reads that."""
    return RuntimeError("%s reads the body: await request.read(n), until it is empty" % name(_find(request)))


def after(request: "Request", value: object) -> TypeError:
    """For something else where a hook's other response should be."""
    return TypeError(_told(request, "returned", value, "an after_request hook returns a Response or None"))


def piece(request: "Request", value: object) -> TypeError:
    """For something else where a piece of a body should be."""
    words = "a piece of a body is str or bytes; what takes time is awaited"
    if sys.implementation.name == "cpython":
        asyncios = value is None or hasattr(value, "add_done_callback")  # as what asyncio's awaitables yield
        if asyncios and "asyncio" in sys.modules:
            words += "; of asyncio's only where that serves: by webhal.serve, not by TestClient or server.step"
    return TypeError(_told(request, "yielded", value, words))


def event(request: "Request", value: object) -> TypeError:
    """For something else where an event should be."""
    words = "an event is str, dict or list, or a tuple (event, data) or (event, data, id) of such data"
    return TypeError(_told(request, "yielded", value, words))


def left(request: "Request", count: int) -> ValueError:
    """For a body in pieces that has not the length that was promised."""
    return ValueError(_told(request, "yielded", b"", "Content-Length less the body's length is %d bytes" % count))


def _told(request: "Request", did: str, value: object, words: str) -> str:
    """Who did what, and what would be right."""
    what = "None" if value is None else type(value).__name__
    if not (value is None or isinstance(value, (str, bytes, bytearray, dict, list))):
        what += " " + repr(value)[:60]
    handler = _find(request)
    who = name(handler) if handler else request.method + " " + request.path
    return "%s %s %s: %s" % (who, did, what, words)


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
