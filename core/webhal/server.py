"""Server: serves an App over any Network, one bounded step at a time.

Here live connection slots, deadlines, fairness and what happens when memory, sockets or the link run out.
HTTP itself is in http.py and response.py; a platform's sockets are behind net.Network. Streams and running
handlers are in stream.py, loaded when used.

Rules for whoever edits this file:

* One step does, for each connection that is ready, at most one receive, one dispatch and one send.
* A connection waits in exactly one phase; `since` is when it entered it, or last made progress there if
  the phase's deadline is one for progress (_WRITE).
* What is in phase _HANDLER is once in `again`, or its stream waits and is once in `running`.
* OSError from an operation on a socket ends that connection and nothing else.
"""

import gc

from webhal.http import Connection, HTTPError, Request
from webhal.response import Response, serialise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from webhal.app import App
    from webhal.net import Network
    from webhal.stream import Stream

# Phases of a connection: what it waits for. _START to _WRITE index Server.deadlines.
_START = 0  # the first byte of its first request
_REST = 1  # the rest of a request
_IDLE = 2  # the next request
_WRITE = 3  # the client to take what is sent
_LINGER = 4  # the client to close, after a refusal (RFC 9112, 9.6)
_HANDLER = 5  # a running handler; or nothing, because its next request is here

_SWEEP_MS = 500  # deadlines are checked so often, so a connection may outlive its own by so much
_LINGER_MS = 2000  # a client that got its refusal this long ago has read it
_NEVER_MS = 1 << 28  # no deadline: three days
# When slots are full: how long a connection between requests is safe, and one that is in the middle of one
# but makes the server wait. Long enough for a next request that is on its way, for a round trip over WiFi.
_SAFE_IDLE_MS = 20
_SAFE_BUSY_MS = 1000
_ACCEPTS = 8  # connections accepted in one step, so that new ones do not starve those that are there
_RETRY_MS = 1000  # first pause before the link is tried again; it doubles up to
_RETRY_MOST_MS = 32000

_STOP_MS = 10000  # what running requests get to finish when the server stops

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_TEXT = b"%sContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s"
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Slot(Connection):
    """One connection: its input (http.Connection), its socket, and what is still to be sent.

    keep: 1 when the connection serves another request after this one, 0 when it closes, -1 when it lingers
    first, because the client may still be sending.
    rest: what follows `out`: bytes, a stream.Stream, the Request whose body is being read, or None.
    """

    def __init__(self, socket: object, peer: "tuple[str, int]", now: int) -> None:
        super().__init__()
        self.socket = socket
        self.peer = peer
        self.phase = _START
        self.since = now
        self.out: bytes = b""
        self.sent = 0
        self.rest: object = None
        self.keep = 1


class Server:
    """Serves `app` over `network`.

    connections    slots; more clients wait to be accepted, or take the place of the one that idles longest
    head           most bytes of a request's line and fields
    body           most bytes of a body that is read whole
    deadlines      seconds: (first byte of a request, rest of it in all, next request, progress of a write)
    buffer         bytes received at once

    Where one is not given, `network.limits` says what suits the platform, else it is what suits an ESP8266.
    """

    def __init__(
        self,
        app: "App",
        network: "Network",
        connections: "int | None" = None,
        head: "int | None" = None,
        body: "int | None" = None,
        deadlines: "tuple[float, float, float, float] | None" = None,
        buffer: "int | None" = None,
    ) -> None:
        limits = getattr(network, "limits", {})
        self.app = app
        self.network = network
        self.connections = connections or limits.get("connections", 4)
        self.head = head or limits.get("head", 1024)
        self.body = limits.get("body", 2048) if body is None else body
        seconds = deadlines or limits.get("deadlines", (5, 10, 2, 10))
        if self.connections < 1 or self.head < 1 or self.body < 0 or len(seconds) != 4:
            raise ValueError("connections and head are positive, body is not negative, deadlines are four")
        self.deadlines = [int(1000 * s) for s in seconds] + [_LINGER_MS, _NEVER_MS]
        self.view = memoryview(bytearray(buffer or limits.get("buffer", 512)))
        self.slots: "dict[object, Slot]" = {}
        self.listener: object = None
        self.now = self.swept = network.ticks_ms()
        self.receive = network.recv_into
        self.start = b"HTTP/1.1 200 OK\r\n"  # of every plain response, with
        self.fields = ""  # field lines of every response: Date, where the platform has a clock
        self.again: "list[Slot]" = []  # go on with these in the next step, without waiting
        self.full = False  # clients wait that cannot be accepted
        self.stopping = False
        self.place = (80, "")
        self.running: "list[Stream]" = []  # whose handlers wait
        self.tried = self.now  # when accepting while full, or the link, was last tried
        self.retry = 0  # ms between two tries of the link

    # -- life -------------------------------------------------------------------------------------------

    def open(self, port: int = 80, host: str = "", timeout_ms: int = 30000) -> None:
        """Bring the link up and listen. Raises OSError when either cannot be done."""
        self.network.up(timeout_ms)
        self.place = (port, host)
        self._listen()
        self.place = (self.network.local_port(self.listener), host)
        self._tick()
        self.app.emit("listen", self.network.address(), self.place[0])

    def serve(self) -> None:
        """Step until `stop` was called and the requests that ran then are finished."""
        while not self.stopping or (self.slots and self._stop_left()):
            self.step(_SWEEP_MS)
        self.close()

    def stop(self) -> None:
        """Let the next steps accept no more, close what is idle and finish what runs.

        May be called from a handler, or from a signal handler.
        """
        self.stopping = True

    def close(self) -> None:
        """Close the listener and all connections, at once."""
        self._unlisten()
        for slot in list(self.slots.values()):
            self._drop(slot)

    def _stop_left(self) -> bool:
        """Whether running requests still have time to finish."""
        if self.listener:
            self._unlisten()
            self.tried = self.now
            for slot in list(self.slots.values()):
                if slot.phase == _IDLE or slot.phase == _START:
                    self._drop(slot)
        return self.network.ticks_diff(self.now, self.tried) < _STOP_MS

    # -- one step ---------------------------------------------------------------------------------------

    def step(self, timeout_ms: int = 0) -> None:
        """Serve what is ready; wait at most `timeout_ms` for something to be."""
        network = self.network
        if self.again:
            timeout_ms = 0
        elif self.running:
            timeout_ms = self._until_wake(timeout_ms)
        if timeout_ms > _SWEEP_MS:
            timeout_ms = _SWEEP_MS
        if self.stopping:
            self._stop_left()
        if self.full and timeout_ms > _SAFE_IDLE_MS:
            timeout_ms = _SAFE_IDLE_MS
        try:
            ready = network.wait(timeout_ms)
            self.now = network.ticks_ms()
            late = network.ticks_diff(self.now, self.swept) >= _SWEEP_MS
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
                    self._guard(self._go_on, slot)
            if self.running:
                self._wake()
            if self.full and not accept:
                accept = len(slots) < self.connections or network.ticks_diff(self.now, self.tried) >= _SAFE_IDLE_MS
            if accept and self.listener:
                self._accept()
            if late:
                self._sweep()
        except MemoryError:  # between two connections' work
            gc.collect()
        except OSError:  # of the listener; the next sweep makes another
            self._unlisten()

    def _guard(self, work: "Callable[[Slot], None]", slot: Slot) -> None:
        """Do one connection's work; whatever goes wrong costs that connection alone."""
        try:
            work(slot)
        except Exception as error:
            self._failed(slot, error)

    def _failed(self, slot: Slot, error: Exception) -> None:
        """A connection's work raised: answer if that can be, else close."""
        try:
            if isinstance(error, HTTPError):
                self._refuse(slot, error)
                return
        except Exception as second:
            error = second
        try:
            if isinstance(error, MemoryError):
                rest = slot.rest
                clean = slot.phase != _WRITE and slot.phase != _LINGER  # nothing of an answer is sent
                if clean and rest is not None and type(rest) is not Request:
                    clean = not rest.started
                self._release(slot)
                gc.collect()
                if clean:
                    slot.keep = -1
                    self.send(slot, _BUSY, None)
                    return
            elif not isinstance(error, OSError):
                from webhal.errors import log

                log(error)
        except (OSError, MemoryError):
            pass
        self._drop(slot)

    def _ready(self, slot: Slot) -> None:
        """The socket may be readable, or writable if that is what the connection waits for."""
        rest = slot.rest
        if slot.phase == _WRITE:
            self._flush(slot)
        elif rest is not None and type(rest) is not Request:
            rest.ready(self, slot)
        elif slot.phase != _HANDLER:
            count = self.receive(slot.socket, self.view)
            if count:
                if slot.phase != _LINGER:
                    slot.receive(bytes(self.view[:count]))
                    if rest is None:
                        self._next(slot)
                    else:
                        self._read_body(slot, rest)
            elif count is not None:
                self._drop(slot)

    def _go_on(self, slot: Slot) -> None:
        """Take the next thing from the input, or from what runs."""
        rest = slot.rest
        if rest is None:
            self._next(slot)
        elif type(rest) is Request:
            self._read_body(slot, rest)
        else:
            rest.step(self, slot)

    def _next(self, slot: Slot) -> None:
        """Answer the next request, if its head is there."""
        request = slot.next_request(self.head)
        if request is None:
            if slot.phase != _REST and slot.start < len(slot.input):
                slot.phase = _REST
                slot.since = self.now
            elif slot.phase == _HANDLER:
                slot.phase = _IDLE
            return
        request.client = slot.peer
        if request.length:
            self._begin_body(slot, request)
        else:
            self._dispatch(slot, request)

    # -- requests and responses -------------------------------------------------------------------------

    def _begin_body(self, slot: Slot, request: Request) -> None:
        """The head of a request with a body is there."""
        slot.rest = request
        if slot.phase != _REST:
            slot.phase = _REST
            slot.since = self.now
        if request.length > self.body and not self.app.streams(request):
            raise HTTPError(413)
        if request.waits and slot.start == len(slot.input):
            self.send(slot, _CONTINUE, request)
        else:
            self._read_body(slot, request)

    def _read_body(self, slot: Slot, request: Request) -> None:
        """Read the body whole, then dispatch; or let a handler that streams do the reading."""
        while not self.app.streams(request):
            piece = slot.read_body(self.body + 1)
            if piece is None:
                return
            if not piece:
                break
            if len(request.body) + len(piece) > self.body:
                raise HTTPError(413)
            if not request.body:
                request.body = piece
            else:
                if type(request.body) is bytes:
                    request.body = bytearray(request.body)
                request.body.extend(piece)
        request.body = bytes(request.body)
        self._dispatch(slot, request)

    def _dispatch(self, slot: Slot, request: Request) -> None:
        """Let the application answer."""
        slot.rest = None
        if slot.left:
            request.connection = slot
        result = self.app.handle(request)
        if type(result) is str:
            try:
                body = result.encode()
            except UnicodeError as error:  # half a surrogate pair
                self.respond(slot, request, self.app.fail(request, error))
                return
            plain = request.keep and request.minor and request.method != "HEAD" and len(body) < len(self.view)
            if plain and not (slot.left or self.full or self.stopping or "response" in self.app.events):
                slot.keep = 1  # what most responses are, made in one go
                self.send(slot, _TEXT % (self.start, len(body), body), None)
                return
            result = Response(result)
        if isinstance(result, Response):
            self.respond(slot, request, result)
        else:
            self._stream(slot, request, result, None)

    def respond(self, slot: Slot, request: Request, response: Response) -> None:
        """Send a response that ends the request."""
        if slot.left:
            request.keep = False
        fields = self.connection_fields(slot, request)
        if slot.left:
            slot.keep = -1
        try:
            head, body = serialise(response, request.method, fields)
        except MemoryError:
            raise
        except Exception as error:
            from webhal.errors import log

            log(error)
            response = Response("Internal Server Error\n", 500)
            head, body = serialise(response, request.method, fields)
        if head is None:
            self._stream(slot, request, body, response)
            return
        self.tell(request, response.status, len(body))
        if not body:
            self.send(slot, head, None)
        elif len(head) + len(body) <= len(self.view):
            self.send(slot, head + body, None)
        else:
            self.send(slot, head, body)

    def connection_fields(self, slot: Slot, request: Request) -> str:
        """Decide whether the connection stays open; the field lines that every response has."""
        if not request.keep or self.full or self.stopping:
            slot.keep = -1 if request.keep else 0
            return self.fields + "Connection: close\r\n"
        slot.keep = 1
        return self.fields if request.minor else self.fields + "Connection: keep-alive\r\n"

    def tell(self, request: Request, status: int, length: int) -> None:
        """Tell the application of a response."""
        if "response" in self.app.events:
            self.app.emit("response", request, status, length)

    def wait_for_body(self, slot: Slot, since: "int | None") -> None:
        """A handler waits for the body, whose deadline runs since then; or, since None, for something else."""
        if since is None:
            slot.phase = _HANDLER
        else:
            slot.phase = _REST
            slot.since = since

    def _stream(self, slot: Slot, request: Request, source: object, response: "Response | None") -> None:
        from webhal.stream import Stream

        slot.rest = Stream(slot, request, source, response, self.now)
        slot.phase = _HANDLER
        self.again.append(slot)

    def _refuse(self, slot: Slot, error: HTTPError) -> None:
        """Answer a request that no handler answers, and close."""
        request = slot.rest
        if request is None:
            request = Request("", "", "", bytes(slot.input[slot.start :]))
            request.client = slot.peer
        elif type(request) is not Request:  # a handler that reads the body
            stream = request
            request = stream.request
            stream.close()
            if stream.started:
                raise OSError("too late to refuse")
        request.app = self.app
        request.keep = False
        slot.left = -1
        self.respond(slot, request, self.app.fail(request, error))

    # -- sending ----------------------------------------------------------------------------------------

    def send(self, slot: Slot, out: bytes, rest: object) -> None:
        """Send `out`, then go on with `rest`."""
        count = self.network.send(slot.socket, out, 0) if out else 0
        if count == len(out) and rest is None:
            self._sent(slot)
            return
        slot.out = out
        slot.sent = count or 0
        slot.rest = rest
        if slot.sent == len(out):
            self._taken(slot)
        else:
            slot.phase = _WRITE
            slot.since = self.now
            self.network.watch(slot.socket, False, True)

    def _flush(self, slot: Slot) -> None:
        """Send more of what the client did not take at once."""
        count = self.network.send(slot.socket, slot.out, slot.sent)
        if count:
            slot.since = self.now
            slot.sent += count
            if slot.sent == len(slot.out):
                self.network.watch(slot.socket, True, False)
                self._taken(slot)

    def _taken(self, slot: Slot) -> None:
        """`out` is sent: on to `rest`."""
        rest = slot.rest
        slot.out = b""
        slot.sent = 0
        if rest is None:
            self._sent(slot)
        elif isinstance(rest, (bytes, bytearray, memoryview)):
            slot.phase = _WRITE
            self.send(slot, rest, None)
        elif type(rest) is Request:
            slot.phase = _REST
            slot.since = self.now
            self._read_body(slot, rest)
        else:
            slot.phase = _HANDLER
            self.again.append(slot)

    def _sent(self, slot: Slot) -> None:
        """The response is sent whole."""
        slot.rest = None
        if slot.keep < 0:
            self._linger(slot)
        elif slot.keep:
            slot.phase = _IDLE
            slot.since = self.now
            if slot.start < len(slot.input):
                slot.phase = _HANDLER
                self.again.append(slot)
            else:
                slot.input = b""  # or an idle connection keeps the last head in memory
                slot.start = 0
        else:
            self._drop(slot)

    def _linger(self, slot: Slot) -> None:
        """End our side and read on, so that what is still arriving does not cost the client its answer."""
        slot.phase = _LINGER
        slot.since = self.now
        slot.input = b""
        self.network.shut(slot.socket)
        self.network.watch(slot.socket, True, False)

    def _drop(self, slot: Slot) -> None:
        """Close a connection; idempotent."""
        if slot.socket:
            del self.slots[slot.socket]
            self.network.close(slot.socket)
            slot.socket = None
            self._release(slot)

    def _release(self, slot: Slot) -> None:
        """Let go of what a connection holds; a running handler ends."""
        rest = slot.rest
        slot.rest = None
        slot.out = slot.input = b""
        if type(rest) is not Request and hasattr(rest, "close"):
            rest.close()

    # -- what runs beside ready sockets -------------------------------------------------------------------

    def _accept(self) -> None:
        """Accept who waits; when slots are full, in the place of whoever can be spared."""
        network = self.network
        for _ in range(_ACCEPTS):
            victim = None
            if len(self.slots) >= self.connections:
                victim = self._victim()
                if not victim:
                    break
            try:
                pair = network.accept(self.listener)
            except (OSError, MemoryError):  # no socket to spare
                victim = victim or self._victim()
                if victim:
                    self._drop(victim)
                break
            if not pair:
                if self.full:
                    self.full = False
                    network.watch(self.listener, True, False)
                return
            if victim:
                self._drop(victim)
                self.full = True
            socket, peer = pair
            try:
                slot = Slot(socket, peer, self.now)
                network.watch(socket, True, False)
                self.slots[socket] = slot
            except (OSError, MemoryError):
                network.close(socket)
                continue
            if "connect" in self.app.events:
                self.app.emit("connect", peer)
            self._guard(self._ready, slot)  # before it can be taken for idle
        else:
            return
        self.full = True
        self.tried = self.now
        network.watch(self.listener, False, False)

    def _victim(self) -> "Slot | None":
        """The connection to close for a new one: the longest idle, else the one that keeps us waiting longest."""
        best = None
        oldest = -1
        for slot in self.slots.values():
            phase = slot.phase
            if phase < _HANDLER:
                age = self.network.ticks_diff(self.now, slot.since)
                if phase == _REST or phase == _WRITE:
                    age -= _SAFE_BUSY_MS
                    if type(slot.rest) is Request:
                        age -= len(slot.rest.body)  # a millisecond for each byte, as for what is streamed
                    elif phase == _REST and slot.rest:
                        age -= slot.rest.grace
                else:
                    age += _NEVER_MS - _SAFE_IDLE_MS
                    if age < _NEVER_MS:
                        continue
                if age > oldest:
                    best = slot
                    oldest = age
        return best

    def _until_wake(self, timeout_ms: int) -> int:
        """`timeout_ms`, or less if a sleeping handler is due before."""
        now = self.network.ticks_ms()
        for stream in self.running:
            left = stream.left_ms(self.network, now)
            if left is not None:
                timeout_ms = min(timeout_ms, left)
        return timeout_ms

    def _wake(self) -> None:
        """Step the handlers whose time has come, and those that wait for anything to happen."""
        running = self.running
        self.running = []
        for stream in running:
            stream.queued = False
            if stream.waiting and stream.slot.rest is stream:
                if stream.left_ms(self.network, self.now):
                    stream.queue(self)
                else:
                    self._guard(self._go_on, stream.slot)

    def _tick(self) -> None:
        """What is kept up to date twice a second."""
        self.swept = self.now
        if hasattr(self.network, "unix_time"):
            from webhal.date import http_date

            seconds = self.network.unix_time()
            self.fields = "" if seconds is None else "Date: %s\r\n" % http_date(seconds)
            self.start = b"HTTP/1.1 200 OK\r\n" + self.fields.encode()

    def _sweep(self) -> None:
        """End connections that are past their deadline; look after the link."""
        network = self.network
        now = self.now
        deadlines = self.deadlines
        late = [slot for slot in self.slots.values() if network.ticks_diff(now, slot.since) > deadlines[slot.phase]]
        for slot in late:
            if slot.phase == _REST:
                self._guard(self._late, slot)
            else:
                self._drop(slot)
        if not self.listener or network.status() != "up":
            self._relink()

    def _late(self, slot: Slot) -> None:
        """A request is not whole by its deadline; a streamed body has a millisecond more for each byte."""
        if slot.rest and type(slot.rest) is not Request:
            age = self.network.ticks_diff(self.now, slot.since)
            if age <= self.deadlines[_REST] + slot.rest.grace:
                return
        raise HTTPError(408)

    def _relink(self) -> None:
        """The link is lost: close everything, and try again, each time after a longer pause."""
        network = self.network
        if self.listener:
            self.close()
            self.retry = _RETRY_MS
            self.tried = self.now
            self.app.emit("link", "down")
        elif not self.stopping:
            try:
                if network.status() == "up":
                    self._listen()
                    self.retry = 0
                    self.app.emit("link", "up")
                    return
                if network.ticks_diff(self.now, self.tried) < self.retry:
                    return
                network.up(0)
            except OSError as error:
                self._unlisten()
                print("webhal:", error)
            self.tried = self.now
            self.retry = min(2 * self.retry, _RETRY_MOST_MS)

    def _listen(self) -> None:
        port, host = self.place
        self.listener = self.network.listen(port, host, self.connections)
        self.network.watch(self.listener, True, False)

    def _unlisten(self) -> None:
        if self.listener:
            self.network.close(self.listener)
            self.listener = None
        self.full = False
