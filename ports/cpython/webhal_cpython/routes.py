"""`webhal routes FILE`: prints which handler answers which path, and where it is, mounted applications included.

The file runs, but serves nothing.
"""

import argparse
import inspect
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from webhal import App
from webhal_cpython.cli import complain, printable
from webhal_cpython.loading import LoadError, Target, tell


class Route(NamedTuple):
    methods: str
    path: str
    handler: str
    place: str  # FILE:LINE, "" of what is no function


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="FILE[:name]", help="what `webhal run` takes")


def main(arguments: argparse.Namespace) -> int:
    ran: list[App] = []
    try:
        target = Target(arguments.target)
        App.run = lambda app, *values, **limits: ran.append(app)  # type: ignore[method-assign]
        module = target.execute()
        app = ran[0] if ran and not target.name else target.app(module)
    except LoadError as error:
        return complain(str(error), error.code)
    except Exception as error:
        return tell(error, target.path or target.place)
    found = list(routes(app))
    widths = [max(map(len, column)) for column in zip(*found, strict=True)]
    for route in found:
        print(printable("  ".join(text.ljust(width) for text, width in zip(route, widths, strict=True)).rstrip()))
    return 0


def routes(app: Any, prefix: str = "") -> Iterator[Route]:
    """Those of an application and, behind them, of the mounted ones, in the order in which they were registered."""
    methods: dict[tuple[str, Callable[..., Any]], list[str]] = {}
    for key, handler in app.routes.items():
        method, _, path = key.partition(" ")
        methods.setdefault((path, handler), []).append(method)
    for method, segments, handler in getattr(app, "patterns", ()):
        methods.setdefault((_pattern(segments, handler), handler), []).append(method)
    for (path, handler), known in methods.items():
        yield Route(",".join(known), prefix + path, *_whose(handler))
    for path, mounted in getattr(app, "mounts", ()):
        foreign = getattr(mounted, "foreign", None)  # an ASGI or a WSGI application
        if foreign:
            yield Route("*", f"{prefix}{path}/…", *_whose(foreign))
        else:
            yield from routes(mounted, prefix + path)


def _pattern(segments: list[Any], handler: Callable[..., Any]) -> str:
    """The path that was registered; its parameters are called as the handler calls them, to which they are passed."""
    names = list(inspect.signature(handler).parameters)[1:]
    parts = []
    for segment in segments:
        if isinstance(segment, tuple):
            name = names.pop(0) if names else "…"
            segment = f"<{name}>" if segment[0] == "str" else f"<{segment[0]}:{name}>"
        parts.append(segment)
    return "/".join(parts)


def _whose(handler: Any) -> tuple[str, str]:
    """A handler's name and place."""
    function = inspect.unwrap(handler)
    function = getattr(function, "func", function)  # of a partial
    name = getattr(function, "__qualname__", type(function).__qualname__)
    code = getattr(function, "__code__", None)
    if not code:
        return name, ""
    return name, f"{code.co_filename.removeprefix(os.getcwd() + os.sep)}:{code.co_firstlineno}"
