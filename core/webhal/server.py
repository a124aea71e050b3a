"""Server: serves an App over any Network, one bounded step at a time.

Here live its steps, deadlines and fairness, and accepting; what happens to one connection is in slot.py. The rest is
in modules that are loaded when it happens (webhal.late): more clients than slots in crowd.py, starting in run.py,
stopping and a lost link in life.py. HTTP itself is in http.py and response.py; a platform's sockets are behind
net.Network. Split where it is, because a board may have to compile each file.

One step does, for each connection that is ready, at most one receive, one dispatch and one send.
"""

import webhal
from webhal import late
from webhal.slot import Slot, Slots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Unpack  # of Python 3.11; known to type checkers

    import webhal.crowd
    import webhal.stream
    from webhal import beside, date, life, run, trouble
    from webhal.app import App
    from webhal.net import Limits, Network
    from webhal.stream import Stream

_TICK_MS = 500  # deadlines are checked so often, so a connection may outlive its own by so much


class Server(Slots):
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

    def __init__(
        self, app: "App", network: "Network", complete: "Limits | None" = None, **limits: "Unpack[Limits]"
    ) -> None:
        """`complete` are all limits, as run.prepare returns them. Raises TypeError or ValueError for wrong ones."""
        if complete is None:
            from webhal.run import prepare

            network, complete = prepare(network, limits)
        for name in complete:
            setattr(self, name, complete[name])  # type: ignore[literal-required]
        self.app = app
        self.network = network
        self.receive = network.recv_into
        self.view = memoryview(bytearray(self.buffer))
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
        crowd = webhal.crowd.crowd
        accept_crowd = webhal.crowd.accept_crowd
        stream = webhal.stream.stream
        until_wake = webhal.stream.until_wake
        wake = webhal.stream.wake
        overdue = trouble.overdue
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
            webhal.forget(int(bool(self.slots)))
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
