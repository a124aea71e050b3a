"""What the manager of a service wants of a process: to be told its state (systemd's sd_notify), and a file with its id;
and whether there is none, but a terminal, by which SIGHUP means another thing.

Nothing here decides about service: without a manager, or where it does not listen, nothing is told.
"""

import contextlib
import os
import socket as bsd
import sys
import time
from collections.abc import Iterator
from socket import socket as Socket


class Terminal:
    """The one that this process was started in, if any. SIGHUP tells that it has gone; else, it asks for a reload."""

    def __init__(self) -> None:
        self._input = sys.stdin.fileno() if sys.stdin and sys.stdin.isatty() else -1

    def gone(self) -> bool:
        return self._input >= 0 and not os.isatty(self._input)


class PidError(Exception):
    """The file for the process's id cannot be written."""


def notify(*lines: str) -> None:
    """Tell systemd, where it started this process to be told (Type=notify): "READY=1", "STOPPING=1" and so on."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        if address[0] == "@":  # of Linux's names without a file
            address = "\0" + address[1:]
        with contextlib.suppress(OSError), Socket(bsd.AF_UNIX, bsd.SOCK_DGRAM) as socket:
            socket.setblocking(False)
            socket.sendto("\n".join(lines).encode(), address)


def notify_reloading() -> None:
    """Tell it that "READY=1" comes anew, when the service has reloaded (Type=notify-reload)."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_s() -> float:
    """Seconds after which "WATCHDOG=1" is to be told again and again: half of what is allowed; 0 where nobody asks."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    return int(os.environ.get("WATCHDOG_USEC", "0")) / 2_000_000


@contextlib.contextmanager
def pid_file(path: str) -> Iterator[None]:
    """Write this process's id into a file, which goes at the end. Raises PidError."""
    own = f"{os.getpid()}\n"
    try:
        with open(path, "w") as file:
            file.write(own)
    except OSError as error:
        raise PidError(f"cannot write the process's id into {path}: {error.strerror}") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            with open(path) as file:
                same = file.read() == own
            if same:  # not of another that was started meanwhile
                os.unlink(path)
