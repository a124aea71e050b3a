"""All files that a board shall have: webhal's, the application's own, and what goes with it."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from webhal_cpython.check import complaints
from webhal_cpython.compiling import CompileError, compile_library, compile_mpy, for_board
from webhal_cpython.deploying import DeployError
from webhal_cpython.deploying.board import Facts
from webhal_cpython.deploying.library import imports, select, shared_names

LIBRARY = "lib/"  # where webhal goes
_DEFAULT_PORT = 80  # App.run's


@dataclass(frozen=True)
class Application:
    """A program and the modules beside it that it imports; read and parsed, not run."""

    path: Path
    sources: dict[str, str]  # by names on a board, the program's own under ""
    trees: dict[str, ast.Module]

    @property
    def port(self) -> int:
        """The port that App.run is called with, where that can be seen in the text; else its default."""
        tree = self.trees[""]
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "run":
                given = [word.value for word in call.keywords if word.arg == "port"] or call.args[:1]
                for value in given:
                    port = value.value if isinstance(value, ast.Constant) else None
                    port = constants.get(value.id) if isinstance(value, ast.Name) else port
                    if isinstance(port, int):
                        return port
        return _DEFAULT_PORT


def read_application(path: Path) -> Application:
    """Raises DeployError for what cannot be read, or is no Python."""
    sources: dict[str, str] = {}
    trees: dict[str, ast.Module] = {}
    waiting = [("", path)]
    while waiting:
        name, file = waiting.pop()
        if name in sources:
            continue
        try:
            sources[name] = file.read_text(encoding="utf-8")
            trees[name] = ast.parse(sources[name])
        except (OSError, UnicodeDecodeError) as error:
            raise DeployError(f"cannot read {file}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from error
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            raise DeployError(f"{file}:{line}: {getattr(error, 'msg', error)}") from error
        waiting += _beside(path.parent, imports(trees[name]))
    return Application(path, sources, trees)


def _beside(folder: Path, names: Iterable[str]) -> list[tuple[str, Path]]:
    """The files in the application's folder that stand for these imports."""
    found = []
    for dotted in names:
        if dotted.split(".")[0] in ("webhal", "webhal_micropython", "webhal_circuitpython"):
            continue
        parts = dotted.split(".")
        for end in range(1, len(parts) + 1):
            stem = "/".join(parts[:end])
            for name in (f"{stem}.py", f"{stem}/__init__.py"):
                if (folder / name).is_file():
                    found.append((name, folder / name))
    return found


def check(application: Application, facts: Facts) -> None:
    """Raise DeployError with what the board's Python does not run, a line for each."""
    lines: list[str] = []
    for name in application.sources:
        lines += complaints(str(application.path.parent / name if name else application.path), [facts.dialect])
    if lines:
        raise DeployError("\n".join([f"{application.path} does not run on this board:", *lines]))


def collect(
    application: Application, facts: Facts, main: str, assets: Iterable[Path], extent: str = "", source: bool = False
) -> dict[str, bytes]:
    """The files by their paths on the board, `main` last. Raises DeployError."""
    mpy = facts.takes_mpy and not source
    files: dict[str, bytes] = {}
    shared = shared_names(facts.runtime)
    try:
        for name, file in select(application.trees.values(), facts.runtime, extent).items():
            text = file.read_text(encoding="utf-8")
            if mpy:
                files[f"{LIBRARY}{name[:-3]}.mpy"] = compile_library(text, shared)
            else:
                files[LIBRARY + name] = for_board(text).encode()
        for name, text in application.sources.items():
            if name and mpy:
                files[name[:-3] + ".mpy"] = compile_mpy(text, name)
            elif name:
                files[name] = text.encode()
    except CompileError as error:
        raise DeployError(f"{error} (--source sends .py instead)") from error
    for asset in assets:
        for name, content in _asset(asset, application.path.parent):
            if name in (main, "settings.toml", "boot.py"):
                raise DeployError(f"{asset} holds a {name}, which would take the place of the board's own")
            files[name] = content
    files[main] = application.sources[""].encode()
    return files


def _asset(path: Path, folder: Path) -> Iterable[tuple[str, bytes]]:
    """The files of an asset: by their paths in the application's folder; of one outside, from its own name on."""
    if not path.exists():
        raise DeployError(f"there is no {path}")
    inside = path.resolve()
    base = folder.resolve() if inside.is_relative_to(folder.resolve()) and inside != folder.resolve() else inside.parent
    try:
        found = [inside] if inside.is_file() else sorted(file for file in inside.rglob("*") if file.is_file())
        for file in found:
            name = str(PurePosixPath(file.relative_to(base)))
            if not any(part.startswith(".") for part in name.split("/")):
                yield name, file.read_bytes()
    except OSError as error:
        raise DeployError(f"cannot read {error.filename}: {error.strerror}") from error
