"""The log: tracebacks on standard error. It never decides about service: nothing here raises."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

report: "Callable[[BaseException], object] | None" = None  # what is called with each error in place of printing it


def log(error: BaseException) -> None:
    """Print the traceback on this platform's standard error; where that takes nothing, it is lost."""
    if report:
        report(error)
        return
    try:
        if hasattr(sys, "print_exception"):
            sys.print_exception(error, sys.stderr)
        else:
            import traceback

            traceback.print_exception(type(error), error, error.__traceback__)
    except (OSError, ValueError):  # a full disk; a closed file
        pass
