"""`webhal check FILE…`: says what in application files will not run on a board, and what to write instead.

What a board lacks is known to dialect.py, how memory is measured to deploying/memory.py; here are only files and the
command line.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from webhal_cpython import dialect
from webhal_cpython.cli import complain
from webhal_cpython.dialect_rules import TARGETS


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", help="a Python file that a board is to run")
    parser.add_argument(
        "--target",
        action="append",
        choices=TARGETS,
        help="the board's kind; may be given several times (default: all)",
    )
    parser.add_argument(
        "--memory", action="store_true", help="measure what one FILE takes of the memory of one --target, simulated"
    )
    parser.add_argument(
        "--with",
        dest="assets",
        metavar="DIR_OR_FILE",
        action="append",
        type=Path,
        help="with --memory: what is deployed with FILE, as `webhal deploy` takes it",
    )


def main(arguments: argparse.Namespace) -> int:
    if arguments.memory:
        from webhal_cpython.deploying import memory  # which needs what `webhal deploy` needs

        return memory.main(arguments)
    lines: list[str] = []
    for path in arguments.files:
        try:
            lines += complaints(path, arguments.target or TARGETS)
        except IsADirectoryError:
            return complain(f"{path} is a directory; name the files in it", 2)
        except OSError as error:
            return complain(f"cannot read {path}: {error.strerror}", 2)
    for line in dict.fromkeys(lines):  # programs may have templates in common
        print(line)
    return 1 if lines else 0


def complaints(path: str, targets: Sequence[str]) -> Iterator[str]:
    """A line for each thing in the file, and in its templates, that does not work on `targets`.

    Raises OSError when it cannot be read.
    """
    with open(path, "rb") as file:
        source = file.read()
    try:
        for finding in dialect.check(source, targets, _beside(path)):
            yield f"{path}:{finding}"
    except SyntaxError as error:
        yield f"{path}:{error.lineno or 1}:{error.offset or 1}: not Python: {error.msg}"
    except ValueError as error:
        yield f"{path}:1:1: not Python: {error}"
    folder = Path(path).parent / "templates"
    if b"webhal.templates" in source and folder.is_dir():
        yield from _of_templates(folder, targets)


def _of_templates(folder: Path, targets: Sequence[str]) -> Iterator[str]:
    try:
        from webhal_cpython.templating import building
    except ImportError:
        yield f"{folder}: templates cannot be checked without Jinja2; pip install 'webhal[templates]'"
        return
    yield from building.complaints(folder)
    filters = folder / "filters.py"
    if filters.exists():
        yield from complaints(str(filters), targets)


def _beside(path: str) -> set[str]:
    """The modules in an application's folder, which are sent to the board with it; in a package there are none."""
    folder = os.path.dirname(path) or "."
    names = os.listdir(folder)
    return set() if "__init__.py" in names else {name.removesuffix(".mpy").removesuffix(".py") for name in names}
