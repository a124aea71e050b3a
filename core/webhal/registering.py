"""What an application registers beside GET and POST routes: other methods, applications, hooks, events.

The functions that webhal._LATE names are methods of App.
"""

from webhal.routes import route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from webhal.app import App, H


def put(app: "App", path: str, stream: bool = False) -> "Callable[[H], H]":
    """Decorator: `route` for PUT."""
    return route(app, path, ("PUT",), stream)


def patch(app: "App", path: str, stream: bool = False) -> "Callable[[H], H]":
    """Decorator: `route` for PATCH."""
    return route(app, path, ("PATCH",), stream)


def delete(app: "App", path: str, stream: bool = False) -> "Callable[[H], H]":
    """Decorator: `route` for DELETE."""
    return route(app, path, ("DELETE",), stream)


def mount(app: "App", prefix: str, mounted: "App") -> None:
    """Let `mounted` answer what lies under `prefix`, with its own hooks inside those of this application.

    Its routes are relative to the prefix, `request.path` stays whole. Raises ValueError for a prefix that
    does not start with / or ends with it, and for an application that is mounted already.
    """
    if prefix[:1] != "/" or prefix[-1:] == "/":
        raise ValueError("a prefix starts with / and does not end with it: " + repr(prefix))
    around: "App | None" = app
    while around:
        if hasattr(mounted, "parent") or mounted is around:
            raise ValueError("this application is mounted already, or around this one")
        around = getattr(around, "parent", None)
    mounted.parent = app
    mounted.plain = app.plain = False
    app.mounts = getattr(app, "mounts", ()) + ((prefix, mounted),)


def before_request(app: "App", hook: "H") -> "H":
    """Decorator: call hook(request) before the handler; what it returns, if not None, is the answer."""
    app.before = getattr(app, "before", ()) + (hook,)
    app.plain = False
    return hook


def after_request(app: "App", hook: "H") -> "H":
    """Decorator: call hook(request, response) before the answer is sent; it may return another."""
    app.after = getattr(app, "after", ()) + (hook,)
    app.plain = False
    return hook


def error(app: "App", cause: "int | type[Exception]") -> "Callable[[H], H]":
    """Decorator: handler(request, error) answers for a status, or for exceptions of a type.

    A refused request's error is an HTTPError; its status is the answer's, unless the handler gives one.
    A status wins over a type, a derived type over its base. Raises ValueError for any other cause.
    """
    if not isinstance(cause, type) and (not isinstance(cause, int) or not 400 <= cause <= 599):
        raise ValueError("error takes a status from 400 to 599 or a type of exception, not " + repr(cause))

    def register(handler: "H") -> "H":
        app.errors = dict(getattr(app, "errors", {}))
        app.errors[cause] = handler
        return handler

    return register


def on(app: "App", event: str) -> "Callable[[H], H]":
    """Decorator: call the function when the server tells of `event`.

    "listen" (address, port)        "connect" (client)         "link" ("up" or "down")
    "response" (request, status, bytes of body; -1 for a streamed one)

    Raises ValueError for any other event.
    """
    if event not in ("listen", "connect", "link", "response"):
        raise ValueError("events are listen, connect, link and response, not " + repr(event))

    def register(handler: "H") -> "H":
        app.events = dict(app.events)
        app.events[event] = app.events.get(event, ()) + (handler,)
        return handler

    return register
