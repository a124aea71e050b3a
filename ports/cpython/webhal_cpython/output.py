"""What is printed while a PC serves, tracebacks and the lines of `webhal run`, which must not decide about service:
nothing here raises, or waits long.

A line that a standard stream does not take is lost, and counted; the next one that it takes is preceded by the count.
So a full disk costs lines, and not requests, and a pipe that nobody reads, or a terminal that is stopped, costs a
tenth of a second once, until it is read again. Only a pipe without a reader is the end: then all goes nowhere.
"""

import errno
import os
import select
import traceback
from typing import TextIO

_PATIENCE_S = 0.1  # for a reader that is behind; one that does not catch up meanwhile is not waited for again
# A pipe that is ready takes at least 4096 bytes at once (Linux's PIPE_BUF; others take 512): longer lines might wait.


class Output:
    """Lines on a standard stream, which is None where it was closed."""

    def __init__(self, file: TextIO | None) -> None:
        self._descriptor = file.fileno() if file else os.open(os.devnull, os.O_WRONLY)
        self._lost = 0  # lines, since the last one that was written
        self._cut = False  # the disk had room for a part of the last one

    def write(self, line: str) -> None:
        """Write a line, if it can be."""
        note = "\n" if self._cut else ""
        if self._lost:
            note += f"webhal: {self._lost} lines were lost here\n"
        data = f"{note}{line}\n".encode()
        written = 0
        try:
            if self._is_ready():
                written = os.write(self._descriptor, data)
        except OSError as error:
            if error.errno == errno.EPIPE:
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._descriptor)
        if written == len(data):
            self._lost = 0
            self._cut = False
        else:
            self._lost += 1
            self._cut = self._cut or written > 0

    def report(self, error: BaseException) -> None:
        """Write the traceback that webhal.log would print."""
        for line in "".join(traceback.format_exception(error)).splitlines():
            self.write(line)

    def _is_ready(self) -> bool:
        if os.name != "posix":  # Windows's select() takes sockets only
            return True
        return bool(select.select([], [self._descriptor], [], 0 if self._lost else _PATIENCE_S)[1])
