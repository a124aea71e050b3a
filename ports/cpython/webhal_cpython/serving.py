"""The server of a PC: heads read by one compiled expression, plain requests served in one function, signals.

It is the core's Server and Connection with few methods replaced, because on CPython a call costs more than most of
what is called does. Every head that the expression does not take is left to webhal.head, the only place that refuses.
"""

import contextlib
import importlib
import os
import re
import signal
import sys
import threading
from collections.abc import Coroutine
from json import JSONEncoder
from types import CoroutineType
from typing import Any

import webhal.log
from webhal import connection, head, http
from webhal.exchange import dispatch as answer
from webhal.exchange import next as begin_body
from webhal.exchange import send as sent
from webhal.http import Request
from webhal.response import Response, serialise
from webhal.server import Server as Portable
from webhal_cpython.output import Output

# Makes a repetition keep what it took (possessive); before 3.11.5 CPython loses matches that way.
_ALL = "+" if sys.version_info >= (3, 11, 5) else ""
# The request line in origin form without escapes.
_LINE = r"(GET|POST|HEAD|PUT|DELETE|PATCH) ((/[!\x22$&->@-~]*)(?:\?[!\x22$-~]*)?) HTTP/1\.1\r\n"
# The fields: each line either says no more than where a GET without a body ends, or what HTTP/1.1 does anyway; or it is
# the one Host, a name or an address of version 4; or a Content-Length, of which there is one before Host or behind it.
# No two neighbours may match the same text: trying all ways to share it takes a client's bytes squared. No repetition
# has a group that is asked for later: CPython's re loses those of possessive ones, until 3.13.
_FIELD = r"[!#-'*+\-.0-9A-Z^-z|~]+" + _ALL + r":[\t -~\x80-\xff]*" + _ALL + r"\r\n"
# How the names begin of fields that may say more: Content-Length, Connection, Expect, Host, Transfer-Encoding, and few
# others, which _TELLING tells apart.
_SUSPECT = r"[CcEeHhTt][oOxXrR](?!nnection: [Kk]eep-[Aa]live\r|ntent-[TtEeDd])[nNsSpPaA]"
_PLAIN = f"(?:(?!{_SUSPECT}){_FIELD})*{_ALL}"
_HOST = r"[Hh]ost:[ \t]*(?:[!$&-.0-9;=A-Z_a-z~]+(?::[0-9]*)?[ \t]*)?\r\n"
_LENGTH = r"[Cc]ontent-[Ll]ength: ?([0-9]{1,15})\r\n"
_HEAD = re.compile(
    f"{_LINE}{_PLAIN}(?:{_LENGTH}{_PLAIN})?{_HOST}{_PLAIN}(?:(?(4)(?!)){_LENGTH}{_PLAIN})?"
    f"((?={_SUSPECT})(?:{_FIELD})*{_ALL})?\r\n"
)
_TELLING = re.compile(
    r"^(?:host|content-length|transfer-encoding|expect|connection(?!: keep-alive\r)):", re.IGNORECASE | re.MULTILINE
)


# Of the core's modules that are loaded when they are named those that serving may name, loaded at once: with the last
# descriptor in use none can be.
for _name in (
    "chunked conditional date fields jobs link loop mistakes overload phrases refusing request routing sendfile"
    " stopping stream task text topic unicode"
).split():
    importlib.import_module("webhal." + _name)

# The signals that end Server.run, and what they do by default.
_SIGNALS: "dict[signal.Signals, Any]" = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}

STOP_S = 10  # that running requests get to finish in when a service is ended

# The Content-Type of what response.serialise sends with no other field: bodies that were put into no Response.
_HTML = b"text/html; charset=utf-8"
_TYPES: "dict[type, bytes]" = {str: _HTML, bytes: b"application/octet-stream", dict: b"application/json"}
# As what response.py makes of JSON, at four fifths of its cost; what refers to itself goes too deep instead.
_dumps = JSONEncoder(check_circular=False, allow_nan=False).encode


class Reader(http.Reader):
    """The core's sans-I/O input, with a shortcut."""

    def next_request(self, limit: int) -> "Request | None":
        """What http.Reader.next_request promises."""
        data = self.input
        start = self.start
        if start or self.looked:  # of what is behind other requests, their part only
            end = 0 if self.looked else data.find(b"\r\n\r\n", start, start + limit) + 4
            data = bytes(data[start:end])
        match = _HEAD.match(data.decode("latin-1"))
        if match is None:
            return head.judge(self, limit)
        end = match.end()
        method, target, path, length, behind, suspects = match.groups()
        if end > limit or (suspects and _TELLING.search(suspects)):
            return head.judge(self, limit)
        if end < len(data) or type(data) is not bytes:
            data = bytes(data[:end])
        request = Request(method, target, path, data)
        if length or behind:
            request.length = self.left = int(length or behind)
        self.start = start + end
        return request


class Connection(Reader, connection.Connection):
    """The core's connection, with that input."""

    def dispatch(self, server: Portable, request: Request) -> None:
        """Connection.dispatch, whose quick answers have no place for another field."""
        if server.keep_alive:
            answer(self, server, request, server.app.handle(request))
        else:
            super().dispatch(server, request)


def begin(app: Any, request: Request, handler: "Coroutine[Any, Any, Any]") -> Any:
    """What an `async def` handler returns that has nothing to wait for; else the Stream that goes on with it."""
    try:
        wait = handler.send(None)
        if wait is None:
            handler.close()
            raise webhal.mistakes.piece(request, wait)
    except StopIteration as stop:
        value = stop.value
        if app.plain and type(value) in _TYPES:
            return value
        try:
            return webhal.response.finish(request.app, request, value)
        except (MemoryError, KeyboardInterrupt):
            raise
        except BaseException as error:
            return webhal.errors.handle(request.app, request, error)
    except (MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:
        return webhal.errors.handle(request.app, request, error)
    stream = webhal.stream.Stream(request, handler)
    stream.value = wait
    return stream


class Server(Portable):
    """The core's, with a shortcut, and ended by signals."""

    Connection = Connection
    starts: "dict[type, bytes]" = {}  # of plain responses, as Server.start, by what the handler returned
    kept = ""  # the field lines of all that do not close

    def __init__(self, *values: Any, **limits: Any) -> None:
        super().__init__(*values, **limits)
        if not webhal.log.report and sys.stderr is sys.__stderr__:  # else the program has plans of its own
            with contextlib.suppress(OSError, ValueError):  # it has no descriptor, as in some consoles
                webhal.log.report = Output(sys.stderr).report

    def tick(self) -> None:
        """Server.tick, which gives responses their Date."""
        super().tick()
        self.kept = self.fields + self.keep_alive
        start = self.start.replace(b"\r\n", b"\r\n" + self.keep_alive.encode(), 1)
        self.starts = {kind: start.replace(_HTML, value) for kind, value in _TYPES.items()}

    def serve_ready(self, ready: "list[Any]") -> bool:
        """Plain requests in one function; what is not plain goes on from where it turns out not to be."""
        slots = self.slots
        listener = self.listener
        receive = self.receive
        send = self.network.send
        view = self.view
        limit = self.head
        most = self.body
        now = self.now
        app = self.app
        handle = app.handle
        starts = self.starts
        accept = False
        for socket in ready:
            client = slots.get(socket)
            if client is None:
                accept = accept or socket is listener
                continue
            try:
                phase = client.phase
                if (phase != "idle" and phase != "start") or client.input:  # which an empty line may have left there
                    client.ready(self)
                    continue
                count = receive(socket, view)
                if not count:
                    if count is not None:
                        client.drop(self)
                    continue
                client.input = bytes(view[:count])
                request = client.next_request(limit)
                if request is None:
                    if client.start < count:
                        client.phase = "rest"
                        client.since = now
                    continue
                request.client = client.client
                if request.length:
                    start = client.start
                    end = start + request.length
                    if start < end <= count and request.length <= most and app.plain and not app.streamed:
                        request.body = client.input[start:end]  # all of it is here
                        client.start = end
                        client.left = 0
                    else:
                        begin_body(client, self, request)
                        continue
                result = handle(request)
                kind = type(result)
                if kind is CoroutineType and not self.host:
                    result = begin(app, request, result)
                    kind = type(result)
                lines = starts.get(kind)
                if (
                    (lines is None and kind is not Response)
                    or client.start < count  # another request
                    or not (request.keep and request.minor)
                    or request.method == "HEAD"
                    or self.closes
                    or self.stopping
                    or "response" in app.events
                ):
                    answer(client, self, request, result)
                    continue
                try:
                    if lines is None:
                        lines, body = serialise(result, request.method, self.kept)
                        out = lines + body  # None of a stream
                    else:
                        body = result.encode() if kind is str else result if kind is bytes else _dumps(result).encode()
                        out = b"%s%d\r\n\r\n%s" % (lines, len(body), body)
                except Exception:  # a stream, or what cannot be sent: whoever answers sees it again
                    answer(client, self, request, result)
                    continue
                count = send(socket, out, 0)
                if count == len(out):
                    client.phase = "idle"
                    client.since = now
                    client.input = b""
                    client.start = 0
                else:
                    client.begun = count or 0
                    sent(client, self, out, client.begun, b"", None)
            except Exception as error:
                client.failed(self, error)
        return accept

    def unlisten(self) -> None:
        """Server.unlisten; where it drains, not before those who are being prepared (admission.py) were accepted."""
        refuse = getattr(self.network, "refuse", None)
        if not (refuse and self.listener and hasattr(self, "draining") and refuse(self.listener)):
            super().unlisten()

    def close(self) -> None:
        """Server.close."""
        if hasattr(self, "draining"):
            del self.draining  # nobody is waited for any more
        super().close()

    def drain(self, seconds: float = STOP_S) -> None:
        """`stop`, but connections that idle are not closed at once: the next request may be on its way to them.

        seconds: what running requests get to finish, also where it stops already; who idles gets a tenth of that, and
        at most the idle deadline.
        """
        self.draining = int(1000 * seconds)
        self.stop()
        self.tried = self.network.ticks_ms()

    def run(self) -> None:
        """Server.run, ended by the first SIGINT or SIGTERM without interrupting a handler; the second does as it will.

        SIGTERM, with which services are ended, lets it drain; whoever presses Ctrl-C does not want to wait for that.
        Signals for which the application has plans of its own are left to it.
        """
        ours = []
        process = os.getpid()
        if threading.current_thread() is threading.main_thread():
            ours = [each for each in _SIGNALS if signal.getsignal(each) == _SIGNALS[each]]

        def restore() -> None:
            for each in ours:
                if signal.getsignal(each) is stop:  # not what the application planned meanwhile
                    signal.signal(each, _SIGNALS[each])

        def stop(number: int, frame: object) -> None:
            restore()
            if os.getpid() != process:  # one that a handler forked
                os.kill(os.getpid(), number)
            elif number == signal.SIGTERM:
                self.drain()
            else:
                self.stop()

        for each in ours:
            signal.signal(each, stop)
        try:
            super().run()
        finally:
            restore()
