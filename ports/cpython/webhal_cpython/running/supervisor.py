"""The supervisor, of `webhal run --workers N` and `--reload`: keeps the listeners open, and processes that serve them.

It listens where the first worker asks it to, runs nothing of the application, and speaks with each worker over a socket
of theirs, of which the other side is in listeners.py. SIGTERM and SIGINT end the workers, and it; SIGHUP puts new ones
in their place, and no connection is refused or cut; SIGUSR1 is passed on.
"""

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket as bsd
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine, Sequence
from pathlib import Path
from socket import socket as Socket
from typing import Any

from webhal.metrics import FOLDER
from webhal_cpython import listeners
from webhal_cpython.network import ListenError, Network
from webhal_cpython.output import Output
from webhal_cpython.running import service
from webhal_cpython.serving import STOP_S

_KILL_S = STOP_S + 1  # from when a worker is told to end: one that a handler blocks is not reached otherwise
_RETIRED_S = 3600  # that a worker may go on with what runs when another serves in its place,
_EDITED_S = 10  # or when its file was changed, perhaps every few seconds
_STEADY_S = 10  # who did not live as long has a successor after a pause only, which doubles
_PAUSE_S = 0.1
_MOST_DOUBLED = 8  # times: 26 seconds
_MOST_SAID = 65536  # bytes that a worker says at once


class _Worker:
    """A process that serves, or will."""

    def __init__(self, number: int, channel: Socket, process: asyncio.subprocess.Process, troubles: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.number = number
        self.channel = channel
        self.process = process
        self.troubles = troubles  # how many before it, one after the other, did not last
        self.began = self.loop.time()
        self.said = b""  # of a line that is not whole yet
        self.ready: asyncio.Future[bool] = self.loop.create_future()  # False: it has ended before
        self.killed = False  # for it did not end in time
        self.timers: list[asyncio.Handle] = []

    def send(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)  # process.send_signal may take its end from who waits for that

    def end(self, number: int = signal.SIGTERM) -> None:
        """Tell it to end within ten seconds."""
        self.send(number)
        self.timers.append(self.loop.call_later(_KILL_S, self.kill))

    def kill(self) -> None:
        """Its time is up."""
        self.killed = True
        self.send(signal.SIGKILL)

    def retire(self, patience_s: float) -> None:
        """Tell it to accept nobody any more, and to end when what runs has, or when the time is up."""
        self.send(listeners.RETIRE)
        self.timers.append(self.loop.call_later(patience_s, self.end))


class Supervisor:
    """Runs `command` in as many processes as there are workers, until it is told to end."""

    def __init__(self, command: Sequence[str], workers: int, changes: AsyncIterator[str] | None = None) -> None:
        """changes: what was changed, in words; each time there are new workers, and none need start until the next."""
        self.command = command
        self.count = workers
        self.changes = changes
        self.patience_s = _EDITED_S if changes else _RETIRED_S
        self.output = Output(sys.stderr)
        self.network = Network()
        self.listeners: dict[tuple[int, str, int], Socket] = {}
        self.workers: set[_Worker] = set()  # all that run
        self.serving: dict[int, _Worker] = {}  # by number, those that are ready and have no successor
        self.mending: dict[int, asyncio.Task[None]] = {}  # by number, where a successor is on its way
        self.replacing: asyncio.Task[None] | None = None  # where successors of all are
        self.over = False
        self.code = 0  # of the command
        self.terminal = service.Terminal()

    async def run(self) -> int:
        """Serve; returns the exit code. Raises what `changes` raises."""
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop, number)
        loop.add_signal_handler(signal.SIGHUP, self.hang_up)
        loop.add_signal_handler(signal.SIGUSR1, self.pass_on, signal.SIGUSR1)
        self._begin(self._feed_watchdog())
        if self.changes:
            self._begin(self._watch(self.changes))
        self.reload()
        try:
            await self.ended
        finally:
            for listener in self.listeners.values():
                listener.close()
        return self.code

    def _begin(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Do that beside the rest; what it raises ends the supervisor."""

        def done(task: "asyncio.Task[None]") -> None:
            if not task.cancelled() and (error := task.exception()) and not self.ended.done():
                self.ended.set_exception(error)

        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(done)
        return task

    def say(self, words: str) -> None:
        self.output.write(f"webhal: {words}")

    # -- what it is told --------------------------------------------------------------------------------

    def stop(self, number: int) -> None:
        """End all: by SIGTERM gracefully, by SIGINT without waiting for who idles, the second time at once."""
        if self.over:
            number = signal.SIGKILL
        else:
            service.notify("STOPPING=1")
        self.over = True
        for task in (self.replacing, *self.mending.values()):
            if task:
                task.cancel()
        for listener in self.listeners.values():  # so the last worker closes them, when it has served who waits
            listener.close()
        for worker in self.workers:
            if number == signal.SIGINT and not worker.ready.done():  # of which it would print that it was interrupted
                worker.end()
            else:
                worker.end(number)
        self._end_when_alone()

    def hang_up(self) -> None:
        """SIGHUP: reload, unless it is the terminal that has gone."""
        if self.terminal.gone():
            self.stop(signal.SIGTERM)
        else:
            self.reload()

    def pass_on(self, number: int) -> None:
        """SIGUSR1: to those who know what it is for."""
        for worker in self.workers:
            if worker.ready.done():
                worker.send(number)

    def reload(self) -> None:
        """Put new workers in the place of all; if that is being done, begin anew."""
        if not self.over:
            if self.replacing:
                self.replacing.cancel()
            self.replacing = self._begin(self._replace_all())

    async def _watch(self, changes: AsyncIterator[str]) -> None:
        async for words in changes:
            self.say(words)
            self.reload()

    async def _feed_watchdog(self) -> None:
        while seconds := service.watchdog_s():
            service.notify("WATCHDOG=1")
            await asyncio.sleep(seconds)

    # -- workers ----------------------------------------------------------------------------------------

    async def _replace_all(self) -> None:
        """Start a worker for each number, and let the old ones retire when all are ready."""
        if self.serving:
            service.notify_reloading()
        fresh: list[_Worker] = []
        good = False
        try:
            # The first alone, for what is wrong with the file it says, and the others would say it again.
            good = await self._start(1, fresh) and all(
                await asyncio.gather(*(self._start(number, fresh) for number in range(2, self.count + 1)))
            )
        finally:
            if not good:
                for worker in fresh:
                    worker.end()
        if good:
            for task in self.mending.values():
                task.cancel()
            for worker in fresh:
                self._hand_over(worker)
        elif self.serving:
            self.say("the new workers do not start, the old ones go on")
        elif self.changes:
            self.say("waiting for the next change")
        else:
            self.over = True
            self.code = next((code for each in fresh if (code := each.process.returncode) is not None), 1)
            if self.code < 0:
                self.code = 128 - self.code
            self._end_when_alone()
        if self.serving:
            service.notify("READY=1")

    async def _replace(self, number: int, troubles: int) -> None:
        """Start a worker in the place of one that retires or has ended, and try again until it is ready."""
        fresh: list[_Worker] = []
        good = False
        try:
            while not good:
                if troubles:
                    await asyncio.sleep(_PAUSE_S * 2 ** min(troubles, _MOST_DOUBLED))
                good = await self._start(number, fresh, troubles)
                troubles += 1
        finally:
            if not good:
                for worker in fresh:
                    worker.end()
        self._hand_over(fresh[-1])

    def _mend(self, number: int, troubles: int) -> None:
        """Let there be another worker with this number, soon."""
        if number not in self.mending and not self.over:
            task = self.mending[number] = self._begin(self._replace(number, troubles))
            task.add_done_callback(lambda task: self.mending.pop(number))

    def _hand_over(self, worker: _Worker) -> None:
        """It serves now, and who had its number retires."""
        old = self.serving.get(worker.number)
        self.serving[worker.number] = worker
        if old:
            old.retire(self.patience_s)
        if worker not in self.workers:  # it has ended, while others were not ready yet
            self._lost(worker)

    async def _start(self, number: int, fresh: list[_Worker], troubles: int = 0) -> bool:
        """Start a worker and put it into `fresh`; wait until it is ready: False where it has ended before."""
        loop = asyncio.get_running_loop()
        ours, theirs = bsd.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                env={**os.environ, listeners.SUPERVISOR: str(theirs.fileno()), listeners.NUMBER: str(number)},
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C in the terminal is for the supervisor alone
            )
        except BaseException as error:
            ours.close()
            if not isinstance(error, OSError):
                raise
            self.say(f"worker {number} cannot be started: {error}")  # the system has no process to spare
            return False
        finally:
            theirs.close()
        ours.setblocking(False)
        worker = _Worker(number, ours, process, troubles)
        fresh.append(worker)
        self.workers.add(worker)
        loop.add_reader(ours, self._hear, worker)
        self._begin(self._wait(worker))
        return await asyncio.shield(worker.ready)

    async def _wait(self, worker: _Worker) -> None:
        """See a worker's end."""
        await worker.process.wait()
        asyncio.get_running_loop().remove_reader(worker.channel)
        worker.channel.close()
        self.workers.discard(worker)
        for timer in worker.timers:
            timer.cancel()
        if worker.killed:
            self.say(f"worker {worker.number}, process {worker.process.pid}, did not end in time and was killed")
        if not worker.ready.done():
            worker.ready.set_result(False)
        if self.serving.get(worker.number) is worker:
            self._lost(worker)
        self._end_when_alone()

    def _lost(self, worker: _Worker) -> None:
        """One that served has ended."""
        del self.serving[worker.number]
        if not self.over:
            steady = worker.loop.time() - worker.began >= _STEADY_S
            code = worker.process.returncode or 0
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"has ended, with exit code {code}"
            self.say(f"worker {worker.number}, process {worker.process.pid}, {how}; another takes its place")
            self._mend(worker.number, 0 if steady else worker.troubles + 1)

    def _end_when_alone(self) -> None:
        if self.over and not self.workers and not self.ended.done():
            self.ended.set_result(None)

    # -- what workers say -------------------------------------------------------------------------------

    def _hear(self, worker: _Worker) -> None:
        try:
            said = worker.channel.recv(_MOST_SAID)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:  # it ends
            asyncio.get_running_loop().remove_reader(worker.channel)
            return
        *lines, worker.said = (worker.said + said).split(b"\n")
        for line in lines:
            word, *values = json.loads(line)
            if word == "listen":
                self._listen(worker, *values)
            elif word == "ready" and not worker.ready.done():
                worker.ready.set_result(True)
            elif word == "retire" and self.serving.get(worker.number) is worker:
                self._mend(worker.number, 0)

    def _listen(self, worker: _Worker, port: int, host: str, nth: int, backlog: int) -> None:
        """Give it the listener for a place."""
        listener = self.listeners.get((port, host, nth))
        descriptors = []
        answer: list[Any] = [bool(listener)]
        try:
            if not listener:
                self.listeners[port, host, nth] = listener = self.network.listen(port, host, backlog)
                port = port or self.network.local_port(listener)
                self.listeners[port, host, 0] = listener  # for who has lost it
            descriptors = [listener.fileno()]
        except ListenError as error:
            answer = [error.errno, error.strerror]
        except (ValueError, OverflowError) as error:  # of what the file says; the worker waits for an answer
            answer = [errno.EINVAL, f"cannot listen on {host or 'all addresses'}, port {port}: {error}"]
        with contextlib.suppress(OSError):  # it has ended meanwhile
            bsd.send_fds(worker.channel, [json.dumps(answer).encode()], descriptors)


def supervise(command: Sequence[str], workers: int, folder: Path | None = None) -> int:
    """Serve by that many processes, and by new ones when Python files in the folder are changed; returns the exit code.

    Raises OSError where the system cannot watch so many files.
    """

    async def run() -> int:
        return await Supervisor(command, workers, saved(folder) if folder else None).run()

    with tempfile.TemporaryDirectory(prefix="webhal-") as numbers:  # of each worker, which metrics.py adds up
        os.environ.setdefault(FOLDER, numbers)
        return asyncio.run(run())


async def saved(folder: Path) -> AsyncIterator[str]:
    """What Python files in a folder, and in those within, have been changed, in words."""
    from watchfiles import PythonFilter, awatch

    async for changes in awatch(folder, watch_filter=PythonFilter()):
        names = sorted({os.path.relpath(path, folder) for _, path in changes})
        yield f"{names[0]} was changed" if len(names) == 1 else f"{names[0]} and {len(names) - 1} more were changed"
