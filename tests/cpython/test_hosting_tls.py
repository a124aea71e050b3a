"""TLS: certificates, handshakes of every kind beside others, and what clients of other people say to it.

Servers are stepped in the test itself, or run in a thread of it; certificates are made here.
"""

import ssl

import pytest

from webhal.testing import check_network, promises
from webhal.testing.check import SocketClient
from webhal_cpython import network, tls

trustme = pytest.importorskip("trustme")

PATIENCE_S = 30
KINDS = [network.EpollNetwork, network.PollNetwork, network.SelectNetwork]
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
BIG = 3_000_000


class Files:
    """A certificate authority, and files with what it has signed."""

    def __init__(self, folder):
        self.folder = folder
        self.authority = trustme.CA()
        self.authority.cert_pem.write_to_path(folder / "ca.pem")
        self.ca = str(folder / "ca.pem")

    def issue(self, *names, name="server", **options):
        """(certificate, key): two files."""
        issued = self.authority.issue_cert(*names, **options)
        certificate, key = self.folder / (name + ".pem"), self.folder / (name + ".key")
        certificate.unlink(missing_ok=True)
        for pem in issued.cert_chain_pems:
            pem.write_to_path(certificate, append=True)
        issued.private_key_pem.write_to_path(key)
        return str(certificate), str(key)

    def context(self, *pair, **attributes):
        """A client's, that trusts the authority."""
        context = ssl.create_default_context(cafile=self.ca)
        if pair:
            context.load_cert_chain(*pair)
        for name, value in attributes.items():
            setattr(context, name, value)
        return context


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def pair(files):
    return files.issue("localhost", "127.0.0.1", name="shared")


@pytest.fixture(scope="module")
def certificates(pair):
    return tls.Certificates([pair])


# -- the conformance kit ----------------------------------------------------------------------------


class TLSClient(SocketClient):
    """The kit's peer. It goes on whenever the network waits, because the server's side is in the same thread."""

    everybody = []

    def __init__(self, network, host, port):
        super().__init__(network, host, port)
        self.out = b""
        self.everybody.append(self)
        if self.state == "open":
            self.socket.settimeout(0)
            context = ssl._create_unverified_context()
            self.socket = context.wrap_socket(self.socket, do_handshake_on_connect=False)
            self.shaken = False

    def pump(self):
        try:
            if self.state == "open" and not self.shaken:
                self.socket.do_handshake()
                self.shaken = True
            while self.state in ("open", "ended") and self.out:
                self.out = self.out[self.socket.send(self.out) :]
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            self.state = "reset"

    def send(self, data):
        self.out += data
        self.pump()

    def read(self):
        self.pump()
        if self.state != "open" or not self.shaken:
            return b""
        try:
            data = self.socket.recv(512)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return b""
        except OSError:
            self.state = "reset"
            return b""
        if not data:
            self.state = "ended"
        return data


@pytest.fixture
def pumping(monkeypatch):
    monkeypatch.setattr(TLSClient, "everybody", [])

    def make(kind, certificates):
        class Pumping(tls.TLS, kind):
            def wait(self, timeout_ms):
                for client in TLSClient.everybody:
                    client.pump()
                return super().wait(timeout_ms)

        return Pumping(certificates)

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_all_promises_are_kept(kind, pumping, pair):
    certificates = tls.Certificates([pair])
    certificates.context.num_tickets = 0  # which the peer would have to read before it closes
    kept = check_network(lambda: pumping(kind, certificates), TLSClient)
    assert len(promises.PROMISES) - kept == 2 + (not hasattr(kind, "fileno"))  # no exhaust, and up never fails
