"""Make a bundle of webhal for CircuitPython's drives, laid out as circup's bundles are.

    python tools/circuitpython_bundle.py [--minimal] [--mpy-cross PATH] [--to FOLDER]    writes a zip and its .json
    python tools/circuitpython_bundle.py [--minimal] --list                              prints the files with bytes

In the zip: lib/, for the drive's own; examples/, each of which can be the drive's code.py; requirements/, which say
that no library is needed. PATH is the mpy-cross of the board's CircuitPython version; without it the files are source.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / folder) for folder in ("core", "ports/cpython", "ports/circuitpython")]

from webhal_cpython.compiling import for_board  # noqa: E402
from webhal_cpython.deploying.library import select  # noqa: E402

PACKAGES = ("webhal", "webhal_circuitpython")
EXAMPLES = ("any_request", "api", "hello_world", "pin")
COMPILE_TIMEOUT_S = 60


class BundleError(Exception):
    """Says in one line why there is no bundle."""


def version() -> str:
    for line in (ROOT / "pyproject.toml").read_text().splitlines():
        if line.startswith("version = "):
            return line.split('"')[1]
    raise BundleError("pyproject.toml has no version")


def library(minimal: bool) -> dict[str, str]:
    """The source of the files in lib/, by name."""
    program: list[ast.Module] = []  # that shows to use nothing
    files = {}
    for name, path in select(program, "circuitpython", "minimal" if minimal else "full").items():
        files[name] = for_board(path.read_text(encoding="utf-8"))
        if name.endswith("__init__.py"):
            files[name] += f'\n__version__ = "{version()}"\n'  # circup reads it
    return files


def compiled(name: str, source: str, mpy_cross: Path) -> bytes:
    """The bytecode of a file."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, Path(name).name), Path(folder, "compiled.mpy")
        before.write_text(source, encoding="utf-8")
        try:
            command = [str(mpy_cross), "-s", name, "-o", str(after), str(before)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BundleError(f"{mpy_cross} cannot be run: {error}") from error
        if done.returncode:
            raise BundleError(f"{mpy_cross} does not compile {name}: {done.stderr.strip().splitlines()[-1:]}")
        code = after.read_bytes()
    if code[:1] != b"C":
        raise BundleError(f"{mpy_cross} is not CircuitPython's: what it makes begins with {code[:1]!r}, not with b'C'")
    return code


def contents(minimal: bool, mpy_cross: Path | None) -> dict[str, bytes]:
    """All files of the bundle, by name."""
    files: dict[str, bytes] = {}
    for name, source in library(minimal).items():
        if mpy_cross:
            files[f"lib/{name[:-3]}.mpy"] = compiled(name, source, mpy_cross)
        else:
            files[f"lib/{name}"] = source.encode()
    for name in EXAMPLES:
        files[f"examples/{name}.py"] = (ROOT / f"examples/{name}.py").read_bytes()
    for package in PACKAGES:
        others = "" if package == "webhal" else "webhal\n"
        files[f"requirements/{package}/requirements.txt"] = others.encode()
    return files


def description() -> str:
    """What circup calls a bundle's JSON."""
    return json.dumps(
        {
            package: {
                "package": True,
                "pypi_name": "webhal",
                "version": version(),
                "path": f"lib/{package}",
                "dependencies": [] if package == "webhal" else ["webhal"],
                "external_dependencies": [],
            }
            for package in PACKAGES
        },
        indent=2,
    )


def write(folder: Path, minimal: bool, mpy_cross: Path | None) -> list[Path]:
    """The files written: the zip, which is the same for the same sources, and its JSON."""
    stem = f"webhal-circuitpython-{'minimal-' if minimal else ''}{'mpy' if mpy_cross else 'py'}-{version()}"
    files = contents(minimal, mpy_cross)
    folder.mkdir(parents=True, exist_ok=True)
    archive, about = folder / f"{stem}.zip", folder / f"{stem}.json"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in sorted(files):
            bundle.writestr(zipfile.ZipInfo(f"{stem}/{name}"), files[name], zipfile.ZIP_DEFLATED)
    about.write_text(description() + "\n")
    return [archive, about]


def print_list(minimal: bool) -> None:
    sizes = {name: len(source.encode()) for name, source in library(minimal).items()}
    for name, size in sizes.items():
        print(f"{name:40}{size:>8,}")
    print(f"{f'{len(sizes)} files':40}{sum(sizes.values()):>8,}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Make a bundle of webhal for CircuitPython's drives.")
    parser.add_argument("--minimal", action="store_true", help="without what an application may not use")
    parser.add_argument("--mpy-cross", type=Path, metavar="PATH", help="compile with CircuitPython's mpy-cross")
    parser.add_argument("--to", type=Path, metavar="FOLDER", default=ROOT / "dist", help="(default: dist)")
    parser.add_argument("--list", action="store_true", help="print the files of lib/ with their bytes instead")
    options = parser.parse_args()
    try:
        if options.list:
            print_list(options.minimal)
        else:
            for path in write(options.to, options.minimal, options.mpy_cross):
                print(path)
    except BundleError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
