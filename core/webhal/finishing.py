"""From what a handler returned to the Response to send; loaded when that is not a plain str."""

from webhal.response import to_response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.app import App
    from webhal.http import Request
    from webhal.response import Response


def finish(app: "App", request: "Request", answer: object) -> "Response":
    """The Response to send for what a handler returned."""
    response = to_response(answer)
    if app.plain:
        return response
    for hook in getattr(app, "after", ()):
        response = hook(request, response) or response
    parent: "App | None" = getattr(app, "parent", None)
    return parent.finish(request, response) if parent else response
