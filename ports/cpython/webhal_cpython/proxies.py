"""Behind proxies: whom a request is from, and how it came to the proxy, as far as a proxy is believed.

A proxy tells in fields of each request, X-Forwarded-For, -Proto and -Host or Forwarded (RFC 7239), which
`TrustedProxies` reads; or by the PROXY protocol, in a header before a connection's first byte, of which `parse_header`
is the sans-I/O parser (versions 1 and 2 of haproxy's doc/proxy-protocol.txt), and `TrustedProxies.receive_header` the
preparation that takes it from a socket (admission.py).
"""

import ipaddress
import re
import socket as bsd
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import webhal.log
from webhal import head
from webhal.errors import HTTPError
from webhal.http import Request
from webhal.server import Server
from webhal_cpython.admission import READ, Arrival, Wanted
from webhal_cpython.serving import Connection

Client = tuple[str, int]  # address and port

TRUSTED = ("127.0.0.1", "::1", "unix")
"""Whom to believe if nobody else is named: proxies on this machine."""

_FIELD = re.compile(rb"\r\n(forwarded|x-forwarded-(?:for|proto|host)):[ \t]*([^\r\n]*)", re.IGNORECASE)
_HOST = re.compile(rb"(?<=\r\n)host:[^\r\n]*\r\n", re.IGNORECASE)
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}  # some proxies tell a WebSocket's

# RFC 7239, 4 and 6; tokens and quoted strings are those of RFC 9110, 5.6.
_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PAIR = re.compile(rf'({_TOKEN})=(?:({_TOKEN})|"((?:[^"\\]|\\.)*)")')
_SEPARATOR = re.compile(r"[ \t]*(?:,[ \t]*)+")
_IDENTIFIER = re.compile(r"unknown|_[0-9A-Za-z._\-]+", re.IGNORECASE)
_PORT = re.compile("[0-9]{1,5}")

_TEXT = b"PROXY "
_BINARY = b"\r\n\r\n\0\r\nQUIT\n"
_MOST_TEXT = 107  # bytes of a header of version 1, its CRLF included
MOST_HEADER = 4096  # bytes of one of version 2: of addresses 216 at most, of TLS, a certificate's name, an id a few 100
_FAMILIES = {1: (4, 12), 2: (16, 36), 3: (0, 216)}  # of version 2: bytes of an address to be read, and of all addresses


class TrustedProxies:
    """Proxies that are believed, by address.

    trusted: addresses and networks, such as "10.0.0.0/8"; "unix" is whoever connects by a unix socket. Raises
    ValueError, in words, for anything else.

    Each of them must set or remove all fields that are read here, for it passes on what its client sends of the others.
    """

    def __init__(self, trusted: Iterable[str] = TRUSTED) -> None:
        self._unix = False
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for each in map(str.strip, trusted):
            if each == "unix":
                self._unix = True
                continue
            try:
                self._networks.append(ipaddress.ip_network(each))
            except ValueError as error:
                raise ValueError(f"trusted proxies are addresses and networks such as 10.0.0.0/8: {error}") from None

        self._remembered = lru_cache(1024)(self._judge)

    def __contains__(self, address: str) -> bool:
        """Whether what is at `address` is believed; "unix" is the network's for peers of a unix socket."""
        return self._remembered(address)

    def _judge(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return self._unix and address == "unix"
        return any(parsed in network for network in self._networks)

    def attach(self, server: Server) -> None:
        """Let a server believe these: its connections are as they were, but for those of proxies."""
        kind = server.Connection
        proxied: Any = type("Proxied", (_Proxied, kind), {"proxies": self})

        def connect(socket: Any, client: Client, now: int) -> Any:
            return (proxied if client[0] in self else kind)(socket, client, now)

        server.Connection = connect  # type: ignore[assignment] # it is only called

    def read(self, request: Request, peer: Client) -> Client:
        """Whom a request is from that `peer`, which is believed, has sent; sets its scheme and its Host.

        The client is the right-most hop that is not believed, because hops left of it are what that one says; the left-
        most if all are. Scheme and host are those that the proxy to which that hop has connected says; the last of
        X-Forwarded-Proto and -Host, in which nothing tells who has said the others. Raises HTTPError(400) for what is
        malformed in a place that counts, and for both kinds of fields at once, of which one must be the client's.
        """
        found: dict[str, list[str]] = {}
        for name, value in _FIELD.findall(request.head):
            found.setdefault(name.decode().lower(), []).append(value.decode("latin-1"))
        if not found:
            return peer
        client = peer
        if "forwarded" in found:
            if len(found) > 1:
                raise HTTPError(400, "Forwarded and X-Forwarded together")
            said: dict[str, str] = {}
            for element in reversed([each for line in found["forwarded"] for each in _elements(line)]):
                said = element
                if "for" not in element:
                    break
                client = _node(element["for"], True)
                if client[0] not in self:
                    break
        else:
            lists = {name[len("x-forwarded-") :]: _values(lines) for name, lines in found.items()}
            for hop in reversed(lists.get("for", [])):
                client = _node(hop)
                if client[0] not in self:
                    break
            said = {name: values[-1] for name, values in lists.items() if values}
        if "proto" in said:
            scheme = _SCHEMES.get(said["proto"].lower())
            if not scheme:
                raise HTTPError(400, "malformed scheme of a proxy")
            request.scheme = scheme
        if "host" in said:
            line, fields = _HOST.sub(b"", request.head, 1).split(b"\r\n", 1)
            request.head = b"%s\r\nHost: %s\r\n%s" % (line, _host(said["host"]), fields)
        return client

    def receive_header(self, arrival: Arrival) -> Iterator[Wanted]:
        """A preparation: whose address is believed sends a PROXY header first, always, and is who that says.

        Others are served as they are. What is no header closes the connection, as is logged.
        """
        if arrival.client[0] not in self:
            return
        held = b""
        while True:
            try:
                data = arrival.socket.recv(MOST_HEADER, bsd.MSG_PEEK)
            except BlockingIOError:
                yield READ
                continue
            if not data:
                raise ConnectionResetError
            try:
                found = parse_header(held + data)
            except ValueError as error:
                told = ConnectionAbortedError(f"{arrival.client[0]}, which is a trusted proxy, has sent {error}")
                webhal.log.log(told)
                raise told from None
            length, client = found or (len(held) + len(data), None)
            held += arrival.socket.recv(length - len(held))  # what is behind it is not ours
            if found:
                arrival.client = client or arrival.client
                return


class _Proxied(Connection):
    """A connection of a proxy's: `client` is whom its request is from."""

    proxies: TrustedProxies

    def __init__(self, socket: Any, peer: Client, now: int) -> None:
        super().__init__(socket, peer, now)
        self.peer = peer

    def next_request(self, limit: int) -> Request | None:
        """Reader.next_request; who answers a refusal sees the proxy as the client."""
        self.client = self.peer
        start = self.start
        request = super().next_request(limit)
        if request:
            try:
                self.client = self.proxies.read(request, self.peer)
            except HTTPError:
                self.start = start  # what is refused, and told in the log, begins there
                raise
        return request


def _values(lines: list[str]) -> list[str]:
    """The values of a field that is a list, of all its lines."""
    stripped = [value.strip(" \t") for line in lines for value in line.split(",")]
    return [value for value in stripped if value]


def _elements(line: str) -> list[dict[str, str]]:
    """The elements of one Forwarded field, names in lower case. Raises HTTPError(400)."""
    line = line.strip(" \t")
    elements: list[dict[str, str]] = [{}]
    place = 0
    while place < len(line):
        pair = _PAIR.match(line, place)
        if pair:
            name = pair[1].lower()
            if name in elements[-1]:
                raise HTTPError(400, "malformed Forwarded")
            elements[-1][name] = pair[2] or re.sub(r"\\(.)", r"\1", pair[3] or "")
            place = pair.end()
        if place == len(line):
            break
        separator = _SEPARATOR.match(line, place)
        if separator:
            elements.append({})
            place = separator.end()
        elif line[place] == ";":
            place += 1
        else:
            raise HTTPError(400, "malformed Forwarded")
    return [element for element in elements if element]


@lru_cache(256)
def _host(text: str) -> bytes:
    """A Host's value. Raises HTTPError(400)."""
    host = text.encode("latin-1")
    head.judge_host(host.lower())
    return host


@lru_cache(1024)
def _node(text: str, strict: bool = False) -> Client:
    """(address, port) of a hop, port 0 if it does not say; (identifier, 0) of one that has no address (RFC 7239, 6).

    strict: an address of version 6 is in brackets. Raises HTTPError(400).
    """
    host, colon, port = text, "", ""
    bracketed = text[:1] == "["
    if bracketed:
        host, end, rest = text[1:].partition("]")
        colon, port = rest[:1] if end else "[", rest[1:]
    elif text.count(":") == 1:
        host, colon, port = text.partition(":")
    obfuscated = bool(_IDENTIFIER.fullmatch(port)) and port[0] == "_"
    good = not colon or colon == ":" and (obfuscated or bool(_PORT.fullmatch(port)) and int(port) < 65536)
    if good and not bracketed and _IDENTIFIER.fullmatch(host):
        return host, 0
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        good = False
    # A zone means nothing on another machine.
    if not good or "%" in host or (address.version == 6) != bracketed and (bracketed or strict):
        raise HTTPError(400, "malformed address of a hop")
    return _plain(address), 0 if obfuscated else int(port or 0)


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """As the network writes it: one of version 4 mapped into version 6 is of version 4."""
    return str(getattr(address, "ipv4_mapped", None) or address)


def parse_header(data: bytes) -> tuple[int, Client | None] | None:
    """(its bytes, the client) of the PROXY header that received bytes begin with; None: more is needed.

    While more is needed, all of `data` belongs to the header. The client is None where the header does not tell one
    that has an address and a port: that of the connection counts. Raises ValueError for anything else than a header.
    """
    if data[: len(_TEXT)] == _TEXT[: len(data)]:
        end = data.find(b"\r\n", 0, _MOST_TEXT)
        if end >= 0:
            return end + 2, _parse_text(data[:end])
        if len(data) >= _MOST_TEXT or b"\n" in data:
            raise ValueError("no PROXY header, for it has no end")
        return None
    if data[: len(_BINARY)] != _BINARY[: len(data)]:
        raise ValueError("no PROXY header")
    if len(data) < 16:
        return None
    length = 16 + int.from_bytes(data[14:16], "big")
    kind, transport = divmod(data[13], 16)
    if data[12] not in (0x20, 0x21) or kind > 3 or transport > 2 or length > MOST_HEADER:
        raise ValueError("a malformed PROXY header")
    size, addresses = _FAMILIES.get(kind, (0, 0))
    if data[12] == 0x20 or not transport:  # LOCAL is the proxy itself; in UNSPEC nothing is to be read
        size = addresses = 0
    if length < 16 + addresses:
        raise ValueError("a malformed PROXY header")
    if len(data) < length:
        return None
    if not size or transport != 1:
        return length, None
    port = 16 + 2 * size
    return length, (_plain(ipaddress.ip_address(data[16 : 16 + size])), int.from_bytes(data[port : port + 2], "big"))


def _parse_text(line: bytes) -> Client | None:
    """The client that a header of version 1 tells. Raises ValueError."""
    parts = line.decode("latin-1").split(" ")
    if parts[1] == "UNKNOWN":
        return None
    kind: Any = {"TCP4": ipaddress.IPv4Address, "TCP6": ipaddress.IPv6Address}.get(parts[1])
    good = kind and len(parts) == 6 and b"%" not in line
    for port in parts[4:]:
        good = good and _PORT.fullmatch(port) and str(int(port)) == port and int(port) < 65536
    try:
        if good:
            client, _ = [kind(each) for each in parts[2:4]]
            return _plain(client), int(parts[4])
    except ValueError:
        pass
    raise ValueError("a malformed PROXY header")
