"""`webhal build-templates`: makes of a folder of templates what boards take, beside them; building.py does it."""

import argparse
from pathlib import Path

from webhal_cpython.cli import complain


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", type=Path, help="the folder of an application's templates")


def main(arguments: argparse.Namespace) -> int:
    folder = arguments.folder
    if not folder.is_dir():
        return complain(f"{folder} is no folder", 2)
    try:
        from webhal_cpython.templating.building import build
    except ImportError:
        return complain("Jinja2 is missing: pip install 'webhal[templates]'")
    refusals = build(folder, folder)
    for refusal in refusals:
        print(f"{folder}/{refusal}")
    return 1 if refusals else 0
