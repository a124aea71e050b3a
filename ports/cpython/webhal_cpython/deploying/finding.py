"""Which boards there are, and the board that a TARGET names."""

from __future__ import annotations

import os
import re
from pathlib import Path

from webhal_cpython.deploying import DeployError
from webhal_cpython.deploying.board import Board

BOARDS = "WEBHAL_BOARDS"  # further TARGETs, separated by spaces, that are always looked for


def targets() -> list[str]:
    """Serial ports of boards, CIRCUITPY drives, and what WEBHAL_BOARDS names."""
    return [*dict.fromkeys([*serial_ports(), *map(str, drives()), *os.environ.get(BOARDS, "").split()])]


def serial_ports() -> list[str]:
    """Those that mpremote would choose from: of USB devices."""
    try:
        from serial.tools.list_ports import comports
    except ImportError as error:
        raise DeployError("mpremote is missing: pip install 'webhal[deploy]'") from error
    return sorted(port.device for port in comports() if port.vid is not None)


def drives() -> list[Path]:
    """Mounted drives that are a CircuitPython board's."""
    places: list[Path] = []
    for pattern in ("/media/*/*", "/run/media/*/*", "/media/*", "/mnt/*", "/Volumes/*"):
        places += Path("/").glob(pattern[1:])
    if os.name == "nt":
        places += [Path(f"{letter}:\\") for letter in "DEFGHIJKLMNOPQRSTUVWXYZ"]
    return sorted({place for place in places if (place / "boot_out.txt").is_file()})


def open_board(target: str, password: str | None = None, console: str | None = None) -> Board:
    """Connect to the board. Raises DeployError, whose text begins with the target or says what it is not."""
    if target.startswith(("http://", "https://")):
        from webhal_cpython.deploying.workflow import WorkflowBoard

        return WorkflowBoard(target, password)
    if os.path.isdir(target):
        from webhal_cpython.deploying.drive import DriveBoard

        return DriveBoard(target, console)
    from webhal_cpython.deploying.serial_board import SerialBoard

    return SerialBoard(target)


def kind(target: str) -> str:
    if re.match("https?://", target):
        return "web workflow"
    return "drive" if os.path.isdir(target) else "serial"
