"""Server: serves an App over any Network, one bounded step at a time.

Here live its steps, deadlines and fairness, and accepting; what happens to one connection is in connection.py. What
does not always happen is in modules that are loaded then: steps in which more is to be done in loop.py, more clients
than slots in overload.py, starting in starting.py, a lost link in link.py. Sockets are behind net.Network.

One step does, for each connection that is ready, at most one receive and one dispatch.
"""

import sys

import webhal
from webhal.connection import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Unpack  # of Python 3.11; known to type checkers

    from webhal.app import App
    from webhal.jobs import Job
    from webhal.net import Host, Limits, Network
    from webhal.task import sleep_ms

_TICK_MS = 500  # deadlines are checked so often, so a connection may outlive its own by so much


class Server:
    """Serves `app` over `network`, within limits that are given by name, else by the network, else in starting.py.

    connections   slots; more clients wait to be accepted, or take the place of the one that idles longest
    head          most bytes of a request's line and fields
    body          most bytes of a body that is read whole
    deadlines     seconds, by name: "start", to the first byte of a connection's first request; "rest", to the request's
                  last; "idle", to the next request; "write", in which the client takes some of what is sent; and,
                  not to be given, "linger", two seconds in which who was refused reads why
    buffer        bytes received at once
    """

    connections: int
    head: int
    body: int
    deadlines: "dict[str, float]"
    buffer: int
    draining: int  # ms that running requests get to finish, and who idles a tenth, where stopping is to fail none

    Connection = Connection  # what a client that was accepted gets
    # Of every plain response; and the field lines of every response: Date, where the platform has a clock.
    start = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: "
    fields = ""
    if sys.implementation.name == "cpython":
        keep_alive = ""  # a field line for responses that do not close: for how long their connection may idle
    host: "Host | None" = None  # who steps it, and runs its coroutines, where asyncio does
    clock: "list[sleep_ms] | None" = None  # those that sleep, the latest first
    jobs: "list[Job] | None" = None  # what runs beside serving
    stopping = False
    retry = 0  # ms between two tries of a lost link
    failure: "BaseException | None" = None  # of what the application does at start: the next step raises it
    full = False  # clients wait that cannot be accepted, so
    closes = 0  # that many of the next answers close their connections

    def __init__(
        self, app: "App", network: "Network", full: "Limits | None" = None, **limits: "Unpack[Limits]"
    ) -> None:
        """`full` are all limits, from starting.prepare. Raises TypeError or ValueError for wrong ones."""
        if full is None:
            network, full = webhal.starting.prepare(network, limits)
        for name in full:
            setattr(self, name, full[name])  # type: ignore[literal-required]
        self.app = app
        self.network = network
        self.receive = network.recv_into
        self.view = memoryview(bytearray(self.buffer))
        self.slots: "dict[Any, Connection]" = {}
        self.again: "list[Connection | Job]" = []  # it is their turn in the next step, which does not wait
        # ms: of this step, of the last tick, and when accepting while full, or the link, was last tried; or stop called
        self.now = self.ticked = self.tried = network.ticks_ms()
        self.listener: "Any" = None
        self.place: "tuple[int, str] | None" = None  # the listener's port and host, once it serves

    def open(self, port: int = 80, host: str = "", timeout_ms: int = 30000) -> None:
        """Bring the link up and listen. Raises what starting.listen does."""
        self.adopt(*webhal.starting.listen(self.network, port, host, self.connections, timeout_ms))

    def stop(self) -> None:
        """Let the next steps accept no more, close what is idle and finish what runs, within 10 seconds.

        May be called from a handler, or from a signal handler.
        """
        if not self.stopping:
            self.stopping = True
            self.tried = self.network.ticks_ms()  # the ten seconds begin
            if self.host:
                self.host.wake()

    def close(self) -> None:
        """Close the listener and all connections, at once. Not for handlers: they call stop."""
        self.unlisten()
        for connection in list(self.slots.values()):
            connection.drop(self)
        for job in list(self.jobs or ()):
            job.drop(self)
        if self.app.server is self:
            self.app.server = None  # what is spawned from now on waits for the next

    def unlisten(self) -> None:
        """Close the listener."""
        if self.listener:
            self.network.close(self.listener)
            self.listener = None
        self.full = False
        self.closes = 0

    def adopt(self, listener: "Any", port: int, host: str) -> None:
        """Serve those who connect to `listener`, once the application's start handlers have run."""
        self.app.server = self
        self.listener = listener
        if self.app.work:
            webhal.jobs.start(self, port, host)
        else:
            self.begin(port, host)

    def begin(self, port: int, host: str) -> None:
        """Serve those who connect to the listener."""
        self.place = (port, host)
        if self.listener:  # else the next tick makes another
            self.network.watch(self.listener, True, False)
        self.tick()
        self.app.emit("listen", host or self.network.address(), port)

    def run(self) -> None:
        """Serve until `stop` or Ctrl-C, finish what runs, and close; Ctrl-C while the server stops ends it at once.

        In asyncio, where the application has imported it and the port can.
        """
        if "asyncio" in sys.modules and hasattr(self.network, "hosting"):
            webhal.hosting.find(self.network).run(self)
            return
        try:
            while not self.stopping or self.listener or self.slots or self.jobs or self.failure:
                try:
                    self.step(_TICK_MS)
                except KeyboardInterrupt:
                    if self.stopping:
                        raise
                    self.stop()
        finally:
            self.close()

    # -- one step ---------------------------------------------------------------------------------------

    def step(self, timeout_ms: int = 0) -> None:
        """Serve what is ready; wait at most `timeout_ms` for something to be.

        Raises what a start handler raised.
        """
        try:
            if self.again or self.clock or self.full or self.stopping:
                webhal.loop.step(self, timeout_ms)
            else:
                self.poll(timeout_ms)
        except MemoryError:  # for loading it: at the cost of one that waits for it
            try:
                if self.again:
                    self.again.pop().drop(self)
                else:
                    self.make_room()
                    self.poll(timeout_ms)  # or no deadline would ever end those who hold the memory
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
        except MemoryError:  # between two connections' work
            self.make_room()
        except OSError:  # of the listener; the next sweep makes another
            self.unlisten()

    def make_room(self) -> None:
        """Memory is short: forget modules that are seldom needed, and close a connection that idles."""
        webhal.make_room()
        for connection in self.slots.values():
            if connection.phase == "idle":
                connection.drop(self)
                return

    def serve_ready(self, ready: "list[Any]") -> bool:
        """Serve each connection among the sockets; return whether the listener is there too."""
        accept = False
        for socket in ready:
            connection = self.slots.get(socket)
            if connection:
                try:
                    connection.ready(self)
                except Exception as error:
                    connection.failed(self, error)
            elif socket is self.listener:
                accept = True
        return accept

    def turn(self, work: "Any") -> None:
        """A connection, or a job, goes on in the next step."""
        self.again.append(work)
        if self.host:
            self.host.wake()

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
                    if self.full:
                        raise OSError  # a listener that is not watched is ready: it failed
                    self.full = True  # until nobody waits any more the busy step makes room, and accepts
                    self.closes = 1  # if no more can be done
                    self.network.watch(self.listener, False, False)  # last, because those may lack memory
                    webhal.overload.accept(self, True)
                return
            self.admit(pair[0], pair[1])

    def admit(self, socket: "Any", client: "tuple[str, int]") -> None:
        """Give an accepted connection a slot."""
        try:
            connection = self.Connection(socket, client, self.now)
            self.network.watch(socket, True, False)
            self.slots[socket] = connection
        except (OSError, MemoryError):
            self.network.close(socket)
            return
        self.app.emit("connect", client)
        try:
            connection.ready(self)  # before it can be taken for idle
        except Exception as error:
            connection.failed(self, error)

    def tick(self) -> None:
        """End connections that are past their deadline; see to the link and the Date."""
        self.ticked = self.now
        network = self.network
        for connection in list(self.slots.values()):
            phase = connection.phase
            seconds = self.deadlines.get(phase)
            if seconds and network.ticks_diff(self.now, connection.since) > 1000 * seconds:
                try:
                    if phase == "rest":
                        webhal.refusing.tick(connection, self)
                    else:
                        connection.drop(self)
                except MemoryError:
                    connection.drop(self)
        if self.jobs:
            webhal.jobs.tick(self)
        if not self.listener or network.status() != "up":
            webhal.link.tick(self)
        if hasattr(network, "unix_time"):
            webhal.date.tick(self)


def create(app: "App", network: "Network", limits: "Limits", place: "tuple[Any, int, str] | None" = None) -> Server:
    """The server that suits a network: its own, where it offers one (net.Optional). `limits` are all there are.

    place: what starting.listen returned, for a server that listens already.
    """
    server: Server = getattr(network, "Server", Server)(app, network, limits)
    if place:
        server.adopt(*place)
    return server
