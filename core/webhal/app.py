"""App: routes, and the way from a Request to what its handler returned.

No bytes and no sockets here: what a client sends is judged in http.py, what it gets is made in response.py. What
not every request needs is loaded when it is used: registering in routes.py and registering.py; parameters in
paths, mounted applications, HEAD, OPTIONS and 405 in routing.py; what is not a plain str in response.py; error
handlers in errors.py.
"""

import gc

import webhal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from typing_extensions import Unpack  # of Python 3.11; known to type checkers

    from webhal.http import Request
    from webhal.jobs import Job
    from webhal.net import Limits, Network
    from webhal.server import Server

    Handler = Callable[..., Any]
    H = TypeVar("H", bound=Handler)  # what a decorator takes and returns


class App:
    """An application: what it answers to which request.

    A handler is called with the request and the values of its path's parameters. It returns a body
    (see Response), `(body, status)`, `(body, status, headers)` or a Response.
    """

    plain = True  # what a handler returned is the answer: no after_request hook, and it neither mounts nor is mounted
    # What is registered, apart from fixed routes: shared and empty, and replaced, never changed, so that an
    # application on a board has the memory of what it uses only.
    streamed: "tuple[Handler, ...]" = ()  # handlers that read the request's body themselves
    events: "dict[str, tuple[Handler, ...]]" = {}
    before: "tuple[Handler, ...]" = ()
    work: "tuple[tuple[Any, Any], ...]" = ()  # beside serving: ("start" or "stop" or ms, function), ("spawn", Job)
    server: "Server | None" = None  # that serves it
    # These are there once something is registered.
    patterns: "tuple[tuple[str, list[Any], Handler], ...]"  # routes.compile_path() makes them
    mounts: "tuple[tuple[str, App], ...]"
    after: "tuple[Handler, ...]"
    errors: "dict[int | type, Handler]"  # by status, or by exception type
    parent: "App"  # where this one is mounted

    def __init__(self) -> None:
        self.routes: "dict[str, Handler]" = {}  # by "GET /path"

    # -- setting up ---------------------------------------------------------------------------------------

    def route(
        self,
        path: str,
        methods: "tuple[str, ...] | list[str]" = ("GET",),
        stream: bool = False,
        blocking: bool = False,
    ) -> "Callable[[H], H]":
        """Decorator: the handler for `path`, which may have parameters: <name>, <int:name>, <path:name>.

        stream: call the handler once the head is there; it reads the body with `await request.read(n)`.
        blocking: on a PC call the handler, a def, in a thread, of which there are some dozens at most, so that it may
        wait for other than webhal; the application is served in asyncio then. On boards, and by TestClient, it is
        called as any other.
        A path is as a handler sees it: decoded, and without a query. Raises ValueError for a path or methods that
        cannot be matched, or that have a handler already.
        """
        return webhal.routes.route(self, path, methods, stream, blocking)

    def get(self, path: str, stream: bool = False, blocking: bool = False) -> "Callable[[H], H]":
        """Decorator: `route` for GET, and so for HEAD."""
        return self.route(path, ["GET"], stream, blocking)

    def post(self, path: str, stream: bool = False, blocking: bool = False) -> "Callable[[H], H]":
        """Decorator: `route` for POST."""
        return self.route(path, ["POST"], stream, blocking)

    def put(self, path: str, stream: bool = False, blocking: bool = False) -> "Callable[[H], H]":
        """Decorator: `route` for PUT."""
        return self.route(path, ["PUT"], stream, blocking)

    def patch(self, path: str, stream: bool = False, blocking: bool = False) -> "Callable[[H], H]":
        """Decorator: `route` for PATCH."""
        return self.route(path, ["PATCH"], stream, blocking)

    def delete(self, path: str, stream: bool = False, blocking: bool = False) -> "Callable[[H], H]":
        """Decorator: `route` for DELETE."""
        return self.route(path, ["DELETE"], stream, blocking)

    def mount(self, path: str, app: "App | Callable[..., Any]") -> None:
        """Let `app` answer what lies under the prefix `path`, with its own hooks inside those of this application.

        Its routes are relative to the prefix, `request.path` stays whole. On a PC it may be an ASGI or a WSGI
        application. Raises ValueError for a prefix that does not start with /, ends with it or is taken, and for an
        application that is mounted already; TypeError for what is none.
        """
        webhal.registering.mount(self, path, app)

    def before_request(self, handler: "H") -> "H":
        """Decorator: call hook(request) before the handler; what it returns, if not None, is the answer."""
        return webhal.registering.before_request(self, handler)

    def after_request(self, handler: "H") -> "H":
        """Decorator: call hook(request, response) before the answer is sent; it may return another."""
        return webhal.registering.after_request(self, handler)

    def error(self, status: "int | type[BaseException]") -> "Callable[[H], H]":
        """Decorator: handler(request, error) answers for a status, or for exceptions of a type.

        A refused request's error is an HTTPError; its status is the answer's, unless the handler gives one.
        A status wins over a type, a derived type over its base; one for Exception answers no HTTPError, and what it
        answers is logged. Raises ValueError for any other cause, and for one that has a handler already.
        """
        return webhal.registering.error(self, status)

    def on(self, event: str) -> "Callable[[H], H]":
        """Decorator: call the function when the server tells of `event`.

        "listen" (the host that was named, else the address, and the port)
        "connect" (client)         "link" ("up" or "down")
        "response" (request, status, bytes of body; -1 for a streamed one that does not promise how many)
        "start"    (): before it serves; what it raises ends App.run
        "stop"     (): when the last request is answered; within ten seconds from when the server was told to stop

        "start" and "stop" are called for mounted applications too, and may be async. Raises ValueError for any other
        event.
        """
        return webhal.registering.on(self, event)

    def every(self, seconds: float) -> "Callable[[H], H]":
        """Decorator: call the function, def or async, each so many seconds while the application is served.

        From when it begins to serve on; a run that was due while another took its time is left out. What it raises is
        logged, and it goes on. A def holds everybody up while it runs. Raises ValueError for seconds that are not
        positive, or over 36 hours.
        """
        return webhal.registering.every(self, seconds)

    def spawn(self, coroutine: "Any") -> "Job":
        """Run what calling an async function has returned beside serving, to its end or to the server's.

        Before the application is served: from then on. The job's `cancel()` ends it; what it raises is logged. Raises
        TypeError for anything else.
        """
        return webhal.jobs.spawn(self, coroutine)

    def run(self, port: int = 80, host: str = "", network: "Network | None" = None, **limits: "Unpack[Limits]") -> None:
        """Serve until Ctrl-C, or SIGTERM where there is one, over this platform's port of webhal or another `network`.

        `limits` are those of Server. Raises OSError when the link cannot come up, or `port` is taken; TypeError or
        ValueError for limits, or a port, that cannot be.
        """
        from webhal.starting import listen, prepare

        network, limits = prepare(network, limits)
        place = listen(network, port, host, limits["connections"])
        # So that a board forgets starting.py; here, for deeper in the stack MicroPython may still find pointers to it.
        listen = prepare = None  # type: ignore[assignment]
        gc.collect()
        webhal.server.create(self, network, limits, place).run()

    # -- what a server asks -----------------------------------------------------------------------------

    def handle(self, request: "Request") -> "Any":
        """The Response to `request`, what the handler returned where that is the answer, or the running handler.

        A running handler's outcome goes to response.finish or errors.handle.
        """
        request.app = self
        try:
            handler = not self.before and self.routes.get(request.method + " " + request.path)
            if handler:
                result = handler(request)
            else:
                result = webhal.routing.handle(self, request, request.path)
            kind = type(result)
            if (kind is str or kind is dict or kind is bytes) and self.plain:
                return result
            if hasattr(result, "send") or hasattr(result, "__anext__") or hasattr(result, "begin"):
                return result
            return webhal.response.finish(request.app, request, result)
        except (MemoryError, KeyboardInterrupt):
            raise
        except BaseException as error:
            return webhal.errors.handle(request.app, request, error)

    def emit(self, event: str, *values: object) -> None:
        """Call the functions registered for `event`; what they raise is logged."""
        for handler in self.events.get(event, ()):
            try:
                handler(*values)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                webhal.log.log(error)
