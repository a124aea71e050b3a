"""Expressions of Jinja2's language as Python text, for boards. Statements, and what names mean, are compiler.py's."""

from __future__ import annotations

import inspect
import keyword
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, nodes
from markupsafe import Markup

from webhal_cpython.templating import functions

_OPERATORS = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "FloorDiv": "//", "Mod": "%", "Pow": "**"}
_COMPARISONS = {
    "eq": "==", "ne": "!=", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">=", "in": "in", "notin": "not in",
}  # fmt: skip
_FILTERS = {"e": "escape", "d": "default", "count": "length"}  # Jinja2's other names
_TESTS = {  # those that are an operator
    "none": "{} is None", "true": "{} is True", "false": "{} is False", "sameas": "{} is {}", "in": "{} in {}",
    "odd": "{} % 2 == 1", "even": "{} % 2 == 0", "divisibleby": "{} % {} == 0",
    "eq": "{} == {}", "==": "{} == {}", "equalto": "{} == {}", "ne": "{} != {}", "!=": "{} != {}",
    "gt": "{} > {}", ">": "{} > {}", "greaterthan": "{} > {}", "ge": "{} >= {}", ">=": "{} >= {}",
    "lt": "{} < {}", "<": "{} < {}", "lessthan": "{} < {}", "le": "{} <= {}", "<=": "{} <= {}",
}  # fmt: skip
GLOBALS = ("range", "dict", "namespace")
_ADVICE = {  # what to write instead of a filter, a function or a kind of node
    "map": "prepare the list in the handler",
    "select": "write a for with an if",
    "selectattr": "write a for with an if",
    "reject": "write a for with an if",
    "rejectattr": "write a for with an if",
    "groupby": "group in the handler",
    "cycler": "use loop.cycle()",
    "joiner": "use loop.first",
    "lipsum": "write the text",
    "pprint": "use tojson",
}
_METHODS = {  # of str, that boards do not have
    "title": "|title",
    "capitalize": "|capitalize",
    "casefold": "|lower",
    "swapcase": "|upper",
    "removeprefix": "a slice",
    "removesuffix": "a slice",
    "zfill": '"%05d"|format(x)',
    "ljust": '"%-9s"|format(x)',
    "rjust": '"%9s"|format(x)',
    "center": "CSS",
    "partition": "split()",
    "rpartition": "rsplit()",
    "splitlines": 'split("\\n")',
    "expandtabs": "|replace",
    "translate": "|replace",
    "format_map": "format()",
    "isalnum": "a test in the handler",
    "isdecimal": "isdigit()",
    "isidentifier": "a test in the handler",
    "isnumeric": "isdigit()",
    "isprintable": "a test in the handler",
    "istitle": "a test in the handler",
}


@dataclass(frozen=True, order=True)
class Refusal:
    """Something that boards cannot have."""

    template: str
    line: int
    what: str
    instead: str

    def __str__(self) -> str:
        return f"{self.template}:{self.line}: {self.what}" + (f"; {self.instead}" if self.instead else "")


@dataclass
class Module:
    """What a template becomes."""

    code: str = ""
    text: bytes = b""  # long constant text, which a board reads when it is sent
    functions: set[str] = field(default_factory=set)  # of functions.py, that it calls
    reads: set[str] = field(default_factory=set)  # names that it takes from its context
    complete: bool = False


class Expressions:
    """The Python text of a template's expressions; notes the functions that they call, and what cannot be."""

    environment: Environment
    filters: set[str]  # of templates/filters.py
    refusals: list[Refusal]

    def __init__(self, template: str, tree: nodes.Template) -> None:
        self.template = template
        self.tree = tree
        self.module = Module()
        self.imports = {node.target for node in tree.find_all(nodes.Import)}
        # Arguments of macros keep their names, for callers may give them by name.
        macros: list[nodes.Macro | nodes.CallBlock] = [*tree.find_all(nodes.Macro), *tree.find_all(nodes.CallBlock)]
        self.arguments = {argument.name for macro in macros for argument in macro.args}

    # -- what a compiler of statements adds ------------------------------------------------------------------

    def read(self, name: str) -> str:
        """The Python variable of a name."""
        raise NotImplementedError

    def fresh(self, name: str) -> str:
        """A variable that is nobody's yet."""
        raise NotImplementedError

    def loop_attribute(self, node: nodes.Getattr) -> str | None:
        """The text of an attribute of the `loop` of a for around; None for anything else."""
        raise NotImplementedError

    def blocks_text(self, node: nodes.Call) -> str | None:
        """The text of super() or self.name(), as a list or generator; None for any other call."""
        raise NotImplementedError

    # -- notes -----------------------------------------------------------------------------------------------

    def refuse(self, node: nodes.Node, what: str, instead: str = "") -> str:
        """Note what cannot be; returns an expression in its place, so that the rest is looked at too."""
        line = node.lineno or next((each.lineno for each in node.find_all(nodes.Node) if each.lineno), 1)
        self.refusals.append(Refusal(self.template, line, what, instead))
        return "None"

    def use(self, name: str) -> str:
        """The name of a function of functions.py here, where no argument of a macro has it."""
        self.module.functions.add(name)
        return f"_{name}" if name in self.arguments else name

    def lookup(self, names: str, name: str) -> str:
        """A name of a dict, of the context for instance."""
        return f"{names}.get({name!r}, {self.use('MISSING')})"

    # -- expressions -----------------------------------------------------------------------------------------

    def expression(self, node: nodes.Node) -> str:
        """Python text of a value; in parentheses if it has operators."""
        assert isinstance(node, nodes.Expr)
        try:
            return self.constant(node.as_const())
        except nodes.Impossible:
            pass
        kind = type(node).__name__
        if kind in _OPERATORS:
            assert isinstance(node, nodes.BinExpr)
            return f"({self.expression(node.left)} {_OPERATORS[kind]} {self.expression(node.right)})"
        method = getattr(self, "expression_" + kind, None)
        return method(node) if method else self.refuse(node, f"{kind} is not for boards")

    def constant(self, value: Any) -> str:
        """A value that is known by now. Raises Impossible where no text stands for it."""
        if isinstance(value, tuple):
            return "(" + "".join(self.constant(each) + ", " for each in value) + ")"
        if isinstance(value, list):
            return "[" + ", ".join(map(self.constant, value)) + "]"
        if isinstance(value, dict):
            return self.pairs([(self.constant(key), self.constant(each)) for key, each in value.items()])
        if isinstance(value, Markup):
            return f"{self.use('Markup')}({str(value)!r})"
        if value is None or isinstance(value, (str, int)) or isinstance(value, float) and value - value == 0:
            return repr(value)
        raise nodes.Impossible  # an iterator; inf

    def pairs(self, pairs: list[tuple[str, str]]) -> str:
        """A dict; a board's own forgets its order."""
        if len(pairs) < 2:
            return "{%s}" % "".join(f"{key}: {value}" for key, value in pairs)
        return f"{self.use('ordered')}(%s)" % ", ".join(f"({key}, {value})" for key, value in pairs)

    def expression_Const(self, node: nodes.Const) -> str:
        return self.refuse(node, f"the number {node.value}", "write one that is finite")

    def expression_TemplateData(self, node: nodes.TemplateData) -> str:
        return f"{self.use('Markup')}({node.data!r})"

    def expression_Name(self, node: nodes.Name) -> str:
        return self.read(node.name)

    def expression_Tuple(self, node: nodes.Tuple) -> str:
        return "(" + "".join(self.expression(each) + ", " for each in node.items) + ")"

    def expression_List(self, node: nodes.List) -> str:
        return "[" + ", ".join(map(self.expression, node.items)) + "]"

    def expression_Dict(self, node: nodes.Dict) -> str:
        return self.pairs([(self.expression(pair.key), self.expression(pair.value)) for pair in node.items])

    def expression_CondExpr(self, node: nodes.CondExpr) -> str:
        otherwise = self.expression(node.expr2) if node.expr2 else self.use("MISSING")
        return f"({self.expression(node.expr1)} if {self.expression(node.test)} else {otherwise})"

    def expression_Getattr(self, node: nodes.Getattr) -> str:
        if isinstance(node.node, nodes.Name):
            text = self.loop_attribute(node)
            if text:
                return text
            if node.node.name in self.imports:
                return self.lookup(self.read(node.node.name), node.attr)
        function = self.use("attribute" if hasattr(dict, node.attr) else "field")
        return f"{function}({self.expression(node.node)}, {node.attr!r})"

    def expression_Getitem(self, node: nodes.Getitem) -> str:
        value = self.expression(node.node)
        if not isinstance(node.arg, nodes.Slice):
            return f"{self.use('item')}({value}, {self.expression(node.arg)})"
        if node.arg.step is not None:
            return self.refuse(node, "a slice with a step", "use |reverse, or a for with an if on loop.index0")
        start, stop = (self.expression(end) if end else "" for end in (node.arg.start, node.arg.stop))
        return f"{value}[{start}:{stop}]"

    def expression_Call(self, node: nodes.Call) -> str:
        callee = node.node
        text = self.blocks_text(node)
        if text:
            return f'{self.use("Markup")}("".join({text}))'
        if isinstance(callee, nodes.Name) and callee.name in ("cycler", "joiner", "lipsum"):
            return self.refuse(node, callee.name + "()", _ADVICE[callee.name])
        if isinstance(callee, nodes.Getattr) and callee.attr in _METHODS:
            return self.refuse(node, f"boards have no {callee.attr}()", "use " + _METHODS[callee.attr])
        return f"{self.expression(callee)}({', '.join(self.call(node))})"

    def call(self, node: nodes.Call | nodes.Filter | nodes.Test) -> list[str]:
        """The arguments of a call."""
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            self.refuse(node, "*arguments in a call", "write the arguments")
        given = [self.expression(each) for each in node.args]
        for word in node.kwargs:
            assert isinstance(word, nodes.Keyword)
            if keyword.iskeyword(word.key):
                self.refuse(node, f"an argument called {word.key}, which is a word of Python", "call it otherwise")
            given.append(f"{word.key}={self.expression(word.value)}")
        return given

    def expression_Filter(self, node: nodes.Filter) -> str:
        assert node.node
        return self.filtered(node, self.expression(node.node))

    def filtered(self, node: nodes.Filter, value: str) -> str:
        """A filter's call, of which `value` is the text of what is filtered."""
        if node.name in self.filters:
            return f"{self.use('filters')}.{node.name}({', '.join([value, *self.call(node)])})"
        name = "do_" + _FILTERS.get(node.name, node.name)
        function = getattr(functions, name, None)
        if not function:
            instead = _ADVICE.get(node.name, "write one in templates/filters.py")
            known = node.name in self.environment.filters
            return self.refuse(node, f"the filter {node.name}" + " is not for boards" * known, instead)
        try:
            inspect.signature(function).bind(None, *node.args, **{str(word.key): None for word in node.kwargs})
        except TypeError as error:
            return self.refuse(node, f"the filter {node.name}: {error}", "boards have the others of its arguments")
        others = node.kwargs or node.dyn_args or node.dyn_kwargs or node.args[1:]
        if name == "do_default" and not others:
            otherwise = node.args[0] if node.args else nodes.Const("")
            if isinstance(otherwise, (nodes.Const, nodes.Name)):  # which may be left out where it is not needed
                return self.default(value, self.expression(otherwise))
        return f"{self.use(name)}({', '.join([value, *self.call(node)])})"

    def default(self, value: str, otherwise: str) -> str:
        """`otherwise`, where a value is missing."""
        variable = value if value.isidentifier() else self.fresh("value")
        given = value if value.isidentifier() else f"({variable} := {value})"
        return f"({variable} if {given} is not {self.use('MISSING')} else {otherwise})"

    def expression_Test(self, node: nodes.Test) -> str:
        values = [self.expression(node.node), *self.call(node)]
        form = _TESTS.get(node.name)
        if form:
            if form.count("{}") != len(values):
                what = f"the test {node.name} with {len(values) - 1} arguments"
                return self.refuse(node, what, "put what is tested in parentheses")
            if node.name == "in":
                values[0] = f"{self.use('plain')}({values[0]})"
            return "(" + form.format(*values) + ")"
        name = "test_" + node.name
        if not hasattr(functions, name):
            return self.refuse(node, f"the test {node.name}", "write a comparison")
        return f"{self.use(name)}({', '.join(values)})"

    def expression_Concat(self, node: nodes.Concat) -> str:
        return f"{self.use('concat')}({', '.join(map(self.expression, node.nodes))})"

    def expression_Compare(self, node: nodes.Compare) -> str:
        operands = [node.expr, *(each.expr for each in node.ops)]
        operators = [_COMPARISONS[each.op] for each in node.ops]
        texts = list(map(self.expression, operands))
        # Boards do not ask Markup for what a str should do with it.
        constant = any(isinstance(each, nodes.Const) and not isinstance(each.value, str) for each in operands)
        if not constant and {"<", ">", "<=", ">="} & {*operators}:
            texts = [f"{self.use('plain')}({text})" for text in texts]
        elif operators[0].endswith("in") and not isinstance(node.expr, nodes.Const):
            texts[0] = f"{self.use('plain')}({texts[0]})"
        return f"({texts[0]}" + "".join(f" {o} {text}" for o, text in zip(operators, texts[1:], strict=True)) + ")"

    def expression_And(self, node: nodes.And) -> str:
        return f"({self.expression(node.left)} and {self.expression(node.right)})"

    def expression_Or(self, node: nodes.Or) -> str:
        return f"({self.expression(node.left)} or {self.expression(node.right)})"

    def expression_Not(self, node: nodes.Not) -> str:
        return f"(not {self.expression(node.node)})"

    def expression_Neg(self, node: nodes.Neg) -> str:
        return f"(-{self.expression(node.node)})"

    def expression_Pos(self, node: nodes.Pos) -> str:
        return f"(+{self.expression(node.node)})"
