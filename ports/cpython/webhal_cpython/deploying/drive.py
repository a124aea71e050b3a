"""A CircuitPython board by its drive; its serial console, where it has one, tells the address."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from webhal_cpython.deploying import DeployError
from webhal_cpython.deploying.board import Facts, Show
from webhal_cpython.deploying.circuitpython import RELOAD_S, Placing
from webhal_cpython.deploying.console import Console

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_LEAVE = b"import wifi; wifi.radio.stop_station()"  # what was joined: the firmware joins anew, with its settings
_BOOT_OUT = re.compile(r"Adafruit CircuitPython (\d+)\.(\d+)(?:\.(\d+))?\S* on [^;]*; (.*)")


class DriveBoard(Placing):
    """See board.Board."""

    own_port: int | None = None

    def __init__(self, target: str, console: str | None = None) -> None:
        """`console`: its serial port; by default the one with the board's UID."""
        self.target = target
        self._root = Path(target)
        try:
            text = (self._root / "boot_out.txt").read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise DeployError(f"{target} is no drive of a CircuitPython board: it has no boot_out.txt") from error
        found = _BOOT_OUT.search(text)
        if not found:
            raise DeployError(f"{target}: its boot_out.txt names no CircuitPython")
        version = tuple(int(part or 0) for part in found.group(1, 2, 3))
        name = re.search(r"Board ID:(\S+)", text)
        free = shutil.disk_usage(self._root).free
        block = os.statvfs(self._root).f_frsize if hasattr(os, "statvfs") else 4096
        self.facts = Facts("circuitpython", version, name[1] if name else "", found[4].strip(), flash=free, block=block)
        uid = re.search(r"UID:(\w+)", text)
        self.console = console or (_port_of(uid[1]) if uid else None)
        self._open_console: Console | None = None

    def close(self) -> None:
        if self._open_console:
            self._open_console.close()

    # -- files --------------------------------------------------------------------------------------

    def get(self, path: str) -> bytes | None:
        with self._in_words(path), contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return (self._root / path).read_bytes()
        return None

    def put(self, path: str, data: bytes) -> None:
        file = self._root / path
        with self._in_words(path):
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            self._written(file.parent)

    def move(self, path: str, to: str) -> None:
        with self._in_words(path):
            os.rename(self._root / path, self._root / to)
            self._written(self._root)

    def delete(self, path: str) -> None:
        file = self._root / path
        with self._in_words(path):
            if not file.exists():
                return
            file.unlink()
            self._written(file.parent)
        with contextlib.suppress(OSError):  # there are others, or it is the drive itself
            for folder in list(file.relative_to(self._root).parents)[:-1]:
                (self._root / folder).rmdir()

    def _written(self, folder: Path) -> None:
        """What was changed in a folder is to be on the board before what is changed next."""
        self.changed = True
        if os.name == "posix":  # Windows writes a removable drive's folders at once
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    @contextlib.contextmanager
    def _in_words(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
                words = "it is read-only: press the board's reset button, or remove what its boot.py remounts"
            elif error.errno in _FULL:
                words = f"it is full: there is no room for {path}; remove files that are not needed"
            else:
                words = f"{path}: {error.strerror}; plug the board in again and repeat the command"
            raise DeployError(f"{self.target}: {words}") from error

    # -- starting -----------------------------------------------------------------------------------

    def start(self, rejoin: bool) -> None:
        """What was written starts the board anew, a moment later; by its console it is started anyway, after that."""
        if self.console:
            if self.changed:
                time.sleep(RELOAD_S)
            if not self._open_console:
                self._open_console = Console(self.console)
            self._open_console.restart(_LEAVE if rejoin else b"")

    def address(self, port: int | None, show: Show) -> tuple[str, int]:
        if not self._open_console:
            raise DeployError(
                f"{self.target}: all is sent, but no serial port of this board is found that tells its address;"
                " name it with --console, or leave the check out with --no-verify"
            )
        return self._open_console.address(port, show)

    def hear(self, seconds: float) -> bytes:
        return self._open_console.hear(seconds) if self._open_console else b""


def _port_of(uid: str) -> str | None:
    """The serial port of the board with this UID."""
    try:
        from serial.tools.list_ports import comports
    except ImportError:
        return None
    return next((port.device for port in comports() if (port.serial_number or "").upper() == uid.upper()), None)
