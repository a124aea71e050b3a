"""The network interface over CircuitPython's socketpool, whatever the radio: sockets, readiness, clock.

What each method promises stands in `webhal.net`. `row …` in a comment names a row of the table in this port's README,
which tells what the platforms do. Joining WiFi and mDNS are in link.py, sockets of the AirLift in airlift.py.
"""

import errno
import gc
import time

from supervisor import ticks_ms

try:
    import select
except ImportError:  # a firmware built without it
    select = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mdns import Server
    from socketpool import Socket, SocketPool
    from wifi import Radio

_PERIOD = 1 << 29  # milliseconds (row ticks)
_FIRST_PORT = 49152  # of those that are free for anyone (RFC 6335, 6), up to 65535
_PIECE = 1460  # bytes given to lwIP at once, one segment: where memory for more is short, it blocks for seconds
_NAP_MS = 5  # between two looks at all sockets, where they cannot be polled
_SLICE_MS = 50  # between two looks at all sockets, where poll() may miss something; a look makes garbage
_YEAR_2020 = 1_577_836_800  # a board's clock starts in 2000 when it is not set


class Network:
    """Sockets and listeners are those of the pool, non-blocking, over IPv4.

    pool, radio    of an AirLift or a WIZNET5K, both together; by default the firmware's own
    tls            an ssl.SSLContext with a certificate, which wraps every listener. The handshake is made within
                   accept, and nobody else is served meanwhile
    ssid, password, ap_ssid, ap_password, hostname    see link.py; by default as settings.toml has them
    """

    limits: "dict[str, object]" = {
        "connections": 6,
        "head": 4096,
        "body": 16384,
        "buffer": 1024,
    }
    ticks_ms = staticmethod(ticks_ms)

    def __init__(
        self,
        pool: "SocketPool | None" = None,
        radio: "Radio | None" = None,
        tls: "Any" = None,
        ssid: "str | None" = None,
        password: "str | None" = None,
        ap_ssid: "str | None" = None,
        ap_password: "str | None" = None,
        hostname: "str | None" = None,
    ) -> None:
        if (pool is None) != (radio is None):
            raise ValueError("pool and radio: give both or neither")
        if pool is None or radio is None:
            import socketpool
            import wifi

            radio = wifi.radio
            pool = socketpool.SocketPool(radio)
        elif hasattr(pool, "NO_SOCKET_AVAIL"):
            from webhal_circuitpython.airlift import Pool

            pool = Pool(pool)  # type: ignore[assignment, unused-ignore] # as much of one as is used here
        self._pool: "SocketPool" = pool
        self._radio: "Radio" = radio
        self._tls = tls
        self._link = (ssid, password, ap_ssid, ap_password, hostname)
        self._mdns: "Server | None" = None
        self._ports: "dict[Socket, int]" = {}  # of the open listeners
        self._last = ticks_ms()  # chosen port, less _FIRST_PORT; another one than before a reload
        self._watched: "list[Socket]" = []
        self._ready: "list[Socket]" = []
        self._poller: "Any" = select and select.poll()
        self._blind: "Socket | None" = None  # a listener that poll() always reports (row poll-listener)
        self._wary = bool(tls)  # poll() misses something: resets (row poll-reset), what TLS has read (row poll-tls)

    # -- link ---------------------------------------------------------------------------------------

    def up(self, timeout_ms: int) -> None:
        """As promised, but for 0: there is no way to join WiFi without waiting, so it takes some seconds."""
        from webhal_circuitpython.link import join

        join(self._radio, self._link, self._address("ipv4_address"), timeout_ms)

    def down(self) -> None:
        from webhal_circuitpython.link import leave

        leave(self._radio)

    def status(self) -> str:
        return "up" if self.address() else "down"

    def address(self) -> "str | None":
        """The station's address, else the access point's."""
        return self._address("ipv4_address") or self._address("ipv4_address_ap")

    def _address(self, name: str) -> "str | None":
        try:
            address = str(getattr(self._radio, name, None))  # row radio-address
        except OSError:  # an AirLift that does not answer
            return None
        return address if address not in ("None", "0.0.0.0") else None

    # -- sockets ------------------------------------------------------------------------------------

    def listen(self, port: int, host: str, backlog: int) -> "Socket":
        pool = self._pool
        chosen = port
        if not port:  # nothing would tell which one the platform chooses (row methods)
            self._last = (self._last + 1) % (65536 - _FIRST_PORT)
            chosen = _FIRST_PORT + self._last
        listener = self._socket()
        try:
            if chosen in self._ports.values():  # row listen-twice
                raise OSError(errno.EADDRINUSE, "port in use")
            if hasattr(pool, "SO_REUSEADDR"):  # row reuse
                listener.setsockopt(pool.SOL_SOCKET, pool.SO_REUSEADDR, 1)
            listener.settimeout(0)
            listener.bind((host, chosen))
            listener.listen(backlog)
        except (OSError, ValueError) as error:  # row bind-taken
            listener.close()
            if isinstance(error, OSError) and error.errno != errno.EADDRINUSE:
                raise
            if not port:
                return self.listen(port, host, backlog)
            from webhal_circuitpython.link import taken

            raise OSError(errno.EADDRINUSE, taken(port))
        if self._tls:
            listener = self._tls.wrap_socket(listener, server_side=True)
        self._ports[listener] = chosen
        self._try_poll(listener)
        if port:
            from webhal_circuitpython.link import announce

            self._mdns = announce(self._radio, self._link, self.address(), port, self._mdns)
        return listener

    def _socket(self) -> "Socket":
        try:
            socket: "Socket" = self._pool.socket(self._pool.AF_INET, self._pool.SOCK_STREAM)
            return socket
        except RuntimeError as error:  # row sockets
            raise OSError(errno.ENOMEM, str(error))

    def _try_poll(self, listener: "Socket") -> None:
        """Find out whether poll() can be used, and believed, by means of a listener to which nobody came yet."""
        if self._poller:
            try:
                self._poller.register(listener, select.POLLIN)
            except (OSError, TypeError):  # not a socket of the firmware
                self._poller = None
                return
            if self._poller.poll(0):
                self._blind = listener
                self._wary = True
            self._poller.unregister(listener)

    def local_port(self, listener: "Socket") -> int:
        return self._ports[listener]

    def accept(self, listener: "Socket") -> "tuple[Socket, tuple[str, int]] | None":
        # If there is no socket to spare, a client that was accepted would be lost (row accept-out).
        self._socket().close()
        try:
            accepted: "tuple[Socket, tuple[str, int]] | None" = listener.accept()
        except RuntimeError as error:  # the web workflow took it just now
            gc.collect()  # closes the client's connection, so that it does not wait in vain
            raise OSError(errno.ENOMEM, str(error))
        except OSError:  # row accept-nothing; or a TLS handshake that failed (row tls-listener)
            return None
        if not accepted or not accepted[0]:
            return None
        accepted[0].settimeout(0)  # rows accepted, wiznet
        self._send_at_once(accepted[0])
        return accepted

    def _send_at_once(self, socket: "Socket") -> bool:
        """Set TCP_NODELAY, where that is possible; False: lwIP refuses it, because the connection is dead."""
        pool = self._pool
        try:
            socket.setsockopt(pool.IPPROTO_TCP, pool.TCP_NODELAY, 1)
        except AttributeError:
            pass
        except OSError:
            return False
        return True

    def recv_into(self, socket: "Socket", buffer: "bytearray | memoryview") -> "int | None":
        try:
            count: int = socket.recv_into(buffer)  # type: ignore[call-arg, unused-ignore] # the size may be left out
            return count
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return None
            if error.errno == errno.ENOTCONN and self._send_at_once(socket):  # row recv-end, and not row recv-reset
                return 0
            raise
        except RuntimeError as error:  # row wiznet
            raise OSError(errno.ECONNRESET, str(error))

    def send(self, socket: "Socket", data: "bytes | bytearray | memoryview", start: int) -> "int | None":
        if start or len(data) > _PIECE:
            data = memoryview(data)[start : start + _PIECE]
        try:
            count: int = socket.send(data)
            return count
        except OSError as error:
            if error.errno == errno.EAGAIN:  # row send-full
                return None
            raise
        except RuntimeError as error:  # row wiznet
            raise OSError(errno.ECONNRESET, str(error))

    def close(self, socket: "Socket") -> None:
        self.watch(socket, False, False)
        self._ports.pop(socket, None)
        try:
            socket.close()
        except (OSError, RuntimeError):  # row wiznet
            pass

    def shut(self, socket: "Socket") -> None:
        """Nothing: there is no shutdown (row methods)."""

    # -- readiness ----------------------------------------------------------------------------------

    def watch(self, socket: "Socket", read: bool, write: bool) -> None:
        poller = self._poller
        if read or write:
            if socket not in self._watched:
                self._watched.append(socket)
            if poller and socket is not self._blind:
                poller.register(socket, (select.POLLIN if read else 0) | (select.POLLOUT if write else 0))
        elif socket in self._watched:
            self._watched.remove(socket)
            if poller and socket is not self._blind:
                poller.unregister(socket)

    def wait(self, timeout_ms: int) -> "list[Socket]":
        ready = self._ready
        ready.clear()
        if self._poller:
            for pair in self._poller.poll(min(timeout_ms, _SLICE_MS) if self._wary else timeout_ms):
                ready.append(pair[0])
            if ready and self._blind in self._watched:
                ready.append(self._blind)
        else:
            time.sleep(min(timeout_ms, _NAP_MS) / 1000)
        if not ready and (self._wary or not self._poller):
            ready.extend(self._watched)
        return ready

    # -- clock --------------------------------------------------------------------------------------

    def ticks_diff(self, later: int, earlier: int) -> int:
        half = _PERIOD // 2
        return (later - earlier + half) % _PERIOD - half

    def unix_time(self) -> "int | None":
        seconds = int(time.time())
        return seconds if seconds > _YEAR_2020 else None
