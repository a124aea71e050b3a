"""Check the layers of pyproject.toml ([tool.importlinter]), which module may import which.

import-linter checks them over import statements. Here its contracts see as well what webhal loads by naming it, a
module (`webhal.overload.accept(server)`) or what a module has (`from webhal import HTTPError`).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from grimp import ImportGraph
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract
from importlinter.domain.contract import ContractCheck

import webhal


class Layers(LayersContract):
    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        return super().check(with_named(graph), verbose)


class Forbidden(ForbiddenContract):
    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        return super().check(with_named(graph), verbose)


class Acyclic(AcyclicSiblingsContract):
    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        return super().check(with_named(graph), verbose)


def with_named(graph: ImportGraph) -> ImportGraph:
    """The graph with an import for each module that is loaded by being named."""
    homes = {f"webhal.{name}": f"webhal.{home}" for name, home in (pair.split(":") for pair in webhal._NAMES.split())}
    modules = {**{module: module for module in graph.modules}, **homes}
    for module in sorted(graph.modules):
        lines = source(module).read_text(encoding="utf-8").splitlines()
        for name, line in named(ast.parse("\n".join(lines))):
            if modules.get(name, module) != module:
                graph.add_import(
                    importer=module, imported=modules[name], line_number=line, line_contents=lines[line - 1].strip()
                )
    return graph


def named(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Dotted names of a program, and the lines that they are in; not those for type checkers alone."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node), node.lineno
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        waiting += ast.iter_child_nodes(node)


def source(module: str) -> Path:
    """The file of a module, found without importing it."""
    root, _, rest = module.partition(".")
    spec = find_spec(root)
    assert spec and spec.origin  # import-linter has found it
    path = Path(spec.origin).parent.joinpath(*rest.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


if __name__ == "__main__":
    from importlinter.cli import lint_imports

    sys.exit(lint_imports(no_logo=True, cache_dir=None))
