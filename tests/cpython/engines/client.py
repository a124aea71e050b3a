"""A client over real sockets with the interface of TestClient, which the cases are written against."""

import contextlib
import select
import socket
import ssl
import time

from webhal.testing.client import TestClient, _parse

PATIENCE_S = 30
QUIET_MS = 50  # after which it is seen whether an answer is whole already
CLOSING_MS = 1000  # what TestClient gives a server to close a connection, in virtual time


class Peer:
    """One connection: what webhal.testing.fake.Client is over the fake network."""

    def __init__(self, sock):
        self.socket = sock
        self.state = "open"
        self._read = bytearray()

    @property
    def received(self):
        return bytes(self._read)

    def send(self, data):
        with contextlib.suppress(OSError):  # the server may have refused the rest
            self.socket.settimeout(PATIENCE_S)
            self.socket.sendall(data)

    def look(self, seconds):
        """Read what has come, or comes in that time."""
        if self.state != "open" or not select.select([self.socket], [], [], seconds)[0]:
            return
        try:
            self.socket.settimeout(0)
            piece = self.socket.recv(1 << 16)
            self.state = "open" if piece else "ended"
            self._read += piece
        except ssl.SSLWantReadError:  # a ticket of TLS, and nothing to be read
            return
        except OSError:
            self.state = "reset"
        if self.state != "open":
            self.socket.close()

    def close(self):
        self.socket.close()
        self.state = "closed"


class Network:
    """Where the client's connections come from."""

    sockets = ()  # of the server: none that this side could see

    def __init__(self, port, context=None):
        self.port = port
        self.context = context  # of TLS, over which the connections are
        self.peers = []

    def connect(self, port=None):
        connection = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
        if self.context:
            connection = self.context.wrap_socket(connection, server_hostname="localhost")
        peer = Peer(connection)
        self.peers = [each for each in self.peers if each.state == "open"] + [peer]
        return peer


class RealClient(TestClient):
    """TestClient of a server in another process."""

    __test__ = False

    def __init__(self, port, context=None):
        self.network = Network(port, context)
        self.cookies = {}
        self._whole = False
        self.server = type("Elsewhere", (), {"again": ()})

    def _exchange(self, method, data, ms):
        """What TestClient does, but without waiting for who does not close: a board lingers where it has refused."""
        peer = self.network.connect()
        peer.send(data)
        end = time.monotonic() + PATIENCE_S
        try:
            while True:
                self.step_while(lambda: peer.state == "open", QUIET_MS)
                try:
                    return _parse(method, peer.received, True)
                except OSError:  # it is not whole
                    if peer.state != "open" or time.monotonic() > end:
                        raise
        finally:
            peer.close()

    def step_while(self, wanted, ms):
        """Wait while that is so, but no longer than a test may take."""
        end = time.monotonic() + (QUIET_MS / 1000 if ms == CLOSING_MS else min(ms / 1000, PATIENCE_S))
        while wanted() and (left := end - time.monotonic()) > 0:
            open_peers = [peer for peer in self.network.peers if peer.state == "open"]
            if open_peers:
                open_peers[-1].look(min(left, 0.01) if len(open_peers) > 1 else left)
                for peer in open_peers[:-1]:
                    peer.look(0)
            else:
                time.sleep(min(left, 0.001))

    def close(self):
        for peer in self.network.peers:
            peer.close()
