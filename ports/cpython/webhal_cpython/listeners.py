"""Listening sockets that come from elsewhere than from host and port: paths of unix sockets, systemd, a supervisor.

Here is a worker's side of what passes between it and its supervisor (running/supervisor.py). All workers listen by one
socket, which the supervisor keeps open. With a socket for each (SO_REUSEPORT) a worker that goes would take with it the
connections that its socket holds and nobody has accepted yet; what is in the queue of the one is accepted by another.
"""

import contextlib
import errno
import json
import os
import signal
import socket as bsd
import stat
import threading
from socket import socket as Socket

SCHEME = "unix:"  # of a host that is the path of a unix socket
SUPERVISOR = "WEBHAL_SUPERVISOR"  # variable: a worker's descriptor of the socket between it and its supervisor
NUMBER = "WEBHAL_WORKER"  # variable: which of its workers, from 1 on
RETIRE = signal.SIGUSR2 if os.name == "posix" else signal.SIGTERM  # tells a worker that another serves in its place
_FIRST = 3  # of the descriptors that systemd passes (sd_listen_fds)
_ANYONE = 0o666  # who may enter the folder may connect, as whoever is on the machine may to a port
_MOST_SAID = 4096  # bytes of an answer of the supervisor's


class ListenError(OSError):
    """A port cannot be listened on; `strerror` says why, and what to do."""

    strerror: str


def inherited(port: int, host: str, backlog: int) -> Socket | None:
    """The supervisor's listener for a place, else the one that systemd means for it, else None.

    Raises OSError where the supervisor cannot listen there, or systemd has passed what is no listener.
    """
    if supervisor:
        return supervisor.listen(port, host, backlog)
    return _systemd.take(port, host) if _systemd else None


def place(listener: Socket) -> int | str:
    """Its port; of a unix socket the path, as a host has it."""
    name = listener.getsockname()
    return int(name[1]) if isinstance(name, tuple) else SCHEME + str(name)


# -- unix sockets -----------------------------------------------------------------------------------------


class PathListener(Socket):
    """A listening unix socket, whose file goes when who has made it closes it, if it is its own still."""

    path: str
    file: os.stat_result
    process: int

    def close(self) -> None:
        if self.fileno() >= 0 and self.process == os.getpid():
            with contextlib.suppress(OSError):
                if os.path.samestat(self.file, os.stat(self.path)):
                    os.unlink(self.path)
        super().close()


def listen_at_path(path: str, backlog: int) -> Socket:
    """A listener at the path of a unix socket. A file that a server left there that was killed is replaced.

    Raises ListenError where the path cannot be used, or somebody listens there.
    """
    listener = PathListener(bsd.AF_UNIX, bsd.SOCK_STREAM)
    try:
        _remove_stale(path)
        listener.setblocking(False)
        listener.bind(path)
        listener.path, listener.file, listener.process = path, os.stat(path), os.getpid()
        os.chmod(path, _ANYONE)
        listener.listen(backlog)
    except BaseException as error:
        Socket.close(listener)
        if isinstance(error, ListenError):
            raise
        if isinstance(error, OSError):  # a path that is too long has no number
            raise ListenError(
                error.errno or errno.EINVAL, f"cannot listen at {path}: {error.strerror or error}"
            ) from None
        raise
    return listener


def _remove_stale(path: str) -> None:
    """Remove the file of a unix socket at which nobody listens."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise ListenError(errno.EEXIST, f"{path} is not a socket; choose another path")
    except FileNotFoundError:
        return
    with Socket(bsd.AF_UNIX, bsd.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:  # its queue is full
            pass
    raise ListenError(errno.EADDRINUSE, f"{path} is in use; end the other program, or choose another path")


# -- systemd ----------------------------------------------------------------------------------------------


class _Systemd:
    """Sockets that systemd listened on before it started this process, and passed to it (sd_listen_fds)."""

    def __init__(self, count: int) -> None:
        self._left = []  # that nobody has asked for
        self._lock = threading.Lock()
        for descriptor in range(_FIRST, _FIRST + count):
            os.set_inheritable(descriptor, False)
            self._left.append(Socket(fileno=descriptor))

    def take(self, port: int, host: str) -> Socket | None:
        """The one with this port or path, else the next; None when all are taken."""
        with self._lock:
            if not self._left:
                return None
            named = [each for each in self._left if place(each) in (port, host)]
            listener = (named or self._left)[0]
            self._left.remove(listener)
        if listener.type != bsd.SOCK_STREAM or not listener.getsockopt(bsd.SOL_SOCKET, bsd.SO_ACCEPTCONN):
            raise ListenError(errno.EINVAL, "systemd passed no listening stream: a socket unit has ListenStream=")
        listener.setblocking(False)
        if listener.family != bsd.AF_UNIX:
            listener.setsockopt(bsd.IPPROTO_TCP, bsd.TCP_NODELAY, 1)
        return listener


# -- a supervisor -----------------------------------------------------------------------------------------


class SupervisorChannel:
    """A worker's side of what passes between it and its supervisor, who started it and keeps the listeners."""

    def __init__(self, descriptor: int) -> None:
        import fcntl

        os.set_inheritable(descriptor, False)
        self._socket = Socket(fileno=descriptor)
        self._lock = threading.Lock()  # threads of the file's may serve, each another App
        self._listeners: dict[tuple[int, str, int], Socket] = {}
        self.first = False  # whether it listened there only when it was asked
        self._any = 0  # times that a port was asked for that is free
        # The system tells by SIGIO when the supervisor says something, or is gone.
        signal.signal(signal.SIGIO, self._heard)
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)

    def listen(self, port: int, host: str, backlog: int) -> Socket:
        """The listener for a place that all workers share.

        Raises ListenError for what the supervisor says, and for a place where this process listens already.
        """
        with self._lock:
            if not port and not host.startswith(SCHEME):
                self._any += 1  # the first of each worker is the same, and so on
            key = (port, host, 0 if port else self._any)
            if key in self._listeners and self._listeners[key].fileno() >= 0:
                raise OSError(errno.EADDRINUSE, "")
            try:
                self._socket.sendall(json.dumps(["listen", *key, backlog]).encode() + b"\n")
                said, descriptors, _, _ = bsd.recv_fds(self._socket, _MOST_SAID, 1)
                answer = json.loads(said)
            except (OSError, ValueError):
                raise ListenError(errno.EPIPE, "the supervisor is gone") from None
            if not descriptors:
                raise ListenError(*answer)
            os.set_inheritable(descriptors[0], False)
            self.first = not answer[0]
            self._listeners[key] = listener = Socket(fileno=descriptors[0])
            return listener

    def tell(self, word: str) -> None:
        """Say "ready", when this process serves, or "retire", when another shall take its place."""
        with contextlib.suppress(OSError):  # it is gone: _heard sees to that
            self._socket.sendall(json.dumps([word]).encode() + b"\n")

    def _heard(self, number: int, frame: object) -> None:
        """Without a supervisor nobody would end this process, and the port stayed taken: stop as for a SIGTERM."""
        try:
            gone = not self._socket.recv(1, bsd.MSG_PEEK | bsd.MSG_DONTWAIT)
        except BlockingIOError:  # what it said was read meanwhile
            return
        except OSError:
            gone = True
        if gone:
            os.kill(os.getpid(), signal.SIGTERM)


# Taken out of the environment, for they are not meant for programs that this one starts.
_descriptor = os.environ.pop(SUPERVISOR, "")
supervisor = SupervisorChannel(int(_descriptor)) if _descriptor else None
_systemd = None
if os.environ.get("LISTEN_PID") == str(os.getpid()):
    _systemd = _Systemd(int(os.environ.pop("LISTEN_FDS", "0")))
