"""`webhal monitor`: shows what a board prints; at a terminal, what is typed goes to the board. By mpremote's own.

In tracebacks, places in what the templates of the current folder became are told as those in the templates.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from webhal_cpython.cli import complain
from webhal_cpython.deploying import DeployError, finding
from webhal_cpython.deploying.console import Console, with_places
from webhal_cpython.deploying.drive import DriveBoard
from webhal_cpython.deploying.serial_board import open_line

_PLACE = 'File "'  # how a line of a traceback begins
_LOOK_S = 0.2  # between two looks


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target", metavar="TARGET", nargs="?", help="a serial port, socket://HOST:PORT, or a drive's folder"
    )


def main(arguments: argparse.Namespace) -> int:
    try:
        port = _port(arguments.target) if arguments.target else _only_one()
        typed = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
        talk, ends = (_talk, "Ctrl-] ends; Ctrl-C goes to the board") if typed else (_show, "Ctrl-C ends")
        was_there = False
        while True:
            try:
                if not talk(port, f"{port} ({ends})"):
                    return 0
                was_there = True
                print(
                    f"{port} has gone, as native USB does with a reset: waiting for it (Ctrl-C ends)", file=sys.stderr
                )
            except DeployError:
                if not was_there:
                    raise
            time.sleep(_LOOK_S)
    except KeyboardInterrupt:
        return 0
    except DeployError as error:
        return complain(str(error))


def _show(port: str, greeting: str) -> bool:
    """Print what comes, until the port has gone. Raises DeployError if it cannot be opened."""
    console = Console(port)
    told = _Told()
    try:
        print(greeting, file=sys.stderr)
        while True:
            try:
                text = console.hear(_LOOK_S).decode("utf-8", "replace").replace("\r\n", "\n")
            except DeployError:
                return True
            sys.stdout.write(told(text))
            sys.stdout.flush()
    finally:
        console.close()


def _talk(port: str, greeting: str) -> bool:
    """What is typed goes to the board; whether the port has gone. Raises DeployError if it cannot be opened."""
    line = open_line(port)
    from mpremote.console import Console as Terminal
    from mpremote.repl import do_repl_main_loop

    terminal = Terminal()
    told = _Told()
    try:
        terminal.enter()
        terminal.write(f"{greeting}\r\n".encode())
        return bool(
            do_repl_main_loop(
                SimpleNamespace(transport=line),
                terminal,
                lambda said: terminal.write(told(said.decode("latin-1")).encode("latin-1")),
                escape_non_printable=False,
                code_to_inject=None,
                file_to_inject=None,
            )
        )
    except OSError:
        return True
    finally:
        terminal.exit()
        line.serial.close()


class _Told:
    """What a board says, in parts, with places in templates: a line that may tell one is told when it is whole."""

    def __init__(self) -> None:
        self.held = ""

    def __call__(self, said: str) -> str:
        said = self.held + said
        start = said.rfind("\n") + 1
        line = said[start:].lstrip(" ")
        self.held = said[start:] if line.startswith(_PLACE) or (line and _PLACE.startswith(line)) else ""
        return with_places(said[: len(said) - len(self.held)], Path())


def _port(target: str) -> str:
    """The serial port of the board at `target`."""
    if finding.kind(target) == "web workflow":
        raise DeployError(f"open {target.rstrip('/')}/cp/serial/ in a browser: that is where this board's output is")
    if finding.kind(target) == "serial":
        return target
    port = DriveBoard(target).console
    if not port:
        raise DeployError(f"no serial port of the board with the drive {target} is found; name it")
    return port


def _only_one() -> str:
    found = [target for target in finding.targets() if finding.kind(target) == "serial"]
    if len(found) != 1:
        raise DeployError(
            f"{len(found)} boards found; name one: {' '.join(found)}" if found else "no board found; is it plugged in?"
        )
    return found[0]
