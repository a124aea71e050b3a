"""The command line `webhal`: finds the command's module and lets it work.

A command is a module of this package with `configure(parser)`, which adds its arguments, and `main(arguments)`,
which returns the exit code. It is imported when its command is given. Errors are one line on standard error.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

COMMANDS = {  # module and summary by name
    "run": ("running.command", "serve an application file on this machine"),
    "routes": ("routes", "print an application's routes, with handlers and places"),
    "check": ("check", "say what in an application file a board will not run"),
    "build-templates": ("templating.command", "make of a folder of templates what boards take"),
    "new": ("new", "make a folder for a new application"),
    "build-assets": ("assets", "compress static files, and take their fingerprints"),
    "deploy": ("deploying.deploy", "put an application on a board, and see that it serves"),
    "devices": ("deploying.devices", "list the boards that are found"),
    "monitor": ("deploying.monitor", "show what a board prints, and type to it"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. Raises SystemExit for wrong arguments and after --help."""
    argv = sys.argv[1:] if argv is None else argv
    summaries = "".join(f"  {name:16}{summary}\n" for name, (_, summary) in COMMANDS.items())
    parser = _Parser(
        prog="webhal",
        usage="webhal COMMAND …",
        epilog=f"commands:\n{summaries}\n`webhal COMMAND --help` tells more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version of webhal")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help=argparse.SUPPRESS)
    name = parser.parse_args(argv[:1]).command

    module, summary = COMMANDS[name]
    command = importlib.import_module("webhal_cpython." + module)
    parser = _Parser(prog="webhal " + name, description=summary)
    command.configure(parser)
    return int(command.main(parser.parse_args(argv[1:])))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(complain(f"{message} (see {self.prog} --help)", 2))


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *given: object) -> NoReturn:
        from importlib.metadata import version  # which takes as long to load as all the rest

        print("webhal", version("webhal"))
        parser.exit()


def complain(message: str, code: int = 1) -> int:
    """Say on standard error what went wrong; returns the exit code."""
    print("webhal:", printable(message), file=sys.stderr)
    return code


def printable(text: str) -> str:
    """`text` with escapes for what could move a terminal's cursor, or begin a line."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
