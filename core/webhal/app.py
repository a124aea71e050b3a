"""App: routes, hooks, error handlers, and the way from a Request to a Response.

No bytes and no sockets here: what a client sends is judged in http.py, what it gets is made in
response.py. Patterns in paths and answers by method are in routing.py, loaded when used.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from webhal.http import Request
    from webhal.net import Network
    from webhal.response import Response

    Handler = Callable[..., object]


class App:
    """An application: what it answers to which request.

    A handler is called with the request and the values of its path's parameters. It returns a body
    (see Response), `(body, status)`, `(body, status, headers)` or a Response.
    """

    parent: "App | None" = None  # where this one is mounted
    # What is registered, apart from fixed routes: shared and empty, and replaced, never changed, so that an
    # application on a board has the memory of what it uses only.
    patterns: "tuple[tuple[str, list[object], Handler], ...]" = ()  # routing.compile_path() makes these
    mounts: "tuple[tuple[str, App], ...]" = ()
    streamed: "tuple[Handler, ...]" = ()  # handlers that read the request's body themselves
    before: "tuple[Handler, ...]" = ()
    after: "tuple[Handler, ...]" = ()
    errors: "dict[int | type, Handler]" = {}  # by status, or by exception type
    events: "dict[str, tuple[Handler, ...]]" = {}

    def __init__(self) -> None:
        self.routes: "dict[str, Handler]" = {}  # by "GET /path"

    # -- what an application registers ------------------------------------------------------------------

    def route(self, path: str, methods: "tuple[str, ...] | list[str]" = ("GET",), stream: bool = False) -> "Handler":
        """Decorator: the handler for `path`, which may have parameters: <name>, <int:name>, <path:name>.

        stream: call the handler once the head is there; it reads the body with `await request.read(n)`.
        Raises ValueError for a path or methods that cannot be matched.
        """
        for method in methods:
            if len(method) < 3 or method != method.upper():  # a str has methods of one character
                raise ValueError("methods are a tuple such as ('GET', 'POST'), not " + repr(methods))

        def register(handler: "Handler") -> "Handler":
            for method in methods:
                if "<" in path or path[:1] != "/":
                    from webhal.routing import compile_path

                    self.patterns += ((method, compile_path(path), handler),)
                else:
                    self.routes[method + " " + path] = handler
            if stream:
                self.streamed += (handler,)
            return handler

        return register

    def get(self, path: str, stream: bool = False) -> "Handler":
        """Decorator: `route` for GET, and so for HEAD."""
        return self.route(path, ("GET",), stream)

    def post(self, path: str, stream: bool = False) -> "Handler":
        """Decorator: `route` for POST."""
        return self.route(path, ("POST",), stream)

    def put(self, path: str, stream: bool = False) -> "Handler":
        """Decorator: `route` for PUT."""
        return self.route(path, ("PUT",), stream)

    def patch(self, path: str, stream: bool = False) -> "Handler":
        """Decorator: `route` for PATCH."""
        return self.route(path, ("PATCH",), stream)

    def delete(self, path: str, stream: bool = False) -> "Handler":
        """Decorator: `route` for DELETE."""
        return self.route(path, ("DELETE",), stream)

    def mount(self, prefix: str, app: "App") -> None:
        """Let `app` answer what lies under `prefix`, with its own hooks inside those of this one.

        Its routes are relative to the prefix, `request.path` stays whole.
        """
        from webhal.routing import mount

        mount(self, prefix, app)

    def before_request(self, hook: "Handler") -> "Handler":
        """Decorator: call hook(request) before the handler; what it returns, if not None, is the answer."""
        self.before += (hook,)
        return hook

    def after_request(self, hook: "Handler") -> "Handler":
        """Decorator: call hook(request, response) before the answer is sent; it may return another."""
        self.after += (hook,)
        return hook

    def error(self, cause: "int | type") -> "Handler":
        """Decorator: handler(request, error) answers for a status, or for exceptions of a type.

        A refused request's error is an HTTPError; its status is the answer's, unless the handler gives one.
        A status wins over a type, a derived type over its base.
        """

        def register(handler: "Handler") -> "Handler":
            self.errors = dict(self.errors)
            self.errors[cause] = handler
            return handler

        return register

    def on(self, event: str) -> "Handler":
        """Decorator: call the function when the server tells of `event`.

        "listen" (address, port)        "connect" (client)         "link" ("up" or "down")
        "response" (request, status, bytes of body; -1 for a streamed one)
        """

        def register(handler: "Handler") -> "Handler":
            self.events = dict(self.events)
            self.events[event] = self.events.get(event, ()) + (handler,)
            return handler

        return register

    def run(self, port: int = 80, host: str = "", network: "Network | None" = None, **limits: object) -> None:
        """Serve until Ctrl-C, over this platform's port of webhal or another `network`.

        `limits` are those of Server. Raises OSError when the link cannot come up, or `port` is taken.
        """
        from webhal.run import run

        run(self, port, host, network, limits)

    # -- what a server asks -----------------------------------------------------------------------------

    def emit(self, event: str, *values: object) -> None:
        """Call the functions registered for `event`; what they raise is logged."""
        for handler in self.events.get(event, ()):
            try:
                handler(*values)
            except Exception as error:
                from webhal.errors import log

                log(error)

    def handle(self, request: "Request") -> object:
        """The Response to `request`, a str for a plain one, or the running handler if it is async or streams.

        A running handler's outcome goes to `request.app.finish` or `request.app.fail`.
        """
        request.app = self
        try:
            result = self.answer(request, request.path)
            if type(result) is str and not (self.after or self.mounts):
                return result
            if hasattr(result, "send") or hasattr(result, "__anext__"):
                return result
            return request.app.finish(request, result)
        except MemoryError:
            raise
        except Exception as error:
            return request.app.fail(request, error)

    def answer(self, request: "Request", path: str) -> object:
        """What the handler for `path` returns, or a hook before it. Raises HTTPError where there is none."""
        for hook in self.before:
            result = hook(request)
            if result is not None:
                return result
        handler = self.routes.get(request.method + " " + path)
        if handler is not None:
            return handler(request)
        from webhal.routing import search

        return search(self, request, path)

    def finish(self, request: "Request", result: object) -> "Response":
        """The Response to send for what a handler returned."""
        from webhal.response import to_response

        response = to_response(result)
        for hook in self.after:
            response = hook(request, response) or response
        return self.parent.finish(request, response) if self.parent else response

    def fail(self, request: "Request", error: Exception) -> "Response":
        """The Response to send for what a handler or the parser raised."""
        from webhal.errors import fail

        return fail(self, request, error)

    def streams(self, request: "Request") -> bool:
        """Whether the handler for `request` reads its body itself."""
        from webhal.routing import streams

        return streams(self, request)
