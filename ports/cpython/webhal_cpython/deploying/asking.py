"""What the user is asked for: the WiFi to join, and its password."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable

from webhal_cpython.deploying import DeployError


def can_answer() -> bool:
    """Whether somebody is there, at a terminal."""
    return bool(sys.stdin and sys.stdin.isatty())


def wifi() -> str:
    """The name of a network; "" for none."""
    return _typed(input, "The WiFi to join (Enter: none): ").strip()


def password(name: str) -> str:
    """Of this network. Raises DeployError where it is to be on standard input and is not."""
    if can_answer():
        return _typed(getpass.getpass, f"Password of the WiFi {name}: ")
    line = sys.stdin.readline() if sys.stdin else ""
    if not line:
        raise DeployError("there is no password on standard input; an empty line is that of an open network")
    return line.rstrip("\n")


def _typed(ask: Callable[[str], str], prompt: str) -> str:
    """What is typed; "" for the end of the input."""
    try:
        return ask(prompt)
    except EOFError:
        return ""
