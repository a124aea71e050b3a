"""`webhal build-assets`: what can be done to static files beforehand, so that no server does it for each client.

Beside each file that becomes smaller a compressed one (.gz, and .br where the package brotli is installed), and in
.assets the fingerprints of all, which webhal.assets reads. Files keep their names: a server that knows the fingerprint
finds the file.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import hashlib
import importlib.util
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from webhal import HTTPError
from webhal.static import judge
from webhal_cpython.cli import complain

MANIFEST = ".assets"
SUFFIXES = (".gz", ".br")
_DIGITS = 12  # of a fingerprint, as in webhal.assets
_WORTH = 0.95  # of its size a compressed file may have; one that saves less is only one more file


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder that StaticFiles serves")


def main(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.folder
    if not folder.is_dir():
        return complain(f"there is no folder {folder}")
    try:
        files = build(folder)
    except OSError as error:
        return complain(f"cannot write {error.filename}: {error.strerror}")
    for suffix in SUFFIXES:
        made = [name for name in files if (folder / (name + suffix)).is_file()]
        before = sum((folder / name).stat().st_size for name in made)
        after = sum((folder / (name + suffix)).stat().st_size for name in made)
        print(f"{suffix}  {len(made)} of {len(files)} files, {before:,} bytes become {after:,}")
    if not importlib.util.find_spec("brotli"):
        print("without .br: pip install brotli")
    return 0


def build(folder: Path) -> list[str]:
    """Bring the compressed files and the manifest of a folder up to date; the names of its files. Raises OSError."""
    manifest = folder / MANIFEST
    before = manifest.read_text("utf-8").splitlines() if manifest.is_file() else []
    for name in (line.split(" ", 2)[2] for line in before):
        if not (folder / name).is_file():  # what was made of it would be served in its place
            for suffix in SUFFIXES:
                (folder / (name + suffix)).unlink(missing_ok=True)
    found = list(names(folder))
    lines = []
    for name in found:
        data = (folder / name).read_bytes()
        write_siblings(folder / name, data)
        lines.append(entry(name, data) + "\n")
    write(manifest, "".join(lines).encode())
    return found


def names(folder: Path) -> Iterator[str]:
    """The paths in the folder of the files that StaticFiles serves, but for compressed siblings."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        sibling = path.suffix in SUFFIXES and path.with_suffix("").is_file()
        if path.is_file() and not path.is_symlink() and not sibling and "\n" not in name:
            try:
                judge(name)
            except HTTPError:
                continue
            yield name


def entry(name: str, data: bytes) -> str:
    """A file's line of the manifest."""
    return f"{hashlib.sha256(data).hexdigest()[:_DIGITS]} {len(data)} {name}"


def compress(data: bytes, suffix: str) -> bytes | None:
    """The content of a sibling; None where there is none that is worth it, or nothing that makes it."""
    if suffix == ".gz":
        made = gzip.compress(data, 9, mtime=0)
    elif importlib.util.find_spec("brotli"):
        made = importlib.import_module("brotli").compress(data)
    else:
        return None
    return made if len(made) <= _WORTH * len(data) else None


def static_folders(trees: Iterable[ast.AST]) -> set[str]:
    """The folders beside programs that they serve, as far as that can be read in them: StaticFiles("static")."""
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = [ast.unparse(call.func).split(".")[-1] for call in calls]
    first = [call.args[0] for call, name in zip(calls, names, strict=True) if name == "StaticFiles" and call.args]
    texts = [each.value for each in first if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    paths = [PurePosixPath(text) for text in texts]
    return {str(path) for path in paths if path.parts and not path.is_absolute() and ".." not in path.parts}


def pack(files: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    """The files of a board, where those in `folder` are static: compressed where that is worth it, and a manifest.

    A board has either a file or the compressed one. None has .br: browsers take that over TLS only.
    """
    prefix = folder + "/"
    made = {}
    lines = []
    for name, data in files.items():
        if not name.startswith(prefix):
            made[name] = data
        elif name[-3:] not in SUFFIXES or name[:-3] not in files:  # else it is a sibling, perhaps of an earlier content
            small = compress(data, ".gz")
            made[name if small is None else name + ".gz"] = data if small is None else small
            lines.append(entry(name[len(prefix) :], data) + "\n")
    if lines:
        made[prefix + MANIFEST] = "".join(lines).encode()
    return made


def write_siblings(path: Path, data: bytes) -> None:
    """Write what is worth it, and remove what is not. A sibling has the file's time, by which it is known again."""
    time = path.stat().st_mtime_ns
    for suffix in SUFFIXES:
        sibling = path.with_name(path.name + suffix)
        if sibling.is_file() and sibling.stat().st_mtime_ns == time:
            continue
        made = compress(data, suffix)
        if made is None:
            sibling.unlink(missing_ok=True)
        else:
            write(sibling, made)
            os.utime(sibling, ns=(time, time))


def write(path: Path, data: bytes) -> None:
    """Write a file as a whole or not at all, for a server may be reading it."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(data)
    temporary.replace(path)
