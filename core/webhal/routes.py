"""Registering routes: what App.route and its kin do. A board forgets this once it serves."""

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from webhal.app import App, H

_METHOD = "ABCDEFGHIJKLMNOPQRSTUVWXYZ-"


def route(app: "App", path: str, methods: "tuple[str, ...] | list[str]", stream: bool) -> "Callable[[H], H]":
    """What App.route promises."""
    if callable(path):
        raise webhal.mistakes.bare('get("/path")', path)
    for method in methods:
        if isinstance(methods, str) or not method or method.strip(_METHOD):
            raise ValueError("methods are a tuple such as ('GET', 'POST'), in capital letters, not " + repr(methods))
    segments = compile_path(path) if "<" in path or path[:1] != "/" else None

    def register(handler: "H") -> "H":
        if not callable(handler):
            raise webhal.mistakes.uncallable(handler)
        for method in methods:
            first = app.routes.get(method + " " + path)
            for known in getattr(app, "patterns", ()):
                if known[:2] == (method, segments):
                    first = known[2]
            if first:
                raise webhal.mistakes.second(method + " " + path, first, handler)
            if segments:
                app.patterns = getattr(app, "patterns", ()) + ((method, segments, handler),)
            else:
                app.routes[method + " " + path] = handler
        if stream:
            app.streamed += (handler,)
        return handler

    return register


def compile_path(path: str) -> "list[Any]":
    """The segments of a path: a str to be matched, or a tuple (converter,) for a parameter.

    Raises ValueError unless each parameter is a whole segment <name>, <int:name> or, at the end, <path:name>.
    """
    if path[:1] != "/":
        raise ValueError("a path starts with /, not " + repr(path))
    segments: "list[Any]" = path.split("/")
    for index, segment in enumerate(segments):
        if "<" in segment or ">" in segment:
            inner = segment[1:-1].split(":")
            kind = inner[0] if len(inner) == 2 else "str"
            whole = segment[0] == "<" and segment[-1] == ">" and inner[-1] and len(inner) <= 2
            if not whole or "<" in inner[-1] or kind not in ("str", "int", "path"):
                raise ValueError("a parameter is <name>, <int:name> or <path:name>, not " + repr(segment))
            if kind == "path" and index < len(segments) - 1:
                raise ValueError("<path:…> ends a path: " + repr(path))
            segments[index] = (kind,)
    return segments
