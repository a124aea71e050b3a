"""TestClient: requests to an application without a network, for the tests of those who write applications.

The real Server runs over a FakeNetwork, so hooks, error handlers, limits, streams and asynchronous handlers do
what they do on a PC or a board, but in virtual time: a handler may sleep for minutes and the test takes none.
What an application raises, and a server would print as a traceback, is raised in the test; otherwise nothing here
judges it: a response of 404 is a response. Runs on boards too.
"""

import webhal.log
from webhal.request import MultiDict
from webhal.server import Server
from webhal.testing.fake import FakeNetwork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypedDict

    from typing_extensions import Unpack  # of Python 3.11; known to type checkers

    from webhal.app import App
    from webhal.net import Limits
    from webhal.testing.live import Events, TestWebSocket

    class Options(TypedDict, total=False):
        """What TestClient.request takes besides method and path."""

        headers: dict[str, str] | None
        body: Any
        json: Any
        form: dict[str, str] | None
        files: dict[str, Any] | None
        ms: int | None


# A PC's limits, but for the buffer, which grows with what is sent. Tests of an application for boards may give theirs.
_LIMITS: "Limits" = {"connections": 16, "head": 16384, "body": 1 << 20, "buffer": 1024}
_PATIENCE_MS = 600_000  # virtual time that an answer may take if `ms` does not say
_SHOWN = 60  # bytes of a body in a response's repr
_PLAIN = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"


class TestResponse:
    """An answer: `status`, `headers` (a case-insensitive MultiDict), `body` (bytes), `text`, `json()`."""

    __test__ = False  # pytest is not to take it for a test

    def __init__(self, status: int, headers: MultiDict, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return "<TestResponse %d, %d bytes: %r>" % (self.status, len(self.body), self.body[:_SHOWN])

    @property
    def text(self) -> str:
        """The body as UTF-8. Raises UnicodeError for anything else."""
        return str(self.body, "utf-8")

    def json(self) -> "Any":
        """The value of a JSON body. Raises ValueError for anything else."""
        import json

        return json.loads(self.text)


class TestClient:
    """A client of `app`.

        client = TestClient(app)
        response = client.post("/led/5?blink=1", json={"on": True})
        assert response.status == 200 and response.json() == {"pin": 5, "on": True}

    What a server would print a traceback of, for example a handler's exception that is answered by 500, the
    request raises; with `raise_errors=False` it is printed, and the answer is returned.

    `limits` are those of Server; without them they are about a PC's. A request arrives whole, so a handler's
    `await request.read(n)` gets n bytes of the body (of the chunk, if it is sent in chunks) while there are so
    many; with a limit `buffer` it arrives in pieces of so many bytes. `cookies`, a dict, has what the
    application has set so far and is sent with each request; change it as you like. `server` and `network` are
    there for tests that need more: `client.network.now` is the virtual time in milliseconds,
    `client.network.connect()` a client that sends raw bytes, `client.network.lose_link()` what its name says.

    asyncio does not serve here, though an asynchronous test may call this: a handler that awaits what asyncio offers
    raises RuntimeError or TypeError. Such are tested over sockets, with `webhal.serve`.
    """

    __test__ = False

    def __init__(self, app: "App", raise_errors: bool = True, **limits: "Unpack[Limits]") -> None:
        self.raise_errors = raise_errors
        given = _LIMITS.copy()
        given.update(limits)
        self._whole = "buffer" not in limits
        self.network = FakeNetwork(harsh=False)
        self.server = Server(app, self.network, **given)
        self.cookies: "dict[str, str]" = {}
        self.server.open()

    def get(self, path: str, **options: "Unpack[Options]") -> TestResponse:
        """`request` by GET."""
        return self.request("GET", path, **options)

    def head(self, path: str, **options: "Unpack[Options]") -> TestResponse:
        """`request` by HEAD."""
        return self.request("HEAD", path, **options)

    def post(self, path: str, **options: "Unpack[Options]") -> TestResponse:
        """`request` by POST."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: "Unpack[Options]") -> TestResponse:
        """`request` by PUT."""
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: "Unpack[Options]") -> TestResponse:
        """`request` by PATCH."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: "Unpack[Options]") -> TestResponse:
        """`request` by DELETE."""
        return self.request("DELETE", path, **options)

    def options(self, path: str, **options: "Unpack[Options]") -> TestResponse:
        """`request` by OPTIONS."""
        return self.request("OPTIONS", path, **options)

    def request(
        self,
        method: str,
        path: str,
        headers: "dict[str, str] | None" = None,
        body: "Any" = None,
        json: "Any" = None,
        form: "dict[str, str] | None" = None,
        files: "dict[str, Any] | None" = None,
        ms: "int | None" = None,
    ) -> TestResponse:
        """Send one request, on a connection of its own, and return the answer.

        path     the request target as a client sends it: percent-encoded, and with its query
        headers  fields besides Host, Connection, Cookie, Content-Type and Content-Length; they replace these
        body     bytes, str (UTF-8), or an iterator of both, which is sent in chunks
        json     a value to send as JSON instead; form: a dict to send as a form
        files    files to send with the form, by the names of their fields: (filename, bytes or str), or (filename,
                 bytes or str, type), or a list of such
        ms       leave after so many milliseconds of virtual time; the answer is what came until then (for
                 streams that do not end)

        Raises what the application raised, see TestClient; OSError if the server closes the connection before the
        answer is whole, or none comes in 10 minutes of virtual time.
        """
        lower = [name.lower() for name in headers or {}]
        fields = []
        if json is not None:
            import json as coder

            body = coder.dumps(json)
            fields.append(("Content-Type", "application/json"))
        elif files is not None:
            body, boundary = _multipart(form or {}, files)
            fields.append(("Content-Type", "multipart/form-data; boundary=" + boundary))
        elif form is not None:
            body = "&".join([_quote(name) + "=" + _quote(value) for name, value in form.items()])
            fields.append(("Content-Type", "application/x-www-form-urlencoded"))
        if hasattr(body, "__next__"):
            body = b"".join([b"%x\r\n%s\r\n" % (len(piece), piece) for piece in map(_bytes, body) if piece])
            body += b"0\r\n\r\n"
            fields.append(("Transfer-Encoding", "chunked"))
        elif body is not None:
            body = _bytes(body)
            fields.append(("Content-Length", str(len(body))))
        if self.cookies:
            fields.append(("Cookie", "; ".join([name + "=" + self.cookies[name] for name in self.cookies])))
        fields += [("Host", "testserver"), ("Connection", "close")]
        lines = ["%s: %s\r\n" % field for field in fields if field[0].lower() not in lower]
        lines += ["%s: %s\r\n" % field for field in (headers or {}).items()]
        head = "%s %s HTTP/1.1\r\n%s\r\n" % (method, path, "".join(lines))
        response = self._exchange(method, head.encode() + (body or b""), ms)
        for cookie in response.headers.getlist("set-cookie"):
            self._keep_cookie(cookie)
        return response

    def _exchange(self, method: str, data: bytes, ms: "int | None") -> TestResponse:
        network = self.network
        peer = network.connect()
        if peer.state == "refused":
            raise OSError("the server does not listen")
        if self._whole and len(data) > len(self.server.view):
            self.server.view = memoryview(bytearray(len(data)))
        peer.send(data)
        self.step_while(lambda: peer.state in ("connecting", "open"), _PATIENCE_MS if ms is None else ms)
        peer.close()
        self.step_while(lambda: peer.socket in network.sockets, 1000)  # it notices, and ends the handler
        self.step_while(lambda: bool(self.server.again), 1)  # what the handler has spawned begins
        return _parse(method, peer.received, ms is None)

    def events(self, path: str, headers: "dict[str, str] | None" = None) -> "Events":
        """The events of a response that is an EventStream: an iterator, that ends the connection by `close`.

        Raises ValueError for another response.
        """
        from webhal.testing.live import Events  # not before: it takes memory

        return Events(self, path, headers or {})

    def websocket(
        self, path: str, headers: "dict[str, str] | None" = None, protocols: "tuple[str, ...] | list[str]" = ()
    ) -> "TestWebSocket":
        """A WebSocket to a handler. Raises ValueError where the handshake is refused, with the answer."""
        from webhal.testing.live import TestWebSocket

        return TestWebSocket(self, path, headers or {}, protocols)

    def run(self, ms: int) -> None:
        """Let so many milliseconds of virtual time pass, for what runs beside serving. Raises what that raised."""
        self.step_while(lambda: True, ms)

    def step_while(self, wanted: "Callable[[], bool]", ms: int) -> None:
        """Serve as long as that is so, but at most so many milliseconds."""
        network = self.network
        end = network.now + ms
        errors: "list[BaseException]" = []
        report = webhal.log.report
        if self.raise_errors:
            webhal.log.report = errors.append
        try:
            while wanted() and network.now < end:
                self.server.step(end - network.now)
                network.advance(1)  # work takes time, or a stream without end would never see its own
        finally:
            webhal.log.report = report
        if errors:
            if "event loop" in str(errors[0]):  # asyncio's own words for it
                text = "a TestClient has no loop of asyncio's: test what awaits that with webhal.serve"
                raise RuntimeError(text) from errors[0]
            raise errors[0]

    def _keep_cookie(self, field: str) -> None:
        parts = [part.strip() for part in field.split(";")]
        equals = parts[0].find("=")
        name = parts[0][:equals]
        if "max-age=0" in [part.lower() for part in parts[1:]]:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = parts[0][equals + 1 :]


def _bytes(data: "Any") -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data)


def _quote(text: object) -> str:
    return "".join([chr(byte) if byte in _PLAIN else "%%%02X" % byte for byte in str(text).encode()])


def _multipart(form: "dict[str, str]", files: "dict[str, Any]") -> "tuple[bytes, str]":
    """A form with files (RFC 7578), names written as browsers do; and its boundary, which is in none of them."""
    pieces = [('form-data; name="%s"\r\n' % _escape(name), _bytes(str(value))) for name, value in form.items()]
    for name, given in files.items():
        for file in given if isinstance(given, list) else [given]:
            head = 'form-data; name="%s"; filename="%s"\r\n' % (_escape(name), _escape(file[0]))
            head += "Content-Type: %s\r\n" % (file[2] if len(file) > 2 else "application/octet-stream")
            pieces.append((head, _bytes(file[1])))
    boundary = "boundary"
    while any([boundary.encode() in data for _, data in pieces]):
        boundary += "-"
    body = b""
    for head, data in pieces:
        body += b"--%s\r\nContent-Disposition: %s\r\n%s\r\n" % (boundary.encode(), head.encode(), data)
    return body + b"--%s--\r\n" % boundary.encode(), boundary


def _escape(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _parse(method: str, data: bytes, whole: bool) -> TestResponse:
    """The response that `data` is; if it must be `whole`, raises OSError where it is not."""
    status = 100
    while status < 200:  # 100 Continue comes before the answer
        end = data.find(b"\r\n\r\n")
        if end < 0:
            raise OSError("no answer, but " + repr(data) if data else "no answer")
        head = data[: end + 2]
        data = data[end + 4 :]
        status = int(head.split(b" ", 2)[1])
    headers = MultiDict([], head)
    good = True
    length = headers.get("content-length")
    if method == "HEAD" or status == 204 or status == 304:
        good = not data
    elif headers.get("transfer-encoding"):
        data, good = _joined(data)
    elif length is not None:
        good = len(data) == int(length)
    if whole and not good:
        raise OSError("the body is not whole: " + repr(data))
    return TestResponse(status, headers, data)


def _joined(data: bytes) -> "tuple[bytes, bool]":
    """(body, whether it is whole) of a body in chunks."""
    pieces: "list[bytes]" = []
    start = 0
    while True:
        end = data.find(b"\r\n", start)
        size = int(data[start:end], 16) if end > start else -1
        if size <= 0:
            return b"".join(pieces), data[start:] == b"0\r\n\r\n"
        start = end + 2 + size + 2
        pieces.append(data[end + 2 : start - 2])
