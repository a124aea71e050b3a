"""`webhal devices`: lists the boards that are found, and what each is."""

from __future__ import annotations

import argparse
import sys

from webhal_cpython.cli import complain, printable
from webhal_cpython.deploying import DeployError, finding
from webhal_cpython.deploying.board import held
from webhal_cpython.deploying.together import each


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "targets", metavar="TARGET", nargs="*", help="look at these too, for example http://board.local"
    )
    parser.add_argument("--password", metavar="PASSWORD", help="of the web workflow")


def main(arguments: argparse.Namespace) -> int:
    try:
        targets = [*dict.fromkeys([*finding.targets(), *arguments.targets])]
    except DeployError as error:
        return complain(str(error))
    if not targets:
        return complain("no board found; is it plugged in, with a cable that has data lines?")
    print("Looking at what is found interrupts the programs of MicroPython boards.", file=sys.stderr)
    lines = each(lambda target: describe(target, arguments.password), targets, stop=lambda: None)
    width = max(map(len, targets))
    for target, (_, line) in zip(targets, lines, strict=True):
        print(f"{printable(target):{width}}  {printable(line)}")
    return 0 if all(good for good, _ in lines) else 1


def describe(target: str, password: str | None) -> tuple[bool, str]:
    """Whether it is a board, and which one; its program runs on, or starts anew."""
    try:
        board = finding.open_board(target, password)
        with held(board):
            return True, str(board.facts)
    except DeployError as error:
        return False, str(error).split("\n")[0].removeprefix(target).removeprefix(": ")
