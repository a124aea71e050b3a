"""TLS: certificates, handshakes of every kind beside others, and what clients of other people say to it.

Servers are stepped in the test itself, or run in a thread of it; certificates are made here.
"""

import asyncio
import contextlib
import gc
import os
import re
import shutil
import signal
import socket as bsd
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from webhal import App
from webhal.testing import check_network, promises
from webhal.testing.check import Bench, SocketClient
from webhal_cpython import hosting, network, tls
from webhal_cpython.self_signed import self_signed

trustme = pytest.importorskip("trustme")

PATIENCE_S = 30
KINDS = [network.EpollNetwork, network.PollNetwork, network.SelectNetwork]
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
BIG = 3_000_000  # bytes, more than all buffers on the way


# What docs/tls.md has: an application, and a function.
PROGRAM, NAME_OF = re.findall(
    r"(?ms)^```python\n(.*?)^```$", (Path(__file__).parents[2] / "docs/tls.md").read_text("utf-8")
)
FUNCTIONS = {}
exec(NAME_OF, FUNCTIONS)


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


@pytest.fixture
def bench(pumping, certificates):
    bench = Bench(pumping(network.Network, certificates), TLSClient, "127.0.0.1", None, None, 2_000)
    yield bench
    bench.close()


def test_what_was_refused_is_sent_next_or_nothing(bench):
    client, socket = bench.pair()
    while bench.net.send(socket, b"a" * 100_000, 0):
        pass
    with pytest.raises(OSError):
        bench.net.send(socket, b"b" * 100_000, 0)


def test_what_comes_after_the_end_of_this_side_is_passed_over_until_the_other_ends(bench):
    client, socket = bench.pair()
    client.send(b"before")
    assert bench.receive(socket, 6) == b"before"
    client.send(b"x" * 40_000)  # so there is something when it ends
    bench.net.shut(socket)
    bench.net.watch(socket, True, False)
    received = bytearray(1000)
    for _ in range(50):
        bench.net.wait(1)
        assert bench.net.recv_into(socket, received) is None
    client.send(b"y" * 40_000)
    assert bench.end(client) == "ended"
    client.close()
    assert bench.receive_into(socket, received) == 0


# -- servers and clients ----------------------------------------------------------------------------


@pytest.fixture
def serve():
    """serve(certificates, …) runs a server in a thread of its own and returns it, with its `port`.

    Plain HTTP at its port `plain` is sent to the port `to`, or its own.
    """
    over = threading.Event()
    threads = []

    def serve(certificates, kind=network.Network, app=None, to=0, **limits):
        if app is None:
            app = App()
            app.get("/")(lambda request: request.scheme)
            app.get("/big")(lambda request: b"~" * BIG)
            app.post("/")(lambda request: "%d" % len(request.body))
            app.get("/who")(
                lambda request: [request.certificate, request.certificate and FUNCTIONS["name_of"](request)]
            )
        network = type("Tested", (tls.TLS, kind), {})(certificates)
        server = network.Server(app, network, deadlines=(PATIENCE_S,) * 4, **limits)
        listener = network.listen(0, "127.0.0.1", 200)  # more than there are slots
        server.port = network.local_port(listener)
        server.adopt(listener, server.port, "127.0.0.1")
        plain = network.listen_plain(0, "127.0.0.1", 50, to or server.port)
        server.plain = network.local_port(plain)

        def run():
            with contextlib.closing(server):
                while not over.is_set():
                    server.step(20)
                network.close(plain)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return server

    yield serve
    over.set()
    for thread in threads:
        thread.join()


@pytest.fixture
def connect():
    """connect(port, context) is a client whose handshake is made, connect(port) one without TLS."""
    with contextlib.ExitStack() as stack:

        def connect(port, context=None, name="localhost", **options):
            client = stack.enter_context(bsd.create_connection(("127.0.0.1", port), PATIENCE_S))
            return (
                stack.enter_context(context.wrap_socket(client, server_hostname=name, **options)) if context else client
            )

        yield connect


def ask(client, request=GET):
    """The status line and the body of one answer, which says its length."""
    client.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = client.recv(65536)
        assert piece, answer
        answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        piece = client.recv(65536)
        assert piece
        body += piece
    return head.split(b"\r\n")[0].decode(), body


def everything(client):
    """What a client receives until the other side ends."""
    return b"".join(iter(lambda: client.recv(65536), b""))


def wait_until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_is_served_again_and_again(serve, connect, files, certificates, version):
    server = serve(certificates)
    context = files.context(maximum_version=version)
    context.set_alpn_protocols(["h2", "http/1.1"])
    client = connect(server.port, context)
    assert client.selected_alpn_protocol() == "http/1.1"
    assert client.version() == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
    for _ in range(3):
        assert ask(client) == ("HTTP/1.1 200 OK", b"https")


def test_older_versions_are_refused(serve, connect, certificates):
    server = serve(certificates)
    context = ssl._create_unverified_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="(?i)version"):
        connect(server.port, context)


def test_curl_is_served(serve, files, certificates, curl):
    server = serve(certificates)
    place = f"https://localhost:{server.port}/"
    trusting = ("--http1.1", "--cacert", files.ca, "--resolve", f"localhost:{server.port}:127.0.0.1")
    assert curl(*trusting, place, place) == b"httpshttps"
    assert curl(*trusting, "--data-binary", "@" + files.ca, place) == b"%d" % os.path.getsize(files.ca)
    assert len(curl(*trusting, place + "big")) == BIG


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("buffer", [32, 65536])
def test_large_bodies_pass_both_ways_however_small_the_buffer(serve, connect, files, certificates, kind, buffer):
    server = serve(certificates, kind=kind, buffer=buffer)
    client = connect(server.port, files.context())
    size = 100_000
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size
    assert ask(client, post + b"x" * size)[1] == b"%d" % size
    assert ask(client, b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")[1] == b"~" * BIG


def test_requests_of_one_record_are_all_answered_with_a_buffer_that_takes_one(serve, connect, files, certificates):
    server = serve(certificates, buffer=64)
    client = connect(server.port, files.context())
    client.sendall(GET * 20)
    answers = b""
    while answers.count(b" 200 OK") < 20:
        piece = client.recv(65536)
        assert piece
        answers += piece


def test_a_client_that_reads_slowly_gets_all(serve, connect, files, certificates):
    server = serve(certificates)
    client = connect(server.port, files.context())
    client.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    wait_until(lambda: any(each.phase == "write" for each in list(server.slots.values())))
    assert everything(client).endswith(b"\r\n\r\n" + b"~" * BIG)


def test_a_refused_upload_is_told_why(serve, connect, files, certificates):
    server = serve(certificates, body=1000)
    client = connect(server.port, files.context())
    client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n")
    with contextlib.suppress(OSError):
        for _ in range(30):
            client.sendall(b"x" * 100_000)
    assert client.recv(1000).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_end_is_an_end_of_tls_too(serve, connect, files, certificates, version):
    server = serve(certificates)
    client = connect(server.port, files.context(maximum_version=version), suppress_ragged_eofs=False)
    client.sendall(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    assert everything(client).endswith(b"https")  # else it raises


def test_who_leaves_leaves_nothing(serve, connect, files, certificates):
    server = serve(certificates)
    for _ in range(3):
        assert ask(connect(server.port, files.context()))[1] == b"https"
    gc.collect()  # pollers of other tests
    before = len(os.listdir("/proc/self/fd"))
    for number in range(60):
        client = bsd.create_connection(("127.0.0.1", server.port), PATIENCE_S)
        if number % 3:
            client = files.context().wrap_socket(client, server_hostname="localhost")
            assert ask(client)[1] == b"https"
        if number % 3 == 2:
            client = client.unwrap()
        client.close()
    wait_until(lambda: len(server.slots) == 3 and not server.network._arrivals)
    wait_until(lambda: len(os.listdir("/proc/self/fd")) == before)


# -- who is not a client of TLS, or a slow one ------------------------------------------------------


def hello(context):
    """The first bytes of a handshake."""
    out = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


def test_half_open_handshakes_keep_nobody_waiting(serve, connect, files, certificates):
    server = serve(certificates, connections=2)
    begun = hello(files.context())
    others = [connect(server.port) for _ in range(150)]
    for number, each in enumerate(others):
        each.sendall((b"", begun[:1], begun[:-1], begun, b"\x16\x03\x01\xff\xff", b"\x80\x2e\x01")[number % 6])
    for _ in range(3):
        with connect(server.port, files.context()) as client:
            assert ask(client)[1] == b"https"
    assert all(each.fileno() >= 0 for each in others)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_handshake_may_come_byte_by_byte(serve, connect, files, certificates, version):
    server = serve(certificates, connections=2)
    slow, incoming, out = connect(server.port), ssl.MemoryBIO(), ssl.MemoryBIO()
    client = files.context(maximum_version=version).wrap_bio(incoming, out, server_hostname="localhost")
    shaken = False
    while not shaken:
        try:
            client.do_handshake()
            shaken = True
        except ssl.SSLWantReadError:
            pass
        for byte in out.read():
            slow.sendall(bytes([byte]))
        if not shaken:
            incoming.write(slow.recv(65536))
        with connect(server.port, files.context()) as other:
            assert ask(other)[1] == b"https"
    client.write(GET)
    slow.sendall(out.read())
    answer = b""
    while b"https" not in answer:
        piece = slow.recv(65536)
        assert piece
        incoming.write(piece)
        with contextlib.suppress(ssl.SSLWantReadError):
            answer += client.read(65536)


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x00\x05hello", b"\0" * 100, b"\x16" * 20_000, b"\x80\x2e\x01\x00\x02", b"\xff\xfe"]
)
def test_garbage_is_hung_up_on(serve, connect, files, certificates, garbage):
    server = serve(certificates)
    client = connect(server.port)
    client.sendall(garbage)
    client.shutdown(bsd.SHUT_WR)
    with contextlib.suppress(ConnectionResetError):
        assert len(everything(client)) <= 7  # an alert
    assert ask(connect(server.port, files.context()))[1] == b"https"


def test_garbage_instead_of_a_request_costs_its_connection(serve, connect, files, certificates):
    server = serve(certificates)
    outside = connect(server.port)
    client = files.context().wrap_socket(outside.dup(), server_hostname="localhost")
    assert ask(client)[1] == b"https"
    outside.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    with contextlib.suppress(OSError):
        assert not everything(client)
    client.close()
    wait_until(lambda: not server.slots)
    assert ask(connect(server.port, files.context()))[1] == b"https"


def test_renegotiation_is_refused(serve, connect, files, certificates):
    server = serve(certificates)
    with subprocess.Popen(
        (shutil.which("openssl") or pytest.skip("there is no openssl here"), "s_client", "-tls1_2", "-connect")
        + (f"127.0.0.1:{server.port}",),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdin.write(b"R\n")  # its order to begin one
        process.stdin.flush()
        assert b"no renegotiation" in b"".join(process.stderr)
    assert ask(connect(server.port, files.context()))[1] == b"https"


def test_plain_http_is_told_so_in_plain(serve, connect, certificates, curl):
    server = serve(certificates)
    answer = curl("--include", f"http://127.0.0.1:{server.port}/")
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n") and b"https://" in answer
    client = connect(server.port)
    client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 300_000)
    assert client.recv(12) == b"HTTP/1.1 400"


@pytest.mark.parametrize(
    "port, sent, place",
    [
        (443, b"GET /a?b=%20c HTTP/1.1\r\nHost: example.org\r\n\r\n", b"https://example.org/a?b=%20c"),
        (443, b"GET / HTTP/1.1\r\nHost: example.org:80\r\n\r\n", b"https://example.org/"),
        (8443, b"POST / HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 9\r\n\r\n", b"https://[::1]:8443/"),
        (8443, b"GET / HTTP/1.0\r\nHost: [::1]\r\n\r\n", b"https://[::1]:8443/"),
    ],
)
def test_plain_http_beside_it_is_sent_to_https(serve, connect, certificates, port, sent, place):
    client = connect(serve(certificates, to=port).plain)
    for byte in sent:
        client.sendall(bytes([byte]))
    head = client.recv(1000).split(b"\r\n")
    assert head[0] == b"HTTP/1.1 308 Permanent Redirect"
    assert b"Location: " + place in head and b"Connection: close" in head


@pytest.mark.parametrize(
    "sent, status",
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.0\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 20_000, b"414"),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", b"505"),
    ],
)
def test_what_is_no_request_is_not_redirected(serve, connect, certificates, sent, status):
    client = connect(serve(certificates).plain)
    client.sendall(sent)
    assert client.recv(12) == b"HTTP/1.1 " + status


def test_curl_follows_to_https(serve, files, certificates, curl):
    server = serve(certificates)
    assert curl("--location", "--cacert", files.ca, f"http://127.0.0.1:{server.plain}/") == b"https"


# -- certificates -----------------------------------------------------------------------------------


def shown(connect, port, files, name="localhost"):
    """The names of the certificate that a client sees."""
    certificate = connect(port, files.context(check_hostname=False), name).getpeercert()
    return [value for _, value in certificate["subjectAltName"]]


def test_a_new_certificate_is_shown_without_a_restart_and_a_wrong_one_is_not(serve, connect, files):
    pair = files.issue("old.example", name="changing")
    certificates = tls.Certificates([pair])
    server = serve(certificates)
    client = connect(server.port, files.context(), "old.example")
    assert ask(client)[1] == b"https"
    files.issue("new.example", name="changing")
    assert shown(connect, server.port, files) == ["old.example"]
    certificates.reload()
    assert shown(connect, server.port, files) == ["new.example"]
    with open(pair[0], "w") as file:
        file.write("-----BEGIN CERTIFICATE-----\nbad\n-----END CERTIFICATE-----\n")
    with pytest.raises(tls.CertificateError, match=pair[0]):
        certificates.reload()
    assert shown(connect, server.port, files) == ["new.example"]
    assert ask(client)[1] == b"https"


def test_clients_get_the_certificate_for_the_name_they_ask_for(serve, connect, files):
    names = [("first.example",), ("b.example", "*.b.example", "first.example"), ("c.example",)]
    server = serve(tls.Certificates([files.issue(*each, name="sni" + each[0]) for each in names]))
    for asked, index in (
        ("first.example", 0),
        ("b.example", 1),
        ("www.B.example", 1),
        ("deep.www.b.example", 0),
        ("C.Example", 2),
        ("other.example", 0),
        (None, 0),
    ):
        assert shown(connect, server.port, files, asked) == list(names[index])
    assert ask(connect(server.port, files.context(), "c.example"))[1] == b"https"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("optional", [False, True])
def test_clients_show_certificates(serve, connect, files, pair, optional, version):
    server = serve(tls.Certificates([pair], client_ca=files.ca, optional=optional))
    who = b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n"
    alice = files.issue("alice@example.org", name="alice", common_name="Alice")
    body = ask(connect(server.port, files.context(*alice, maximum_version=version)), who)[1]
    assert b'"alice@example.org"' in body and body.endswith(b', "Alice"]')
    stranger = trustme.CA().issue_cert("mallory@example.org")
    context = files.context(maximum_version=version)
    stranger.configure_cert(context)
    with pytest.raises(OSError):  # at the first answer: in TLS 1.3 a client's handshake ends before the server's
        ask(connect(server.port, context), who)
    context = files.context(maximum_version=version)
    if optional:
        assert ask(connect(server.port, context), who)[1] == b"[null, null]"
    else:
        with pytest.raises(ssl.SSLError, match="(?i)certificate.required|handshake.failure"):
            ask(connect(server.port, context), who)


def test_a_plain_server_s_requests_say_so():
    from webhal.http import Request

    request = Request("GET", "/", "/", b"")
    assert request.scheme == "http" and request.certificate is None


def encrypted(files, pair, password):
    from cryptography.hazmat.primitives import serialization as form

    with open(pair[1], "rb") as file:
        key = form.load_pem_private_key(file.read(), None)
    path = files.folder / "encrypted.key"
    path.write_bytes(
        key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(password.encode()))
    )
    return str(path)


def test_a_key_may_have_a_password(files, pair, tmp_path, monkeypatch):
    key = encrypted(files, pair, "sesam äöü")
    (tmp_path / "password").write_text("sesam äöü\n", "utf-8")
    tls.Certificates([(pair[0], key)], str(tmp_path / "password"))
    monkeypatch.setenv("WEBHAL_KEY_PASSWORD", "sesam äöü")
    tls.Certificates([(pair[0], key)])
    monkeypatch.setenv("WEBHAL_KEY_PASSWORD", "other")
    with pytest.raises(tls.CertificateError, match=f"{key} has a password, which is not this one"):
        tls.Certificates([(pair[0], key)])
    monkeypatch.delenv("WEBHAL_KEY_PASSWORD")
    with pytest.raises(tls.CertificateError, match=f"{key} has a password, which is needed"):
        tls.Certificates([(pair[0], key)])


def test_the_program_of_the_guide(serve, connect, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for written, name in zip(files.issue("localhost", name="guide"), ("fullchain.pem", "privkey.pem"), strict=True):
        shutil.copy(written, name)
    served = []
    monkeypatch.setattr(App, "run", lambda app, port, network: served.extend((app, network)))
    exec(PROGRAM, {"__name__": "__main__"})
    server = serve(served[1].certificates, app=served[0])
    assert ask(connect(server.port, files.context()))[1] == b"https"


def test_certificate_and_key_may_share_a_file(files, pair, tmp_path):
    path = tmp_path / "both.pem"
    with open(path, "wb") as both:
        for name in pair:
            with open(name, "rb") as file:
                shutil.copyfileobj(file, both)
    tls.Certificates([(str(path), "")])


def test_what_cannot_be_used_is_told_in_a_line(files, pair, tmp_path):
    other = files.issue("other.example", name="other")
    (tmp_path / "text").write_text("text")
    (tmp_path / "bad").write_text("-----BEGIN CERTIFICATE-----\nbad\n-----END CERTIFICATE-----\n")
    bad, text, missing = str(tmp_path / "bad"), str(tmp_path / "text"), str(tmp_path / "missing")
    for arguments, said in (
        (dict(pairs=[(missing, "")]), f"the certificate cannot be read: {missing}: No such file"),
        (dict(pairs=[(pair[0], missing)]), f"the key cannot be read: {missing}: No such file"),
        (dict(pairs=[(text, "")]), f"there is no certificate in PEM in {text}"),
        (dict(pairs=[(pair[0], text)]), f"there is no key in PEM in {text}"),
        (dict(pairs=[(pair[0], "")]), f"there is no key in PEM in {pair[0]}: "),
        (dict(pairs=[(pair[0], other[1])]), f"the key {other[1]} is not that of the certificate {pair[0]}"),
        (dict(pairs=[(bad, pair[1])]), f"{bad} with the key .* cannot be used"),
        (dict(pairs=[pair], client_ca=text), f"there is no certificate in {text}"),
        (dict(pairs=[pair], client_ca=missing), f"certificate authority cannot be read: {missing}"),
        (dict(pairs=[pair], password_file=missing), f"password cannot be read: {missing}"),
    ):
        with pytest.raises(tls.CertificateError, match=said) as raised:
            tls.Certificates(**arguments)
        assert "\n" not in str(raised.value)


# -- for development --------------------------------------------------------------------------------


def test_a_self_signed_certificate_is_kept_and_renewed(serve, connect, tmp_path):
    path = self_signed("192.0.2.1", tmp_path / "cache")
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert self_signed("192.0.2.1", tmp_path / "cache") == path
    server = serve(tls.Certificates([(path, "")]))
    context = ssl.create_default_context(cafile=path)  # which is what a person tells curl
    for name in ("localhost", "127.0.0.1", "192.0.2.1", bsd.gethostname()):
        assert ask(connect(server.port, context, name))[1] == b"https"
    with open(path, "rb") as file:
        made = file.read()
    os.utime(path, (0, time.time() - 301 * 86400))
    with open(self_signed("192.0.2.1", tmp_path / "cache"), "rb") as file:
        assert file.read() != made
    assert os.listdir(tmp_path / "cache") == ["self-signed.pem"]


def test_a_self_signed_certificate_that_cannot_be_kept_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(tls.CertificateError, match="cannot be kept: .*file/self-signed.pem: "):
        self_signed("127.0.0.1", tmp_path / "file")


# -- in asyncio -------------------------------------------------------------------------------------


@pytest.mark.parametrize("buffer", [64, 65536])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_served_in_asyncio(connect, files, certificates, loop, buffer):
    runner = pytest.importorskip(loop).run
    app = App()

    @app.post("/")
    async def home(request):
        await asyncio.sleep(0)
        return "%s %d" % (request.scheme, len(request.body))

    network = tls.Network(certificates)
    server = network.Server(app, network, buffer=buffer)
    server.open(0, "127.0.0.1")
    place = "127.0.0.1", network.local_port(server.listener)

    async def post(context):
        reader, writer = await asyncio.open_connection(*place, ssl=context, server_hostname="localhost")
        for _ in range(3):
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n" + b"x" * 9000)
            head = await reader.readuntil(b"\r\n\r\n")
            assert b" 200 OK" in head and await reader.readexactly(10) == b"https 9000"
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def main():
        task = asyncio.create_task(hosting.serve(server))
        silent = connect(place[1])
        context = files.context()
        await asyncio.gather(*[post(context) for _ in range(20)])
        silent.close()
        server.stop()
        await task

    runner(asyncio.wait_for(main(), PATIENCE_S))


# -- webhal run -------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "app.py").write_text(
        "from webhal import App\napp = App()\napp.get('/')(lambda request: request.scheme)\n"
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_webhal_run_serves_https_and_reads_certificates_again(start, folder, files, connect, curl):
    certificate, key = files.issue("old.example", name="running")
    lines = f'cert = ["{certificate}"]\nkey = "{key}"\nport = 0\nredirect-port = 0\n'
    (folder / "pyproject.toml").write_text("[tool.webhal]\n" + lines)
    process = start.webhal("run", "app.py", cwd=folder)
    port = int(process.line(r"https://127.0.0.1:(\d+)/")[1])
    plain = process.line(r"plain HTTP on port (\d+)")[1]
    assert shown(connect, port, files) == ["old.example"]
    assert curl("--location", "--insecure", f"http://127.0.0.1:{plain}/") == b"https"
    files.issue("new.example", name="running")
    process.popen.send_signal(signal.SIGHUP)
    wait_until(lambda: shown(connect, port, files) == ["new.example"])
    os.remove(certificate)
    process.popen.send_signal(signal.SIGHUP)
    wait_until(lambda: shown(connect, port, files) == ["new.example"])
    code, errors = process.stop(signal.SIGTERM)
    assert code == 0
    assert f"ERROR the certificate cannot be read: {certificate}: No such file or directory; what was sh" in errors
    assert errors.count("\n") == 1


def test_webhal_run_makes_a_certificate(start, folder, connect):
    process = start.webhal("run", "app.py", "--port", "0", "--self-signed", cwd=folder)
    port = int(process.line(r"https://127.0.0.1:(\d+)/")[1])
    context = ssl.create_default_context(cafile=folder / "cache/webhal/self-signed.pem")
    assert ask(connect(port, context))[1] == b"https"


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--key", "a.pem"], "--key is for HTTPS: "),
        (["--redirect-port", "80"], "--redirect-port is for HTTPS: "),
        (["--client-cert", "required"], "--client-cert is for HTTPS: "),
        (["--self-signed", "--client-cert", "required"], "--client-cert needs --client-ca"),
        (["--self-signed", "--uds", "app.sock", "--redirect-port", "0"], "--uds has none: "),
        (["--cert", "a.pem", "--self-signed"], "leave one of them out"),
        (["--cert", "a.pem,b.pem", "--key", "a.key"], "--cert names 2 and --key 1: "),
        (["--cert", "missing.pem"], "the certificate cannot be read: missing.pem: "),
    ],
)
def test_wrong_options_are_told_in_a_line(start, folder, arguments, said):
    code, errors = start.webhal("run", "app.py", "--port", "0", *arguments, cwd=folder).end()
    assert code == 2 and errors.startswith("webhal: ") and said in errors and errors.count("\n") == 1


@pytest.mark.parametrize("option", ["--self-signed", "--proxy-protocol"])
def test_a_file_with_a_network_of_its_own_is_told_that_options_do_not_change_it(start, folder, option):
    with (folder / "app.py").open("a") as file:
        file.write("from webhal_cpython.network import Network\napp.run(port=0, network=Network())\n")
    process = start.webhal("run", "app.py", option, cwd=folder)
    process.line("^Serving on http:")
    code, errors = process.stop(signal.SIGTERM)
    assert code == 0 and errors.startswith("webhal: the file has a network of its own") and errors.count("\n") == 1
