"""The log: tracebacks on standard error; loaded when there is one."""

import sys


def log(error: BaseException) -> None:
    """Print the traceback on this platform's standard error."""
    if hasattr(sys, "print_exception"):
        sys.print_exception(error, sys.stderr)
    else:
        import traceback

        traceback.print_exception(type(error), error, error.__traceback__)
