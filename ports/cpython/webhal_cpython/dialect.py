"""Finds in a program what the Python of a board does not run. The rules are data, in dialect_rules.py.

It reads the program (its syntax tree and its tokens) and runs nothing. Types are not inferred: `x.partition()` is
reported whatever `x` is, unless the file itself defines a `partition`, and what only certain types lack is
reported where the type is plain to see. What a board does not get to run is not reported: the branch of an `if`
on `sys.implementation.name` that is another Python's, `if TYPE_CHECKING:`, annotations, and what stands in a `try`
that catches its failure. A line that ends in the comment `# dialect: reason` is left alone.

What cannot be seen so is listed in docs/dialects.md. Files and the command line are check.py's.
"""

import ast
import builtins
import io
import re
import string
import sys
import token
import tokenize
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

from webhal_cpython import dialect_rules as rules
from webhal_cpython.dialect_rules import TARGETS, Rule

_BUILTIN_NAMES = frozenset(dir(builtins)) - {"_"} | {"__file__", "__builtins__"}
_PLAIN_TYPES = frozenset(name for name in _BUILTIN_NAMES if isinstance(getattr(builtins, name, None), type))
_STANDARD_MODULES = sys.stdlib_module_names
_DELIBERATE = re.compile(r"#\s*dialect:\s*(.*)")
_EXPECTED = {"ImportError", "NameError", "AttributeError"}  # what a program catches that finds out what there is

_KINDS_BY_CALL = {
    "array": "array",
    "array.array": "array",
    "bytearray": "bytearray",
    "collections.deque": "deque",
    "deque": "deque",
    "list": "list",
    "memoryview": "memoryview",
    "range": "range",
    "re.match": "match",
    "re.search": "match",
    "socket.socket": "socket",
    "sorted": "list",
}
_LAST_COMMON_ERROR = 34  # ERANGE; up to it, errors have the numbers of the first Unix
_LIST_METHODS = ("split", "rsplit", "splitlines")


class Finding(NamedTuple):
    """Something that some of the targets do not run. Lines and columns count from 1, columns in characters."""

    line: int
    column: int
    what: str
    instead: str
    targets: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: not on {', '.join(self.targets)}: {self.what}; {self.instead}"


def check(
    source: bytes, targets: Iterable[str] = TARGETS, beside: Collection[str] = (), tries: bool = True
) -> list[Finding]:
    """What in the program `source` does not work on `targets`, in its order.

    `beside` names modules that are sent along, which a board has whatever they are called. `tries=False` reports
    an import even where its failure is caught. Raises SyntaxError, or ValueError for NUL bytes, when CPython itself
    cannot read the program.
    """
    tree = ast.parse(source)
    text = _Text(source)
    names = _Names()
    names.visit(tree)
    found: dict[tuple[int, int, str], Finding] = {}
    for target in targets:
        checker = _Checker(target, names, text, beside, tries)
        checker.visit(tree)
        for place, instead in checker.found.items():
            known = found.get(place)
            found[place] = Finding(*place, instead, (*(known.targets if known else ()), target))
    return [
        finding._replace(instead=finding.instead + "; or say why not, after `# dialect:`")
        if finding.line in text.reasons
        else finding
        for finding in sorted(found.values())
        if not text.reasons.get(finding.line)
    ]


class _Text:
    """What tokens show and a syntax tree does not."""

    def __init__(self, source: bytes) -> None:
        self.reasons: dict[int, str] = {}  # of deliberate exceptions, by line
        self.found: list[tuple[int, int, str]] = []  # line, column, key of rules.SYNTAX
        encoding = tokenize.detect_encoding(io.BytesIO(source).readline)[0]
        self.lines = io.TextIOWrapper(io.BytesIO(source), encoding).read().split("\n")
        tokens = []
        for each in tokenize.tokenize(io.BytesIO(source).readline):
            if each.type == token.COMMENT:
                if deliberate := _DELIBERATE.search(each.string):
                    self.reasons[each.start[0]] = deliberate[1]
            elif each.type not in (tokenize.NL, tokenize.ENCODING):
                tokens.append(each)
        self._strings(tokens)
        for index, each in enumerate(tokens):
            if each.type == token.NAME and each.string == "with" and self._is_parenthesised(tokens[index + 1 :]):
                self._add(each, "parenthesised with")

    def column(self, line: int, offset: int) -> int:
        """The column of what begins `offset` bytes of UTF-8 into a line."""
        return len(self.lines[line - 1].encode()[:offset].decode(errors="replace")) + 1

    def _add(self, where: tokenize.TokenInfo, key: str) -> None:
        self.found.append((where.start[0], where.start[1] + 1, key))

    def _strings(self, tokens: list[tokenize.TokenInfo]) -> None:
        """String literals, each group of neighbours that Python joins."""
        depth = 0  # of f-strings, which Python 3.12 splits into tokens
        formats = False
        braces: list[tokenize.TokenInfo] = []
        for each in tokens:
            kind = token.tok_name[each.type]
            if kind == "FSTRING_END":
                depth -= 1
            elif kind in ("STRING", "FSTRING_START"):
                prefix = each.string[: re.search("[\"']", each.string).start()]  # type: ignore[union-attr]
                if prefix != prefix.lower():
                    self._add(each, "string prefix")
                if kind == "STRING" and not {"r", "b"} & {*prefix.lower()} and _has_name(each.string):
                    self._add(each, "unicode name")
                if not depth and "f" in prefix.lower():
                    formats = True
                elif not depth and ("{" in each.string or "}" in each.string):
                    braces.append(each)
                depth += kind == "FSTRING_START"
            elif kind == "FSTRING_MIDDLE":
                if _has_name(each.string):
                    self._add(each, "unicode name")
            elif not depth:
                if formats:
                    for neighbour in braces:
                        self._add(neighbour, "f-string neighbour")
                formats = False
                braces = []

    @staticmethod
    def _is_parenthesised(tokens: list[tokenize.TokenInfo]) -> bool:
        """Whether what follows `with` is `(… as …):` or `(…, …):`."""
        depth = 0
        several = False
        for index, each in enumerate(tokens):
            if each.string in ("(", "[", "{"):
                depth += 1
            elif each.string in (")", "]", "}"):
                depth -= 1
            elif depth == 1:
                several = several or each.string in ("as", ",")
            if depth == 0:
                return index > 0 and several and tokens[index + 1].string == ":"
        return False


def _has_name(literal: str) -> bool:
    return re.search(r"(?<!\\)(\\\\)*\\N\{", literal) is not None


class _Names(ast.NodeVisitor):
    """What a file binds its names to, wherever in it."""

    def __init__(self) -> None:
        self.origins: dict[str, list[str]] = {}  # by name: the dotted name that is imported, "def", or "" for others
        self.kinds: dict[str, set[str]] = {}  # by dotted text: of what is assigned to it, "" for what is not known
        self.values: dict[str, list[ast.expr]] = {}  # by name: what the module assigns to it
        self.asked: set[str] = set()  # what the file asks for by hasattr()
        self.own: set[str] = set()  # that, and what the file itself defines as an attribute
        self.properties: set[str] = set()
        self.async_generators: set[str] = set()
        self.assigned: set[ast.expr] = set()

    def sole_value(self, name: str) -> ast.expr | None:
        """What the module assigns to a name that nothing else is assigned to."""
        values = self.values.get(name, [])
        return values[0] if values and len(self.origins[name]) == 1 else None

    def bind(self, name: str, origin: str = "") -> None:
        self.origins.setdefault(name, []).append(origin)

    def visit_Module(self, node: ast.Module) -> None:
        for statement in node.body:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                self.values.setdefault(statement.targets[0].id, []).append(statement.value)
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.asname:
                self.bind(alias.asname, alias.name)
            else:
                top = alias.name.partition(".")[0]
                self.bind(top, top)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            self.bind(alias.asname or alias.name, f"{module}.{alias.name}")

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.bind(node.name, "" if node.decorator_list else "def")
        self.own.add(node.name)
        if any(_dotted(decorator) == "property" for decorator in node.decorator_list):
            self.properties.add(node.name)
        if isinstance(node, ast.AsyncFunctionDef) and any(isinstance(part, ast.Yield) for part in _own_parts(node)):
            self.async_generators.add(node.name)
        self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.bind(node.name)
        self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> None:
        self.bind(node.arg)
        self.kinds.setdefault(node.arg, set()).add("")

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.bind(node.name)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self.bind(node.name)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._assign(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self._assign(node.target, node.value)
        self.visit(node.target)
        if node.value:
            self.visit(node.value)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        text = _dotted(target)
        if text:
            self.assigned.add(target)
            if not _is_none(value):
                self.kinds.setdefault(text, set()).add(_kind(value))

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.assigned.add(node.target)  # which keeps its kind
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.bind(node.id)
            if node not in self.assigned:
                self.kinds.setdefault(node.id, set()).add("")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Store):
            self.own.add(node.attr)
            text = _dotted(node)
            if text and node not in self.assigned:
                self.kinds.setdefault(text, set()).add("")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if _dotted(node.func) == "hasattr" and len(node.args) == 2:
            self.asked.add(_constant(node.args[1]))
            self.own |= self.asked
        self.generic_visit(node)


class _Checker(ast.NodeVisitor):
    """What one target does not run."""

    def __init__(self, target: str, names: _Names, text: _Text, beside: Collection[str], tries: bool) -> None:
        self.target = target
        self.names = names
        self.text = text
        self.beside = beside
        self.missing = "ImportError" if tries else ""  # what an import raises that a handler may expect
        self.modules = rules.MODULES[target]
        self.found: dict[tuple[int, int, str], str] = {}  # what to write instead, by line, column and what
        self.anchor: ast.AST | None = None  # the f-string that is visited: positions in it are not to be trusted
        self.caught: frozenset[str] = frozenset()  # of _EXPECTED, those whose handlers are around
        self.called: set[ast.expr] = set()
        self.in_comprehension = False
        for line, column, key in text.found:
            self._note(line, column, rules.SYNTAX[key])

    # -- reporting ----------------------------------------------------------------------------------------

    def report(self, node: ast.AST, rule: Rule, raises: str = "") -> None:
        """Note that `rule` is broken at `node`, unless the exception that it `raises` is caught."""
        if raises in self.caught:
            return
        place: Any = self.anchor or node
        line, offset = place.lineno, place.col_offset
        if isinstance(node, ast.Attribute) and place is node and node.end_lineno and node.end_col_offset:
            line, offset = node.end_lineno, node.end_col_offset - len(node.attr.encode())  # of its name
        self._note(line, self.text.column(line, offset), rule)

    def _note(self, line: int, column: int, rule: Rule) -> None:
        if self.target in rule.on:
            self.found[line, column, rule.what] = rule.instead

    def syntax(self, node: ast.AST, key: str, raises: str = "") -> None:
        self.report(node, rules.SYNTAX[key], raises)

    # -- what names mean ----------------------------------------------------------------------------------

    def is_builtin(self, name: str) -> bool:
        return name in _BUILTIN_NAMES and name not in self.names.origins

    def resolve(self, node: ast.expr) -> str:
        """The dotted name of what `node` is: "print", "json.dumps"; ".split" for a method; "" if it is not known."""
        text = _dotted(node)
        first, dot, rest = text.partition(".")
        origins = self.names.origins.get(first)
        if origins and "" not in origins and "def" not in origins:
            return min(origins, key=lambda origin: (origin.partition(".")[0] not in self.modules, origin)) + dot + rest
        if text and not dot:
            return text if self.is_builtin(text) else ""
        return "." + node.attr if isinstance(node, ast.Attribute) else ""

    def kind(self, node: ast.expr) -> str:
        """The name of the class of what `node` is, "" if it is not plain to see."""
        kinds = self.names.kinds.get(_dotted(node), set())
        return next(iter(kinds)) if len(kinds) == 1 else _kind(node)

    def truth(self, test: ast.expr) -> bool | None:
        """What a condition is on the target, None if that depends on more than the target."""
        if isinstance(test, ast.Constant):
            return bool(test.value)
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            truth = self.truth(test.operand)
            return None if truth is None else not truth
        if isinstance(test, ast.BoolOp):
            deciding = isinstance(test.op, ast.Or)
            truths = [self.truth(value) for value in test.values]
            return deciding if deciding in truths else None if None in truths else not deciding
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            return self._compare(self.resolve(test.left), test.ops[0], test.comparators[0])
        if isinstance(test, ast.Call) and _dotted(test.func) == "hasattr" and len(test.args) == 2:
            known = self.modules.get(self.resolve(test.args[0]), "").split()
            return _constant(test.args[1]) in known if known else None
        name = _dotted(test)
        if name.rpartition(".")[2] == "TYPE_CHECKING":
            return False
        value = self.names.sole_value(name)
        return None if value is None else self.truth(value)

    def _compare(self, left: str, operator: ast.cmpop, right: ast.expr) -> bool | None:
        name = "circuitpython" if self.target == "circuitpython" else "micropython"
        if left == "sys.platform" and self.target != "circuitpython":
            name = self.target
        elif left != "sys.implementation.name":
            return None
        elements = right.elts if isinstance(right, (ast.Tuple, ast.List, ast.Set)) else [right]
        if not all(isinstance(element, ast.Constant) for element in elements):
            return None
        equal = name in [_constant(element) for element in elements]
        return equal if isinstance(operator, (ast.Eq, ast.In)) else not equal

    # -- what the target gets to run ----------------------------------------------------------------------

    def generic_visit(self, node: ast.AST) -> None:
        for _, value in ast.iter_fields(node):
            if isinstance(value, ast.AST):
                self.visit(value)
            elif isinstance(value, list):
                self.visit_all(value)

    def visit_all(self, nodes: Iterable[object]) -> None:
        """Visit nodes, of statements those that the target reaches."""
        for node in nodes:
            if isinstance(node, ast.AST):
                self.visit(node)
                if isinstance(node, ast.If) and self._leaves(node):
                    return

    def _leaves(self, node: ast.If) -> bool:
        truth = self.truth(node.test)
        branch = node.body if truth else node.orelse if truth is False else []
        return bool(branch) and isinstance(branch[-1], (ast.Return, ast.Raise, ast.Continue, ast.Break))

    def visit_If(self, node: ast.If) -> None:
        truth = self.truth(node.test)
        self.visit(node.test)
        if truth is not False:
            self.visit_all(node.body)
        if not truth:
            self.visit_all(node.orelse)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        truth = self.truth(node.test)
        self.visit(node.test)
        if truth is not False:
            self.visit(node.body)
        if not truth:
            self.visit(node.orelse)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        deciding = isinstance(node.op, ast.Or)
        for value in node.values:
            self.visit(value)
            if self.truth(value) is deciding:
                return

    def visit_Try(self, node: ast.Try) -> None:
        around = self.caught
        for handler in node.handlers:
            kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
            names = {_dotted(kind) if kind else "Exception" for kind in kinds}
            # Who catches everything expects a module to be missing, but not a method.
            self.caught |= names & _EXPECTED | ({"ImportError"} if names & {"Exception", "BaseException"} else set())
        self.visit_all(node.body)
        self.caught = around
        self.visit_all([*node.handlers, *node.orelse, *node.finalbody])

    def visit_TryStar(self, node: ast.Try) -> None:
        self.syntax(node, "except star")
        self.visit_Try(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.target)
        if node.value:
            self.visit(node.value)

    def visit_arg(self, node: ast.arg) -> None:
        pass  # but its annotation

    # -- definitions --------------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._decorators(node)
        self.visit(node.args)
        around = self.caught, self.in_comprehension
        self.caught, self.in_comprehension = frozenset(), False
        self.visit_all(node.body)
        self.caught, self.in_comprehension = around

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit(node.args)
        around = self.caught
        self.caught = frozenset()
        self.visit(node.body)
        self.caught = around

    def visit_arguments(self, node: ast.arguments) -> None:
        if node.posonlyargs:
            self.syntax(node.posonlyargs[0], "positional only")
        self.visit_all([*node.defaults, *node.kw_defaults])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._decorators(node)
        for keyword in node.keywords:
            self.syntax(keyword, "class keyword")
        self.visit_all(node.bases)
        methods = {part.name: part for part in node.body if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))}
        for name, method in methods.items():
            if name in rules.SPECIAL:
                self.report(method, rules.SPECIAL[name])
        if "__await__" in methods and "__iter__" not in methods:
            self.syntax(methods["__await__"], "await only")
        self.visit_all(node.body)

    def _decorators(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        if getattr(node, "type_params", None):
            self.syntax(node, "type parameter")
        for decorator in node.decorator_list:
            if not _dotted(decorator.func if isinstance(decorator, ast.Call) else decorator):
                self.syntax(decorator, "decorator")
            self.visit(decorator)

    def visit_TypeAlias(self, node: ast.AST) -> None:
        self.syntax(node, "type parameter")

    def visit_Match(self, node: ast.Match) -> None:
        self.syntax(node, "match")
        self.generic_visit(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        if isinstance(node.iter, ast.Call):
            if _dotted(node.iter.func).rpartition(".")[2] in self.names.async_generators:
                self.syntax(node.iter, "async generator")
        self.generic_visit(node)

    def visit_With(self, node: ast.With) -> None:
        for item in node.items:
            if self.kind(item.context_expr) == "memoryview":
                self.syntax(item.context_expr, "memoryview with", "AttributeError")
        self.generic_visit(node)

    # -- comprehensions and displays ----------------------------------------------------------------------

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        self.visit(node.generators[0].iter)  # which belongs to the function around
        around = self.in_comprehension
        self.in_comprehension = True
        for generator in node.generators:
            if generator.is_async:
                self.syntax(generator.target, "async comprehension")
            if generator is not node.generators[0]:
                self.visit(generator.iter)
            self.visit_all(generator.ifs)
        self.visit_all([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self.in_comprehension = around

    visit_SetComp = visit_GeneratorExp = visit_DictComp = visit_ListComp

    def visit_Await(self, node: ast.Await) -> None:
        if self.in_comprehension:
            self.syntax(node, "await in comprehension")
        self.visit(node.value)

    def visit_Starred(self, node: ast.Starred) -> None:
        if isinstance(node.ctx, ast.Load):
            self.syntax(node, "star display")
        self.visit(node.value)

    def visit_Dict(self, node: ast.Dict) -> None:
        if None in node.keys:
            self.syntax(node, "double star display")
        self.generic_visit(node)

    # -- imports ------------------------------------------------------------------------------------------

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._import(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level == 0 and node.module and self._import(node, node.module):
            for alias in node.names:
                self._member(node, node.module, alias.name, self.missing)

    def _import(self, node: ast.AST, module: str) -> bool:
        """Report a module that the target does not have; returns whether it has it."""
        top, dot, _ = module.partition(".")
        foreign = top in rules.FOREIGN[self.target].split()
        if top in self.beside or (top not in _STANDARD_MODULES and not foreign) or (top in self.modules and not dot):
            return True
        instead = rules.MODULE_HINTS.get(module) or rules.MODULE_HINTS.get(top, "send a module of that name along")
        if foreign:
            instead = "test sys.implementation.name or sys.platform before"
        self.report(node, Rule(f"import {module}", instead), self.missing)
        return False

    def _member(self, node: ast.AST, module: str, name: str, raises: str) -> None:
        known = self.modules.get(module, "").split()
        if known and name not in known and not name.startswith("_") and name != "*" and module not in self.beside:
            whole = f"{module}.{name}"
            self.report(node, Rule(whole, rules.MODULE_HINTS.get(whole, "leave it out")), raises)

    # -- names and attributes -----------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and self.is_builtin(node.id) and node.id not in rules.BUILTINS[self.target]:
            self.report(node, Rule(node.id, rules.BUILTIN_HINTS.get(node.id, "leave it out")), "NameError")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.generic_visit(node)
        name = node.attr
        owner = self.resolve(node.value)
        root = _dotted(node.value).partition(".")[0]
        if isinstance(node.ctx, ast.Load) and owner in self.modules:
            self._member(node, owner, name, "AttributeError")
        elif not isinstance(node.ctx, ast.Load):
            if {*self.names.origins.get(_dotted(node.value), ())} == {"def"}:
                self.syntax(node, "function attribute", "AttributeError")
        elif self._is_type(node.value) and name.startswith("__"):
            if name not in rules.BUILTIN_SPECIAL[""] | rules.BUILTIN_SPECIAL.get(owner, set()):
                self.syntax(node, "builtin special method", "AttributeError")
            elif self.target == "esp8266" and name in rules.SPECIAL:
                self.report(node, rules.SPECIAL[name], "AttributeError")
        elif _is_super(node.value):
            if name in self.names.properties and node not in self.called:
                self.syntax(node, "super property", "AttributeError")
        elif (rule := rules.OF_CLASS.get(f"{self.kind(node.value)}.{name}")) is not None:
            if name not in self.names.asked:
                self.report(node, rule, "AttributeError")
        elif name not in self.names.own and {"", "def"}.issuperset(self.names.origins.get(root, ())):
            table = rules.METHODS if node in self.called or self._is_type(node.value) else rules.ATTRIBUTES
            if name in table and root not in ("self", "cls"):
                self.report(node, table[name], "AttributeError")

    def _is_type(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in _PLAIN_TYPES and self.is_builtin(node.id)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        stored = not isinstance(node.ctx, ast.Load)
        kind = self.kind(node.value)
        step = node.slice.step if isinstance(node.slice, ast.Slice) else None
        if step and not (isinstance(step, ast.Constant) and step.value in (None, 1)):
            if stored:
                self.syntax(node, "step assignment")
            elif kind not in ("list", "range"):
                self.syntax(node, "step")
        if isinstance(node.ctx, ast.Del) and kind in ("bytearray", "array", "deque"):
            self.syntax(node, "del item")
        if stored and isinstance(node.value, ast.Attribute) and node.value.attr == "__dict__":
            self.syntax(node, "instance dict")
        if not stored and self._is_type(node.value):
            self.syntax(node, "generic alias")
        self.generic_visit(node)

    # -- expressions --------------------------------------------------------------------------------------

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, complex):
            self.syntax(node, "complex")

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        if any(isinstance(side, ast.Attribute) and side.attr == "errno" for side in sides):
            for part in [part for side in sides for part in getattr(side, "elts", [side])]:
                value = part.value if isinstance(part, ast.Constant) else 0
                if isinstance(value, int) and value > _LAST_COMMON_ERROR:
                    self.syntax(part, "error number")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.BitOr) and (self._is_type(node.left) or self._is_type(node.right)):
            self.syntax(node, "union of types")
        if isinstance(node.op, (ast.BitOr, ast.BitAnd, ast.BitXor, ast.Sub)):
            if any(_view(side) in ("keys", "items") for side in (node.left, node.right)):
                self.syntax(node, "dict view set")
        self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        around = self.anchor
        self.anchor = self.anchor or node
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                if part.conversion == ord("a"):
                    self.syntax(part, "f-string !a")
                if not _scans(part.value):
                    self.syntax(part, "f-string expression")
                self.visit(part.value)
                if part.format_spec:
                    self.visit(part.format_spec)
        self.anchor = around

    def visit_Call(self, node: ast.Call) -> None:
        self.called.add(node.func)
        self.visit(node.func)
        for argument in node.args:
            self.visit(argument.value if isinstance(argument, ast.Starred) else argument)
        for keyword in node.keywords:
            self.visit(keyword.value)
        starts = [(keyword.value.lineno, keyword.value.col_offset) for keyword in node.keywords if keyword.arg]
        for argument in node.args:
            if isinstance(argument, ast.Starred) and starts and (argument.lineno, argument.col_offset) > min(starts):
                self.syntax(argument, "star after keyword")
        name = self.resolve(node.func)
        method = "." + node.func.attr if isinstance(node.func, ast.Attribute) else ""
        for function in {name, method}:
            self._keywords(node, function)
        self._count(node, name, method)
        self._codecs(node, name, method)
        self._builtin_classes(node, method)
        if name in ("re.compile", "re.match", "re.search", "re.sub") and node.args:
            self._pattern(node, name)
        if method == ".format" and isinstance(node.func, ast.Attribute):
            self._format(node, _constant(node.func.value))

    def _keywords(self, node: ast.Call, function: str) -> None:
        refused = rules.KEYWORDS.get(function, {})
        if function.removeprefix(".") in self.names.own:
            return
        for keyword in node.keywords:
            if keyword.arg and (rule := refused.get(keyword.arg) or refused.get("*")):
                self.report(keyword.value, rule)

    def _count(self, node: ast.Call, name: str, method: str) -> None:
        """Calls that need other arguments than CPython's."""
        if any(isinstance(argument, ast.Starred) for argument in node.args):
            return
        count = len(node.args)
        wrong = ""
        if name == "collections.deque":
            wrong = "deque" if count < 2 or _is_none(node.args[1]) else ""
        elif method == ".group" and "group" not in self.names.own:
            wrong = "group" if count != 1 else ""
        elif (name, count) in (("iter", 2), ("next", 2), ("pow", 3)):
            wrong = name
        elif name == "slice":
            wrong = "slice"
        elif method == ".listen" and isinstance(node.func, ast.Attribute):
            wrong = "listen" if count == 0 and self.kind(node.func.value) == "pool socket" else ""
        elif name == "os.mkdir":
            wrong = "mkdir" if count == 2 else ""
        elif method == ".rsplit":
            wrong = "rsplit" if count == 2 and _is_none(node.args[0]) else ""
        if wrong:
            self.report(node.func, rules.CALLS[wrong])

    def _codecs(self, node: ast.Call, name: str, method: str) -> None:
        arguments: list[ast.expr] = []
        if method in (".encode", ".decode"):
            arguments = node.args
        elif name in ("str", "bytes", "bytearray"):
            arguments = node.args[1:]
        elif name == "open":
            arguments = [keyword.value for keyword in node.keywords if keyword.arg == "encoding"]
        if arguments and _constant(arguments[0]).lower().replace("_", "-") not in ("", "utf-8", "utf8"):
            self.syntax(arguments[0], "codec")
        if len(arguments) > 1 and _constant(arguments[1]) not in ("", "strict"):
            self.syntax(arguments[1], "codec errors")

    def _builtin_classes(self, node: ast.Call, method: str) -> None:
        """Methods of built-in classes that are called in a way of their own."""
        if self.resolve(node.func) == "len" and node.args and _view(node.args[0]):
            self.syntax(node, "dict view length")
        if not isinstance(node.func, ast.Attribute):
            return
        owner = node.func.value
        if self._is_type(owner) and node.args and _dotted(node.args[0]) == "self" and _dotted(owner) != "object":
            if not method.startswith(".__") or method[1:] in rules.BUILTIN_SPECIAL.get(_dotted(owner), ()):
                self.syntax(node.func, "builtin method")
        if isinstance(owner, ast.Attribute) and owner.attr == "__dict__":
            if method in (".update", ".pop", ".setdefault", ".clear", ".popitem"):
                self.syntax(node.func, "instance dict")
        if method == ".join" and self.kind(owner) == "bytes" and node.args:
            items = node.args[0].elts if isinstance(node.args[0], (ast.List, ast.Tuple)) else []
            for item in items:
                if self.kind(item) == "memoryview":
                    self.syntax(item, "memoryview join")

    def _pattern(self, node: ast.Call, name: str) -> None:
        first = node.args[0]
        value = self.names.sole_value(_dotted(first)) or first
        if len(node.args) >= {"re.compile": 2, "re.match": 3, "re.search": 3, "re.sub": 5}[name]:
            self.syntax(node, "re flags")
        for key in _pattern_faults(_constant(value)):
            self.syntax(first, key)
        for text in node.args[1:]:
            if self.kind(text) in ("bytearray", "memoryview"):
                self.syntax(text, "re buffer")

    def _format(self, node: ast.Call, template: str) -> None:
        try:
            fields = [*string.Formatter().parse(template)]
        except ValueError:  # no template: CPython refuses it too
            return
        for _, field, _, conversion in fields:
            if field and ("." in field or "[" in field):
                self.syntax(node, "format field")
            if conversion == "a":
                self.syntax(node, "f-string !a")


# -- syntax trees ---------------------------------------------------------------------------------------------


def _dotted(node: ast.AST) -> str:
    """The text of a name, or of a name's attribute's attribute …; "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value)
        return owner and f"{owner}.{node.attr}"
    return ""


def _constant(node: ast.expr) -> str:
    """The text of a constant string, or of ASCII bytes; "" for anything else."""
    value = node.value if isinstance(node, ast.Constant) else ""
    return value if isinstance(value, str) else value.decode("latin-1") if isinstance(value, bytes) else ""


def _kind(node: ast.expr) -> str:
    """The name of the class of what an expression makes, "" if it is not plain to see."""
    if isinstance(node, ast.Constant):
        return type(node.value).__name__
    if isinstance(node, (ast.List, ast.ListComp)):
        return "list"
    if isinstance(node, ast.Call):
        name = _dotted(node.func)
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if method in _LIST_METHODS:
            return "list"
        return _KINDS_BY_CALL.get(name, "pool socket" if method == "socket" else "")
    return ""


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _dotted(node.func) == "super"


def _view(node: ast.expr) -> str:
    """ "keys", "values" or "items" for a call of such a method, "" for anything else."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args:
        return node.func.attr if node.func.attr in ("keys", "values", "items") else ""
    return ""


def _own_parts(function: ast.AST) -> Iterator[ast.AST]:
    """What a function is made of, without what is in functions in it."""
    for child in ast.iter_child_nodes(function):
        yield child
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            yield from _own_parts(child)


def _scans(expression: ast.expr) -> bool:
    """Whether MicroPython finds the end of this expression in an f-string.

    py/lexer.c of MicroPython counts brackets and braces, but knows nothing of parentheses and strings; the first
    colon or closing brace outside of them ends the expression.
    """
    if any(isinstance(part, ast.JoinedStr) for part in ast.walk(expression)):
        return False
    depth = 0
    for sign in ast.unparse(expression):
        if depth == 0 and sign in ":}":
            return False
        depth += (sign in "[{") - (sign in "]}")
    return depth == 0


def _pattern_faults(pattern: str) -> Iterator[str]:
    """Keys in rules.SYNTAX of what a regular expression has that boards do not."""
    in_class = False
    signs = iter(enumerate(pattern))
    for index, sign in signs:
        rest = pattern[index:]
        if sign == "\\":
            following = rest[1:2]
            if following and following in "bBAZ" and not in_class:
                yield "re boundary"
            elif following.isdigit() and not in_class:
                yield "re backreference"
            elif following and following in "xuU":
                yield "re character"
            elif following and following in "abfnrtv":
                yield "re escape"
            next(signs, None)
        elif in_class:
            in_class = sign != "]"
        elif sign == "[":
            in_class = True
            if re.match(r"\[\^?\]", rest):
                yield "re bracket"
        elif sign == "(" and rest.startswith("(?") and not rest.startswith("(?:"):
            yield "re extension"
        elif sign == "{" and re.match(r"\{\d*,?\d*\}", rest) and rest[1:2] != "}":
            yield "re count"
        elif sign in "*+?" and rest[1:2] == "+":
            yield "re possessive"
