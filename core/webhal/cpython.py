"""What CPython does otherwise than a board, where memory is plenty and time is measured; not sent to boards.

Here is the one place where the core chooses by interpreter: the reading of heads by a compiled expression
(fast_head.py), the way of a plain request in one function (fast_server.py), signals that end Server.run, and late
methods and attributes that are there at once, because a class with __getattr__ has slow attributes on CPython.
"""

import signal
import threading
from typing import Any

import webhal


def _keep(keep: int = 1) -> None:
    """What webhal.forget is here."""


webhal.forget = _keep

from webhal import fast_head, http  # noqa: E402

_Connection = http.Connection
http.Connection = fast_head.Connection  # type: ignore[misc] # slot.Slot is made of it

from webhal import app, fast_server, request, server  # noqa: E402

setattr(server.Server, "serve_ready", fast_server.serve_ready)  # noqa: B010 # mypy would have it never change

_portable_run = server.Server.run
# And what they do by default.
_SIGNALS: "dict[signal.Signals, Any]" = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


def _run(self: server.Server) -> None:
    """Server.run, which the first SIGINT or SIGTERM ends without interrupting a handler; the second does as it will.

    Signals for which the application has plans of its own are left to it.
    """
    ours = []
    if threading.current_thread() is threading.main_thread():
        ours = [each for each in _SIGNALS if signal.getsignal(each) == _SIGNALS[each]]

    def restore() -> None:
        for each in ours:
            if signal.getsignal(each) is stop:  # not what the application planned meanwhile
                signal.signal(each, _SIGNALS[each])

    def stop(number: int, frame: object) -> None:
        self.stop()
        restore()

    for each in ours:
        signal.signal(each, stop)
    try:
        _portable_run(self)
    finally:
        restore()


setattr(server.Server, "run", _run)  # noqa: B010

_OWNERS: "dict[type, str]" = {
    app.App: "routes registering events routing errors finishing",
    server.Server: "run life beside exchange closing crowd stream trouble failing date",
    _Connection: "head reading chunked",
}


class _Late:
    """An attribute of a Request that is made once, when first used."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: http.Request, owner: type) -> object:
        value = instance.__dict__[self.name] = request.attribute(instance, self.name)
        return value


for _name in request.ATTRIBUTES:
    setattr(http.Request, _name, _Late(_name))
for _class in _OWNERS:
    for _home in webhal._LATE.split("|"):
        _module, *_names = _home.split() or [""]
        if _module in _OWNERS[_class].split():
            for _name in _names:
                setattr(_class, _name, webhal.load(_home, _name))
    del _class.__getattr__  # type: ignore[attr-defined]
del http.Request.__getattr__
