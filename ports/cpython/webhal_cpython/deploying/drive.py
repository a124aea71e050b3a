"""A CircuitPython board by its drive; its serial console, where it has one, tells the address."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from webhal_cpython.deploying import DeployError
from webhal_cpython.deploying.board import Advance, Facts
from webhal_cpython.deploying.console import Console
from webhal_cpython.deploying.plan import NEW, RECORD, Plan, digest

_CHUNK = 4096  # bytes between two signs of progress
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_BOOT_OUT = re.compile(r"Adafruit CircuitPython (\d+)\.(\d+)(?:\.(\d+))?\S* on [^;]*; (.*)")


class DriveBoard:
    """See board.Board."""

    main = "code.py"
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
        self.facts = Facts("circuitpython", version, name[1] if name else "", found[4].strip(), flash=free)
        uid = re.search(r"UID:(\w+)", text)
        self._console = console or (_port_of(uid[1]) if uid else None)
        self._open_console: Console | None = None

    def close(self) -> None:
        if self._open_console:
            self._open_console.close()

    # -- files --------------------------------------------------------------------------------------

    def complete(self) -> None:
        """Nothing: os.replace has no steps."""

    def read(self, path: str) -> bytes | None:
        try:
            return (self._root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise self._cannot(error) from error

    def hashes(self, paths: Iterable[str]) -> dict[str, str]:
        return {path: digest(data) for path in paths if (data := self.read(path)) is not None}

    def apply(self, plan: Plan, advance: Advance) -> None:
        if not plan.send and not plan.remove and self.read(RECORD) == plan.record:
            return
        try:
            self._write(RECORD, plan.union)
            os.replace(self._root / (RECORD + NEW), self._root / RECORD)
            for path, data in plan.send.items():
                self._write(path, data, advance)
            for path, copy in plan.keep.items():
                self._write(copy, (self._root / path).read_bytes())
                os.replace(self._root / (copy + NEW), self._root / copy)
            for path in sorted(plan.send, key=lambda path: path == self.main):
                os.replace(self._root / (path + NEW), self._root / path)
            for path in plan.remove:
                (self._root / path).unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    (self._root / path).parent.rmdir()
            self._write(RECORD, plan.record)
            os.replace(self._root / (RECORD + NEW), self._root / RECORD)
        except OSError as error:
            if error.errno in _FULL:
                for path in plan.send:
                    with contextlib.suppress(OSError):
                        (self._root / (path + NEW)).unlink(missing_ok=True)
            raise self._cannot(error) from error

    def _write(self, path: str, data: bytes, advance: Advance = lambda count: None) -> None:
        file = self._root / (path + NEW)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as out:
            for start in range(0, len(data), _CHUNK):
                advance(out.write(data[start : start + _CHUNK]))
            out.flush()
            os.fsync(out.fileno())

    def _cannot(self, error: OSError) -> DeployError:
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            return DeployError(
                f"{self.target} is read-only: press the board's reset button, or remove what its boot.py remounts"
            )
        if error.errno in _FULL:
            return DeployError(f"{self.target} is full; remove files that are not needed")
        return DeployError(f"{self.target}: {error.strerror}; plug the board in again and repeat the command")

    # -- starting -----------------------------------------------------------------------------------

    def start(self) -> None:
        """What was written starts the board anew; by its console it is started at once, and anyway."""
        if self._console:
            self._open_console = Console(self._console)
            self._open_console.restart()

    def address(self) -> str:
        if not self._open_console:
            raise DeployError(
                f"{self.target}: all is sent, but no serial port of this board is found that tells its address;"
                " name it with --console, or leave the check out with --no-verify"
            )
        return self._open_console.address()


def _port_of(uid: str) -> str | None:
    """The serial port of the board with this UID."""
    try:
        from serial.tools.list_ports import comports
    except ImportError:
        return None
    return next((port.device for port in comports() if (port.serial_number or "").upper() == uid.upper()), None)
