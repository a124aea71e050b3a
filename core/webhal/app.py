"""App: routes, and the way from a Request to what its handler returned.

No bytes and no sockets here: what a client sends is judged in http.py, what it gets is made in response.py. What
not every request needs is loaded when it is used: registering in routes.py and registering.py; parameters in
paths, mounted applications, HEAD, OPTIONS and 405 in routing.py; what is not a plain str in finishing.py; error
handlers in errors.py.
"""

import gc

from webhal import late

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from typing_extensions import Unpack  # of Python 3.11; known to type checkers

    import webhal.errors
    import webhal.events
    import webhal.finishing
    import webhal.registering
    import webhal.routes
    import webhal.routing
    from webhal.http import Request
    from webhal.net import Limits, Network

    Handler = Callable[..., Any]
    H = TypeVar("H", bound=Handler)  # what a decorator takes and returns


class App:
    """An application: what it answers to which request.

    A handler is called with the request and the values of its path's parameters. It returns a body
    (see Response), `(body, status)`, `(body, status, headers)` or a Response.
    """

    plain = True  # it has no hooks, mounts nothing and is not mounted
    # What is registered, apart from fixed routes: shared and empty, and replaced, never changed, so that an
    # application on a board has the memory of what it uses only.
    streamed: "tuple[Handler, ...]" = ()  # handlers that read the request's body themselves
    events: "dict[str, tuple[Handler, ...]]" = {}
    # These are there once something is registered.
    patterns: "tuple[tuple[str, list[Any], Handler], ...]"  # routing.compile_path() makes them
    mounts: "tuple[tuple[str, App], ...]"
    before: "tuple[Handler, ...]"
    after: "tuple[Handler, ...]"
    errors: "dict[int | type, Handler]"  # by status, or by exception type
    parent: "App"  # where this one is mounted

    def __init__(self) -> None:
        self.routes: "dict[str, Handler]" = {}  # by "GET /path"

    __getattr__ = late
    if TYPE_CHECKING:  # what `late` finds
        get = webhal.routes.get
        post = webhal.routes.post
        route = webhal.routes.route
        put = webhal.registering.put
        patch = webhal.registering.patch
        delete = webhal.registering.delete
        mount = webhal.registering.mount
        before_request = webhal.registering.before_request
        after_request = webhal.registering.after_request
        error = webhal.registering.error
        on = webhal.registering.on
        pattern = webhal.routing.pattern
        finish = webhal.finishing.finish
        emit = webhal.events.emit
        search = webhal.routing.search
        streams = webhal.routing.streams
        fail = webhal.errors.fail

    def run(
        self, port: int = 80, host: str = "", network: "Network | None" = None, **limits: "Unpack[Limits]"
    ) -> None:
        """Serve until Ctrl-C, or SIGTERM where there is one, over this platform's port of webhal or another `network`.

        `limits` are those of Server. Raises OSError when the link cannot come up, or `port` is taken; TypeError or
        ValueError for limits, or a port, that cannot be.
        """
        from webhal.run import listen, prepare

        network, limits = prepare(network, limits)
        place = listen(network, port, host, limits["connections"])
        # So that a board forgets run.py; here, because deeper in the stack MicroPython may still find pointers to it.
        listen = prepare = None  # type: ignore[assignment]
        gc.collect()
        from webhal.server import Server

        server = Server(self, network, limits)
        server.adopt(*place)
        server.run()

    # -- what a server asks -----------------------------------------------------------------------------

    def handle(self, request: "Request") -> "Any":
        """The Response to `request`, a str for a plain one, or the running handler if it is async or streams.

        A running handler's outcome goes to `request.app.finish` or `request.app.fail`.
        """
        request.app = self
        try:
            handler = self.plain and self.routes.get(request.method + " " + request.path)
            if handler:
                result = handler(request)
            else:
                result = self.search(request, request.path)
            if type(result) is str and self.plain:
                return result
            if hasattr(result, "send") or hasattr(result, "__anext__"):
                return result
            return request.app.finish(request, result)
        except MemoryError:
            raise
        except Exception as error:
            return request.app.fail(request, error)
