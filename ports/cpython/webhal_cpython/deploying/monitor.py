"""`webhal monitor`: shows what a board prints, until Ctrl-C."""

from __future__ import annotations

import argparse
import sys

from webhal_cpython.cli import complain
from webhal_cpython.deploying import DeployError, finding
from webhal_cpython.deploying.console import Console
from webhal_cpython.deploying.drive import DriveBoard


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target", metavar="TARGET", nargs="?", help="a serial port, socket://HOST:PORT, or a drive's folder"
    )


def main(arguments: argparse.Namespace) -> int:
    try:
        console = Console(_port(arguments.target) if arguments.target else _only_one())
        try:
            print(f"{console.port} (Ctrl-C ends)", file=sys.stderr)
            while True:
                sys.stdout.write(console.hear(0.2).decode("utf-8", "replace").replace("\r\n", "\n"))
                sys.stdout.flush()
        except KeyboardInterrupt:
            return 0
        finally:
            console.close()
    except DeployError as error:
        return complain(str(error))


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
