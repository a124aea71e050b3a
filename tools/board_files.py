"""Which files a MicroPython board needs, and everything that is made from that one list.

    python tools/board_files.py               write package.json, package-minimal.json, manifest.py, the README's table
    python tools/board_files.py --list        print the files with their bytes, as source and compiled
    python tools/board_files.py --mpy DIR     compile all files into DIR, with a package.json for them

mip installs what a package.json names; manifest.py freezes webhal into a firmware. Which files are of no use to a
board, and which are optional, stands where `webhal deploy` has it, too: in deploying/library.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {"webhal": "core", "webhal_micropython": "ports/micropython"}  # packages, and where they are
README = "ports/micropython/README.md"  # has a table of the files between these lines
BEGIN = "<!-- files: tools/board_files.py -->\n"
END = "<!-- end of files -->\n"

sys.path[:0] = [str(ROOT / folder) for folder in ("core", "ports/cpython", "ports/micropython")]
from webhal_cpython.compiling import CompileError, compile_library  # noqa: E402
from webhal_cpython.deploying.library import OPTIONAL as _OPTIONAL  # noqa: E402
from webhal_cpython.deploying.library import PC_ONLY as _PC_ONLY  # noqa: E402
from webhal_cpython.deploying.library import shared_names  # noqa: E402

PC_ONLY = {name.replace(".", "/") + ".py" for name in _PC_ONLY}
OPTIONAL = {name.replace(".", "/") + ".py" for name in _OPTIONAL if name.split(".")[0] in FOLDERS}


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


def compile_all(folder: Path) -> None:
    """Compile all files into `folder`, add their package.json. Raises CompileError."""
    names = []
    shared = shared_names("micropython")
    for name in board_files():
        target = folder / Path(name).with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(compile_library((ROOT / source(name)).read_text(), shared))
        names.append(str(Path(name).with_suffix(".mpy")))
    (folder / "package.json").write_text(package_json([(name, name) for name in names]))


def sizes() -> dict[str, tuple[int, int]]:
    """Bytes of each file as source and compiled. Raises CompileError."""
    shared = shared_names("micropython")
    texts = {name: (ROOT / source(name)).read_text() for name in board_files()}
    return {name: (len(text.encode()), len(compile_library(text, shared))) for name, text in texts.items()}


def sums(files: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """What a full and a minimal installation have of the files' bytes."""
    counted = {"full": list(files), "minimal": board_files(minimal=True)}
    return {
        what: (sum(files[name][0] for name in names), sum(files[name][1] for name in names))
        for what, names in counted.items()
    }


def print_list() -> None:
    """Print each file with its bytes, then the sums. Raises CompileError."""
    files = sizes()
    print(f"{'bytes of':40}{'.py':>8}{'.mpy':>8}")
    for name, (py, mpy) in files.items():
        print(f"{name:40}{py:>8,}{mpy:>8,}{'  optional' if name in OPTIONAL else ''}")
    for what, (py, mpy) in sums(files).items():
        print(f"{what:40}{py:>8,}{mpy:>8,}")


def readme() -> str:
    """The port's README with its table as the files are. Raises CompileError."""
    files = sizes()
    lines = ["| bytes of | .py | .mpy | |", "| --- | ---: | ---: | --- |"]
    for name, (py, mpy) in files.items():
        lines.append(f"| {name} | {py:,} | {mpy:,} | {'full only' if name in OPTIONAL else ''} |")
    for what, (py, mpy) in sums(files).items():
        lines.append(f"| **{what}** | **{py:,}** | **{mpy:,}** | |")
    before, _, rest = (ROOT / README).read_text().partition(BEGIN)
    return before + BEGIN + "\n".join(lines) + "\n" + END + rest.partition(END)[2]


def main() -> int:
    parser = argparse.ArgumentParser(description="Make all that lists a board's files.")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--list", action="store_true", help="print the files with their bytes instead")
    how.add_argument("--mpy", type=Path, metavar="DIR", help="compile the files into DIR instead")
    options = parser.parse_args()
    try:
        if options.list:
            print_list()
        elif options.mpy:
            compile_all(options.mpy)
        else:
            for name, text in {**generated(), README: readme()}.items():
                (ROOT / name).write_text(text)
    except CompileError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
