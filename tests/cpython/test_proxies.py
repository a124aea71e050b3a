"""Whom a request is from behind proxies: what their fields say, the PROXY protocol, and what nobody can forge."""

import contextlib
import ipaddress
import socket
import ssl
import threading

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import webhal.log
from webhal import App, Server
from webhal.testing import FakeNetwork, TestClient
from webhal.websocket import websocket
from webhal_cpython import tls
from webhal_cpython.admission import Network
from webhal_cpython.proxies import MOST_HEADER, TrustedProxies, parse_header
from webhal_cpython.serving import Server as PCServer

PROXIES = "192.0.2.0/24"  # where the clients of a fake network are
HERE = "10.1.0.0/16"  # a proxy in front of that one
CLIENT = "203.0.113.9"


def behind(*trusted):
    """A client of an application whose server believes these; it answers what it sees."""
    app = App()
    app.log = []
    app.on("response")(lambda request, status, length: app.log.append((request.client[0], request.head, status)))

    @app.post("/")
    @app.get("/")
    def see(request):
        return {
            "client": list(request.client),
            "scheme": request.scheme,
            "host": request.headers["host"],
            "hosts": request.headers.getlist("host"),
        }

    @app.get("/ws")
    @websocket
    async def talk(request, ws):
        await ws.send(request.client[0])

    client = TestClient(app)
    TrustedProxies(trusted or (PROXIES, HERE)).attach(client.server)
    return client


def seen(fields, *trusted):
    """What the application sees of a request with these fields, or the status with which it is refused."""
    answer = behind(*trusted).get("/", headers=fields)
    return answer.json() if answer.status == 200 else answer.status


def client_of(fields, *trusted):
    found = seen(fields, *trusted)
    return found if isinstance(found, int) else tuple(found["client"])


@pytest.mark.parametrize(
    "hops, client",
    [
        (CLIENT, (CLIENT, 0)),
        (f"{CLIENT}:4711", (CLIENT, 4711)),
        (f"127.0.0.1, {CLIENT}", (CLIENT, 0)),  # what a client says is left of it
        (f"<script>, ::, {CLIENT}", (CLIENT, 0)),
        (f"127.0.0.1, {CLIENT}, 10.1.2.3", (CLIENT, 0)),  # a proxy in front of the proxy
        (f"127.0.0.1, {CLIENT},10.1.2.3 ,192.0.2.77", (CLIENT, 0)),
        (f",, {CLIENT} , ,", (CLIENT, 0)),  # RFC 9110, 5.6.1
        ("10.1.2.3, 10.1.2.4", ("10.1.2.3", 0)),
        ("2001:db8::1", ("2001:db8::1", 0)),
        ("2001:DB8:0::1", ("2001:db8::1", 0)),
        ("[2001:db8::1]:443", ("2001:db8::1", 443)),
        ("::ffff:203.0.113.9", (CLIENT, 0)),
        ("1.1.1.1, ::ffff:10.1.2.3", ("1.1.1.1", 0)),
        ("unknown", ("unknown", 0)),
        ("10.1.2.3, unknown, 10.1.2.3", ("unknown", 0)),
        ("_hidden", ("_hidden", 0)),
        ("", None),
        ("nonsense", 400),
        (f"{CLIENT}, 300.1.1.1", 400),
        (f"{CLIENT}, 1.1.1.1x", 400),
        ("01.1.1.1", 400),
        ("1.1.1.1:70000", 400),
        ("1.1.1.1:0000000080", 400),
        ("1.1.1.1:", 400),
        ("[1.1.1.1]:80", 400),
        ("[2001:db8::1", 400),
        ("[2001:db8::1]80", 400),
        ("fe80::1%eth0", 400),
        ("\u0661.1.1.1", 400),
    ],
)
def test_the_client_is_the_last_hop_that_is_not_believed(hops, client):
    found = client_of({"X-Forwarded-For": hops})
    if client is None:
        assert found[0].startswith("192.0.2.") and found[1] > 0
    else:
        assert found == client


def test_fields_of_who_is_not_believed_are_none():
    fields = {"X-Forwarded-For": CLIENT, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "x.example"}
    for trusted in ("10.0.0.0/8", "unix", "192.0.2.1", "2001:db8::/32"):
        found = seen(fields, trusted)
        assert found["client"][0].startswith("192.0.2.") and found["client"][1] > 0
        assert (found["scheme"], found["host"]) == ("http", "testserver")
        assert client_of({"Forwarded": f"for={CLIENT}"}, trusted) != (CLIENT, 0)


def test_several_lines_are_one_list():
    client = behind()
    head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    peer = client.network.connect()
    peer.send(f"{head}x-forwarded-for: 1.1.1.1\r\nX-Forwarded-FOR:\t{CLIENT}\r\n\r\n".encode())
    client.step_while(lambda: peer.state in ("connecting", "open"), 1000)
    assert CLIENT.encode() in peer.received


@pytest.mark.parametrize(
    "field, client, scheme, host",
    [
        (f"for={CLIENT}", CLIENT, "http", "testserver"),
        (f'For="{CLIENT}:80";PROTO=HTTPS;by=10.0.0.1;host=x.example', CLIENT, "https", "x.example"),
        ('for="[2001:db8::17]:4711"', "2001:db8::17", "http", "testserver"),
        (f'for=127.0.0.1;proto=http;host=evil, for={CLIENT};host="x.example:81"', CLIENT, "http", "x.example:81"),
        # What the outermost proxy that is believed says of the client's connection.
        (
            f"for=9.9.9.9;host=e, for={CLIENT};proto=https;host=x.example, for=10.1.0.9;proto=http;host=inner",
            CLIENT,
            "https",
            "x.example",
        ),
        (f"for=10.1.0.1,, , for={CLIENT}; ,", CLIENT, "http", "testserver"),
        (r'for="203.\0.113.9"', CLIENT, "http", "testserver"),
        ("for=unknown;proto=https", "unknown", "https", "testserver"),
        ('for="_gazonk:_port"', "_gazonk", "http", "testserver"),
        (f"for={CLIENT}, for=10.1.0.1, proto=https", None, "https", "testserver"),
    ],
)
def test_forwarded(field, client, scheme, host):
    found = seen({"Forwarded": field.replace("; ,", ";,")})
    if client is None:
        assert found["client"][0].startswith("192.0.2.")
    else:
        assert found["client"][0] == client
    assert (found["scheme"], found["host"]) == (scheme, host)


@pytest.mark.parametrize(
    "field",
    [
        "for",
        "for=",
        f"for = {CLIENT}",
        f'for="{CLIENT}',
        f'for=", for={CLIENT}',  # a client's quotation mark would hide what the proxy appends
        'for=127.0.0.1;x=", for="[2001:db8::1]"',
        f"for={CLIENT};for=127.0.0.1",
        f'for={CLIENT}"',
        'for="2001:db8::1"',
        "for=2001:db8::1",
        'for="[2001:db8::1]:99999"',
        "for=localhost",
        f"for={CLIENT};proto=gopher",
        f'for={CLIENT};host="a b"',
        f'for={CLIENT};host="a/b"',
        f"nonsense, for={CLIENT}",
        f"for={CLIENT} proto=https",
    ],
)
def test_a_malformed_forwarded_is_refused(field):
    assert seen({"Forwarded": field}) == 400


def test_one_kind_of_fields_is_the_clients():
    """The proxy sets one of them, and lets the other pass."""
    for name in ("For", "Host", "Proto"):
        assert seen({"Forwarded": f"for={CLIENT}", "X-Forwarded-" + name: "127.0.0.1"}) == 400


@pytest.mark.parametrize(
    "value, scheme",
    [("https", "https"), ("HTTP", "http"), ("wss", "https"), ("ws", "http"), ("https, http", "http"), ("", "http")],
)
def test_scheme(value, scheme):
    found = seen({"X-Forwarded-Proto": value, "X-Forwarded-For": CLIENT})
    assert (found["scheme"], found["client"][0]) == (scheme, CLIENT)
    assert seen({"X-Forwarded-Proto": "gopher"}) == seen({"X-Forwarded-Proto": "http, x"}) == 400


def test_host_is_what_all_who_read_it_see():
    found = seen({"X-Forwarded-Host": "evil, Shop.Example:8443"})
    assert (found["host"], found["hosts"]) == ("Shop.Example:8443", ["Shop.Example:8443"])
    assert seen({"X-Forwarded-Host": "[2001:db8::1]"})["host"] == "[2001:db8::1]"
    for bad in ("a b", "a\\b", "[::g]", "user@a", "a:b", "\xe4", "a/../b"):
        assert seen({"X-Forwarded-Host": bad}) == 400, bad
    client = behind()
    origin = {"Origin": "https://shop.example"}
    assert client.websocket("/ws", headers={**origin, "X-Forwarded-Host": "shop.example"}).receive()
    with pytest.raises(ValueError, match="403"):
        client.websocket("/ws", headers=origin)


def test_host_where_the_request_has_none_or_names_it_in_its_target():
    for start in ("GET / HTTP/1.0\r\n", "GET http://inner/ HTTP/1.1\r\nHost: other\r\n"):
        client = behind()
        peer = client.network.connect()
        peer.send(f"{start}X-Forwarded-Host: x.example\r\nConnection: close\r\n\r\n".encode())
        client.step_while(lambda peer=peer: peer.state in ("connecting", "open"), 1000)
        assert b'"host": "x.example", "hosts": ["x.example"]' in peer.received


def test_each_request_of_a_proxys_connection_has_its_own_client():
    client = behind()
    peer = client.network.connect()
    head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
    told = (f"X-Forwarded-For: {CLIENT}\r\n", "", "X-Forwarded-For: 198.51.100.7\r\n")
    peer.send("".join(f"{head}{each}\r\nx" for each in told).encode())
    peer.send(f"{head}X-Forwarded-For: 198.51.100.8\r\nExpect: x\r\n\r\n".encode())
    client.step_while(lambda: peer.state in ("connecting", "open"), 10_000)
    clients = [address for address, _, _ in client.server.app.log]
    assert clients[::2] == [CLIENT, "198.51.100.7"]
    assert clients[1] == clients[3] == peer.peer[0]  # a head that is refused has told nothing
    assert [status for _, _, status in client.server.app.log] == [200, 200, 200, 417]


def test_the_log_has_the_request_that_is_refused_for_its_fields():
    client = behind()
    assert client.get("/?x=1", headers={"X-Forwarded-For": "nonsense"}).status == 400
    ((address, head, status),) = client.server.app.log
    assert address.startswith("192.0.2.") and head.startswith(b"GET /?x=1 HTTP/1.1\r\n") and status == 400


def test_who_can_be_trusted():
    proxies = TrustedProxies(["10.0.0.0/8", " 2001:db8::/32", "192.0.2.1 ", "unix"])
    assert all(each in proxies for each in ("10.255.0.1", "2001:db8:1::", "192.0.2.1", "unix"))
    assert not any(each in proxies for each in ("11.0.0.1", "2001:db9::", "192.0.2.2", "unknown", "_unix", "localhost"))
    assert "unix" not in TrustedProxies(["0.0.0.0/0"]) and "127.0.0.1" in TrustedProxies()
    for wrong in ("10.0.0.1/8", "localhost", "", "10.0.0.0/33", "*"):
        with pytest.raises(ValueError, match="addresses and networks"):
            TrustedProxies([wrong])


@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=60))
@example('for=127.0.0.1;a="')
@example("127.0.0.1, ")
@example("127.0.0.1:")
@example("\t ,for=127.0.0.1;")
def test_nothing_that_a_client_sends_makes_it_somebody_else(sent):
    """A proxy appends what it knows, to the field or as another one: the client is that, or gets a 400."""
    client = behind()
    for name, known in (("X-Forwarded-For", CLIENT), ("Forwarded", f"for={CLIENT};proto=https")):
        for joint in (", ", f"\r\n{name}: "):
            peer = client.network.connect()
            head = f"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{name}: {sent}{joint}{known}\r\n\r\n"
            peer.send(head.encode("latin-1"))
            client.step_while(lambda peer=peer: peer.state in ("connecting", "open"), 10_000)
            assert f'"client": ["{CLIENT}"'.encode() in peer.received or b"HTTP/1.1 400" in peer.received, head


# -- the PROXY protocol -----------------------------------------------------------------------------------

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def binary(kind, addresses=b"", command=0x21, tail=b""):
    return SIGNATURE + bytes([command, kind]) + (len(addresses) + len(tail)).to_bytes(2, "big") + addresses + tail


V4 = bytes([203, 0, 113, 9, 10, 0, 0, 1]) + (4711).to_bytes(2, "big") + (443).to_bytes(2, "big")
V6 = ipaddress.ip_address("2001:db8::9").packed * 2 + V4[8:]
UNIX = b"/run/client".ljust(108, b"\0") + b"/run/server".ljust(108, b"\0")
TLV = b"\x04\0\x03abc"

HEADERS = [
    (b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n", (CLIENT, 4711)),
    (b"PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n", ("255.255.255.255", 65535)),
    (b"PROXY TCP6 2001:db8::9 ::1 4711 443\r\n", ("2001:db8::9", 4711)),
    (b"PROXY TCP6 ::ffff:203.0.113.9 ::1 4711 443\r\n", (CLIENT, 4711)),
    (b"PROXY TCP6 " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2) + b" 65535 65535\r\n", ("ffff:" * 7 + "ffff", 65535)),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff:f...f:ffff what ever\r\n", None),
    (b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n", None),
    (binary(0x11, V4), (CLIENT, 4711)),
    (binary(0x21, V6), ("2001:db8::9", 4711)),
    (binary(0x11, V4, tail=TLV), (CLIENT, 4711)),
    (binary(0x21, V6, tail=TLV * 100), ("2001:db8::9", 4711)),
    (binary(0x31, UNIX), None),
    (binary(0x32, UNIX, tail=TLV), None),
    (binary(0x12, V4), None),  # UDP
    (binary(0x22, V6), None),
    (binary(0x00), None),
    (binary(0x00, b"anything"), None),
    (binary(0x11, V4, command=0x20), None),  # LOCAL: the proxy itself, of which the family is ignored
    (binary(0x00, command=0x20), None),
    (binary(0x11, b"abc", command=0x20), None),
]
WRONG = [
    b"GET / HTTP/1.1\r\n",
    b"\x16\x03\x01",
    b"\r\n\r\n\0\r\nQUIT\r",
    b"PROXY\r\n",
    b"PROXY \r\n",
    b"proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
    b"PROXY  TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
    b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n",
    b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n",
    b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\rx\r\n",
    b"PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n",
    b"PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n",
    b"PROXY TCP4 1.1.1.1 1.1.1.1 1 +1\r\n",
    b"PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\n",
    b"PROXY TCP4 1.1.1.1 1.1.1.1 1 100000000001\r\n",
    b"PROXY TCP4 01.1.1.1 1.1.1.1 1 1\r\n",
    b"PROXY TCP4 ::1 ::1 1 1\r\n",
    b"PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n",
    b"PROXY TCP6 fe80::1%1 ::1 1 1\r\n",
    b"PROXY TCP4 1.1.1.1 nonsense 1 1\r\n",
    b"PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n",
    b"PROXY UNKNOWNX\r\n",
    b"PROXY TCP4 \xff.1.1.1 1.1.1.1 1 1\r\n",
    b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    binary(0x11, V4, command=0x11),
    binary(0x11, V4, command=0x22),
    binary(0x41, V4),
    binary(0x13, V4),
    binary(0x11, V4[:-1]),
    binary(0x21, V6[:-1]),
    binary(0x31, UNIX[:-1]),
    binary(0x11, V4, tail=b"x" * MOST_HEADER),
]


@pytest.mark.parametrize("header, client", HEADERS)
def test_a_header_is_read_however_it_is_cut(header, client):
    for end in range(len(header)):
        assert parse_header(header[:end]) is None
    for behind_it in (b"", b"GET / HTTP/1.1\r\n", b"\r\n", header):
        assert parse_header(header + behind_it) == (len(header), client)


@pytest.mark.parametrize("header", WRONG)
def test_what_is_no_header_is_refused_however_it_is_cut(header):
    with pytest.raises(ValueError, match="PROXY header"):
        for end in range(len(header) + 1):
            assert parse_header(header[:end]) is None
    with pytest.raises(ValueError, match="PROXY header"):
        parse_header(header)


@given(st.one_of(st.binary(max_size=300), st.sampled_from([header for header, _ in HEADERS])), st.data())
def test_whatever_comes_it_is_a_header_or_an_error(data, draw):
    if data and draw.draw(st.booleans()):
        place = draw.draw(st.integers(0, len(data) - 1))
        data = data[:place] + draw.draw(st.binary(max_size=2)) + data[place + 1 :]
    if draw.draw(st.booleans()):
        data = SIGNATURE + data
    outcomes = []
    for end in range(len(data) + 1):
        try:
            outcomes.append(parse_header(data[:end]))
        except ValueError:
            outcomes.append("wrong")
        if outcomes[-1] is not None:
            break
    try:
        assert parse_header(data) == outcomes[-1]  # how it was cut changes nothing
    except ValueError:
        assert outcomes[-1] == "wrong"
    if isinstance(outcomes[-1], tuple):
        assert 15 <= outcomes[-1][0] <= len(data)


# -- from a socket ----------------------------------------------------------------------------------------

GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.fixture
def ask():
    """ask(pieces, *trusted): what a server that takes PROXY headers answers to what comes in so many pieces."""

    def ask(pieces, *trusted, fields=False):
        app = App()
        app.get("/")(lambda request: "%s:%d" % request.client)
        proxies = TrustedProxies(trusted or ("127.0.0.1",))
        server = Server(app, Network(proxies.receive_header))
        if fields:
            proxies.attach(server)
        server.open(0, "127.0.0.1")
        with contextlib.closing(server), socket.socket() as client:
            client.connect(("127.0.0.1", server.network.local_port(server.listener)))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ask.address = "%s:%d" % client.getsockname()
            for piece in pieces:
                client.sendall(piece)
                server.step(5)
            client.settimeout(0)
            received = b""
            for _ in range(3000):
                server.step(10)
                try:
                    data = client.recv(1000)
                except BlockingIOError:
                    continue
                except ConnectionResetError:
                    data = b""
                if not data:
                    return received.rpartition(b"\r\n\r\n")[2].decode()
                received += data
            pytest.fail("no answer")

    return ask


@pytest.fixture
def logged(monkeypatch):
    errors = []
    monkeypatch.setattr(webhal.log, "report", errors.append)
    return errors


@pytest.mark.parametrize("header, client", [HEADERS[0], HEADERS[5], HEADERS[9], HEADERS[18]])
def test_who_sends_a_header_is_who_it_says(ask, header, client):
    bytewise = [bytes([byte]) for byte in header + GET]
    for each in ([header + GET], [header, GET], bytewise, [header[:9], header[9:] + GET[:7], GET[7:]]):
        answer = ask(each)
        assert answer == ("%s:%d" % client if client else ask.address)


def test_who_is_not_trusted_is_served_without_a_header(ask):
    assert ask([GET], "10.0.0.0/8") == ask.address
    assert ask([HEADERS[0][0] + GET], "10.0.0.0/8") == "malformed request line\n"


def test_what_is_no_header_closes_the_connection_and_is_logged(ask, logged):
    for wrong in (GET, HEADERS[0][0][:-2] + b"\n" + GET, HEADERS[8][0][:13] + b"\x43\0\x0c"):
        assert ask([wrong]) == ""
        assert "127.0.0.1, which is a trusted proxy, has sent " in str(logged.pop())
    assert not logged


def test_fields_are_believed_by_the_address_of_the_header(ask):
    """Whoever is behind a proxy of connections is a client, and says what it likes."""
    spoofing = GET.replace(b"Host", b"X-Forwarded-For: 198.51.100.7\r\nHost")
    assert ask([HEADERS[0][0] + spoofing], fields=True) == f"{CLIENT}:4711"
    assert ask([HEADERS[0][0] + spoofing], "127.0.0.1", CLIENT, fields=True) == "198.51.100.7:0"


def test_a_header_comes_before_tls_and_fields_after_it(tmp_path):
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "pem")
    app = App()
    app.get("/")(lambda request: f"{request.scheme} {request.client[0]}")
    proxies = TrustedProxies(["127.0.0.1", CLIENT])
    certificates = tls.Certificates([(str(tmp_path / "pem"), str(tmp_path / "pem"))])
    network = tls.Network(certificates, proxies.receive_header)
    server = network.Server(app, network)
    proxies.attach(server)
    server.open(0, "127.0.0.1")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    answers = []

    def ask(fields):
        with socket.create_connection(("127.0.0.1", network.local_port(server.listener)), 30) as client:
            client.sendall(HEADERS[0][0])
            with context.wrap_socket(client, server_hostname="localhost") as secure:
                secure.sendall(GET.replace(b"Host", fields + b"Host"))
                answers.append(secure.makefile("rb").read().rpartition(b"\r\n\r\n")[2])

    with contextlib.closing(server):
        for fields in (b"", b"X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: http\r\n"):
            thread = threading.Thread(target=ask, args=(fields,))
            thread.start()
            while thread.is_alive():
                server.step(10)
    assert answers == [b"https " + CLIENT.encode(), b"http 198.51.100.7"]


# -- connections that a proxy keeps -----------------------------------------------------------------------


def test_for_how_long_a_connection_may_idle_is_said_where_it_is_kept():
    app = App()
    for path, result in (("/str", "x"), ("/dict", {}), ("/response", ("x", 201)), ("/none", None), ("/bytes", b"x")):
        app.get(path)(lambda request, result=result: result)
    app.get("/stream")(lambda request: iter("xyz"))
    for said in ("", "Keep-Alive: timeout=75\r\n"):
        network = FakeNetwork(harsh=False)
        server = PCServer(app, network)
        server.keep_alive = said
        server.open()
        for path in "/str /dict /response /none /bytes /stream /missing".split():
            for version, field, kept in (
                ("1.1", "", True),
                ("1.1", "Connection: close\r\n", False),
                ("1.0", "", False),
                ("1.0", "Connection: keep-alive\r\n", path != "/stream"),
            ):
                client = network.connect()
                client.send(f"GET {path} HTTP/{version}\r\nHost: a\r\n{field}\r\n".encode())
                for _ in range(20):
                    server.step(10)
                head = client.received.partition(b"\r\n\r\n")[0].decode() + "\r\n"
                assert head.count("Keep-Alive: ") == (1 if said and kept else 0), (path, version, field)
                assert said in head or not kept
                client.close()
        server.close()
