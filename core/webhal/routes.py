"""Registering routes: what App.route and its kin do. A board forgets this once it serves."""

import sys

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from webhal.app import App, H

_METHOD = "ABCDEFGHIJKLMNOPQRSTUVWXYZ-"


def route(
    app: "App", path: str, methods: "tuple[str, ...] | list[str]", stream: bool, blocking: bool
) -> "Callable[[H], H]":
    """What App.route promises."""
    if callable(path):
        raise webhal.mistakes.bare('get("/path")', path)
    if not isinstance(path, str) or path[:1] != "/":
        raise ValueError("a path starts with /, not " + repr(path))
    if sys.implementation.name == "cpython":
        judge_path(path)
    good = isinstance(methods, (tuple, list)) and len(methods) > 0
    for method in methods if good else ():
        good = good and isinstance(method, str) and methods.count(method) == 1 and not (method or ".").strip(_METHOD)
    if not good:
        raise ValueError(
            "methods are a tuple such as ('GET', 'POST'), each once, in capital letters, not " + repr(methods)
        )
    segments = compile_path(path) if "<" in path else None

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
        called: "Any" = handler
        if sys.implementation.name == "cpython":
            if hasattr(handler, "__code__"):
                handler.__dict__["routed"] = True  # for @websocket, which would come too late
            if blocking:
                called = in_thread(handler)
        for method in methods:
            if segments:
                app.patterns = getattr(app, "patterns", ()) + ((method, segments, called),)
            else:
                app.routes[method + " " + path] = called
        if stream:
            app.streamed += (called,)
        return handler

    return register


if sys.implementation.name == "cpython":
    import re

    def in_thread(handler: "Any") -> "Any":
        """A handler that lets another one run in a thread, where there is a loop of asyncio's to wait for it."""
        import asyncio  # so the application is served there
        import functools

        if asyncio.iscoroutinefunction(handler):
            raise TypeError("%s is async: what blocks is a def" % webhal.mistakes.name(handler))
        threads = webhal.platform("threads").threads

        @functools.wraps(handler)
        def called(*arguments: object) -> object:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return handler(*arguments)

            async def wait() -> object:
                return await loop.run_in_executor(threads, handler, *arguments)

            return wait()

        return called

    def judge_path(path: str) -> None:
        """Raise ValueError for a path that no request has: there it is decoded, and without its query."""
        if re.search("[?#]|%[0-9A-Fa-f]{2}", path):
            raise ValueError("a path has no query, no fragment and no percent-escapes, not " + repr(path))


def compile_path(path: str) -> "list[Any]":
    """The segments of a path: a str to be matched, or a tuple (converter,) for a parameter.

    Raises ValueError unless each parameter is a whole segment <name>, <int:name> or, at the end, <path:name>.
    """
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
