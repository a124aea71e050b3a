"""What TestClient has for live pages: server-sent events and WebSockets, read as a browser reads them."""

from webhal.request import MultiDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal.testing.client import TestClient

PATIENCE_MS = 600_000  # virtual time that an event or a message may take
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # of RFC 6455, 1.3, and
_ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # what answers it
_MASK = b"\x37\xfa\x21\x3d"  # of RFC 6455, 5.7


class TestEvent:
    """A server-sent event: `event` ("message" if it has no name), `data`, `id` (the last one that was told)."""

    __test__ = False

    def __init__(self, event: str, data: str, number: str) -> None:
        self.event = event
        self.data = data
        self.id = number

    def __repr__(self) -> str:
        return "<TestEvent %s %r>" % (self.event, self.data)

    def json(self) -> "Any":
        """The value of data that is JSON. Raises ValueError for anything else."""
        import json

        return json.loads(self.data)


class Events:
    """What TestClient.events returns: reads events as a browser does (WHATWG HTML, 9.2.6)."""

    def __init__(self, client: "TestClient", path: str, headers: "dict[str, str]") -> None:
        self.client = client
        self.peer = client.network.connect()
        self.id = ""
        lines = ["%s: %s\r\n" % field for field in headers.items()]
        self.peer.send(("GET %s HTTP/1.1\r\nHost: testserver\r\n%s\r\n" % (path, "".join(lines))).encode())
        client.step_while(lambda: self.peer.received.find(b"\r\n\r\n") < 0 and self.peer.state != "closed", 1000)
        self.start = self.peer.received.find(b"\r\n\r\n") + 4
        self.headers = MultiDict([], self.peer.received[: self.start])
        if self.headers.get("content-type") != "text/event-stream":
            raise ValueError("no event stream, but %r" % self.peer.received)
        self.text = ""

    def __iter__(self) -> "Events":
        return self

    def __next__(self) -> TestEvent:
        """The next event; waits for it in virtual time. Raises StopIteration where the server ends the stream."""
        while True:
            end = self.text.find("\n\n")
            if end >= 0:
                found = self._event(self.text[:end])
                self.text = self.text[end + 2 :]
                if found:
                    return found
            elif not self._more():
                raise StopIteration

    def _event(self, text: str) -> "TestEvent | None":
        """The event of a block, None where there is only a comment or the like."""
        event = "message"
        data: "list[str]" = []
        for line in text.split("\n"):
            colon = line.find(": ")
            if line[:colon] == "event":
                event = line[colon + 2 :]
            elif line[:colon] == "id":
                self.id = line[colon + 2 :]
            elif line[:colon] == "data":
                data.append(line[colon + 2 :])
        return TestEvent(event, "\n".join(data), self.id) if data else None

    def _more(self) -> bool:
        """Wait for another chunk."""
        peer = self.peer

        def chunk() -> int:
            end = peer.received.find(b"\r\n", self.start)
            size = int(peer.received[self.start : end], 16) if end >= 0 else -1
            return size if size >= 0 and len(peer.received) >= end + size + 4 else -1

        self.client.step_while(lambda: chunk() < 0 and peer.state in ("connecting", "open"), PATIENCE_MS)
        size = chunk()
        if size < 0 and peer.state == "open":
            raise OSError("no event came")
        if size <= 0:
            return False
        start = peer.received.find(b"\r\n", self.start) + 2
        self.text += str(peer.received[start : start + size], "utf-8")
        self.start = start + size + 2
        return True

    def close(self) -> None:
        """Leave, as a browser does whose page is closed."""
        network = self.client.network
        self.peer.close()
        self.client.step_while(lambda: self.peer.socket in network.sockets, 1000)


def frame(opcode: int, payload: bytes = b"", fin: bool = True, mask: bytes = _MASK) -> bytes:
    """A client's frame (RFC 6455, 5.2); without a mask it is one that a server must refuse."""
    size = len(payload)
    head = bytes([opcode | (128 if fin else 0)])
    bit = 128 if mask else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126, size >> 8, size & 255])
    else:
        head += bytes([bit | 127]) + size.to_bytes(8, "big")
    if mask:
        payload = bytes([byte ^ mask[place & 3] for place, byte in enumerate(payload)])
    return head + mask + payload


def handshake(path: str, fields: str = "") -> bytes:
    """The request that opens a WebSocket."""
    return (
        "GET %s HTTP/1.1\r\nHost: testserver\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s\r\n" % (path, _KEY, fields)
    ).encode()


class TestWebSocket:
    """What TestClient.websocket returns. `protocol` is the one agreed on, `code` and `reason` the server's Close."""

    __test__ = False

    def __init__(
        self, client: "TestClient", path: str, headers: "dict[str, str]", protocols: "tuple[str, ...] | list[str]"
    ) -> None:
        self.client = client
        self.peer = client.network.connect()
        self.code: "int | None" = None  # while it is open
        self.reason = ""
        fields = "".join(["%s: %s\r\n" % field for field in headers.items()])
        if protocols:
            fields += "Sec-WebSocket-Protocol: %s\r\n" % ", ".join(protocols)
        self.peer.send(handshake(path, fields))
        client.step_while(lambda: self.peer.received.find(b"\r\n\r\n") < 0 and self._alive(), PATIENCE_MS)
        answer = self.peer.received
        self.start = answer.find(b"\r\n\r\n") + 4
        fields_ = MultiDict([], answer[: self.start])
        if answer[:12] != b"HTTP/1.1 101" or fields_.get("sec-websocket-accept") != _ACCEPT:
            raise ValueError("no WebSocket, but %r" % answer)
        self.protocol = fields_.get("sec-websocket-protocol", "")

    def _alive(self) -> bool:
        return self.peer.state in ("connecting", "open")

    def send(self, message: "str | bytes") -> None:
        """Send a message."""
        self.peer.send(frame(1, message.encode()) if isinstance(message, str) else frame(2, message))

    def receive(self, ms: int = PATIENCE_MS) -> "Any":
        """The next message, str or bytes; None where it is closed. Raises OSError where none comes within `ms`.

        Pings are answered.
        """
        while True:
            self.client.step_while(lambda: self._size() < 0 and self._alive(), ms)
            size = self._size()
            if size < 0:
                if self.peer.state == "open":
                    raise OSError("no message came")
                return None
            opcode = self.peer.received[self.start] & 15
            payload = self.peer.received[self.start + _head(size) : self.start + _head(size) + size]
            self.start += _head(size) + size
            if opcode == 1:
                return str(payload, "utf-8")
            if opcode == 2:
                return payload
            if opcode == 9:
                self.peer.send(frame(10, payload))
            elif opcode == 8:
                if self.code is None:
                    self.code = payload[0] << 8 | payload[1] if payload else 1005
                    self.reason = str(payload[2:], "utf-8")
                    self._answer(payload[:2])
                return None

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it, and wait until the server has."""
        if self.code is None:
            self._answer(bytes([code >> 8, code & 255]) + reason.encode())
            while self.code is None and self.receive() is not None:
                pass

    def _answer(self, payload: bytes) -> None:
        """Send a Close frame."""
        if self._alive() or self.peer.state == "ended":
            self.peer.send(frame(8, payload))
            self.client.step_while(self._alive, 1000)
            if self.code is not None:
                self.peer.close()
                self.client.step_while(lambda: self.peer.socket in self.client.network.sockets, 10_000)

    def _size(self) -> int:
        """Bytes of the next frame's payload, -1 while it is not whole."""
        data = self.peer.received[self.start :]
        if len(data) < 2:
            return -1
        size = data[1]
        if size > 125:
            width = 2 if size == 126 else 8
            size = int.from_bytes(data[2 : 2 + width], "big")
        return size if len(data) >= _head(size) + size else -1


def _head(size: int) -> int:
    """Bytes of a server's frame before its payload."""
    return 2 if size < 126 else 4 if size < 65536 else 10
