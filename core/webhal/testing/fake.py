"""A fake network with a virtual clock: scripted clients, and faults that a seed replays.

It keeps the promises of `webhal.net`, but only just: reads and writes are short, `wait` is early or wrong
now and then, ready operations say None once more, and the clock is about to wrap. Misuse of the interface
is an AssertionError, told again by every later `wait` in case something swallowed it. Runs on boards too.
"""

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_TICKS = 1 << 29  # the period of ticks_ms: the shortest of all platforms (CircuitPython)
_TO_WRAP = 5_000  # milliseconds from the start of a test to the first wrap
_JOIN_MS = 700  # that the link takes to come up


class _Listener:
    def __init__(self, port: int, backlog: int) -> None:
        self.port = port
        self.backlog = backlog
        self.waiting: list[Client] = []  # clients that connected and were not accepted yet
        self.broken = self.closed = False
        self.read: bool | None = None  # None: never watched
        self.write: bool | None = None

    def is_ready(self) -> bool:
        return self.read is not None and (self.broken or self.read and len(self.waiting) > 0)


class _Socket:
    """The server's end of a connection."""

    def __init__(self, client: "Client") -> None:
        self.client = client
        self.inbox = bytearray()  # came from the client, not received yet
        self.ended = False  # the client ends its stream after `inbox`
        self.broken = False  # every operation will fail ...
        self.failed = False  # ... and one has
        self.refused = b""  # how what `send` did not take began
        self.shut = self.closed = False
        self.read: bool | None = None
        self.write: bool | None = None

    def is_ready(self) -> bool:
        if self.broken:  # reported even where it is watched for nothing, as epoll does
            return self.read is not None
        return bool(self.read and (self.inbox or self.ended) or self.write and self.client.window != 0)


class Client:
    """The scripted peer, made by `FakeNetwork.connect`. It reads whenever the test looks.

    `state` is "connecting" (not accepted yet), "open", "ended" (by the server), "reset" (by the server or a
    lost link), "refused" or "closed" (by this side). What it has not read when it is reset is lost, as in TCP.
    `window` is how many more bytes it takes from the server; None: any number.
    """

    def __init__(self, net: "FakeNetwork", peer: "tuple[str, int]") -> None:
        self.net = net
        self.peer = peer
        self.state = "refused"
        self.window: int | None = None
        self.socket = _Socket(self)
        self._read = bytearray()
        self._unread = bytearray()

    @property
    def received(self) -> bytes:
        """All that the server sent so far, or since the last `read`."""
        self._look()
        return bytes(self._read)

    def read(self) -> bytes:
        """Take what has come since the last `read`, for tests that have no room for a whole response."""
        data = self.received
        self._read = bytearray()
        return data

    def send(self, data: bytes) -> None:
        """Send; what is sent after the server closed is answered by a reset."""
        assert not self.socket.ended, "the test sends after it ended this stream"
        if self.socket.closed:
            self._end("reset")
        elif self.state != "refused" and not self.socket.broken:
            self.socket.inbox += data

    def send_later(self, ms: int, data: bytes) -> None:
        self.net.at(ms, lambda: self.send(data))

    def shutdown(self) -> None:
        """End this side's stream; the other side's goes on."""
        self.socket.ended = True

    def close(self) -> None:
        """Read what is there and close: the server can read the rest; what it sends makes a reset."""
        self._look()
        self._end("closed")
        self.socket.ended = True

    def reset(self) -> None:
        """Abort: what the server has not received yet is lost."""
        self._end("closed")
        self.socket.broken = True

    def _look(self) -> None:
        self._read += self._unread
        self._unread = bytearray()

    def _end(self, state: str) -> None:
        if self.state not in ("refused", "reset", "closed"):
            self.state = state
            if state != "ended":
                self._unread = bytearray()


class FakeNetwork:
    """The network interface over scripted clients. `sockets` can be open at once. Harsh unless told otherwise.

    For assertions: `now` (virtual ms since the start), `calls` (how often each operation was called),
    `sockets` and `listeners` (the open ones; each has `read` and `write` as it is watched), `misuse` (text).
    """

    def __init__(self, seed: int = 1, harsh: bool = True, sockets: int = 1_000_000) -> None:
        self.now = 0
        self.calls: dict[str, int] = {}
        self.sockets: list[_Socket] = []
        self.listeners: list[_Listener] = []
        self.misuse = ""
        self.limit = sockets
        self.harsh = harsh
        self._random = seed % 65536
        self._faults: list[tuple[str, int, object]] = []  # (operation, number of the call, outcome)
        self._events: list[tuple[int, Callable[[], object]]] = []  # (time, action), in order of time
        self._reported: list[_Listener | _Socket] = []
        self._clients = 0
        self._in_reach = True  # the network can be joined
        self._joined: int | None = 0  # the time at which the link is up; None: it is down

    # -- what a test does ---------------------------------------------------------------------------

    def connect(self, port: int = 80) -> Client:
        """A new client; it is refused unless a listener on `port` has room in its backlog."""
        self._clients += 1
        client = Client(self, (f"192.0.2.{2 + self._clients % 250}", 49152 + self._clients % 16384))
        for listener in self.listeners:
            if listener.port == port and len(listener.waiting) < listener.backlog and not listener.broken:
                client.state = "connecting"
                listener.waiting.append(client)
        return client

    def at(self, ms: int, action: "Callable[[], object]") -> None:
        """Call `action` when `ms` more of virtual time have passed, during `wait` or `advance`."""
        when = self.now + ms
        i = len(self._events)
        while i and self._events[i - 1][0] > when:
            i -= 1
        self._events.insert(i, (when, action))

    def advance(self, ms: int) -> None:
        """Let virtual time pass, as a slow handler does."""
        end = self.now + ms
        while self._events and self._events[0][0] <= end:
            when, action = self._events.pop(0)
            self.now = max(self.now, when)
            action()
        self.now = max(self.now, end)

    def fail(self, operation: str, nth: int, outcome: object) -> None:
        """Let the `nth` call of `operation` from now on (1: the next) have `outcome`.

        An exception is raised, and one from `recv_into` or `send` breaks the connection. None: would block.
        0, from `recv_into`: end of stream.
        """
        self._faults.append((operation, self.calls.get(operation, 0) + nth, outcome))

    def lose_link(self) -> None:
        """The link goes down and `up` fails. Sockets and listeners fail, and do so for ever."""
        self._in_reach = False
        self._drop()

    def restore_link(self) -> None:
        """The network is in reach again, for `up` to join."""
        self._in_reach = True

    def set_time(self, seconds: int) -> None:
        """There is a `unix_time` from now on."""
        start = self.now
        self.unix_time = lambda: seconds + (self.now - start) // 1000

    # -- link ---------------------------------------------------------------------------------------

    def up(self, timeout_ms: int) -> None:
        self._call("up")
        if self._joined is None and self._in_reach:
            self._joined = self.now + _JOIN_MS
        if not timeout_ms:
            return
        if self._joined is None:
            self.advance(timeout_ms)
            raise OSError("no such network")
        self.advance(max(0, min(timeout_ms, self._joined - self.now)))
        if self.status() != "up":
            raise OSError("the network did not answer in time")

    def down(self) -> None:
        self._call("down")
        self._drop()

    def status(self) -> str:
        self._call("status")
        if self._joined is None:
            return "down"
        return "up" if self._joined <= self.now else "connecting"

    def address(self) -> "str | None":
        return "192.0.2.1" if self.status() == "up" else None

    # -- sockets ------------------------------------------------------------------------------------

    def listen(self, port: int, host: str, backlog: int) -> _Listener:
        self._require(0 <= port < 65536 and isinstance(host, str) and backlog > 0, "listen: wrong arguments")
        self._call("listen")
        if self._joined is None or self._joined > self.now:
            raise OSError(errno.EHOSTUNREACH, "the link is down")
        taken = [listener.port for listener in self.listeners]
        if port in taken:
            raise OSError(errno.EADDRINUSE, "address in use")
        if not port:
            port = 49152
            while port in taken:
                port += 1
        listener = _Listener(port, backlog)
        self.listeners.append(listener)
        return listener

    def local_port(self, listener: _Listener) -> int:
        self._require(not listener.closed, "local_port of a closed listener")
        return listener.port

    def accept(self, listener: _Listener) -> "tuple[_Socket, tuple[str, int]] | None":
        self._require(not listener.closed, "accept on a closed listener")
        if self._call("accept") is None:
            return None
        if listener.broken or len(self.sockets) >= self.limit:
            raise OSError(errno.ENOMEM, "no socket to spare")
        while listener.waiting:
            client = listener.waiting.pop(0)
            if client.socket.broken and self._number(2):
                continue  # some platforms pass it over, some hand it out broken
            if client.state == "connecting":
                client.state = "open"
            self.sockets.append(client.socket)
            return client.socket, client.peer
        return None

    def recv_into(self, socket: _Socket, buffer: "bytearray | memoryview") -> "int | None":
        self._require(isinstance(buffer, (bytearray, memoryview)) and len(buffer) > 0, "recv_into: no buffer")
        self._require_usable(socket, "recv_into")
        outcome = self._call("recv_into", socket)
        if outcome is None:
            return None
        if outcome == 0:
            socket.inbox = bytearray()
            socket.ended = True
        if not socket.inbox:
            return 0 if socket.ended else None
        n = self._some(min(len(buffer), len(socket.inbox)))
        memoryview(buffer)[:n] = memoryview(socket.inbox)[:n]
        socket.inbox[:n] = b""  # in place, or a large upload would be copied again and again
        return n

    def send(self, socket: _Socket, data: "bytes | bytearray | memoryview", start: int) -> "int | None":
        self._require(isinstance(data, (bytes, bytearray, memoryview)), "send: data is not bytes")
        self._require(0 <= start < len(data), "send: nothing to send")
        self._require(not socket.shut, "send after shut")
        self._require_usable(socket, "send")
        client = socket.client
        first = bytes(memoryview(data)[start : start + (len(socket.refused) or 8)])
        self._require(not socket.refused or first == socket.refused, "send: other bytes than were refused")
        if self._call("send", socket) is None or client.window == 0:
            socket.refused = first
            return None
        socket.refused = b""
        n = len(data) - start
        if client.window is not None:
            n = min(n, client.window)
        n = self._some(n)
        if client.state == "closed":
            socket.broken = True  # the closed client's answer is a reset
            return n
        client._unread += memoryview(data)[start : start + n]
        if client.window is not None:
            client.window -= n
        return n

    def close(self, socket: "_Listener | _Socket") -> None:
        self._call("close")
        if socket.closed:
            return
        socket.closed = True
        socket.read = socket.write = False
        if isinstance(socket, _Listener):
            self.listeners.remove(socket)
            for client in socket.waiting:
                client._end("reset")
        else:
            self.sockets.remove(socket)
            socket.client._end("reset" if socket.inbox or socket.broken else "ended")

    def shut(self, socket: _Socket) -> None:
        self._require(not socket.closed, "shut of a closed socket")
        self._call("shut")
        socket.shut = True
        socket.client._end("reset" if socket.broken else "ended")

    # -- readiness ----------------------------------------------------------------------------------

    def watch(self, socket: "_Listener | _Socket", read: bool, write: bool) -> None:
        self._require(not socket.closed, "watch of a closed socket")
        self._call("watch")
        socket.read = read
        socket.write = write

    def wait(self, timeout_ms: int) -> "list[_Listener | _Socket]":
        assert not self.misuse, self.misuse
        self._require(timeout_ms >= 0, "wait: negative time")
        self._call("wait")
        end = self.now + timeout_ms
        if self._chance():
            end = self.now + self._number(timeout_ms + 1)
        self.advance(0)
        while not self._report() and self.now < end:
            if self._events:
                self.advance(min(end, self._events[0][0]) - self.now)
            else:
                self.advance(end - self.now)
        if self._chance():
            self._report_wrongly()
        return self._reported

    def _all(self) -> "list[_Listener | _Socket]":
        return self.listeners + self.sockets

    def _report(self) -> "list[_Listener | _Socket]":
        self._reported.clear()
        for socket in self._all():
            if socket.is_ready():
                n = len(self._reported)
                self._reported.insert(self._number(n + 1) if self.harsh else n, socket)
        return self._reported

    def _report_wrongly(self) -> None:
        for socket in self._all():
            if (socket.read or socket.write) and socket not in self._reported:
                self._reported.append(socket)
                return

    # -- clock --------------------------------------------------------------------------------------

    def ticks_ms(self) -> int:
        return (_TICKS - _TO_WRAP + self.now) % _TICKS

    def ticks_diff(self, later: int, earlier: int) -> int:
        self._require(0 <= later < _TICKS and 0 <= earlier < _TICKS, "ticks_diff of what is no tick")
        return (later - earlier + _TICKS // 2) % _TICKS - _TICKS // 2

    # -- inside -------------------------------------------------------------------------------------

    def _require(self, kept: bool, broken_rule: str) -> None:
        if not kept:
            self.misuse = self.misuse or broken_rule
            raise AssertionError(broken_rule)

    def _require_usable(self, socket: _Socket, operation: str) -> None:
        self._require(not socket.closed, operation + " after close")
        self._require(not socket.failed, operation + " after this socket raised OSError")

    def _call(self, operation: str, socket: "_Socket | None" = None) -> object:
        """Count a call. Raise or return what `fail` or the socket's state demands of it; True: go on."""
        count = self.calls[operation] = self.calls.get(operation, 0) + 1
        outcome: object = True
        for fault in self._faults:
            if fault[0] == operation and fault[1] == count:
                self._faults.remove(fault)
                outcome = fault[2]
                break
        else:
            if socket and socket.broken:
                outcome = OSError(errno.ECONNRESET, "connection reset")
            elif operation in ("accept", "recv_into", "send") and self._chance():
                outcome = None
        if not isinstance(outcome, BaseException):
            return outcome
        if socket:
            socket.broken = socket.failed = True
            socket.client._end("reset")
        raise outcome

    def _drop(self) -> None:
        self._joined = None
        for listener in self.listeners:
            listener.broken = True
            for client in listener.waiting:
                client._end("reset")
        for socket in self.sockets:
            socket.broken = True
            socket.client._end("reset")

    def _number(self, below: int) -> int:
        """The next pseudo-random number of 0 <= n < min(below, 65536); small integers on every platform."""
        self._random = (self._random * 75 + 74) % 65537
        return self._random % below

    def _chance(self) -> bool:
        return self.harsh and self._number(8) == 0

    def _some(self, n: int) -> int:
        return 1 + self._number(n) if self.harsh else n
