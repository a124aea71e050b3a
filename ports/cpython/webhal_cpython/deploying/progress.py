"""What is shown while boards are deployed to: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

from webhal_cpython.cli import printable


class Progress:
    """May be used by several threads at once, one for each board."""

    def __init__(self, many: bool) -> None:
        self.many = many  # boards: each line names its board
        self._lock = threading.RLock()
        self._bars: Any = None
        self._sending = 0
        if sys.stdout.isatty():
            with contextlib.suppress(ImportError):
                from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

                columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
                self._bars = Progress(*columns, transient=True)

    def say(self, target: str, text: str) -> None:
        """Print lines about a board."""
        lines = [printable(line) for line in text.split("\n")]
        with self._lock:
            for line in lines:
                line = f"{target}: {line}" if self.many else line
                if self._sending:
                    self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)
                else:
                    print(line, flush=True)

    def close(self) -> None:
        """Give the terminal back, though boards may still be busy."""
        if self._bars:
            self._bars.stop()

    @contextlib.contextmanager
    def sending(self, target: str, total: int) -> Iterator[Any]:
        """Within this block call the value with the number of bytes that were sent."""
        if not self._bars or not total:
            yield lambda count: None
            return
        with self._lock:
            if not self._sending:
                self._bars.start()
            self._sending += 1
        task = self._bars.add_task(target, total=total)
        try:
            yield lambda count: self._bars.advance(task, count)
        finally:
            with self._lock:
                self._bars.remove_task(task)
                self._sending -= 1
                if not self._sending:
                    self._bars.stop()
