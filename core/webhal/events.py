"""Telling an application what happens to its server; loaded if the application wants to know (App.on)."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webhal.app import App


def emit(app: "App", event: str, *values: object) -> None:
    """Call the functions registered for `event`; what they raise is logged."""
    for handler in app.events.get(event, ()):
        try:
            handler(*values)
        except Exception as error:
            from webhal.log import log

            log(error)
