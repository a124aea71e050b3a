"""The network interface over CPython's sockets: IPv4 and IPv6, and the best poller that the system has.

`Network` is EpollNetwork, else KqueueNetwork, else PollNetwork, else SelectNetwork (Windows). Sockets and
listeners are non-blocking `socket.socket` objects. What each method promises stands in `webhal.net`. Here is
the hot path of a PC's server: `wait`, `recv_into` and `send` are one system call and next to nothing else.
"""

import contextlib
import errno
import os
import select
import socket as bsd
import sys
import threading
import time
from io import FileIO
from socket import socket as Socket
from types import TracebackType
from typing import Any, NoReturn
from weakref import WeakSet

from webhal_cpython import listeners
from webhal_cpython.listeners import ListenError as ListenError
from webhal_cpython.output import Output

_SECONDS = 0.000_999_999  # a millisecond, less a hair: CPython rounds up, and 7 * 0.001 would be 8 ms
_PIECE = 65536  # bytes of a file that the system cannot send itself
_MOST_EVENTS = 1024  # reported by one kqueue call; it begins with the next ones at the next call
_MOST_SELECTED = 512  # sockets that select() takes on Windows (FD_SETSIZE)
_HOSTING = "webhal_cpython.hosting"  # of a poller that has one descriptor for all: asyncio can wait for that
PORT_ERRORS = (errno.EADDRINUSE, errno.EACCES, errno.EPERM)  # which another port would not have
_kqueue: Any = select  # its names exist for the type checker only where it runs on such a system


class StartError(ListenError):
    """What is to be served cannot start; `strerror` says why."""

    def __init__(self, words: str) -> None:
        super().__init__(None, words)
        tell_uncaught()


def tell_uncaught() -> None:
    """Let a ListenError that nobody catches be told in its words, unless the program has plans of its own."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _print_uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _print_uncaught_of_thread


def _print_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """sys.excepthook: of a ListenError its words say all, of anything else the traceback does."""
    if isinstance(error, ListenError):
        print("webhal:", error.strerror, file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def _print_uncaught_of_thread(uncaught: threading.ExceptHookArgs) -> None:
    """threading.excepthook: the same."""
    if isinstance(uncaught.exc_value, ListenError):
        print("webhal:", uncaught.exc_value.strerror, file=sys.stderr)
    else:
        threading.__excepthook__(uncaught)


def listen_error(error: OSError, port: int, host: str) -> ListenError:
    """What to raise for what a system said."""
    if isinstance(error, ListenError):
        return error
    number = error.errno
    if isinstance(error, bsd.gaierror):
        number = errno.EADDRNOTAVAIL
        words = f"there is no host {host}"
    elif number == errno.EADDRINUSE:
        words = f"port {port} is in use; end the other program, or choose another"
    elif number in PORT_ERRORS:
        words = f"port {port} needs an administrator's rights; choose one above 1023"
    elif number == errno.EADDRNOTAVAIL:
        words = f"this machine has no address {host}"
    else:
        words = f"cannot listen on {host or 'every address'}, port {port}: {error}"
    return ListenError(number, words)


class _Network:
    """All but readiness; a subclass keeps what it watches in `_watched`."""

    limits = {
        "connections": 1024,
        "head": 16384,
        "body": 1 << 20,
        "deadlines": {"start": 10, "rest": 20, "idle": 5, "write": 20},
        "buffer": 65536,
    }

    def __init__(self) -> None:
        self._watched: dict[int, Socket] = {}  # by descriptor
        self._short = False  # of descriptors, which has been told
        _networks.add(self)

    @property
    def Server(self) -> Any:
        """The server that suits this platform (net.Optional)."""
        from webhal_cpython.serving import Server

        return Server

    # -- link ---------------------------------------------------------------------------------------

    def up(self, timeout_ms: int) -> None:
        """The system's business: nothing to do."""

    def down(self) -> None:
        """The system's business: nothing to do."""

    def status(self) -> str:
        return "up"

    def address(self) -> str:
        """The address of the interface that leads outside, else the loopback's."""
        # To connect a datagram socket sends nothing, it only chooses the route. The addresses are
        # those that RFC 5737 and RFC 3849 keep free for documentation.
        for family, outside in ((bsd.AF_INET, "192.0.2.1"), (bsd.AF_INET6, "2001:db8::1")):
            try:
                with Socket(family, bsd.SOCK_DGRAM) as probe:
                    probe.connect((outside, 9))
                    return str(probe.getsockname()[0])
            except OSError:
                pass
        return "127.0.0.1"

    # -- sockets ------------------------------------------------------------------------------------

    def listen(self, port: int, host: str, backlog: int) -> Socket:
        """`host` is an address or a name, or "unix:" and a path; "" is every address, IPv4 and IPv6 if there are both.

        Where systemd or a supervisor has started this process, the listener may be theirs.
        Raises ListenError, of which a program that does not catch it prints the words alone.
        """
        try:
            return listeners.inherited(port, host, backlog) or self._listen_at(port, host, backlog)
        except OSError as error:
            tell_uncaught()
            raise listen_error(error, port, host) from None

    def _listen_at(self, port: int, host: str, backlog: int) -> Socket:
        if host.startswith(listeners.SCHEME):
            return listeners.listen_at_path(host[len(listeners.SCHEME) :], backlog)
        if host:
            try:
                found = bsd.getaddrinfo(host, port, type=bsd.SOCK_STREAM, flags=bsd.AI_PASSIVE)
            except ValueError as error:  # what cannot be a name
                raise bsd.gaierror(bsd.EAI_NONAME, repr(host)) from error
            found.sort(key=lambda entry: entry[0] != bsd.AF_INET)  # "localhost" is 127.0.0.1 first
            family, address = found[0][0], found[0][4]
            return self._listen(family, address, backlog)
        if bsd.has_dualstack_ipv6():
            try:
                return self._listen(bsd.AF_INET6, ("::", port), backlog)
            except OSError as error:
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    raise
        return self._listen(bsd.AF_INET, ("0.0.0.0", port), backlog)

    def _listen(self, family: int, address: Any, backlog: int) -> Socket:
        listener = Socket(family, bsd.SOCK_STREAM)
        try:
            # Windows's SO_REUSEADDR would let two servers share the port.
            exclusive = getattr(bsd, "SO_EXCLUSIVEADDRUSE", None)
            listener.setsockopt(bsd.SOL_SOCKET, exclusive or bsd.SO_REUSEADDR, 1)
            if address[0] == "::":
                listener.setsockopt(bsd.IPPROTO_IPV6, bsd.IPV6_V6ONLY, 0)
            listener.setsockopt(bsd.IPPROTO_TCP, bsd.TCP_NODELAY, 1)  # what it accepts inherits it
            listener.setblocking(False)
            listener.bind(address)
            listener.listen(backlog)
        except BaseException:
            listener.close()
            raise
        return listener

    def local_port(self, listener: Socket) -> int:
        """What net.Network promises; 0 of a unix socket."""
        name = listener.getsockname()
        return int(name[1]) if isinstance(name, tuple) else 0

    def accept(self, listener: Socket) -> tuple[Socket, tuple[str, int]] | None:
        while True:
            try:
                socket, peer = listener.accept()
            except BlockingIOError:
                return None
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE) and not self._short:
                    self._short = True
                    with contextlib.suppress(OSError):
                        words = "no descriptor is left for another client, who waits; `ulimit -n` tells of how many"
                        Output(sys.stderr).write(f"webhal: {words}")
                raise
            socket.setblocking(False)
            if type(peer) is not tuple:  # a unix socket's has no address
                return socket, ("unix", 0)
            host = peer[0]
            if host.startswith("::ffff:"):  # an IPv4 client of a listener for both
                host = host[7:]
            return socket, (host, peer[1])

    def recv_into(self, socket: Socket, buffer: bytearray | memoryview) -> int | None:
        try:
            return socket.recv_into(buffer)
        except BlockingIOError:
            return None

    def send(self, socket: Socket, data: bytes | bytearray | memoryview, start: int) -> int | None:
        try:
            return socket.send(memoryview(data)[start:] if start else data)
        except BlockingIOError:
            return None

    if hasattr(os, "sendfile"):

        def sendfile(self, socket: Socket, file: FileIO, start: int, most: int) -> int | None:
            if type(socket) is Socket:
                try:
                    return os.sendfile(socket.fileno(), file.fileno(), start, most)
                except BlockingIOError:
                    return None
            data = os.pread(file.fileno(), min(most, _PIECE), start)  # to one that encrypts
            return self.send(socket, data, 0) if data else 0

    def close(self, socket: Socket) -> None:
        descriptor = socket.fileno()  # -1 where it is closed already
        if descriptor in self._watched:
            # close() would end it too, but not while a child process has a copy of the descriptor.
            self._forget(descriptor)
            del self._watched[descriptor]
        with contextlib.suppress(OSError):
            socket.close()

    def shut(self, socket: Socket) -> None:
        with contextlib.suppress(OSError):
            socket.shutdown(bsd.SHUT_WR)

    # -- readiness: a subclass's ----------------------------------------------------------------------

    def watch(self, socket: Socket, read: bool, write: bool) -> None:
        raise NotImplementedError

    def wait(self, timeout_ms: int) -> list[Socket]:
        raise NotImplementedError

    def _forget(self, descriptor: int) -> None:
        """Stop watching `descriptor`, which is still in `_watched`."""
        raise NotImplementedError

    # -- clock --------------------------------------------------------------------------------------

    def ticks_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000

    def ticks_diff(self, later: int, earlier: int) -> int:
        return later - earlier

    def unix_time(self) -> int:
        return int(time.time())


_networks: WeakSet[_Network] = WeakSet()


def _let_go() -> None:
    """In a process that was forked, in a handler perhaps: its copies would keep open what the server closes."""
    for network in list(_networks):
        for socket in network._watched.values():
            socket.close()  # the poller, which is the server's too, is not to forget them
        network.wait = _end  # type: ignore[method-assign]


def _end(timeout_ms: int) -> NoReturn:
    """A forked process came back to serve, from a handler: to go on would disturb the server."""
    os.write(2, b"webhal: a process that was forked while serving does not serve; let it end by os._exit(0)\n")
    os._exit(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


class PollNetwork(_Network):
    """Readiness by poll(). A socket that failed is reported whatever it is watched for."""

    def __init__(self) -> None:
        super().__init__()
        self._poller: Any = self._make_poller()

    def _make_poller(self) -> Any:
        return select.poll()

    def watch(self, socket: Socket, read: bool, write: bool) -> None:
        descriptor = socket.fileno()
        events = (select.POLLIN if read else 0) | (select.POLLOUT if write else 0)  # epoll's are the same
        if descriptor in self._watched:
            self._poller.modify(descriptor, events)
        else:
            self._poller.register(descriptor, events)
            self._watched[descriptor] = socket

    def _forget(self, descriptor: int) -> None:
        self._poller.unregister(descriptor)

    def wait(self, timeout_ms: int) -> list[Socket]:
        watched = self._watched
        return [watched[descriptor] for descriptor, _ in self._poller.poll(timeout_ms)]


class EpollNetwork(PollNetwork):
    """Readiness by Linux's epoll. One call reports at most 1023 sockets; the others come first at the next."""

    hosting = _HOSTING

    def _make_poller(self) -> Any:
        poller = select.epoll()
        self._poll = poller.poll
        return poller

    def wait(self, timeout_ms: int) -> list[Socket]:
        watched = self._watched
        ready = []  # a loop: where one socket is ready, a comprehension costs more (before Python 3.12)
        for descriptor, _ in self._poll(timeout_ms * _SECONDS):
            ready.append(watched[descriptor])
        return ready

    def fileno(self) -> int:
        return int(self._poller.fileno())


class KqueueNetwork(_Network):
    """Readiness by kqueue, of macOS and the BSDs."""

    hosting = _HOSTING

    def __init__(self) -> None:
        super().__init__()
        self._queue = _kqueue.kqueue()
        self._filters: dict[int, tuple[bool, bool]] = {}  # (read, write) by descriptor

    def watch(self, socket: Socket, read: bool, write: bool) -> None:
        descriptor = socket.fileno()
        self._filter(descriptor, read, write)
        self._watched[descriptor] = socket

    def _filter(self, descriptor: int, read: bool, write: bool) -> None:
        reads, writes = self._filters.get(descriptor, (False, False))
        changes = []
        for kind, now, wanted in (
            (_kqueue.KQ_FILTER_READ, reads, read),
            (_kqueue.KQ_FILTER_WRITE, writes, write),
        ):
            if now != wanted:
                changes.append(_kqueue.kevent(descriptor, kind, _kqueue.KQ_EV_ADD if wanted else _kqueue.KQ_EV_DELETE))
        if changes:
            self._queue.control(changes, 0)
        self._filters[descriptor] = (read, write)

    def _forget(self, descriptor: int) -> None:
        self._filter(descriptor, False, False)
        del self._filters[descriptor]

    def wait(self, timeout_ms: int) -> list[Socket]:
        ready: list[Socket] = []
        for event in self._queue.control(None, _MOST_EVENTS, timeout_ms / 1000):
            socket = self._watched[event.ident]
            if socket not in ready:  # it is there twice when it can be read and written
                ready.append(socket)
        return ready

    def fileno(self) -> int:
        return int(self._queue.fileno())


class SelectNetwork(_Network):
    """Readiness by select(), which takes few sockets: `accept` raises OSError at the limit."""

    def __init__(self) -> None:
        super().__init__()
        self._readers: set[Socket] = set()
        self._writers: set[Socket] = set()

    def accept(self, listener: Socket) -> tuple[Socket, tuple[str, int]] | None:
        if len(self._watched) >= _MOST_SELECTED:
            raise OSError(errno.ENFILE, "select() takes no more sockets")
        return super().accept(listener)

    def watch(self, socket: Socket, read: bool, write: bool) -> None:
        self._watched[socket.fileno()] = socket
        (self._readers.add if read else self._readers.discard)(socket)
        (self._writers.add if write else self._writers.discard)(socket)

    def _forget(self, descriptor: int) -> None:
        self.watch(self._watched[descriptor], False, False)

    def wait(self, timeout_ms: int) -> list[Socket]:
        if not self._readers and not self._writers:  # Windows's select() refuses to wait for nothing
            time.sleep(timeout_ms * _SECONDS)
            return []
        readable, writable, _ = select.select(self._readers, self._writers, (), timeout_ms * _SECONDS)
        return list(dict.fromkeys(readable + writable))


if hasattr(select, "epoll"):
    Network: type[_Network] = EpollNetwork
elif hasattr(select, "kqueue"):
    Network = KqueueNetwork
elif hasattr(select, "poll"):
    Network = PollNetwork
else:
    Network = SelectNetwork
