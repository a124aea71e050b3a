"""What a board prints: waiting for the application to tell where it listens, or for what went wrong instead."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from webhal_cpython.deploying import DeployError

_BAUD = 115200
_START_S = 60  # from a start until it listens; joining WiFi may take 30 s
_SETTLE_S = 1  # from then, at most, until the board says no more
_STOP_S = 5  # from Ctrl-C to the program's end; it may be busy
_TAIL = 200  # bytes in which the end of a program is looked for
_OPEN_S = 15  # for a connection to a console
_PAUSE_S = 0.1  # between two looks
_MOST = 65536  # bytes that are remembered of what it says
_LISTENING = re.compile(r"webhal: listening at (\S+), port (\d+)\s")  # webhal/starting.py prints it
_AT = re.compile(r"webhal: the board is at ([^\s,]+)[\s,]")  # the ports do, once they have joined
_ENDS = (">>>", "Code done running.", "Use CTRL-D to reload.")  # the application is not running any more
_TITLE = re.compile(r"\x1b\].*?(?:\x1b\\|\x07|\Z)", re.DOTALL)


def with_places(said: str, folder: Path) -> str:
    """What a board says; places in what the templates of an application in `folder` became are told as theirs."""
    if 'File "templates/' not in said:
        return said
    try:
        from webhal_cpython.templating import building
    except ImportError:  # there is no Jinja2
        return said
    return building.with_places(said, folder / "templates")


def wait_for_address(
    hear: Callable[[float], bytes], target: str, port: int | None, show: Callable[[bytes], None]
) -> tuple[str, int]:
    """Host and port in what the board says. `hear` waits so many seconds for more of it.

    `port`: the one to take; then an address is enough. `show` gets all that it says, if it listens.

    Raises DeployError with what the board says instead, after _START_S at the latest.
    """
    give_up = time.monotonic() + _START_S
    said = b""
    place = None
    while time.monotonic() < give_up:
        more = hear(_PAUSE_S)
        said = (said + more)[-_MOST:]
        text = plain(said)
        expect_running(text, target)
        if place and not more:
            break
        if not place:
            place = _LISTENING.search(text) or port and _AT.search(text)
            if place:  # what comes with it may be a traceback, and is not to be lost
                give_up = time.monotonic() + _SETTLE_S
    if place:
        show(said)
        return place[1], port or int(place[2])
    raise DeployError(
        f"{target}: the board does not tell within {_START_S} s that it listens; "
        + (f"it says:\n{last_words(plain(said))}" if said.strip() else "it says nothing")
    )


def plain(said: bytes) -> str:
    """Text without CircuitPython's titles for the terminal's window, in lines."""
    return _TITLE.sub("", said.decode("utf-8", "replace")).replace("\r\n", "\n")


def expect_running(text: str, target: str) -> None:
    """Raise DeployError if the board says that the application runs no more."""
    if text.rstrip().endswith(_ENDS):
        raise DeployError(f"{target}: the application ended:\n{last_words(text)}")


def last_words(text: str) -> str:
    """From the last traceback on, else the last lines; without the REPL's own."""
    ours = (">>>", "MicroPython v", 'Type "h')
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(ours)]
    starts = [index for index, line in enumerate(lines) if line.startswith("Traceback ")]
    lines = lines[starts[-1] :] if starts else lines[-10:]
    return "\n".join("    " + "".join(sign if sign.isprintable() else "?" for sign in line) for line in lines)


def why_not(port: str) -> str:
    """Why a serial port cannot be opened, and what to do."""
    if "://" in port:
        return f"cannot connect to {port}"
    if os.name == "posix" and not os.path.exists(port):
        return f"there is no {port}; `webhal devices` lists the boards"
    if os.name == "posix" and not os.access(port, os.R_OK | os.W_OK):
        return f"no permission to use {port}; add yourself to the group {Path(port).group()}"
    return f"{port} is held by another program (Thonny, a monitor …), which is to be closed, or is no serial port"


class Console:
    """A serial console, for boards whose files come another way."""

    def __init__(self, port: str) -> None:
        self.port = port
        try:
            import serial
        except ImportError as error:
            raise DeployError("pyserial is missing: pip install 'webhal[deploy]'") from error
        try:
            self.line: Any = serial.serial_for_url(port, _BAUD, timeout=_PAUSE_S, write_timeout=5, exclusive=True)
        except (OSError, ValueError) as error:
            raise DeployError(why_not(port)) from error

    def close(self) -> None:
        self.line.close()

    def write(self, data: bytes) -> None:
        try:
            self.line.write(data)
        except OSError as error:
            raise DeployError(f"{self.port}: the board stopped answering; plug it in again") from error

    def restart(self, statement: bytes = b"") -> None:
        """End the program, have the board do one line of Python, and start the program anew."""
        try:
            self._ask(b"\r\x03\x03")
            if statement:
                self._ask(b"\r" + statement + b"\r")
        finally:  # a Ctrl-C at this computer does not leave the board without its program
            self.write(b"\x04")

    def _ask(self, data: bytes) -> None:
        """Send, and wait until the program has ended, and no prompt is on its way that would pass for a later one."""
        said = b""
        give_up = time.monotonic() + _STOP_S
        self.write(data)
        while time.monotonic() < give_up:
            more = self.hear(_PAUSE_S)
            said = said[-_TAIL:] + more
            if not more and plain(said).rstrip().endswith(_ENDS):
                break

    def address(self, port: int | None, show: Callable[[bytes], None]) -> tuple[str, int]:
        return wait_for_address(self.hear, self.port, port, show)

    def hear(self, seconds: float) -> bytes:
        try:
            self.line.timeout = seconds
            return bytes(self.line.read(max(1, self.line.in_waiting)))
        except OSError as error:
            raise DeployError(f"{self.port}: the board has gone; plug it in again") from error


class WebConsole(Console):
    """The same console, as CircuitPython's web workflow offers it: a WebSocket."""

    def __init__(self, url: str, token: str, port: str) -> None:
        """`token`: for HTTP's Basic authentication; `port`: what errors call it."""
        self.port = port
        try:
            from websockets.exceptions import WebSocketException
            from websockets.sync.client import connect
        except ImportError as error:
            raise DeployError("websockets is missing: pip install 'webhal[deploy]'") from error
        self._failures = (OSError, WebSocketException)
        self._held = contextlib.ExitStack()
        try:
            self.line = self._held.enter_context(
                connect(
                    url,
                    additional_headers={"Authorization": "Basic " + token},
                    compression=None,
                    ping_interval=None,
                    proxy=None,
                    open_timeout=_OPEN_S,
                    close_timeout=_PAUSE_S,
                )
            )
        except (OSError, WebSocketException) as error:
            raise DeployError(f"{port}: its console does not answer; reset the board and repeat the command") from error

    def close(self) -> None:
        self._held.close()

    def write(self, data: bytes) -> None:
        try:
            self.line.send(data.decode())  # text: the firmware passes over other frames
        except self._failures as error:
            raise DeployError(f"{self.port}: the board stopped answering; reset it and repeat the command") from error

    def hear(self, seconds: float) -> bytes:
        try:
            return bytes(self.line.recv(timeout=seconds, decode=False))
        except TimeoutError:
            return b""
        except self._failures as error:
            raise DeployError(f"{self.port}: the board has gone; reset it and repeat the command") from error
