"""The network interface: everything that webhal's core asks of a platform.

One class, documented method by method, and one of what is optional. A port has a class of its own with these
methods (it need not inherit); `webhal.testing.check` tests a port against every promise made here, and a type
checker compares it where it is given to App.run. No code runs from this file, and it is not sent to boards.
Nothing here knows HTTP.

Three rules hold for every operation but `up` and `wait`:

* It returns at once. What cannot be done now is said by the value None, never by an exception: an
  exception allocates, and three interpreters spell "would block" three ways.
* OSError means that the socket it was called with is finished; the core closes it. errno numbers mean
  something to a port only, never to the core.
* It may be called while handling any other operation's failure, and costs no more memory than it must.

A `socket` and a `listener` are whatever objects the port likes, if they are hashable and compare by
identity.
"""

from typing import Any, Protocol, TypedDict


class Network(Protocol):
    """One platform's link, sockets and clock. Sockets are IPv4 or IPv6 TCP streams."""

    # -- link ---------------------------------------------------------------------------------------

    def up(self, timeout_ms: int) -> None:
        """Bring the link up; return at once when it is up already (a PC: always).

        `timeout_ms` > 0: wait at most so long, and raise OSError, saying the cause in words, when the
        link is not up by then or cannot come up at all (wrong password, no such network).
        `timeout_ms` == 0: only begin, return without waiting, and leave the outcome to `status`.
        """
        raise NotImplementedError

    def down(self) -> None:
        """Give the link up. Idempotent; never raises."""
        raise NotImplementedError

    def status(self) -> str:
        """"up", "connecting" or "down". Cheap: the server asks several times a second."""
        raise NotImplementedError

    def address(self) -> str | None:
        """The address at which others reach this machine, as text, or None while the link is not up."""
        raise NotImplementedError

    # -- sockets ------------------------------------------------------------------------------------

    def listen(self, port: int, host: str, backlog: int) -> Any:
        """A listener on `port` (0: one that the platform chooses) of the address `host` ("": all).

        Raises OSError when it cannot; `error.errno` is errno.EADDRINUSE when the address is taken.
        """
        raise NotImplementedError

    def local_port(self, listener: Any) -> int:
        """The port that `listener` listens on, which is news only where `listen` was given port 0."""
        raise NotImplementedError

    def accept(self, listener: Any) -> tuple[Any, tuple[str, int]] | None:
        """The next waiting connection as (socket, (peer address, peer port)); None when none waits.

        Here OSError does not finish the listener: it means that the platform has no socket to spare
        now. The core then pauses accepting and tries again. A client that is gone before it was
        accepted is passed over.
        """
        raise NotImplementedError

    def recv_into(self, socket: Any, buffer: bytearray | memoryview) -> int | None:
        """Receive into the start of `buffer`.

        n > 0: so many bytes were stored. 0: the peer has ended its stream, and nothing else; asked
        again, it is 0 again. None: nothing is there now. A reset raises OSError.
        """
        raise NotImplementedError

    def send(self, socket: Any, data: bytes | bytearray | memoryview, start: int) -> int | None:
        """Send from `data[start:]`, which is not empty; return how many bytes were taken, at least 1.

        None: the platform takes none now; `watch` for write tells when it may. What is sent next begins
        with the same bytes: a port that encrypts has done so. Small writes leave at once (TCP_NODELAY,
        where the platform has it).
        """
        raise NotImplementedError

    def close(self, socket: Any) -> None:
        """Close a socket or a listener and forget that it was watched. Idempotent; never raises.

        What `send` has taken is still delivered, if the peer reads it and all that the peer sent was
        received.
        """
        raise NotImplementedError

    def shut(self, socket: Any) -> None:
        """End this side's stream after what was sent; the other side's goes on. Never raises.

        A platform that cannot do one without the other does nothing.
        """
        raise NotImplementedError

    # -- readiness ----------------------------------------------------------------------------------

    def watch(self, socket: Any, read: bool, write: bool) -> None:
        """Say for which readiness `wait` reports `socket` or a listener (read: a connection waits).

        Replaces what was said before; a new socket is not watched at all. Both False: not reported,
        except that a platform may still report a socket that failed.
        """
        raise NotImplementedError

    def wait(self, timeout_ms: int) -> list[Any]:
        """Wait until a watched socket may be ready, but at most `timeout_ms` (0: do not wait).

        May return early, with none or with sockets that turn out not to be ready; never returns late,
        and never leaves out a socket that is ready, call after call (level-triggered). Each socket is
        in the list once. The list belongs to the port, which may use it again at the next call. A
        platform that cannot poll returns all that is watched.
        """
        raise NotImplementedError

    # -- clock --------------------------------------------------------------------------------------

    def ticks_ms(self) -> int:
        """A clock in milliseconds that never jumps, and wraps; only `ticks_diff` makes sense of it."""
        raise NotImplementedError

    def ticks_diff(self, later: int, earlier: int) -> int:
        """Milliseconds from `earlier` to `later`; right for at least 2**28 ms (three days)."""
        raise NotImplementedError


class Limits(TypedDict, total=False):
    """What a platform can bear: the arguments of Server, which says what they mean."""

    connections: int
    head: int
    body: int
    deadlines: dict[str, float] | tuple[float, float, float, float]
    buffer: int


class Optional(Protocol):
    """What a port may have besides. One that has no such thing leaves the attribute out."""

    limits: Limits
    """What webhal serves within; without it, what suits an ESP8266."""

    Server: Any
    """The subclass of webhal.Server that suits this platform."""

    def unix_time(self) -> int | None:
        """Seconds since 1970-01-01 UTC, or None while the clock is not set."""
        raise NotImplementedError

    hosting: str
    """The module that serves in asyncio: net.Hosting."""

    def fileno(self) -> int:
        """A descriptor that is readable when `wait(0)` would report a socket."""
        raise NotImplementedError

    def sendfile(self, socket: Any, file: Any, start: int, most: int) -> int | None:
        """`send` of `most` bytes of a file from position `start` on, or fewer; 0 where the file ends before.

        file: an io.FileIO, whose own position stays. Asked for on CPython only: files of boards have no descriptor.
        """
        raise NotImplementedError


class Hosting(Protocol):
    """A port's module for servers in asyncio. Its import makes asyncio wait for what webhal offers (task.host)."""

    def run(self, server: Any) -> None:
        """Serve in a loop of asyncio's own until the server has stopped."""
        raise NotImplementedError

    async def serve(self, server: Any) -> None:
        """Step `server` in the running loop until it has stopped, with a Host as its `host`.

        Cancelled, it stops the server, and ends when that has: what runs may finish.
        """
        raise NotImplementedError


class Host(Protocol):
    """What `serve` puts between a server and asyncio."""

    def run(self, source: Any) -> Any:
        """A generator that does what `source` does, if that is a coroutine or an asynchronous generator.

        It yields that one's pieces, and meanwhile what it waits for (webhal.task.Wait), and returns what it returns; an
        asyncio task runs it. Cancelled, raised in the generator, cancels the task and waits for its end. Anything else
        is returned as it is.
        """
        raise NotImplementedError

    def acts(self, job: Any, waiting: list[Any]) -> bool:
        """Whether the task that runs a job's coroutine is the current one, or one of those that Waits are parked with.

        Not so for tasks that the coroutine has made.
        """
        raise NotImplementedError

    def wake(self) -> None:
        """Step the server soon: `server.again` or `server.stopping` has changed. May be called by a signal handler."""
        raise NotImplementedError
