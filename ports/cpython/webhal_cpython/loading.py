"""What an application is loaded from, and how: FILE, or PACKAGE.MODULE, and the variable or function that has the App.

It runs as `python FILE` or `python -m PACKAGE.MODULE` does; what goes wrong in it is told here, too.
"""

import importlib
import importlib.util
import os
import re
import sys
import traceback
from types import FunctionType, ModuleType

from webhal import App
from webhal_cpython.cli import complain

_FACTORIES = ("create_app", "make_app")  # functions of these names are proposed where no App is


class LoadError(Exception):
    """There is no such file, module or App; `code` is the command's exit code."""

    def __init__(self, message: str, code: int = 2) -> None:
        super().__init__(message)
        self.code = code


class Target:
    """What a command is to serve: FILE[:name], PACKAGE.MODULE[:name], or with a function's name, :name().

    place: FILE or PACKAGE.MODULE, as it was given
    path: of the file, as it is told in errors; "" of a module until it is found
    module: its dotted name; "" of a file that is in no package
    folder: from which the application's own modules are imported
    name: of the variable, or name() of the function; "" if none was given
    """

    def __init__(self, text: str) -> None:
        """Raises LoadError for a file that there is not."""
        match = re.fullmatch(r"(.+):(\w+(?:\(\))?)", text, re.DOTALL)
        self.place, self.name = (match[1], match[2]) if match and match[2].rstrip("()").isidentifier() else (text, "")
        self.path = self.module = ""
        is_file = os.path.isfile(self.place) or not re.fullmatch(r"\w+(\.\w+)*", self.place) or self.place[-3:] == ".py"
        if is_file:
            self._find_file()
        else:
            self.module = self.place
            self.folder = os.getcwd()

    def _find_file(self) -> None:
        path = self.place
        if os.path.isdir(path):
            raise LoadError(f"{path} is a directory, not an application file")
        if not os.path.exists(path):
            raise LoadError(f"there is no file {path or repr(path)}")
        self.path = path
        self.folder, last = os.path.split(os.path.realpath(path))
        names = [] if last == "__init__.py" else [last.removesuffix(".py")]
        while os.path.exists(os.path.join(self.folder, "__init__.py")):
            self.folder, package = os.path.split(self.folder)
            names.insert(0, package)
            self.module = ".".join(names)

    def execute(self) -> ModuleType:
        """Run it as the module `__main__`, which is returned.

        Raises LoadError for no such module, OSError when the file cannot be read, and whatever the application raises.
        """
        sys.path.insert(0, self.folder)
        module = ModuleType("__main__")
        if self.module:
            if self.path:
                sys.path.append(os.path.dirname(os.path.realpath(self.path)))  # as under `python FILE`
            package = self.module.rpartition(".")[0]
            if package:
                self._import(package)
            if self.module in sys.modules:  # the package has loaded it: another one would be another application
                return sys.modules[self.module]
            module = self._module()
            sys.modules[self.module] = module  # nor is it loaded again by those that it imports
            if package:
                setattr(sys.modules[package], self.module.rpartition(".")[2], module)
        with open(self.path, "rb") as file:
            source = file.read()
        module.__file__ = os.path.abspath(self.path)
        sys.modules["__main__"] = module
        sys.argv = [self.path]
        exec(compile(source, self.path, "exec", dont_inherit=True), module.__dict__)
        return module

    def _import(self, package: str) -> None:
        try:
            importlib.import_module(package)
        except ModuleNotFoundError as error:
            if f"{package}.".startswith(f"{error.name}."):
                raise LoadError(f"there is no module {self.module}, nor a file of that name") from None
            raise

    def _module(self) -> ModuleType:
        """The module before it runs."""
        if self.path:
            spec = importlib.util.spec_from_file_location(self.module, self.path)
        else:
            spec = importlib.util.find_spec(self.module)
            if not spec:
                raise LoadError(f"there is no module {self.module}, nor a file of that name")
            if not spec.has_location or not str(spec.origin).endswith(".py"):
                raise LoadError(f"{self.module} is no module in Python")
            self.path = str(spec.origin).removeprefix(os.getcwd() + os.sep)
        assert spec
        module = importlib.util.module_from_spec(spec)
        module.__name__ = "__main__"
        return module

    def app(self, module: ModuleType) -> App:
        """The App of the module that has run.

        Raises LoadError where there is none, and whatever the function raises that makes it.
        """
        name = self.name or "app"
        found = getattr(module, name.removesuffix("()"), None)
        if name.endswith("()") and callable(found):
            found = found()
        if isinstance(found, App):
            return found
        others = [
            each for each, value in vars(module).items() if isinstance(value, App) and not hasattr(value, "parent")
        ]
        for each in (name, *_FACTORIES):
            if isinstance(getattr(module, each, None), FunctionType):
                others.append(f"{each}()")
        has = "it has " + ", ".join(f"{self.place}:{each}" for each in others)
        raise LoadError(
            f"{self.place} has no App called {name}; {has if others else 'FILE:name chooses another variable'}", 1
        )


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
        simple = error.filename in (path, None)
        if error.filename == path:
            lines = [error.lineno or 1]
        message = error.msg
    elif last.f_globals.get("__name__", "").split(".")[0] == "webhal":
        simple = isinstance(error, (ImportError, OSError, TypeError, ValueError))
    else:
        simple = last.f_code.co_filename in (path, __file__)
    if simple:
        line = f":{lines[-1]}" if lines else ""
        return complain(f"{path}{line}: {type(error).__name__}: {message}")
    trace = error.__traceback__
    while trace and _runs_the_file(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    traceback.print_exception(error.with_traceback(trace or error.__traceback__))
    return 1


def _runs_the_file(name: str) -> bool:
    return name.startswith((os.path.dirname(__file__), "<frozen importlib")) or name == importlib.__file__
