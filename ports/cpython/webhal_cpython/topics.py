"""Topics over Redis: `Topic("temperature", url="redis://…")` is one topic of all processes and machines that name it.

What is published goes to a stream in Redis, and comes back from there to the readers of every process, in one order and
with the same numbers: a page that connects to another process gets what it has missed. The stream is called `webhal:`
and the name, keeps as many values as the topic, and has entries 0-1, 0-2 … of one field, `json` or `bytes`. Who is no
process of webhal's may add to it: XADD webhal:temperature MAXLEN 16 0-* json 21.5 (Redis 7).
"""

import asyncio
import json
import logging
from collections import deque
from typing import Any
from weakref import WeakSet

from webhal.topic import Reader, Topic

try:
    import redis.asyncio
    from redis.exceptions import RedisError
except ImportError:
    raise ImportError("topics over Redis need redis-py: pip install 'webhal[redis]'") from None

_RETRY_S = 1  # between two tries of a Redis that cannot be reached, or refuses
_ANSWER_S = 10  # that Redis has to answer
_CANCEL_S = 0.1  # between two cancellations of what does not end
_BLOCK_MS = 2000  # that Redis waits for an entry; then it is seen whether the stream is still the one that it was
_logger = logging.getLogger("webhal.error")


class RedisTopic(Topic):
    """What Topic is, of values that are str, bytes, or what JSON has.

    publish   sends to Redis in the background: while that cannot be reached the newest `keep` values wait, and what was
              on its way when a connection broke may come twice. May be called from a thread, too. Raises TypeError or
              ValueError for any other value, RuntimeError before the application is served.
    reading   begins with the `last` values that Redis has; while it cannot be reached, nothing comes.

    Raises ValueError for a URL that Redis has not: redis://, rediss:// or unix://.
    """

    loop: "asyncio.AbstractEventLoop | None" = None  # in which it is connected
    failing = False

    def __init__(
        self, name: str, *, url: str, keep: int = 16, drop: bool = False, last: int = 0, size: "int | None" = None
    ) -> None:
        super().__init__(keep, drop, last, size)
        self.name = name
        self.stream = "webhal:" + name
        self.pool = redis.asyncio.ConnectionPool.from_url(
            url, protocol=2, socket_timeout=_ANSWER_S, socket_connect_timeout=_ANSWER_S
        )
        self.pending: "deque[tuple[str, bytes]]" = deque(maxlen=keep)  # what is to be added to the stream
        self.lost = 0  # entries that were counted, of streams that Redis has no more

    def publish(self, value: Any) -> None:
        """Let all have it that read now, in every process. Never waits."""
        if isinstance(value, (bytes, bytearray, memoryview)):
            entry = ("bytes", bytes(value))
        else:
            entry = ("json", json.dumps(value, allow_nan=False).encode())
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            if self.loop is None:
                raise RuntimeError("a topic over Redis is published to while the application is served") from None
            self.loop.call_soon_threadsafe(self._add, entry)
        else:
            self._begin(loop)
            self._add(entry)

    def __aiter__(self) -> "_RedisReader":
        self._begin(asyncio.get_running_loop())
        return _RedisReader(self)

    async def connect(self) -> None:
        """Wait until what Redis keeps of it is here.

        For a start handler: from then on pages that come back after a restart get what they have missed.
        """
        self._begin(asyncio.get_running_loop())
        await self.loaded.wait()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connect, if that was not done in this loop yet."""
        if self.loop is not loop:
            self.loop = loop
            self.loaded = asyncio.Event()  # whether Redis has told what it keeps,
            self.early: WeakSet[_RedisReader] = WeakSet()  # for which these wait
            self.added = asyncio.Event()  # whether anything is pending
            self.task = loop.create_task(self._run())

    def _add(self, entry: "tuple[str, bytes]") -> None:
        self.pending.append(entry)
        self.added.set()

    # -- in the background ------------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Write and read, until the loop ends."""
        async with redis.asyncio.Redis(connection_pool=self.pool) as client:
            tasks = {asyncio.ensure_future(work(client)) for work in (self._write, self._read)}
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            finally:
                while tasks:  # again and again: redis-py may take one cancellation for the end of a time-out
                    for task in tasks:
                        task.cancel()
                    tasks = (await asyncio.wait(tasks, timeout=_CANCEL_S))[1]
                await self.pool.aclose()

    async def _write(self, client: Any) -> None:
        """Add what is pending to the stream."""
        while True:
            await self.added.wait()
            self.added.clear()
            while self.pending:
                entry = self.pending[0]
                try:
                    await client.xadd(self.stream, {entry[0]: entry[1]}, "0-*", self.keep, approximate=False)
                except (RedisError, OSError) as error:
                    await self._failed(error)
                    continue
                self._works()
                if self.pending[0] is entry:  # it may have made room for newer ones
                    self.pending.popleft()

    async def _read(self, client: Any) -> None:
        """Let the readers have what is in the stream."""
        seen = None  # the number of the last entry
        while True:
            try:
                if seen is None:
                    seen = self._load(await client.xrevrange(self.stream, count=self.keep))
                answer = await client.xread({self.stream: f"0-{seen}"}, self.keep, _BLOCK_MS)
                if answer:
                    for entry in answer[0][1]:
                        seen = self._take(entry)
                else:
                    newest = await client.xrevrange(self.stream, count=1)
                    if seen and (_number(newest[0]) if newest else 0) < seen:  # Redis has lost it
                        self.lost += seen
                        seen = 0
            except (RedisError, OSError) as error:
                await self._failed(error)
            else:
                self._works()

    def _load(self, newest: "list[Any]") -> int:
        """What Redis keeps, the newest first: the number of that."""
        number = 0
        for entry in reversed(newest):
            number = self._take(entry)
        self.loaded.set()
        for reader in self.early:
            reader.begin()
        return number

    def _take(self, entry: Any) -> int:
        """An entry of the stream: its number."""
        number = _number(entry)
        if self.count != self.lost + number - 1:  # it is the first, or some were gone before they were read
            self.kept = []
            self.count = self.lost + number - 1
        for field, value in entry[1].items():
            try:
                super().publish(value if field == b"bytes" else json.loads(value))
            except ValueError:
                _logger.error("topic %s: entry %d is no JSON", self.name, number)
        return number

    async def _failed(self, error: Exception) -> None:
        """Redis does not do what it should: try again in a while."""
        if not self.failing:
            self.failing = True
            _logger.error("topic %s: Redis: %s; trying again", self.name, error)
        await asyncio.sleep(_RETRY_S)

    def _works(self) -> None:
        if self.failing:
            self.failing = False
            _logger.error("topic %s: Redis is back", self.name)


class _RedisReader(Reader):
    """A reader that begins when Redis has told what it keeps."""

    source: RedisTopic

    def __init__(self, source: RedisTopic) -> None:
        if source.loaded.is_set():
            super().__init__(source)
        else:
            self.source = source
            source.early.add(self)

    def begin(self) -> None:
        """Begin with the last values."""
        super().__init__(self.source)

    def __next__(self) -> Any:
        return super().__next__() if self.source.loaded.is_set() else self


def _number(entry: Any) -> int:
    """The number of an entry, whose id is 0-number."""
    return int(entry[0].partition(b"-")[2])
