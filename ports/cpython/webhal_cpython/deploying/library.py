"""Which of webhal's own files an application needs on a board."""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Iterable
from pathlib import Path

import webhal

# In these folders, and of no use to a board: the interface's documentation, the command, what needs descriptors,
# processes or can compress, and what stands for a board's network where there is an operating system.
PC_ONLY = {
    "webhal.__main__", "webhal.counters", "webhal.deflate", "webhal.net", "webhal.sendfile", "webhal_micropython.unix",
}

# Loaded only if an application asks for it, and what in its text shows that it does. Everything else may be
# loaded because of what some client sends.
OPTIONAL = {
    "webhal.assets": {"StaticFiles", "static_url"},
    "webhal.conditional": {"StaticFiles", "send_file"},
    "webhal.fields": {"redirect", "set_cookie", "StaticFiles"},
    "webhal.hosting": {"asyncio", "serve"},
    "webhal.jobs": {"async", "every", "on", "spawn", "yield", "websocket", "EventStream", "Metrics"},
    "webhal.metrics": {"Metrics", "Health"},
    "webhal.multipart": {"form", "files"},
    "webhal.sse": {"EventStream"},
    "webhal.static": {"StaticFiles", "send_file"},
    "webhal.stream": {
        "async", "yield", "stream", "iter", "map", "filter", "zip", "StaticFiles", "send_file", "render", "EventStream",
        "Metrics", "Health",
    },
    "webhal.task": {"async", "sleep_ms", "every", "on", "spawn", "websocket", "EventStream", "Metrics"},
    "webhal.templates": {"render", "render_text"},
    "webhal.topic": {"Topic", "Event"},
    "webhal.websocket": {"websocket"},
    "webhal_micropython.hosting": {"asyncio"},
    "webhal_micropython.signal": {"Metrics"},
    "webhal_circuitpython.airlift": {"Network", "pool"},  # one of the application's own may have another radio
    "webhal_circuitpython.signal": {"Metrics"},
}

_ENTRY = ("webhal", "webhal.app", "webhal.starting")  # what every application loads


def select(application: Iterable[ast.Module], runtime: str, extent: str = "") -> dict[str, Path]:
    """The files by their names on a board, such as "webhal/app.py".

    extent: "full", all there are; "minimal", without the optional ones that the application does not show to use;
    else what the application imports, and whatever may be loaded because of that.
    """
    port = "webhal_" + runtime
    everything = {**_modules("webhal"), **_modules(port)}
    if extent == "full":
        wanted = set(everything)
    else:
        trees = list(application)
        roots = {*_ENTRY, port, port + ".network"}.union(*map(_asked_for, trees))
        without = _unused(trees) - roots if extent == "minimal" else set()
        wanted = _closure(roots & set(everything), everything, without)
        if "webhal.metrics" in wanted:  # which loads it by this platform's name
            wanted |= {port + ".signal"} & set(everything)
    return {
        module.replace(".", "/") + ("/__init__.py" if module in ("webhal", port) else ".py"): everything[module]
        for module in sorted(wanted)
    }


def unix_network() -> Path:
    """What stands for the module `network` where there is an operating system."""
    return Path(_origin("webhal_micropython")).with_name("unix.py")


def micropython_settings() -> set[str]:
    """The names in settings.toml that webhal's port to MicroPython reads."""
    tree = ast.parse(_modules("webhal_micropython")["webhal_micropython.settings"].read_text(encoding="utf-8"))
    return next(
        set(ast.literal_eval(node.value))
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SETTINGS"
    )


def _origin(package: str) -> str:
    """The file of a package's __init__, found without importing it."""
    spec = importlib.util.find_spec(package)
    assert spec and spec.origin  # webhal's own
    return spec.origin


def _modules(package: str) -> dict[str, Path]:
    """The modules of a package that boards can use."""
    found = {}
    for file in Path(_origin(package)).parent.glob("*.py"):
        name = package if file.stem == "__init__" else f"{package}.{file.stem}"
        if name not in PC_ONLY:
            found[name] = file
    return found


def _closure(roots: set[str], everything: dict[str, Path], without: set[str]) -> set[str]:
    """`roots` and all that they import, at once or late."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        if module in everything and module not in found and module not in without:
            found.add(module)
            waiting += imports(ast.parse(everything[module].read_text(encoding="utf-8")))
    return found


@functools.cache
def shared_names(runtime: str) -> frozenset[str]:
    """The names that some module of a board's imports from another one."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in select([], runtime, "full").values()]
    statements = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return frozenset(alias.name for statement in statements for alias in statement.names)


def imports(tree: ast.AST) -> set[str]:
    """The dotted names of modules that are imported anywhere in a program, but for type checkers.

    So are those that are loaded where they are used, as `webhal.overload.accept(…)` does, or whose name is a value.
    """
    names: set[str] = set()
    attributes: set[str] = set()
    values: set[str] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            attributes.add(f"{node.value.id}.{node.attr}")  # a module that is loaded there, perhaps
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            values.add(node.value)
        waiting += ast.iter_child_nodes(node)
    names |= {attribute for attribute in attributes if attribute.split(".")[0] in names}
    return names | {value for value in values if value.startswith("webhal_")}  # a port's, named for others to load


def _asked_for(tree: ast.Module) -> set[str]:
    """The modules of webhal that an application names, itself or through the names of the package."""
    homes = {f"webhal.{name}": f"webhal.{home}" for name, home in (pair.split(":") for pair in webhal._NAMES.split())}
    named = {homes.get(name, name) for name in imports(tree)}
    named |= {homes[f"webhal.{name}"] for name in _identifiers(tree) if f"webhal.{name}" in homes}
    return named


def _identifiers(tree: ast.AST) -> set[str]:
    """Names, attributes and keywords of a program, and the statements that OPTIONAL knows."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            found.add(node.arg)
        elif isinstance(node, ast.AsyncFunctionDef):
            found.add("async")
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update(alias.name for alias in node.names)
            found.add(getattr(node, "module", None) or "")
        elif isinstance(node, (ast.Yield, ast.YieldFrom, ast.GeneratorExp)):
            found.add("yield")
    return found


def _unused(application: Iterable[ast.Module]) -> set[str]:
    shown: set[str] = set()
    for tree in application:
        shown |= _identifiers(tree)
    return {module for module, signs in OPTIONAL.items() if not signs & shown}
