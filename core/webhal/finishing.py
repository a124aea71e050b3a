"""From what a handler returned to the Response to send; loaded when that is not a plain str."""

from webhal.response import to_response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.app import App, Handler
    from webhal.http import Request
    from webhal.response import Response

# Of App: where it is mounted, and its hooks.
parent: "App | None" = None
after: "tuple[Handler, ...]" = ()


def finish(app: "App", request: "Request", answer: object) -> "Response":
    """The Response to send for what a handler returned."""
    response = to_response(answer)
    for hook in app.after:
        response = hook(request, response) or response
    return app.parent.finish(request, response) if app.parent else response
