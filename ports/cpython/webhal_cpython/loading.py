"""Runs an application file as `python FILE` does, and tells in one line what went wrong in it."""

import os
import sys
import traceback
from types import ModuleType


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


def explain(error: Exception, path: str) -> str:
    """FILE:LINE: Type: message; the line is the last of the traceback that lies in the application's folder."""
    where = path
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}:{error.lineno or 1}"
        message = error.msg
    else:
        folder = os.path.dirname(os.path.realpath(path))
        for frame, line in traceback.walk_tb(error.__traceback__):
            file = frame.f_code.co_filename
            if os.path.realpath(file).startswith(folder + os.sep) and "site-packages" not in file:
                where = f"{file}:{line}"
        message = str(error)
    return f"{where}: {type(error).__name__}: {message}"
