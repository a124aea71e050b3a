"""TLS: a Network whose connections are encrypted, by OpenSSL, and the certificates that it shows.

The handshake is a preparation (admission.py): a client that does not come to its end takes no slot of the server. What
a server of TLS adds to requests is here as well; what plain HTTP gets, in plaintext.py; a certificate for development,
in self_signed.py. How it is used, and what it promises: docs/tls.md.
"""

import contextlib
import os
import socket as bsd
import ssl
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from socket import socket as Socket
from typing import Any

from webhal import Request
from webhal_cpython import network, plaintext, serving
from webhal_cpython.admission import READ, WRITE, Admission, Arrival, Preparation, Wanted, linger

_BOTH: Wanted = (True, True)
_RECORD = 16384  # bytes of one record at most (RFC 8446, 5.1): OpenSSL takes so many at once
_MOST_SENT = 16 * _RECORD  # by one call, so that a large answer leaves the others their turn
_PASSWORD = "WEBHAL_KEY_PASSWORD"
# Of TLS 1.2; those of 1.3 are all like that: keys that later theft does not tell, and authenticated encryption.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class CertificateError(Exception):
    """A certificate, key or password cannot be used: one line that says which, why, and what to do."""


class Certificates:
    """What a server shows to its clients, and what it asks of them, read from files in PEM.

    pairs          (certificate, key): a file with the server's certificate and those between it and a root, and one
                   with its key, or "" where that is in the first. Of several, a client gets the one for the name it
                   asks for (SNI), else the first.
    password_file  its first line is the keys' password; without it the environment's WEBHAL_KEY_PASSWORD is
    client_ca      clients show a certificate that one of this file has signed
    optional       or none

    Raises CertificateError.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[str, str]],
        password_file: str = "",
        client_ca: str = "",
        optional: bool = False,
    ) -> None:
        self.pairs = pairs
        self.password_file = password_file
        self.client_ca = client_ca
        self.optional = optional
        self.reload()

    def reload(self) -> None:
        """Read the files again, for connections that come from now on.

        Raises CertificateError, and goes on with what there was.
        """
        password = self._password()
        contexts = [self._context(certificate, key, password) for certificate, key in self.pairs]
        if len(contexts) > 1:
            names: dict[str, ssl.SSLContext] = {}
            for context, (certificate, _) in zip(contexts, self.pairs, strict=True):
                for name in _names(certificate):
                    names.setdefault(name, context)
            contexts[0].sni_callback = partial(_choose, names)
        self.context = contexts[0]

    def _password(self) -> bytes:
        if self.password_file:
            return _read(self.password_file, "the key's password").partition(b"\n")[0].rstrip(b"\r")
        return os.fsencode(os.environ.get(_PASSWORD, ""))

    def _context(self, certificate: str, key: str, password: bytes) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sslsocket_class = TLSSocket
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        context.set_alpn_protocols(["http/1.1"])
        context.options |= ssl.OP_NO_RENEGOTIATION
        # A client that hangs up without saying so is no error: HTTP knows where a request ends. OpenSSL 1.1 sees none.
        context.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
        for file, what, label in ((certificate, "certificate", b"CERTIFICATE"), (key or certificate, "key", b"KEY")):
            if label + b"-----" not in _read(file, f"the {what}"):
                more = "" if key else ": where it has a file of its own, name both"
                raise CertificateError(f"there is no {what} in PEM in {file}{more}")
        asked = []

        def tell() -> bytes:  # with none, OpenSSL would ask the terminal
            asked.append(True)
            return password

        try:
            context.load_cert_chain(certificate, key or None, tell)
        except (ssl.SSLError, ValueError) as error:
            raise CertificateError(_explain(error, certificate, key or certificate, bool(asked), password)) from None
        if self.client_ca:
            _read(self.client_ca, "the clients' certificate authority")
            try:
                context.load_verify_locations(self.client_ca)
            except ssl.SSLError:
                raise CertificateError(f"there is no certificate in {self.client_ca}") from None
            context.verify_mode = ssl.CERT_OPTIONAL if self.optional else ssl.CERT_REQUIRED
        return context


def _read(file: str, what: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise CertificateError(f"{what} cannot be read: {file}: {error.strerror}") from None


def _explain(error: Exception, certificate: str, key: str, encrypted: bool, password: bytes) -> str:
    """What OpenSSL could not use."""
    reason = getattr(error, "reason", None) or str(error)
    if reason == "KEY_VALUES_MISMATCH":
        return f"the key {key} is not that of the certificate {certificate} (the server's own comes first in it)"
    if encrypted:
        wrong = "is not this one" if password else f"is needed: put it into a file, or into {_PASSWORD}"
        return f"the key {key} has a password, which {wrong}"
    return f"{certificate} with the key {key} cannot be used: {reason}"


def _names(certificate: str) -> list[str]:
    """The names that a certificate is for, in lower case; "*.example.org" is one."""
    try:
        from cryptography import x509
    except ImportError:
        raise CertificateError("several certificates need cryptography: pip install 'webhal[tls]'") from None
    loaded = x509.load_pem_x509_certificate(Path(certificate).read_bytes())
    try:
        names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in names.get_values_for_type(x509.DNSName)]


def _choose(names: dict[str, ssl.SSLContext], socket: Any, name: str | None, first: ssl.SSLContext) -> None:
    """The client has asked for a name: answer with its certificate (RFC 6066, 3)."""
    name = (name or "").lower()
    socket.context = names.get(name) or names.get("*." + name.partition(".")[2]) or first


class TLSSocket(ssl.SSLSocket):
    """A connection, and what TLS needs of its descriptor where that is not what the server asks for."""

    asked: Wanted = (False, False)  # what the server watches it for
    reading = READ  # what tells that there is something to read
    writing = WRITE  # or that something can be sent
    refused = b""  # of what was to be sent: OpenSSL has encrypted that, and must be given it again
    shut = False  # our stream has ended
    drained = False  # and what still comes cannot be decrypted


class TLS(Admission):
    """Makes a Network of webhal_cpython.network one that speaks TLS: a mixin."""

    scheme = "https"  # of its addresses

    def __init__(self, certificates: Certificates, *preparations: Preparation) -> None:
        """`preparations` come before the handshake."""
        super().__init__(*preparations, self._shake_hands)
        self.certificates = certificates

    @property
    def Server(self) -> Any:
        return Server

    def listen_plain(self, port: int, host: str, backlog: int, to: int) -> Socket:
        """A listener for plain HTTP that sends all to HTTPS on port `to`. Raises what `listen` does."""
        listener = self.listen(port, host, backlog)
        # All but the handshake.
        self.adopt(listener, [*self.preparations[:-1], plaintext.redirect(to)])
        return listener

    def _shake_hands(self, arrival: Arrival) -> Iterator[Wanted]:
        """The preparation."""
        first = None
        while first is None:
            try:
                first = arrival.socket.recv(1, bsd.MSG_PEEK)
            except BlockingIOError:
                yield READ
        if first.isalpha():  # a method's; a handshake begins with 22
            yield from plaintext.refuse(arrival)
        socket = self.certificates.context.wrap_socket(arrival.socket, server_side=True, do_handshake_on_connect=False)
        arrival.socket = socket
        while True:
            try:
                return socket.do_handshake()
            except ssl.SSLWantReadError:
                yield READ
            except ssl.SSLWantWriteError:
                yield WRITE
            except ssl.SSLError:
                yield from linger(arrival)  # OpenSSL has said why

    # -- sockets ------------------------------------------------------------------------------------

    def recv_into(self, socket: Any, buffer: bytearray | memoryview) -> int | None:
        reading = READ
        count: int | None = None
        try:
            if socket.drained:
                return None if Socket.recv(socket, _RECORD) else 0
            count = socket.recv_into(buffer)
            if count == len(buffer) and socket.pending():
                reading = _BOTH  # what OpenSSL has decrypted, the poller does not see; but that there is room
            elif not count and not socket.shut:
                socket.getpeername()  # OSError after a reset, which CPython takes for an end, until 3.12.3
        except (ssl.SSLWantReadError, BlockingIOError):
            pass
        except ssl.SSLWantWriteError:
            reading = WRITE
        if socket.reading is not reading:
            socket.reading = reading
            self._watch(socket)
        return count

    def send(self, socket: Any, data: bytes | bytearray | memoryview, start: int) -> int | None:
        view = memoryview(data)[start:]
        piece = view[: len(socket.refused) or _RECORD]
        if socket.refused and piece != socket.refused:
            raise ConnectionAbortedError("other bytes follow than were refused")
        sent = 0
        writing = WRITE
        refused = b""
        try:
            while piece and sent < _MOST_SENT:
                sent += socket.send(piece)
                piece = view[sent : sent + _RECORD]
        except ssl.SSLWantWriteError:
            refused = bytes(piece)
        except ssl.SSLWantReadError:
            refused = bytes(piece)
            writing = READ
        socket.refused = refused
        if socket.writing is not writing:
            socket.writing = writing
            self._watch(socket)
        return sent or None

    def close(self, socket: Any) -> None:
        if isinstance(socket, TLSSocket):
            with contextlib.suppress(OSError, ValueError):  # it has failed, is closed, or waits for the client's end
                socket.unwrap()
        super().close(socket)

    def shut(self, socket: Any) -> None:
        socket.shut = True
        try:
            socket.unwrap()  # sends close_notify; and reads the client's, if it is there
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, ValueError):
            pass
        except OSError:  # what comes there is data: for OpenSSL that is the end
            socket.drained = True
        with contextlib.suppress(OSError):
            Socket.shutdown(socket, bsd.SHUT_WR)  # its own would give up decrypting

    # -- readiness ----------------------------------------------------------------------------------

    def watch(self, socket: Any, read: bool, write: bool) -> None:
        if type(socket) is TLSSocket:
            socket.asked = read, write
            self._watch(socket)
        else:
            super().watch(socket, read, write)

    def _watch(self, socket: TLSSocket) -> None:
        """Watch a connection for what tells that it is ready for what the server watches it for."""
        read, write = socket.asked
        pairs = [socket.reading] * read + [socket.writing] * write
        super().watch(socket, any(pair[0] for pair in pairs), any(pair[1] for pair in pairs))


class Connection(serving.Connection):
    """A connection of TLS: requests say so, and who the client is."""

    def __init__(self, socket: Any, client: tuple[str, int], now: int) -> None:
        super().__init__(socket, client, now)
        self.certificate = socket.getpeercert() or None

    def next_request(self, limit: int) -> "Request | None":
        request = super().next_request(limit)
        if request:
            request.scheme = "https"
            request.certificate = self.certificate
        return request


class Server(serving.Server):
    """The PC's, over TLS."""

    Connection = Connection


class Network(TLS, network.Network):  # type: ignore[valid-type, misc] # which one, the system tells
    """The best of this system, with TLS."""
