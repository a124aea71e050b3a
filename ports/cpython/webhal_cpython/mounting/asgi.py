"""ASGI applications (ASGI 3.0) under webhal's server: what is mounted, and its lifespan.

Requests are in http.py, WebSockets in websocket.py.
"""

import asyncio
from typing import TYPE_CHECKING, Any

import webhal.log
from webhal import Request
from webhal_cpython.mounting import Mounted
from webhal_cpython.mounting.exchange import GRACE_MS
from webhal_cpython.mounting.http import HTTP, VERSION
from webhal_cpython.mounting.websocket import WebSocket
from webhal_cpython.network import StartError

if TYPE_CHECKING:
    from collections.abc import Awaitable


class ASGI(Mounted):
    """A mounted ASGI application. It starts and stops with the server, by its lifespan."""

    def __init__(self, foreign: Any) -> None:
        super().__init__(foreign)
        self.running: set[HTTP] = set()  # requests whose answers may be there already
        self.state: dict[str, Any] | None = None  # of its lifespan, where it has one: each request gets a copy
        self.on("start")(self.start)
        self.on("stop")(self.stop)

    def exchange(self, request: Request) -> HTTP:
        """What takes the connection over, to answer the request."""
        if b"websocket" in request.head.lower() and "websocket" in request.headers.get("upgrade", "").lower():
            return WebSocket(self, request)
        return HTTP(self, request)

    def start(self) -> "Awaitable[None] | None":
        """Start the application. Raises StartError where it says that it failed."""
        if not self.hosted:
            return None
        self.lifespan = Lifespan(self)
        return self.lifespan.start()

    async def stop(self) -> None:
        """Let what goes on behind answers have its time, then stop the application."""
        server = self.hosted
        if not server:
            return
        try:
            if self.running:
                left = GRACE_MS - server.network.ticks_diff(server.network.ticks_ms(), server.tried)
                await asyncio.wait([each.task for each in self.running], timeout=max(0, left) / 1000)
        finally:
            for each in self.running:
                each.task.cancel()
        await self.lifespan.stop()


class Lifespan:
    """The task in which an application hears of start and stop (the lifespan protocol)."""

    def __init__(self, mounted: ASGI) -> None:
        loop = asyncio.get_running_loop()
        self.mounted = mounted
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.started: asyncio.Future[None] = loop.create_future()
        self.stopped: asyncio.Future[None] = loop.create_future()
        self.task = loop.create_task(self._run())

    async def start(self) -> None:
        """Until the application has started, or has no lifespan. Raises StartError."""
        self.events.put_nowait({"type": "lifespan.startup"})
        try:
            await self.started
        except BaseException:
            self.task.cancel()
            raise

    async def stop(self) -> None:
        """Until the application has stopped."""
        try:
            self.events.put_nowait({"type": "lifespan.shutdown"})
            await self.stopped
        finally:
            self.task.cancel()

    async def _run(self) -> None:
        state: dict[str, Any] = {}
        scope = {"type": "lifespan", "asgi": {**VERSION, "spec_version": "2.0"}, "state": state}
        self.state = state
        try:
            await self.mounted.foreign(scope, self.events.get, self.send)
        except Exception as error:
            if self.mounted.state is not None:  # else it has no lifespan, or has told
                webhal.log.log(error)
        except SystemExit as error:  # which would end the loop
            if not self.started.done():
                self.started.set_exception(self._cannot(repr(error)))
        finally:
            for each in (self.started, self.stopped):
                if not each.done():
                    each.set_result(None)

    def _cannot(self, why: str) -> StartError:
        return StartError(f"the application at {self.mounted.prefix} cannot start: {why}")

    async def send(self, message: dict[str, Any]) -> None:
        """What the application says."""
        kind = message["type"]
        text = message.get("message", "").strip()
        if kind == "lifespan.startup.complete" and not self.started.done():
            self.mounted.state = self.state
            self.started.set_result(None)
        elif kind == "lifespan.startup.failed" and not self.started.done():
            if "\n" in text:  # a traceback
                webhal.log.log(RuntimeError(text))
            self.started.set_exception(self._cannot(text.splitlines()[-1] if text else "it does not say why"))
        elif kind == "lifespan.shutdown.complete" and not self.stopped.done():
            self.stopped.set_result(None)
        elif kind == "lifespan.shutdown.failed" and not self.stopped.done():
            webhal.log.log(RuntimeError(f"the application at {self.mounted.prefix} failed to stop: {text}"))
            self.stopped.set_result(None)
        else:
            raise RuntimeError(f"not now: {kind}")
