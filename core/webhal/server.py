"""Server: serves an App over any Network, one bounded step at a time.

Here live connection slots, deadlines and fairness, and the way of a plain request. What a plain request
does not need is in modules that are loaded when it happens: bodies and responses of every other kind in
exchange.py, what runs longer than a step in stream.py, refusals and failures in trouble.py, more clients
than slots in crowd.py, a lost link and stopping in life.py. HTTP itself is in http.py and response.py; a
platform's sockets are behind net.Network.

Rules for whoever edits these files:

* One step does, for each connection that is ready, at most one receive, one dispatch and one send.
* A connection waits in exactly one phase (Slot); `since` is when it entered it, or last made progress there
  if the phase's deadline is one for progress ("write").
* What is in phase "handler" is once in `again`, or its stream waits and is once in `running`.
* OSError from an operation on a socket ends that connection and nothing else.
"""

import gc

from webhal.http import Connection, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from webhal.app import App
    from webhal.net import Network
    from webhal.stream import Stream

_TEXT = b"%sContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s"
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Slot(Connection):
    """One connection: its input (http.Connection), its socket, and what is still to be sent.

    phase: what it waits for: "start", the first byte of its first request; "rest", the rest of a request;
    "idle", the next request; "write", the client to take what is sent; "linger", the client to close after a
    refusal (RFC 9112, 9.6); "handler", a running handler, or its turn, because its next request is here.
    keep: 1 when the connection serves another request after this one, 0 when it closes, -1 when it lingers
    first, because the client may still be sending.
    rest: what follows `out`: bytes, a stream.Stream, the Request whose body is being read, or None.
    """

    out = b""
    sent = 0
    rest: "Request | Stream | bytes | None" = None
    keep = 1
    phase = "start"

    def __init__(self, socket: object, peer: "tuple[str, int]", now: int) -> None:
        super().__init__()
        self.socket = socket
        self.peer = peer
        self.since = now


class Server:
    """Serves `app` over `network`, within limits that are given by name, else by the network, else these."""

    connections = 4  # slots; more clients wait to be accepted, or take the place of the one that idles longest
    head = 1024  # most bytes of a request's line and fields
    body = 2048  # most bytes of a body that is read whole
    deadlines: "tuple[float, ...]" = (5, 10, 2, 10)  # seconds of the phases "start", "rest", "idle", "write"
    buffer = 512  # bytes received at once

    tick_ms = 500  # deadlines are checked so often, so a connection may outlive its own by so much
    accepts = 8  # connections accepted in one step, so that new ones do not starve those that are there

    listener: object = None
    start = b"HTTP/1.1 200 OK\r\n"  # of every plain response, with
    fields = ""  # field lines of every response: Date, where the platform has a clock
    full = False  # clients wait that cannot be accepted
    stopping = False
    retry = 0  # ms between two tries of a lost link

    def __init__(self, app: "App", network: "Network", **limits: object) -> None:
        """`limits`: connections, head, body, deadlines, buffer. Raises TypeError or ValueError for a wrong one."""
        if limits:
            from webhal.life import judge_limits

            judge_limits(limits)
        for source in (getattr(network, "limits", {}), limits):
            for name in source:
                setattr(self, name, source[name])
        self.app = app
        self.network = network
        self.receive = network.recv_into
        start, rest, idle, write = self.deadlines
        # In seconds too: how long a refused client may take to read its answer.
        self.until = {"start": start, "rest": rest, "idle": idle, "write": write, "linger": 2}
        self.view = memoryview(bytearray(self.buffer))
        self.slots: "dict[object, Slot]" = {}
        self.again: "list[Slot]" = []  # go on with these in the next step, without waiting
        self.running: "list[Stream]" = []  # whose handlers wait
        # ms: of this step, of the last tick, and when accepting while full, or the link, was last tried
        self.now = self.ticked = self.tried = network.ticks_ms()

    def open(self, port: int = 80, host: str = "", timeout_ms: int = 30000) -> None:
        """Bring the link up and listen. Raises OSError when either cannot be done."""
        self.network.up(timeout_ms)
        self.place = (port, host)
        self.listen()
        self.place = (self.network.local_port(self.listener), host)
        self._tick()
        if "listen" in self.app.events:
            self.app.emit("listen", self.network.address(), self.place[0])

    def listen(self) -> None:
        """Make the listener. Raises OSError."""
        self.listener = self.network.listen(self.place[0], self.place[1], self.connections)
        self.network.watch(self.listener, True, False)

    def unlisten(self) -> None:
        """Close the listener."""
        if self.listener:
            self.network.close(self.listener)
            self.listener = None
        self.full = False

    def serve(self) -> None:
        """Step until `stop` was called and the requests that ran then are finished."""
        while not self.stopping or self.listener or self.slots:
            self.step(self.tick_ms)

    def stop(self) -> None:
        """Let the next steps accept no more, close what is idle and finish what runs, within 10 seconds.

        May be called from a handler, or from a signal handler.
        """
        self.stopping = True

    def close(self) -> None:
        """Close the listener and all connections, at once."""
        self.unlisten()
        for slot in list(self.slots.values()):
            self.drop(slot)

    # -- one step ---------------------------------------------------------------------------------------

    def step(self, timeout_ms: int = 0) -> None:
        """Serve what is ready; wait at most `timeout_ms` for something to be."""
        network = self.network
        if timeout_ms > self.tick_ms:
            timeout_ms = self.tick_ms
        if self.again:
            timeout_ms = 0
        try:
            if self.running or self.full or self.stopping:
                from webhal.life import hurry

                timeout_ms = hurry(self, timeout_ms)
            ready = network.wait(timeout_ms)
            self.now = network.ticks_ms()
            late = network.ticks_diff(self.now, self.ticked) >= self.tick_ms
            if late:
                self._tick()
            again: "list[Slot] | tuple[()]" = ()
            if self.again:
                again = self.again
                self.again = []
            slots = self.slots
            accept = False
            for socket in ready:
                slot = slots.get(socket)
                if slot:
                    try:
                        self._ready(slot)
                    except Exception as error:
                        self._failed(slot, error)
                elif socket is self.listener:
                    accept = True
            for slot in again:
                if slot.socket:
                    self.guard(self.go_on, slot)
            if self.running:
                from webhal.stream import wake

                wake(self)
            if self.full:
                from webhal.crowd import accept_full

                accept_full(self)
            elif accept and self.listener:
                self._accept()
            if late:
                self._sweep()
        except MemoryError:  # between two connections' work
            gc.collect()
        except OSError:  # of the listener; the next sweep makes another
            self.unlisten()

    def guard(self, work: "Callable[[Slot], None]", slot: Slot) -> None:
        """Do one connection's work; whatever goes wrong costs that connection alone."""
        try:
            work(slot)
        except Exception as error:
            self._failed(slot, error)

    def _failed(self, slot: Slot, error: Exception) -> None:
        """A connection's work raised: answer if that can be, else close."""
        try:
            if not isinstance(error, (OSError, MemoryError)):
                from webhal.trouble import answer

                answer(self, slot, error)
                return
        except Exception as second:
            error = second
        try:
            if isinstance(error, MemoryError):
                rest = slot.rest
                silent = slot.phase not in ("write", "linger")
                if silent and rest is not None and type(rest) is not Request:
                    silent = not rest.started
                self.release(slot)
                gc.collect()
                if silent:
                    slot.keep = -1
                    self.send(slot, _BUSY, None)
                    return
        except Exception:
            pass
        self.drop(slot)

    def _ready(self, slot: Slot) -> None:
        """The socket may be readable, or writable if that is what the connection waits for."""
        rest = slot.rest
        if slot.phase == "write":
            from webhal.exchange import flush

            flush(self, slot)
        elif rest is not None and type(rest) is not Request:
            rest.ready(self, slot)
        elif slot.phase != "handler":
            count = self.receive(slot.socket, self.view)
            if count:
                if slot.phase != "linger":
                    slot.receive(bytes(self.view[:count]))
                    self.go_on(slot)
            elif count is not None:
                self.drop(slot)

    def go_on(self, slot: Slot) -> None:
        """Take the next thing from the input, or from what runs."""
        rest = slot.rest
        if rest is not None:
            if type(rest) is Request:
                from webhal.exchange import read_body

                read_body(self, slot, rest)
            else:
                rest.step(self, slot)
            return
        request = slot.next_request(self.head)
        if request is None:
            if slot.phase != "rest" and slot.start < len(slot.input):
                slot.phase = "rest"
                slot.since = self.now
            elif slot.phase == "handler":
                slot.phase = "idle"
            return
        request.client = slot.peer
        if request.length:
            from webhal.exchange import begin_body

            begin_body(self, slot, request)
        else:
            self.dispatch(slot, request)

    def dispatch(self, slot: Slot, request: Request) -> None:
        """Let the application answer."""
        result = self.app.handle(request)
        if type(result) is str:
            body = result.encode()
            plain = request.keep and request.minor and request.method != "HEAD" and len(body) < len(self.view)
            if plain and not (slot.left or self.full or self.stopping or "response" in self.app.events):
                slot.keep = 1  # what most responses are, made in one go
                slot.rest = None
                self.send(slot, _TEXT % (self.start, len(body), body), None)
                return
        from webhal.exchange import answer

        answer(self, slot, request, result)

    # -- sending ----------------------------------------------------------------------------------------

    def send(self, slot: Slot, out: bytes, rest: "Request | Stream | bytes | None") -> None:
        """Send `out`, then go on with `rest`."""
        count = self.network.send(slot.socket, out, 0) if out else 0
        if count == len(out) and rest is None:
            self.sent(slot)
            return
        from webhal.exchange import send_on

        send_on(self, slot, out, count or 0, rest)

    def sent(self, slot: Slot) -> None:
        """The response is sent whole."""
        slot.rest = None
        if slot.keep > 0:
            slot.since = self.now
            if slot.start < len(slot.input):
                slot.phase = "handler"
                self.again.append(slot)
            else:
                slot.phase = "idle"
                slot.input = b""  # or an idle connection keeps the last head in memory
                slot.start = 0
        elif slot.keep:
            from webhal.trouble import linger

            linger(self, slot)
        else:
            self.drop(slot)

    def drop(self, slot: Slot) -> None:
        """Close a connection; idempotent."""
        if slot.socket:
            del self.slots[slot.socket]
            self.network.close(slot.socket)
            slot.socket = None
            self.release(slot)

    def release(self, slot: Slot) -> None:
        """Let go of what a connection holds; a running handler ends."""
        rest = slot.rest
        slot.rest = None
        slot.out = slot.input = b""
        if rest and type(rest) is not Request and hasattr(rest, "close"):
            rest.close()

    # -- what runs beside ready sockets -------------------------------------------------------------------

    def _accept(self) -> None:
        """Accept who waits."""
        for _ in range(self.accepts):
            if len(self.slots) >= self.connections:
                break
            try:
                pair = self.network.accept(self.listener)
            except (OSError, MemoryError):  # no socket to spare
                break
            if not pair:
                return
            self.admit(pair[0], pair[1])
        else:
            return
        from webhal.crowd import begin_full

        begin_full(self)

    def admit(self, socket: object, peer: "tuple[str, int]") -> None:
        """Give an accepted connection a slot."""
        try:
            slot = Slot(socket, peer, self.now)
            self.network.watch(socket, True, False)
            self.slots[socket] = slot
        except (OSError, MemoryError):
            self.network.close(socket)
            return
        if "connect" in self.app.events:
            self.app.emit("connect", peer)
        self.guard(self._ready, slot)  # before it can be taken for idle

    def _tick(self) -> None:
        """What is kept up to date twice a second."""
        self.ticked = self.now
        if hasattr(self.network, "unix_time"):
            from webhal.date import stamp

            stamp(self)

    def _sweep(self) -> None:
        """End connections that are past their deadline; look after the link."""
        now = self.now
        until = self.until
        age = self.network.ticks_diff
        for slot in list(self.slots.values()):
            if slot.phase == "handler" or age(now, slot.since) <= 1000 * until[slot.phase]:
                continue
            if slot.phase == "rest":
                from webhal.trouble import overdue

                self.guard(lambda slot: overdue(self, slot), slot)
            else:
                self.drop(slot)
        if not self.listener or self.network.status() != "up":
            from webhal.life import relink

            relink(self)
