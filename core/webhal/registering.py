"""Registering hooks, applications and events: the methods of App that only setting one up calls.

A board forgets this once it serves.
"""

import sys

import webhal

_MOST_SECONDS = 1 << 17  # 36 hours: what task.sleep_ms can wait for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from webhal.app import App, H


def mount(parent: "App", path: str, app: "Any") -> None:
    """What App.mount promises."""
    if not isinstance(path, str) or path[:1] != "/" or path[-1:] == "/":
        raise ValueError("a prefix starts with / and does not end with it: " + repr(path))
    if sys.implementation.name == "cpython":
        webhal.routes.judge_path(path)
    if not isinstance(app, webhal.app.App):
        if sys.implementation.name != "cpython":
            raise TypeError("a board mounts an App, not " + repr(app))
        app = webhal.platform("mounting").application(app)
    if path in [mount[0] for mount in getattr(parent, "mounts", ())]:
        raise ValueError("an application is mounted there already: " + repr(path))
    around: "App | None" = parent
    while around:
        if hasattr(app, "parent") or app is around:
            raise ValueError("this application is mounted already, or around this one")
        around = getattr(around, "parent", None)
    app.parent = parent
    app.plain = parent.plain = False
    parent.mounts = getattr(parent, "mounts", ()) + ((path, app),)
    for each in app.work:
        _add_work(parent, each)


def before_request(app: "App", handler: "H") -> "H":
    """What App.before_request promises."""
    app.before += (_callable(handler),)
    return handler


def after_request(app: "App", handler: "H") -> "H":
    """What App.after_request promises."""
    app.after = getattr(app, "after", ()) + (_callable(handler),)
    app.plain = False
    return handler


def error(app: "App", status: "int | type[BaseException]") -> "Callable[[H], H]":
    """What App.error promises."""
    if isinstance(status, type):
        fits = issubclass(status, BaseException)
    elif callable(status):
        raise webhal.mistakes.bare("error(404)", status)
    else:
        fits = isinstance(status, int) and 400 <= status <= 599
    if not fits:
        raise ValueError("error takes a status from 400 to 599 or a type of exception, not " + repr(status))

    def register(handler: "H") -> "H":
        app.errors = dict(getattr(app, "errors", {}))
        if status in app.errors:
            raise webhal.mistakes.second("@app.error(%r)" % (status,), app.errors[status], handler)
        app.errors[status] = _callable(handler)
        return handler

    return register


def on(app: "App", event: str) -> "Callable[[H], H]":
    """What App.on promises."""
    if callable(event):
        raise webhal.mistakes.bare('on("listen")', event)
    if event not in ("listen", "connect", "link", "response", "start", "stop"):
        raise ValueError("events are listen, connect, link, response, start and stop, not " + repr(event))

    def register(handler: "H") -> "H":
        if event in ("start", "stop"):
            _add_work(app, (event, handler))
            return handler
        app.events = dict(app.events)
        app.events[event] = app.events.get(event, ()) + (_callable(handler),)
        return handler

    return register


def every(app: "App", seconds: float) -> "Callable[[H], H]":
    """What App.every promises."""
    if callable(seconds):
        raise webhal.mistakes.bare("every(5)", seconds)
    if not isinstance(seconds, (int, float)) or not 0 < seconds <= _MOST_SECONDS:
        raise ValueError("every takes seconds, more than 0 and at most %d, not %r" % (_MOST_SECONDS, seconds))

    def register(handler: "H") -> "H":
        _add_work(app, (max(1, int(seconds * 1000)), handler))
        return handler

    return register


def _add_work(app: "App | None", work: "tuple[Any, Any]") -> None:
    """Note what is done beside serving, for the application and those around it."""
    if not callable(work[1]) and work[0] != "spawn":
        raise webhal.mistakes.uncallable(work[1])
    while app:
        app.work += (work,)
        app = getattr(app, "parent", None)


def _callable(handler: "H") -> "H":
    if not callable(handler):
        raise webhal.mistakes.uncallable(handler)
    if sys.implementation.name == "cpython":  # boards do not know before it is called
        if getattr(getattr(handler, "__code__", None), "co_flags", 0) & 0x80:
            raise webhal.mistakes.asynchronous(handler)
    return handler
