"""Server: serves an App over any Network, one bounded step at a time.

Here live connection slots, deadlines and fairness, and the way of a plain request. What a plain request does not
need is in modules that are loaded when it happens (webhal.late): bodies and responses of every other kind in
exchange.py, what runs longer than a step in stream.py, refusals and failures in trouble.py, lack of memory in
failing.py, more clients than slots in crowd.py; starting in run.py, stopping and a lost link in life.py. HTTP
itself is in http.py and response.py; a platform's sockets are behind net.Network.

Rules for whoever edits these files:

* One step does, for each connection that is ready, at most one receive, one dispatch and one send.
* A connection waits in exactly one phase (Slot); `since` is when it entered it, or last made progress there
  if the phase's deadline is one for progress ("write").
* What is in phase "handler" is once in `again`, or its stream waits and is once in `running`.
* OSError from an operation on a socket ends that connection and nothing else.
"""

import webhal
from webhal import late
from webhal.http import Connection, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Unpack  # of Python 3.11; known to type checkers

    import webhal.crowd
    import webhal.stream
    from webhal import beside, closing, date, exchange, failing, life, run, trouble
    from webhal.app import App
    from webhal.net import Limits, Network
    from webhal.stream import Stream

_TICK_MS = 500  # deadlines are checked so often, so a connection may outlive its own by so much


class Slot(Connection):
    """One connection: its input (http.Connection), its socket, and what is still to be sent.

    phase: what it waits for: "start", the first byte of its first request; "rest", the rest of a request;
    "idle", the next request; "write", the client to take what is sent; "linger", the client to close after a
    refusal (RFC 9112, 9.6); "handler", a running handler, or its turn, because its next request is here.
    keep: 1 when the connection serves another request after this one, 0 when it closes, -1 when it lingers
    first, because the client may still be sending.
    rest: what follows `out`: bytes, a stream.Stream, the Request whose body is being read, or None.
    """

    out: "bytes | bytearray | memoryview" = b""
    sent = 0
    rest: "Any" = None
    keep = 1
    phase = "start"

    def __init__(self, socket: "Any", peer: "tuple[str, int]", now: int) -> None:
        self.socket = socket
        self.peer = peer
        self.since = now


class Server:
    """Serves `app` over `network`, within limits that are given by name, else by the network, else in run.py.

    connections   slots; more clients wait to be accepted, or take the place of the one that idles longest
    head          most bytes of a request's line and fields
    body          most bytes of a body that is read whole
    deadlines     seconds of the phases "start", "rest", "idle", "write"
    buffer        bytes received at once
    """

    connections: int
    head: int
    body: int
    deadlines: "tuple[float, float, float, float]"
    buffer: int

    place: "tuple[int, str]"  # the listener's port and host
    # Of every plain response; and the field lines of every response: Date, where the platform has a clock.
    start = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: "
    fields = ""

    def __init__(
        self, app: "App", network: "Network", view: "memoryview | None" = None, **limits: "Unpack[Limits]"
    ) -> None:
        """With a `view`, it and the limits are what run.prepare returned. Raises TypeError or ValueError for limits."""
        if view is None:
            from webhal.run import prepare

            network, view, limits = prepare(network, limits)
        for name in limits:
            setattr(self, name, limits[name])  # type: ignore[literal-required]
        self.app = app
        self.network = network
        self.receive = network.recv_into
        self.view = view
        self.slots: "dict[Any, Slot]" = {}
        self.again: "list[Slot]" = []  # go on with these in the next step, without waiting
        self.running: "list[Stream]" = []  # whose handlers wait
        self.listener: "Any" = None
        self.full = False  # clients wait that cannot be accepted
        self.stopping = False
        self.retry = 0  # ms between two tries of a lost link
        # ms: of this step, of the last tick, and when accepting while full, or the link, was last tried
        self.now = self.ticked = self.tried = network.ticks_ms()

    __getattr__ = late
    if TYPE_CHECKING:  # what `late` finds
        open = run.open
        stop = life.stop
        close = life.close
        unlisten = life.unlisten
        relink = life.relink
        step_beside = beside.step_beside
        begin_body = exchange.begin_body
        answer = exchange.answer
        sent = exchange.sent
        proceed = exchange.proceed
        linger = closing.linger
        crowd = webhal.crowd.crowd
        accept_crowd = webhal.crowd.accept_crowd
        stream = webhal.stream.stream
        until_wake = webhal.stream.until_wake
        wake = webhal.stream.wake
        refuse = trouble.refuse
        overdue = trouble.overdue
        refuse_busy = failing.refuse_busy
        stamp = date.stamp

    def adopt(self, listener: "Any", port: int, host: str) -> None:
        """Serve those who connect to `listener`."""
        self.listener = listener
        self.place = (port, host)
        self.network.watch(listener, True, False)
        self.tick()
        if "listen" in self.app.events:
            self.app.emit("listen", self.network.address(), port)

    def serve(self) -> None:
        """Step until `stop` was called and the requests that ran then are finished."""
        while not self.stopping or self.listener or self.slots:
            self.step(_TICK_MS)

    def run(self) -> None:
        """Serve until `stop` or Ctrl-C, then close; Ctrl-C while the server stops ends it at once."""
        try:
            try:
                self.serve()
            except KeyboardInterrupt:
                if self.stopping:
                    raise
                self.stop()
                self.serve()
        finally:
            self.close()

    # -- one step ---------------------------------------------------------------------------------------

    def step(self, timeout_ms: int = 0) -> None:
        """Serve what is ready; wait at most `timeout_ms` for something to be."""
        try:
            if self.again or self.running or self.full or self.stopping:
                self.step_beside(timeout_ms)
            else:
                self.poll(timeout_ms)
        except MemoryError:  # for loading it: make room, at the cost of one that waits for it
            try:
                if self.again:
                    self.drop(self.again.pop())
                elif self.running:
                    self.drop(self.running.pop().slot)
                else:
                    self.poll(timeout_ms)  # or no deadline would ever end those who hold the memory
                webhal.forget()
            except MemoryError:
                pass

    def poll(self, timeout_ms: int) -> None:
        """Serve the sockets that are ready, and twice a second see to deadlines and the link."""
        network = self.network
        try:
            ready = network.wait(min(timeout_ms, _TICK_MS))
            self.now = network.ticks_ms()
            accept = self.serve_ready(ready)
            if network.ticks_diff(self.now, self.ticked) >= _TICK_MS:
                self.tick()  # first, because accepting may lack the memory that deadlines free
            if accept and self.listener:
                self.accept()
        except MemoryError:  # between two connections' work; what was made for it is garbage now
            pass
        except OSError:  # of the listener; the next sweep makes another
            self.unlisten()

    def serve_ready(self, ready: "list[Any]") -> bool:
        """Serve each connection among the sockets; return whether the listener is there too."""
        accept = False
        for socket in ready:
            slot = self.slots.get(socket)
            if slot:
                try:
                    self.ready(slot)
                except Exception as error:
                    self.failed(slot, error)
            elif socket is self.listener:
                accept = True
        return accept

    def ready(self, slot: Slot) -> None:
        """The socket may be readable, or writable if that is what the connection waits for."""
        if slot.rest or slot.phase == "write":
            self.proceed(slot)
        elif slot.phase != "handler":
            count = self.receive(slot.socket, self.view)
            if count:
                if slot.phase != "linger":
                    slot.receive(bytes(self.view[:count]))
                    self.next(slot)
            elif count is not None:
                self.drop(slot)

    def next(self, slot: Slot) -> None:
        """Answer the next request, if its head is there."""
        request = slot.next_request(self.head)
        if request:
            request.client = slot.peer
            if not request.length:
                self.dispatch(slot, request)
                return
            self.begin_body(slot, request)
        elif slot.phase != "rest" and slot.start < len(slot.input):
            slot.phase = "rest"
            slot.since = self.now
        elif slot.phase == "handler":
            slot.phase = "idle"

    def dispatch(self, slot: Slot, request: Request) -> None:
        """Let the application answer."""
        result = self.app.handle(request)
        if type(result) is str and request.minor and len(result) < self.buffer:
            if not (slot.left or request.method == "HEAD" or "response" in self.app.events):
                body = result.encode()  # what most responses are, made in one go
                close = b""
                slot.keep = 1
                if not request.keep or self.full or self.stopping:
                    slot.keep = -1 if request.keep else 0
                    close = b"Connection: close\r\n"
                self.send(slot, b"%s%d\r\n%s\r\n%s" % (self.start, len(body), close, body))
                return
        self.answer(slot, request, result)

    def send(self, slot: Slot, out: "bytes | bytearray | memoryview", rest: "Any" = None) -> None:
        """Send `out`, then go on with `rest`."""
        count = self.network.send(slot.socket, out, 0) if out else 0
        if count is None or count < len(out) or rest is not None or (slot.keep > 0 and slot.start < len(slot.input)):
            if count:
                slot.phase = "write"  # if memory runs out now, no 503 may follow
            self.sent(slot, out, count or 0, rest)
            return
        slot.rest = None
        if slot.keep > 0:
            slot.phase = "idle"
            slot.since = self.now
            slot.input = b""  # or an idle connection keeps the last head in memory
            slot.start = 0
        elif slot.keep:
            self.linger(slot)
        else:
            self.drop(slot)

    def failed(self, slot: Slot, error: Exception) -> None:
        """A connection's work raised: whatever goes wrong costs that connection alone."""
        try:
            if not isinstance(error, OSError):
                try:
                    if not isinstance(error, MemoryError):
                        self.refuse(slot, error)
                        return
                except MemoryError:
                    pass
                self.refuse_busy(slot)
                return
        except (MemoryError, OSError):
            pass
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
        if type(rest) is not Request and hasattr(rest, "step"):
            try:
                rest.close()
            except MemoryError:  # for telling what it raised
                pass

    # -- what runs beside ready sockets -------------------------------------------------------------------

    def accept(self) -> None:
        """Accept who waits, some in one step, so that they do not starve those that are there."""
        for count in range(8):
            try:
                pair = len(self.slots) < self.connections and self.network.accept(self.listener)
            except (OSError, MemoryError):  # no socket to spare
                pair = False
            if not pair:
                if pair is False and not count:  # else whether more wait is not known yet
                    self.crowd()
                return
            self.admit(pair[0], pair[1])

    def admit(self, socket: "Any", peer: "tuple[str, int]") -> None:
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
        try:
            self.ready(slot)  # before it can be taken for idle
        except Exception as error:
            self.failed(slot, error)

    def tick(self) -> None:
        """End connections that are past their deadline; see to the link and the Date."""
        self.ticked = self.now
        limits = tuple(self.deadlines) + (2,)  # a refused client may take so long to read its answer
        phases = ("start", "rest", "idle", "write", "linger")
        network = self.network
        keep = 0
        for slot in list(self.slots.values()):
            phase = slot.phase
            if phase in phases and network.ticks_diff(self.now, slot.since) > 1000 * limits[phases.index(phase)]:
                try:
                    if phase == "rest":
                        self.overdue(slot)
                    else:
                        self.drop(slot)
                except MemoryError:
                    self.drop(slot)
            if slot.rest:
                keep = 1
        if not self.listener or network.status() != "up":
            self.relink()
        if hasattr(network, "unix_time"):
            self.stamp()
        if webhal.state and hasattr(network, "tight"):
            webhal.idle(keep)
