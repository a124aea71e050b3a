"""Registering routes; loaded when an application does, and forgotten when it is served.

The functions that webhal._LATE names are methods of App.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from webhal.app import App, H


def get(app: "App", path: str, stream: bool = False) -> "Callable[[H], H]":
    """Decorator: `route` for GET, and so for HEAD."""
    return route(app, path, ("GET",), stream)


def post(app: "App", path: str, stream: bool = False) -> "Callable[[H], H]":
    """Decorator: `route` for POST."""
    return route(app, path, ("POST",), stream)


def route(
    app: "App", path: str, methods: "tuple[str, ...] | list[str]" = ("GET",), stream: bool = False
) -> "Callable[[H], H]":
    """Decorator: the handler for `path`, which may have parameters: <name>, <int:name>, <path:name>.

    stream: call the handler once the head is there; it reads the body with `await request.read(n)`.
    Raises ValueError for a path or methods that cannot be matched.
    """
    for method in methods:
        if " " in method or " " + method + " " not in " GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT ":
            raise ValueError("methods are a tuple such as ('GET', 'POST') of those of RFC 9110, not " + repr(methods))
    add = None
    if "<" in path or path[:1] != "/":
        add = app.pattern(path)

    def register(handler: "H") -> "H":
        for method in methods:
            if add:
                add(method, handler)
            else:
                app.routes[method + " " + path] = handler
        if stream:
            app.streamed += (handler,)
        return handler

    return register
