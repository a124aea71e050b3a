"""ASGI out: an application under uvicorn, hypercorn, granian and other servers of ASGI 3.

    application = ASGI(app)

Each request, and each WebSocket, is a connection over a network whose sockets are in memory: what the engine tells
becomes HTTP/1.1, or frames, which the server of a PC serves as it does elsewhere, and what that sends becomes messages
again. So nothing of HTTP is decided here. What belongs to a client's connection is the engine's: framing, the Date,
deadlines between requests, how many there may be.
"""

import asyncio
import contextlib
import os
import time
import traceback
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from functools import lru_cache
from io import FileIO
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from webhal import starting
from webhal_cpython import hosting, network, serving

if TYPE_CHECKING:
    from typing_extensions import Unpack  # of Python 3.11; known to type checkers

    from webhal.app import App
    from webhal.http import Request
    from webhal.net import Limits
    from webhal.server import Server

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

_PIECE = 65536  # bytes of a file in one message
# Of a WebSocket's handshake, which the engine judges; here it is one that always holds (RFC 6455, 4.1).
_HANDSHAKE = (
    b"Connection: Upgrade\r\n",
    b"Upgrade: websocket\r\n",
    b"Sec-WebSocket-Version: 13\r\n",
    b"Sec-WebSocket-Key: d2ViaGFsIG92ZXIgQVNHSQ==\r\n",
)
_HANDSHAKE_FIELDS = (
    b"connection",
    b"upgrade",
    b"sec-websocket-version",
    b"sec-websocket-key",
    b"sec-websocket-extensions",
)
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10  # opcodes (RFC 6455, 5.2)
_NO_STATUS, _LOST = 1005, 1006  # codes that no Close frame has (7.4.1)
_POLICY = 1008


class ASGI:
    """The ASGI application that `app` is. `limits` are those of Server; `connections` means nothing here.

    One server serves it, in the loop of asyncio that asks first: start handlers, jobs and stop handlers run once in
    each process, by the engine's lifespan, or, without one, from the first request on.
    """

    def __init__(self, app: "App", **limits: "Unpack[Limits]") -> None:
        self.app = app
        self.network = _Network()
        self.limits = starting.prepare(self.network, limits)[1]  # type: ignore[arg-type] # who connects, it need not ask
        self.server: _Server | None = None

    async def __call__(self, scope: "Message", receive: "Receive", send: "Send") -> None:
        kind = scope["type"]
        if kind == "http" or kind == "websocket":
            server = self.server
            if server is None or not server.begun.done():
                server = await self._start()
            await _Exchange(self.network, scope, receive, send).run(server)
        elif kind == "lifespan":
            await self._live(receive, send)
        else:
            raise ValueError(f"webhal serves http, websocket and lifespan, not {kind!r}")

    async def _live(self, receive: "Receive", send: "Send") -> None:
        """From the engine's start to its end."""
        await receive()
        try:
            server = await self._start()
        except BaseException as error:
            await send({"type": "lifespan.startup.failed", "message": traceback.format_exc()})
            if not isinstance(error, Exception):
                raise
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        server.stop()
        await server.host.ended
        self._close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> "_Server":
        """The server, once the start handlers have run. Raises what they raise."""
        server = self.server
        if server is None:
            server = self.server = _Server(self.app, self.network, self.limits)
            server.begun = asyncio.get_running_loop().create_future()
            server.host = _Host(server)
            server.adopt(self.network, 0, "")
        ended = server.host.ended
        await asyncio.wait((server.begun, ended), return_when=asyncio.FIRST_COMPLETED)
        if not server.begun.done():
            self._close()
            ended.result()
            raise RuntimeError("the application was stopped while it started")
        return server

    def _close(self) -> None:
        """Let go of the server."""
        if self.server:
            self.server.host.close()
            self.server = None


class _Exchange:
    """One request and its answer, or one WebSocket: a socket of the network, between the engine's two functions.

    Bytes for the server are its input; what that sends becomes messages for the engine.
    """

    # Of the input:
    input = memoryview(b"")  # not received yet
    left = False  # the client has left,
    untold = False  # which the server does not know yet
    over = False  # the engine tells no more: when all is received the client has left
    parts = False  # the request's body has no length: it comes in chunks
    first: "Awaitable[Message] | None" = None  # what the engine tells next, where it was asked already
    receiver: "asyncio.Future[None] | None" = None  # of who waits until all of it is received
    # Of the output:
    kind = "http."  # how the types of an answer's messages begin; "": it cannot be told
    begun = False  # the answer's head was sent
    length = -1  # bytes of its body, where its head tells
    chunked = False  # it comes in chunks,
    frames = False  # or frames of a WebSocket do
    frame = b""  # part of one
    passed = False  # or the engine has been told of a file
    sending = False  # there are messages that the engine has not taken
    sender: "asyncio.Future[None] | None" = None  # of who waits for some
    # Of both:
    read = write = False  # for what it is watched
    closed = False  # by the server,
    whole = False  # which had sent all

    def __init__(self, network: "_Network", scope: "Message", receive: "Receive", send: "Send") -> None:
        self.network = network
        self.scope = scope
        self.receive = receive
        self.send = send
        self.messages: "list[Message]" = []

    async def run(self, server: "_Server") -> None:
        """Have it served, to its end. Raises OSError where the answer is cut, so that the engine cuts it, too."""
        messages = self.messages
        head = await self._head()
        pump = None
        try:
            server.serve(self, head)
            while True:
                while messages:
                    try:
                        await self.send(messages.pop(0))
                    except OSError:  # the client has left
                        return
                if self.closed:
                    break
                self.sending = False
                self.changed()
                if pump is None:
                    pump = asyncio.create_task(self._pump())
                self.sender = asyncio.get_running_loop().create_future()
                await self.sender
        finally:
            if pump:
                pump.cancel()
            if not self.closed:
                server.slots[self].drop(server)
        if not (self.whole or self.left):
            raise OSError("the answer is cut")

    # -- from the engine --------------------------------------------------------------------------------------

    async def _head(self) -> bytes:
        """The request's head, and what is here of its body."""
        scope = self.scope
        path: str = scope["path"]
        root: str = scope.get("root_path") or ""
        if root and (path + "/").startswith(root + "/"):
            target = quote(path[len(root) :] or "/").encode()
        else:
            target = scope.get("raw_path") or quote(path).encode()
        if scope["query_string"]:
            target += b"?" + scope["query_string"]
        extensions = scope.get("extensions") or ()
        if scope["type"] == "websocket":
            self.kind = "websocket.http." if "websocket.http.response" in extensions else ""
            lines = [b"GET %s HTTP/1.1\r\n" % target, *_HANDSHAKE]
            lines += [b"%s: %s\r\n" % field for field in scope["headers"] if field[0] not in _HANDSHAKE_FIELDS]
            return _join(lines)
        version = scope["http_version"]
        lines = [b"%s %s HTTP/%s\r\n" % (scope["method"].encode(), target, b"1.0" if version == "1.0" else b"1.1")]
        length = b""
        expects = False
        for name, value in scope["headers"]:
            if name == b"expect":  # the engine sends 100 Continue when it is asked for the body
                expects = True
                continue
            lines.append(b"%s: %s\r\n" % (name, value))
            if name == b"content-length":
                length = value
            elif name == b"transfer-encoding":
                self.parts = True
        if not length and version > "1.1":  # only its frames tell whether there is a body
            message = await self.receive()
            if message.get("body") or message.get("more_body"):
                self.parts = True
                lines.append(b"Transfer-Encoding: chunked\r\n")
            self.tell(message)
        elif (self.parts or length not in (b"", b"0")) and not expects:
            begun = _Begun(self.receive())
            if begun.waits:
                self.first = begun
            else:
                self.tell(begun.value)
        head = _join(lines)
        if self.input:
            head += self.input
            self.input = memoryview(b"")
        return head

    def tell(self, message: "Message") -> None:
        """What the engine has told, as input for the server."""
        kind = message["type"]
        if kind == "http.request":
            body = message.get("body") or b""
            if self.parts:
                body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + (
                    b"" if message.get("more_body") else b"0\r\n\r\n"
                )
            self.give(body)
        elif kind == "websocket.receive":
            text = message.get("text")
            self.give(_frame(_BINARY, message["bytes"]) if text is None else _frame(_TEXT, text.encode()))
        elif kind == "websocket.disconnect":
            code = message.get("code", _NO_STATUS)
            reason = (message.get("reason") or "").encode()
            if code != _LOST:
                self.give(_frame(_CLOSE, b"" if code == _NO_STATUS else code.to_bytes(2, "big") + reason))
            self.over = True
        elif kind == "http.disconnect":
            self.over = True

    def give(self, data: bytes) -> None:
        """Add input for the server."""
        self.input = memoryview(bytes(self.input) + data if self.input else data)
        self.changed()

    async def _pump(self) -> None:
        """Have the engine tell one thing after another, each when the server has received the one before."""
        try:
            while True:
                if self.input:
                    self.receiver = asyncio.get_running_loop().create_future()
                    await self.receiver
                if self.over:
                    return
                first = self.first
                self.first = None
                self.tell(await (first or self.receive()))
        finally:
            self.left = self.untold = True
            self.changed()

    # -- for the network --------------------------------------------------------------------------------------

    def changed(self) -> None:
        """It may have become ready: have the server look."""
        if not self.closed and self.ready():
            self.network.ready[self] = None
            self.network.wake()

    def ready(self) -> bool:
        """Whether the server is to be told."""
        return self.untold or (self.read and (self.left or len(self.input) > 0)) or (self.write and not self.sending)

    def take(self, data: bytes) -> "int | None":
        """What Network.send promises; all is taken, or nothing, so what comes is whole heads and chunks."""
        if self.left:
            raise OSError("the client has left")
        if self.sending:
            return None
        if not self.begun:
            self._begin(data)
        elif self.frames:
            self._take_frame(data)
        else:
            self._take_body(data)
        if self.messages:
            self.sending = True
            _wake(self.sender)
        return len(data)

    def _begin(self, data: bytes) -> None:
        """An answer's head, and perhaps some of its body."""
        head, _, data = data.partition(b"\r\n\r\n")
        status, fields, self.length, self.chunked = _parse(head)
        if status == 100:
            return
        self.begun = True
        if status == 101:
            self.frames = True
            protocols = [value.decode() for name, value in fields if name == b"sec-websocket-protocol"]
            self.messages.append({"type": "websocket.accept", "subprotocol": protocols[0] if protocols else None})
        elif self.kind:
            self.messages.append({"type": self.kind + "response.start", "status": status, "headers": list(fields)})
        else:
            self.messages.append({"type": "websocket.close", "code": _POLICY, "reason": ""})
        if data:
            self._take_body(data)

    def _take_body(self, data: bytes) -> None:
        """Some of an answer's body: one chunk, where they are in chunks."""
        if self.chunked:
            data = data[data.index(b"\r\n") + 2 : -2]
        if data and self.kind:
            self.messages.append({"type": self.kind + "response.body", "body": data, "more_body": True})

    def _take_frame(self, data: bytes) -> None:
        """A frame, or part of one: the messages of a WebSocket are not fragmented."""
        frame = self.frame = self.frame + data if self.frame else data
        size = frame[1]
        start = 2
        if size > 125:
            start = 4 if size == 126 else 10
            size = int.from_bytes(frame[2:start], "big")
        if len(frame) < start + size:
            return
        self.frame = b""
        if self.over:  # the client has closed it already
            return
        opcode = frame[0] & 15
        payload = frame[start:]
        if opcode == _TEXT:
            self.messages.append({"type": "websocket.send", "text": payload.decode()})
        elif opcode == _BINARY:
            self.messages.append({"type": "websocket.send", "bytes": payload})
        elif opcode == _CLOSE:
            code = int.from_bytes(payload[:2], "big") if payload else 1000
            self.messages.append({"type": "websocket.close", "code": code, "reason": payload[2:].decode()})
        elif opcode == _PING:  # whether the client is there, the engine knows
            self.give(_frame(_PONG, payload))

    def take_file(self, file: FileIO, start: int, most: int) -> "int | None":
        """What Network.sendfile promises; where the engine can send a file, a whole one is left to it."""
        if self.left:
            raise OSError("the client has left")
        if self.sending:
            return None
        if not start and "http.response.pathsend" in (self.scope.get("extensions") or ()):
            with contextlib.suppress(OSError):  # the system does not tell its path, or it has none any more
                path = os.readlink(f"/proc/self/fd/{file.fileno()}")
                found = os.stat(path)
                if found.st_size == self.length and os.path.samestat(found, os.fstat(file.fileno())):
                    self.messages.append({"type": "http.response.pathsend", "path": path})
                    self.passed = self.sending = True
                    _wake(self.sender)
                    return self.length
        piece = os.pread(file.fileno(), min(most, _PIECE), start)
        return self.take(piece) if piece else 0

    def close(self) -> None:
        """What Network.close promises."""
        if self.closed:
            return
        self.closed = True
        if self.whole and self.kind and not self.frames:
            last: Message = self.messages[-1] if self.messages else {"type": ""}
            if last["type"] == self.kind + "response.body":
                last["more_body"] = False
            elif not self.passed:
                self.messages.append({"type": self.kind + "response.body", "body": b"", "more_body": False})
        _wake(self.sender)


def _wake(future: "asyncio.Future[None] | None") -> None:
    """Let who waits go on."""
    if future and not future.done():
        future.set_result(None)


def _join(lines: "list[bytes]") -> bytes:
    """A head of these lines; what is refused where one is more than that, as a field of HTTP/2 could make it."""
    head = b"".join(lines)
    return head + b"\r\n" if head.count(b"\n") == len(lines) else b"\n"


@lru_cache(256)
def _parse(head: bytes) -> "tuple[int, tuple[tuple[bytes, bytes], ...], int, bool]":
    """Of an answer's head: status, fields, bytes of body that it tells or -1, and whether that comes in chunks.

    The fields are those of the answer, not of the connection, which is the engine's (RFC 9110, 7.6.1; 9113, 8.2.2).
    """
    fields = []
    length = -1
    chunked = False
    lines = head.split(b"\r\n")
    for line in lines[1:]:
        name, _, value = line.partition(b": ")
        name = name.lower()
        if name == b"transfer-encoding":
            chunked = True
        elif name != b"connection":
            fields.append((name, value))
            if name == b"content-length":
                length = int(value)
    return int(lines[0][9:12]), tuple(fields), length, chunked


def _frame(opcode: int, payload: bytes) -> bytes:
    """A frame as a client sends it (RFC 6455, 5.2); its mask of zeros leaves the payload as it is."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65536:
        head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
    return head + b"\0\0\0\0" + payload


class _Begun:
    """What an engine will tell, asked for at once: most bodies have come already, and need no task that waits."""

    def __init__(self, awaitable: "Awaitable[Message]") -> None:
        self.steps = awaitable.__await__()
        self.waits = True
        self.value: Any = None  # what it waits for, or has told
        try:
            self.value = next(self.steps)
        except StopIteration as stop:
            self.waits = False
            self.value = stop.value

    def __await__(self) -> "Generator[Any, Any, Message]":
        yield self.value
        return (yield from self.steps)


class _Network:
    """Of webhal.net.Network what a server asks for to which the engine brings the clients.

    It has no unix_time, because the engine dates responses.
    """

    limits = network.Network.limits

    def __init__(self) -> None:
        self.ready: "dict[_Exchange, None]" = {}  # what may be
        self.wake: "Callable[[], None]" = lambda: None  # steps the server

    def status(self) -> str:
        return "up"

    def recv_into(self, socket: _Exchange, buffer: "bytearray | memoryview") -> "int | None":
        count = min(len(buffer), len(socket.input))
        if count:
            buffer[:count] = socket.input[:count]
            socket.input = socket.input[count:]
            if not socket.input:
                _wake(socket.receiver)
            return count
        if socket.left:
            raise OSError("the client has left")
        return None

    def send(self, socket: _Exchange, data: "bytes | bytearray | memoryview", start: int) -> "int | None":
        return socket.take(bytes(data[start:]))

    if hasattr(os, "pread"):  # not on Windows

        def sendfile(self, socket: _Exchange, file: FileIO, start: int, most: int) -> "int | None":
            return socket.take_file(file, start, most)

    def close(self, socket: "_Exchange | _Network") -> None:
        if isinstance(socket, _Exchange):  # and not the listener, which is the engine's
            self.ready.pop(socket, None)
            socket.close()

    def watch(self, socket: _Exchange, read: bool, write: bool) -> None:
        socket.read = read
        socket.write = write
        socket.changed()

    def wait(self, timeout_ms: int) -> "list[_Exchange]":
        ready = [socket for socket in self.ready if socket.ready()]
        self.ready = dict.fromkeys(ready)
        for socket in ready:
            socket.untold = False
        return ready

    def ticks_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000

    def ticks_diff(self, later: int, earlier: int) -> int:
        return later - earlier


class _Connection(serving.Connection):
    """The connection of one request."""

    def next_request(self, limit: int) -> "Request | None":
        request = super().next_request(limit)
        if request:
            scope = self.socket.scope
            if scope["scheme"] in ("https", "wss"):
                request.scheme = "https"
            request.root = scope.get("root_path") or ""
        return request

    def done(self, server: "Server") -> None:
        """The answer is sent: whether the client's connection serves another request is the engine's business."""
        self.socket.whole = True
        self.drop(server)


class _Server(serving.Server):
    """The server of one process."""

    begun: "asyncio.Future[None]"
    host: "_Host"

    def begin(self, port: int, host: str) -> None:
        """The start handlers have run. Where it listens is the engine's to tell."""
        self.tick()
        self.begun.set_result(None)

    def serve(self, socket: _Exchange, data: bytes) -> None:
        """Serve a request that has come: most are answered when this returns."""
        client = socket.scope.get("client")
        self.now = self.network.ticks_ms()
        peer = (client[0], int(client[1])) if client else ("", 0)  # of a Unix socket there is none
        self.slots[socket] = connection = _Connection(socket, peer, self.now)
        socket.read = True
        socket.input = memoryview(data)
        self.serve_ready([socket])
        if connection.phase == "idle":  # it waits for another request, which never comes
            connection.done(self)


class _Host(hosting.Host):
    """Steps the server when the engine has told something, or it is time."""

    def watch(self) -> None:
        self.server.network.wake = self.wake  # type: ignore[attr-defined] # it is the one above

    def unwatch(self) -> None:
        self.server.network.wake = lambda: None  # type: ignore[attr-defined]

    def step(self) -> None:
        super().step()
        if self.server.network.ready:  # type: ignore[attr-defined]
            self.wake()
