"""The threads of a PC for what blocks: handlers with `blocking=True`, and WSGI applications.

There are some dozens at most; what finds none that is free waits for its turn. They are daemons: one that never ends
holds up neither the server's end nor the program's, as those of concurrent.futures would.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any

_MOST = 32  # threads: each may be one that waits for a database, or for a client


class Threads(Executor):
    """At most so many threads, begun when they are needed."""

    def __init__(self, most: int = _MOST) -> None:
        self.most = most
        self.count = 0
        self.lock = threading.Lock()  # loops in several threads may begin work
        self.idle = threading.Semaphore(0)
        self.work: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def begin(self, work: "Callable[[], object]") -> None:
        """Call `work`, which raises nothing, in a thread, when one is free."""
        self.work.put(work)
        if not self.idle.acquire(blocking=False):
            with self.lock:
                if self.count < self.most:
                    self.count += 1
                    threading.Thread(target=self._run, name=f"webhal-{self.count}", daemon=True).start()

    def submit(self, function: "Callable[..., Any]", /, *values: Any, **named: Any) -> "Future[Any]":
        """What Executor.submit promises."""
        future: Future[Any] = Future()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(*values, **named))
                except BaseException as error:
                    future.set_exception(error)

        self.begin(work)
        return future

    def _run(self) -> None:
        while True:
            work = self.work.get()
            work()
            del work
            self.idle.release()


threads = Threads()
