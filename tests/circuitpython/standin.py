"""A stand-in for the firmware of a CircuitPython board: what the port imports, behaving as two chip families do.

    with Board("espressif") as board:
        network = board.network()  # the port's, loaded afresh into this board
        client = board.client(80)  # somebody who connects to the board's port 80

Within the block `import wifi`, `import socketpool` and so on give the board's modules, and `webhal` is loaded afresh
on top of them. Beneath its sockets is `wire`: this machine's own (wire.py), or a FakeNetwork with its virtual clock.
Runs under CPython and MicroPython. `row …` names a row of the table in ports/circuitpython/README.md, for which the
code below it stands. Not here: TLS, which is in standin_tls.py.
"""

import errno as real_errno
import sys

from wire import Wire

FLAVOURS = ("espressif", "raspberrypi")

_SOCKETS = 8  # row sockets
_WINDOW = 5744  # bytes that lwIP holds for one connection in each direction
_TICKS = 1 << 29  # row ticks
_TO_WRAP = 3000  # milliseconds from the start to the first wrap
_FOREVER_MS = 5000  # nothing that a port does may block; what does is ended after this long, as a failure

try:
    BrokenPipe = BrokenPipeError
    ConnectionFailure = ConnectionError
except NameError:  # MicroPython has no OSError but OSError
    BrokenPipe = ConnectionFailure = OSError


class Namespace:
    """A module, or a part of one."""

    def __init__(self, **names):
        for name in names:
            setattr(self, name, names[name])


# row errno
ERRNO = {
    "EPERM": 1,
    "ENOENT": 2,
    "EIO": 5,
    "EBADF": 9,
    "EAGAIN": 11,
    "ENOMEM": 12,
    "EACCES": 13,
    "EEXIST": 17,
    "ENODEV": 19,
    "EISDIR": 21,
    "EINVAL": 22,
    "EOPNOTSUPP": 95,
    "ECONNRESET": 104,
    "ENOBUFS": 105,
    "ECONNREFUSED": 111,
    "EADDRINUSE": 112,
    "ECONNABORTED": 113,
    "ETIMEDOUT": 116,
    "EHOSTUNREACH": 118,
    "EINPROGRESS": 119,
    "EALREADY": 120,
    "ENOTCONN": 128,
}
if sys.implementation.name == "micropython":  # its compiler writes its own numbers into the code
    ERRNO = {name: getattr(real_errno, name) for name in ERRNO if hasattr(real_errno, name)}
_EPIPE = 32  # row send-closed: raised, but errno has no name for it


def failure(name):
    return OSError(ERRNO[name], name)


class Board:
    """A board that runs a program.

    `version` is CircuitPython's. Without `poll` the firmware has no `select`. `settings` are lines of settings.toml; if
    they name a network in reach the firmware has joined it. `networks` maps those in reach to their passwords.
    For a test to look at and to change: `sockets` (the open ones), `workflow` (how many sockets the web workflow has),
    `services` (what mDNS tells of), `calls` (how often a socket's method was called), `interrupted` (by Ctrl-C).
    """

    def __init__(self, flavour, wire=None, version=10, poll=True, settings=None):
        assert flavour in FLAVOURS, flavour
        self.espressif = flavour == "espressif"
        self.version = version
        self.wire = wire or Wire()
        self.settings = {"CIRCUITPY_WIFI_SSID": "home", "CIRCUITPY_WIFI_PASSWORD": "correct horse"}
        self.settings.update(settings or {})
        self.networks = {"home": "correct horse"}
        self.sockets = []
        self.orphans = []  # accepted, but never given to the program: open until garbage is collected
        self.lingering = []  # ports with connections that are not quite closed
        self.ports = {}  # the board's port: the wire's
        self.services = {}
        self.mdns_servers = 0
        self.calls = {}
        self.interrupted = False
        self.scratch = bytearray(1024)
        self.unix_time = None
        self.radio = Radio(self)
        self.workflow = 0
        self._start = self.wire.ticks_ms()
        self._saved = {}
        self._clients = []  # sockets of this machine
        self.modules = {
            "errno": Namespace(**ERRNO),
            "gc": Namespace(collect=self.collect),
            "mdns": Namespace(Server=self._mdns_server),
            "os": Namespace(getenv=self._getenv),
            "select": Namespace(POLLIN=1, POLLOUT=4, POLLERR=8, POLLHUP=16, poll=lambda: Poll(self)) if poll else None,
            "socketpool": Namespace(SocketPool=lambda radio: make_pool(self, radio), Socket=Socket),
            "supervisor": Namespace(ticks_ms=self.ticks_ms),
            "sys": System(version),
            "time": Namespace(sleep=lambda seconds: self.rest(int(1000 * seconds)), time=self._time),
            "wifi": Namespace(radio=self.radio),
        }
        if "CIRCUITPY_WIFI_SSID" in self.settings:
            self.boot()

    # -- what a test does ---------------------------------------------------------------------------

    def __enter__(self):
        for name in list(sys.modules):
            if name.split(".")[0] in ("webhal", "webhal_circuitpython"):
                self._saved[name] = sys.modules.pop(name)
        self.install()
        return self

    def install(self):
        """Let `import` give this board's modules; again, when a test has added some."""
        for name in self.modules:
            if name not in self._saved:
                self._saved[name] = sys.modules.get(name)
            sys.modules[name] = self.modules[name]

    def __exit__(self, *error):
        self.reload()
        for client in self._clients:
            client.close()
        for name in list(sys.modules):
            if name.split(".")[0] in ("webhal", "webhal_circuitpython"):
                del sys.modules[name]
        for name in self._saved:
            if self._saved[name] is None:
                del sys.modules[name]
            else:
                sys.modules[name] = self._saved[name]

    def network(self, **options):
        from webhal_circuitpython.network import Network

        return Network(**options)

    def client(self, port):
        """A client of the board's `port`: the wire's own, or a socket of this machine."""
        if hasattr(self.wire, "connect"):
            return self.wire.connect(self.ports[port])
        from webhal.testing.check import SocketClient

        client = SocketClient(None, "127.0.0.1", self.ports[port])
        self._clients.append(client)
        return client

    def boot(self):
        """What the firmware does before the program runs: it joins WiFi and starts the web workflow."""
        try:
            self.radio.connect(self.settings["CIRCUITPY_WIFI_SSID"], self.settings.get("CIRCUITPY_WIFI_PASSWORD", ""))
        except OSError:
            return
        self.workflow = 1 if "CIRCUITPY_WEB_API_PASSWORD" in self.settings else 0

    def reload(self):
        """The program starts anew: the firmware closes its sockets."""
        for socket in list(self.sockets):  # row reload
            if socket._state == "connected":
                self.lingering.append(socket._port)
            socket.close()
        self.mdns_servers = 0
        self.collect()

    def collect(self):
        """Garbage is collected."""
        while self.orphans:
            self.wire.close(self.orphans.pop())

    def lose_link(self):
        """The access point is gone; returns what brings it back."""
        networks, self.networks = self.networks, {}
        self.radio.joined = None
        if hasattr(self.wire, "lose_link"):
            self.wire.lose_link()

        def restore():
            self.networks = networks
            if hasattr(self.wire, "restore_link"):
                self.wire.restore_link()
                self.wire.up(10_000)

        return restore

    def rest(self, ms):
        if hasattr(self.wire, "advance"):
            self.wire.advance(ms)
        else:
            self.wire.rest(ms)

    # -- the firmware's modules -----------------------------------------------------------------------

    def ticks_ms(self):
        # row ticks
        return (_TICKS - _TO_WRAP + self.wire.ticks_diff(self.wire.ticks_ms(), self._start)) % _TICKS

    def _time(self):
        return self.unix_time if self.unix_time else 946_684_800  # row clock

    def _getenv(self, name, default=None):
        return self.settings.get(name, default)

    def _mdns_server(self, radio):
        if radio is not self.radio:
            raise ValueError("mDNS only works with built-in WiFi")
        if self.mdns_servers:  # row mdns
            raise RuntimeError("mDNS already initialized")
        self.mdns_servers += 1
        return MdnsServer(self)

    # -- for the sockets --------------------------------------------------------------------------------

    def full(self):
        return len(self.sockets) + len(self.orphans) + self.workflow >= _SOCKETS

    def taken(self, port, reuses):
        """Whether no socket can be bound to `port`."""
        if self.workflow and port == self.settings.get("CIRCUITPY_WEB_API_PORT", 80):
            return True  # row workflow-port
        if port in self.lingering and not reuses:
            return True
        for socket in self.sockets:
            if socket._state in ("bound", "listening") and socket._port == port:
                if not (reuses and socket._reuses):
                    return True
        return False


class System:
    """sys, of CircuitPython."""

    def __init__(self, version):
        self.implementation = Namespace(name="circuitpython", version=(version, 0, 0))

    def __getattr__(self, name):
        return getattr(sys, name)


class MdnsServer:
    def __init__(self, board):
        self._board = board
        self.hostname = "cpy-c0ffee"

    def advertise_service(self, service_type, protocol, port):
        self._board.services[self.hostname] = (service_type, protocol, port)


class IPv4Address:
    """row radio-address: an object, that becomes text by str()."""

    def __init__(self, text):
        self._text = text

    def __str__(self):
        return self._text


class Radio:
    """wifi.radio. `joined` is the network of the station, `offered` that of the access point."""

    def __init__(self, board):
        self._board = board
        self.enabled = True
        self.hostname = "cpy-c0ffee"
        self.joined = None
        self.offered = None
        self.aps_started = 0
        self.attempts = []  # (network, time-out in seconds) of each connect()

    def connect(self, ssid, password="", timeout=None):
        # row radio-connect
        board = self._board
        self.attempts.append((ssid, timeout))
        if not self.enabled:
            raise RuntimeError("WiFi is not enabled")
        if password and not 8 <= len(password) <= 64:
            raise ValueError("password length must be 8-64")
        board.rest(10)
        if ssid not in board.networks:
            raise ConnectionFailure("No network with that ssid")
        if board.networks[ssid] != password:
            raise ConnectionFailure("Authentication failure")
        self.joined = ssid

    def start_ap(self, ssid, password=""):
        if password and not 8 <= len(password) <= 64:
            raise ValueError("password length must be 8-64")
        self.offered = (ssid, password)
        self.aps_started += 1

    def stop_station(self):
        self.joined = None

    def stop_ap(self):
        if not self._board.espressif and not self.offered:
            raise RuntimeError("WiFi is not enabled")
        self.offered = None

    def is_up(self):
        return self.joined is not None or self.offered is not None

    @property
    def ap_active(self):
        return self.offered is not None

    @property
    def ipv4_address(self):
        # row radio-address
        if self.joined is None:
            return None
        return IPv4Address("192.0.2.1" if hasattr(self._board.wire, "advance") else "127.0.0.1")

    @property
    def ipv4_address_ap(self):
        return IPv4Address("192.168.4.1") if self.offered else None


# -- socketpool -------------------------------------------------------------------------------------------


def make_pool(board, radio):
    if radio is not board.radio:
        raise ValueError("SocketPool can only be used with wifi.radio")
    pool = SocketPool(board)
    if board.version >= 9:  # row reuse
        pool.SOL_SOCKET = 0xFFF
        pool.SO_REUSEADDR = 4
    return pool


class SocketPool:
    AF_INET = 0
    SOCK_STREAM = 0
    IPPROTO_TCP = 6
    TCP_NODELAY = 1

    def __init__(self, board):
        self._board = board

    def socket(self, family=0, type=0):
        # row sockets
        if self._board.full():
            self._board.collect()
            if self._board.full():
                raise RuntimeError("Out of sockets")
        return Socket(self._board)


class Socket:
    """row methods: nothing public but what the firmware has."""

    def __init__(self, board, wire_socket=None, port=None):
        self._board = board
        self._wire = wire_socket
        self._port = port
        self._state = "connected" if wire_socket else "new"
        self._timeout = None  # seconds; None blocks
        self._inbox = bytearray()  # received by lwIP, not yet by the program
        self._ended = False  # by the peer, after `_inbox`
        self._dead = False  # reset by the peer
        self._errors_read = 0  # how often recv_into met the reset
        self._told = False  # recv_into has told the end
        self._reuses = board.version < 9  # row reuse
        self._deaf = False  # row listen-twice
        self.no_delay = False
        self.type = SocketPool.SOCK_STREAM
        board.sockets.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def settimeout(self, seconds):
        self._count("settimeout")
        self._timeout = seconds

    def setblocking(self, flag):
        self.settimeout(None if flag else 0)

    def setsockopt(self, level, option, value):
        self._count("setsockopt")
        self._take()
        if level == SocketPool.IPPROTO_TCP:
            if self._dead:  # row options-dead
                assert self._board.espressif, "setsockopt writes through a null pointer here"
                raise failure("EINVAL")
            if self._state == "listening" and self._board.espressif:
                raise failure("EINVAL")
            self.no_delay = bool(value)
        else:
            self._reuses = bool(value)

    def bind(self, address):
        host, port = address
        if self._board.taken(port, self._reuses):  # row bind-taken
            if self._board.espressif and self._board.version < 9:
                raise ValueError("Error: Failure to bind")
            raise failure("EADDRINUSE")
        if host not in ("", "127.0.0.1", "192.0.2.1"):
            raise OSError(-2, "Name or service not known")  # socketpool's gaierror
        self._port = port
        self._state = "bound"

    def listen(self, backlog):
        board = self._board
        for other in board.sockets:
            if other is not self and other._state == "listening" and other._port == self._port:
                if not board.espressif:  # row listen-twice
                    raise failure("ENOMEM")
                self._deaf = True
        self._state = "listening"
        if not self._deaf:
            self._wire = board.wire.listen(0, "127.0.0.1", backlog)
            board.ports[self._port] = board.wire.local_port(self._wire)

    def accept(self):
        self._count("accept")
        board = self._board
        if self._state != "listening":
            raise failure("EBADF" if self._state == "closed" else "EINVAL")

        def attempt():
            if self._deaf:
                return None
            try:
                return board.wire.accept(self._wire)
            except OSError:
                return None

        accepted = self._await(attempt)
        if accepted is None:  # row accept-nothing
            return None, None
        wire_socket, peer = accepted
        if board.full():  # row accept-out
            if board.espressif:
                board.wire.close(wire_socket)
                raise failure("EAGAIN")
            board.orphans.append(wire_socket)
            raise RuntimeError("Out of sockets")
        socket = Socket(board, wire_socket, self._port)
        socket._timeout = 0 if board.espressif else self._timeout  # row accepted
        socket._take()
        if socket._dead and not board.espressif:  # row accept-gone
            socket.close()
            return self.accept()
        return socket, peer

    def recv_into(self, buffer, bufsize=0):
        self._count("recv_into")
        self._check_open()
        assert self._state == "connected", "recv_into of a listener"

        def attempt():
            self._take()
            if self._inbox:
                n = min(len(self._inbox), bufsize or len(buffer))
                memoryview(buffer)[:n] = memoryview(self._inbox)[:n]
                self._inbox = self._inbox[n:]
                return n
            if self._dead:
                return self._recv_reset()
            if self._ended:
                return self._recv_end()
            return None

        return self._await(attempt)

    def _recv_end(self):
        # row recv-end
        if not self._board.espressif:
            return 0
        if self._board.version < 9 or self._timeout != 0:
            return 0
        self._told = True
        raise failure("ENOTCONN")

    def _recv_reset(self):
        # row recv-reset
        if not self._board.espressif:
            raise failure("ECONNRESET")
        self._errors_read += 1
        if self._errors_read < 3:
            raise failure("EAGAIN")
        self._told = True
        raise failure("ENOTCONN")

    def send(self, data):
        self._count("send")
        self._check_open()
        self._take()
        board = self._board
        # row send-closed
        if self._told or not board.espressif and (self._dead or self._ended):
            raise BrokenPipe(_EPIPE, "")
        if self._dead:
            self._told = True
            raise failure("ECONNRESET")

        def attempt():
            try:
                return board.wire.send(self._wire, memoryview(data)[:_WINDOW], 0)
            except OSError:
                self._dead = True
                raise failure("ECONNRESET") from None

        if board.espressif:  # row send-full
            n = attempt()
            if n is None:
                raise failure("EAGAIN")
            return n
        return self._await(attempt)

    def sendall(self, data):
        while data:
            data = data[self.send(data) :]  # row send-full

    def sendto(self, data, address):
        raise failure("EOPNOTSUPP")

    def recvfrom_into(self, buffer):
        raise failure("EOPNOTSUPP")

    def connect(self, address):
        raise failure("EOPNOTSUPP")

    def close(self):
        self._count("close")
        if self._state != "closed":
            self._state = "closed"
            self._board.sockets.remove(self)
            if self._wire is not None:
                self._board.wire.close(self._wire)

    # -- inside -----------------------------------------------------------------------------------------

    def _count(self, name):
        self._board.calls[name] = self._board.calls.get(name, 0) + 1

    def _check_open(self):
        if self._state == "closed":
            raise failure("EBADF")

    def _await(self, attempt):
        """The first outcome of `attempt`, within this socket's time-out; None when it was interrupted."""
        board = self._board
        start = board.ticks_ms()
        while True:
            outcome = attempt()
            if outcome is not None:
                return outcome
            if self._timeout == 0:
                raise failure("EAGAIN")  # rows accept-nothing, recv-nothing, send-full
            if board.interrupted:
                if board.espressif:
                    raise failure("EAGAIN")
                return None
            waited = (board.ticks_ms() - start) % _TICKS
            assert self._timeout is not None or waited < _FOREVER_MS, "blocked for ever"
            if self._timeout is not None and waited >= 1000 * self._timeout:
                raise failure("ETIMEDOUT")
            board.rest(5)

    def _take(self):
        """Take from the wire what lwIP would have received by now."""
        while self._state == "connected" and not self._dead and not self._ended and len(self._inbox) < _WINDOW:
            scratch = self._board.scratch
            try:
                n = self._board.wire.recv_into(self._wire, scratch)
            except OSError:
                self._dead = True
                self._inbox = bytearray()
                return
            if n is None:
                return
            if n:
                self._inbox += memoryview(scratch)[:n]
            else:
                self._ended = True

    def _readable(self):
        if self._state == "listening":
            if not self._board.espressif:
                return True  # row poll-listener
            return self._board.radio.is_up() and self._wire is not None and self._reported(True)
        self._take()
        if self._dead:
            return self._board.espressif  # row poll-reset
        return bool(self._inbox) or self._ended

    def _writable(self):
        if self._state == "listening":
            return False
        self._take()
        if self._dead:
            return self._board.espressif  # row poll-reset
        return self._reported(False)

    def _reported(self, read):
        """Whether the wire reports this socket for reading, else for writing."""
        wire = self._board.wire
        wire.watch(self._wire, read, not read)
        reported = self._wire in wire.wait(0)
        wire.watch(self._wire, False, False)
        return reported


class Poll:
    """select.poll(), for sockets of this board."""

    def __init__(self, board):
        self._board = board
        self._watched = []  # [socket, events]

    def register(self, socket, events=5):
        if not isinstance(socket, Socket) and not hasattr(socket, "_readable"):
            raise OSError("stream operation not supported")
        self.unregister(socket)
        self._watched.append([socket, events])

    def unregister(self, socket):
        self._watched = [entry for entry in self._watched if entry[0] is not socket]

    def poll(self, timeout=-1):
        board = self._board
        start = board.ticks_ms()
        before = None
        while True:
            ready = []
            for socket, events in self._watched:
                assert socket._state != "closed", "poll of a closed socket"
                found = 1 if events & 1 and socket._readable() else 0
                found |= 4 if events & 4 and socket._writable() else 0
                if found:
                    ready.append((socket, found))
            now = board.ticks_ms()
            left = timeout - (now - start) % _TICKS
            if ready or left <= 0:
                return ready
            if now == before:  # the wire reports what the firmware does not
                board.rest(1)
            before = now
            self._wait(min(left, 20))

    def _wait(self, ms):
        """Until something happens on the wire."""
        wire = self._board.wire
        waiting = [(socket, events) for socket, events in self._watched if not (socket._dead or socket._deaf)]
        for socket, events in waiting:
            wire.watch(socket._wire, bool(events & 1) and not socket._ended, bool(events & 4))
        wire.wait(ms)
        for socket, _ in waiting:
            wire.watch(socket._wire, False, False)
