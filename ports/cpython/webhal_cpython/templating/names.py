"""What statements of a template do with names: which they set, which they read first, what they ask of `loop`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeGuard

from jinja2 import nodes

# The part of a node that lies in the scope around it, of those that have a scope of their own.
_OUTSIDE: dict[type[nodes.Node], tuple[str, ...]] = {
    nodes.For: ("iter",),
    nodes.With: ("values",),
    nodes.AssignBlock: ("target",),
    nodes.CallBlock: ("call",),
    nodes.FilterBlock: ("filter",),
}


def assigned(target: nodes.Node) -> list[str]:
    """The names in what a set or a for assigns to."""
    names = [target, *target.find_all(nodes.Name)]
    return list(dict.fromkeys(node.name for node in names if isinstance(node, nodes.Name)))


def stored(body: Iterable[nodes.Node]) -> list[str]:
    """The names that statements set in the scope that they stand in, in their order."""
    names: dict[str, None] = {}
    for node in body:
        if isinstance(node, (nodes.Assign, nodes.AssignBlock)) and not isinstance(node.target, nodes.NSRef):
            names.update(dict.fromkeys(assigned(node.target)))
        elif isinstance(node, nodes.Macro):
            names[node.name] = None
        elif isinstance(node, nodes.Import):
            names[node.target] = None
        elif isinstance(node, nodes.FromImport):
            names.update(dict.fromkeys(entry[1] if isinstance(entry, tuple) else entry for entry in node.names))
        elif isinstance(node, nodes.If):
            names.update(dict.fromkeys(stored([*node.body, *node.elif_, *node.else_])))
    return list(names)


def first_uses(body: Iterable[nodes.Node], known: dict[str, bool] | None = None) -> dict[str, bool]:
    """The names of a scope, and whether each is read first; one that is set first is missing until then, as in Jinja2.

    What lies in scopes of their own does not count; what only some branches of an if set counts as read.
    """
    uses = dict(known or {})

    def visit(node: nodes.Node) -> None:
        if isinstance(node, nodes.Name):
            uses.setdefault(node.name, node.ctx == "load")
        elif isinstance(node, nodes.NSRef):
            uses.setdefault(node.name, True)
        elif isinstance(node, nodes.If):
            visit(node.test)
            branches = [first_uses(branch, uses) for branch in (node.body, node.elif_, node.else_)]
            for name in dict.fromkeys(name for branch in branches for name in branch):
                uses.setdefault(name, any(branch.get(name, True) for branch in branches))
        elif isinstance(node, nodes.Macro):
            uses.setdefault(node.name, False)
        elif isinstance(node, (nodes.Import, nodes.FromImport)):
            uses.update({name: False for name in stored([node]) if name not in uses})
        elif isinstance(node, nodes.Assign):
            visit(node.node)
            visit(node.target)
        elif not isinstance(node, nodes.Block):
            for each in node.iter_child_nodes(only=_OUTSIDE.get(type(node))):
                visit(each)

    for node in body:
        visit(node)
    return uses


def is_loop(node: nodes.Node) -> TypeGuard[nodes.Getattr]:
    """Whether it is an attribute of `loop`."""
    return isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name == "loop"


def is_cycle(node: nodes.Node) -> TypeGuard[nodes.Call]:
    """Whether it is a call of loop.cycle."""
    if not isinstance(node, nodes.Call) or not node.args or node.dyn_args:
        return False
    return is_loop(node.node) and node.node.attr == "cycle"


def loop_uses(body: Iterable[nodes.Node]) -> set[str]:
    """The attributes of `loop` that statements in a for ask for; "" for the whole of it. What they include may, too."""
    uses: set[str] = set()
    for node in body:
        inner: Iterable[nodes.Node] = node.iter_child_nodes()
        if is_loop(node):
            uses.add(node.attr if node.attr != "cycle" else "")
            inner = []
        elif is_cycle(node):
            uses.add("cycle")
            inner = node.args
        elif isinstance(node, nodes.Name) and node.name == "loop":
            uses.add("")
        elif isinstance(node, nodes.For):  # which has its own
            inner = [node.iter, *node.else_]
        elif isinstance(node, nodes.Block):
            uses |= {""} if node.scoped else set()
            inner = []
        uses |= loop_uses(inner)
    return uses
