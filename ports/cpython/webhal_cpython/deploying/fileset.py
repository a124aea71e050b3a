"""All files that a board shall have: webhal's, the application's own, and what goes with it."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from webhal_cpython.assets import pack, static_folders
from webhal_cpython.check import complaints
from webhal_cpython.compiling import CompileError, compile_library, compile_mpy, for_board
from webhal_cpython.deploying import DeployError
from webhal_cpython.deploying.board import Facts
from webhal_cpython.deploying.library import imports, select, shared_names, unix_network

LIBRARY = "lib/"  # where webhal goes
_OURS = ("webhal", "webhal_micropython", "webhal_circuitpython")
# Parts of a path that are never an asset's: secrets, what is hidden, tests, caches.
_NO_ASSET = re.compile(
    r"settings\.toml|\..*|tests|test_.*\.py|.*_test\.py|conftest\.py|__pycache__|.*\.py[co]", re.IGNORECASE
)
_OF_THE_PROJECT = ("README.md", "pyproject.toml")  # beside the application, sent only if they are named
_FILTERS = "templates/filters.py"  # which the application's templates import


@dataclass(frozen=True)
class Application:
    """A program and the modules beside it that it imports; read and parsed, not run."""

    path: Path
    sources: dict[str, str]  # by names on a board, the program's own under ""
    trees: dict[str, ast.Module]

    def needs(self) -> dict[str, str]:
        """The modules that it cannot start without and that are not its own: FILE:LINE of an import of each."""
        found: dict[str, str] = {}
        for name, tree in self.trees.items():
            for statement in tree.body:  # what stands in `try`, `if` or a function may be missing
                if isinstance(statement, ast.Import):
                    names = [alias.name for alias in statement.names]
                elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
                    names = [statement.module]
                else:
                    continue
                for dotted in names:
                    if dotted.split(".")[0] not in _OURS and not list(_beside(self.path.parent, [dotted])):
                        found.setdefault(dotted, f"{name or self.path.name}:{statement.lineno}")
        return found


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
        asked = imports(trees[name])
        waiting += _beside(path.parent, asked)
        if "webhal.templates" in asked and (path.parent / _FILTERS).exists():
            waiting.append((_FILTERS, path.parent / _FILTERS))
    return Application(path, sources, trees)


def _beside(folder: Path, names: Iterable[str]) -> list[tuple[str, Path]]:
    """The files in the application's folder that stand for these imports."""
    found = []
    for dotted in names:
        if dotted.split(".")[0] in _OURS:
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
        told = "\n".join([f"{application.path} does not run on this board:", *dict.fromkeys(lines)])
        raise DeployError(told)


def collect(
    application: Application, facts: Facts, main: str, assets: Iterable[Path], extent: str = "", source: bool = False
) -> dict[str, bytes]:
    """The files by their paths on the board, `main` last. Raises DeployError."""
    mpy = facts.takes_mpy and not source
    files: dict[str, bytes] = {}
    shared = shared_names(facts.runtime)
    try:
        modules = select(application.trees.values(), facts.runtime, extent)
        if "network" in facts.lacks:
            modules["webhal_micropython/unix.py"] = unix_network()
        for name, file in modules.items():
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
        if any("webhal.templates" in imports(tree) for tree in application.trees.values()):
            from webhal_cpython.templating.building import on_board  # which needs Jinja2

            folder = application.path.parent / "templates"
            if not folder.is_dir():
                raise DeployError(f"there is no folder {folder}, in which webhal.templates looks for templates")
            files.update(on_board(folder, application.sources.values(), mpy))
    except CompileError as error:
        raise DeployError(f"{error} (--source sends .py instead)") from error
    static = static_folders(application.trees.values())
    beside = [application.path.parent / name for name in static]
    for asset in [*assets, *filter(Path.is_dir, beside)]:
        for name, file in _asset(asset, application):
            if name in (main, "boot.py"):
                raise DeployError(f"{file} would take the place of the board's own {name}")
            files[name] = _content(file)
    for name in static:
        files = pack(files, name)
    files[main] = application.sources[""].encode()
    return files


def _asset(path: Path, application: Application) -> Iterable[tuple[str, Path]]:
    """The files of an asset: by their paths in the application's folder; of one outside, from its own name on.

    Raises DeployError for an asset that is not there, or is never sent.
    """
    folder = Path(os.path.abspath(application.path.parent))  # a link is named as where it stands, not where it leads
    asset = Path(os.path.abspath(path))
    base = folder if asset.is_relative_to(folder) else asset.parent
    never = {(folder / "settings.toml").resolve(), application.path.resolve()}
    never |= {(folder / name).resolve() for name in application.sources if name}  # they are sent as modules
    beside = {folder / name for name in _OF_THE_PROJECT}

    def is_sent(file: Path) -> bool:
        parts = (*file.relative_to(base).parts, file.resolve().name)
        return file.resolve() not in never and not any(map(_NO_ASSET.fullmatch, parts))

    if not asset.exists():
        raise DeployError(f"there is no {path}")
    if not is_sent(asset):
        raise DeployError(
            f"{path} is never sent as an asset: settings, hidden files, tests, caches and the application's own modules"
        )
    if asset.is_file():
        return [(asset.relative_to(base).as_posix(), asset)]
    found = sorted(file for file in asset.rglob("*") if file.is_file() and file not in beside and is_sent(file))
    return [(file.relative_to(base).as_posix(), file) for file in found]


def concerns(file: Path, folder: Path, assets: Iterable[Path]) -> bool:
    """Whether a change of this file may change what is deployed of the application in `folder`, with these assets.

    All paths are absolute.
    """
    if file == folder / "settings.toml":
        return True
    places = [folder] if file.suffix == ".py" else [folder / "templates"]
    for place in [*places, *assets]:
        if file.is_relative_to(place) and not any(map(_NO_ASSET.fullmatch, file.relative_to(place).parts)):
            return True
    return False


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DeployError(f"cannot read {error.filename}: {error.strerror}") from error
