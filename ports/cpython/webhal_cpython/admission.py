"""Admission: connections that are accepted from the system and not ready for HTTP yet.

Here live who waits there, for how long, and who makes room; what has to happen meanwhile is a preparation, and lives
elsewhere: the TLS handshake in tls.py. Nothing here knows HTTP. The server's slots are for those who are prepared: a
client that never comes to an end of its handshake takes none.

A preparation is a generator function of an Arrival. It does what can be done without waiting, on `arrival.socket`,
which does not block; it yields READ or WRITE to go on when the socket can be read or written; and it returns when it is
done. It may put another object of the same descriptor into `arrival.socket`, as TLS does, and another address into
`arrival.client`, as the PROXY protocol does. It reads nothing that is the next one's. OSError, of its own or of the
socket, closes the connection; one that says something before that ends in `linger`, or the client may never read it.
What it takes of the processor at once, others wait for.

    def greet(arrival: Arrival) -> Iterator[Wanted]:
        while True:
            try:
                arrival.socket.send(b"welcome")
                return
            except BlockingIOError:
                yield WRITE

    network = Network(greet)
    network.preparations.insert(0, another)  # that comes before
"""

import contextlib
import socket as bsd
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from socket import socket as Socket
from typing import TYPE_CHECKING, Any

import webhal.log
from webhal_cpython import network

_DEADLINE_MS = 10_000  # for all that prepares a connection; as long as it has for its first byte without that
_MOST = 1024  # in preparation at once, as many as there are slots: each has a descriptor, a TLS handshake some 60 KB
_SAFE_MS = 1_000  # which a connection has before it is closed for a new one: some round trips of a slow network
_STEPS = 16  # of preparations in one wait, because a handshake takes up to a millisecond of the processor
_ACCEPTS = 16  # from the system at once
_PAUSE_MS = 20  # in which no descriptor, or room, is looked for again
_PIECE = 65536  # bytes that are read at once of what nobody wants

Wanted = tuple[bool, bool]
READ: Wanted = (True, False)  # what Network.watch is told
WRITE: Wanted = (False, True)
_NEITHER: Wanted = (False, False)


class Arrival:
    """A connection that is being prepared, or is prepared and was not asked for yet.

    socket   what accept will return, as its client: (address, port) of the peer
    """

    wanted = _NEITHER

    def __init__(self, entrance: "_Entrance", socket: Socket, client: tuple[str, int], now: int) -> None:
        self.entrance = entrance
        self.socket = socket
        self.client = client
        self.since = now
        self._descriptor = socket.fileno()

    def prepare(self) -> Generator[Wanted, None, None]:
        """One preparation after the other."""
        for preparation in self.entrance.preparations:
            yield from preparation(self)

    # What the poller asks of a socket. The descriptor stays the same, whatever `socket` becomes.

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        self.socket.close()


Preparation = Callable[[Arrival], Iterator[Wanted]]


def linger(arrival: Arrival) -> Generator[Wanted, None, None]:
    """End our side and read on until the client ends its own, as RFC 9112, 9.6, has it; then raise ConnectionError."""
    # Past a TLS layer, which has failed.
    Socket.shutdown(arrival.socket, bsd.SHUT_WR)
    more = True
    while more:
        yield READ
        with contextlib.suppress(BlockingIOError):
            more = bool(Socket.recv(arrival.socket, _PIECE))
    raise ConnectionAbortedError


class _Entrance:
    """Who has come by one listener, and is prepared."""

    watched = False  # the listener, by the server
    open = True  # it accepts from the system

    def __init__(self, listener: Socket, preparations: Sequence[Preparation]) -> None:
        self.listener = listener
        self.preparations = preparations
        self.prepared: deque[Arrival] = deque()


if TYPE_CHECKING:
    _Base = network.PollNetwork
else:
    _Base = object


class Admission(_Base):
    """Makes a Network of webhal_cpython.network one whose `accept` gives prepared connections only: a mixin."""

    def __init__(self, *preparations: Preparation) -> None:
        super().__init__()
        self.preparations = list(preparations)
        self._arrivals: dict[Arrival, Generator[Wanted, None, None]] = {}  # in preparation, the oldest first
        self._entrances: dict[Socket, _Entrance] = {}  # by listener
        self._own: set[Any] = set()  # listeners and Arrivals: what the poller reports and the server does not get
        self._paused: dict[_Entrance, int] = {}  # whose listeners are not watched for lack of room, since when (ms)

    def listen(self, port: int, host: str, backlog: int) -> Socket:
        listener = super().listen(port, host, backlog)
        self.adopt(listener)
        return listener

    def adopt(self, listener: Socket, preparations: Sequence[Preparation] | None = None) -> None:
        """Prepare who connects to `listener`, which may have been made elsewhere; in another way than all others do.

        One that no server is to have, because its preparations send everybody away, is watched from here on.
        """
        entrance = _Entrance(listener, self.preparations if preparations is None else preparations)
        self._entrances[listener] = entrance
        self._own.add(listener)
        if preparations is not None:
            super().watch(listener, True, False)

    def watch(self, socket: Any, read: bool, write: bool) -> None:
        entrance = self._entrances.get(socket)
        if not entrance or entrance.open:
            super().watch(socket, read, write)
        if entrance:
            entrance.watched = read
            self._paused.pop(entrance, None)
            for arrival in entrance.prepared:
                super().watch(arrival, False, read)  # type: ignore[arg-type] # see Arrival.fileno

    def accept(self, listener: Socket) -> tuple[Socket, tuple[str, int]] | None:
        entrance = self._entrances[listener]
        if not entrance.prepared:
            self._take(entrance)
            if not entrance.prepared:
                return None
        arrival = entrance.prepared.popleft()
        self._own.remove(arrival)
        descriptor = arrival.fileno()
        if descriptor in self._watched:
            self._forget(descriptor)
            del self._watched[descriptor]
        return arrival.socket, arrival.client

    def refuse(self, listener: Socket) -> bool:
        """Accept nobody more from the system; return whether some who have come were not accepted from here yet."""
        entrance = self._entrances[listener]
        entrance.open = False
        self._paused.pop(entrance, None)
        super().close(listener)
        return bool(entrance.prepared) or any(each.entrance is entrance for each in self._arrivals)

    def close(self, socket: Any) -> None:
        entrance = self._entrances.pop(socket, None)
        if entrance:
            for arrival in [each for each in self._arrivals if each.entrance is entrance] + list(entrance.prepared):
                self._turn_away(arrival)
            self._own.remove(socket)
            self._paused.pop(entrance, None)
        super().close(socket)

    def wait(self, timeout_ms: int) -> list[Any]:
        if self._arrivals or self._paused:
            self._tick()
        ready: list[Any] = super().wait(timeout_ms)
        if self._own.isdisjoint(ready):
            return ready
        steps = 0
        for arrival in ready:
            if arrival in self._arrivals and steps < _STEPS:  # the others are reported again
                steps += 1
                self._advance(arrival)
        others = [socket for socket in ready if type(socket) is not Arrival and socket not in self._entrances]
        for listener, entrance in self._entrances.items():
            try:
                if listener in ready:
                    self._take(entrance)
            except OSError:
                if entrance.watched:  # accept will raise it, too
                    others.append(listener)
                else:
                    self._pause(entrance)
            else:
                if entrance.watched and entrance.prepared:
                    others.append(listener)
        return others

    def _take(self, entrance: _Entrance) -> None:
        """Accept from the system, and begin to prepare. OSError: the system has no socket to spare."""
        for _ in range(_ACCEPTS if entrance.open else 0):
            if len(self._arrivals) >= _MOST and not self._make_room():
                self._pause(entrance)
                return
            try:
                pair = super().accept(entrance.listener)
            except OSError:
                if not self._make_room():
                    raise
                continue
            if not pair:
                return
            arrival = Arrival(entrance, *pair, self.ticks_ms())
            self._arrivals[arrival] = arrival.prepare()
            self._own.add(arrival)
            self._advance(arrival)

    def _advance(self, arrival: Arrival) -> None:
        """Let it come as far as it can without waiting."""
        entrance = arrival.entrance
        try:
            wanted = next(self._arrivals[arrival], None)
            prepared = wanted is None
            if wanted is None:  # it is reported until it is accepted, because it can be written to
                wanted = WRITE if entrance.watched else _NEITHER
            if wanted != arrival.wanted:
                super().watch(arrival, *wanted)  # type: ignore[arg-type] # see Arrival.fileno
                arrival.wanted = wanted
            if prepared:
                entrance.prepared.append(arrival)
                del self._arrivals[arrival]
        except BaseException as error:  # or one that was interrupted would pass for prepared
            self._turn_away(arrival)
            if not isinstance(error, Exception):
                raise
            if not isinstance(error, OSError):
                webhal.log.log(error)

    def _turn_away(self, arrival: Arrival) -> None:
        """Close it; one that is prepared, with its listener."""
        work = self._arrivals.pop(arrival, None)
        if work:
            work.close()
        self._own.remove(arrival)
        try:
            super().close(arrival)  # type: ignore[arg-type] # see Arrival.fileno
        except OSError:  # a preparation has closed it, as ssl does where it fails to wrap it, so no poller knows it
            del self._watched[arrival.fileno()]

    def _tick(self) -> None:
        """Close who is late, and watch listeners again."""
        now = self.ticks_ms()
        while self._arrivals:
            oldest = next(iter(self._arrivals))
            if now - oldest.since < _DEADLINE_MS:
                break
            self._turn_away(oldest)
        for entrance, since in list(self._paused.items()):
            if now - since >= _PAUSE_MS and (len(self._arrivals) < _MOST or self._old()):
                del self._paused[entrance]
                super().watch(entrance.listener, True, False)

    def _pause(self, entrance: _Entrance) -> None:
        """Let who comes wait for a while."""
        self._paused[entrance] = self.ticks_ms()
        super().watch(entrance.listener, False, False)

    def _old(self) -> Arrival | None:
        """Who has been in preparation longest, if that is long enough to be closed for another."""
        oldest = next(iter(self._arrivals), None)
        return oldest if oldest and self.ticks_ms() - oldest.since >= _SAFE_MS else None

    def _make_room(self) -> bool:
        """Close that one; return whether there was one."""
        oldest = self._old()
        if oldest:
            self._turn_away(oldest)
        return oldest is not None


class Network(Admission, network.Network):  # type: ignore[valid-type, misc] # which one, the system tells
    """The best of this system, with preparations."""
