"""A server in a loop of asyncio's: who steps it, and how its coroutines run, as tasks of asyncio's.

The loop watches one descriptor, the network's, and steps the server when that is readable. Handlers that are `def`, and
plain generators, run in these steps, as without asyncio; what awaits webhal's own, in any task, is woken by it.
"""

import asyncio
import importlib
from collections.abc import AsyncIterator, Coroutine, Generator
from typing import TYPE_CHECKING, Any

import webhal.task
from webhal.errors import Cancelled
from webhal.task import Read, Wait, sleep_ms

if TYPE_CHECKING:
    from webhal.connection import Connection
    from webhal.jobs import Job
    from webhal.server import Server

_TICK_S = 0.5  # as often as a server sees to deadlines,
_FULL_S = 0.02  # and tries to accept clients that it had no room for


def run(server: "Server") -> None:
    """What net.Hosting promises; in uvloop's loop, where that is installed."""
    try:
        start = importlib.import_module("uvloop").run
    except ImportError:
        start = asyncio.run
    start(serve(server))


async def serve(server: "Server") -> None:
    """What net.Hosting promises."""
    host = Host(server)
    try:
        await asyncio.shield(host.ended)
    except asyncio.CancelledError:
        server.stop()
        await host.ended
        raise
    finally:
        host.close()


class Host:
    """Steps one server in the running loop; net.Host."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.readers: dict[Connection, _Reader] = {}  # who waits for a request's body
        self.soon = True  # a step is due at once
        self.due = 0.0  # when it is due else, by the loop's clock; 0 where no timer runs
        self.timer: asyncio.Handle = self.loop.call_soon(self.step)
        self.watch()
        server.host = self

    def watch(self) -> None:
        """Step the server when a socket is ready, of whose network the descriptor tells."""
        self.loop.add_reader(self.server.network.fileno(), self.step)  # type: ignore[attr-defined] # it is a PC's

    def unwatch(self) -> None:
        """Do so no more."""
        self.loop.remove_reader(self.server.network.fileno())  # type: ignore[attr-defined]

    def close(self) -> None:
        """Let go of the loop, and close the server."""
        self.unwatch()
        self.timer.cancel()
        self.server.close()
        self.server.host = None

    def wake(self) -> None:
        """What net.Host promises."""
        if not self.soon:
            self.soon = True
            if self.server.stopping:  # perhaps told by a signal, while the loop waits
                self.loop.call_soon_threadsafe(self.step)
            else:
                self.loop.call_soon(self.step)

    def ring(self) -> None:
        """The timer has run out: for uvloop, which counts milliseconds, that may be a little before it is due."""
        self.due = 0.0
        self.step()

    def step(self) -> None:
        """Step the server, and see when it wants the next step."""
        server = self.server
        if self.ended.done():
            return
        self.soon = True  # whoever asks for one meanwhile is seen to below
        try:
            server.step()
        except KeyboardInterrupt as error:
            if server.stopping:
                self.ended.set_exception(error)
                return
            server.stop()
        except BaseException as error:  # of a start handler
            self.ended.set_exception(error)
            return
        self.soon = False
        now = self.loop.time()
        due = now + _TICK_S
        if server.again:
            self.wake()
        elif server.stopping and not (server.listener or server.slots or server.jobs or server.failure):
            self.ended.set_result(None)
            return
        elif server.full or server.stopping:
            due = now + _FULL_S
        elif server.clock:
            due = min(due, now + server.clock[-1].left(server.network.ticks_ms()) / 1000)
        if not self.due or due < self.due:
            self.timer.cancel()
            self.timer = self.loop.call_at(due, self.ring)
            self.due = due

    def run(self, source: Any) -> Any:
        """What net.Host promises."""
        # What awaits nothing but webhal's own, as a topic's reader does, needs no task.
        if isinstance(source, (Coroutine, AsyncIterator)) and not isinstance(source, Wait):
            return _drive(_Running(self, source))
        return source

    def acts(self, job: "Job", waiting: "list[Any]") -> bool:
        """What net.Host promises."""
        run = getattr(job.waiting, "run", self)
        return run is asyncio.current_task() or run in [getattr(each, "run", None) for each in waiting]


class _Running(Wait):
    """A task of asyncio's that runs a coroutine or asynchronous iterator: to wait for the next piece, or the end."""

    told = ""
    result: Any = None  # of a coroutine
    error: BaseException | None = None  # what it raised
    piece: Any = None  # of a generator, for whoever sets
    taken: "asyncio.Future[None] | None" = None
    cancelled = False

    def __init__(self, host: Host, source: Any) -> None:
        self.host = host
        self.source = source
        self.run = host.loop.create_task(self._finish() if isinstance(source, Coroutine) else self._offer())
        self.run.add_done_callback(self._done)

    def __iter__(self) -> "_Running":
        return self

    @property
    def reader(self) -> "_Reader | None":
        """Who waits for the body of the request that this answers."""
        return self.host.readers.get(getattr(self.task, "connection", None))  # type: ignore[arg-type] # a job has none

    @property
    def reads(self) -> bool:  # type: ignore[override]
        """Whether it waits for the request's body."""
        return self.reader is not None

    def __next__(self) -> Wait:
        if self.taken or self.run.done():
            raise StopIteration
        reader = self.reader
        if reader:
            reader.wake()
        return self

    def park(self, task: Any) -> None:
        """Let `task.wake` be called when there is a piece, or the end."""
        self.task = task
        reader = self.reader
        if reader:
            reader.wait.park(task)
            if task.connection.start < len(task.connection.input):  # which came before
                reader.wake()

    def cancel(self) -> None:
        """Cancel it; it may go on, in its `finally`."""
        self.cancelled = True
        self.run.cancel()
        if self.reader:  # of a task that the handler has made, and does not wait for
            self.reader.wake()

    async def _finish(self) -> None:
        """Run a coroutine."""
        try:
            self.result = await self.source
        except BaseException as error:
            self._failed(error)

    async def _offer(self) -> None:
        """Run a generator."""
        try:
            try:
                async for piece in self.source:
                    self.piece = piece
                    self.taken = self.host.loop.create_future()
                    self._wake()
                    await self.taken
            finally:
                if hasattr(self.source, "aclose"):
                    await self.source.aclose()
        except BaseException as error:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        """Keep the error for who waits: asyncio would end the loop for SystemExit, or print it."""
        if isinstance(error, KeyboardInterrupt):
            raise error
        if not (self.cancelled and isinstance(error, asyncio.CancelledError)):
            self.error = error

    def _done(self, run: "asyncio.Task[None]") -> None:
        if isinstance(self.source, Coroutine):
            self.source.close()  # it may have been cancelled before it began
        self._wake()

    def _wake(self) -> None:
        if self.task:  # it has come to wait
            self.task.wake()


def _drive(running: _Running) -> "Generator[Any, None, Any]":
    """What Host.run returns."""
    try:
        try:
            yield from running
            while running.taken:
                yield running.piece
                running.taken.set_result(None)
                running.taken = None
                yield from running
        except Cancelled:
            running.cancel()
            while not running.run.done():
                running.taken = None  # nobody wants its pieces any more
                yield from running
            if not running.error:
                raise
    finally:
        running.cancel()
    if running.error:
        raise running.error
    return running.result


class _Waiter(asyncio.Future[None]):
    """What is yielded to wait for something of webhal's: for a task of asyncio's a future.

    For a server that asyncio does not step it is a Wait: such a one, as TestClient's in a test that is async, runs its
    handlers in the time of whatever task steps it. Who gets this knows what it is to do with it.
    """

    wait: Wait
    run: "asyncio.Task[Any]"  # the current one
    timer: "asyncio.TimerHandle | None" = None
    reads = False
    by_hand = False  # whether a server waits

    def wake(self) -> None:
        """What it waits for is there."""
        if not self.done():
            self.set_result(None)

    def park(self, task: Any) -> None:
        """A server waits for it."""
        self.leave()
        self.by_hand = True
        self.wait.park(task)

    def leave(self) -> None:
        """It is waited for no more."""
        if self.timer and not self.by_hand:
            self.timer.cancel()
        else:
            self.wait.leave()


def _iterate(wait: Wait) -> Any:
    """What task.host promises."""
    try:
        run = asyncio.current_task()
    except RuntimeError:  # there is no loop in this thread
        return wait
    if run is None:  # in a step, whoever waits is stepped by the server
        return wait
    return _read(wait) if isinstance(wait, Read) else _wait(wait, run)


def _wait(wait: Wait, run: "asyncio.Task[Any]") -> "Generator[Any, None, Any]":
    """Wait in a task of asyncio's."""
    while True:
        try:
            next(wait)  # type: ignore[call-overload] # it has __next__
        except StopIteration as stop:
            return stop.value
        loop = run.get_loop()
        waiter = _Waiter(loop=loop)
        waiter._asyncio_future_blocking = True  # so asyncio knows that it was awaited
        waiter.run = run
        waiter.wait = wait
        if isinstance(wait, sleep_ms):
            wait.task = waiter
            waiter.timer = loop.call_later(wait.ms / 1000, waiter.wake)
        else:
            wait.park(waiter)
        try:
            yield waiter
        except BaseException:
            if not waiter.by_hand:
                waiter.leave()
            raise


def _read(wait: Read) -> "Generator[Any, None, Any]":
    """Wait for a request's body."""
    while True:
        try:
            next(wait)
        except StopIteration as stop:
            return stop.value
        connection: Any = wait.request.connection
        stream = connection.work
        if stream is None or stream.request is not wait.request:
            raise OSError("the request is answered")
        host = stream.server.host
        if host is None:  # as in a _Waiter
            yield wait
            continue
        if connection in host.readers:
            raise RuntimeError("the body is being read already")
        host.readers[connection] = waiter = _Reader(wait)
        if stream.waiting:  # for the task; else it finds this when it comes to wait
            wait.park(stream)
            stream.listen(True)
        try:
            yield from waiter.woken
        finally:
            del host.readers[connection]


class _Reader:
    """A task of asyncio's that waits for a request's body."""

    def __init__(self, wait: Read) -> None:
        self.wait = wait
        self.woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(self) -> None:
        """Some of it is there, or the client has left."""
        if not self.woken.done():
            self.woken.set_result(None)


webhal.task.host = _iterate
