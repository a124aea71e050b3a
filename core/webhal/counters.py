"""Numbers that several processes count together, each in a file of its own; PC only, for metrics.py.

A file is written through memory that is mapped, so that what a process has counted is there when it is killed. Its
owner holds a lock on it for life. Who starts takes over a file whose owner is gone, and counts on in it: no number goes
back, and there are no more files than processes at a time.

A file has two parts. First come three numbers: how many bytes are in use, and what is true of a living owner only, its
connections and its memory. Then for each key its length, how many numbers it has, the key itself, filled up to eight
bytes, and the numbers; all are of 64 bits.
"""

import fcntl
import mmap
import os
import struct
from urllib.parse import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_SIZE = 1 << 20  # bytes of a file: some thousand routes
_HEAD = 24
_WORD = 8


class Shared:
    """The numbers of this process, and those of all that use the same folder and name.

    Raises OSError where the folder cannot be used, or is full.
    """

    def __init__(self, folder: str, name: str) -> None:
        self.folder = folder
        self.prefix = quote(name, safe="") + "."
        self.file = self._own()
        if os.fstat(self.file).st_size != _SIZE:
            if hasattr(os, "posix_fallocate"):  # for where the disk is full later, to count would end the process
                os.posix_fallocate(self.file, 0, _SIZE)
            else:
                os.ftruncate(self.file, _SIZE)
            os.pwrite(self.file, struct.pack("=q", _HEAD), 0)
        self.view = memoryview(mmap.mmap(self.file, _SIZE))
        self.head = self.view[:_HEAD].cast("q")
        self.numbers: "dict[str, Any]" = {
            key: self.view[start : start + _WORD * size].cast("q")
            for key, start, size in _records(self.view[: self.head[0]])
        }

    def _own(self) -> int:
        """The descriptor of the first file that has no owner."""
        count = 0
        while True:
            path = os.path.join(self.folder, "%s%d" % (self.prefix, count))
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if _lock(file, fcntl.LOCK_EX):
                return file
            os.close(file)
            count += 1

    def add(self, key: str, size: int) -> "Any":
        """Numbers for a new key; where the file is full, others that only this process knows."""
        name = key.encode()
        used = self.head[0]
        start = used + 2 * _WORD + _padded(len(name))
        if start + _WORD * size > _SIZE:
            return [0] * size
        struct.pack_into("=qq%ds" % len(name), self.view, used, len(name), size, name)
        numbers = self.view[start : start + _WORD * size].cast("q")
        for place in range(size):  # of who was killed here
            numbers[place] = 0
        self.head[0] = start + _WORD * size  # last: what is not whole is not there
        return numbers

    def look(self, connections: int, memory: int) -> None:
        """Write down what is true of a living process."""
        self.head[1] = connections
        self.head[2] = memory

    def total(self) -> "tuple[dict[str, list[int]], int, int]":
        """(sums of all numbers, by key, of all connections, of all memory)."""
        sums: "dict[str, list[int]]" = {}
        connections = memory = 0
        for name in os.listdir(self.folder):
            if not name.startswith(self.prefix) or not name[len(self.prefix) :].isdigit():
                continue
            file = os.open(os.path.join(self.folder, name), os.O_RDONLY | os.O_CLOEXEC)
            try:
                lives = not _lock(file, fcntl.LOCK_SH)
                head = os.pread(file, _HEAD, 0)
                used, its_connections, its_memory = struct.unpack("=qqq", head or bytes(_HEAD))  # of one just made
                data = os.pread(file, used, 0)
            finally:
                os.close(file)
            if lives:
                connections += its_connections
                memory += its_memory
            for key, start, size in _records(memoryview(data)):
                numbers = struct.unpack_from("=%dq" % size, data, start)
                known = sums.get(key, [0] * size)
                sums[key] = [a + b for a, b in zip(known, numbers, strict=True)]
        return sums, connections, memory


def _lock(file: int, kind: int) -> bool:
    """Whether nobody else holds a lock on the file, and so we do."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def _padded(length: int) -> int:
    return -(-length // _WORD) * _WORD


def _records(data: "memoryview") -> "Iterator[tuple[str, int, int]]":
    """(key, where its numbers begin, how many there are) of each in what is used of a file."""
    place = _HEAD
    while place < len(data):
        length, size = struct.unpack_from("=qq", data, place)
        start = place + 2 * _WORD + _padded(length)
        yield bytes(data[place + 2 * _WORD : place + 2 * _WORD + length]).decode(), start, size
        place = start + _WORD * size
