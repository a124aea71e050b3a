"""Folders of templates: what a board gets of one, and what in it boards cannot have.

    page.html       page_html.py, which compiler.py makes; page_html.txt with its long constant text, if it has any
    filters.py      as it is: an application's own filters, plain functions
                    __init__.py, of functions.py those functions that the modules call

`webhal build-templates`, which is command.py, `webhal check` and `webhal deploy` ask here.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from jinja2 import Environment

from webhal_cpython.compiling import compile_library, compile_mpy, for_board
from webhal_cpython.templating import functions as board
from webhal_cpython.templating.compiler import MADE, NAME, Compiler, module_name
from webhal_cpython.templating.expressions import Refusal


def build(folder: Path, to: Path) -> list[Refusal]:
    """Write what a board gets for a folder of templates; returns why it cannot be, and then writes nothing."""
    templates = Templates(folder)
    if templates.refusals:
        return templates.refusals
    programs = [file.read_text(encoding="utf-8") for file in folder.parent.glob("*.py")]
    files = templates.files(programs)
    if templates.filters and to != folder:
        files["filters.py"] = templates.filters_text.encode()
    to.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (to / name).write_bytes(content)
    for path in to.iterdir():  # of templates that are gone
        if path.is_file() and path.name not in files and path.read_bytes().startswith(MADE.encode()):
            path.unlink()
    return []


def on_board(folder: Path, programs: Iterable[str], mpy: bool) -> dict[str, bytes]:
    """What a board gets for a folder of templates, by paths; filters.py is sent as a module of the application.

    Raises CompileError.
    """
    files: dict[str, bytes] = {}
    for name, content in Templates(folder).files(programs).items():
        path = f"templates/{name}"
        if name == "__init__.py" and mpy:
            files["templates/__init__.mpy"] = compile_library(content.decode(), ())
        elif path.endswith(".py") and mpy:
            files[path[:-3] + ".mpy"] = compile_mpy(content.decode(), path)  # with its lines, for tracebacks
        else:
            files[path] = content
    return files


def complaints(folder: Path) -> Iterator[str]:
    """A line for each thing in a folder of templates that boards cannot have."""
    return (f"{folder}/{refusal}" for refusal in Templates(folder).refusals)


def with_places(said: str, folder: Path) -> str:
    """What a board said, where places in modules of templates are told as those in the templates of `folder`."""

    def place(found: re.Match[str]) -> str:
        for name, compiler in _compiled(folder).compilers.items():
            if module_name(name) == found[1]:
                lines = compiler.module.code.split("\n")[: int(found[2])]
                numbers = [line.rpartition("  # ")[2] for line in lines if "  # " in line]
                return f'File "{folder / name}", line {numbers[-1] if numbers else 1}'
        return found[0]

    return re.sub(r'File "templates/(\w+)\.py", line (\d+)', place, said)


@functools.cache
def _compiled(folder: Path) -> Templates:
    return Templates(folder)


class Templates:
    """The templates in a folder, compiled; `refusals` tell why they cannot be, sorted."""

    def __init__(self, folder: Path) -> None:
        self.refusals: list[Refusal] = []
        self.filters_text = ""
        self.filters = self._filters(folder)
        self.sources = self._sources(folder)
        self.compilers: dict[str, Compiler] = {}
        self.environment = Environment(autoescape=True)
        self.environment.filters.update(dict.fromkeys(self.filters))
        for name in self.sources:
            with contextlib.suppress(LookupError):  # refused
                self.load(name)
        for name, compiler in self.compilers.items():
            text = module_name(name) + ".txt"
            if compiler.module.text and text in self.sources:
                self._refuse(text, f"it has the name of what is made of {name}", "call one otherwise")
        self.refusals.sort()

    def _filters(self, folder: Path) -> set[str]:
        """The functions of filters.py, which is read and not run."""
        file = folder / "filters.py"
        if not file.exists():
            return set()
        try:
            self.filters_text = file.read_text(encoding="utf-8")
            tree = ast.parse(self.filters_text)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            self.refusals.append(Refusal("filters.py", line, f"not Python: {getattr(error, 'msg', error)}", ""))
            return set()
        return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"}

    def _sources(self, folder: Path) -> dict[str, str]:
        sources: dict[str, str] = {}
        modules = {"filters": "filters.py", "__init__": "__init__.py"}  # whose each is
        for name in sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")):
            path = folder / name
            hidden = any(part[0] == "." or part == "__pycache__" for part in name.split("/"))
            if (
                hidden
                or not path.is_file()
                or path.suffix in (".py", ".mpy")
                or path.read_bytes().startswith(MADE.encode())
            ):
                continue
            module = module_name(name).lower()  # FAT, which CircuitPython has, knows no other letters
            if not re.fullmatch(NAME, name):
                self._refuse(name, "boards' file systems do not take its name", "use letters, digits and . _ - only")
            elif module in modules:
                self._refuse(name, f"it becomes the module {module}, as {modules[module]} does", "call one otherwise")
            else:
                modules[module] = name
                try:
                    sources[name] = path.read_text(encoding="utf-8")
                except UnicodeDecodeError:
                    self._refuse(name, "it is not UTF-8", "")
        return sources

    def _refuse(self, name: str, what: str, instead: str) -> None:
        self.refusals.append(Refusal(name, 1, what, instead))

    def load(self, name: str) -> Compiler:
        """The compiler of a template. Raises LookupError where there is none."""
        if name not in self.compilers:
            text = self.sources[name]
            try:
                compiler = Compiler(name, text, self.environment, self.filters, self.load, self.refusals)
                self.compilers[name] = compiler
                compiler.compile()
            except RecursionError:
                self._refuse(name, "it is nested too deeply", "set a name to a part of it")
        return self.compilers[name]

    def files(self, programs: Iterable[str]) -> dict[str, bytes]:
        """The package's files by name, for the `programs`, whose texts are given."""
        files: dict[str, bytes] = {}
        used = {"Markup"} if any("Markup" in text for text in (self.filters_text, *programs)) else set()
        for name, compiler in self.compilers.items():
            module = compiler.module
            used |= module.functions
            files[module_name(name) + ".py"] = module.code.encode()
            if module.text:
                files[module_name(name) + ".txt"] = module.text
        return {"__init__.py": functions_text(used).encode(), **files}


@functools.cache
def known_functions() -> dict[str, tuple[str, set[str]]]:
    """What functions.py defines: the text of each, without comments, and the names in it."""
    known = {}
    for node in ast.parse(for_board(inspect.getsource(board))).body:
        names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            known[node.name] = ast.unparse(node), names
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            known[node.targets[0].id] = ast.unparse(node), names
    return known


def functions_text(used: Iterable[str]) -> str:
    """The text of functions.py with these functions, and what they call, only."""
    known = known_functions()
    wanted: set[str] = set()
    waiting = list(used)
    while waiting:
        name = waiting.pop()
        if name in known and name not in wanted:
            wanted.add(name)
            waiting += known[name][1]
    return "\n\n".join([f"{MADE}webhal", *(known[name][0] for name in known if name in wanted)]) + "\n"
