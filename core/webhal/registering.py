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


def mount(app: "App", prefix: str, mounted: "App") -> None:
    """What App.mount promises."""
    if not isinstance(prefix, str) or prefix[:1] != "/" or prefix[-1:] == "/":
        raise ValueError("a prefix starts with / and does not end with it: " + repr(prefix))
    if sys.implementation.name == "cpython":
        webhal.routes.judge_path(prefix)
        if not hasattr(mounted, "handle") or isinstance(mounted, type):
            raise TypeError("an App is mounted, not " + repr(mounted))
    if prefix in [mount[0] for mount in getattr(app, "mounts", ())]:
        raise ValueError("an application is mounted there already: " + repr(prefix))
    around: "App | None" = app
    while around:
        if hasattr(mounted, "parent") or mounted is around:
            raise ValueError("this application is mounted already, or around this one")
        around = getattr(around, "parent", None)
    mounted.parent = app
    mounted.plain = app.plain = False
    app.mounts = getattr(app, "mounts", ()) + ((prefix, mounted),)
    for each in mounted.work:
        _add_work(app, each)


def before_request(app: "App", hook: "H") -> "H":
    """What App.before_request promises."""
    app.before += (_callable(hook),)
    return hook


def after_request(app: "App", hook: "H") -> "H":
    """What App.after_request promises."""
    app.after = getattr(app, "after", ()) + (_callable(hook),)
    app.plain = False
    return hook


def error(app: "App", cause: "int | type[BaseException]") -> "Callable[[H], H]":
    """What App.error promises."""
    if isinstance(cause, type):
        fits = issubclass(cause, BaseException)
    elif callable(cause):
        raise webhal.mistakes.bare("error(404)", cause)
    else:
        fits = isinstance(cause, int) and 400 <= cause <= 599
    if not fits:
        raise ValueError("error takes a status from 400 to 599 or a type of exception, not " + repr(cause))

    def register(handler: "H") -> "H":
        app.errors = dict(getattr(app, "errors", {}))
        if cause in app.errors:
            raise webhal.mistakes.second("error %r" % (cause,), app.errors[cause], handler)
        app.errors[cause] = _callable(handler)
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
