"""`webhal run --debug`: in place of a plain 500, a page with the traceback and the request, for whoever develops the
application on this machine, and for nobody else.
"""

import linecache
import os
import re
import traceback
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

import webhal
from webhal import App, HTTPError, Request, Response
from webhal_cpython.running.address import is_loopback

_AROUND = 3  # lines of source before and after the one that failed
_MOST_BODY = 2000  # bytes of the request's that are shown
# What proxies add. One that adds nothing, and speaks HTTP/1.1, cannot be told from a browser.
_OF_PROXIES = ("forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip")
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Cache-Control": "no-store",
}
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 16px sans-serif; margin: 2em; }}
h1 {{ font-size: 1.3em; }} h2 {{ font-size: 1.1em; }}
pre {{ background: #f4f4f4; padding: 0.5em; overflow-x: auto; }}
mark {{ background: #ffd0d0; }}
td, th {{ text-align: left; vertical-align: top; padding-right: 1em; font: 14px monospace; }}
</style></head><body>
<h1>{title}</h1>
{frames}
<h2>Traceback</h2>
<pre>{trace}</pre>
<h2>Request</h2>
<pre>{line}</pre>
<table>{fields}</table>
<pre>{body}</pre>
<p>This page is shown on this machine alone, because of <code>--debug</code>; others get a plain 500.</p>
</body></html>
"""


def install(app: App, mounted: bool = False) -> None:
    """Let the application answer so, and those mounted in it that have a handler of their own for 500."""
    errors = getattr(app, "errors", {})
    own = errors.get(500)
    if (own or not mounted) and not isinstance(own, _Handler):
        app.errors = {**errors, 500: _Handler(own)}
    for _, inner in getattr(app, "mounts", ()):
        if isinstance(inner, App):
            install(inner, True)


class _Handler:
    """The error handler of an application that may have its `own`, which answers where there is nothing to debug."""

    def __init__(self, own: Callable[[Request, BaseException], Any] | None) -> None:
        self.own = own

    def __call__(self, request: Request, error: BaseException) -> Any:
        if not isinstance(error, HTTPError) and _is_local(request):
            return Response(_page(request, error), 500, _HEADERS)
        if self.own:
            return self.own(request, error)
        return webhal.errors.default(error if isinstance(error, HTTPError) else HTTPError(500))


def _is_local(request: Request) -> bool:
    """Whether a program of this machine asks for itself: no proxy, nor a page elsewhere whose name leads here."""
    host = re.sub(r":\d*$", "", request.headers.get("host", ""))
    names = [name.lower() for name, _ in request.headers.items()]
    return (
        is_loopback(request.client[0])
        and is_loopback(host.strip("[]"))
        and bool(request.minor)  # which is what proxies speak that are told nothing
        and not any(name in _OF_PROXIES or name.startswith("x-forwarded") for name in names)
    )


def _page(request: Request, error: BaseException) -> str:
    fields = request.headers.items()
    return _PAGE.format(
        title=escape("".join(traceback.format_exception_only(error)).strip()),
        frames="\n".join(_frames(error)),
        trace=escape("".join(traceback.format_exception(error))),
        line=escape(f"{request.method} {request.target} HTTP/1.{request.minor}"),
        fields="\n".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in fields),
        body=escape(bytes(request.__dict__.get("body", b""))[:_MOST_BODY].decode(errors="replace")),
    )


def _frames(error: BaseException) -> Iterator[str]:
    """The source where the application failed, the innermost first; webhal's own steps are left out."""
    own = os.path.dirname(webhal.__file__), os.path.dirname(os.path.dirname(__file__))
    for frame, number in reversed(list(traceback.walk_tb(error.__traceback__))):
        path = frame.f_code.co_filename
        if os.path.abspath(path).startswith(own):
            continue
        lines = []
        for each in range(max(1, number - _AROUND), number + _AROUND + 1):
            line = escape(f"{each:5} {linecache.getline(path, each).rstrip()}")
            lines.append(f"<mark>{line}</mark>" if each == number else line)
        yield f"<h2>{escape(path)}:{number}, {escape(frame.f_code.co_name)}</h2>\n<pre>" + "\n".join(lines) + "</pre>"
