"""Turns a template's tree, which Jinja2's own parser makes, into a Python module with generators, for boards.

A template becomes `root(_c, _b)`, each of its blocks `block_NAME(_c, _b)`: generators of text. `_c` is the context, a
dict of what render was given and what the template sets at its top; `_b` the blocks by name, those of a template that
extends this one first. A macro becomes a function in one of them, and returns Markup.

A template's name becomes a Python variable with a number, so that each of Jinja2's scopes has its own, and none is one
of Python's; what comes from the context is taken from it once, where its function begins. A line ends in a comment with
the template's line: that is the map by which errors are told. Expressions are expressions.py's.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from jinja2 import Environment, TemplateSyntaxError, nodes
from markupsafe import escape

from webhal_cpython.templating.expressions import GLOBALS, Expressions, Refusal
from webhal_cpython.templating.names import assigned, first_uses, is_cycle, is_loop, loop_uses, stored

MADE = "# Made by webhal of "  # begins each file that is made, so that it is taken for no template
NAME = "[A-Za-z0-9_./-]+"  # of a template: what boards' file systems and `load` take
_OWN_PIECE = 256  # characters of constant text from which on it is no part of a formatted piece, but one by itself


def module_name(template: str) -> str:
    """The name of a template's module in the package `templates`, as webhal.templates.load makes it."""
    return template.replace(".", "_").replace("/", "_").replace("-", "_")


class Scope:
    """Names of the template and their Python variables, in a part of a function."""

    def __init__(self, function: Function, body: Iterable[nodes.Node], names: dict[str, str]) -> None:
        self.function = function
        self.names = names
        self.uses = first_uses(body)


class Function:
    """A Python function that is being written."""

    def __init__(self, body: Iterable[nodes.Node] = (), is_root: bool = False) -> None:
        self.is_root = is_root
        self.scope = Scope(self, body, {})  # of the whole function; others lie in it
        self.own: set[str] = set()  # names that it sets, or is given as arguments
        self.settled: set[str] = set()  # names of its scope that have a value: from its beginning, or by now
        self.beginning: list[str] = []
        self.lines: list[str] = []


class Compiler(Expressions):
    """One template's way to its module. `load` gives another template's; it raises LookupError where there is none."""

    def __init__(
        self,
        template: str,
        text: str,
        environment: Environment,
        filters: set[str],
        load: Callable[[str], Compiler],
        refusals: list[Refusal],
    ) -> None:
        self.environment = environment
        self.filters = filters
        self.refusals = refusals
        self.load = load
        try:
            tree = environment.parse(text, template)
        except TemplateSyntaxError as error:
            refusals.append(Refusal(template, error.lineno, error.message or "", ""))
            tree = nodes.Template([], lineno=1)
        super().__init__(template, tree)
        self.parent: Compiler | None = None
        self.blocks: dict[str, nodes.Block] = {}
        self.block: str | None = None  # whose function is being written
        self.serial = 0
        self.function = Function()
        self.scopes: list[Scope] = []
        self.indent = 1
        self.outputs: list[str] = []  # the lists that collect output, the innermost last; none: it is yielded
        self.repeated = 0  # fors and macros around: what may be sent several times
        self.counters: dict[str, str] = {}  # variables that count a for's rounds, and those with its length
        self.pending: list[tuple[str, str, int]] = []  # output that will be one piece: (kind, text, line)

    def compile(self) -> None:
        """Fill `module`."""
        for block in self.tree.find_all(nodes.Block):
            self.blocks[block.name] = block
            if block.required:
                self.refuse(block, "a required block", "leave the word out")
            if not block.name.isascii():
                self.refuse(block, f"a block called {block.name}", "use ASCII")
        extends = list(self.tree.find_all(nodes.Extends))
        for node in extends:
            if node is not extends[0] or node not in self.tree.body:
                self.refuse(node, "extends that depends on something", "put one extends at the top")
        if extends:
            self.parent = self.other(extends[0], extends[0].template)
            if self in self.parents():
                self.refuse(extends[0], "a template that extends itself", "let it extend another")
        functions = []
        for name, block in self.blocks.items():
            self.block = name
            functions.append(self.generator(f"block_{name}(_c, _b)", block.body))
        self.block = None
        if self.blocks:
            blocks = ", ".join(f"{name!r}: block_{name}" for name in self.blocks)
            functions.append(f"blocks = {{{blocks}}}\n")
        functions.append(self.generator("root(_c, _b=None)", self.tree.body, is_root=True))
        self.module.code = "\n".join([self.head(), *functions])
        self.module.complete = True

    def head(self) -> str:
        """What the module imports."""
        filters = ""
        if "filters" in self.module.functions:  # by `load`, so that nothing is left of it where memory does not suffice
            filters = f"{self.use('filters')} = {self.use('load')}('filters')\n"
        used = {name: name + f" as _{name}" * (name in self.arguments) for name in sorted(self.module.functions)}
        used.pop("filters", None)
        load = used.pop("load", None)
        lines = [f"from templates import {', '.join(used.values())}\n"] if used else []
        lines += [f"from webhal.templates import {load}\n"] if load else []
        return f"{MADE}{self.template}\n" + "".join(lines) + filters

    def generator(self, signature: str, body: list[nodes.Node], is_root: bool = False) -> str:
        """The text of the function of a block, or of the whole template."""
        function = self.function = Function(body, is_root)
        self.scopes, self.indent = [function.scope], 1
        for name in stored(body):
            function.scope.names[name] = self.fresh(name)
            function.own.add(name)
        if is_root and self.blocks:
            self.line(f"_b = {self.use('merge')}(blocks, _b)")
        self.statements(body)
        if is_root and self.parent:
            self.line(f"yield from {self.module_of(self.parent)}.root(_c, _b)")
        self.flush()
        lines = function.beginning + function.lines
        if not any(line.startswith("    yield ") for line in lines):
            lines.append("    yield ''")  # without one that is reached MicroPython takes it for no generator
        return f"def {signature}:\n" + "".join(line + "\n" for line in lines)

    # -- other templates ---------------------------------------------------------------------------------------

    def other(self, node: nodes.Node, template: nodes.Node) -> Compiler | None:
        """The compiler of a template that is named in this one."""
        if not isinstance(template, nodes.Const) or not isinstance(template.value, str):
            self.refuse(node, "a template whose name is computed", "write an if, with a name in each branch")
            return None
        try:
            return self.load(template.value)
        except LookupError:
            self.refuse(node, f"there is no template {template.value}")
            return None

    def parents(self) -> list[Compiler]:
        """What it extends, what that extends, and so on."""
        found: list[Compiler] = []
        parent = self.parent
        while parent and parent not in found:
            found.append(parent)
            parent = parent.parent
        return found

    def module_of(self, other: Compiler) -> str:
        return f"{self.use('load')}({module_name(other.template)!r})"

    def blocks_text(self, node: nodes.Expr) -> str | None:
        """The generator of super() or self.name(); None for any other expression."""
        callee = node.node if isinstance(node, nodes.Call) else None
        if isinstance(callee, nodes.Name) and callee.name == "super" and self.block:
            for parent in self.parents():
                if self.block in parent.blocks:
                    return f"{self.module_of(parent)}.block_{self.block}(_c, _b)"
            return self.refuse(node, f"super() without a block {self.block} in a parent", "leave it out")
        if isinstance(callee, nodes.Getattr) and isinstance(callee.node, nodes.Name) and callee.node.name == "self":
            return f"_b[{callee.attr!r}](_c, _b)"
        return None

    # -- names ---------------------------------------------------------------------------------------------------

    def fresh(self, name: str) -> str:
        self.serial += 1
        return f"{name if name.isascii() else 'name'}_{self.serial}"

    def read(self, name: str) -> str:
        for scope in reversed(self.scopes):
            if name in scope.names:
                if scope is scope.function.scope:
                    self.settle(scope.function, name)
                return scope.names[name]
        variable = self.function.scope.names[name] = self.fresh(name)
        self.settle(self.function, name)
        return variable

    def settle(self, function: Function, name: str) -> None:
        """Let a function's name have a value where it begins, unless it has one: the context's, if it is read first."""
        if name in function.settled:
            return
        function.settled.add(name)
        value = self.use("MISSING")
        if function.scope.uses.get(name, True):
            self.module.reads.add(name)
            is_global = name in GLOBALS
            value = f"{self.use('resolve_global')}(_c, {name!r})" if is_global else self.lookup("_c", name)
        function.beginning.append(f"    {function.scope.names[name]} = {value}")

    def loop_attribute(self, node: nodes.Getattr) -> str | None:
        if not is_loop(node):
            return None
        variable = self.loop()
        if variable in self.counters:
            return _COUNTED[node.attr].format(index=variable, length=self.counters[variable])
        return variable and f"{variable}.{node.attr}"

    def loop(self) -> str:
        """The variable of the innermost `loop`, "" outside of a for."""
        return next((scope.names["loop"] for scope in reversed(self.scopes) if "loop" in scope.names), "")

    def expression_Call(self, node: nodes.Call) -> str:
        if is_cycle(node) and self.loop() in self.counters:
            return self.cycle(self.call(node))
        return super().expression_Call(node)

    def cycle(self, values: list[str]) -> str:
        return f"({', '.join(values)},)[({self.loop()} - 1) % {len(values)}]"

    def store(self, name: str) -> str:
        """The variable that a name is set in."""
        scope = self.scopes[-1]
        if scope is self.function.scope:
            if self.indent > 1:  # in an if, which may not be taken
                self.settle(self.function, name)
            self.function.settled.add(name)
        return scope.names[name]

    def export(self, name: str) -> None:
        """Let blocks, and who imports this template, find a name that is set at its top."""
        if self.function.is_root and self.scopes[-1] is self.function.scope:
            self.line(f"_c[{name!r}] = {self.scopes[-1].names[name]}")

    @contextmanager
    def inner(self, body: list[nodes.Node], names: Iterable[str] = ()) -> Iterator[None]:
        """A scope: what is set in it ends with it. `names` are given in it."""
        values = self.initial(body, names)
        self.enter(body, [*names, *values])
        self.begin(values)
        yield
        self.flush()
        self.scopes.pop()

    def initial(self, body: list[nodes.Node], names: Iterable[str] = ()) -> dict[str, str]:
        """The names that are set in a scope to be, and what they are where it begins."""
        uses = first_uses(body)
        outside = {name for scope in self.scopes for name in (*scope.names, *scope.uses)}
        return {
            name: self.read(name) if name in outside or uses[name] else self.use("MISSING")
            for name in stored(body)
            if name not in names
        }

    def enter(self, body: list[nodes.Node], names: Iterable[str]) -> Scope:
        scope = Scope(self.function, body, {name: self.fresh(name) for name in names})
        self.scopes.append(scope)
        return scope

    def begin(self, values: dict[str, str]) -> None:
        for name, value in values.items():
            self.line(f"{self.scopes[-1].names[name]} = {value}")

    def target(self, node: nodes.Node) -> str:
        """What a set or a for assigns to."""
        if isinstance(node, nodes.Name):
            return self.scopes[-1].names[node.name]
        assert isinstance(node, nodes.Tuple)
        return "(" + "".join(self.target(each) + ", " for each in node.items) + ")"

    def context(self, wanted: set[str] | None = None) -> str:
        """The context for another template or a scoped block: `_c`, and what is set around here."""
        known: dict[str, str] = {}
        for scope in self.scopes:
            if scope is not scope.function.scope:
                known.update(scope.names)
            elif not scope.function.is_root:
                own = scope.function.own & scope.function.settled
                known.update({name: variable for name, variable in scope.names.items() if name in own})
        names = [f"{name!r}: {known[name]}" for name in known if wanted is None or name in wanted]
        return f"{self.use('extend')}(_c, {{{', '.join(names)}}})" if names else "dict(_c)"

    # -- lines, and output ---------------------------------------------------------------------------------------

    def line(self, text: str, node: nodes.Node | None = None) -> None:
        self.flush()
        self.write(text, node.lineno if node else 0)

    def write(self, text: str, lineno: int) -> None:
        self.function.lines.append("    " * self.indent + text + (f"  # {lineno}" if lineno else ""))

    @contextmanager
    def suite(self) -> Iterator[None]:
        """What is indented."""
        self.flush()
        self.indent += 1
        before = len(self.function.lines)
        yield
        self.flush()
        if len(self.function.lines) == before:
            self.line("pass")
        self.indent -= 1

    def output(self, node: nodes.Node) -> None:
        if isinstance(node, nodes.TemplateData):
            return self.put(node.data, node)
        assert isinstance(node, nodes.Expr)
        try:
            return self.put(str(escape(node.as_const())), node)
        except nodes.Impossible:
            pass
        text = self.blocks_text(node)
        if text:
            self.all_of(text, node)
        elif isinstance(node, nodes.Concat):
            for each in node.nodes:
                self.output(each)
        else:
            self.pending.append((*self.escaped(node), node.lineno))

    def escaped(self, node: nodes.Expr) -> tuple[str, str]:
        """What a value is when it is put out: ("text", its HTML) or ("number", an int or a bool), as Python text."""
        try:
            return "text", repr(str(escape(node.as_const())))
        except nodes.Impossible:
            pass
        if isinstance(node, nodes.CondExpr):
            (kind, one), (other_kind, other) = self.escaped(node.expr1), self.escaped(node.expr2 or nodes.Const(""))
            return kind if kind == other_kind else "number", f"({one} if {self.expression(node.test)} else {other})"
        if is_cycle(node) and self.loop() in self.counters:
            return "number", self.cycle([self.escaped(each)[1] for each in node.args])
        counted = isinstance(node, nodes.Getattr) and self.loop_attribute(node) and self.loop() in self.counters
        length = isinstance(node, nodes.Filter) and node.name in ("length", "count") and node.name not in self.filters
        if counted or length or isinstance(node, (nodes.Compare, nodes.Not, nodes.Test)):
            return "number", self.expression(node)
        return "text", f"{self.use('escape')}({self.expression(node)})"

    def put(self, text: str, node: nodes.Node) -> None:
        if self.pending and self.pending[-1][0] == "constant":
            self.pending[-1] = ("constant", self.pending[-1][1] + text, self.pending[-1][2])
        elif text:
            self.pending.append(("constant", text, node.lineno))

    def put_expression(self, value: str, node: nodes.Node) -> None:
        self.pending.append(("text", f"{self.use('escape')}({value})", node.lineno))

    def all_of(self, pieces: str, node: nodes.Node) -> None:
        self.line(f"{self.outputs[-1]}.extend({pieces})" if self.outputs else f"yield from {pieces}", node)

    def flush(self) -> None:
        """Write what is pending, as pieces: long text by itself, the rest formatted."""
        pending, self.pending = self.pending, []
        piece: list[tuple[str, str, int]] = []
        for part in pending:
            kind, text, _ = part
            if kind == "constant" and len(text) >= _OWN_PIECE:
                self.piece(piece)
                self.long_text(text)
                piece = []
            else:
                piece.append(part)
        self.piece(piece)

    def piece(self, parts: list[tuple[str, str, int]]) -> None:
        """A formatted piece, in which each value has a line for itself, so that an error has its template's line."""
        opening, closing = (self.outputs[-1] + ".append(", ")") if self.outputs else ("yield ", "")
        form = repr("".join(text.replace("%", "%%") if kind == "constant" else "%s" for kind, text, _ in parts))
        values = [(text, lineno) for kind, text, lineno in parts if kind != "constant"]
        if not parts:
            return
        if len(parts) == 1 and parts[0][0] != "number":
            kind, text, lineno = parts[0]
            self.write(f"{opening}{repr(text) if kind == 'constant' else text}{closing}", lineno)
        elif len(values) == 1:
            text, lineno = values[0]
            self.write(f"{opening}{form} % {text}{closing}", lineno)
        else:
            self.write(f"{opening}{form} % (", 0)
            for text, lineno in values:
                self.write(f"    {text},", lineno)
            self.write(")" + closing, 0)

    def long_text(self, text: str) -> None:
        """Text that a board reads from a file, unless it is sent again and again."""
        if self.repeated or self.outputs:
            self.piece([("constant", text, 0)])
        else:
            if not self.module.text:
                self.module.text = f"{MADE}{self.template}\n".encode()
            start = len(self.module.text)
            self.module.text += text.encode()
            name = module_name(self.template) + ".txt"
            self.write(f"yield from {self.use('constant')}({name!r}, {start}, {len(text)})", 0)

    # -- statements ------------------------------------------------------------------------------------------------

    def statements(self, body: list[nodes.Node]) -> None:
        extended = False
        for node in body:
            kind = type(node).__name__
            method = getattr(self, "statement_" + kind, None)
            if isinstance(node, nodes.Extends):
                extended = True
            elif extended and isinstance(node, (nodes.Output, nodes.Block)):
                pass  # what stands outside of the blocks of a template that extends another is never seen
            elif extended and not isinstance(node, _DEFINITIONS):
                what = f"{kind.lower()} outside of a block, in a template that extends another"
                self.refuse(node, what, "put it into a block")
            elif method:
                method(node)
            elif isinstance(node, (nodes.Scope, nodes.ScopedEvalContextModifier)):
                self.refuse(node, "autoescape", "use |safe where a value is trusted")
            else:
                self.refuse(node, f"{kind} is not for boards")

    def statement_Output(self, node: nodes.Output) -> None:
        for each in node.nodes:
            self.output(each)

    def statement_If(self, node: nodes.If) -> None:
        self.line(f"if {self.expression(node.test)}:", node)
        with self.suite():
            self.statements(node.body)
        for branch in node.elif_:
            self.line(f"elif {self.expression(branch.test)}:", branch)
            with self.suite():
                self.statements(branch.body)
        if node.else_:
            self.line("else:")
            with self.suite():
                self.statements(node.else_)

    def statement_For(self, node: nodes.For) -> None:
        if node.recursive:
            self.refuse(node, "a recursive for", "write a macro that calls itself")
        self.flush()
        names = sorted(assigned(node.target))
        if "loop" in names:
            self.refuse(node, "a loop variable called loop", "call it otherwise")
        items = self.expression(node.iter)
        empty = ""
        if node.else_:
            empty = self.fresh("empty")
            self.line(f"{empty} = True")
        if node.test:
            source = self.fresh("items")
            self.line(f"{source} = {items}", node)
            self.enter([], names)
            target = self.target(node.target)
            items = f"({target} for {target} in {source} if {self.expression(node.test)})"
            self.scopes.pop()
        values = self.initial(node.body, names)
        scope = self.enter(node.body, [*names, *values])
        uses = loop_uses(node.body)
        counted = uses <= {"cycle", *_COUNTED} and not any(map(self.passes_loop, node.find_all(nodes.Stmt)))
        if uses:
            variable = scope.names["loop"] = self.fresh("loop")
            if not counted:
                self.line(f"{variable} = {self.use('Loop')}({items})", node)
                items = variable
            elif uses & {"last", "length", "revindex", "revindex0"}:
                self.counters[variable] = self.fresh("length")
                self.line(f"items_{variable} = {self.use('sized')}({items})", node)
                items = f"items_{variable}"
                self.line(f"{self.counters[variable]} = len({items})")
            else:
                self.counters[variable] = ""
            if counted:
                self.line(f"{variable} = 0")
        self.line(f"for {self.target(node.target)} in {items}:", node)
        self.repeated += 1
        with self.suite():
            if empty:
                self.line(f"{empty} = False")
            if uses and counted:
                self.line(f"{variable} += 1")
            self.begin(values)
            self.statements(node.body)
        self.repeated -= 1
        self.scopes.pop()
        if empty:
            self.line(f"if {empty}:")
            with self.suite(), self.inner(node.else_):
                self.statements(node.else_)

    def passes_loop(self, node: nodes.Stmt) -> bool:
        """Whether a statement gives the `loop` around it to another template, which may ask for it."""
        if not isinstance(node, nodes.Include):
            return isinstance(node, (nodes.Import, nodes.FromImport)) and node.with_context
        try:
            module = self.load(getattr(node.template, "value", "")).module
        except LookupError:
            return False
        return not module.complete or "loop" in module.reads

    def statement_With(self, node: nodes.With) -> None:
        values = [self.expression(value) for value in node.values]
        names = [target.name for target in node.targets if isinstance(target, nodes.Name)]
        if len(names) != len(node.targets):
            self.refuse(node, "a with that unpacks", "use one name for each value")
        self.flush()
        with self.inner(node.body, names):
            for name, value in zip(names, values, strict=False):
                self.line(f"{self.scopes[-1].names[name]} = {value}", node)
            self.statements(node.body)

    def statement_Assign(self, node: nodes.Assign) -> None:
        value = self.expression(node.node)
        if isinstance(node.target, nodes.NSRef):
            self.line(f"{self.attribute(node.target)} = {value}", node)
            return
        names = assigned(node.target)
        for name in names:
            self.store(name)
        self.line(f"{self.target(node.target)} = {value}", node)
        for name in names:
            self.export(name)

    def attribute(self, node: nodes.NSRef) -> str:
        """An attribute of a namespace, which is a dict on boards."""
        if hasattr(dict, node.attr):
            self.refuse(node, f"{node.name}.{node.attr}, for boards' dicts have that", "call it otherwise")
        return f"{self.read(node.name)}[{node.attr!r}]"

    def captured(self, body: list[nodes.Node]) -> str:
        """Write statements that collect what `body` puts out; returns its value."""
        self.flush()
        self.outputs.append(self.fresh("output"))
        self.line(f"{self.outputs[-1]} = []")
        with self.inner(body):
            self.statements(body)
        return f'{self.use("Markup")}("".join({self.outputs.pop()}))'

    def around(self, node: nodes.Filter, value: str) -> str:
        """The filters of a block; the innermost has none before it."""
        return self.filtered(node, self.around(node.node, value) if isinstance(node.node, nodes.Filter) else value)

    def statement_AssignBlock(self, node: nodes.AssignBlock) -> None:
        name = "" if isinstance(node.target, nodes.NSRef) else next(iter(assigned(node.target)))
        value = self.captured(node.body)
        if node.filter:
            value = self.around(node.filter, value)
        if isinstance(node.target, nodes.NSRef):
            self.line(f"{self.attribute(node.target)} = {value}", node)
        else:
            self.line(f"{self.store(name)} = {value}", node)
            self.export(name)

    def statement_FilterBlock(self, node: nodes.FilterBlock) -> None:
        self.put_expression(self.around(node.filter, self.captured(node.body)), node)
        self.flush()  # before another list has the name

    def statement_Macro(self, node: nodes.Macro) -> None:
        self.macro(node, self.store(node.name))
        if not node.name.startswith("_"):
            self.export(node.name)

    def macro(self, node: nodes.Macro | nodes.CallBlock, variable: str) -> None:
        """Write a macro, as a function that is kept in `variable`."""
        self.flush()
        names = {argument.name: self.fresh(argument.name) for argument in node.args}
        first = len(node.args) - len(node.defaults)  # of those with a default; `...` is what no template can give
        words = [f"{name}={'...' if place >= first else self.use('MISSING')}" for place, name in enumerate(names)]
        for each in node.find_all(nodes.Name):
            if each.name in ("varargs", "kwargs"):
                self.refuse(each, f"{each.name} in a macro", "name the arguments")
        if any(each.name == "caller" for each in node.find_all(nodes.Name)) and "caller" not in names:
            names["caller"] = "caller"
            words.append(f"caller={self.use('MISSING')}")
        outer, indent = self.function, self.indent
        function = self.function = Function()
        function.scope.names.update(names)
        function.own.update(names)
        function.settled.update(names)
        self.scopes.append(function.scope)
        self.indent = 1
        self.repeated += 1
        self.outputs.append(self.fresh("output"))
        self.line(f"{self.outputs[-1]} = []")
        for place, argument in enumerate(node.args):
            name = argument.name
            if keyword.iskeyword(name) or name[0] == "_" or not name.isascii():
                self.refuse(node, f"an argument called {name}", "call it otherwise")
            default = self.expression(node.defaults[place - first]) if place >= first else ""
            given = f"{default} if {name} is ... else {name}" if default else name
            self.line(f"{names[name]} = {given}")
        with self.inner(node.body):
            self.statements(node.body)
        self.line(f'return {self.use("Markup")}("".join({self.outputs.pop()}))')
        self.scopes.pop()
        self.repeated -= 1
        self.function, self.indent = outer, indent
        self.line(f"def {variable}({', '.join(words)}):", node)
        outer.lines += ["    " * indent + line for line in function.beginning + function.lines]

    def statement_CallBlock(self, node: nodes.CallBlock) -> None:
        variable = self.fresh("caller")
        self.macro(node, variable)
        arguments = ", ".join([*self.call(node.call), f"caller={variable}"])
        self.put_expression(f"{self.expression(node.call.node)}({arguments})", node)
        self.flush()

    def statement_Block(self, node: nodes.Block) -> None:
        self.all_of(f"_b[{node.name!r}]({self.context() if node.scoped else '_c'}, _b)", node)

    def statement_Include(self, node: nodes.Include) -> None:
        if node.ignore_missing:
            self.refuse(node, "ignore missing", "leave it out: what is missing is known beforehand")
        other = self.other(node, node.template)
        if other:
            self.module.reads |= other.module.reads
            context = self.context(other.module.reads if other.module.complete else None)
            self.all_of(f"{self.module_of(other)}.root({context if node.with_context else '{}'})", node)

    def statement_Import(self, node: nodes.Import) -> None:
        other = self.other(node, node.template)
        if other:
            self.line(f"{self.store(node.target)} = {self.exports(other, node)}", node)
            self.export(node.target)

    def statement_FromImport(self, node: nodes.FromImport) -> None:
        other = self.other(node, node.template)
        if not other:
            return
        exports = self.fresh("exports")
        self.line(f"{exports} = {self.exports(other, node)}", node)
        for entry in node.names:
            name, alias = entry if isinstance(entry, tuple) else (entry, entry)
            self.line(f"{self.store(alias)} = {self.lookup(exports, name)}")
            self.export(alias)

    def exports(self, other: Compiler, node: nodes.Import | nodes.FromImport) -> str:
        """What another template sets, as a dict."""
        return f"{self.use('exported')}({self.module_of(other)}.root, {self.context() if node.with_context else '{}'})"


_COUNTED = {  # attributes of `loop` that a number and a length tell
    "index": "{index}",
    "index0": "({index} - 1)",
    "first": "({index} == 1)",
    "last": "({index} == {length})",
    "length": "{length}",
    "revindex": "({length} - {index} + 1)",
    "revindex0": "({length} - {index})",
}
_DEFINITIONS = (nodes.Assign, nodes.AssignBlock, nodes.Macro, nodes.Import, nodes.FromImport)
