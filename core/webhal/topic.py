"""Event and Topic: what handlers tell each other. How a handler waits is in task.py."""

import sys

from webhal.task import Wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, overload


class Event:
    """A flag that can be waited for. `set` may be called from any handler, not from another thread."""

    def __init__(self) -> None:
        self.flag = False
        self.waiting: "set[_Waiting]" = set()

    def is_set(self) -> bool:
        """Whether it is set."""
        return self.flag

    def set(self) -> None:
        """Set it, and wake all that wait."""
        self.flag = True
        wake(self.waiting)

    def clear(self) -> None:
        """Let those wait that come from now on."""
        self.flag = False

    def wait(self) -> "_Flag":
        """Awaitable: until it is set."""
        return _Flag(self)


class Topic:
    """What is published, for all that read: `async for value in topic`.

    keep: so many values are kept, once for all readers. One that falls behind by more loses the oldest; or, with
    `drop`, its iteration ends.
    last: so many of those that are kept a new reader gets to begin with.
    size: bytes, or characters, of all values together that are kept at most, where they are bytes or str; None for any.
    The newest value is always kept.

    On a PC Topic("name", url="redis://…", keep=16, …) is one topic of all processes and machines that name it so:
    webhal_cpython.topics.RedisTopic.
    """

    if sys.implementation.name == "cpython":

        def __new__(cls, *values: "Any", **options: "Any") -> "Topic":
            if cls is Topic and "url" in options:
                import webhal

                cls = webhal.platform("topics").RedisTopic
            return super().__new__(cls)

    if TYPE_CHECKING:

        @overload
        def __init__(
            self, keep: int = 16, drop: bool = False, last: int = 0, size: "int | None" = None
        ) -> None: ...
        @overload
        def __init__(
            self,
            name: str,
            *,
            url: str,
            keep: int = 16,
            drop: bool = False,
            last: int = 0,
            size: "int | None" = None,
        ) -> None: ...

    def __init__(  # type: ignore[misc] # what has a url is another class
        self, keep: int = 16, drop: bool = False, last: int = 0, size: "int | None" = None
    ) -> None:
        if not isinstance(keep, int) or keep < 1:
            raise ValueError("a topic keeps at least one value, not " + repr(keep))
        if not isinstance(last, int) or not 0 <= last <= keep:
            raise ValueError("the last values are some of those that are kept, not " + repr(last))
        self.keep = keep
        self.drop = drop
        self.last = last
        self.size = size
        self.kept: "list[Any]" = []
        self.count = 0  # of all values so far
        self.waiting: "set[_Waiting]" = set()

    def publish(self, value: "Any") -> None:
        """Let all have it that read now. Never waits."""
        self.kept.append(value)
        while len(self.kept) > self.keep or (self.size and self.size < _size(self.kept) and len(self.kept) > 1):
            self.kept.pop(0)
        self.count += 1
        wake(self.waiting)

    def __aiter__(self) -> "Reader":
        return Reader(self)


class _Waiting(Wait):
    """Waits until something happens to `source`."""

    def __init__(self, source: "Any") -> None:
        self.source = source

    def park(self, task: "Any") -> None:
        self.task = task
        self.source.waiting.add(self)

    def leave(self) -> None:
        self.source.waiting.discard(self)


class _Flag(_Waiting):
    if sys.implementation.name == "cpython":
        told = "Event.wait()"

    def __next__(self) -> Wait:
        if self.task or self.source.flag:  # who was woken need not find it set still
            raise StopIteration(True)
        return self


class Reader(_Waiting):
    """One reader's place in a topic: its own asynchronous iterator, and what it waits for."""

    if sys.implementation.name == "cpython":
        told = ""  # `async for` awaits it again and again

    def __init__(self, source: Topic) -> None:
        self.source = source
        self.position = source.count - min(source.last, len(source.kept))

    def __aiter__(self) -> "Reader":
        return self

    def __anext__(self) -> "Reader":
        return self

    def __next__(self) -> Wait:
        topic = self.source
        if self.position == topic.count:
            return self
        oldest = topic.count - len(topic.kept)
        if self.position < oldest:
            if topic.drop:
                raise StopAsyncIteration
            self.position = oldest
        self.position += 1
        raise StopIteration(topic.kept[self.position - 1 - oldest])


def _size(values: "list[Any]") -> int:
    """Of all that are bytes or str, together."""
    return sum([len(value) for value in values if isinstance(value, (bytes, str))])


def wake(waiting: "set[_Waiting]") -> None:
    """Wake all that wait."""
    for each in waiting:
        each.task.wake()
    waiting.clear()
