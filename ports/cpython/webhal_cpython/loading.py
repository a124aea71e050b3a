"""Runs an application file as `python FILE` does, and tells what went wrong in it."""

import os
import sys
import traceback
from types import ModuleType

from webhal_cpython.cli import complain


def execute(path: str) -> ModuleType:
    """Run the file as the module `__main__`, which is returned.

    Raises OSError when it cannot be read, and whatever it raises itself.
    """
    with open(path, "rb") as file:
        source = file.read()
    module = ModuleType("__main__")
    module.__file__ = os.path.abspath(path)
    sys.modules["__main__"] = module
    sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
    sys.argv = [path]
    exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)
    return module


def tell(error: Exception, path: str) -> int:
    """Say on standard error what went wrong; returns the exit code.

    One line, FILE:LINE: Type: message, for what the file itself does, and for what it asks of webhal in vain. Else,
    because the file alone does not explain it, the traceback that `python FILE` prints.
    """
    steps = list(traceback.walk_tb(error.__traceback__))
    last = steps[-1][0]
    lines = [line for frame, line in steps if frame.f_code.co_filename == path]
    message = str(error)
    if isinstance(error, SyntaxError):  # its place is no step
        simple = error.filename == path or not lines
        if error.filename == path:
            lines = [error.lineno or 1]
        message = error.msg
    elif last.f_globals.get("__name__", "").split(".")[0] == "webhal":
        simple = isinstance(error, (ImportError, TypeError, ValueError))
    else:
        simple = last.f_code.co_filename in (path, __file__)
    if simple:
        line = f":{lines[-1]}" if lines else ""
        return complain(f"{path}{line}: {type(error).__name__}: {message}")
    trace = error.__traceback__
    while lines and trace and trace.tb_frame.f_code.co_filename != path:  # what runs the file
        trace = trace.tb_next
    traceback.print_exception(error.with_traceback(trace))
    return 1
