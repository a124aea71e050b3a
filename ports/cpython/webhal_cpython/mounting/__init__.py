"""Other people's applications under webhal's server: what app.mount makes of an ASGI or a WSGI application.

Here live which of the two an application is, and what both have in common as something that is mounted. One request and
its answer are in exchange.py; the two interfaces in asgi.py, with http.py and websocket.py, and in wsgi.py. A mounted
application is served in asyncio, so importing this lets the server be (Server.run).
"""

import inspect
from functools import cached_property
from typing import Any

from webhal import App, Request


class Mounted(App):
    """An application that finds its handlers itself; a subclass says how it is asked."""

    def __init__(self, foreign: Any) -> None:
        super().__init__()
        self.foreign = foreign
        self.routes = _Everything(self.exchange)
        self.streamed = (self.exchange,)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.foreign!r}>"

    def exchange(self, request: Request) -> Any:
        """What takes the connection over, to answer the request."""
        raise NotImplementedError

    @cached_property
    def prefix(self) -> str:
        """The path under which it is mounted, from the outermost application on."""
        prefix = ""
        app: App = self
        while hasattr(app, "parent"):
            prefix = next(path for path, each in app.parent.mounts if each is app) + prefix
            app = app.parent
        return prefix

    @property
    def hosted(self) -> Any:
        """The server, where it is in asyncio; else None, as by TestClient."""
        app: App = self
        while hasattr(app, "parent"):
            app = app.parent
        return app.server if app.server and app.server.host else None


class _Everything(dict[str, Any]):
    """Routes of all methods and paths."""

    def __init__(self, handler: Any) -> None:
        super().__init__()
        self.handler = handler

    def __contains__(self, route: object) -> bool:
        return True

    def get(self, route: str, default: Any = None) -> Any:
        return self.handler


def application(foreign: Any) -> Mounted:
    """What is mounted for an ASGI or a WSGI application; ASGI(…) or WSGI(…), of the modules here, say which it is.

    Else it is ASGI where it takes three arguments, WSGI where it takes two; of what takes any number, ASGI is async.
    Raises TypeError for anything else.
    """
    from webhal_cpython.mounting.asgi import ASGI
    from webhal_cpython.mounting.wsgi import WSGI

    asynchronous = inspect.iscoroutinefunction(foreign) or inspect.iscoroutinefunction(type(foreign).__call__)
    if _takes(foreign, 3) and (asynchronous or not _takes(foreign, 2)):
        return ASGI(foreign)
    if _takes(foreign, 2) and not asynchronous:
        return WSGI(foreign)
    raise TypeError(f"an App, an ASGI (3.0) or a WSGI application is mounted, not {foreign!r}")


def _takes(foreign: Any, count: int) -> bool:
    """Whether it can be called with so many arguments."""
    try:
        inspect.signature(foreign).bind(*range(count))
        return True
    except (TypeError, ValueError):
        return False
