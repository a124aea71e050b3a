"""Mutation testing: break one small place at a time in a copy, and see whether tests/core notices.

    python tools/mutate.py                                ten minutes of mutants of the reader, of serving, of forms
    python tools/mutate.py --module head --module http    of these modules only
    python tools/mutate.py --sample 150 --seed 3          150 mutants, chosen by the seed
    python tools/mutate.py --seconds 3600                 for an hour

A mutant is one comparison, `and`, `or`, `not`, sum, condition, constant or result that is another, or one statement
that is gone. It is killed when a test fails, dies, or takes far longer. What survives is printed in the form of
tests/equivalent_mutants.txt: a test is missing, or the line is of no use; or nobody can tell the mutant from the
original, which is written there with the reason. The status is 0 if at least 95 % were killed of all others. Ctrl-C
ends it, with the figures so far.

CPython's serving.py is tested with its own server, everything else with the portable one.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
EQUIVALENT = ROOT / "tests/equivalent_mutants.txt"
NAMES = "http head chunked connection exchange server stream loop stopping overload refusing task multipart serving"
COPIED = ("core", "ports/cpython", "tests/core", "tests/vectors", "pyproject.toml")
ENOUGH = 0.95  # of the mutants must be killed
MEMORY = 2 << 30  # bytes that a mutant's tests may take

# What an operator becomes. A comparison loses or gains its border: no test of a border, no notice of this.
OPERATORS = {
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
    "==": "!=",
    "!=": "==",
    "is": "is not",
    "is not": "is",
    "in": "not in",
    "not in": "in",
    "and": "or",
    "or": "and",
    "+": "-",
    "-": "+",
}
DELETED = (ast.Expr, ast.Assign, ast.AugAssign, ast.Raise, ast.Delete, ast.Break, ast.Continue)


class Mutant(NamedTuple):
    module: str
    where: str  # the function, and (2) where the line is there for the second time
    old: str  # the lines that change, as one
    new: str
    source: bytes  # the whole module

    def told(self) -> str:
        return f"{self.module} {self.where}\n- {self.old}\n+ {self.new}\n"


class Finder(ast.NodeVisitor):
    """The places in a module that can be something else: (function, start, end, replacement)."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.lines = [0]
        for line in source.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))
        self.names: list[str] = []
        self.found: list[tuple[str, int, int, str]] = []
        self.visit(ast.parse(source))

    def start(self, node: ast.expr | ast.stmt) -> int:
        return self.lines[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno and node.end_col_offset is not None
        return self.lines[node.end_lineno - 1] + node.end_col_offset

    def replace(self, start: int, end: int, text: str) -> None:
        self.found.append((".".join(self.names) or "module", start, end, text))

    def operator(self, left: ast.expr, right: ast.expr) -> None:
        """Replace what stands between two operands, apart from their parentheses."""
        start = self.end(left)
        between = self.source[start : self.start(right)].decode()
        match = re.search(r"[-+<>=!]+|\b(?:and|or|is not|is|not in|in)\b", between)
        if match and match[0] in OPERATORS:
            self.replace(start + match.start(), start + match.end(), OPERATORS[match[0]])

    def condition(self, test: ast.expr) -> None:
        if not isinstance(test, (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Constant, ast.NamedExpr)):
            self.replace(self.start(test), self.start(test), "not ")

    # -- what is looked at, and what is not ---------------------------------------------------------------

    def body(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module) -> None:
        for statement in node.body[1 if ast.get_docstring(node) else 0 :]:
            self.visit(statement)

    def scope(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.names.append(node.name)
        if not isinstance(node, ast.ClassDef):
            for default in node.args.defaults + [each for each in node.args.kw_defaults if each]:
                self.visit(default)
        self.body(node)
        self.names.pop()

    visit_Module = body
    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = scope

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self.visit(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        pass

    def visit_Assign(self, node: ast.Assign) -> None:
        if ast.unparse(node.targets[0]) != "TYPE_CHECKING":
            self.generic_visit(node)

    # -- what becomes of it -------------------------------------------------------------------------------

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, DELETED) and self.names:
            self.replace(self.start(node), self.end(node), "pass")
        super().visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for left, right in zip([node.left, *node.comparators], node.comparators, strict=False):
            self.operator(left, right)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in zip(node.values, node.values[1:], strict=False):
            self.operator(left, right)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self.operator(node.left, node.right)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self.replace(self.start(node), self.start(node) + len("not "), "")
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) != "TYPE_CHECKING":
            self.condition(node.test)
            self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self.condition(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.condition(node.test)
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value and not isinstance(node.value, ast.Constant):
            self.replace(self.start(node.value), self.end(node.value), "None")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            new = repr(not value)
        elif isinstance(value, int):
            new = str(value + 1)
        elif isinstance(value, (str, bytes)) and " " not in str(value):  # what has a space is for people to read
            letter = "b" if isinstance(value, bytes) else ""
            new = letter + ('""' if value else '"x"')
        else:
            return
        self.replace(self.start(node), self.end(node), new)


def mutants(name: str) -> Iterator[Mutant]:
    """All of a module."""
    source = path(name).read_bytes()
    seen: Counter[tuple[str, str, str]] = Counter()
    for where, start, end, text in Finder(source).found:
        first = source.rfind(b"\n", 0, start) + 1
        last = source.find(b"\n", end)
        line, changed = source[first:last], source[first:start] + text.encode() + source[end:last]
        old, new = " ".join(line.decode().split()), " ".join(changed.decode().split())
        seen[where, old, new] += 1
        place = f"{where} ({nth})" if (nth := seen[where, old, new]) > 1 else where
        yield Mutant(name, place, old, new, source[:first] + changed + source[last:])


def path(name: str, root: Path = ROOT) -> Path:
    return root / ("ports/cpython/webhal_cpython/serving.py" if name == "serving" else f"core/webhal/{name}.py")


def equivalent() -> set[str]:
    """The entries of the list, without their reasons."""
    blocks = EQUIVALENT.read_text().split("\n\n")
    return {"".join(line + "\n" for line in block.strip().split("\n")[:3]) for block in blocks if "\n- " in block}


class Tests:
    """tests/core in a copy, the file that killed the last mutant of a module first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for each in COPIED:
            if (ROOT / each).is_dir():
                shutil.copytree(ROOT / each, root / each, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / each, root / each)
        self.files = sorted(f"tests/core/{file.name}" for file in (root / "tests/core").glob("test_*.py"))
        self.orders: dict[str, list[str]] = {}
        self.seconds = 600.0  # of CPU that one run may take

    def fail(self, name: str) -> bool:
        """Whether the tests fail now."""
        order = self.orders.setdefault(name, sorted(self.files, key=lambda file: file != f"tests/core/test_{name}.py"))
        environment = {
            **os.environ,
            "PYTHONPATH": f"{self.root}/core:{self.root}/ports/cpython",
            "PYTHONDONTWRITEBYTECODE": "1",
            "WEBHAL_SERVER": "cpython" if name == "serving" else "",
        }
        command = [sys.executable, "-m", "pytest", "-xq", "-p", "no:cacheprovider", "--tb=no", *order]
        try:
            done = subprocess.run(
                command,
                cwd=self.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=10 * self.seconds,
                preexec_fn=self.bound,
            )
        except subprocess.TimeoutExpired:
            return True
        killer = re.search(rb"^(?:FAILED|ERROR) (tests/core/\w+\.py)", done.stdout, re.MULTILINE)
        if killer:
            order.sort(key=lambda file: file != killer[1].decode())
        return done.returncode != 0

    def bound(self) -> None:
        seconds = int(self.seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def cpu_seconds() -> float:
    """What tests have taken so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description="Break the core in small places and see whether tests/core notices.")
    parser.add_argument("--module", action="append", choices=NAMES.split(), help="of this module only; several times")
    parser.add_argument("--seconds", type=int, default=600, help="begin no further mutant after so long (default 600)")
    parser.add_argument("--sample", type=int, help="so many mutants at most")
    parser.add_argument("--seed", type=int, default=1, help="chooses the order, and so the sample (default 1)")
    options = parser.parse_args()
    begun = time.monotonic()
    every = [mutant for name in options.module or NAMES.split() for mutant in mutants(name)]
    known = equivalent()
    for stale in sorted(known - {mutant.told() for name in NAMES.split() for mutant in mutants(name)}):
        print(f"of no use in {EQUIVALENT.name}, there is no such mutant:\n{stale}", flush=True)
    tried = [mutant for mutant in every if mutant.told() not in known]
    random.Random(options.seed).shuffle(tried)
    killed: Counter[str] = Counter()
    survived: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        tests = Tests(Path(folder))
        for name in ("http", "serving"):
            if tests.fail(name):
                parser.exit(2, "the tests fail without a mutant, too: mend that first\n")
        tests.seconds = 5 + 2 * cpu_seconds()  # both servers' tests took so long
        for mutant in tried[: options.sample]:
            if time.monotonic() - begun > options.seconds:
                break
            file = path(mutant.module, tests.root)
            original = file.read_bytes()
            file.write_bytes(mutant.source)
            try:
                failed = tests.fail(mutant.module)
            except KeyboardInterrupt:
                break
            if failed:
                killed[mutant.module] += 1
            else:
                survived[mutant.module] += 1
                print(mutant.told(), flush=True)
            file.write_bytes(original)
    for name in NAMES.split():
        if killed[name] + survived[name]:
            print(f"{name}: {killed[name]} of {killed[name] + survived[name]} killed")
    count, all_of_them = killed.total(), killed.total() + survived.total()
    print(
        f"{count} of {all_of_them} killed, of {len(every)} mutants; {len(every) - len(tried)} more are equivalent;"
        f" {cpu_seconds():.0f} s of CPU"
    )
    return 0 if count >= ENOUGH * all_of_them else 1


if __name__ == "__main__":
    sys.exit(main())
