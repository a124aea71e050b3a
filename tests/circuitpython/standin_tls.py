"""The stand-in's `ssl`, after CircuitPython's: TLS over the stand-in's sockets. CPython only.

Names and rows are those of standin.py.
"""

import ssl

from standin import _FOREVER_MS, Namespace, failure

_HANDSHAKE_FAILED = -0x7780  # mbedTLS's numbers come as errno
_CONNECTION_LOST = -0x7280


def install(board, reports_pending=True):
    """Let `board` have TLS. `reports_pending`: whether poll() tells of what is decrypted already (row poll-tls)."""
    board.modules["ssl"] = Namespace(create_default_context=lambda: SSLContext(board, reports_pending))


class SSLContext:
    def __init__(self, board, reports_pending):
        self._board = board
        self._reports_pending = reports_pending
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def load_cert_chain(self, certfile, keyfile):
        self._context.load_cert_chain(certfile, keyfile)

    def wrap_socket(self, socket, server_side=False):
        assert server_side
        return SSLSocket(self, socket)


class SSLSocket:
    """row methods: those of a socket, but sendto and recvfrom_into."""

    def __init__(self, context, socket):
        self._context = context
        self._socket = socket
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context._context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._unsent = b""
        self._owed = 0  # bytes of the last send that were encrypted, but not all sent
        self.settimeout = socket.settimeout
        self.setblocking = socket.setblocking
        self.setsockopt = socket.setsockopt
        self.bind = socket.bind
        self.listen = socket.listen
        self.close = socket.close

    def __getattr__(self, name):
        if name in ("_state", "_dead", "_ended", "_deaf", "_wire"):  # for poll()
            return getattr(self._socket, name)
        raise AttributeError(name)

    def accept(self):
        # row tls-listener
        socket, peer = self._socket.accept()
        accepted = SSLSocket(self._context, socket)
        board = self._context._board
        start = board.ticks_ms()
        while True:
            try:
                accepted._attempt(accepted._tls.do_handshake)
                return accepted, peer
            except OSError as error:
                if error.errno != failure("EAGAIN").errno:
                    socket.close()  # at once, though the firmware may leave it to the garbage collector
                    raise
            assert (board.ticks_ms() - start) % (1 << 29) < _FOREVER_MS, "the handshake takes for ever"
            board.rest(1)

    def recv_into(self, buffer, bufsize=0):
        try:
            data = self._attempt(lambda: self._tls.read(bufsize or len(buffer)))
        except ssl.SSLZeroReturnError:
            return 0
        buffer[: len(data)] = data
        return len(data)

    def send(self, data):
        if not self._owed:
            self._owed = len(data)
            self._attempt(lambda: self._tls.write(data))
        self._flush()
        count, self._owed = self._owed, 0
        return count

    def _attempt(self, act):
        """Do it, and what has to be received and sent for it."""
        while True:
            try:
                outcome = act()
                self._flush()
                return outcome
            except ssl.SSLWantReadError:
                self._flush()
                scratch = bytearray(2048)
                count = self._socket.recv_into(scratch)
                if not count:
                    raise OSError(_CONNECTION_LOST, "SSL - CONN_EOF") from None
                self._incoming.write(memoryview(scratch)[:count])
            except ssl.SSLZeroReturnError:
                raise
            except ssl.SSLError as error:
                raise OSError(_HANDSHAKE_FAILED, str(error)) from None

    def _flush(self):
        self._unsent += self._outgoing.read()
        while self._unsent:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]

    def _readable(self):
        pending = self._tls.pending() or self._incoming.pending
        return bool(pending and self._context._reports_pending) or self._socket._readable()

    def _writable(self):
        return self._socket._writable()
