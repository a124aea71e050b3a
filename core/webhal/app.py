"""App: routes, and the way from a Request to what its handler returned.

No bytes and no sockets here: what a client sends is judged in http.py, what it gets is made in
response.py. What only some applications use is loaded when they use it: everything that can be registered
beside GET and POST in registering.py; parameters in paths, mounted applications, HEAD, OPTIONS and 405 in
routing.py; error handlers in errors.py.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from typing_extensions import Unpack  # of Python 3.11; known to type checkers

    from webhal.http import Request
    from webhal.net import Limits, Network
    from webhal.response import Response

    Handler = Callable[..., Any]
    H = TypeVar("H", bound=Handler)  # what a decorator takes and returns


class App:
    """An application: what it answers to which request.

    A handler is called with the request and the values of its path's parameters. It returns a body
    (see Response), `(body, status)`, `(body, status, headers)` or a Response.
    """

    parent: "App | None" = None  # where this one is mounted
    # What is registered, apart from fixed routes: shared and empty, and replaced, never changed, so that an
    # application on a board has the memory of what it uses only.
    patterns: "tuple[tuple[str, list[Any], Handler], ...]" = ()  # routing.compile_path() makes these
    mounts: "tuple[tuple[str, App], ...]" = ()
    streamed: "tuple[Handler, ...]" = ()  # handlers that read the request's body themselves
    before: "tuple[Handler, ...]" = ()
    after: "tuple[Handler, ...]" = ()
    errors: "dict[int | type, Handler]" = {}  # by status, or by exception type
    events: "dict[str, tuple[Handler, ...]]" = {}

    def __init__(self) -> None:
        self.routes: "dict[str, Handler]" = {}  # by "GET /path"

    def get(self, path: str, stream: bool = False) -> "Callable[[H], H]":
        """Decorator: `route` for GET, and so for HEAD."""
        return self.route(path, ("GET",), stream)

    def post(self, path: str, stream: bool = False) -> "Callable[[H], H]":
        """Decorator: `route` for POST."""
        return self.route(path, ("POST",), stream)

    def route(
        self, path: str, methods: "tuple[str, ...] | list[str]" = ("GET",), stream: bool = False
    ) -> "Callable[[H], H]":
        """Decorator: the handler for `path`, which may have parameters: <name>, <int:name>, <path:name>.

        stream: call the handler once the head is there; it reads the body with `await request.read(n)`.
        Raises ValueError for a path or methods that cannot be matched.
        """

        if stream or methods not in (("GET",), ("POST",)) or "<" in path or path[:1] != "/":
            from webhal.registering import route

            return route(self, path, methods, stream)

        def register(handler: "H") -> "H":
            self.routes[methods[0] + " " + path] = handler
            return handler

        return register

    if TYPE_CHECKING:  # registering.py has these; __getattr__ loads it

        def put(self, path: str, stream: bool = False) -> Callable[[H], H]: ...

        def patch(self, path: str, stream: bool = False) -> Callable[[H], H]: ...

        def delete(self, path: str, stream: bool = False) -> Callable[[H], H]: ...

        def mount(self, prefix: str, app: "App") -> None: ...

        def before_request(self, hook: H) -> H: ...

        def after_request(self, hook: H) -> H: ...

        def error(self, cause: "int | type[Exception]") -> Callable[[H], H]: ...

        def on(self, event: str) -> Callable[[H], H]: ...

    def __getattr__(self, name: str) -> object:
        from webhal.registering import bound

        return bound(self, name)

    def run(
        self, port: int = 80, host: str = "", network: "Network | None" = None, **limits: "Unpack[Limits]"
    ) -> None:
        """Serve until Ctrl-C, over this platform's port of webhal or another `network`.

        `limits` are those of Server. Raises OSError when the link cannot come up, or `port` is taken.
        """
        from webhal.run import connect

        network, place, limits, view = connect(network, port, host, limits)
        connect = None  # type: ignore[assignment] # with which a board forgets all of run.py, for what comes now
        from webhal.server import Server

        server = Server(self, network, view, **limits)
        server.adopt(*place)
        server.run()

    # -- what a server asks -----------------------------------------------------------------------------

    def handle(self, request: "Request") -> "Any":
        """The Response to `request`, a str for a plain one, or the running handler if it is async or streams.

        A running handler's outcome goes to `request.app.finish` or `request.app.fail`.
        """
        request.app = self
        try:
            handler = None if self.before else self.routes.get(request.method + " " + request.path)
            if handler:
                result = handler(request)
            else:
                from webhal.routing import answer

                result = answer(self, request, request.path)
            if type(result) is str and not (self.after or self.mounts):
                return result
            if hasattr(result, "send") or hasattr(result, "__anext__"):
                return result
            return request.app.finish(request, result)
        except MemoryError:
            raise
        except Exception as error:
            return request.app.fail(request, error)

    def finish(self, request: "Request", result: object) -> "Response":
        """The Response to send for what a handler returned."""
        from webhal.response import to_response

        response = to_response(result)
        for hook in self.after:
            response = hook(request, response) or response
        return self.parent.finish(request, response) if self.parent else response

    def fail(self, request: "Request", error: Exception) -> "Response":
        """The Response to send for what a handler or the parser raised; raises MemoryError only."""
        from webhal.errors import fail

        return fail(self, request, error)
