"""WebSockets of mounted ASGI applications (ASGI's WebSocket protocol 2.4): the application's events on one side.

On the other is webhal's WebSocket, which does all that is between server and client (webhal/websocket.py).
"""

from typing import Any

import webhal.log
from webhal import HTTPError, websocket
from webhal_cpython.mounting.exchange import judge
from webhal_cpython.mounting.http import HTTP

_PING_MS = 20000  # of silence, after which the client is asked whether it is there
_NORMAL = 1000
_FAULT = 1011


class WebSocket(HTTP):
    """A handshake, and what the application makes of it: a WebSocket, or an answer."""

    ws: websocket.WebSocket | None = None  # once it is accepted
    announced = False  # the application has heard that there is a client

    def run(self) -> None:
        """Let the application begin. Raises HTTPError for what is no handshake."""
        self.accept = websocket.judge(self.request, ["*"])  # origins are the application's to judge
        super().run()

    def scope(self) -> dict[str, Any]:
        """What the application is told of the request."""
        scope = super().scope()
        protocols = self.request.headers.get("sec-websocket-protocol", "")
        del scope["method"]
        scope["type"] = "websocket"
        scope["scheme"] = scope["scheme"].replace("http", "ws")
        scope["subprotocols"] = [each.strip(" \t") for each in protocols.split(",") if each.strip(" \t")]
        scope["extensions"] = {"websocket.http.response": {}}
        return scope

    async def receive(self) -> dict[str, Any]:
        """That there is a client; its messages, once it is accepted; that it has left."""
        if not self.announced:
            self.announced = True
            return {"type": "websocket.connect"}
        while not self.ws and not self.over:
            await self._wait()
        message = await self.ws.receive() if self.ws else None
        if isinstance(message, str):
            return {"type": "websocket.receive", "text": message}
        if message is not None:
            return {"type": "websocket.receive", "bytes": message}
        ws: Any = self.ws or websocket.WebSocket
        return {"type": "websocket.disconnect", "code": ws.code, "reason": ws.reason}

    async def send(self, message: dict[str, Any]) -> None:
        """A message of the application's. Raises OSError when the client has left, or the WebSocket is closed."""
        kind = message["type"]
        if kind.startswith("websocket.http.response."):
            await super().send({**message, "type": kind[10:]})
            return
        if self.gone:
            self.told = True
            raise OSError("the WebSocket is closed")
        if kind == "websocket.send" and self.ws:
            text = message.get("text")
            try:
                await self.ws.send(message["bytes"] if text is None else text)
            except OSError:
                self.told = True
                raise
        elif kind == "websocket.close" and self.ws:
            self.ended = True
            await self.ws.close(message.get("code", _NORMAL), message.get("reason") or "")
        elif kind == "websocket.accept" and not self.ws and not self.head:
            self._accept(message)
        elif kind == "websocket.close" and not self.ws and not self.head:
            self.ended = True
            self.fail(HTTPError(403))
        else:
            raise RuntimeError(f"not now: {kind}")

    def _accept(self, message: dict[str, Any]) -> None:
        """Answer the handshake: from now on the connection is the WebSocket's."""
        fields = [(name, value) for name, value in message.get("headers", ())]
        if message.get("subprotocol"):
            fields.append((b"Sec-WebSocket-Protocol", message["subprotocol"].encode()))
        lines = judge(200, tuple(fields)).lines
        ws = websocket.WebSocket(lambda request, ws: None, (), self.accept, "", None, _PING_MS)
        ws.fields = lines[lines.find(b"\n") + 1 :].decode()
        ws.on_close = self._closed
        connection = self.connection
        if self.deaf:
            self.server.network.watch(connection.socket, True, False)
        self.ws = ws
        self._leave()
        try:
            ws.begin(self.server, connection, self.request)
        except OSError:
            connection.drop(self.server)

    def _closed(self, ws: websocket.WebSocket) -> None:
        self.gone = True

    def fail(self, error: BaseException) -> None:
        """The application raised."""
        if not self.ws:
            super().fail(error)
            return
        webhal.log.log(error)
        if not self.ws.closed:
            self.ws.close(_FAULT)

    def returned(self) -> None:
        """The application has returned."""
        if not self.ws:
            super().returned()
        elif not self.ws.closed:
            self.ws.close()
