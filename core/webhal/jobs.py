"""Job: what runs beside serving, without a connection.

`@app.every`, `app.spawn`, what the application does at start and stop, and the `finally` of a handler whose client has
left. What handlers wait for is in task.py, handlers that answer are in stream.py. `flatten` is for a few of those, and
here so that the others have the memory of it.
"""

import sys

import webhal
from webhal.errors import Cancelled
from webhal.task import Wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from webhal.server import Server

_UNWIND_MS = 10000  # what a job that was cancelled has to end in


class Job:
    """Runs a generator, or coroutine, to its end. What it raises is logged, and ends nothing else."""

    server: "Server" = None  # type: ignore[assignment] # until it belongs to one
    waiting: "Wait | None" = None
    since: "int | None" = None  # when it was cancelled,
    error: "BaseException | None" = None  # which it is told where it waits next
    vital = False  # what it raises ends the server

    def __init__(self, source: "Any") -> None:
        self.source = source  # None while it runs, and when it has ended

    def begin(self, server: "Server") -> None:
        """Belong to a server, whose next step runs it."""
        if self.source is None:  # it was cancelled before there was one
            return
        self.server = server
        server.jobs = (server.jobs or []) + [self]
        server.turn(self)

    def wake(self) -> None:
        """What it waits for is there."""
        if self.waiting:
            self.server.turn(self)
            self.waiting = None

    def step(self, server: "Server") -> None:
        """Its turn, for which it asked by `server.again`: run it up to where it waits next, or to its end."""
        if not self.waiting:  # it may have been cancelled meanwhile, and wait for something else
            self.resume(None)

    def cancel(self) -> None:
        """Raise Cancelled where it waits; its `finally` runs to its end, for at most ten seconds. Idempotent."""
        if self.server is None:
            if self.source:
                self.source.close()
                self.source = None
        elif self.since is None:
            self.since = self.server.network.ticks_ms()
            if self.source is None:
                self.error = Cancelled()
            else:
                self.resume(Cancelled())

    def resume(self, error: "BaseException | None") -> None:
        """Run it on, with `error` raised where it is."""
        source = self.source
        if source is None:  # it has ended
            return
        self.source = None
        self.leave()
        try:
            while True:
                waiting = source.throw(error) if error else source.send(None)
                if not hasattr(waiting, "park"):
                    source.close()
                    raise TypeError("a job waits for what webhal offers, not for %r" % (waiting,))
                error = self.error
                if error:
                    self.error = None
                    continue
                try:
                    waiting.park(self)
                    break
                except Exception as another:  # it cannot be waited for
                    error = another
            self.source = source
            self.waiting = waiting
        except (StopIteration, Cancelled):
            pass
        except KeyboardInterrupt:
            raise
        except BaseException as another:
            if self.vital:
                if isinstance(another, MemoryError):  # which the server would get over
                    another = RuntimeError("no memory for what the application does at start")
                self.server.failure = another
                self.server.stop()
            else:
                webhal.log.log(another)
        finally:
            if self.source is None:
                self.server.jobs.remove(self)  # type: ignore[union-attr] # it was there

    def leave(self) -> None:
        """Wait no more."""
        waiting = self.waiting
        self.waiting = None
        if waiting:
            waiting.leave()

    def drop(self, server: "Server") -> None:
        """End it where it is; idempotent."""
        source = self.source
        if source is not None:
            self.source = None
            server.jobs.remove(self)  # type: ignore[union-attr]
            self.leave()
            try:
                source.close()
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                webhal.log.log(error)


class _Stop(Wait):
    """Until the server stops: until Cancelled is raised."""

    if sys.implementation.name == "cpython":
        told = ""  # not to be told of

    def __next__(self) -> Wait:
        return self

    def park(self, task: "Any") -> None:
        """Nobody will call `task.wake`."""


class Alarm:
    """Calls `act` in so many milliseconds, and again in as many as that returns, until it returns 0."""

    waiting: "Any" = None

    def __init__(self, server: "Server", act: "Callable[[], int]", ms: int) -> None:
        self.server = server
        self.act = act
        self.set(ms)

    def set(self, ms: int) -> None:
        """Be woken in so many milliseconds; 0 for never."""
        if ms:
            self.waiting = waiting = webhal.task.sleep_ms(ms)
            if sys.implementation.name == "cpython":
                waiting.told = ""
            waiting.park(self)

    def wake(self) -> None:
        """It is time."""
        self.waiting = None
        self.set(self.act())

    def leave(self) -> None:
        """It is wanted no more. Idempotent."""
        waiting = self.waiting
        self.waiting = None
        if waiting:
            waiting.leave()


def spawn(app: "Any", source: "Any") -> Job:
    """What App.spawn promises."""
    if not hasattr(source, "send"):
        raise TypeError("spawn takes what calling an async function returns, not %r" % (source,))
    job = Job(None)
    job.source = _spawned(job, source)
    next(job.source)
    while hasattr(app, "parent"):
        app = app.parent
    if app.server:
        job.begin(app.server)
    else:
        app.work += (("spawn", job),)
    return job


def _spawned(job: Job, source: "Any") -> "Generator[Any, Any, None]":
    """Run a coroutine, when the server comes to it."""
    try:
        yield
    except BaseException:  # it never begins
        source.close()
        raise
    yield from awaited(job.server, source)


def unwind(server: "Server", source: "Any", waiting: "Wait") -> None:
    """Run a handler to its end that was cancelled, and waits in its `finally`."""
    job = Job(source)
    job.server = server
    job.since = server.now
    job.waiting = waiting
    server.jobs = (server.jobs or []) + [job]
    waiting.park(job)


def start(server: "Server", port: int, host: str) -> None:
    """In the next steps run what the application does at start; then serve who connects, and run its jobs."""
    job = Job(None)
    job.source = _life(job, server, port, host)
    job.vital = True
    job.begin(server)


def _life(job: Job, server: "Server", port: int, host: str) -> "Generator[Any, Any, None]":
    """From the start handlers to the stop handlers."""
    app = server.app
    for kind, handler in app.work:
        if kind == "start":
            yield from awaited(server, handler())
    server.begin(port, host)
    job.vital = False
    for kind, handler in app.work:
        if kind == "spawn":
            handler.begin(server)
        elif isinstance(kind, int):
            Job(_repeat(server, kind, handler)).begin(server)
    app.work = tuple([each for each in app.work if each[0] != "spawn"])
    stops = [handler for kind, handler in app.work if kind == "stop"]
    if stops:
        try:
            yield from _Stop()
        except Cancelled:
            pass
        for handler in stops:
            yield from _logged(server, handler)


def _repeat(server: "Server", ms: int, handler: "Callable[[], Any]") -> "Generator[Any, Any, None]":
    """Run the handler each `ms`, counted from when it was due; what it was late for is left out."""
    network = server.network
    late = 0
    while True:
        began = network.ticks_ms()
        yield from _logged(server, handler)
        since = network.ticks_ms()
        rest = ms - (late + network.ticks_diff(since, began)) % ms
        yield from webhal.task.sleep_ms(rest)
        late = network.ticks_diff(network.ticks_ms(), since) - rest


def _logged(server: "Server", handler: "Callable[[], Any]") -> "Generator[Any, Any, None]":
    """Call it, and log what it raises."""
    try:
        yield from awaited(server, handler())
    except (Cancelled, GeneratorExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        webhal.log.log(error)


def awaited(server: "Server", result: "Any") -> "Generator[Any, Any, None]":
    """Wait for what a function has returned, where that was async."""
    if server.host:
        result = server.host.run(result)
    if hasattr(result, "send"):
        yield from (result.__await__() if hasattr(result, "__await__") else result)


def stop(server: "Server") -> None:
    """No request runs any more: cancel what runs, then let the stop handlers run."""
    for job in reversed(server.jobs or ()):  # the stop handlers last; those that end leave a list behind
        job.cancel()


def tick(server: "Server") -> None:
    """End those that had their time."""
    for job in list(server.jobs or ()):
        if job.since is not None and server.network.ticks_diff(server.now, job.since) >= _UNWIND_MS:
            job.drop(server)


def flatten(source: "Any") -> "Generator[Any, Any, None]":
    """An asynchronous iterator as a generator of its pieces and of what it waits for."""
    try:
        while True:
            step: "Any" = source.__anext__()
            try:
                piece = yield from (step.__await__() if hasattr(step, "__await__") else step)
            except StopAsyncIteration:
                return
            yield piece
    finally:
        if hasattr(source, "aclose"):
            yield from source.aclose().__await__()
