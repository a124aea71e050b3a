"""settings.toml: what is changed in it, line by line, so that all else in it stays as it is."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from webhal_cpython.deploying import DeployError

SSID = "CIRCUITPY_WIFI_SSID"
PASSWORD = "CIRCUITPY_WIFI_PASSWORD"
AP_SSID = "WEBHAL_AP_SSID"
NAME = "settings.toml"

_LINE = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$")


def parse(text: str) -> dict[str, str]:
    """The values as they are written, in quotes or not, by name."""
    return {found[1]: found[2] for line in text.splitlines() if (found := _LINE.match(line))}


def value(written: str) -> str:
    """A value as boards read it."""
    if written[:1] == '"' and (found := re.match(r'"((?:[^"\\]|\\.)*)"', written)):
        return re.sub(r"\\(.)", r"\1", found[1])
    if written[:1] == "'" and (found := re.match(r"'([^']*)'", written)):
        return found[1]
    return written.split("#")[0].strip()


def quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def merge(text: str, changes: dict[str, str]) -> str:
    """`text` with these values, as they are to be written."""
    if not changes:
        return text
    lines = text.splitlines()
    missing = dict(changes)
    for index, line in enumerate(lines):
        found = _LINE.match(line)
        if found and found[1] in changes:
            missing.pop(found[1], None)
            if found[2] != changes[found[1]]:
                lines[index] = f"{found[1]} = {changes[found[1]]}"
    lines += [f"{name} = {written}" for name, written in missing.items()]
    return "\n".join(lines) + "\n" if lines else ""


def read_own(folder: Path) -> tuple[str, bool]:
    """The application's settings on this machine, "" if there are none; and whether others can read them.

    Raises DeployError when they cannot be read.
    """
    path = folder / NAME
    try:
        text = path.read_text(encoding="utf-8")
        return text, os.name == "posix" and bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    except FileNotFoundError:
        return "", False
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from error


def hide_own(folder: Path) -> None:
    """From now on nobody else can read them. Raises DeployError where that is not allowed."""
    try:
        (folder / NAME).chmod(0o600)
    except OSError as error:
        raise DeployError(f"others can read {folder / NAME}, and it cannot be changed: {error.strerror}") from error


def write_own(folder: Path, text: str) -> None:
    """Nobody else may read it."""
    path = folder / NAME
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")
