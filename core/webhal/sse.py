"""Server-sent events (WHATWG HTML, 9.2): EventStream, what a handler returns for a page's EventSource.

How an answer is sent piece by piece is in stream.py, what handlers tell each other in topic.py.
"""

import webhal
from webhal.jobs import Alarm
from webhal.response import Response
from webhal.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from webhal.connection import Connection
    from webhal.http import Request
    from webhal.server import Server

_TYPE = "text/event-stream"
_DIGITS = 15  # of a Last-Event-ID: as many as a float has, and more than ever there are


class EventStream(Response):
    """A response that never ends by itself: an event for each value of `source`, when there is one.

    source: a Topic, or an iterator, asynchronous or not, of values: str; dict or list, sent as JSON; or a tuple
    (event, data), (event, data, id), of which event and id are str or None. Of a Topic each event's id is its number,
    and a client that comes back, with Last-Event-ID, gets what the topic still keeps of what it has missed.
    heartbeat: seconds without an event after which a comment is sent, so that who has left is noticed and proxies
    let the connection be; 0 for none.
    retry: milliseconds after which the browser connects again; by default what it likes, mostly 3 seconds.
    """

    def __init__(self, source: "Any", heartbeat: float = 15, retry: "int | None" = None) -> None:
        super().__init__(source, 200, {"Content-Type": _TYPE, "Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self.heartbeat = int(heartbeat * 1000)
        self.retry = retry
        if hasattr(source, "__aiter__"):
            self.body = source.__aiter__()
        elif not hasattr(source, "__next__"):
            self.body = iter(source)
        self.topic = source if hasattr(source, "publish") else None

    def stream(self, request: "Request", source: "Any", response: "EventStream") -> "Stream":
        """What sends it."""
        topic = self.topic
        if topic:
            known = request.headers.get("last-event-id", "").encode()[:_DIGITS]
            if known.isdigit() and int(known) <= topic.count:  # else it is of another life of the server's
                source.position = max(int(known), topic.count - len(topic.kept))
        return _Events(request, source, response)


class _Events(Stream):
    """A Stream whose head leaves at once, and whose pieces are events."""

    response: "EventStream"
    alarm: "Alarm | None" = None

    def begin(self, server: "Server", connection: "Connection", request: "Request") -> None:
        response = self.response
        self.reader = self.source if response.topic else None
        self.heartbeat = response.heartbeat
        super().begin(server, connection, request)
        self.kind = _TYPE
        self.prepare()
        self.piece = b":\n\n" if response.retry is None else b"retry: %d\n\n" % response.retry
        self.alarm = Alarm(server, self.beat, self.heartbeat)

    def beat(self) -> int:
        """Send a comment where nothing else was sent for a while; milliseconds until the next one may be due."""
        connection = self.connection
        ms = self.heartbeat
        if self.waiting and connection.phase == "handler":
            network = self.server.network
            age = network.ticks_diff(network.ticks_ms(), connection.since)
            if age < ms:
                return ms - age
            self.piece = b":\n\n"
            self.server.turn(connection)
        return ms

    def stop(self) -> None:
        """The server stops: end now, the browser will connect again."""
        if self.connection.phase == "handler" and not self.piece:
            self.end(self.server, self.connection, None)

    def step(self, server: "Server", connection: "Connection") -> None:
        """What Stream.step does, unless only a heartbeat was sent, and the source waits still."""
        if self.piece or not self.waiting:
            super().step(server, connection)
        else:
            self.listen(connection.start == len(connection.input))

    def wake(self) -> None:
        """What the source waits for is there; it has its turn at once, or when a heartbeat is sent."""
        if self.piece or self.connection.phase == "write":
            self.waiting = None
        else:
            super().wake()

    def cancel(self) -> None:
        super().cancel()
        if self.alarm:  # where memory ran out before, there is none
            self.alarm.leave()

    def encode(self, piece: "Any") -> "tuple[str, Any]":
        """A value as an event; what is waited for as it is."""
        if hasattr(piece, "park"):
            return "", piece
        event = number = None
        data = piece
        if isinstance(piece, tuple) and 2 <= len(piece) <= 3:
            event = piece[0]
            if len(piece) > 2:
                number = piece[2]
            data = piece[1]
        if self.reader and number is None:
            number = str(self.reader.position)
        if isinstance(data, (dict, list)):
            data = webhal.response.dumps(data)
        elif not isinstance(data, str):
            raise webhal.mistakes.event(self.request, piece)
        text = ""
        for name, value in (("event", event), ("id", number)):
            if value is not None:
                if not isinstance(value, str) or "\n" in value or "\r" in value or "\0" in value:
                    raise webhal.mistakes.value("event", value)
                text += "%s: %s\n" % (name, value)
        for line in data.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
            text += "data: %s\n" % line
        return _TYPE, (text + "\n").encode()
