"""`webhal monitor`: shows what a board prints, until Ctrl-C."""

from __future__ import annotations

import argparse
import sys

from webhal_cpython.cli import complain
from webhal_cpython.deploying import DeployError, finding
from webhal_cpython.deploying.console import Console


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TARGET", nargs="?", help="a serial port, or socket://HOST:PORT")


def main(arguments: argparse.Namespace) -> int:
    try:
        console = Console(arguments.target or _only_one())
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


def _only_one() -> str:
    found = [target for target in finding.targets() if finding.kind(target) == "serial"]
    if len(found) != 1:
        raise DeployError(
            f"{len(found)} boards found; name one: {' '.join(found)}" if found else "no board found; is it plugged in?"
        )
    return found[0]
