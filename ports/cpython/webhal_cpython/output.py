"""What is printed while a PC serves, tracebacks and the lines of `webhal run`, which must not decide about service:
nothing here raises, or waits long.

A line that a standard stream does not take is lost, and counted; the next one that it takes is preceded by the count.
So a full disk costs lines, and not requests, and a pipe that nobody reads, or a terminal that is stopped, costs a
tenth of a second once, until it is read again. Only a pipe without a reader is the end: then all goes nowhere.
"""

import errno
import os
import select
import stat
import traceback
from io import FileIO
from typing import Any, TextIO

_PATIENCE_MS = 100  # for a reader that is behind; one that does not catch up meanwhile is not waited for again
# A pipe that is ready takes so many bytes at once (Linux's PIPE_BUF; others take 512): longer lines, which might wait
# for its reader, are cut.
AT_ONCE = 4096
_NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)


class Output:
    """Lines on a standard stream, which is None where it was closed."""

    note = "webhal: %d lines were lost here"

    def __init__(self, file: TextIO | FileIO | None) -> None:
        self._descriptor = file.fileno() if file else os.open(os.devnull, os.O_WRONLY)
        self._lost = 0  # lines, since the last one that was written
        self._cut = False  # the disk had room for a part of the last one
        self.is_terminal = bool(file) and os.isatty(self._descriptor)
        # As https://no-color.org has it.
        self._styled = self.is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
        self._poll: Any = None
        # Of a file on a disk nothing can be asked; nor on Windows, whose select() takes sockets only.
        if hasattr(select, "poll") and not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            self._poll = select.poll()
            self._poll.register(self._descriptor, select.POLLOUT)

    def write(self, line: str) -> None:
        """Write a line, if it can be."""
        note = "\n" if self._cut else ""
        if self._lost:
            note += self.note % self._lost + "\n"
        data = f"{note}{line}\n".encode(errors="backslashreplace")
        written = 0
        try:
            if not self._poll:
                written = os.write(self._descriptor, data)
            elif self._poll.poll(0 if self._lost else _PATIENCE_MS):
                if len(data) > AT_ONCE:
                    data = data[: AT_ONCE - 1] + b"\n"
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

    def styled(self, style: str, text: str) -> str:
        """`text` as a terminal shows it in a style, parameters of ANSI's SGR; for others as it is."""
        return f"\x1b[{style}m{text}\x1b[m" if style and self._styled else text

    def report(self, error: BaseException) -> None:
        """Write the traceback that webhal.log would print."""
        for line in "".join(traceback.format_exception(error)).splitlines():
            self.write(line)


class LogFile(Output):
    """Lines at the end of a file. Raises OSError when it cannot be opened."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)  # the program may go elsewhere
        super().__init__(FileIO(self._open(), "w", closefd=False))

    def _open(self) -> int:
        # Without waiting for who reads a named pipe.
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _NONBLOCK, 0o640)

    def reopen(self) -> None:
        """Open the path anew. Raises OSError, and goes on with the file before."""
        descriptor = self._open()
        os.dup2(descriptor, self._descriptor, inheritable=False)
        os.close(descriptor)
