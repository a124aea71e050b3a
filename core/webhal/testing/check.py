"""The conformance kit: does a network keep every promise of `webhal.net`? For authors of ports.

Plain asserts over any network with any peer, without a test framework, so that it runs where the port runs:
on a board, on a PC, over a fake. `check_network` prints one line for each promise. The tests themselves, and
what they expect, stand in promises.py; here is what they need: a peer, and a bench with the usual steps.
"""

import errno
import struct
import sys

from webhal.testing.promises import PROMISES, STEP_MS, Skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from webhal.net import Network

_PATIENCE_MS = 5_000  # until what must happen has happened; loopback takes 1 ms, a busy board some hundred
_ROUNDS = 2_000  # without ticks_ms going forward: a wait may return at once, but a clock that is broken ends the test


def check_network(
    make_network: "Callable[[], Network]",
    make_client: "Callable[[Any, str, int], Any] | None" = None,
    host: str = "127.0.0.1",
    exhaust: "Callable[[Any], Callable[[], object]] | None" = None,
    lose_link: "Callable[[Any], Callable[[], object]] | None" = None,
    late_ms: int = 2_000,
) -> int:
    """Test all promises and return how many were kept; AssertionError, if one was not, names all that were not.

    `make_network()` gives the network under test, new or the same each time, with its link up.
    `make_client(network, host, port)` connects a peer, which looks like `SocketClient`, the default.
    `host` is what the network listens on and the client connects to. `exhaust(network)` leaves the platform no
    socket to spare, and `lose_link(network)` puts its network out of reach; each returns what undoes it. Without
    them their promises are skipped. `late_ms` is how late a loaded machine's `wait` may be.
    """
    kept = 0
    broken = []
    for text, test in PROMISES:
        bench = Bench(make_network(), make_client or SocketClient, host, exhaust, lose_link, late_ms)
        try:
            try:
                note = test(bench)
            finally:
                bench.close()
            kept += 1
            print("ok     " + text + (f" ({note})" if note else ""))
        except Skip as reason:
            print("skip   " + text + ": " + str(reason))
        except Exception as error:
            broken.append(text)
            print("BROKEN " + text + ": " + (str(error) if isinstance(error, AssertionError) else repr(error)))
    print(f"{kept} promises kept, {len(broken)} broken, {len(PROMISES) - kept - len(broken)} skipped")
    assert not broken, "broken: " + "; ".join(broken)
    return kept


class SocketClient:
    """The peer, as a socket of the operating system that runs the kit. Only `send` waits.

    `state` is "open", "ended" (by the other side), "reset", "refused" or "closed" (by this side), as far as
    `read` and `send` have noticed; `peer` is this side's (address, port), None where that cannot be learnt.
    """

    def __init__(self, network: object, host: str, port: int) -> None:
        import socket  # dialect: CircuitPython's ports are tested with a client of their own

        self.window = None  # how much to take of what it does not read; only a scripted client listens to that
        self.peer = None
        self.state = "open"
        found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0]
        self.socket = socket.socket(found[0], found[1])
        self._linger = socket.SOL_SOCKET, getattr(socket, "SO_LINGER", None)
        self.socket.settimeout(_PATIENCE_MS // 1000)
        try:
            self.socket.connect(found[4])
            if hasattr(self.socket, "getsockname"):
                self.peer = self.socket.getsockname()[:2]
        except OSError:
            self.state = "refused"
            self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.settimeout(_PATIENCE_MS // 1000)
        try:
            while data:
                data = data[self.socket.send(data) :]
        except OSError:
            self.state = "reset"

    def read(self) -> bytes:
        """What has come, at most 512 bytes of it, or nothing."""
        if self.state != "open":
            return b""
        self.socket.settimeout(0)
        try:
            data: bytes = self.socket.recv(512)
            if not data:
                self.state = "ended"
            return data
        except OSError as error:
            if error.errno not in (errno.EAGAIN, getattr(errno, "EWOULDBLOCK", errno.EAGAIN)):
                self.state = "reset"
            return b""

    def close(self) -> None:
        self.state = "closed"
        self.socket.close()

    def reset(self) -> None:
        """Where lingering cannot be set, the close of a socket with unread data resets as well."""
        level, option = self._linger
        if option is not None:
            self.socket.setsockopt(level, option, struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0))
        self.close()


class Bench:
    """One network with what was opened on it, and the usual steps of a test."""

    def __init__(
        self,
        network: "Any",
        make_client: "Callable[[Any, str, int], Any]",
        host: str,
        exhaust: "Callable[[Any], Callable[[], object]] | None",
        lose_link: "Callable[[Any], Callable[[], object]] | None",
        late_ms: int,
    ) -> None:
        self.net = network
        self.make_client = make_client
        self.host = host
        self.exhaust = exhaust
        self.lose_link = lose_link
        self.late_ms = late_ms
        self.opened: "list[Any]" = []

    def close(self) -> None:
        for close, thing in self.opened:
            close(thing)

    # -- steps --------------------------------------------------------------------------------------

    def listen(self, port: int = 0) -> "Any":
        """A watched listener."""
        listener = self.net.listen(port, self.host, 2)
        self.opened.append((self.net.close, listener))
        self.net.watch(listener, True, False)
        return listener

    def connect(self, listener: "Any") -> "Any":
        """A client that waits to be accepted."""
        client = self.make_client(self.net, self.host, self.net.local_port(listener))
        self.opened.append((type(client).close, client))
        return client

    def accept(self, listener: "Any") -> "Any":
        """(socket, peer), as the network gives them."""
        socket, peer = self.until(lambda: self.net.accept(listener), "accept never gives the connection that waits")
        self.opened.append((self.net.close, socket))
        return socket, peer

    def pair(self) -> "Any":
        """(client, socket) of a new connection, of which nothing is watched."""
        listener = self.listen()
        client = self.connect(listener)
        socket, _ = self.accept(listener)
        self.net.close(listener)
        return client, socket

    def reset_pair(self) -> "Any":
        """A socket that the peer has reset."""
        client, socket = self.pair()
        self.send(socket, b"unread")  # a peer without lingering resets if it has not read all
        self.net.wait(STEP_MS)
        client.reset()
        return socket

    def until(self, get: "Callable[[], Any]", complaint: str) -> "Any":
        """The first result of `get` that is not None; the network waits in between."""
        start = self.net.ticks_ms()
        elapsed = rounds = 0
        while elapsed <= _PATIENCE_MS and rounds < _ROUNDS:
            result = get()
            if result is not None:
                return result
            self.net.wait(STEP_MS)
            rounds += 1
            now = self.net.ticks_diff(self.net.ticks_ms(), start)
            if now > elapsed:
                elapsed = now
                rounds = 0
        raise AssertionError(complaint)

    def until_fails(self, operation: "Callable[[], Any]", complaint: str) -> None:
        """Until `operation` raises OSError."""

        def attempt() -> "bool | None":
            try:
                assert operation() != 0, complaint
                return None
            except OSError:
                return True

        self.until(attempt, complaint)

    def receive_into(self, socket: "Any", buffer: "bytearray | memoryview") -> int:
        """How many bytes arrive; 0 is the end."""
        n: int = self.until(lambda: self.net.recv_into(socket, buffer), "nothing arrives from the peer")
        assert 0 <= n <= len(buffer), f"recv_into returned {n} for a buffer of {len(buffer)}"
        return n

    def receive(self, socket: "Any", size: int) -> bytes:
        """What `socket` receives until it has `size` bytes or its stream ends; never more than `size`."""
        data = bytearray()

        def step() -> "bytes | None":
            while len(data) < size:
                buffer = bytearray(min(100, size - len(data)))
                n = self.net.recv_into(socket, buffer)
                if n is None:
                    return None
                assert 0 <= n <= len(buffer), f"recv_into returned {n} for a buffer of {len(buffer)}"
                if n == 0:
                    break
                data.extend(memoryview(buffer)[:n])
            return bytes(data)

        received: bytes = self.until(step, f"not all of {size} bytes arrive from the peer")
        return received

    def send(self, socket: "Any", data: "bytes | bytearray | memoryview", start: int = 0) -> None:
        """Send all of `data[start:]`."""

        def step() -> "bool | None":
            nonlocal start
            while start < len(data):
                n = self.net.send(socket, data, start)
                if n is None:
                    return None
                assert 0 < n <= len(data) - start, f"send returned {n} of {len(data) - start} bytes"
                start += n
            return True

        self.until(step, "send does not take all, although the peer has read or has room")

    def read(self, client: "Any", size: int) -> bytes:
        """What the client reads until it has `size` bytes or its connection is over."""
        data = bytearray()

        def step() -> "bytes | None":
            while len(data) < size:
                piece = client.read()
                data.extend(piece)
                if not piece:
                    if client.state == "open":
                        return None
                    break
            return bytes(data)

        result: bytes = self.until(step, f"the peer does not get all of {size} bytes")
        return result

    def end(self, client: "Any") -> str:
        """The state in which the client's connection ends."""
        extra = self.read(client, 1)
        assert not extra, "the peer got more than was sent"
        state: str = client.state
        return state

    def count(self, socket: "Any", timeout_ms: int = 1) -> int:
        """How often `socket` is in the list of one wait."""
        return sum([1 for reported in self.net.wait(timeout_ms) if reported is socket])

    def await_report(self, socket: "Any", complaint: str) -> None:
        """Until one wait reports `socket`."""
        self.until(lambda: True if self.count(socket, STEP_MS) else None, complaint)

    def always_reported(self, socket: "Any") -> bool:
        """Whether every wait reports `socket`: of one that is not ready only where the platform cannot poll."""
        return all([self.count(socket) for _ in range(20)])

    def in_time(self, limit_ms: int, operation: "Callable[..., object]", *arguments: object) -> None:
        """Call `operation`, which must not take longer."""
        start = self.net.ticks_ms()
        operation(*arguments)
        elapsed = self.net.ticks_diff(self.net.ticks_ms(), start)
        assert elapsed <= limit_ms + self.late_ms, f"it took {elapsed} ms, {limit_ms} were allowed"
