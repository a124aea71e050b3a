"""A server in a loop of MicroPython's asyncio: who steps it, and how coroutines run, as tasks of asyncio's.

Nothing here is in memory where the application has not imported asyncio. On MicroPython a coroutine is a generator,
so every handler that is either runs as a task. What they promise stands in `webhal.net`: Hosting, Host.
"""

import asyncio
import io
from asyncio import core  # type: ignore[attr-defined] # dialect: MicroPython's, with asyncio

import webhal
from webhal.errors import Cancelled
from webhal.task import Read, Wait, sleep_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from webhal.jobs import Job
    from webhal.server import Server

_TICK_MS = 500  # as often as a server sees to deadlines,
_FULL_MS = 20  # and tries to accept clients that it had no room for
_POLL = 3  # the request of ioctl that select.poll makes: MP_STREAM_POLL of py/stream.h

stepping: "list[Server]" = []  # the server whose step this is: in it nobody is asyncio's


def run(server: "Server") -> None:
    """Serve in a loop of its own."""
    asyncio.run(serve(server))  # type: ignore[arg-type] # a coroutine, on MicroPython


def serve(server: "Server") -> "Generator[Any, None, None]":
    """Step the server in the running loop until it has stopped."""
    host = server.host = Host(server)
    cancelled = False
    try:
        while not server.stopping or server.listener or server.slots or server.jobs or server.failure:
            try:
                stepping.append(server)
                try:
                    server.step()
                finally:
                    stepping.pop()
                task = core._task_queue.peek()
                # While it waits for a stream asyncio may ask a millisecond later, even where a task could run.
                if host.ioctl(_POLL, 1) or task and core.ticks_diff(task.ph_key, core.ticks()) <= 0:
                    yield from core.sleep_ms(0)
                else:
                    yield core._io_queue.queue_read(host)
            except core.CancelledError:
                if cancelled:
                    raise
                cancelled = True
                server.stop()
    finally:
        server.close()
        server.host = None
    if cancelled:
        raise core.CancelledError


class Host(io.IOBase):
    """For asyncio a stream, which can be read when the server wants a step."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.readers: "dict[Any, _Waiter]" = {}  # who waits for the body of a connection's request

    def ioctl(self, request: int, flags: int) -> int:
        """Tell select.poll whether it can be read."""
        if request != _POLL:
            return -1
        server = self.server
        network = server.network
        if server.again or network.wait(0):
            return flags
        now = network.ticks_ms()
        due = _FULL_MS if server.full or server.stopping else _TICK_MS
        if network.ticks_diff(now, server.now) >= due or server.clock and server.clock[-1].left(now) <= 0:
            return flags
        return 0

    def wake(self) -> None:
        """Nothing: asyncio asks `ioctl` all the time."""

    def run(self, source: "Any") -> "Any":
        """What net.Host promises."""
        return _drive(_Running(self, source)) if hasattr(source, "send") else source

    def acts(self, job: "Job", waiting: "list[Any]") -> bool:
        """What net.Host promises."""
        run = getattr(job.waiting, "run", self)
        return run is core.cur_task or run in [getattr(each, "run", None) for each in waiting]


class _Running(Wait):
    """A task of asyncio's that runs a coroutine or generator: to wait for the next piece, or the end."""

    result: "Any" = None
    error: "BaseException | None" = None  # what it raised
    piece: "Any" = None  # for whoever sets
    taken: "Any" = None
    began = False

    def __init__(self, host: Host, source: "Any") -> None:
        self.host = host
        self.source = source
        self.run: "Any" = asyncio.create_task(self.work())

    def __iter__(self) -> "_Running":
        return self

    @property
    def reads(self) -> bool:  # type: ignore[override]
        """Whether it waits for the request's body."""
        return getattr(self.task, "connection", None) in self.host.readers

    def __next__(self) -> "Wait":
        if self.taken or self.run.done():
            raise StopIteration
        if self.reads:
            self.host.readers[self.task.connection].set()
        return self

    def park(self, task: "Any") -> None:
        """Let `task.wake` be called when there is a piece, or the end."""
        self.task = task
        if self.reads:
            reader = self.host.readers[task.connection]
            reader.what.park(task)
            if task.connection.start < len(task.connection.input):  # which came before
                reader.wake()

    def work(self) -> "Any":
        """Run it: hand its pieces over. Where it yields None it waits for something of asyncio's."""
        self.began = True
        source = self.source
        error = None
        try:
            while True:
                key = self.run.ph_key
                piece = source.throw(error) if error else source.send(None)
                error = None
                try:
                    if piece is None and (self.run.data or self.run.ph_key != key):
                        yield
                    elif piece is not None or not (yield from self.wait()):
                        self.piece = piece
                        self.taken = asyncio.Event()
                        self.wake()
                        yield from self.taken.wait()
                except BaseException as another:  # asyncio cancels it
                    error = another
        except StopIteration as stop:
            self.result = stop.value
        except KeyboardInterrupt:
            raise
        except BaseException as another:
            self.error = another
        finally:
            self.wake()

    def wait(self) -> "Any":
        """It sleeps until this very millisecond; or it waits for nothing, then False, for nobody would wake it."""
        nobody = asyncio.create_task(self.rouse())
        try:
            yield
        finally:
            nobody.cancel()
        return not nobody.done()

    def rouse(self) -> "Any":
        """Wake it if nobody else has until the next millisecond."""
        yield from core.sleep_ms(1)
        run = self.run
        error = run.data  # where it was cancelled meanwhile
        core._task_queue.push(run)
        run.data = error

    def wake(self) -> None:
        """Let who waits go on."""
        if self.task:
            self.task.wake()


def _drive(running: _Running) -> "Generator[Any, None, Any]":
    """What Host.run returns."""
    try:
        yield from running
        while running.taken:
            yield running.piece
            running.taken.set()
            running.taken = None
            yield from running
    except Cancelled:
        running.run.cancel()
        if running.reads:  # in a task that the handler has made, and does not wait for
            running.host.readers[running.task.connection].wake()
        while running.began and not running.run.done():
            running.taken = None  # nobody wants its pieces any more
            yield from running
        if running.error and not isinstance(running.error, core.CancelledError):
            raise running.error
        raise
    finally:
        running.run.cancel()
    if running.error:
        raise running.error
    return running.result


class _Waiter(asyncio.Event):
    """A task of asyncio's that waits for something of webhal's."""

    def __init__(self, what: Wait) -> None:
        super().__init__()
        self.what = what
        self.run = core.cur_task

    def wake(self) -> None:
        """What it waits for is there."""
        self.set()


def _iterate(wait: Wait) -> "Any":
    """What task.host promises."""
    if stepping:
        return wait
    if isinstance(wait, sleep_ms):
        return core.sleep_ms(wait.ms)
    return _wait(wait)


def _wait(wait: "Any") -> "Generator[Any, None, Any]":
    """Wait in a task of asyncio's."""
    while True:
        try:
            next(wait)
        except StopIteration as stop:
            return stop.value
        waiter = _Waiter(wait)
        connection = None
        if isinstance(wait, Read):
            connection = wait.request.connection
            stream: "Any" = connection.work  # type: ignore[union-attr] # the body is not whole
            readers = stream.server.host.readers
            if connection in readers:
                raise RuntimeError("the body is being read already")
            readers[connection] = waiter
            if stream.waiting:  # for this task; else it finds this when it comes to wait
                wait.park(stream)
                stream.listen(True)
        else:
            wait.park(waiter)
        try:
            yield from waiter.wait()  # type: ignore[misc] # a generator, on MicroPython
        except BaseException:
            if not connection:
                wait.leave()
            raise
        finally:
            if connection:
                del readers[connection]


webhal.task.host = _iterate
