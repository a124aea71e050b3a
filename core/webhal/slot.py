"""What a server does for one connection: the way of a plain request, from its bytes to those of the answer.

What a plain request does not need is in modules that are loaded when it happens (webhal.late): bodies and responses
of every other kind in exchange.py, what runs longer than a step in stream.py, refusals and failures in trouble.py,
lack of memory in failing.py. Which connections there are, and when it is their turn, is server.py's.

Rules for whoever edits this file, or those:

* A connection waits in exactly one phase (Slot); `since` is when it entered it, or last made progress there
  if the phase's deadline is one for progress ("write").
* What is in phase "handler" is once in `again`, or its stream waits and is once in `running`.
* OSError from an operation on a socket ends that connection and nothing else.
"""

from webhal.http import Connection, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal.app import App
    from webhal.net import Network


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


class Slots:
    """The part of Server that is about one slot at a time."""

    app: "App"
    network: "Network"
    slots: "dict[Any, Slot]"
    receive: "Any"  # network.recv_into
    view: memoryview  # what is received, first
    buffer: int
    head: int
    now: int
    full: bool
    stopping: bool
    # Of every plain response; and the field lines of every response: Date, where the platform has a clock.
    start = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: "
    fields = ""
    # What `late` finds.
    begin_body: "Any"
    answer: "Any"
    sent: "Any"
    proceed: "Any"
    linger: "Any"
    refuse: "Any"
    refuse_busy: "Any"

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
