"""WebSocket (RFC 6455): what an application decorates a handler with, and the connection that it then talks over.

    @app.get("/ws")
    @websocket
    async def talk(request, ws):
        async for message in ws:
            await ws.send(message)

What a frame is, is judged here and nowhere else. What a WebSocket is to its connection stands at the head of
connection.py; handlers run as jobs do (jobs.py).
"""

import binascii
import sys

import webhal
from webhal.errors import Cancelled
from webhal.jobs import Alarm, Job, awaited
from webhal.task import Wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from webhal.connection import Connection
    from webhal.http import Request
    from webhal.server import Server

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_TEXT = 1
_BINARY = 2
_CLOSE = 8
_PING = 9
_PONG = 10
_FIN = 0x80
_MASKED = 0x80
_RESERVED = 0x70
_DEFLATED = 0x40  # a message that is compressed: RSV1, of permessage-deflate
_MOST_CONTROL = 125  # bytes of a control frame (5.5)
_WORTH = 64  # bytes of a message that is compressed, where it can be: shorter ones gain nothing
_MOST_WAITING = 16  # frames that are to be sent and that nobody awaits
_AT_ONCE = 64  # frames that are taken in one step
_CLOSED = "the WebSocket is closed"

_NORMAL = 1000
_AWAY = 1001
_PROTOCOL = 1002
_NO_STATUS = 1005
_LOST = 1006
_NOT_UTF8 = 1007
_TOO_LARGE = 1009
_FAULT = 1011


class Violation(Exception):
    """What the client sent ends the WebSocket: the status of the Close frame."""


def websocket(
    handler: "Any" = None,
    protocols: "tuple[str, ...] | list[str]" = (),
    origins: "tuple[str, ...] | list[str] | None" = None,
    limit: "int | None" = None,
    ping: float = 20,
) -> "Any":
    """Decorator of a handler that talks over a WebSocket: handler(request, ws, …), below the route's decorator.

    An async handler's end closes the WebSocket: 1000, or 1011 where it raised. A def has set `ws.on_message` when it
    returns, and perhaps `ws.on_close`, and the WebSocket lives on.

    protocols   subprotocols that it speaks, the preferred first; ws.protocol is the one agreed on, or ""
    origins     pages that may connect, as ["https://example.org"], ["*"] for all; by default those of the request's own
                host, and clients that are no browser
    limit       bytes of a message, at most; by default as many as a body that is read whole
    ping        seconds of silence after which the client is asked whether it is there; after as many again it is lost;
                0 for never

    A request that is no WebSocket handshake is refused: 426, 400, or, of another page, 403.
    """
    if handler is None:
        return lambda handler: websocket(handler, protocols, origins, limit, ping)
    if not callable(handler):
        raise webhal.mistakes.uncallable(handler)
    if sys.implementation.name == "cpython":  # boards do not look
        webhal.mistakes.judge_websocket(handler)

    def begin(request: "Request", *values: "Any") -> "WebSocket":
        accept = judge(request, origins)
        return WebSocket(handler, values, accept, _choose(request, protocols), limit, int(ping * 1000))

    if sys.implementation.name == "cpython":
        begin.__name__ = handler.__name__
        begin.__wrapped__ = handler  # type: ignore[attr-defined]
    return begin


def _tokens(request: "Request", name: str) -> "list[str]":
    """The elements of a field that is a list."""
    return [part.strip(" \t") for part in request.headers.get(name, "").split(",")]


def judge(request: "Request", origins: "Any") -> bytes:
    """The Sec-WebSocket-Accept for a handshake (4.2.1). Raises HTTPError for anything else."""
    headers = request.headers
    error = webhal.errors.HTTPError
    upgrades = [token.lower() for token in _tokens(request, "upgrade")]
    connects = [token.lower() for token in _tokens(request, "connection")]
    if "websocket" not in upgrades or "upgrade" not in connects or request.method != "GET" or not request.minor:
        raise error(426, "this is a WebSocket", {"Upgrade": "websocket"})
    if headers.get("sec-websocket-version") != "13":
        raise error(426, "this WebSocket is of version 13", {"Upgrade": "websocket", "Sec-WebSocket-Version": "13"})
    key = headers.get("sec-websocket-key", "").encode()
    try:
        good = len(key) == 24 and len(binascii.a2b_base64(key)) == 16 and not request.length
    except ValueError:
        good = False
    if not good:
        raise error(400, "not a WebSocket handshake")
    origin = headers.get("origin")
    if origin is not None:
        own = origin.lower().split("://")[-1] == headers.get("host", "").lower()
        if not (own if origins is None else origin in origins or "*" in origins):
            raise error(403, "this page may not connect")
    import hashlib

    # CircuitPython knows it by name only.
    digest = hashlib.sha1(key + _MAGIC) if hasattr(hashlib, "sha1") else hashlib.new("sha1", key + _MAGIC)  # dialect:
    return binascii.b2a_base64(digest.digest()).strip()


def _choose(request: "Request", protocols: "Any") -> str:
    """The subprotocol that both speak."""
    offered = _tokens(request, "sec-websocket-protocol")
    for protocol in protocols:
        if protocol in offered:
            return protocol  # type: ignore[no-any-return]
    return ""


class WebSocket:
    """One connection. `async for` gives its messages, str or bytes, until it is closed, by whomever.

    request      the request that opened it
    protocol     the subprotocol agreed on, or ""
    closed       no more can be sent
    code, reason what the client said when it closed; 1005 for nothing, 1006 where it was lost
    on_message   what a def handler has set: called with each message
    on_close     the same, called once with the WebSocket when it is closed
    """

    server: "Server"
    connection: "Connection"
    request: "Request"
    fields = ""  # lines of the answer to the handshake, beside its own
    grace = 0
    on_message: "Callable[[Any], Any] | None" = None
    on_close: "Callable[[WebSocket], Any] | None" = None
    closed = False
    code = _LOST
    reason = ""
    job: "Job | None" = None
    alarm: "Alarm | None" = None
    receiver: "Any" = None  # who waits for a message
    message: "Any" = None  # one that nobody has taken yet
    # The frame that is being received: its opcode, mask, bytes of it so far and still to come.
    opcode = 0
    mask = b""
    count = 0
    left = 0
    kind = 0  # of the message of which fragments have come, or 0
    asked = False  # whether a ping waits for its answer
    heard = False  # whether anything has come since the last alarm
    deaf = False  # whether input is left where it is
    again = False  # whether it has its turn, or will have it in the next step
    decoder: "Any" = None  # of a text in parts, on a PC: no more of it is read than is UTF-8
    deflate: "Any" = None  # compresses messages, on a PC, where the client can
    deflated = False  # whether the message of which fragments have come is compressed

    def __init__(
        self, handler: "Any", values: "Any", accept: bytes, protocol: str, limit: "int | None", ping: int
    ) -> None:
        self.handler = handler
        self.values = values  # of the path
        self.accept = accept
        self.protocol = protocol
        self.limit = limit
        self.ping = ping
        self.data = bytearray()  # of the message so far
        self.control = bytearray()  # of a control frame so far
        self.waiting: "list[Any]" = []  # frames that are to be sent, as (opcode, payload)
        self.senders: "list[Any]" = []  # who waits for room

    # -- for handlers -------------------------------------------------------------------------------------

    def __aiter__(self) -> "WebSocket":
        return self

    def __anext__(self) -> "_Receive":
        return _Receive(self, True)

    def receive(self) -> "_Receive":
        """Awaitable: the next message, str or bytes; None when it is closed."""
        return _Receive(self, False)

    def send(self, message: "str | bytes | bytearray | memoryview") -> "_Room":
        """Send a text, or binary, message. Awaitable: until there is room for another.

        Raises OSError where it is closed, or more wait for room than 16; TypeError for anything else.
        """
        opcode = _BINARY
        payload: "Any" = message
        if isinstance(message, str):
            opcode = _TEXT
            payload = message.encode()
        elif not isinstance(message, (bytes, bytearray, memoryview)):
            raise TypeError("a message is str or bytes, not %r" % (message,))
        self._send(opcode, payload)
        if self.closed:  # sending has failed
            raise OSError(_CLOSED)
        return _Room(self)

    def close(self, code: int = _NORMAL, reason: str = "") -> "_Room":
        """Close it: no more messages come or go. Awaitable, at once. Raises ValueError for what no Close may say.

        A handler that waits elsewhere meanwhile is cancelled there; the one that closes goes on.
        """
        if not (code in (1000, 1001, 1003, 1007, 1008, 1009, 1010, 1011) or 3000 <= code <= 4999):
            raise ValueError("a WebSocket is not closed with " + repr(code))
        if len(reason.encode()) > _MOST_CONTROL - 2:
            raise ValueError("a reason has at most 123 bytes")
        self._close(code, reason)
        return _Room(None)

    # -- for its connection -------------------------------------------------------------------------------

    def begin(self, server: "Server", connection: "Connection", request: "Request") -> None:
        """Take the connection over, answer the handshake, and let the handler begin."""
        self.server = server
        self.connection = connection
        self.request = request
        if self.limit is None:
            self.limit = server.body
        connection.work = self
        connection.phase = "handler"
        lines = "HTTP/1.1 101 Switching Protocols\r\n" + server.fields + self.fields
        lines += "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        if self.protocol:
            lines += "Sec-WebSocket-Protocol: %s\r\n" % self.protocol
        if sys.implementation.name == "cpython":
            agreed = webhal.deflate.agree(request.headers.get("sec-websocket-extensions", ""))
            if agreed:
                lines += "Sec-WebSocket-Extensions: %s\r\n" % agreed[0]
                self.deflate = agreed[1]
        connection.keep = -1
        head = lines.encode() + b"Sec-WebSocket-Accept: %s\r\n\r\n" % self.accept
        if self.ping:
            self.alarm = Alarm(server, self._ring, self.ping)
        self.job = job = Job(self._talk())
        job.begin(server)
        if connection.start < len(connection.input):  # which came with the handshake
            self.turn()
        connection.send(server, head, b"", self)
        if "response" in server.app.events:
            server.app.emit("response", request, 101, 0)

    def ready(self, server: "Server", connection: "Connection") -> None:
        """The socket may be readable."""
        if self.message is not None or self.again:  # what is here comes first
            self.deaf = True
            server.network.watch(connection.socket, False, False)
            return
        count = server.receive(connection.socket, server.view)
        if count is None:
            return
        if not count:
            raise OSError  # the client has left
        connection.feed(bytes(server.view[:count]))
        self.heard = True
        self._parse()

    def step(self, server: "Server", connection: "Connection") -> None:
        """More frames are here, or are to be sent, or somebody takes their messages now."""
        message = self.message
        if message is not None and self.on_message:
            self.message = None
            self._deliver(message)
        self._parse()

    def taken(self, server: "Server", connection: "Connection") -> None:
        """What was sent is taken: on to what waits."""
        connection.phase = "handler"
        connection.begun = 1  # whatever comes, no HTTP answer may follow
        if self.waiting:
            self.turn()  # not now: where the client takes many at once, each would go deeper
        else:
            senders = self.senders
            self.senders = []
            for sender in senders:
                sender.wake()

    def turn(self) -> None:
        """Have a turn in the next step, one."""
        if not self.again:
            self.server.turn(self.connection)
            self.again = True

    def cancel(self) -> None:
        """The connection is gone, or no more messages come or go: tell the handler. Idempotent.

        Where it waits for this WebSocket, itself, it is told by that; where it waits for anything else it is cancelled.
        """
        if self.closed:
            return
        self.closed = True
        if self.alarm:
            self.alarm.leave()
            self.alarm = None
        waiting = self.senders
        self.senders = []
        if self.receiver:
            waiting.append(self.receiver)
            self.receiver = None
        tasks = [each.task for each in waiting]
        for each in waiting:
            each.wake()
        job = self.job
        if job and job.source is not None:
            host = self.server.host
            if not (job in tasks or host and host.acts(job, tasks)):
                job.cancel()
        ended = self.on_close
        self.on_close = None
        if ended:
            try:
                _call(ended, self)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                webhal.log.log(error)

    def stop(self) -> None:
        """The server stops."""
        self._close(_AWAY, "")

    # -- receiving ----------------------------------------------------------------------------------------

    def _parse(self) -> None:
        """Take frames from what was received, until there is a message that nobody has taken; send what they made."""
        self.again = True
        more = False
        try:
            for _ in range(_AT_ONCE):
                if self.message is not None or self.closed:
                    break
                if not (self.left or self._begin_frame()) or not self._take():
                    self.listen()
                    break
            else:
                more = True
        except Violation as violation:
            self._close(violation.args[0], "")
        finally:
            self.again = False
        if more:
            self.turn()
        if self.connection.work is self:
            self._flush()

    def listen(self) -> None:
        """All that is here was taken: receive more."""
        if self.deaf:
            self.deaf = False
            if self.connection.phase != "write":
                self.server.network.watch(self.connection.socket, True, False)

    def _begin_frame(self) -> bool:
        """Read a frame's head (5.2), if it is there."""
        connection = self.connection
        data = connection.input
        start = connection.start
        have = len(data) - start
        if have < 2:
            return False
        first, second = data[start], data[start + 1]
        opcode = first & 15
        size = second & 127
        place = start + 2
        reserved = first & _RESERVED
        if reserved and not (reserved == _DEFLATED and self.deflate and 0 < opcode < 3):
            raise Violation(_PROTOCOL)
        if not second & _MASKED or 2 < opcode < 8 or opcode > 10:
            raise Violation(_PROTOCOL)
        if opcode >= 8:
            if size > _MOST_CONTROL or not first & _FIN:
                raise Violation(_PROTOCOL)
        elif (opcode == 0) != (self.kind != 0):
            raise Violation(_PROTOCOL)
        if size > 125:
            width = 2 if size == 126 else 8
            place += width
            if have < 2 + width:
                return False
            size = 0
            for index in range(place - width, place):
                size = size << 8 | data[index]
            if size < (126 if width == 2 else 65536) or size >> 63:
                raise Violation(_PROTOCOL)
        if have < place + 4 - start:
            return False
        if opcode < 8 and len(self.data) + size > self.limit:  # type: ignore[operator] # begin has set it
            raise Violation(_TOO_LARGE)
        self.mask = bytes(data[place : place + 4])
        self.opcode = opcode | first & _FIN
        self.count = 0
        self.left = size
        connection.start = place + 4
        if 0 < opcode < 8:
            self.kind = opcode
            self.deflated = reserved != 0
        if not size:
            self._end_frame()
        return True

    def _take(self) -> bool:
        """Take what is here of the frame; False where more of it must come."""
        connection = self.connection
        start = connection.start
        count = min(self.left, len(connection.input) - start)
        if count:
            piece = _unmasked(connection.input[start : start + count], self.mask, self.count)
            connection.start += count
            self.count += count
            self.left -= count
            (self.control if self.opcode & 8 else self.data).extend(piece)
            if sys.implementation.name == "cpython":
                parts = self.left or self.decoder or self.opcode < _FIN
                if self.kind == _TEXT and parts and not self.opcode & 8 and not self.deflated:
                    self._decode(piece)
            if not self.left:
                self._end_frame()
        return not self.left

    def _end_frame(self) -> None:
        """A frame is whole."""
        opcode = self.opcode & 15
        if opcode < 8:
            if self.opcode & _FIN:
                data: "Any" = self.data
                self.data = bytearray()
                kind = self.kind
                self.kind = 0
                if self.decoder:
                    self.decoder = None
                if self.deflated:
                    data = self._inflate(data)
                self._deliver(_text(data) if kind == _TEXT else bytes(data))
            return
        payload = bytes(self.control)
        self.control = bytearray()
        if opcode == _PING:
            self._send(_PONG, payload)
        elif opcode == _PONG:
            self.asked = False
        else:
            self.code = _NO_STATUS
            if payload:
                code = payload[0] << 8 | payload[1] if len(payload) > 1 else 0
                if not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
                    raise Violation(_PROTOCOL)
                reason = _text(payload[2:])
                self.code, self.reason = code, reason
            self._finish(payload[:2])

    if sys.implementation.name == "cpython":

        def _inflate(self, data: bytearray) -> bytes:
            """The message that was compressed. Raises Violation."""
            try:
                payload = self.deflate.decompress(data, self.limit)
            except ValueError:
                raise Violation(_PROTOCOL) from None
            if payload is None:
                raise Violation(_TOO_LARGE)
            return payload  # type: ignore[no-any-return]

        def _decode(self, piece: "bytes | bytearray") -> None:
            """See whether a part of a text is one. Raises Violation."""
            if not self.decoder:
                from codecs import getincrementaldecoder

                self.decoder = getincrementaldecoder("utf-8")()
            try:
                self.decoder.decode(piece)
            except UnicodeError:
                raise Violation(_NOT_UTF8)

    def _deliver(self, message: "Any") -> None:
        """A message is whole."""
        if self.on_message:
            try:
                _call(self.on_message, message)
            except (MemoryError, KeyboardInterrupt):
                raise
            except BaseException as error:
                webhal.log.log(error)
                self._close(_FAULT, "")
            return
        self.message = message
        receiver = self.receiver
        self.receiver = None
        if receiver and receiver.task is self.job:  # the handler goes on at once
            self.job.waiting = None
            self.job.step(self.server)
        elif receiver:
            receiver.wake()

    # -- sending ------------------------------------------------------------------------------------------

    def _send(self, opcode: int, payload: "Any") -> None:
        """Send a frame, when there is room."""
        if self.closed:
            raise OSError(_CLOSED)
        if opcode == _PONG:  # an earlier one is not needed any more (5.5.3)
            self.waiting = [frame for frame in self.waiting if frame[0] != _PONG]
        elif len(self.waiting) >= _MOST_WAITING:
            raise OSError("too much waits to be sent: await ws.send(…)")
        elif self.deflate and opcode < _CLOSE and len(payload) >= _WORTH:
            opcode |= _DEFLATED
            payload = self.deflate.compress(payload)
        self.waiting.append((opcode, payload))
        # Small ones may wait for those that the handler makes of what else was received.
        small = opcode & 15 < _CLOSE and len(payload) * _MOST_WAITING < self.server.buffer
        if not (small and self.again and len(self.waiting) < _MOST_WAITING):
            self._flush()

    def _flush(self) -> None:
        """Send what waits: in one write, which needs no memory, as many frames as the receive buffer has room for."""
        waiting = self.waiting
        connection = self.connection
        if not waiting or connection.phase == "write":
            return
        server = self.server
        room = server.buffer
        parts: "list[Any]" = []
        more: "Any" = b""
        work: "Any" = self
        while waiting:
            opcode, payload = waiting[0]
            size = len(payload)
            if size < 126:
                head = bytes((opcode | _FIN, size))
            elif size < 65536:
                head = bytes((opcode | _FIN, 126, size >> 8, size & 255))
            else:
                head = bytes((opcode | _FIN, 127)) + size.to_bytes(8, "big")
            room -= len(head) + size
            if room < 0:
                if parts:
                    break
                piece = memoryview(payload)
                payload = piece[:room]
                more = piece[room:]
            parts.append(head)
            parts.append(payload)
            waiting.pop(0)
            if opcode == _CLOSE:
                work = None
        try:
            webhal.exchange.join(connection, server, parts, more, work)
        except OSError:
            connection.drop(server)

    def _close(self, code: int, reason: str) -> None:
        """Say that it is over, and why."""
        self._finish(bytes((code >> 8, code & 255)) + reason.encode())

    def _finish(self, payload: bytes) -> None:
        """Send a Close frame, the last one, and let the connection linger for the client's."""
        if self.closed:
            return
        self.cancel()
        connection = self.connection
        connection.input = b""
        connection.start = 0
        self.waiting.append((_CLOSE, payload))
        self._flush()

    def _ring(self) -> int:
        """Nothing has come for a while, or something has: ask, or give up; milliseconds until the next time."""
        # What the client sends is not read while it is sent to, for which there is a deadline, or a message waits.
        if self.heard or self.connection.phase == "write" or self.waiting or self.message is not None:
            self.heard = self.asked = False
        elif self.asked:
            self.connection.drop(self.server)
            return 0
        else:
            self.asked = True
            self._send(_PING, b"")
        return self.ping

    def _talk(self) -> "Generator[Any, Any, None]":
        """Run the handler."""
        try:
            result = self.handler(self.request, self, *self.values)
            if hasattr(result, "send"):
                yield from awaited(self.server, result)
                self._close(_NORMAL, "")
            elif self.message is not None:
                self.turn()
        except (Cancelled, GeneratorExit, KeyboardInterrupt):
            self._close(_AWAY, "")
            raise
        except BaseException as error:
            if not (self.closed and _tells_of_the_end(error)):
                webhal.log.log(error)
            self._close(_FAULT, "")


def _call(function: "Callable[[Any], Any]", value: "Any") -> None:
    """Call what a def handler has set."""
    result = function(value)
    if hasattr(result, "send"):
        result.close()
        raise webhal.mistakes.asynchronous(function)


def _tells_of_the_end(error: "Any") -> bool:
    """Whether a handler that raises it has sent to a client that had left; it may have done so in a group of tasks."""
    if sys.implementation.name == "cpython":
        if hasattr(error, "exceptions"):
            return all([_tells_of_the_end(each) for each in error.exceptions])
    return isinstance(error, OSError)


class _Receive(Wait):
    """The next message; at the end StopAsyncIteration, or None."""

    if sys.implementation.name == "cpython":
        told = "ws.receive()"

    def __init__(self, ws: WebSocket, iterates: bool) -> None:
        self.ws = ws
        self.iterates = iterates

    def __next__(self) -> Wait:
        ws = self.ws
        if ws.message is None:
            if not ws.closed:
                return self
            if self.iterates:
                raise StopAsyncIteration
            raise StopIteration(None)
        message = ws.message
        ws.message = None
        if not ws.closed:
            if ws.connection.start < len(ws.connection.input):
                ws.turn()  # for what is behind it
            else:
                ws.listen()
        raise StopIteration(message)

    def park(self, task: "Any") -> None:
        if self.ws.receiver:
            raise RuntimeError("somebody waits for a message of this WebSocket already")
        self.ws.receiver = self
        self.task = task

    def wake(self) -> None:
        """There is one."""
        self.task.wake()

    def leave(self) -> None:
        if self.ws.receiver is self:
            self.ws.receiver = None


class _Room(Wait):
    """Until everything that was sent is on its way; without a WebSocket there is nothing to wait for."""

    if sys.implementation.name == "cpython":
        told = ""  # what was sent is on its way, awaited or not

    def __init__(self, ws: "Any") -> None:
        self.ws = ws

    def __next__(self) -> Wait:
        ws = self.ws
        if ws is None:
            raise StopIteration
        if ws.closed:
            raise OSError(_CLOSED)
        if ws.connection.phase == "write" or ws.waiting and not ws.again:
            return self
        raise StopIteration

    def park(self, task: "Any") -> None:
        self.task = task
        self.ws.senders.append(self)

    def wake(self) -> None:
        """There may be room."""
        self.task.wake()

    def leave(self) -> None:
        if self in self.ws.senders:
            self.ws.senders.remove(self)


def _unmasked(data: "bytes | bytearray", mask: bytes, offset: int) -> "bytes | bytearray":
    """A part of a frame's payload, before which `offset` bytes came (5.3)."""
    if sys.implementation.name == "cpython":
        count = len(data)
        offset &= 3
        key = (mask + mask)[offset : offset + 4] * (count // 4 + 1)
        value = int.from_bytes(data, "little") ^ int.from_bytes(key[:count], "little")
        return value.to_bytes(count, "little")
    data = bytearray(data) if type(data) is bytes else data
    for place in range(len(data)):
        data[place] ^= mask[(offset + place) & 3]  # type: ignore[index] # it is a bytearray
    return data


def _text(data: "bytes | bytearray") -> str:
    """UTF-8 text. Raises Violation for anything else."""
    try:
        return webhal.text.decode(bytes(data))
    except webhal.errors.HTTPError:
        raise Violation(_NOT_UTF8)
